/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CHUNK_H
#define WEIR_CHUNK_H
/*
 * chunk.h -- counted runs of bytes, and the pool that their memory comes from.
 *
 * A chunk is a view: {data, len, owner}.  Its owner is a counted block from a
 * pool, or NULL when the bytes are only borrowed for the length of a call.  A
 * chunk that several consumers hold is one block with several references.
 *
 * Blocks have one of three capacities.  They are charged to the pool's budget
 * (budget.h) by capacity while anyone holds them, so the budget's sum is exact;
 * a bounded number of free ones is kept for reuse, uncharged.
 *
 * Threads   A pool and its blocks are used from one thread.
 */
#include <stddef.h>
#include <stdint.h>

#include "weir/err.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_budget;
struct weir_budget_waiter;

#define WEIR_BLOCK_SMALL ((size_t)4096)
#define WEIR_BLOCK_MEDIUM ((size_t)16384)
#define WEIR_BLOCK_LARGE ((size_t)65536)

/* A counted block.  `data` has `cap` bytes, of which the first `used` have been
 * given out; only the holder of the only reference may append. */
struct weir_block {
	struct weir_pool *pool;
	struct weir_block *next_free;
	struct weir_budget_waiter *lender; /* whose reserve this is, or NULL */
	uint32_t refs;
	uint32_t cap;
	uint32_t used;
	unsigned char data[];
};

/* A run of bytes.  Passed by value; copying the struct copies no reference. */
struct weir_chunk {
	const unsigned char *data;
	size_t len;
	struct weir_block *owner; /* NULL: borrowed */
};

/* Where blocks come from.  Fields are private. */
struct weir_pool {
	struct weir_budget *budget;
	struct weir_block *free[3];
	size_t cached;    /* bytes in `free` */
	size_t cache_max; /* bytes that may be there */
	size_t taken;     /* blocks that are held by somebody */
};

/* Prepare a pool that charges `budget`, which must outlive it, and keeps at most
 * `cache_max` bytes of free blocks. */
WEIR_API void weir_pool_init(struct weir_pool *pool, struct weir_budget *budget, size_t cache_max);

/* Release what the pool has cached.  Every block must have come back. */
WEIR_API void weir_pool_fini(struct weir_pool *pool);

/*
 * Take a block of at least `len` bytes, at most WEIR_BLOCK_LARGE: when `len` is
 * more, the block is smaller than asked for.
 *
 * Owns     the caller has one reference.
 * Returns  0; WEIR_EFULL if the budget has no room for it; -ENOMEM.
 */
WEIR_API WEIR_MUST_USE int weir_pool_take(struct weir_pool *pool, size_t len,
					  struct weir_block **out);

/* The capacity that weir_pool_take(pool, len) would charge. */
WEIR_API size_t weir_block_capacity(size_t len);

WEIR_API struct weir_block *weir_block_ref(struct weir_block *block);

/* Give one reference back; the last frees the block.  NULL is allowed. */
WEIR_API void weir_block_unref(struct weir_block *block);

/* A chunk over `block`'s first `block->used` bytes; takes over one reference. */
WEIR_API struct weir_chunk weir_chunk_from_block(struct weir_block *block);

/* Another reference to the same bytes.  `chunk` must have an owner. */
WEIR_API struct weir_chunk weir_chunk_ref(const struct weir_chunk *chunk);

/* Give the chunk's reference back and empty it. */
WEIR_API void weir_chunk_unref(struct weir_chunk *chunk);

#ifdef __cplusplus
}
#endif
#endif
