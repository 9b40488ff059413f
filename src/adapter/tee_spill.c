/* SPDX-License-Identifier: MIT */
/*
 * The branch of a tee whose backlog goes on in a store.  The order of its bytes: the
 * backlog, what was fetched, the store, and what waits for room in the store, which
 * exists only while the store is full, and blocks.
 */
#include "adapter/tee_priv.h"

#include <errno.h>

bool weir__branch_has_stored(const struct weir_branch *b)
{
	return b->fetched_at < b->fetched || b->stored || b->waiting.bytes;
}

/* Returns the bytes that went into the store, or 0 with the branch failed. */
static size_t store(struct weir_branch *b, const void *data, size_t len)
{
	int64_t n = b->options.spill->ops->store(b->options.spill, data, len);

	if (n == 0 && !b->stored)
		n = -EIO; /* full and empty: no fetch would ever make room */
	if (n < 0) {
		weir__branch_fail(b, (int)n);
		return 0;
	}
	b->stored += (uint64_t)n;
	b->spilled += (uint64_t)n;
	return (size_t)n;
}

void weir__branch_spill(struct weir_branch *b, struct weir_chunk chunk)
{
	size_t n = 0;

	if (!weir__branch_has_stored(b) && b->backlog.bytes < b->options.behind) {
		weir__branch_take(b, chunk);
		return;
	}
	if (!b->waiting.bytes)
		n = store(b, chunk.data, chunk.len);
	chunk.data += n;
	chunk.len -= n;
	if (!chunk.len || b->over)
		return;
	weir_block_ref(chunk.owner);
	if (weir__queue_push(&b->waiting, chunk) < 0) {
		weir_block_unref(chunk.owner);
		weir__branch_fail(b, -ENOMEM);
	}
}

/* There is room in the store. */
static void store_waiting(struct weir_branch *b)
{
	while (!b->over && b->waiting.bytes) {
		struct weir_chunk chunk;
		size_t n;

		weir__queue_peek(&b->waiting, &chunk, 1);
		n = store(b, chunk.data, chunk.len);
		if (n == 0)
			return;
		weir__queue_consume(&b->waiting, n);
	}
}

bool weir__branch_next(struct weir_branch *b, struct weir_chunk *out)
{
	if (b->fetched_at == b->fetched && b->stored) {
		int64_t n = b->options.spill->ops->fetch(b->options.spill, b->buffer->data,
							 b->buffer->cap);

		if (n <= 0) {
			weir__branch_fail(b, n < 0 ? (int)n : -EIO);
			return false;
		}
		b->stored -= (uint64_t)n;
		b->fetched = (size_t)n;
		b->fetched_at = 0;
		store_waiting(b);
	}
	if (b->over || b->fetched_at == b->fetched)
		return false;
	*out = (struct weir_chunk){
		.data = b->buffer->data + b->fetched_at,
		.len = b->fetched - b->fetched_at,
	};
	return true;
}
