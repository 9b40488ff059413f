/* SPDX-License-Identifier: MIT */
/*
 * The flow-control machine.  What may happen from inside what:
 *
 *   - `pause` and `stop` are sent at once, from wherever the cause arises;
 *   - `resume` is sent from settle() alone, which never nests in itself, in a drain or
 *     in a pause: what it would have to do then is done when these return, or by the
 *     task in the next turn.  So the stack is bounded, whoever calls whom;
 *   - a write from inside drain is queued, behind what that drain was offered;
 *   - an end from inside drain takes effect when the drain returns.
 */
#include "weir/impl/valve.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/queue.h"

#if defined(__GNUC__)
#define NOINLINE __attribute__((noinline)) /* keeps what is rare out of the short way */
#else
#define NOINLINE
#endif

/* The clock of a finish that waits for its producer.  Few ever do: it is made when needed. */
struct weir_patience {
	struct weir_timer timer;
	struct weir_valve *valve;
};

/* Pulls in one turn, for producers of tiny chunks. */
#define PULLS_MAX 4096

static void settle(struct weir_valve *v);
static void after_drain(struct weir_valve *v);

static struct weir_valve *valve_from_consumer(struct weir_consumer *c)
{
	return (struct weir_valve *)c;
}

static inline bool accepts(const struct weir_valve *v)
{
	if (v->dying)
		return false;
	return v->life == WEIR_OPEN || (v->life == WEIR_FINISHING && v->base.producer);
}

/* ---- the budget: each flow in use has its reserve charged, unless it is lent to a
 * block of its own ---- */

static struct weir_budget *budget_of(const struct weir_valve *v)
{
	return v->ctx->pool.budget;
}

static void keep_reserve(struct weir_valve *v)
{
	bool wanted = v->life != WEIR_ENDED && (v->base.producer || v->queue.bytes);

	if (wanted && !v->reserved) {
		v->reserved = weir_budget_charge(budget_of(v), WEIR_FLOW_RESERVE);
	} else if (!wanted && v->reserved) {
		v->reserved = false;
		weir_budget_credit(budget_of(v), WEIR_FLOW_RESERVE);
	}
}

/* Take a block; when the budget is spent, out of our own reserve. */
static int take(struct weir_valve *v, size_t len, struct weir_block **out)
{
	int rc = weir_pool_take(&v->ctx->pool, len, out);

	if (rc != WEIR_EFULL || !v->reserved)
		return rc;
	v->reserved = false;
	weir_budget_credit(budget_of(v), WEIR_FLOW_RESERVE);
	rc = weir_pool_take(&v->ctx->pool, len, out);
	if (rc < 0)
		v->reserved = weir_budget_charge(budget_of(v), WEIR_FLOW_RESERVE);
	return rc;
}

/* `need` bytes were refused, or 0. */
static void hold_for_budget(struct weir_valve *v, size_t need)
{
	v->waiter.need = need;
	weir_budget_wait(budget_of(v), &v->waiter);
	weir_valve_hold(v, WEIR_HOLD_BUDGET);
}

static bool budget_allows(const struct weir_valve *v)
{
	return v->reserved || weir_budget_room(budget_of(v)) >= WEIR_FLOW_RESERVE;
}

static void on_room(struct weir_budget_waiter *w)
{
	struct weir_valve *v = (struct weir_valve *)((char *)w -
						     offsetof(struct weir_valve, waiter));

	keep_reserve(v);
	if (budget_allows(v))
		weir_valve_release(v, WEIR_HOLD_BUDGET);
	else
		weir_budget_wait(budget_of(v), w);
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
		settle(v);
}

/* The pull producer's turn: chunk by chunk, in a loop and not by recursion, until it
 * has none, the valve has enough, or others must have their turn. */
