/* SPDX-License-Identifier: MIT */
/*
 * The pool: three capacities of counted blocks, charged to the budget while held,
 * with a bounded stock of free ones.
 */
#include "weir/chunk.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/reserve.h"

static_assert(WEIR_BLOCK_SMALL == WEIR_FLOW_RESERVE, "a reserve is lent to a smallest block");

static const size_t capacities[3] = {WEIR_BLOCK_SMALL, WEIR_BLOCK_MEDIUM, WEIR_BLOCK_LARGE};

static unsigned class_of(size_t len)
{
	if (len <= WEIR_BLOCK_SMALL)
		return 0;
	return len <= WEIR_BLOCK_MEDIUM ? 1 : 2;
}

size_t weir_block_capacity(size_t len)
{
	return capacities[class_of(len)];
}

void weir_pool_init(struct weir_pool *pool, struct weir_budget *budget, size_t cache_max)
{
	*pool = (struct weir_pool){.budget = budget, .cache_max = cache_max};
}

void weir_pool_fini(struct weir_pool *pool)
{
	assert(pool->taken == 0);
	for (unsigned i = 0; i < 3; i++) {
		while (pool->free[i]) {
			struct weir_block *block = pool->free[i];

			pool->free[i] = block->next_free;
			free(block);
		}
	}
	pool->cached = 0;
}

/* A block that is not charged yet.  NULL: there is no memory. */
static struct weir_block *make_block(struct weir_pool *pool, unsigned class)
{
	size_t cap = capacities[class];
	struct weir_block *block = pool->free[class];

	if (block) {
		pool->free[class] = block->next_free;
		pool->cached -= cap;
	} else {
		block = malloc(sizeof(*block) + cap);
		if (!block)
			return NULL;
		block->pool = pool;
		block->cap = (uint32_t)cap;
	}
	block->next_free = NULL;
	block->lender = NULL;
	block->refs = 1;
	block->used = 0;
	pool->taken++;
	return block;
}

int weir_pool_take(struct weir_pool *pool, size_t len, struct weir_block **out)
{
	unsigned class = class_of(len);
	size_t cap = capacities[class];
	struct weir_block *block;

	if (cap > weir_budget_block_room(pool->budget) || !weir_budget_charge(pool->budget, cap))
		return WEIR_EFULL;
	block = make_block(pool, class);
	if (!block) {
		weir_budget_credit(pool->budget, cap);
		return -ENOMEM;
	}
	*out = block;
	return 0;
}

int weir__reserve_lend(struct weir_pool *pool, struct weir_budget_waiter *w,
		       struct weir_block **out)
{
	struct weir_block *block = make_block(pool, class_of(WEIR_FLOW_RESERVE));

	assert(w->reserved && !w->lends);
	if (!block)
		return -ENOMEM;
	block->lender = w;
	w->lent = block;
	w->lends = true;
	w->reserved = false;
	*out = block;
	return 0;
}

struct weir_block *weir_block_ref(struct weir_block *block)
{
	block->refs++;
	return block;
}

void weir_block_unref(struct weir_block *block)
{
	struct weir_budget_waiter *lender;
	struct weir_pool *pool;
	size_t cap;

	if (!block || --block->refs > 0)
		return;
	pool = block->pool;
	lender = block->lender;
	cap = block->cap;
	pool->taken--;
	if (pool->cached + cap <= pool->cache_max) {
		unsigned class = class_of(cap);

		block->next_free = pool->free[class];
		pool->free[class] = block;
		pool->cached += cap;
	} else {
		free(block);
	}
	if (lender)
		weir__reserve_return(pool->budget, lender);
	else
		weir_budget_credit(pool->budget, cap);
}

struct weir_chunk weir_chunk_from_block(struct weir_block *block)
{
	return (struct weir_chunk){.data = block->data, .len = block->used, .owner = block};
}

struct weir_chunk weir_chunk_ref(const struct weir_chunk *chunk)
{
	assert(chunk->owner);
	weir_block_ref(chunk->owner);
	return *chunk;
}

void weir_chunk_unref(struct weir_chunk *chunk)
{
	weir_block_unref(chunk->owner);
	*chunk = (struct weir_chunk){0};
}
