/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_TCK_ENDS_H
#define WEIR_TESTS_TCK_ENDS_H
/*
 * tck_ends.h -- real endpoints for the contract kit: what each kind needs to be opened as a
 * source or as a sink, and the other end of it, a plain descriptor or a file.
 *
 * A site is the loop and a folder.  A far end is looked at after each turn of the loop.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tck_claims.h"

#include "engine/loop_priv.h"
#include "weir/file.h"
#include "weir/pipe.h"
#include "weir/process.h"
#include "weir/tcp.h"
#include "weir/unix.h"

struct near;

struct site {
	struct weir_loop *loop;
	char folder[64];
	unsigned files;
	struct near *readers; /* whose other ends are looked at */
};

/* One transport, and its other end. */
struct near {
	struct near *next;
	struct site *site;
	const struct end_kind *kind;
	struct weir_tck *kit;
	struct weir_transport *t;
	int fd;        /* the other end; -1: closed, or there is none */
	char path[96]; /* of a file or FIFO; or "" */
	size_t window; /* bytes that the reader takes */
	uint64_t at;   /* bytes that it has read of a file */
	bool ended;    /* that was told */
	struct weir_end_watch watch;
};

struct end_kind {
	const char *name;
	void (*open)(struct near *n);
	void (*cut)(struct near *n); /* of a source: bytes are missing; NULL: it cannot be told */
	void (*die)(struct near *n); /* of a sink; NULL: it cannot */
	bool is_file;                /* of a sink: the file is the other end */
	bool is_socket;              /* how much the kernel keeps of it is not known */
	bool comes_whole;            /* of a sink: it is there at the end */
	bool cannot_fail;            /* of a sink: its reader sees an end either way */
	bool pull_only;
	uint64_t length; /* of a source whose bytes are there already; 0: it is fed */
	size_t outside;  /* bytes that the kernel keeps of a sink's, about */
};

/* ---- the site ---- */

static inline void site_open(struct site *site)
{
	size_t size;

	*site = (struct site){0};
	signal(SIGPIPE, SIG_IGN);
	snprintf(site->folder, sizeof(site->folder), "/tmp/weir-tck-XXXXXX");
	assert_non_null(mkdtemp(site->folder));
	assert_int_equal(weir_loop_create(NULL, &site->loop), 0);
	/* As large as it gets, so that it is not charged in the middle. */
	assert_non_null(weir__loop_scratch(site->loop, WEIR__SCRATCH_MAX, &size));
}

static inline void site_close(struct site *site)
{
	struct dirent *file;
	DIR *dir;

	weir_loop_destroy(site->loop);
	/* A file that was being finished when its transport was closed is there. */
	dir = opendir(site->folder);
	assert_non_null(dir);
	while ((file = readdir(dir)) != NULL)
		if (file->d_name[0] != '.' || strlen(file->d_name) > 2)
			assert_int_equal(unlinkat(dirfd(dir), file->d_name, 0), 0);
	closedir(dir);
	assert_int_equal(rmdir(site->folder), 0);
}

static inline void name_file(struct near *n)
{
	snprintf(n->path, sizeof(n->path), "%s/%u", n->site->folder, n->site->files++);
}

/* ---- the other end of a sink ---- */

static inline void tell_end(struct near *n, int why)
{
	if (n->ended)
		return;
	n->ended = true;
	weir_tck_out_end(n->kit, why);
}

static inline void read_far_end(struct near *n)
{
	char buf[65536];

	while (n->fd >= 0 && n->window) {
		size_t want = n->window < sizeof(buf) ? n->window : sizeof(buf);
		ssize_t got;

		/* A FIFO that nobody writes yet reads as ended, and polls as quiet. */
		if (poll(&(struct pollfd){.fd = n->fd, .events = POLLIN}, 1, 0) == 0)
			return;
		got = read(n->fd, buf, want);
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0) {
			int why = got < 0 ? -errno : 0;

			close(n->fd);
			n->fd = -1;
			tell_end(n, why);
			return;
		}
		if (n->window != SIZE_MAX)
			n->window -= (size_t)got;
		weir_tck_out(n->kit, buf, (size_t)got);
	}
}

