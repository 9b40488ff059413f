/* SPDX-License-Identifier: MIT */
/* The valve: the end. */
#include "core/valve_priv.h"

#include <assert.h>
#include <stdlib.h>

/* The clock of a finish that waits for its producer.  Few ever do: it is made when needed. */
struct weir_patience {
	struct weir_timer timer;
	struct weir_valve *valve;
};

void weir__valve_lose_patience(struct weir_valve *v)
{
	if ((v->life != WEIR_FINISHING && v->life != WEIR_FLUSHING) || !v->patience)
		return;
	weir_timer_cancel(v->ctx, &v->patience->timer);
	free(v->patience);
	v->patience = NULL;
}

/* In Twisted the place is taken until the producer has been told. */
static void stop(struct weir_valve *v, struct weir_producer *p, int why)
{
	if (v->twisted)
		v->base.producer = p;
	p->ops->stop(p, why < 0 ? why : WEIR_ECLOSED);
	v->base.producer = NULL;
}

void weir__valve_lost(struct weir_valve *v, uint64_t lost, int why, bool tell)
{
	uint64_t dropped = weir_valve_dropped(v) + lost + v->queue.bytes;
	struct weir_producer *p;

	weir__valve_lose_patience(v);
	v->life = WEIR_ENDED;
	v->why = why;
	v->dying = false;
	v->holds = 0;
	v->told_paused = false;
	v->parked = false;
	v->dropped = dropped;
	weir__queue_clear(&v->queue);
	weir_task_cancel(&v->task);
	weir_budget_unwait(&v->waiter);
	p = weir_consumer_unbind(&v->base);
	weir__valve_keep_reserve(v);
	if (tell)
		v->ops->end(v, why);
	if (p)
		stop(v, p, why);
	weir_consumer_ended(&v->base, why);
}

/* Whether an end must wait for what is at work to return, or for the next turn. */
static bool ends_later(const struct weir_valve *v, bool tell)
{
	return v->draining || (v->twisted && tell && v->life != WEIR_FLUSHING);
}

void weir__valve_end_badly(struct weir_valve *v, int why, bool tell)
{
	if (v->life == WEIR_ENDED || v->dying)
		return;
	if (!ends_later(v, tell)) {
		weir__valve_ended(v, why, tell);
		return;
	}
	v->dying = true;
	v->failing = tell;
	v->why = why;
	if (!v->draining)
		weir_task_queue(v->ctx, &v->task);
}

void weir_valve_die(struct weir_valve *v, int why)
{
	assert(why < 0);
	weir__valve_end_badly(v, why, false);
}

void weir__valve_begin_end(struct weir_valve *v)
{
	v->life = WEIR_FLUSHING;
	weir__valve_lose_patience(v);
	v->ops->end(v, 0);
}

void weir__valve_go_on_to_end(struct weir_valve *v)
{
	if (v->twisted)
		weir_task_queue(v->ctx, &v->task);
	else if (!v->base.producer && !v->queue.bytes && !v->draining)
		weir__valve_begin_end(v);
}

void weir_valve_done(struct weir_valve *v, int why)
{
	if (v->life == WEIR_FLUSHING)
		weir__valve_ended(v, why, false);
}

void weir_valve_pass_end(struct weir_valve *v, int why)
{
	if (why == 0)
		weir_valve_done(v, 0);
}

static void run_deadline(struct weir_timer *timer)
{
	weir__valve_end_badly(((struct weir_patience *)timer)->valve, WEIR_EDEADLINE, true);
}

void weir__valve_have_patience(struct weir_valve *v, uint64_t wait)
{
	struct weir_patience *p = wait == WEIR_NEVER ? NULL : calloc(1, sizeof(*p));

	v->patience = p;
	if (!p)
		return;
	p->valve = v;
	p->timer.run = run_deadline;
	weir_timer_set(v->ctx, &p->timer, weir_context_now(v->ctx) + wait);
}
