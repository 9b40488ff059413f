/* SPDX-License-Identifier: MIT */
/* The valve: the budget, pausing and resuming, draining. */
#include "core/valve_priv.h"

/* Pulls in one turn, for producers of tiny chunks. */
#define PULLS_MAX 4096

/* The Twisted profile: the most bytes of one send. */
#define SEND_LIMIT ((size_t)128 << 10)

/* ---- the budget ---- */

static bool is_in_use(const struct weir_valve *v)
{
	return v->life != WEIR_ENDED && (v->base.producer || v->queue.bytes);
}

void weir__valve_keep_reserve(struct weir_valve *v)
{
	bool wanted = is_in_use(v);

	if (wanted && !weir__reserve_is_kept(&v->waiter))
		weir__reserve_take(weir__valve_budget(v), &v->waiter);
	else if (!wanted && (v->waiter.reserved || (v->life == WEIR_ENDED && v->waiter.lends)))
		weir__reserve_drop(weir__valve_budget(v), &v->waiter);
}

void weir__valve_hold_for_budget(struct weir_valve *v, size_t need)
{
	if (!need != !v->waiter.need)
		weir_budget_unwait(&v->waiter); /* it is another line */
	v->waiter.need = need;
	weir_budget_wait(weir__valve_budget(v), &v->waiter);
	weir_valve_hold(v, WEIR_HOLD_BUDGET);
}

void weir__valve_on_room(struct weir_budget_waiter *w)
{
	struct weir_valve *v = (struct weir_valve *)((char *)w -
						     offsetof(struct weir_valve, waiter));

	weir__valve_keep_reserve(v);
	if (weir__valve_budget_allows(v) || !is_in_use(v))
		weir_valve_release(v, WEIR_HOLD_BUDGET);
	else
		weir_budget_wait(weir__valve_budget(v), w);
}

/* ---- pausing and resuming ---- */

void weir_valve_hold(struct weir_valve *v, enum weir_hold reason)
{
	struct weir_producer *p = v->base.producer;
	bool outer = v->settling;

	if (v->life == WEIR_ENDED)
		return;
	v->holds |= (uint8_t)reason;
	if (!p || p->mode != WEIR_PUSH || v->told_paused)
		return;
	v->told_paused = true;
	v->settling = true;
	p->ops->pause(p);
	v->settling = outer;
	if (!outer && v->told_paused && !v->holds)
		weir_task_queue(v->ctx, &v->task);
}

void weir_valve_release(struct weir_valve *v, enum weir_hold reason)
{
	v->holds &= (uint8_t)~reason;
	if (!v->holds)
		weir__valve_settle(v);
}

/* The pull producer's turn: chunk by chunk, in a loop and not by recursion, until it
 * has none, the valve has enough, or others must have their turn. */
static void pull(struct weir_valve *v)
{
	uint64_t start = v->in;

	for (unsigned pulls = 0; !v->parked && !v->holds && v->queue.bytes <= v->low; pulls++) {
		struct weir_producer *p = v->base.producer;

		if (!p || p->mode != WEIR_PULL || !weir__valve_accepts(v))
			return;
		if (pulls == PULLS_MAX || v->in - start >= v->ctx->quantum) {
			weir_task_queue(v->ctx, &v->task);
			return;
		}
		v->wrote = false;
		p->ops->resume(p);
		v->parked = v->base.producer && !v->wrote;
	}
}

void weir__valve_ask(struct weir_valve *v)
{
	struct weir_producer *p = v->base.producer;
	bool outer = v->settling;

	v->wrote = false;
	v->settling = true;
	p->ops->resume(p);
	v->settling = outer;
	p = v->base.producer;
	v->parked = p && p->mode == WEIR_PULL && !v->wrote;
}

/* Whether the Twisted profile's producer is asked for more once all has been sent. */
static bool is_asked_when_empty(const struct weir_valve *v)
{
	const struct weir_producer *p = v->base.producer;

	return p && (p->mode == WEIR_PULL || v->told_paused);
}

void weir__valve_settle(struct weir_valve *v)
{
	struct weir_producer *p = v->base.producer;

	if (!p || v->holds || v->life == WEIR_ENDED)
		return;
	if (v->twisted) {
		if (!v->queue.bytes && is_asked_when_empty(v))
			weir_task_queue(v->ctx, &v->task);
		return;
	}
	if (v->settling || v->draining) {
		/* Whoever is at work looks again, but not a pause. */
		if (v->told_paused || (p->mode == WEIR_PULL && !v->parked))
			weir_task_queue(v->ctx, &v->task);
		return;
	}
	v->settling = true;
	if (p->mode == WEIR_PULL) {
		pull(v);
	} else if (v->told_paused) {
		v->told_paused = false;
		p->ops->resume(p);
	}
	v->settling = false;
	if (v->told_paused && !v->holds)
		weir_task_queue(v->ctx, &v->task);
}

