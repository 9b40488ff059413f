/* SPDX-License-Identifier: MIT */
/*
 * A transport of ends that tell when they are ready: its own ends, and its closing.  What moves
 * the bytes is another part, and so is what only the system can do (stream_priv.h).
 *
 * Errors of a socket belong to both directions, but the kernel tells them once: what a
 * write or a poll learns is kept, so that a read that finds the end of the data can tell
 * a reset from an orderly end (HALF-4).
 */
#include "transport/stream_priv.h"

#include <errno.h>
#include <stdlib.h>

/* How long a closed socket whose bytes have all gone waits for the peer's end, throwing
 * away what it still sends: closing with unread bytes would be a reset, which can take
 * back from the peer what it has not yet read. */
#define LINGER_NS (2 * WEIR_NS_PER_S)

/* A closed socket waits for its peer's end. */
struct parting {
	struct weir__stream_owner owner; /* with no hooks */
	struct weir_timer timer;
	struct weir__stream *stream;
};

static const struct weir__stream_hooks no_hooks;

static const struct weir__stream_hooks *hooks_of(const struct weir__stream *s)
{
	return s->owner ? s->owner->hooks : &no_hooks;
}

static struct weir__stream *stream_from_source(struct weir_producer *p)
{
	return (struct weir__stream *)((char *)p - offsetof(struct weir__stream, source));
}

struct weir__stream *weir__stream_from_transport(struct weir_transport *t)
{
	return (struct weir__stream *)t;
}

struct weir_transport *weir__stream_transport(struct weir__stream *s)
{
	return &s->base;
}

struct weir__stream_owner *weir__stream_owner(const struct weir__stream *s)
{
	return s->owner;
}

static void release(struct weir__stream *s)
{
	weir__loop_release(loop_of(s));
	free(s);
}

void weir__stream_handle_closed(struct weir__stream *s)
{
	if (--s->handles == 0 && s->closing)
		release(s);
}

static void close_port(struct weir__stream *s, struct port *port)
{
	if (!port || !port->open)
		return;
	port->open = false;
	port->armed = 0;
	io_of(s)->close(s, port);
}

/* ---- reading ---- */

/* The source has ended: so it says, whoever asks. */
static void source_is_over(struct weir__stream *s, int why)
{
	s->eof = true;
	if (!s->ended)
		s->end_why = why;
	s->ended = true;
}

void weir__stream_source_end(struct weir__stream *s, int why)
{
	source_is_over(s, why);
	weir_producer_end(&s->source, s->end_why);
}

void weir__stream_failed(struct weir__stream *s, int why)
{
	s->drained = true;
	weir__stream_source_end(s, why);
	/* A socket's error is the end of both directions. */
	if (rd(s) == wr(s))
		weir_valve_die(&s->valve, why);
}

void weir__stream_eof(struct weir__stream *s)
{
	s->eof = s->drained = true;
	/* That the peer has ended need not be told once more: only errors are left. */
	if (s->is_socket && rd(s) == wr(s) && s->hung == 0)
		s->hung = 1;
	if (s->error)
		weir__stream_source_end(s, s->error);
	else if (hooks_of(s)->on_eof)
		hooks_of(s)->on_eof(s);
	else
		weir__stream_source_end(s, 0);
}

static void source_resume(struct weir_producer *p)
{
	struct weir__stream *s = stream_from_source(p);

	s->paused = false;
	if (s->ended) /* before this consumer came */
		weir_producer_end(p, s->end_why);
	else
		watch(s, rd(s));
}

static void source_start(struct weir_producer *p)
{
	stream_from_source(p)->unasked = 0;
	source_resume(p);
}

static void source_pause(struct weir_producer *p)
{
	/* The watch stays until it next wakes us: often a resume is faster. */
	stream_from_source(p)->paused = true;
}

static void source_stop(struct weir_producer *p, int why)
{
	struct weir__stream *s = stream_from_source(p);

	source_is_over(s, why);
	if (hooks_of(s)->on_stopped && !s->closing)
		hooks_of(s)->on_stopped(s, why);
	/* Nobody reads a pipe any more: let its writer know. */
	if (rd(s) != wr(s))
		close_port(s, rd(s));
	else
		watch(s, rd(s));
}

static const struct weir_producer_ops source_ops = {
	.name = "stream",
	.start = source_start,
	.pause = source_pause,
	.resume = source_resume,
	.stop = source_stop,
};

/* ---- writing ---- */

/* A reset is the reader's business too.  EPIPE says only that writing is over: by it
 * Linux means a reset that came after the peer's end, when all its bytes are here. */
int weir__stream_learn(struct weir__stream *s, int error)
{
	if (s->is_socket && error && error != -EPIPE)
		s->error = (int16_t)error;
	return error;
}

static void sink_finish(struct weir__stream *s)
{
	int rc = 0;

	if (s->is_socket)
		rc = weir__stream_shut(s);
	/* The peer has reset it.  Reading meets that, behind the bytes that came before, or else
	 * the watch does. */
	s->unshut = rc == -ENOTCONN && wr(s) == rd(s);
	if (s->unshut) {
		watch_all(s);
		return;
	}
	if (wr(s) != rd(s))
		close_port(s, wr(s));
	if (rc == 0 && hooks_of(s)->on_finished)
		hooks_of(s)->on_finished(s);
	else
		weir_valve_done(&s->valve, rc);
	watch_all(s);
}

