/* SPDX-License-Identifier: MIT */
/* Pipes, and any other descriptor that can be polled: streams that somebody else opened. */
#include "weir/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/pipe_priv.h"

int weir__pipe_check(int fd, int wanted)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	if (flags & O_PATH)
		return -EBADF;
	return (flags & O_ACCMODE) == O_RDWR || (flags & O_ACCMODE) == wanted ? 0 : -EBADF;
}

bool weir__pipe_is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

bool weir__pipe_resets(int fd)
{
	int domain = 0, type = 0;
	socklen_t size = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
		return false;
	size = sizeof(type);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
		return false;
	return (domain == AF_INET || domain == AF_INET6) && type == SOCK_STREAM;
}

int weir_pipe_adopt(struct weir_loop *loop, int in, int out, struct weir_transport **t)
{
	struct weir__stream_config config = {.in = in, .out = out};
	int rc = 0;

	if (in < 0 && out < 0)
		return -EBADF;
	if (in >= 0)
		rc = weir__pipe_check(in, O_RDONLY);
	if (rc == 0 && out >= 0)
		rc = weir__pipe_check(out, O_WRONLY);
	if (rc < 0)
		return rc;
	config.is_socket = (in < 0 || weir__pipe_is_socket(in)) &&
			   (out < 0 || weir__pipe_is_socket(out));
	config.resets = config.is_socket && out >= 0 && weir__pipe_resets(out);
	rc = weir__stream_create(loop, &config, t);
	if (rc == 0)
		weir_transport_set_name(*t, config.is_socket ? "socket" : "pipe");
	return rc;
}

int weir_pipe_pair(struct weir_loop *loop, struct weir_transport **reader,
		   struct weir_transport **writer)
{
	struct weir_transport *r, *w;
	int fds[2];
	int rc;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	rc = weir_pipe_adopt(loop, fds[0], -1, &r);
	if (rc < 0) {
		close(fds[0]);
		close(fds[1]);
		return rc;
	}
	rc = weir_pipe_adopt(loop, -1, fds[1], &w);
	if (rc < 0) {
		close(fds[1]);
		weir_transport_close(r);
		return rc;
	}
	*reader = r;
	*writer = w;
	return 0;
}
