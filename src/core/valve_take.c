/* SPDX-License-Identifier: MIT */
/* The valve: taking bytes, all of a write or none. */
#include <errno.h>

#include "core/rare.h"
#include "core/valve_priv.h"

bool weir__valve_accepts_late(const struct weir_valve *v)
{
	if (v->twisted)
		return weir__valve_is_going(v);
	return !v->dying && v->life == WEIR_FINISHING && v->base.producer;
}

/* Whether the budget has blocks for so many bytes, or all but one, which our reserve is. */
static bool can_take(const struct weir_valve *v, size_t len)
{
	size_t room = weir_budget_block_room(weir__valve_budget(v));

	room -= room % WEIR_BLOCK_SMALL;
	return len <= room || (v->waiter.reserved && len - room <= WEIR_FLOW_RESERVE);
}

/* Take a block, when the budget has little left a small one, and at last our reserve. */
static int take(struct weir_valve *v, size_t len, struct weir_block **out)
{
	int rc = weir_pool_take(&v->ctx->pool, len, out);

	if (rc == WEIR_EFULL && len > WEIR_BLOCK_SMALL)
		rc = weir_pool_take(&v->ctx->pool, WEIR_BLOCK_SMALL, out);
	if (rc == WEIR_EFULL && v->waiter.reserved)
		rc = weir__reserve_lend(&v->ctx->pool, &v->waiter, out);
	return rc;
}

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

	if (!can_take(v, missing))
		return WEIR_EFULL;
	while (missing > 0) {
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
		weir__valve_keep_reserve(v);
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

/* A block with little in it costs as much as a full one: rather its bytes are copied to
 * where there is room for them. */
static bool is_wasteful(const struct weir_valve *v, const struct weir_chunk *chunk)
{
	return chunk->len <= chunk->owner->cap / 8 && chunk->len <= weir__queue_slack(&v->queue);
}

static int append(struct weir_valve *v, struct weir_chunk chunk, bool given)
{
	if (given && is_wasteful(v, &chunk)) {
		weir__queue_append(&v->queue, chunk.data, chunk.len);
		weir_block_unref(chunk.owner);
		return 0;
	}
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
	rc = weir__queue_reserve(&v->queue, weir__queue_count(&nested) + 1);
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

/* Twisted pauses for each write past the mark. */
static bool is_told_again(const struct weir_valve *v)
{
	return v->twisted && v->base.producer && v->base.producer->mode == WEIR_PUSH;
}

static void stored(struct weir_valve *v)
{
	if (weir__valve_level(v) >= v->high) {
		if (is_told_again(v))
			v->told_paused = false;
		weir_valve_hold(v, WEIR_HOLD_FULL);
	}
	weir__valve_keep_reserve(v);
	if (v->base.producer && !weir__valve_budget_allows(v))
		weir__valve_hold_for_budget(v, 0);
	if (v->queue.bytes && !v->blocked && !v->draining && v->life != WEIR_ENDED)
		weir_task_queue(v->ctx, &v->task);
}

/* The budget had no room.  A pull producer has said something all the same: it is asked
 * again, and not parked. */
static void refused(struct weir_valve *v, size_t len)
{
	v->wrote = true;
	weir__valve_hold_for_budget(v, len > WEIR_FLOW_RESERVE ? len + WEIR_BLOCK_SMALL : 0);
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
		weir__valve_try_end(v);
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
			weir__valve_ended(v, rc, true); /* half of it has gone: no way back */
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
 * leaves of it can be kept.  Twisted never sends from inside a write. */
static inline bool is_direct(const struct weir_valve *v, const struct weir_chunk *chunk, bool given)
{
	return !v->queue.bytes && !v->blocked && !v->draining && !v->twisted &&
	       chunk->len <= v->limit && (given || chunk->len <= weir__valve_can_keep(v));
}

/* The drain was offered the chunk and returned `n`. */
static WEIR__RARE int accept_rest(struct weir_valve *v, const struct weir_chunk *chunk,
				  int64_t n, bool given)
{
	n = weir__valve_drained(v, n, chunk->len, false);
	return n < 0 ? (int)n : keep(v, chunk, (size_t)n, true, given);
}

static WEIR__RARE int accept_behind(struct weir_valve *v, const struct weir_chunk *chunk,
				    bool given)
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
	n = weir__valve_call_drain(v, chunk, 1);
	if (n != (int64_t)chunk->len || v->queue.bytes || v->dying || v->parked ||
	    v->life != WEIR_OPEN)
		return accept_rest(v, chunk, n, given);
	v->in += chunk->len;
	v->wrote = true;
	if (given)
		weir_block_unref(chunk->owner);
	return 0;
}

/* After the end bytes are refused; in Twisted they vanish. */
static inline int late(const struct weir_valve *v)
{
	return v->twisted ? 0 : WEIR_ECLOSED;
}

int weir__valve_write(struct weir_consumer *c, const void *data, size_t len)
{
	struct weir_valve *v = (struct weir_valve *)c;

	if (!weir__valve_accepts(v))
		return late(v);
	if (len == 0)
		return 0;
	return accept(v, &(struct weir_chunk){.data = data, .len = len}, false);
}

int weir__valve_give(struct weir_consumer *c, struct weir_chunk *chunk)
{
	struct weir_valve *v = (struct weir_valve *)c;
	bool taken = weir__valve_accepts(v);
	int rc = taken ? 0 : late(v);

	if (taken && chunk->len)
		rc = accept(v, chunk, chunk->owner != NULL);
	else if (rc == 0)
		weir_block_unref(chunk->owner);
	if (rc == 0)
		*chunk = (struct weir_chunk){0};
	return rc;
}

/* ---- by the kernel ---- */

/* The producer waits until bytes can be moved on, and nothing is before them. */
static void carry_later(struct weir_valve *v)
{
	v->carries = true;
	v->wrote = true; /* a pull producer did not say that it has nothing */
	weir_valve_hold(v, WEIR_HOLD_FULL);
}

/* The bytes that were moved, and what is to be done about what comes next. */
static int64_t carried(struct weir_valve *v, struct weir_carry *carry, uint64_t before, int64_t n)
{
	if (n < 0 || carry->lost) {
		v->in = before + (uint64_t)(n < 0 ? 0 : n);
		n = n < 0 ? n : -ENOMEM;
		weir__valve_lost(v, carry->lost, (int)n, false);
		return n;
	}
	v->in = before + (uint64_t)n;
	if (n > 0)
		v->wrote = true;
	if (v->queue.bytes)
		stored(v);
	if (carry->next == WEIR_CARRY_FULL) {
		v->blocked = true;
		carry_later(v);
	}
	return n;
}

/* Who it is to a user: the kind of consumer, which may be more than a valve. */
static const char *name_of(const struct weir_valve *v)
{
	const struct weir_consumer_ops *ops = v->base.ops;

	return ops == &weir_valve_consumer_ops ? v->ops->name : ops->name;
}

int64_t weir__valve_carry(struct weir_consumer *c, struct weir_carry *carry)
{
	struct weir_valve *v = (struct weir_valve *)c;
	uint64_t before = v->in;
	int64_t n;

	if (!weir__valve_accepts(v))
		return WEIR_ECLOSED;
	if (!v->ops->carry || v->twisted)
		return weir_carry_refuse(carry, name_of(v), "must see the bytes");
	if (!v->ops->carries(v, carry))
		return 0;
	if (v->queue.bytes || v->blocked || v->draining) {
		carry->next = WEIR_CARRY_FULL;
		carry_later(v);
		return 0;
	}
	carry->spare = weir_consumer_room(c);
	v->draining = true;
	n = v->ops->carry(v, carry);
	v->draining = false;
	return carried(v, carry, before, n);
}
