/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CORE_LENDER_H
#define WEIR_CORE_LENDER_H
/* lender.h -- between the budget and the part of it that borrows.  All with `lender` in their names
 * are for budgets with a lender only. */
#include "weir/impl/lender.h"

/* What blocks leave of a limit for reserves, if so much is not charged for them already. */
static inline size_t weir__budget_headroom(size_t limit)
{
	size_t quarter = limit / 4;

	return quarter - quarter % WEIR_FLOW_RESERVE;
}

/* Tell that there is room, if somebody waits for it. */
void weir__budget_offer(struct weir_budget *b);

/* Limit, reserves or debts have changed: find out up to where blocks are given out. */
void weir__lender_reopen(struct weir_budget *b);

/* Set the two amounts of use at which weir__lender_grow() and weir__lender_shrink() come. */
void weir__lender_aim(struct weir_budget *b);

/* Borrow until there is as much room for blocks as is wanted, or no more to be had. */
void weir__lender_grow(struct weir_budget *b);

/* Borrow until `n` bytes fit, or one reserve does.  Returns whether it does. */
bool weir__lender_find_room(struct weir_budget *b, size_t n);
bool weir__lender_find_reserve(struct weir_budget *b);

/* Somebody is in line: he is called when what he needs can be borrowed, now or later. */
void weir__lender_seek(struct weir_budget *b);

/* Give back what is too much. */
void weir__lender_shrink(struct weir_budget *b);

#endif
