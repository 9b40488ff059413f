/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BUDGET_H
#define WEIR_BUDGET_H
/*
 * budget.h -- bytes that may be held at once by all that charges one account.
 *
 * The pool charges the blocks it gives out.  Each consumer with a registered
 * producer also has WEIR_FLOW_RESERVE charged on its behalf, which it alone may
 * use, so that a full budget can slow every flow but stop none for ever.  When
 * the budget is spent producers pause, and they are resumed first come, first
 * served as it empties.  Nothing is dropped.
 *
 * A block that was taken with a reserve, wherever it is handed on to, gives that back to
 * the same consumer.  A quarter of the limit is for reserves, and not for other blocks: up
 * to limit / 4 / WEIR_FLOW_RESERVE consumers have theirs whenever they come, also behind
 * one who holds all the rest.  Those that come when there is none left get theirs before
 * anybody gets a block.  So bytes always move, as long as no chunk is larger than the
 * reserve but those of producers that ask for room first (weir_consumer_room()).
 *
 * Threads   A budget is used from one thread, its loop's.  Loops in several threads have
 *           one each, which may be lent their limits by one that they share
 *           (shared_budget.h): the sum of these limits is never over that one's.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/err.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes, one smallest block, which each flow can always hold. */
#define WEIR_FLOW_RESERVE ((size_t)4096)

/* Default limit of a loop's budget, in bytes. */
#define WEIR_BUDGET_DEFAULT ((size_t)256 << 20)

struct weir_block;
struct weir_budget;
struct weir_budget_lender;

/* One who has a reserve, and may wait for room; embedded in a valve.  Fields are private. */
struct weir_budget_waiter {
	struct weir_budget_waiter *next, *prev; /* NULL when not waiting */
	void (*on_room)(struct weir_budget_waiter *w);
	union {
		struct weir_block *lent;  /* `lends`: to this, until it is freed */
		struct weir_budget *owes; /* `owed`: here */
	};
	uint64_t need : 56; /* bytes that must be there; 0: a reserve */
	/* Of its reserve, one at most: */
	bool reserved : 1;  /* it has it at hand */
	bool lends : 1;     /* a block has it */
	bool owed : 1;      /* it waits for it */
};

/* The account.  Read the first three fields; change none. */
struct weir_budget {
	size_t limit; /* bytes; what it is lent now, if it has a lender */
	size_t used;  /* bytes; never over `limit` */
	size_t peak;  /* the most that `used` has been */
	size_t open;  /* `used` up to which blocks are given out */
	size_t high; /* `used` above which a charge does more than add: `peak`, or less */
	size_t low;  /* `used` below which a credit gives back to the lender; else 0 */
	size_t reserved, owed;             /* bytes: of `used`, reserves; reserves waited for */
	struct weir_budget_waiter waiters; /* list head: of those who wait for a reserve, */
	struct weir_budget_waiter refused; /* and of those behind them, who want more */
	void (*on_credit)(void *arg);      /* somebody waits, and there is room */
	void *on_credit_arg;
	struct weir_budget_lender *lender; /* of the limit (weir/impl/lender.h), or NULL */
};

WEIR_API void weir_budget_init(struct weir_budget *b, size_t limit);

/* Change the limit.  Below what is used it pauses producers until it is met. */
WEIR_API void weir_budget_set_limit(struct weir_budget *b, size_t limit);

/* Bytes that can still be charged. */
static inline size_t weir_budget_room(const struct weir_budget *b)
{
	return b->used < b->limit ? b->limit - b->used : 0;
}

/* Bytes that can still be charged for blocks. */
static inline size_t weir_budget_block_room(const struct weir_budget *b)
{
	return b->used < b->open ? b->open - b->used : 0;
}

/* Charge `n` bytes: true, or false with nothing charged if they do not fit. */
WEIR_API WEIR_MUST_USE bool weir_budget_charge(struct weir_budget *b, size_t n);

/* Give `n` charged bytes back. */
WEIR_API void weir_budget_credit(struct weir_budget *b, size_t n);

/* Wait in line; a no-op for one who waits already. */
WEIR_API void weir_budget_wait(struct weir_budget *b, struct weir_budget_waiter *w);

/* Leave the line; a no-op for one who is not in it. */
WEIR_API void weir_budget_unwait(struct weir_budget_waiter *w);

/* Call those in line whose turn it is, as many as there is room for. */
WEIR_API void weir_budget_serve(struct weir_budget *b);

#ifdef __cplusplus
}
#endif
#endif
