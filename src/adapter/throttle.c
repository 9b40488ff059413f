/* SPDX-License-Identifier: MIT */
/*
 * A valve whose drain takes no more than there are tokens for.
 *
 * When tokens run out with bytes left, the producer is held, and a timer is set for the
 * instant at which either all that waits may pass or a step's worth may (bucket.h).  The
 * producer is let go when nothing waits any more, and is given room for a step more than
 * may pass at once.  So the next bytes are here before their tokens are, no wake-up is
 * wasted on one byte, and the last ones pass when they may.
 */
#include <errno.h>
#include <stdlib.h>

#include "adapter/throttle_priv.h"
#include "core/pass.h"

static struct weir_throttle *throttle_from_valve(struct weir_valve *v)
{
	return (struct weir_throttle *)v;
}

static struct weir_throttle *throttle_from_source(struct weir_producer *p)
{
	return (struct weir_throttle *)((char *)p - offsetof(struct weir_throttle, source));
}

/* ---- waiting for tokens ---- */

static void unwait(struct weir_throttle *t)
{
	weir_timer_cancel(t->ctx, &t->timer);
	weir__group_unwait(t);
}

static void wait_for(struct weir_throttle *t, uint64_t need, bool by_group)
{
	if (by_group) {
		weir__group_wait(t, need);
	} else {
		uint64_t step = weir__bucket_step(&t->bucket);

		weir_timer_set(t->ctx, &t->timer,
			       weir__bucket_when(&t->bucket, need < step ? need : step));
	}
	weir_valve_hold(&t->valve, WEIR_HOLD_RATE);
}

void weir__throttle_go_on(struct weir_throttle *t)
{
	weir_valve_ready(&t->valve);
	if ((t->valve.holds & WEIR_HOLD_RATE) && !t->timer.armed && !t->place.next)
		weir_valve_release(&t->valve, WEIR_HOLD_RATE);
}

static void run_timer(struct weir_timer *timer)
{
	weir__throttle_go_on((struct weir_throttle *)((char *)timer -
						      offsetof(struct weir_throttle, timer)));
}

/* ---- the end ---- */

/* Tell the consumer behind; when there is none, `start` does.  The end is complete when
 * that consumer's is. */
static void tell_end(struct weir_throttle *t)
{
	weir_producer_end(&t->source, t->why);
}

/* ---- the consumer behind, whose end and delivery are ours ---- */

/* What was handed on there of what it got from us. */
static uint64_t out_behind(const struct weir_throttle *t)
{
	struct weir_consumer_state s;

	if (!t->behind)
		return t->out_before;
	weir_consumer_state(t->behind, &s);
	return t->out_before + (s.out > t->behind_base ? s.out - t->behind_base : 0);
}

static void leave_behind(struct weir_throttle *t)
{
	t->out_before = out_behind(t);
	t->behind = NULL;
}

static void on_behind_end(void *arg, int why)
{
	struct weir_throttle *t = arg;

	leave_behind(t);
	if (t->valve.life == WEIR_FLUSHING)
		weir_valve_done(&t->valve, why);
	else
		weir_valve_die(&t->valve, why < 0 ? why : WEIR_ECLOSED);
}

static void follow(struct weir_throttle *t, struct weir_consumer *behind)
{
	struct weir_consumer_state s;

	if (t->behind == behind)
		return;
	if (t->behind) {
		weir_consumer_unwatch_end(t->behind, &t->behind_end);
		leave_behind(t);
	}
	if (!behind)
		return;
	weir_consumer_state(behind, &s);
	t->behind = behind;
	t->behind_base = s.in;
	weir_consumer_watch_end(behind, &t->behind_end, on_behind_end, t);
}

static void set_over(struct weir_throttle *t, int why)
{
	unwait(t);
	t->over = true;
	t->why = why;
}

static void end(struct weir_valve *v, int why)
{
	struct weir_throttle *t = throttle_from_valve(v);

	set_over(t, why);
	tell_end(t);
}

/* ---- passing bytes ---- */

static int64_t drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct weir_throttle *t = throttle_from_valve(v);
	uint64_t offered = 0, own, both;
	size_t passed = 0;
	int rc = 0;

	weir_timer_cancel(t->ctx, &t->timer);
	if (t->over || t->paused || !t->source.consumer)
		return 0;
	for (size_t i = 0; i < count; i++)
		offered += chunks[i].len;
	weir__bucket_fill(&t->bucket, weir_context_now(t->ctx));
	own = weir__bucket_take(&t->bucket, offered);
	both = weir__group_take(t, own);
	if (both > 0)
		passed = weir__pass(&t->source, &t->paused, chunks, count, both, &rc);
	weir__bucket_put(&t->bucket, own - passed);
	weir__group_put(t, both - passed);
	if (t->over)
		return (int64_t)passed;
	if (rc < 0) {
		set_over(t, rc);
		weir_producer_end(&t->source, rc);
		weir_valve_die(v, rc);
	} else if (passed == both && passed < offered && !t->paused) {
		wait_for(t, offered - passed, both < own);
	}
	return (int64_t)passed;
}

