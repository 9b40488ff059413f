/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CORE_QUEUE_H
#define WEIR_CORE_QUEUE_H
/*
 * queue.h -- the chunks that a valve holds, first in, first out: a ring that doubles,
 * so that appending and consuming are amortised O(1), and that an empty queue gives
 * back, so that an idle consumer holds no memory.
 */
#include "weir/impl/valve.h"

struct weir__queue_ring {
	uint32_t cap, head, count;  /* `cap` is a power of two; the first chunk is at `head` */
	struct weir_chunk chunks[];
};

static inline uint32_t weir__queue_count(const struct weir_queue *q)
{
	return q->ring ? q->ring->count : 0;
}

/* The chunk that is `i` behind the first. */
static inline struct weir_chunk *weir__queue_at(const struct weir_queue *q, uint32_t i)
{
	return &q->ring->chunks[(q->ring->head + i) & (q->ring->cap - 1)];
}

/* Append a chunk that has an owner, taking over its reference.  Returns 0, or -ENOMEM with nothing changed. */
WEIR_MUST_USE int weir__queue_push(struct weir_queue *q, struct weir_chunk chunk);

/* Make room for `count` more chunks.  Returns 0, or -ENOMEM. */
WEIR_MUST_USE int weir__queue_reserve(struct weir_queue *q, uint32_t count);

/* As weir__queue_push(), into room that weir__queue_reserve() has made. */
void weir__queue_push_room(struct weir_queue *q, struct weir_chunk chunk);

/* Move all chunks of `from` to the end of `q`.  Returns 0, or -ENOMEM with nothing moved. */
WEIR_MUST_USE int weir__queue_move(struct weir_queue *q, struct weir_queue *from);

/* Bytes that fit into the tail block without another one. */
size_t weir__queue_slack(const struct weir_queue *q);

/* Append a copy of as many of the bytes as fit into the tail block, which takes some: see
 * weir__queue_slack(), or a block was just pushed.  Returns how many. */
size_t weir__queue_append(struct weir_queue *q, const void *data, size_t len);

/* Copy up to `max` chunks from the front to `out`; returns how many. */
size_t weir__queue_peek(const struct weir_queue *q, struct weir_chunk *out, size_t max);

/* Drop `n` bytes from the front. */
void weir__queue_consume(struct weir_queue *q, size_t n);

/* Drop everything, and the ring. */
void weir__queue_clear(struct weir_queue *q);

#endif