/* What is in the file now. */
static inline void read_far_file(struct near *n)
{
	char buf[65536];
	int fd = open(n->path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	while (fd >= 0 && (got = pread(fd, buf, sizeof(buf), (off_t)n->at)) > 0) {
		n->at += (uint64_t)got;
		weir_tck_out(n->kit, buf, (size_t)got);
	}
	if (fd >= 0)
		close(fd);
}

static inline void look_at_far_ends(struct site *site)
{
	for (struct near *n = site->readers; n; n = n->next) {
		if (n->kind->is_file)
			read_far_file(n);
		else
			read_far_end(n);
	}
}

/* A file's end is that of its sink. */
static inline void on_file_end(void *arg, int why)
{
	struct near *n = arg;

	read_far_file(n);
	tell_end(n, access(n->path, F_OK) == 0 ? why : -ENOENT);
}

/* One turn: a millisecond at most. */
static inline void site_turn(void *arg)
{
	struct site *site = arg;
	uv_loop_t *uv = weir_loop_uv(site->loop);
	struct pollfd fds[2] = {{.fd = uv_backend_fd(uv), .events = POLLIN}, {.fd = -1}};
	int wait = uv_backend_timeout(uv);

	if (site->readers && site->readers->window)
		fds[1] = (struct pollfd){.fd = site->readers->fd, .events = POLLIN};
	poll(fds, 2, wait == 0 ? 0 : 1);
	uv_run(uv, UV_RUN_NOWAIT);
	look_at_far_ends(site);
}

/* ---- pipes, FIFOs, sockets ---- */

static inline void no_block(int fd)
{
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

static inline void pipe_source(struct near *n)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	no_block(fds[1]);
	assert_int_equal(weir_pipe_adopt(n->site->loop, fds[0], -1, &n->t), 0);
	n->fd = fds[1];
}

static inline void pipe_sink(struct near *n)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	no_block(fds[0]);
	assert_int_equal(weir_pipe_adopt(n->site->loop, -1, fds[1], &n->t), 0);
	n->fd = fds[0];
}

static inline void make_fifo(struct near *n)
{
	name_file(n);
	assert_int_equal(mkfifo(n->path, 0600), 0);
}

static inline void fifo_source(struct near *n)
{
	make_fifo(n);
	assert_int_equal(weir_file_read(n->site->loop, n->path, NULL, &n->t), 0);
	n->fd = open(n->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(n->fd >= 0);
}

static inline void fifo_sink(struct near *n)
{
	make_fifo(n);
	n->fd = open(n->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(n->fd >= 0);
	assert_int_equal(weir_file_write(n->site->loop, n->path, NULL, &n->t), 0);
}

static inline void on_open(void *arg, int rc, struct weir_transport *t)
{
	struct near *n = arg;

	assert_int_equal(rc, 0);
	n->t = t;
}

static inline void wait_open(struct near *n, int listener)
{
	while (!n->t)
		site_turn(n->site);
	n->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(n->fd >= 0);
	close(listener);
}

static inline void unix_end(struct near *n)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	name_file(n);
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", n->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(weir_unix_connect(n->site->loop, n->path, on_open, n, NULL), 0);
	wait_open(n, fd);
}

static inline void tcp_end(struct near *n)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(to);
	int small = 8192, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char port[8];

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &len), 0);
	snprintf(port, sizeof(port), "%u", ntohs(to.sin_port));
	assert_int_equal(weir_tcp_connect(n->site->loop, "127.0.0.1", port, NULL, on_open, n, NULL),
	                 0);
	wait_open(n, fd);
}

