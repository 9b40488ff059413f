/* SPDX-License-Identifier: MIT */
/*
 * The non-blocking flag belongs to an open file that other processes share.  So a pipe
 * or a terminal is opened anew through /proc, and becomes ours alone.  Not so:
 *   - a FIFO with a name: the end that its writers have left already would never be told
 *     to a reader that opened it afterwards;
 *   - a terminal's master side, which opened anew is another terminal;
 *   - sockets, which cannot be opened.
 * These are borrowed: the flag is put back at the close, and at exit.
 */
#include "transport/stdio_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "transport/file_priv.h"
#include "transport/pipe_priv.h"

/* ---- flags that are not ours: a fact of the process, so kept for the process ---- */

static struct {
	unsigned users;
	bool was_blocking;
	dev_t dev;
	ino_t ino;
} lent[2];

static void set_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && (flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

static bool is_same(int a, int b)
{
	return lent[a].dev == lent[b].dev && lent[a].ino == lent[b].ino;
}

static void put_back_at_exit(void)
{
	for (int fd = 0; fd < 2; fd++) {
		if (lent[fd].users && lent[fd].was_blocking)
			set_blocking(fd);
	}
}

/* Remember how `fd` was found. */
static int borrow(int fd)
{
	static bool registered;
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!registered && atexit(put_back_at_exit) != 0)
		return -ENOMEM;
	registered = true;
	if (lent[fd].users++ > 0)
		return 0;
	lent[fd].dev = st.st_dev;
	lent[fd].ino = st.st_ino;
	lent[fd].was_blocking = !(flags & O_NONBLOCK);
	/* The two may be one open file; then it is we who have changed it. */
	if (lent[!fd].users && is_same(fd, !fd))
		lent[fd].was_blocking |= lent[!fd].was_blocking;
	return 0;
}

static void put_back(int fd)
{
	if (--lent[fd].users > 0 || !lent[fd].was_blocking)
		return;
	/* While the other one is in use it may be the same open file: the last one does it. */
	if (!lent[!fd].users || !is_same(fd, !fd))
		set_blocking(fd);
}

void weir__stdio_put_back(struct weir__stdio *s)
{
	for (int fd = 0; fd < 2; fd++) {
		if (s->borrowed[fd])
			put_back(fd);
		s->borrowed[fd] = false;
	}
}

/* ---- the end of descriptor 1 ---- */

/* Close it, so that its reader sees the end, and keep the number in use: the next open
 * file must not become the standard output. */
static void retire_output(void *arg)
{
	struct weir__stdio *s = arg;
	int pair[2];
	int fd;

	if (s->borrowed[1])
		put_back(1);
	s->borrowed[1] = false;
	fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		dup2(fd, 1);
		close(fd);
	} else if (pipe2(pair, O_CLOEXEC) == 0) { /* no /dev: writing will fail */
		dup2(pair[1], 1);
		close(pair[0]);
		close(pair[1]);
	}
}

static void on_stream_finished(struct weir__stream *stream)
{
	retire_output((char *)weir__stream_owner(stream) - offsetof(struct weir__stdio, owner));
	weir_valve_done(weir_transport_valve(weir__stream_transport(stream)), 0);
}

static const struct weir__stream_hooks output_hooks = {
	.on_finished = on_stream_finished,
};

/* ---- opening ---- */

static bool may_reopen(int fd, const struct stat *st)
{
	struct statfs fs;
	int number;

	if (S_ISFIFO(st->st_mode))
		return fstatfs(fd, &fs) == 0 && fs.f_type == PIPEFS_MAGIC;
	return isatty(fd) && ioctl(fd, TIOCGPTN, &number) < 0;
}

/* Open what `fd` is anew, non-blocking; negative if that cannot be. */
static int reopen(int fd, const struct stat *st)
{
	char path[32];

	if (!may_reopen(fd, st))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, (fd == 0 ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static struct weir__stream_config configure(struct weir__stdio *s, int fd, int used, bool keep)
{
	struct weir__stream_config config = {.in = -1, .out = -1};

	config.is_socket = weir__pipe_is_socket(used);
	if (fd == 0) {
		config.in = used;
		config.keep_in = keep;
	} else {
		config.out = used;
		config.keep_out = keep;
		config.resets = config.is_socket && weir__pipe_resets(used);
		s->owner.hooks = &output_hooks;
		config.owner = &s->owner;
	}
	return config;
}

static int open_stream(struct weir__stdio *s, int fd, const struct stat *st, struct weir_transport **t)
{
	int own = reopen(fd, st);
	struct weir__stream_config config = configure(s, fd, own >= 0 ? own : fd, own < 0);
	int rc;

	if (own >= 0) {
		rc = weir__stream_create(s->loop, &config, t);
		if (rc < 0)
			close(own);
		return rc;
	}
	rc = borrow(fd);
	if (rc < 0)
		return rc;
	rc = weir__stream_create(s->loop, &config, t);
	if (rc < 0)
		put_back(fd);
	else
		s->borrowed[fd] = true;
	return rc;
}

static int open_file(struct weir__stdio *s, int fd, struct weir_transport **t)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	int rc;

	if (copy < 0)
		return -errno;
	rc = weir_file_adopt(s->loop, copy, fd == 0, fd == 1, t);
	if (rc < 0)
		close(copy);
	else if (fd == 1)
		weir__file_on_finished(*t, retire_output, s);
	return rc;
}

int weir__stdio_open_one(struct weir__stdio *s, int fd, struct weir_transport **t)
{
	struct stat st;
	int rc = weir__pipe_check(fd, fd == 0 ? O_RDONLY : O_WRONLY);

	if (rc < 0)
		return rc;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		return open_file(s, fd, t);
	rc = open_stream(s, fd, &st, t);
	if (rc == -EPERM) /* it cannot be polled: /dev/null and the like */
		rc = open_file(s, fd, t);
	return rc;
}