static const struct weir_valve_ops valve_ops = {
	.name = "throttle",
	.drain = drain,
	.end = end,
};

static size_t sink_room(struct weir_consumer *c)
{
	struct weir_throttle *t = (struct weir_throttle *)c;
	size_t room = weir_valve_consumer_ops.room(c);
	uint64_t tokens, step, most;

	if (room == 0)
		return 0;
	weir__bucket_fill(&t->bucket, weir_context_now(t->ctx));
	tokens = weir__bucket_tokens(&t->bucket);
	step = weir__bucket_step(&t->bucket);
	most = tokens < UINT64_MAX - step ? tokens + step : UINT64_MAX;
	if (most > weir__group_room(t))
		most = weir__group_room(t);
	return most < room ? (size_t)most : room;
}

/* What the consumer behind holds or drops of ours, we do. */
static void sink_state(const struct weir_consumer *c, struct weir_consumer_state *out)
{
	const struct weir_throttle *t = (const struct weir_throttle *)c;
	uint64_t passed;

	weir_valve_consumer_ops.state(c, out);
	passed = out->out;
	out->out = out_behind(t);
	if (t->behind && !out->ended)
		out->held += passed - out->out;
	else
		out->dropped += passed - out->out;
}

/* ---- the producer behind ---- */

static void run_task(struct weir_task *task)
{
	struct weir_throttle *t = (struct weir_throttle *)((char *)task -
							   offsetof(struct weir_throttle, task));

	if (t->over) {
		tell_end(t);
		return;
	}
	weir__throttle_go_on(t);
}

static void source_start(struct weir_producer *p)
{
	struct weir_throttle *t = throttle_from_source(p);

	t->paused = false;
	follow(t, p->consumer);
	weir_task_queue(t->ctx, &t->task);
}

static void source_pause(struct weir_producer *p)
{
	throttle_from_source(p)->paused = true;
}

static void source_resume(struct weir_producer *p)
{
	struct weir_throttle *t = throttle_from_source(p);

	t->paused = false;
	if (!t->over)
		weir__throttle_go_on(t);
}

static void source_stop(struct weir_producer *p, int why)
{
	struct weir_throttle *t = throttle_from_source(p);

	set_over(t, why);
	follow(t, NULL);
	weir_valve_die(&t->valve, why);
}

static const struct weir_producer_ops source_ops = {
	.name = "throttle",
	.start = source_start,
	.pause = source_pause,
	.resume = source_resume,
	.stop = source_stop,
};

/* ---- for the caller ---- */

int weir_throttle_create(struct weir_context *ctx, struct weir_rate rate,
			 struct weir_throttle_group *group, struct weir_throttle **out)
{
	struct weir_throttle *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	weir_valve_init(&t->valve, &valve_ops, ctx);
	t->sink_ops = *t->valve.base.ops;
	t->sink_ops.name = "throttle";
	t->sink_ops.room = sink_room;
	t->sink_ops.state = sink_state;
	t->valve.base.ops = &t->sink_ops;
	weir_producer_init(&t->source, &source_ops, WEIR_PUSH);
	t->ctx = ctx;
	t->timer.run = run_timer;
	t->task.run = run_task;
	weir__bucket_init(&t->bucket, rate, weir_context_now(ctx));
	if (group)
		weir__group_join(group, t);
	*out = t;
	return 0;
}

struct weir_consumer *weir_throttle_sink(struct weir_throttle *t)
{
	return &t->valve.base;
}

struct weir_producer *weir_throttle_source(struct weir_throttle *t)
{
	return &t->source;
}

void weir_throttle_set_rate(struct weir_throttle *t, struct weir_rate rate)
{
	weir__bucket_set_rate(&t->bucket, rate, weir_context_now(t->ctx));
	/* What waits may be due at another time, or now. */
	if (t->timer.armed)
		weir_task_queue(t->ctx, &t->task);
}

void weir_throttle_destroy(struct weir_throttle *t)
{
	if (!t)
		return;
	if (!t->over) {
		set_over(t, WEIR_ECLOSED);
		weir_valve_die(&t->valve, WEIR_ECLOSED);
	}
	tell_end(t);
	follow(t, NULL);
	weir_valve_die(&t->valve, WEIR_ECLOSED);
	weir_task_cancel(&t->task);
	if (t->group)
		weir__group_leave(t);
	free(t);
}
