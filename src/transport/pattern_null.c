/* SPDX-License-Identifier: MIT */
/*
 * A sink that takes everything and keeps nothing.  It has no valve, for it never holds a
 * byte: it is always ready, so a pull producer is asked again and again, a bounded number
 * of times a turn.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "weir/impl/transport.h"
#include "weir/pattern.h"

/* Pulls in one turn, for producers of tiny chunks. */
#define PULLS_MAX 4096

struct null {
	struct weir_transport base;
	struct weir_consumer sink;
	struct weir_context *ctx;
	struct weir_task task;      /* the next pulls; releases, once closed */
	struct weir_timer deadline; /* of a finish that waits for the producer */
	uint64_t in;
	int why; /* of the end */
	bool finishing, ended;
	bool parked;  /* the pull producer has nothing yet */
	bool pulling; /* inside its resume */
};

static struct null *null_from_sink(struct weir_consumer *c)
{
	return (struct null *)((char *)c - offsetof(struct null, sink));
}

static struct null *null_from_task(struct weir_task *task)
{
	return (struct null *)((char *)task - offsetof(struct null, task));
}

/* ---- the end ---- */

static void ended(struct null *n, int why)
{
	struct weir_producer *p = weir_consumer_unbind(&n->sink);

	n->ended = true;
	n->why = why;
	weir_task_cancel(&n->task);
	weir_timer_cancel(n->ctx, &n->deadline);
	if (p)
		p->ops->stop(p, why);
	weir_consumer_ended(&n->sink, why);
}

static void run_deadline(struct weir_timer *timer)
{
	ended((struct null *)((char *)timer - offsetof(struct null, deadline)), WEIR_EDEADLINE);
}

static void sink_finish(struct weir_consumer *c)
{
	struct null *n = null_from_sink(c);

	if (n->ended || n->finishing)
		return;
	n->finishing = true;
	if (!c->producer)
		ended(n, 0);
	else
		weir_timer_set(n->ctx, &n->deadline,
			       weir_context_now(n->ctx) + WEIR_FINISH_WAIT_DEFAULT);
}

static void sink_fail(struct weir_consumer *c, int why)
{
	struct null *n = null_from_sink(c);

	assert(why < 0);
	if (!n->ended)
		ended(n, why);
}

/* ---- the producer ---- */

/* Ask a pull producer until it has none, or others must have their turn. */
static void pull(struct null *n)
{
	uint64_t start = n->in;

	if (n->pulling)
		return;
	n->pulling = true;
	for (unsigned pulls = 0; !n->parked; pulls++) {
		struct weir_producer *p = n->sink.producer;
		uint64_t before = n->in;

		if (!p || p->mode != WEIR_PULL)
			break;
		if (pulls == PULLS_MAX || n->in - start >= n->ctx->quantum) {
			weir_task_queue(n->ctx, &n->task);
			break;
		}
		p->ops->resume(p);
		if (n->in == before && n->sink.producer == p)
			n->parked = true;
	}
	n->pulling = false;
}

static void run_task(struct weir_task *task)
{
	pull(null_from_task(task));
}

static int sink_register(struct weir_consumer *c, struct weir_producer *p, enum weir_mode mode)
{
	struct null *n = null_from_sink(c);

	if (n->ended || n->finishing) {
		p->ops->stop(p, n->why < 0 ? n->why : WEIR_ECLOSED);
		return WEIR_ECLOSED;
	}
	n->parked = false;
	weir_consumer_bind(c, p, mode);
	if (n->pulling)
		weir_task_queue(n->ctx, &n->task);
	else
		pull(n);
	return 0;
}

static void sink_unregister(struct weir_consumer *c)
{
	struct null *n = null_from_sink(c);

	weir_consumer_unbind(c);
	weir_task_cancel(&n->task);
	n->parked = false;
	if (n->finishing)
		ended(n, 0);
}

static void sink_wake(struct weir_consumer *c)
{
	struct null *n = null_from_sink(c);

	if (!n->parked)
		return;
	n->parked = false;
	weir_task_queue(n->ctx, &n->task);
}

/* ---- bytes ---- */

static int took(struct null *n, size_t len)
{
	if (n->ended || (n->finishing && !n->sink.producer))
		return WEIR_ECLOSED;
	n->in += len;
	if (n->parked && len > 0) {
		n->parked = false;
		weir_task_queue(n->ctx, &n->task);
	}
	return 0;
}

static int sink_write(struct weir_consumer *c, const void *data, size_t len)
{
	(void)data;
	return took(null_from_sink(c), len);
}

static int sink_give(struct weir_consumer *c, struct weir_chunk *chunk)
{
	int rc = took(null_from_sink(c), chunk->len);

	if (rc == 0)
		weir_chunk_unref(chunk);
	return rc;
}

static size_t sink_room(struct weir_consumer *c)
{
	struct null *n = null_from_sink(c);

	return n->ended || (n->finishing && !c->producer) ? 0 : SIZE_MAX;
}

static void sink_state(const struct weir_consumer *c, struct weir_consumer_state *out)
{
	const struct null *n = (const struct null *)((const char *)c - offsetof(struct null, sink));

	*out = (struct weir_consumer_state){
		.in = n->in,
		.out = n->in,
		.ended = n->ended,
		.why = n->why,
	};
}

static const struct weir_consumer_ops sink_ops = {
	.name = "null",
	.register_producer = sink_register,
	.unregister_producer = sink_unregister,
	.write = sink_write,
	.give = sink_give,
	.finish = sink_finish,
	.fail = sink_fail,
	.room = sink_room,
	.wake = sink_wake,
	.state = sink_state,
};

/* ---- the transport ---- */

static void release(struct weir_task *task)
{
	free(null_from_task(task));
}

static void null_close(struct weir_transport *t)
{
	struct null *n = (struct null *)t;

	n->task.run = release;
	weir_task_queue(n->ctx, &n->task);
}

static const struct weir_transport_ops null_ops = {
	.name = "null",
	.close = null_close,
	.describe = weir_transport_describe_kind,
};

int weir_pattern_null(struct weir_context *ctx, struct weir_transport **out)
{
	struct null *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	weir_transport_init(&n->base, &null_ops);
	weir_consumer_init(&n->sink, &sink_ops);
	n->base.sink = &n->sink;
	n->ctx = ctx;
	n->task.run = run_task;
	n->deadline.run = run_deadline;
	*out = &n->base;
	return 0;
}
