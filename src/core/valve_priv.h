/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CORE_VALVE_PRIV_H
#define WEIR_CORE_VALVE_PRIV_H
/*
 * valve_priv.h -- what the files of the flow-control machine share.
 *
 *   valve.c       the calls of a consumer, making one, setting it
 *   valve_flow.c  pausing and resuming, the budget, draining
 *   valve_take.c  taking bytes
 *   valve_end.c   the end
 *
 * What may happen from inside what:
 *
 *   - `pause` and `stop` are sent at once, from wherever the cause arises;
 *   - `resume` is sent from settle() alone, which never nests in itself, in a drain or
 *     in a pause: what it would have to do then is done when these return, or by the
 *     task in the next turn.  So the stack is bounded, whoever calls whom;
 *   - a write from inside drain is queued, behind what that drain was offered;
 *   - an end from inside drain takes effect when the drain returns.
 *
 * The Twisted profile sends one resume for each time that the queue runs empty, and one
 * from inside the registration of a pull producer; and it drains from the task and
 * from weir_valve_ready() only.  The task is then what an armed writer is to Twisted's
 * reactor: it is queued while there is something to send, or an end to come to.
 */
#include "weir/impl/valve.h"

#include "core/queue.h"
#include "core/reserve.h"

/* ---- valve_flow.c ---- */

static inline struct weir_budget *weir__valve_budget(const struct weir_valve *v)
{
	return v->ctx->pool.budget;
}

/* Whether the budget lets the producer go on. */
static inline bool weir__valve_budget_allows(const struct weir_valve *v)
{
	return v->waiter.reserved ||
	       weir_budget_block_room(weir__valve_budget(v)) >= WEIR_FLOW_RESERVE;
}

/* Each flow in use has its reserve charged: charge it, if we are in use and have none, or
 * give it back.  One that is lent comes back of itself, unless we have ended. */
void weir__valve_keep_reserve(struct weir_valve *v);

/* Hold the producer until the budget has room: `need` bytes were refused, or 0. */
void weir__valve_hold_for_budget(struct weir_valve *v, size_t need);

/* What counts against the high mark. */
static inline size_t weir__valve_level(const struct weir_valve *v)
{
	return v->queue.bytes + v->sent;
}

/* Ask the producer for more, if it waits for that and there is no reason against it. */
void weir__valve_settle(struct weir_valve *v);

/* One resume for the registered producer, from wherever this is; the Twisted profile's. */
void weir__valve_ask(struct weir_valve *v);

static inline int64_t weir__valve_call_drain(struct weir_valve *v, const struct weir_chunk *chunks,
					     size_t count)
{
	int64_t n;

	v->draining = true;
	v->again = false;
	n = v->ops->drain(v, chunks, count);
	v->draining = false;
	return n;
}

/*
 * What follows from a drain that was offered so many bytes and returned `n`; if they were
 * the front of the queue (`queued`), that loses what was taken.  Returns `n`, or a negative
 * code with the valve ended.
 */
int64_t weir__valve_drained(struct weir_valve *v, int64_t n, size_t offered, bool queued);

/* Run by the valve's task. */
void weir__valve_run_task(struct weir_task *task);

/* Run when the budget has room for us. */
void weir__valve_on_room(struct weir_budget_waiter *w);

/* Whether bytes may still come and go: open, or asked to finish. */
static inline bool weir__valve_is_going(const struct weir_valve *v)
{
	return v->life == WEIR_OPEN || v->life == WEIR_FINISHING;
}

/* ---- valve_take.c ---- */

bool weir__valve_accepts_late(const struct weir_valve *v);

/* Whether a write is taken. */
static inline bool weir__valve_accepts(const struct weir_valve *v)
{
	if (!v->dying && v->life == WEIR_OPEN)
		return true;
	return weir__valve_accepts_late(v);
}

/* The most bytes that the budget surely has room to keep if a drain leaves them, whatever
 * else that drain takes from it.  More are copied first, while all of them can still be
 * refused. */
static inline size_t weir__valve_can_keep(const struct weir_valve *v)
{
	size_t half = weir_budget_block_room(weir__valve_budget(v)) / 2;

	return half > WEIR_BLOCK_LARGE ? half - WEIR_BLOCK_LARGE : 0;
}

int weir__valve_write(struct weir_consumer *c, const void *data, size_t len);
int weir__valve_give(struct weir_consumer *c, struct weir_chunk *chunk);
int64_t weir__valve_carry(struct weir_consumer *c, struct weir_carry *carry);

/* ---- valve_end.c ---- */

/* End now: drop what is held, stop the producer, tell those who watch; and the
 * implementation, if it is to be told.  `lost` bytes were dropped already. */
void weir__valve_lost(struct weir_valve *v, uint64_t lost, int why, bool tell);

static inline void weir__valve_ended(struct weir_valve *v, int why, bool tell)
{
	weir__valve_lost(v, 0, why, tell);
}

/* As that, but not from inside a drain: then when it returns.  A failure of the Twisted
 * profile's (`tell`) takes effect in the next turn, as an aborted connection's does. */
void weir__valve_end_badly(struct weir_valve *v, int why, bool tell);

/* Go on with a finish that has been asked for, if nothing is in its way; the Twisted
 * profile looks in the next turn, as after a send. */
void weir__valve_go_on_to_end(struct weir_valve *v);

static inline void weir__valve_try_end(struct weir_valve *v)
{
	if (v->life == WEIR_FINISHING)
		weir__valve_go_on_to_end(v);
}

/* All was handed on: have the implementation make the end known. */
void weir__valve_begin_end(struct weir_valve *v);

/* Start the clock of a finish that waits for its producer, for `wait` nanoseconds at most,
 * and stop it. */
void weir__valve_have_patience(struct weir_valve *v, uint64_t wait);
void weir__valve_lose_patience(struct weir_valve *v);

#endif
