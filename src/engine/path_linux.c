/* SPDX-License-Identifier: MIT */
/*
 * Which way from what into what: one table.  `make bench` measures both sides of most rows:
 * docs/performance.md has weir beside "weir, copying", or "weir, splicing" where copying is
 * what is chosen.
 *
 * A way between two descriptors neither of which is a pipe goes through a pipe of the loop's,
 * which is empty again when the step is over: what the sink did not take is read out, and
 * queued.
 *
 * What fails in a way that copying would meet as well, or would not have met, is left to
 * copying, which tells whose failure it is.
 */
#include "engine/path.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/loop_priv.h"
#include "weir/join.h"

#define PIPE_SIZE ((size_t)1 << 20)

enum way { COPY, SPLICE, THROUGH, SENDFILE, RANGE };

struct row {
	enum way way;
	const char *slower; /* NULL: taken by itself; else only when any is asked for, since */
	unsigned crowd;     /* or when so many flows share the loop; 0: never */
};

#define FILE WEIR_CARRY_FILE
#define PIPE WEIR_CARRY_PIPE
#define SOCKET WEIR_CARRY_SOCKET

static const struct row rows[WEIR_CARRY_KINDS][WEIR_CARRY_KINDS] = {
	[FILE][FILE] = {RANGE, NULL, 0},
	[FILE][PIPE] = {SPLICE, "a pipe would share the file's pages, which may change", 0},
	[FILE][SOCKET] = {SENDFILE, NULL, 0},
	[PIPE][FILE] = {SPLICE, NULL, 0},
	[PIPE][PIPE] = {SPLICE, NULL, 0},
	[PIPE][SOCKET] = {SPLICE, NULL, 0},
	[SOCKET][FILE] = {THROUGH, NULL, 0},
	[SOCKET][PIPE] = {SPLICE, NULL, 0},
	/* Alone, a flow is as fast as its ends, and copying lets these sleep longer; among
	 * others it is the loop that has no time left. */
	[SOCKET][SOCKET] = {THROUGH, "between sockets copying is faster for one flow alone", 2},
};

#undef FILE
#undef PIPE
#undef SOCKET

static const char *const kinds[WEIR_CARRY_KINDS] = {
	[WEIR_CARRY_FILE] = "file",
	[WEIR_CARRY_PIPE] = "pipe",
	[WEIR_CARRY_SOCKET] = "socket",
};

bool weir__path_serves(struct weir_carry *carry, enum weir_carry_kind to)
{
	const struct row *row = &rows[carry->kind][to];

	if (!row->slower || carry->any || (row->crowd && carry->crowd >= row->crowd))
		return true;
	weir_carry_refuse(carry, kinds[to], row->slower);
	carry->soon = row->crowd && carry->crowd;
	return false;
}

/* ---- errors ---- */

/* That the kernel cannot do it so, or what copying will meet again. */
static bool is_refusal(int error)
{
	switch (error) {
	case EINVAL:
	case ENOSYS:
	case EXDEV:
	case EBADF:
	case EOPNOTSUPP:
	case ESPIPE:
	case EPERM:
	case ETXTBSY:
	case EOVERFLOW:
	case EIO:
	case ENOMEM:
		return true;
	default:
		return false;
	}
}

static int64_t refused(struct weir_carry *carry, int error)
{
	(void)error;
	return weir_carry_refuse(carry, "kernel", "cannot move these bytes by itself");
}

/* errno of a call that took from the one side and gave to the other: whose is it? */
static int64_t failed(struct weir_carry *carry, enum weir_carry_kind to)
{
	int error = errno;

	if (is_refusal(error))
		return refused(carry, error);
	if (carry->kind != WEIR_CARRY_SOCKET || to == WEIR_CARRY_SOCKET || error == EPIPE)
		return -error;
	/* A socket tells its errors once, so that copying would not meet it again. */
	carry->next = WEIR_CARRY_BROKEN;
	carry->error = -error;
	return 0;
}

/* Looked at once: a call more for each step would be felt. */
static bool ignores_sigpipe(struct weir_loop *loop)
{
	struct sigaction action;

	if (!loop->ignores_sigpipe && sigaction(SIGPIPE, NULL, &action) == 0)
		loop->ignores_sigpipe = action.sa_handler != SIG_DFL;
	return loop->ignores_sigpipe;
}

/* ---- splice(2) ---- */

