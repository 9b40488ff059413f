/* SPDX-License-Identifier: MIT */
/* The ring of chunks; see queue.h. */
#include "core/queue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct weir_chunk *at(const struct weir_queue *q, uint32_t i)
{
	return &q->ring[(q->head + i) & (q->cap - 1)];
}

int weir__queue_reserve(struct weir_queue *q, uint32_t count)
{
	uint32_t cap = q->cap ? q->cap : 4;
	struct weir_chunk *ring;

	while (cap < q->count + count)
		cap *= 2;
	if (cap == q->cap)
		return 0;
	ring = malloc(cap * sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	for (uint32_t i = 0; i < q->count; i++)
		ring[i] = *at(q, i);
	free(q->ring);
	q->ring = ring;
	q->cap = cap;
	q->head = 0;
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
	*at(q, q->count++) = chunk;
	q->bytes += chunk.len;
}

int weir__queue_move(struct weir_queue *q, struct weir_queue *from)
{
	int rc = weir__queue_reserve(q, from->count);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < from->count; i++)
		weir__queue_push_room(q, *at(from, i));
	free(from->ring);
	*from = (struct weir_queue){0};
	return 0;
}

/* The tail's block, if bytes may be appended to it: nobody else holds it, and the
 * chunk reaches up to the last byte given out. */
static struct weir_block *open_tail(const struct weir_queue *q)
{
	struct weir_chunk *tail;

	if (!q->count)
		return NULL;
	tail = at(q, q->count - 1);
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
	at(q, q->count - 1)->len += len;
	q->bytes += len;
	return len;
}

size_t weir__queue_peek(const struct weir_queue *q, struct weir_chunk *out, size_t max)
{
	size_t n = q->count < max ? q->count : max;

	for (size_t i = 0; i < n; i++)
		out[i] = *at(q, (uint32_t)i);
	return n;
}

void weir__queue_consume(struct weir_queue *q, size_t n)
{
	q->bytes -= n;
	while (n > 0) {
		struct weir_chunk *front = at(q, 0);

		if (n < front->len) {
			front->data += n;
			front->len -= n;
			return;
		}
		n -= front->len;
		weir_chunk_unref(front);
		q->head = (q->head + 1) & (q->cap - 1);
		q->count--;
	}
	if (q->count == 0)
		weir__queue_clear(q);
}

void weir__queue_clear(struct weir_queue *q)
{
	for (uint32_t i = 0; i < q->count; i++)
		weir_chunk_unref(at(q, i));
	free(q->ring);
	*q = (struct weir_queue){0};
}
