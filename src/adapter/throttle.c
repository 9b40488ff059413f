/* SPDX-License-Identifier: MIT */
/*
 * A processor that passes no more than there are tokens for.
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

static struct weir_throttle *throttle_from_processor(struct weir_processor *p)
{
	return (struct weir_throttle *)p;
}

static uint64_t now(const struct weir_throttle *t)
{
	return weir_context_now(t->base.front.ctx);
}

static void wait_for(struct weir_throttle *t, uint64_t need, bool by_group)
{
	if (by_group) {
		weir__group_wait(t, need);
	} else {
		uint64_t step = weir__bucket_step(&t->bucket);

		weir_timer_set(t->base.front.ctx, &t->timer,
			       weir__bucket_when(&t->bucket, need < step ? need : step));
	}
	weir_valve_hold(&t->base.front, WEIR_HOLD_RATE);
}

static size_t process(struct weir_processor *p, const struct weir_chunk *chunks, size_t count)
{
	struct weir_throttle *t = throttle_from_processor(p);
	uint64_t offered = 0, own, both;
	size_t passed = 0;

	weir_timer_cancel(p->front.ctx, &t->timer);
	for (size_t i = 0; i < count; i++)
		offered += chunks[i].len;
	weir__bucket_fill(&t->bucket, now(t));
	own = weir__bucket_take(&t->bucket, offered);
	both = weir__group_take(t, own);
	if (both > 0)
		passed = weir_processor_pass(p, chunks, count, both);
	weir__bucket_put(&t->bucket, own - passed);
	weir__group_put(t, both - passed);
	if (!p->over && passed == both && passed < offered && !p->paused)
		wait_for(t, offered - passed, both < own);
	else if (p->front.holds & WEIR_HOLD_RATE)
		weir_valve_release(&p->front, WEIR_HOLD_RATE);
	return passed;
}

static size_t room(struct weir_processor *p)
{
	struct weir_throttle *t = throttle_from_processor(p);
	uint64_t tokens, step, most;

	weir__bucket_fill(&t->bucket, now(t));
	tokens = weir__bucket_tokens(&t->bucket);
	step = weir__bucket_step(&t->bucket);
	most = tokens < UINT64_MAX - step ? tokens + step : UINT64_MAX;
	if (most > weir__group_room(t))
		most = weir__group_room(t);
	return most < SIZE_MAX ? (size_t)most : SIZE_MAX;
}

/* Whether bytes wait or not, the clock runs no more. */
static void over(struct weir_processor *p)
{
	struct weir_throttle *t = throttle_from_processor(p);

	weir_timer_cancel(p->front.ctx, &t->timer);
	weir_task_cancel(&t->task);
	weir__group_unwait(t);
}

static const struct weir_processor_ops throttle_ops = {
	.name = "throttle",
	.process = process,
	.flush = weir_processor_said_all,
	.room = room,
	.over = over,
};

void weir__throttle_go_on(struct weir_throttle *t)
{
	struct weir_valve *v = &t->base.front;

	weir_processor_go_on(&t->base);
	/* The wait is over, though the consumer behind takes nothing now. */
	if ((v->holds & WEIR_HOLD_RATE) && !t->timer.armed && !t->place.next)
		weir_valve_release(v, WEIR_HOLD_RATE);
}

static void run_timer(struct weir_timer *timer)
{
	weir__throttle_go_on((struct weir_throttle *)((char *)timer -
						      offsetof(struct weir_throttle, timer)));
}

static void run_task(struct weir_task *task)
{
	weir__throttle_go_on((struct weir_throttle *)((char *)task -
						      offsetof(struct weir_throttle, task)));
}

/* ---- for the caller ---- */

int weir_throttle_create(struct weir_context *ctx, struct weir_rate rate,
			 struct weir_throttle_group *group, struct weir_throttle **out)
{
	struct weir_throttle *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	weir_processor_init(&t->base, &throttle_ops, ctx);
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
	return &t->base.front.base;
}

struct weir_producer *weir_throttle_source(struct weir_throttle *t)
{
	return &t->base.back;
}

void weir_throttle_set_rate(struct weir_throttle *t, struct weir_rate rate)
{
	weir__bucket_set_rate(&t->bucket, rate, now(t));
	/* What waits may be due at another time, or now. */
	if (t->timer.armed)
		weir_task_queue(t->base.front.ctx, &t->task);
}

void weir_throttle_destroy(struct weir_throttle *t)
{
	if (!t)
		return;
	weir_processor_fini(&t->base);
	if (t->group)
		weir__group_leave(t);
	free(t);
}
