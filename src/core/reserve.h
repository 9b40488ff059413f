/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CORE_RESERVE_H
#define WEIR_CORE_RESERVE_H
/*
 * reserve.h -- the reserve of a flow, between the budget, the pool and the valves.
 *
 * It is at hand (`reserved`), or lent to one block (`lent`), which brings it back when it is
 * freed: to the flow that took it and nobody else.  Else a flow whose bytes went on by
 * reference, and waited behind another one, could find its reserve given to whoever came
 * first, and never move again.
 */
#include "weir/budget.h"
#include "weir/chunk.h"

/* Whether a reserve is charged for `w`, at hand or lent. */
static inline bool weir__reserve_is_kept(const struct weir_budget_waiter *w)
{
	return w->reserved || w->lends;
}

/* Charge a reserve for `w`, which has none, if there is room; who waits for it comes next. */
void weir__reserve_take(struct weir_budget *b, struct weir_budget_waiter *w);

/* Give it up.  A block that it is lent to stays charged, as any other. */
void weir__reserve_drop(struct weir_budget *b, struct weir_budget_waiter *w);

/* Take a block of WEIR_BLOCK_SMALL with the reserve, which is at hand.  Returns 0, or -ENOMEM. */
WEIR_MUST_USE int weir__reserve_lend(struct weir_pool *pool, struct weir_budget_waiter *w,
				     struct weir_block **out);

/* The block is free: `w` has its reserve at hand again, and its turn comes next. */
void weir__reserve_return(struct weir_budget *b, struct weir_budget_waiter *w);

#endif
