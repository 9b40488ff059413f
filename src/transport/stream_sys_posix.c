/* SPDX-License-Identifier: MIT */
/* What a stream asks the system for: its ends are descriptors. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "engine/ring.h"
#include "transport/stream_priv.h"
#include "weir/impl/carry.h"

int weir__stream_fd(const struct weir_transport *t)
{
	const struct weir__stream *s = (const struct weir__stream *)t;
	const struct port *port = rd(s) ? rd(s) : wr(s);

	return port->open ? port->fd : -1;
}

static uint8_t kind_of(const struct weir__stream *s, int fd)
{
	struct stat st;

	if (s->is_socket)
		return WEIR_CARRY_SOCKET;
	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) ? WEIR_CARRY_PIPE : WEIR_CARRY_KINDS;
}

void weir__stream_set_end(struct weir__stream *s, struct port *port, intptr_t end)
{
	port->fd = (int)end;
	port->kind = kind_of(s, port->fd);
}

/* Only sockets gain by the ring: pipes are spliced, and terminals are slow. */
const struct weir__stream_io *weir__stream_io_for(struct weir_loop *loop,
						  const struct weir__stream_config *config)
{
	if (config->is_socket && weir__stream_ring && weir__loop_ring(loop))
		return weir__stream_ring;
	return &weir__stream_poll;
}

int weir__stream_shut(struct weir__stream *s)
{
	return shutdown(wr(s)->fd, SHUT_WR) < 0 ? -errno : 0;
}

void weir__stream_abort(struct weir__stream *s)
{
	struct linger abort = {.l_onoff = 1, .l_linger = 0};

	setsockopt(wr(s)->fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
}

static int socket_error(int fd)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	return -error;
}

/* The poll told of an error or hang-up, and neither reading nor writing has met it. */
void weir__stream_hung(struct weir__stream *s, struct port *port)
{
	int error = 0;

	if (port != wr(s) || !sink_cares(s))
		return;
	if (s->hung < 2)
		s->hung++;
	if (s->is_socket)
		error = weir__stream_learn(s, socket_error(port->fd));
	if (error || !s->is_socket || s->hung > 1)
		weir_valve_die(&s->valve, error ? error : -EPIPE);
}
