/* SPDX-License-Identifier: MIT */
/* The flow-control machine: the calls of a consumer, making one, setting it.  The rules by
 * which its parts call each other stand in valve_priv.h. */
#include "weir/impl/valve.h"

#include <assert.h>
#include <errno.h>

#include "core/valve_priv.h"

static struct weir_valve *valve_from_consumer(struct weir_consumer *c)
{
	return (struct weir_valve *)c;
}

static bool takes_producer(const struct weir_valve *v)
{
	if (v->twisted)
		return weir__valve_is_going(v);
	return v->life == WEIR_OPEN && !v->dying;
}

/* The reasons to hold one who is registered now: in Twisted a full consumer is none. */
static unsigned holds_at_start(const struct weir_valve *v)
{
	return v->twisted ? v->holds & ~(unsigned)WEIR_HOLD_FULL : v->holds;
}

/* In Twisted a pull producer is resumed at once, whatever is held. */
static void first_signal(struct weir_valve *v, struct weir_producer *p)
{
	if (!weir__valve_budget_allows(v))
		weir__valve_hold_for_budget(v, 0);
	else if (holds_at_start(v))
		weir_valve_hold(v, 0);
	if (!v->twisted)
		weir__valve_settle(v);
	else if (p == v->base.producer && p->mode == WEIR_PULL && !holds_at_start(v))
		weir__valve_ask(v);
}

static int valve_register(struct weir_consumer *c, struct weir_producer *p, enum weir_mode mode)
{
	struct weir_valve *v = valve_from_consumer(c);

	if (!takes_producer(v)) {
		p->ops->stop(p, v->why < 0 ? v->why : WEIR_ECLOSED);
		return WEIR_ECLOSED;
	}
	if (v->twisted && holds_at_start(v))
		v->told_paused = false; /* the last one's would hide this one's */
	v->parked = false;
	v->wrote = true;
	weir_consumer_bind(c, p, mode);
	if (v->life == WEIR_ENDED)
		return 0;
	weir__valve_keep_reserve(v);
	first_signal(v, p);
	return 0;
}

static void valve_unregister(struct weir_consumer *c)
{
	struct weir_valve *v = valve_from_consumer(c);

	if (v->life == WEIR_ENDED) { /* from inside its stop: it is let go already */
		c->producer = NULL;
		return;
	}
	weir_consumer_unbind(c);
	if (!v->twisted)
		v->told_paused = false; /* the next one owes nothing to its pauses */
	v->parked = v->carries = false;
	weir__valve_lose_patience(v);
	weir__valve_keep_reserve(v);
	weir__valve_try_end(v);
}

static void valve_finish(struct weir_consumer *c)
{
	struct weir_valve *v = valve_from_consumer(c);
	uint64_t wait;

	if (v->life != WEIR_OPEN || v->dying)
		return;
	wait = c->producer ? v->finish_wait : WEIR_NEVER;
	v->life = WEIR_FINISHING;
	weir__valve_have_patience(v, wait);
	weir__valve_try_end(v);
}

static void valve_fail(struct weir_consumer *c, int why)
{
	assert(why < 0);
	weir__valve_end_badly(valve_from_consumer(c), why, true);
}

/* The producer will be resumed.  One that pulls, and writes nothing for that, has not said
 * "nothing yet". */
static size_t no_room(struct weir_valve *v)
{
	v->wrote = true;
	return 0;
}

/* Of an empty valve, which usually hands on what it is given: a large chunk, but no more than
 * that if what it hands on to is known to take less. */
static size_t room_when_empty(struct weir_valve *v)
{
	size_t wanted = v->limit - v->high;
	size_t space;

	if (!v->ops->space || wanted == v->high)
		return wanted;
	space = v->ops->space(v);
	if (space < v->high)
		space = v->high;
	return wanted < space ? wanted : space;
}

