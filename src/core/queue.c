/* SPDX-License-Identifier: MIT */
/* The ring of chunks; see queue.h. */
#include "core/queue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int weir__queue_reserve(struct weir_queue *q, uint32_t count)
{
	struct weir__queue_ring *old = q->ring;
	uint32_t cap = old ? old->cap : 4;
	struct weir__queue_ring *ring;

	count += weir__queue_count(q);
	while (cap < count)
		cap *= 2;
	if (old && cap == old->cap)
		return 0;
	ring = malloc(sizeof(*ring) + cap * sizeof(ring->chunks[0]));
	if (!ring)
		return -ENOMEM;
	ring->cap = cap;
	ring->head = 0;
	ring->count = weir__queue_count(q);
	for (uint32_t i = 0; i < ring->count; i++)
		ring->chunks[i] = *weir__queue_at(q, i);
	free(old);
	q->ring = ring;
	return 0;
}

int weir__queue_push(struct weir_queue *q, struct weir_chunk chunk)
{
	int rc = weir__queue_reserve(q, 1);

	if (rc == 0)
		weir__queue_push_room(q, chunk);
	return rc;
}

void weir__queue_push_room(struct weir_queue *q, struct weir_chunk chunk)
{
	*weir__queue_at(q, q->ring->count++) = chunk;
	q->bytes += chunk.len;
}

int weir__queue_move(struct weir_queue *q, struct weir_queue *from)
{
	uint32_t count = weir__queue_count(from);
	int rc = weir__queue_reserve(q, count);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < count; i++)
		weir__queue_push_room(q, *weir__queue_at(from, i));
	free(from->ring);
	*from = (struct weir_queue){0};
	return 0;
}

/* The tail's block, if bytes may be appended to it: nobody else holds it, and the
 * chunk reaches up to the last byte given out. */
static struct weir_block *open_tail(const struct weir_queue *q)
{
	struct weir_chunk *tail;

	if (!weir__queue_count(q))
		return NULL;
	tail = weir__queue_at(q, q->ring->count - 1);
	if (tail->owner->refs != 1 ||
	    tail->data + tail->len != tail->owner->data + tail->owner->used)
		return NULL;
	return tail->owner;
}

size_t weir__queue_slack(const struct weir_queue *q)
{
	const struct weir_block *block = open_tail(q);

	return block ? block->cap - block->used : 0;
}

size_t weir__queue_append(struct weir_queue *q, const void *data, size_t len)
{
	struct weir_block *block = open_tail(q);

	assert(block);
	if (len > block->cap - block->used)
		len = block->cap - block->used;
	memcpy(block->data + block->used, data, len);
	block->used += (uint32_t)len;
	weir__queue_at(q, q->ring->count - 1)->len += len;
	q->bytes += len;
	return len;
}

size_t weir__queue_peek(const struct weir_queue *q, struct weir_chunk *out, size_t max)
{
	size_t n = weir__queue_count(q) < max ? weir__queue_count(q) : max;

	for (size_t i = 0; i < n; i++)
		out[i] = *weir__queue_at(q, (uint32_t)i);
	return n;
}

void weir__queue_consume(struct weir_queue *q, size_t n)
{
	struct weir__queue_ring *r = q->ring;

	q->bytes -= n;
	while (n > 0) {
		struct weir_chunk *front = weir__queue_at(q, 0);

		if (n < front->len) {
			front->data += n;
			front->len -= n;
			return;
		}
		n -= front->len;
		weir_chunk_unref(front);
		r->head = (r->head + 1) & (r->cap - 1);
		r->count--;
	}
	if (weir__queue_count(q) == 0)
		weir__queue_clear(q);
}

void weir__queue_clear(struct weir_queue *q)
{
	for (uint32_t i = 0; i < weir__queue_count(q); i++)
		weir_chunk_unref(weir__queue_at(q, i));
	free(q->ring);
	*q = (struct weir_queue){0};
}
