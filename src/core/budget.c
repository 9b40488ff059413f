/* SPDX-License-Identifier: MIT */
/*
 * The budget: a sum, and a line of those who wait for it to shrink.  The line is
 * served in order, each turn letting in as many as could all take a large block.
 */
#include "weir/budget.h"

#include <assert.h>

#include "weir/chunk.h"

void weir_budget_init(struct weir_budget *b, size_t limit)
{
	*b = (struct weir_budget){.limit = limit};
	b->waiters.next = b->waiters.prev = &b->waiters;
}

static bool somebody_waits(const struct weir_budget *b)
{
	return b->waiters.next != &b->waiters;
}

/*
 * Room that is worth waking the first in line for.  One who was refused gets what it was
 * refused, a block and what rounding may waste at least, but no more than half of the
 * budget.  One who only lacks its reserve gets that as soon as it is there: those before
 * and behind it may have nothing to give back until it moves.
 */
static bool has_share(const struct weir_budget *b, size_t promised)
{
	size_t share = b->waiters.next->need;
	size_t room = weir_budget_room(b);

	if (share > 0 && share < 2 * WEIR_BLOCK_LARGE)
		share = 2 * WEIR_BLOCK_LARGE;
	if (share > b->limit / 2)
		share = b->limit / 2;
	/* Who is let in with less than a reserve cannot go on, and comes back at once. */
	if (share < WEIR_FLOW_RESERVE)
		share = WEIR_FLOW_RESERVE;
	return room >= promised && room - promised >= share;
}

static void offer(struct weir_budget *b)
{
	if (somebody_waits(b) && has_share(b, 0) && b->on_credit)
		b->on_credit(b->on_credit_arg);
}

void weir_budget_set_limit(struct weir_budget *b, size_t limit)
{
	b->limit = limit;
	offer(b);
}

bool weir_budget_charge(struct weir_budget *b, size_t n)
{
	if (n > weir_budget_room(b))
		return false;
	b->used += n;
	if (b->used > b->peak)
		b->peak = b->used;
	return true;
}

void weir_budget_credit(struct weir_budget *b, size_t n)
{
	assert(n <= b->used);
	b->used -= n;
	offer(b);
}

void weir_budget_wait(struct weir_budget *b, struct weir_budget_waiter *w)
{
	if (w->next)
		return;
	w->prev = b->waiters.prev;
	w->next = &b->waiters;
	w->prev->next = w;
	b->waiters.prev = w;
}

void weir_budget_unwait(struct weir_budget_waiter *w)
{
	if (!w->next)
		return;
	w->next->prev = w->prev;
	w->prev->next = w->next;
	w->next = w->prev = NULL;
}

void weir_budget_serve(struct weir_budget *b)
{
	size_t promised = 0;
	struct weir_budget_waiter *last = b->waiters.prev;

	/* Those who come into line meanwhile wait for the next call. */
	while (somebody_waits(b) && has_share(b, promised)) {
		struct weir_budget_waiter *w = b->waiters.next;

		weir_budget_unwait(w);
		promised += WEIR_BLOCK_LARGE;
		w->on_room(w);
		if (w == last)
			break;
	}
	offer(b);
}