void weir__stream_sink_end(struct weir_valve *v, int why)
{
	struct weir__stream *s = stream_from_valve(v);

	if (why == 0) {
		sink_finish(s);
		return;
	}
	if (hooks_of(s)->on_failed)
		hooks_of(s)->on_failed(s, why);
	if (s->resets && wr(s)->open && !(why == WEIR_ECLOSED && v->in == 0))
		weir__stream_abort(s);
	close_port(s, wr(s));
	if (rd(s) == wr(s))
		weir__stream_source_end(s, why == WEIR_ECLOSED ? why : -ECONNABORTED);
}

/* ---- making and closing ---- */

static void run_release(struct weir_task *task)
{
	release(stream_from_valve((struct weir_valve *)((char *)task -
							offsetof(struct weir_valve, task))));
}

/* Close what is open, and when that is done release the memory: in a later turn, for a callback
 * of ours may be what closes.  The valve has ended, and its task is free for that. */
static void close_now(struct weir__stream *s)
{
	s->lingering = false;
	close_port(s, rd(s));
	if (wr(s) != rd(s))
		close_port(s, wr(s));
	if (s->handles == 0) {
		s->valve.task.run = run_release;
		weir_task_queue(s->valve.ctx, &s->valve.task);
	}
}

/* The peer has ended, or has not in time. */
void weir__stream_part(struct weir__stream *s)
{
	struct parting *p = (struct parting *)s->owner;

	s->owner = NULL;
	weir_timer_cancel(&loop_of(s)->ctx, &p->timer);
	free(p);
	close_now(s);
}

static void run_parting(struct weir_timer *timer)
{
	weir__stream_part(((struct parting *)((char *)timer - offsetof(struct parting, timer)))->stream);
}

/* Wait for the peer's end; without memory for that, don't. */
static bool begin_parting(struct weir__stream *s)
{
	struct weir_context *ctx = s->valve.ctx;
	struct parting *p = calloc(1, sizeof(*p));

	if (!p)
		return false;
	p->owner.hooks = &no_hooks;
	p->stream = s;
	p->timer.run = run_parting;
	s->owner = &p->owner;
	s->lingering = true;
	weir_timer_set(ctx, &p->timer, weir_context_now(ctx) + LINGER_NS);
	watch(s, rd(s));
	return true;
}

void weir__stream_close(struct weir_transport *t)
{
	struct weir__stream *s = (struct weir__stream *)t;
	/* Everything was sent, and the peer may not have read it yet. */
	bool linger = s->resets && rd(s) && rd(s) == wr(s) && rd(s)->open && !s->drained &&
		      s->valve.life == WEIR_ENDED && s->valve.why == 0;

	if (hooks_of(s)->on_close)
		hooks_of(s)->on_close(s);
	s->owner = NULL;
	weir_valve_fini(&s->valve);
	s->closing = true;
	if (linger && begin_parting(s))
		return;
	close_now(s);
}

static const struct weir_transport_ops stream_ops = {
	.name = "stream",
	.close = weir__stream_close,
	.describe = weir_transport_describe_kind,
};

/* A half-made stream: give its ends back to the caller. */
static void unmake(struct weir__stream *s)
{
	struct port *both[] = {rd(s), wr(s)};

	for (int i = 0; i < 2; i++) {
		if (both[i])
			both[i]->keep = true;
		close_port(s, both[i]);
	}
	s->closing = true;
	if (s->handles == 0)
		release(s);
}

static int open_port(struct weir__stream *s, struct port *port, intptr_t end, struct port with)
{
	int rc;

	*port = with;
	weir__stream_set_end(s, port, end);
	rc = io_of(s)->open(s, port);
	port->open = rc == 0;
	return rc;
}

static int open_ports(struct weir__stream *s, const struct weir__stream_config *config)
{
	const struct port in = {.keep = config->keep_in, .nonblocking = config->nonblocking};
	const struct port out = {.keep = config->keep_out, .nonblocking = config->nonblocking};
	int8_t next = 0;
	int rc = 0;

	s->rd_at = s->wr_at = -1;
	if (config->in != WEIR__NO_END) {
		rc = open_port(s, &s->ports[next], config->in, in);
		s->rd_at = next;
		if (config->in == config->out)
			s->wr_at = next;
		next++;
	}
	if (rc == 0 && config->out != WEIR__NO_END && !wr(s)) {
		rc = open_port(s, &s->ports[next], config->out, out);
		s->wr_at = next;
	}
	return rc;
}

int weir__stream_create(struct weir_loop *loop, const struct weir__stream_config *config,
			struct weir_transport **out)
{
	unsigned ports = config->in == config->out || config->in == WEIR__NO_END ||
					 config->out == WEIR__NO_END
				 ? 1
				 : 2;
	const struct weir__stream_io *io = weir__stream_io_for(loop, config);
	struct weir__stream *s =
		calloc(1, sizeof(*s) + ports * (sizeof(struct port) + io->size));
	int rc;

	if (!s)
		return -ENOMEM;
	weir_transport_init(&s->base, config->ops ? config->ops : &stream_ops);
	weir_valve_init(&s->valve, &io->sink_ops, &loop->ctx);
	weir_producer_init(&s->source, &source_ops, WEIR_PUSH);
	s->owner = config->owner;
	s->has_two = ports == 2;
	s->read_size = WEIR__STREAM_READ_MIN;
	s->is_socket = config->is_socket;
	s->resets = config->resets;
	weir__loop_retain(loop);
	rc = open_ports(s, config);
	if (rc < 0) {
		unmake(s);
		return rc;
	}
	if (rd(s))
		s->base.source = &s->source;
	if (wr(s)) {
		s->base.sink = &s->valve.base;
		s->base.has_valve = true;
		watch(s, wr(s));
	}
	s->base.half_closes = s->is_socket || rd(s) != wr(s);
	*out = &s->base;
	return 0;
}
