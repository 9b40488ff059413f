/* SPDX-License-Identifier: MIT */
/* Descriptors that libuv polls. */
#include <unistd.h>

#include "transport/stream_priv.h"

static uv_poll_t *poll_of(const struct weir__stream *s, const struct port *port)
{
	uv_poll_t *polls = engine_of(s);

	return &polls[port - s->ports];
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct weir__stream *s = handle->data;

	weir__stream_event(s, &s->ports[handle - (uv_poll_t *)engine_of(s)], events, status < 0);
}

static void poll_watch(struct weir__stream *s, struct port *port)
{
	int events = weir__stream_wanted(s, port);

	if (events == port->armed)
		return;
	port->armed = events;
	if (events)
		uv_poll_start(poll_of(s, port), events, on_poll);
	else
		uv_poll_stop(poll_of(s, port));
}

static int poll_open(struct weir__stream *s, struct port *port)
{
	uv_poll_t *poll = poll_of(s, port);
	int rc = uv_poll_init(loop_of(s)->uv, poll, port->fd);

	if (rc < 0)
		return rc;
	poll->data = s;
	s->handles++;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	weir__stream_handle_closed(handle->data);
}

static void poll_close(struct weir__stream *s, struct port *port)
{
	uv_close((uv_handle_t *)poll_of(s, port), on_closed);
	if (!port->keep)
		close(port->fd);
}

const struct weir__stream_io weir__stream_poll = {
	.sink_ops = {
		.name = "stream",
		.drain = weir__stream_drain,
		.end = weir__stream_sink_end,
		.space = weir__stream_space,
		.carries = weir__stream_carries,
		.carry = weir__stream_carry,
	},
	.size = sizeof(uv_poll_t),
	.open = poll_open,
	.watch = poll_watch,
	.close = poll_close,
};
