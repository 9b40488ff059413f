/* SPDX-License-Identifier: MIT */
/*
 * Two transports and two halves between them.  A half is a valve, the sink of one side,
 * whose drain writes to the consumer of the other side's source.
 *
 * Whatever one side does is felt by the other from the half's task, in the next turn:
 * bytes, ends, and stops.  So neither side is ever called from inside its own call.
 */
#include "weir/loopback.h"

#include <errno.h>
#include <stdlib.h>

#include "core/pass.h"
#include "weir/impl/transport.h"

struct half {
	struct weir_valve valve;
	struct weir_producer source;
	struct weir_context *ctx;
	struct weir_task task;
	size_t turn;     /* bytes that may still be delivered in this turn; 0 outside the task */
	bool paused;     /* by the consumer of the source */
	bool over;       /* no more bytes will come: `why` is to be told to the source's consumer */
	bool unwanted;   /* nobody takes the bytes any more: the valve is to die of `why` */
	int why;
};

struct pair;

struct side {
	struct weir_transport base;
	struct pair *pair;
	bool closed;
};

struct pair {
	struct side sides[2];
	struct half halves[2]; /* by the side that writes */
	struct weir_context *ctx;
	struct weir_task release;
};

static struct half *half_from_valve(struct weir_valve *v)
{
	return (struct half *)v;
}

static struct half *half_from_source(struct weir_producer *p)
{
	return (struct half *)((char *)p - offsetof(struct half, source));
}

/* ---- in front: what one side writes ---- */

static int64_t drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct half *h = half_from_valve(v);
	size_t passed;
	int rc;

	if (h->over || h->paused || !h->source.consumer)
		return 0;
	if (h->turn == 0) {
		weir_task_queue(h->ctx, &h->task);
		return 0;
	}
	passed = weir__pass(&h->source, &h->paused, chunks, count, h->turn, &rc);
	h->turn -= passed;
	if (rc < 0 && !h->over) {
		h->over = true;
		h->why = rc;
		weir_producer_end(&h->source, rc);
		weir_valve_die(v, rc);
	} else if (h->turn == 0) {
		weir_task_queue(h->ctx, &h->task);
	}
	return (int64_t)passed;
}

static void end(struct weir_valve *v, int why)
{
	struct half *h = half_from_valve(v);

	if (h->unwanted) /* the reader's death, which the task is to tell, came first */
		return;
	if (h->over && why == WEIR_ECLOSED) /* closed behind a finish: every byte is there */
		return;
	h->over = true;
	h->why = why;
	weir_task_queue(h->ctx, &h->task);
}

static const struct weir_valve_ops valve_ops = {
	.name = "loopback",
	.drain = drain,
	.end = end,
};

/* ---- behind: what the other side reads ---- */

static void run_task(struct weir_task *task)
{
	struct half *h = (struct half *)((char *)task - offsetof(struct half, task));

	if (h->unwanted) {
		h->unwanted = false;
		weir_valve_die(&h->valve, h->why);
	}
	if (!h->over) {
		h->turn = h->ctx->quantum;
		weir_valve_ready(&h->valve);
		h->turn = 0;
	} else if (h->source.consumer) {
		weir_producer_end(&h->source, h->why);
		if (h->why == 0)
			weir_valve_done(&h->valve, 0);
	}
}

static void source_go_on(struct weir_producer *p)
{
	struct half *h = half_from_source(p);

	h->paused = false;
	weir_task_queue(h->ctx, &h->task);
}

static void source_pause(struct weir_producer *p)
{
	half_from_source(p)->paused = true;
}

static void unwanted(struct half *h, int why)
{
	h->over = true;
	h->unwanted = true;
	h->why = why;
	weir_task_queue(h->ctx, &h->task);
}

static void source_stop(struct weir_producer *p, int why)
{
	unwanted(half_from_source(p), why);
}

static const struct weir_producer_ops source_ops = {
	.name = "loopback",
	.start = source_go_on,
	.pause = source_pause,
	.resume = source_go_on,
	.stop = source_stop,
};

/* ---- the pair ---- */

static void release(struct weir_task *task)
{
	struct pair *pair = (struct pair *)((char *)task - offsetof(struct pair, release));

	for (int i = 0; i < 2; i++) {
		weir_task_cancel(&pair->halves[i].task);
		weir_valve_fini(&pair->halves[i].valve);
	}
	free(pair);
}

/* A finish that was complete, but for being told, stays a finish. */
static void side_close(struct weir_transport *t)
{
	struct side *side = (struct side *)t;
	struct pair *pair = side->pair;
	int other = side == &pair->sides[0];

	side->closed = true;
	if (pair->sides[other].closed)
		weir_task_queue(pair->ctx, &pair->release);
	else
		unwanted(&pair->halves[other], WEIR_ECLOSED);
}

static const struct weir_transport_ops side_ops = {
	.name = "loopback",
	.close = side_close,
	.describe = weir_transport_describe_kind,
};

int weir_loopback_create(struct weir_context *ctx, struct weir_transport **left,
			 struct weir_transport **right)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	if (!pair)
		return -ENOMEM;
	pair->ctx = ctx;
	pair->release.run = release;
	for (int i = 0; i < 2; i++) {
		struct half *h = &pair->halves[i];
		struct side *side = &pair->sides[i];

		weir_valve_init(&h->valve, &valve_ops, ctx);
		weir_producer_init(&h->source, &source_ops, WEIR_PUSH);
		h->ctx = ctx;
		h->task.run = run_task;
		weir_transport_init(&side->base, &side_ops);
		side->pair = pair;
		side->base.sink = &h->valve.base;
		side->base.has_valve = true;
		side->base.source = &pair->halves[!i].source;
		side->base.half_closes = true;
	}
	*left = &pair->sides[0].base;
	*right = &pair->sides[1].base;
	return 0;
}