static void pull(struct weir_valve *v)
{
	uint64_t start = v->in;

	for (unsigned pulls = 0; !v->parked && !v->holds && v->queue.bytes <= v->low; pulls++) {
		struct weir_producer *p = v->base.producer;

		if (!p || p->mode != WEIR_PULL || !accepts(v))
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

static void settle(struct weir_valve *v)
{
	struct weir_producer *p = v->base.producer;

	if (!p || v->holds || v->life == WEIR_ENDED)
		return;
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

/* ---- the end ---- */

static void lose_patience(struct weir_valve *v)
{
	if (!v->patience)
		return;
	weir_timer_cancel(v->ctx, &v->patience->timer);
	free(v->patience);
	v->patience = NULL;
}

static void ended(struct weir_valve *v, int why, bool tell)
{
	struct weir_producer *p;

	v->life = WEIR_ENDED;
	v->why = why;
	v->dying = false;
	v->holds = 0;
	v->told_paused = false;
	v->parked = false;
	v->dropped += v->queue.bytes;
	weir__queue_clear(&v->queue);
	weir_task_cancel(&v->task);
	lose_patience(v);
	weir_budget_unwait(&v->waiter);
	p = weir_consumer_unbind(&v->base);
	keep_reserve(v);
	if (tell)
		v->ops->end(v, why);
	if (p)
		p->ops->stop(p, why);
	weir_consumer_ended(&v->base, why);
}

static void end_badly(struct weir_valve *v, int why, bool tell)
{
	if (v->life == WEIR_ENDED || v->dying)
		return;
	if (v->draining) {
		v->dying = true;
		v->failing = tell;
		v->why = why;
		return;
	}
	ended(v, why, tell && v->life != WEIR_FLUSHING);
}

void weir_valve_die(struct weir_valve *v, int why)
{
	assert(why < 0);
	end_badly(v, why, false);
}

static void try_end(struct weir_valve *v)
{
	if (v->life != WEIR_FINISHING || v->base.producer || v->queue.bytes || v->draining)
		return;
	v->life = WEIR_FLUSHING;
	lose_patience(v);
	v->ops->end(v, 0);
}

void weir_valve_done(struct weir_valve *v, int why)
{
	if (v->life == WEIR_FLUSHING)
		ended(v, why, false);
}

static void run_deadline(struct weir_timer *timer)
{
	end_badly(((struct weir_patience *)timer)->valve, WEIR_EDEADLINE, true);
}

static void have_patience(struct weir_valve *v)
{
	if (v->finish_wait == WEIR_NEVER)
		return;
	v->patience = calloc(1, sizeof(*v->patience));
	if (!v->patience)
		return;
	v->patience->valve = v;
	v->patience->timer.run = run_deadline;
	weir_timer_set(v->ctx, &v->patience->timer, weir_context_now(v->ctx) + v->finish_wait);
}

/* ---- draining ---- */

static inline int64_t call_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	int64_t n;

	v->draining = true;
	v->again = false;
	n = v->ops->drain(v, chunks, count);
	v->draining = false;
	return n;
}

/* What follows from a drain that was offered so many bytes and returned `n`; if they were
 * the front of the queue (`queued`), that loses what was taken.  Returns `n`, or a negative
 * code with the valve ended. */
static int64_t drained(struct weir_valve *v, int64_t n, size_t offered, bool queued)
{
	if (n > 0 && queued)
		weir__queue_consume(&v->queue, (size_t)n);
	if (v->dying) {
		v->dying = false;
		ended(v, v->why, v->failing);
		return v->why;
	}
	if (n < 0) {
		ended(v, (int)n, false);
		return n;
	}
	v->blocked = (size_t)n < offered && !v->again;
	return n;
}

/* Drain the queue while the other side takes it.  False: the valve has ended. */
static bool flush(struct weir_valve *v)
{
	while (v->queue.bytes && !v->blocked) {
		struct weir_chunk chunks[WEIR_DRAIN_MAX];
		size_t count = weir__queue_peek(&v->queue, chunks, WEIR_DRAIN_MAX);
		size_t offered = 0;
		int64_t n;

		for (size_t i = 0; i < count; i++)
			offered += chunks[i].len;
		n = call_drain(v, chunks, count);
		if (drained(v, n, offered, true) < 0)
			return false;
	}
	return true;
}

/* Bytes have gone: reasons that were due to them go, and what waited for that goes on. */
static void after_drain(struct weir_valve *v)
{
	if (v->queue.bytes <= v->low)
		v->holds &= (uint8_t)~WEIR_HOLD_FULL;
	keep_reserve(v);
	if ((v->holds & WEIR_HOLD_BUDGET) && v->reserved) {
		weir_budget_unwait(&v->waiter);
		v->holds &= (uint8_t)~WEIR_HOLD_BUDGET;
	}
	try_end(v);
	settle(v);
}

void weir_valve_ready(struct weir_valve *v)
{
	if (v->draining) {
		v->again = true;
		return;
	}
	v->blocked = false;
	if (v->life == WEIR_OPEN || v->life == WEIR_FINISHING) {
		if (flush(v))
			after_drain(v);
	}
}

static void run_task(struct weir_task *task)
{
	struct weir_valve *v = (struct weir_valve *)((char *)task -
						     offsetof(struct weir_valve, task));

	if (!v->blocked && !flush(v))
		return;
	after_drain(v);
}

/* ---- taking bytes ---- */

static void release_blocks(struct weir_block *list)
{
	while (list) {
		struct weir_block *next = list->next_free;

		list->next_free = NULL;
		weir_block_unref(list);
		list = next;
	}
}

/* Copy the bytes to the queue, all of them or none. */
static int copy(struct weir_valve *v, const unsigned char *data, size_t len)
{
	size_t slack = weir__queue_slack(&v->queue);
	size_t fit = len < slack ? len : slack;
	struct weir_block *blocks = NULL;
	struct weir_block **last = &blocks;
	size_t missing = len - fit;
	uint32_t count = 0;
	int rc = 0;

	while (missing > 0 && rc == 0) {
		rc = take(v, missing, last);
		if (rc < 0)
			break;
		missing -= missing < (*last)->cap ? missing : (*last)->cap;
		last = &(*last)->next_free;
		count++;
	}
	if (rc == 0)
		rc = weir__queue_reserve(&v->queue, count);
	if (rc < 0) {
		release_blocks(blocks);
		keep_reserve(v);
		return rc;
	}
	if (fit)
		weir__queue_append(&v->queue, data, fit);
	for (size_t done = fit; blocks; ) {
		struct weir_block *block = blocks;

		blocks = block->next_free;
		block->next_free = NULL;
		weir__queue_push_room(&v->queue, weir_chunk_from_block(block));
		done += weir__queue_append(&v->queue, data + done, len - done);
	}
	return 0;
}

static int append(struct weir_valve *v, struct weir_chunk chunk, bool given)
{
	return given ? weir__queue_push(&v->queue, chunk) : copy(v, chunk.data, chunk.len);
}

/* Keep what a direct drain did not take, before what was written from inside it. */
static int keep_rest(struct weir_valve *v, struct weir_chunk rest, bool given)
{
	struct weir_queue nested = v->queue;
	int rc;

	if (!nested.bytes)
		return append(v, rest, given);
	v->queue = (struct weir_queue){0};
	/* Room for all, so that nothing fails once a given reference is taken over. */
	rc = weir__queue_reserve(&v->queue, nested.count + 1);
	if (rc == 0)
		rc = append(v, rest, given);
	if (rc == 0)
		rc = weir__queue_move(&v->queue, &nested);
	if (rc < 0) {
		weir__queue_clear(&v->queue);
		v->queue = nested;
	}
	return rc;
}

static void stored(struct weir_valve *v)
{
	if (v->queue.bytes >= v->high)
		weir_valve_hold(v, WEIR_HOLD_FULL);
	keep_reserve(v);
	if (v->base.producer && !budget_allows(v))
		hold_for_budget(v, 0);
	if (v->queue.bytes && !v->blocked && !v->draining && v->life != WEIR_ENDED)
		weir_task_queue(v->ctx, &v->task);
}

/* The most bytes that the budget surely has room to keep if a drain leaves them, whatever
 * else that drain takes from it.  More are copied first, while all of them can still be
 * refused. */
static size_t can_keep(const struct weir_valve *v)
{
	size_t half = weir_budget_room(budget_of(v)) / 2;

	return half > WEIR_BLOCK_LARGE ? half - WEIR_BLOCK_LARGE : 0;
}

/* The budget had no room.  A pull producer has said something all the same: it is asked
 * again, and not parked. */
static void refused(struct weir_valve *v, size_t len)
{
	v->wrote = true;
	hold_for_budget(v, len + WEIR_BLOCK_LARGE);
}

/* Bytes were accepted: a pull producer has answered, and perhaps it is over. */
static void accepted(struct weir_valve *v, size_t len)
{
	v->in += len;
	v->wrote = true;
	if (v->parked) {
		v->parked = false;
		weir_task_queue(v->ctx, &v->task);
	}
	if (v->queue.bytes)
		stored(v);
	else if (v->life != WEIR_OPEN)
		try_end(v);
}

/* Keep what is left of the chunk after the first `through` bytes have gone. */
static int keep(struct weir_valve *v, const struct weir_chunk *chunk, size_t through, bool direct,
		bool given)
{
	struct weir_chunk rest = {chunk->data + through, chunk->len - through, chunk->owner};
	int rc = 0;

	if (rest.len)
		rc = direct ? keep_rest(v, rest, given) : append(v, rest, given);
	if (rc < 0) {
		v->in += through;
		if (through)
			ended(v, rc, true); /* half of it has gone: no way back */
		else if (rc == WEIR_EFULL)
			refused(v, chunk->len);
		return rc;
	}
	if (given && !rest.len)
		weir_block_unref(chunk->owner);
	accepted(v, chunk->len);
	return 0;
}

/* Whether the chunk may go to the drain at once: nothing is before it, and what the drain
 * leaves of it can be kept. */
static inline bool is_direct(const struct weir_valve *v, const struct weir_chunk *chunk, bool given)
{
	return !v->queue.bytes && !v->blocked && !v->draining && chunk->len <= v->limit &&
	       (given || chunk->len <= can_keep(v));
}

/* The drain was offered the chunk and returned `n`. */
static NOINLINE int accept_rest(struct weir_valve *v, const struct weir_chunk *chunk, int64_t n,
				bool given)
{
	n = drained(v, n, chunk->len, false);
	return n < 0 ? (int)n : keep(v, chunk, (size_t)n, true, given);
}

static NOINLINE int accept_behind(struct weir_valve *v, const struct weir_chunk *chunk, bool given)
{
	if (chunk->len > v->limit || v->queue.bytes > v->limit - chunk->len)
		return WEIR_EFULL;
	return keep(v, chunk, 0, false, given);
}

/* Hand the chunk on at once, if nothing is before it, and keep the rest.  Most chunks go
 * the short way through the middle: the drain takes all, and nothing has changed. */
static inline int accept(struct weir_valve *v, const struct weir_chunk *chunk, bool given)
{
	int64_t n;

	if (!is_direct(v, chunk, given))
		return accept_behind(v, chunk, given);
	n = call_drain(v, chunk, 1);
	if (n != (int64_t)chunk->len || v->queue.bytes || v->dying || v->parked ||
	    v->life != WEIR_OPEN)
		return accept_rest(v, chunk, n, given);
	v->in += chunk->len;
	v->wrote = true;
	if (given)
		weir_block_unref(chunk->owner);
	return 0;
}

static int valve_write(struct weir_consumer *c, const void *data, size_t len)
{
	struct weir_valve *v = valve_from_consumer(c);

	if (!accepts(v))
		return WEIR_ECLOSED;
	if (len == 0)
		return 0;
	return accept(v, &(struct weir_chunk){.data = data, .len = len}, false);
}

static int valve_give(struct weir_consumer *c, struct weir_chunk *chunk)
{
	struct weir_valve *v = valve_from_consumer(c);
	int rc;

	if (!accepts(v))
		return WEIR_ECLOSED;
	if (chunk->len)
		rc = accept(v, chunk, chunk->owner != NULL);
	else
		rc = 0, weir_block_unref(chunk->owner);
	if (rc == 0)
		*chunk = (struct weir_chunk){0};
	return rc;
}

/* ---- the rest of a consumer ---- */

static int valve_register(struct weir_consumer *c, struct weir_producer *p, enum weir_mode mode)
{
	struct weir_valve *v = valve_from_consumer(c);

	if (v->life != WEIR_OPEN || v->dying) {
		p->ops->stop(p, v->why < 0 ? v->why : WEIR_ECLOSED);
		return WEIR_ECLOSED;
	}
	v->told_paused = false;
	v->parked = false;
	v->wrote = true;
	weir_consumer_bind(c, p, mode);
	if (v->life == WEIR_ENDED)
		return 0;
	keep_reserve(v);
	if (!budget_allows(v))
		hold_for_budget(v, 0);
	else if (v->holds)
		weir_valve_hold(v, 0);
	settle(v);
	return 0;
}

static void valve_unregister(struct weir_consumer *c)
{
	struct weir_valve *v = valve_from_consumer(c);

	weir_consumer_unbind(c);
	v->told_paused = false;
	v->parked = false;
	lose_patience(v);
	keep_reserve(v);
	try_end(v);
}

static void valve_finish(struct weir_consumer *c)
{
	struct weir_valve *v = valve_from_consumer(c);

	if (v->life != WEIR_OPEN || v->dying)
		return;
	v->life = WEIR_FINISHING;
	if (c->producer)
		have_patience(v);
	try_end(v);
}

static void valve_fail(struct weir_consumer *c, int why)
{
	assert(why < 0);
	end_badly(valve_from_consumer(c), why, true);
}

static size_t valve_room(struct weir_consumer *c)
{
	struct weir_valve *v = valve_from_consumer(c);
	size_t wanted, room;

	if (v->holds || !accepts(v))
		return 0;
	if (v->queue.bytes || v->limit - v->high < v->high)
		wanted = v->high - v->queue.bytes;
	else
		wanted = v->limit - v->high;
	room = can_keep(v);
	if (room > WEIR_FLOW_RESERVE)
		return wanted < room ? wanted : room;
	if (!budget_allows(v)) {
		hold_for_budget(v, 0);
		return 0;
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

	*out = (struct weir_consumer_state){
		.in = v->in,
		.out = v->in - v->queue.bytes - v->dropped,
		.held = v->queue.bytes,
		.dropped = v->dropped,
		.holds = v->holds,
		.ended = v->life == WEIR_ENDED,
		.why = v->why,
	};
}

const struct weir_consumer_ops weir_valve_consumer_ops = {
	.name = "valve",
	.register_producer = valve_register,
	.unregister_producer = valve_unregister,
	.write = valve_write,
	.give = valve_give,
	.finish = valve_finish,
	.fail = valve_fail,
	.room = valve_room,
	.wake = valve_wake,
	.state = valve_state,
};

void weir_valve_init(struct weir_valve *v, const struct weir_valve_ops *ops,
		     struct weir_context *ctx)
{
	assert(ops->name && ops->drain && ops->end);
	*v = (struct weir_valve){
		.ops = ops,
		.ctx = ctx,
		.high = WEIR_HIGH_DEFAULT,
		.low = WEIR_LOW_DEFAULT,
		.limit = WEIR_LIMIT_DEFAULT,
		.finish_wait = WEIR_FINISH_WAIT_DEFAULT,
		.task = {.run = run_task},
		.waiter = {.on_room = on_room},
	};
	weir_consumer_init(&v->base, &weir_valve_consumer_ops);
}

void weir_valve_fini(struct weir_valve *v)
{
	v->base.watches = NULL;
	if (v->life != WEIR_ENDED)
		ended(v, WEIR_ECLOSED, false);
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
	if (v->queue.bytes >= high)
		weir_valve_hold(v, WEIR_HOLD_FULL);
	else if (v->queue.bytes <= low)
		weir_valve_release(v, WEIR_HOLD_FULL);
	return 0;
}

void weir_valve_set_finish_wait(struct weir_valve *v, uint64_t ns)
{
	v->finish_wait = ns;
}