/* Bytes that can be read from a pipe or socket. */
static size_t readable(int fd)
{
	int n = 0;

	return ioctl(fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

static ssize_t splice_once(struct weir_carry *carry, int in, int out, size_t len)
{
	loff_t offset = (loff_t)carry->offset;
	bool at = in == carry->fd && carry->kind == WEIR_CARRY_FILE &&
		  carry->offset != WEIR_CARRY_HERE;
	ssize_t n;

	do {
		n = splice(in, at ? &offset : NULL, out, NULL, len,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* One of the two is a pipe. */
static int64_t splice_over(struct weir_carry *carry, enum weir_carry_kind to, int fd, size_t len)
{
	ssize_t n = splice_once(carry, carry->fd, fd, len);
	bool file = carry->kind == WEIR_CARRY_FILE;

	if (n < 0 && errno != EAGAIN)
		return failed(carry, to);
	if (n == 0) {
		carry->next = WEIR_CARRY_END;
		return 0;
	}
	if (n < 0)
		carry->next = file || readable(carry->fd) ? WEIR_CARRY_FULL : WEIR_CARRY_DRY;
	else
		carry->next = file || readable(carry->fd) ? WEIR_CARRY_MORE : WEIR_CARRY_DRY;
	carry->path = WEIR_PATH_SPLICE;
	return n < 0 ? 0 : n;
}

/* ---- through a pipe of ours ---- */

static bool open_pipe(struct weir_loop *loop)
{
	if (loop->pipe[0] >= 0)
		return true;
	if (pipe2(loop->pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
		loop->pipe[0] = loop->pipe[1] = -1;
		return false;
	}
	(void)fcntl(loop->pipe[0], F_SETPIPE_SZ, (int)PIPE_SIZE);
	return true;
}

/* What the sink did not take: read out, and queued. */
static void read_out(struct weir_loop *loop, struct weir_carry *carry, struct weir_valve *sink,
		     size_t left)
{
	while (left > 0) {
		size_t size;
		unsigned char *data = weir__loop_scratch(loop, left, &size);
		ssize_t n = read(loop->pipe[0], data, left < size ? left : size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || weir_consumer_write(&sink->base, data, (size_t)n) < 0)
			break;
		left -= (size_t)n;
	}
	if (left > 0) {
		carry->lost = left;
		weir__path_fini(loop); /* with what may be in it */
	}
}

static int64_t move_through(struct weir_loop *loop, struct weir_carry *carry,
			    struct weir_valve *sink, int fd, size_t len)
{
	size_t gone = 0;
	ssize_t n;

	carry->soon = carry->spare == 0; /* the valve has no room, and has paused its producer */
	if (carry->spare == 0 || !open_pipe(loop))
		return refused(carry, EMFILE);
	n = splice_once(carry, carry->fd, loop->pipe[1], len < carry->spare ? len : carry->spare);
	if (n < 0 && errno != EAGAIN)
		return failed(carry, WEIR_CARRY_PIPE);
	if (n <= 0) {
		carry->next = n == 0 ? WEIR_CARRY_END : WEIR_CARRY_DRY;
		return 0;
	}
	carry->next = WEIR_CARRY_MORE;
	carry->path = WEIR_PATH_SPLICE;
	while (gone < (size_t)n) {
		ssize_t m = splice_once(carry, loop->pipe[0], fd, (size_t)n - gone);

		if (m <= 0)
			break; /* writing what is left meets what it was */
		gone += (size_t)m;
	}
	read_out(loop, carry, sink, (size_t)n - gone);
	return n;
}

/* ---- files ---- */

static int64_t send_file(struct weir_carry *carry, int fd, size_t len)
{
	off_t offset = (off_t)carry->offset;
	ssize_t n;

	do {
		n = sendfile(fd, carry->fd, carry->offset == WEIR_CARRY_HERE ? NULL : &offset, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return failed(carry, WEIR_CARRY_SOCKET);
	carry->path = WEIR_PATH_SENDFILE;
	carry->next = n < 0 ? WEIR_CARRY_FULL : n == 0 ? WEIR_CARRY_END : WEIR_CARRY_MORE;
	return n < 0 ? 0 : n;
}

static int64_t copy_range(struct weir_carry *carry, int fd, size_t len)
{
	loff_t offset = (loff_t)carry->offset;
	ssize_t n;

	do {
		n = copy_file_range(carry->fd,
				    carry->offset == WEIR_CARRY_HERE ? NULL : &offset, fd, NULL,
				    len, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return failed(carry, WEIR_CARRY_FILE);
	/* Some file systems that make their files as they are read say 0 for all of them. */
	if (n == 0)
		return refused(carry, 0);
	carry->path = WEIR_PATH_COPY_RANGE;
	carry->next = WEIR_CARRY_MORE;
	return n;
}

int64_t weir__path_move(struct weir_loop *loop, struct weir_carry *carry, struct weir_valve *sink,
			enum weir_carry_kind to, int fd)
{
	size_t len = carry->max < WEIR__PATH_STEP ? carry->max : WEIR__PATH_STEP;

	if (to != WEIR_CARRY_FILE && !ignores_sigpipe(loop))
		return weir_carry_refuse(carry, "program", "has not ignored SIGPIPE");
	switch (rows[carry->kind][to].way) {
	case SPLICE:
		return splice_over(carry, to, fd, len);
	case THROUGH:
		return move_through(loop, carry, sink, fd, len);
	case SENDFILE:
		return send_file(carry, fd, len);
	case RANGE:
		return copy_range(carry, fd, len);
	default:
		return refused(carry, ENOSYS);
	}
}

void weir__path_fini(struct weir_loop *loop)
{
	for (int i = 0; i < 2; i++) {
		if (loop->pipe[i] >= 0)
			close(loop->pipe[i]);
		loop->pipe[i] = -1;
	}
}

/* ---- the page cache ---- */

/* cachestat(2), of Linux 6.5, which the C library of Debian 12 does not know. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

struct cache_range {
	uint64_t offset, len;
};

struct cache_counts {
	uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

#define PAGE 4096

bool weir__path_in_cache(int fd, uint64_t offset, size_t len)
{
	struct cache_range range = {offset, len};
	struct cache_counts counts = {0};
	uint64_t pages = (offset + len + PAGE - 1) / PAGE - offset / PAGE;

	return syscall(SYS_cachestat, fd, &range, &counts, 0) == 0 && counts.cached >= pages;
}