static inline void close_far_end(struct near *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

static inline void reset_far_end(struct near *n)
{
	struct linger now = {.l_onoff = 1};

	if (n->fd >= 0)
		setsockopt(n->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close_far_end(n);
}

/* ---- processes: cat, between us and a FIFO ---- */

static inline void process_sink(struct near *n)
{
	struct weir_process_options options = {.in = true};
	char command[128];

	make_fifo(n);
	n->fd = open(n->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(n->fd >= 0);
	snprintf(command, sizeof(command), "exec cat >%s", n->path);
	assert_int_equal(weir_process_shell(n->site->loop, command, &options, &n->t), 0);
}

static inline void process_source(struct near *n)
{
	struct weir_process_options options = {.out = true};
	char command[128];

	make_fifo(n);
	snprintf(command, sizeof(command), "exec cat %s", n->path);
	assert_int_equal(weir_process_shell(n->site->loop, command, &options, &n->t), 0);
	while ((n->fd = open(n->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0) {
		assert_int_equal(errno, ENXIO);
		site_turn(n->site);
	}
}

static inline void kill_child(struct near *n)
{
	int rc = weir_process_kill(n->t, SIGKILL);

	assert_true(rc == 0 || rc == -ESRCH);
}

/* And who reads what it wrote. */
static inline void kill_both(struct near *n)
{
	kill_child(n);
	close_far_end(n);
}

/* ---- files ---- */

static inline void write_file(struct near *n, uint64_t length)
{
	char buf[4096];
	int fd;

	name_file(n);
	fd = open(n->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	for (uint64_t at = 0; at < length; at += sizeof(buf)) {
		size_t len = length - at < sizeof(buf) ? (size_t)(length - at) : sizeof(buf);

		weir_tck_fill(buf, len, at);
		assert_int_equal(write(fd, buf, len), len);
	}
	close(fd);
}

#define FILE_LENGTH 300000

static inline void file_source(struct near *n)
{
	write_file(n, FILE_LENGTH);
	assert_int_equal(weir_file_read(n->site->loop, n->path, NULL, &n->t), 0);
}

static inline int reopen(struct near *n, int flags)
{
	int fd = open(n->path, flags | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static inline void adopted_file_source(struct near *n)
{
	write_file(n, FILE_LENGTH);
	assert_int_equal(weir_file_adopt(n->site->loop, reopen(n, O_RDONLY), true, false, &n->t),
	                 0);
}

static inline void parts_source(struct near *n)
{
	write_file(n, FILE_LENGTH);
	assert_int_equal(weir_file_read_parts(n->site->loop, reopen(n, O_RDONLY), NULL, &n->t), 0);
}

static inline void file_sink(struct near *n, enum weir_file_mode mode)
{
	name_file(n);
	assert_int_equal(weir_file_write(n->site->loop, n->path,
	                                 &(struct weir_file_write_options){.mode = mode}, &n->t),
	                 0);
}

static inline void replace_sink(struct near *n)
{
	file_sink(n, WEIR_FILE_REPLACE);
}

static inline void append_sink(struct near *n)
{
	file_sink(n, WEIR_FILE_APPEND);
}

static inline void truncate_sink(struct near *n)
{
	file_sink(n, WEIR_FILE_TRUNCATE);
}

static inline void adopted_file_sink(struct near *n)
{
	name_file(n);
	assert_int_equal(
		weir_file_adopt(n->site->loop, reopen(n, O_WRONLY | O_CREAT), false, true, &n->t),
		0);
}

/* ---- the kinds ---- */

/* A pipe that is seen full is made a MiB wide. */
#define PIPE_OUTSIDE ((size_t)1 << 20)

static const struct end_kind source_kinds[] = {
	{.name = "pipe", .open = pipe_source},
	{.name = "fifo", .open = fifo_source},
	{.name = "unix", .open = unix_end},
	{.name = "tcp", .open = tcp_end, .cut = reset_far_end},
	{.name = "process", .open = process_source, .cut = kill_child},
	{.name = "file", .open = file_source, .length = FILE_LENGTH},
	{.name = "adopted file", .open = adopted_file_source, .length = FILE_LENGTH},
	{.name = "parts", .open = parts_source, .length = FILE_LENGTH, .pull_only = true},
};

static const struct end_kind sink_kinds[] = {
	{.name = "pipe",
         .open = pipe_sink,
         .die = close_far_end,
         .cannot_fail = true,
         .outside = PIPE_OUTSIDE},
	{.name = "fifo",
         .open = fifo_sink,
         .die = close_far_end,
         .cannot_fail = true,
         .outside = PIPE_OUTSIDE},
	{.name = "unix",
         .open = unix_end,
         .is_socket = true,
         .die = close_far_end,
         .cannot_fail = true,
         .outside = (size_t)300 << 10},
	{.name = "tcp",
         .open = tcp_end,
         .is_socket = true,
         .die = reset_far_end,
         .outside = (size_t)6 << 20},
	{.name = "process",
         .open = process_sink,
         .die = kill_both,
         .cannot_fail = true,
         .outside = PIPE_OUTSIDE + ((size_t)300 << 10)},
	{.name = "replaced file", .open = replace_sink, .is_file = true, .comes_whole = true},
	{.name = "appended file", .open = append_sink, .is_file = true, .cannot_fail = true},
	{.name = "truncated file", .open = truncate_sink, .is_file = true, .cannot_fail = true},
	{.name = "adopted file", .open = adopted_file_sink, .is_file = true, .cannot_fail = true},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* ---- one end ---- */

static inline void near_open(struct near *n, struct site *site, const struct end_kind *kind,
                             struct weir_tck *kit, bool reads)
{
	*n = (struct near){.site = site, .kind = kind, .kit = kit, .fd = -1, .window = SIZE_MAX};
	kind->open(n);
	if (!reads)
		return;
	n->next = site->readers;
	site->readers = n;
	if (kind->is_file)
		weir_consumer_watch_end(weir_transport_sink(n->t), &n->watch, on_file_end, n);
}

static inline void near_close(struct near *n)
{
	for (struct near **at = &n->site->readers; *at; at = &(*at)->next)
		if (*at == n) {
			*at = n->next;
			break;
		}
	if (n->watch.fn)
		weir_consumer_unwatch_end(weir_transport_sink(n->t), &n->watch);
	weir_transport_close(n->t);
	close_far_end(n);
	if (*n->path)
		unlink(n->path);
}

static inline size_t near_feed(struct near *n, const void *data, size_t len)
{
	ssize_t sent = n->fd < 0 ? -1 : write(n->fd, data, len);

	return sent < 0 ? 0 : (size_t)sent;
}

static inline void near_feed_end(struct near *n, int why)
{
	if (why && n->kind->cut)
		n->kind->cut(n);
	else
		close_far_end(n);
}

/* ---- a run ---- */

static inline struct weir_tck_options site_options(struct site *site, unsigned effort)
{
	struct weir_tck_options options = kit_options(effort);

	options.ctx = weir_loop_context(site->loop);
	options.turn = site_turn;
	options.arg = site;
	options.patience = 20000;
	return options;
}

/* Only one kind, by its name, when somebody looks for something. */
static inline bool is_asked_for(const struct end_kind *kind)
{
	const char *name = getenv("WEIR_TCK_KIND");

	return !name || !strcmp(name, kind->name);
}

#endif
