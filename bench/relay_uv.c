/* SPDX-License-Identifier: MIT */
/*
 * The baseline: what uv_poll and plain system calls give, and nothing else.  One way, one
 * buffer a flow; no marks, no budget, no outcome, no half-close, errors end everything.
 *
 *   relay_uv LISTEN_PORT SINK_PORT BUFFER_BYTES
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <uv.h>

#include "bench.h"

/* Reads at one event, so that no flow keeps the loop to itself. */
#define READS_MAX 16

struct flow {
	uv_poll_t from, to;
	int in, out;
	size_t len, done; /* of the buffer */
	bool blocked;     /* the sink took less than it was given: wait for it */
	bool was_blocked;
	int closed;
	unsigned char buffer[];
};

static int listener, sink_port;
static size_t buffer_size;

static void on_closed(uv_handle_t *handle)
{
	struct flow *f = handle->data;

	if (++f->closed < 2)
		return;
	close(f->in);
	close(f->out);
	free(f);
}

static void end(struct flow *f)
{
	uv_close((uv_handle_t *)&f->from, on_closed);
	uv_close((uv_handle_t *)&f->to, on_closed);
}

/* Write what there is.  False when the sink is full. */
static bool push(struct flow *f)
{
	while (f->done < f->len) {
		ssize_t n = send(f->out, f->buffer + f->done, f->len - f->done, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			f->blocked = true;
			return false;
		}
		if (n < 0)
			give_up("send");
		f->done += (size_t)n;
	}
	f->len = f->done = 0;
	f->blocked = false;
	return true;
}

static void on_event(uv_poll_t *handle, int status, int events);

static void watch(struct flow *f)
{
	if (f->blocked == f->was_blocked)
		return;
	f->was_blocked = f->blocked;
	uv_poll_stop(f->blocked ? &f->from : &f->to);
	if (f->blocked)
		uv_poll_start(&f->to, UV_WRITABLE, on_event);
	else
		uv_poll_start(&f->from, UV_READABLE, on_event);
}

static void on_event(uv_poll_t *handle, int status, int events)
{
	struct flow *f = handle->data;

	(void)status;
	(void)events;
	if (!push(f))
		return;
	for (int i = 0; i < READS_MAX; i++) {
		ssize_t n = recv(f->in, f->buffer, buffer_size, 0);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			give_up("recv");
		if (n == 0) {
			end(f);
			return;
		}
		f->len = (size_t)n;
		if (!push(f) || (size_t)n < buffer_size)
			break;
	}
	watch(f);
}

static void on_connection(uv_poll_t *handle, int status, int events)
{
	int in;

	(void)status;
	(void)events;
	while ((in = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct flow *f = calloc(1, sizeof(*f) + buffer_size);

		if (!f)
			give_up("calloc");
		f->in = in;
		f->out = connect_to_port(sink_port);
		fcntl(f->out, F_SETFL, fcntl(f->out, F_GETFL) | O_NONBLOCK);
		uv_poll_init(handle->loop, &f->from, f->in);
		uv_poll_init(handle->loop, &f->to, f->out);
		f->from.data = f->to.data = f;
		uv_poll_start(&f->from, UV_READABLE, on_event);
	}
}

int main(int argc, char **argv)
{
	uv_loop_t loop;
	uv_poll_t poll;

	if (argc != 4) {
		fprintf(stderr, "usage: relay_uv LISTEN_PORT SINK_PORT BUFFER_BYTES\n");
		return 2;
	}
	sink_port = (int)number(argv[2]);
	buffer_size = (size_t)number(argv[3]);
	listener = listen_on_port((int)number(argv[1]));
	uv_loop_init(&loop);
	uv_poll_init(&loop, &poll, listener);
	uv_poll_start(&poll, UV_READABLE, on_connection);
	return uv_run(&loop, UV_RUN_DEFAULT);
}