static size_t valve_room(struct weir_consumer *c)
{
	struct weir_valve *v = valve_from_consumer(c);
	size_t wanted, room;

	if (v->holds) {
		weir_valve_hold(v, 0); /* one whom Twisted has not paused at its start */
		return no_room(v);
	}
	if (!weir__valve_accepts(v))
		return 0;
	if (v->twisted || v->queue.bytes || v->limit - v->high < v->high)
		wanted = v->high - weir__valve_level(v);
	else
		wanted = room_when_empty(v);
	room = weir__valve_can_keep(v);
	if (room > WEIR_FLOW_RESERVE)
		return wanted < room ? wanted : room;
	if (!weir__valve_budget_allows(v)) {
		weir__valve_hold_for_budget(v, 0);
		return no_room(v);
	}
	return wanted < WEIR_FLOW_RESERVE ? wanted : WEIR_FLOW_RESERVE;
}

static void valve_wake(struct weir_consumer *c)
{
	struct weir_valve *v = valve_from_consumer(c);

	if (!v->parked)
		return;
	v->parked = false;
	weir_task_queue(v->ctx, &v->task);
}

static void valve_state(const struct weir_consumer *c, struct weir_consumer_state *out)
{
	const struct weir_valve *v = (const struct weir_valve *)c;
	uint64_t dropped = weir_valve_dropped(v);

	*out = (struct weir_consumer_state){
		.in = v->in,
		.out = v->in - v->queue.bytes - dropped,
		.held = v->queue.bytes,
		.dropped = dropped,
		.holds = v->holds,
		.ended = v->life == WEIR_ENDED,
		.why = v->why,
	};
}

const struct weir_consumer_ops weir_valve_consumer_ops = {
	.name = "valve",
	.register_producer = valve_register,
	.unregister_producer = valve_unregister,
	.write = weir__valve_write,
	.give = weir__valve_give,
	.finish = valve_finish,
	.fail = valve_fail,
	.room = valve_room,
	.wake = valve_wake,
	.state = valve_state,
	.carry = weir__valve_carry,
};

void weir_valve_init(struct weir_valve *v, const struct weir_valve_ops *ops,
		     struct weir_context *ctx)
{
	assert(ops->name && ops->drain && ops->end);
	*v = (struct weir_valve){
		.ops = ops,
		.ctx = ctx,
		.task = {.run = weir__valve_run_task},
		.waiter = {.on_room = weir__valve_on_room},
	};
	weir_consumer_init(&v->base, &weir_valve_consumer_ops);
	weir_valve_set_profile(v, WEIR_STRICT);
}

void weir_valve_fini(struct weir_valve *v)
{
	if (v->dying && !v->draining) /* in the Twisted profile, by the next turn */
		weir__valve_ended(v, v->why, v->failing);
	v->base.watches = NULL;
	if (v->life != WEIR_ENDED)
		weir__valve_ended(v, WEIR_ECLOSED, false);
}

int weir_valve_set_marks(struct weir_valve *v, size_t high, size_t low, size_t limit)
{
	if (low >= high || high > limit || limit > UINT32_MAX)
		return -EINVAL;
	v->high = (uint32_t)high;
	v->low = (uint32_t)low;
	v->limit = (uint32_t)limit;
	if (v->life == WEIR_ENDED)
		return 0;
	if (weir__valve_level(v) >= high)
		weir_valve_hold(v, WEIR_HOLD_FULL);
	else if (v->queue.bytes <= low)
		weir_valve_release(v, WEIR_HOLD_FULL);
	return 0;
}

void weir_valve_set_finish_wait(struct weir_valve *v, uint64_t ns)
{
	if (v->life == WEIR_OPEN)
		v->finish_wait = ns;
}

void weir_valve_set_profile(struct weir_valve *v, enum weir_profile profile)
{
	assert(v->life == WEIR_OPEN && v->in == 0 && !v->base.producer);
	v->twisted = profile == WEIR_TWISTED;
	v->high = v->twisted ? WEIR_TWISTED_HIGH : WEIR_HIGH_DEFAULT;
	v->low = v->twisted ? 0 : WEIR_LOW_DEFAULT;
	v->limit = v->twisted ? UINT32_MAX : WEIR_LIMIT_DEFAULT;
	v->finish_wait = v->twisted ? WEIR_NEVER : WEIR_FINISH_WAIT_DEFAULT;
}