/* ---- draining ---- */

int64_t weir__valve_drained(struct weir_valve *v, int64_t n, size_t offered, bool queued)
{
	if (n > 0 && queued)
		weir__queue_consume(&v->queue, (size_t)n);
	if (v->dying) {
		weir__valve_ended(v, v->why, v->failing);
		return v->why;
	}
	if (n < 0) {
		weir__valve_ended(v, (int)n, false);
		return n;
	}
	v->blocked = (size_t)n < offered && !v->again;
	return n;
}

/*
 * The most bytes of the queue that are drained now.  Twisted sends once a turn, from a send
 * buffer which counts in whole until it is extended by what has been written since, or
 * empty.  (It is extended when less than SEND_LIMIT is left of it.  Before that more than
 * the mark is left, so that it cannot be told from one which always is.)
 */
static size_t next_send(struct weir_valve *v)
{
	v->sent = 0;
	return v->twisted ? SEND_LIMIT : SIZE_MAX;
}

/* Drain the queue while the other side takes it.  False: the valve has ended. */
static bool flush(struct weir_valve *v)
{
	size_t most = next_send(v);

	while (v->queue.bytes && most && !v->blocked) {
		struct weir_chunk chunks[WEIR_DRAIN_MAX];
		size_t count = weir__queue_peek(&v->queue, chunks, WEIR_DRAIN_MAX);
		size_t offered = 0;
		size_t used = 0;
		int64_t n;

		for (; used < count && offered < most; used++) {
			if (chunks[used].len > most - offered)
				chunks[used].len = most - offered;
			offered += chunks[used].len;
		}
		n = weir__valve_call_drain(v, chunks, used);
		if (weir__valve_drained(v, n, offered, true) < 0)
			return false;
		if (v->twisted)
			v->sent += (uint32_t)n;
		most -= offered;
	}
	return true;
}

/* The Twisted profile: a turn's send is over.  A producer that is asked for more has
 * precedence over a finish, and one that is not does not keep it waiting. */
static void after_send(struct weir_valve *v)
{
	if (v->queue.bytes) {
		if (!v->blocked)
			weir_task_queue(v->ctx, &v->task);
		return;
	}
	v->sent = 0;
	if (!is_asked_when_empty(v)) {
		if (v->life == WEIR_FINISHING)
			weir__valve_begin_end(v);
	} else if (!v->holds) {
		v->told_paused = false;
		weir__valve_ask(v);
	}
}

/* Bytes have gone: reasons that were due to them go, and what waited for that goes on. */
static void after_drain(struct weir_valve *v)
{
	if (v->queue.bytes <= (v->carries ? 0 : v->low)) {
		v->holds &= (uint8_t)~WEIR_HOLD_FULL;
		v->carries = false;
	}
	weir__valve_keep_reserve(v);
	if ((v->holds & WEIR_HOLD_BUDGET) && v->waiter.reserved) {
		weir_budget_unwait(&v->waiter);
		v->holds &= (uint8_t)~WEIR_HOLD_BUDGET;
	}
	if (v->twisted) {
		after_send(v);
		return;
	}
	weir__valve_try_end(v);
	weir__valve_settle(v);
}

void weir__valve_run_task(struct weir_task *task)
{
	struct weir_valve *v = (struct weir_valve *)((char *)task -
						     offsetof(struct weir_valve, task));

	if (v->dying)
		weir__valve_ended(v, v->why, v->failing);
	else if (v->blocked || flush(v))
		after_drain(v);
}

/* The Twisted profile: the next turn's send now, if there is one to come. */
static void send_now(struct weir_valve *v)
{
	if (v->dying)
		return;
	if (v->queue.bytes)
		weir_task_queue(v->ctx, &v->task);
	if (!v->task.next || v->settling)
		return;
	weir_task_cancel(&v->task);
	weir__valve_run_task(&v->task);
}

void weir_valve_ready(struct weir_valve *v)
{
	if (v->draining) {
		v->again = true;
		return;
	}
	v->blocked = false;
	if (v->twisted)
		send_now(v);
	else if (weir__valve_is_going(v) && flush(v))
		after_drain(v);
}
