/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SHARED_BUDGET_H
#define WEIR_SHARED_BUDGET_H
/*
 * shared_budget.h -- one limit for the loops of several threads.
 *
 * Each loop has a budget of its own (budget.h), which no other thread touches, and which is
 * lent its limit by the shared one, in steps of at most 2 MiB.  The sum of what is lent is
 * never over the shared limit, and no loop holds more than it is lent: so the limit binds
 * over all loops at every moment.
 *
 * A loop gives back what has become free, and wakes those that wait for it.  When a loop is
 * in need, those that have more than their share of the whole give up what they have beyond
 * that as it becomes free.  Each loop has WEIR_LOOP_BUDGET_MIN for as long as it lives, and a
 * quarter of what is left is lent for the reserves of flows only: bytes move in each loop,
 * whatever the others hold.
 *
 *      struct weir_shared_budget *shared;
 *      weir_shared_budget_create(limit, threads, &shared);
 *      ... in, or for, each thread:
 *      const struct weir_loop_options options = {.shared_budget = shared};
 *      weir_loop_create(&options, &loop);
 *      ... and when all these loops have been destroyed:
 *      weir_shared_budget_destroy(shared);
 *
 * Threads   All functions here may be called from any thread; destroying is for the last.
 */
#include <stddef.h>

#include "weir/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Make a budget of `limit` bytes for `loops` loops (1 or more) at once; one more is refused.
 *
 * Returns  0 and the budget in *out; WEIR_EBUDGET if `limit` is less than
 *          WEIR_LOOP_BUDGET_MIN for each; -EINVAL; -ENOMEM.
 */
WEIR_API WEIR_MUST_USE int weir_shared_budget_create(size_t limit, unsigned loops,
						     struct weir_shared_budget **out);

/* Every loop must have been destroyed.  NULL is allowed. */
WEIR_API void weir_shared_budget_destroy(struct weir_shared_budget *shared);

/* The limit; what is lent now, with what is kept for loops that are still to come; and the
 * most that has been so at once.  Bytes. */
WEIR_API size_t weir_shared_budget_limit(const struct weir_shared_budget *shared);
WEIR_API size_t weir_shared_budget_lent(struct weir_shared_budget *shared);
WEIR_API size_t weir_shared_budget_peak(struct weir_shared_budget *shared);

#ifdef __cplusplus
}
#endif
#endif
