/* SPDX-License-Identifier: MIT */
/*
 * The budget: a sum, and a line of those who wait for it to shrink.  First in line are those
 * who have no reserve, or have it back: the others may have nothing to give back until these
 * move.  Then, in order, those who want more, each turn letting in as many as could all take
 * a large block.
 */
#include "weir/budget.h"

#include <assert.h>

#include "core/lender.h"
#include "core/rare.h"
#include "core/reserve.h"

static inline void reopen(struct weir_budget *b)
{
	size_t least, kept;

	if (b->lender) {
		weir__lender_reopen(b);
		return;
	}
	least = weir__budget_headroom(b->limit);
	kept = b->owed + (least > b->reserved ? least - b->reserved : 0);
	b->open = b->limit > kept ? b->limit - kept : 0;
}

static void make_empty(struct weir_budget_waiter *list)
{
	list->next = list->prev = list;
}

void weir_budget_init(struct weir_budget *b, size_t limit)
{
	*b = (struct weir_budget){.limit = limit};
	make_empty(&b->waiters);
	make_empty(&b->refused);
	reopen(b);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * Room that is worth waking `w` for.  One who was refused gets what it was refused, a block
 * and what rounding may waste at least, but no more than half of what blocks can have; or
 * all of that, when it was refused more.
 */
static size_t share_of(const struct weir_budget *b, const struct weir_budget_waiter *w)
{
	size_t most = b->open > b->reserved ? b->open - b->reserved : 0;
	size_t share = least(2 * WEIR_BLOCK_LARGE, most / 2);

	if (w->need > share)
		share = least(w->need, most);
	/* Who is let in with less than a reserve cannot go on, and comes back at once. */
	return share < WEIR_FLOW_RESERVE ? WEIR_FLOW_RESERVE : share;
}

/* Whether the first of `list` can have something, when `promised` bytes are others'. */
static bool has_share(const struct weir_budget *b, const struct weir_budget_waiter *list,
		      size_t promised)
{
	const struct weir_budget_waiter *w = list->next;
	size_t room = w->owed ? weir_budget_room(b) : weir_budget_block_room(b);

	if (w == list)
		return false;
	if (w->reserved && list == &b->waiters)
		return true;
	return room >= promised && room - promised >= (w->need ? share_of(b, w) : WEIR_FLOW_RESERVE);
}

static inline void offer(struct weir_budget *b)
{
	if (!weir_budget_is_waited_for(b))
		return;
	if ((has_share(b, &b->waiters, 0) || has_share(b, &b->refused, 0)) && b->on_credit)
		b->on_credit(b->on_credit_arg);
}

void weir__budget_offer(struct weir_budget *b)
{
	offer(b);
}

void weir_budget_set_limit(struct weir_budget *b, size_t limit)
{
	assert(!b->lender);
	b->limit = limit;
	reopen(b);
	offer(b);
}

/* A charge that is refused, or after which more is used than ever, or so much that it is
 * time to borrow. */
static WEIR__RARE bool charge_more(struct weir_budget *b, size_t n)
{
	if (n > weir_budget_room(b) && !(b->lender && weir__lender_find_room(b, n)))
		return false;
	b->used += n;
	if (b->used > b->peak)
		b->peak = b->high = b->used;
	if (b->lender)
		weir__lender_grow(b);
	return true;
}

bool weir_budget_charge(struct weir_budget *b, size_t n)
{
	/* The sum may have wrapped only if there is no room. */
	if (n > weir_budget_room(b) || b->used + n > b->high)
		return charge_more(b, n);
	b->used += n;
	return true;
}

void weir_budget_credit(struct weir_budget *b, size_t n)
{
	assert(n <= b->used);
	b->used -= n;
	if (b->used < b->low)
		weir__lender_shrink(b);
	offer(b);
}

/* ---- the line ---- */

static void insert(struct weir_budget_waiter *w, struct weir_budget_waiter *before)
{
	w->prev = before->prev;
	w->next = before;
	w->prev->next = w;
	before->prev = w;
}

void weir_budget_wait(struct weir_budget *b, struct weir_budget_waiter *w)
{
	bool has_none = !w->need && !weir__reserve_is_kept(w);

	if (w->next)
		return;
	insert(w, has_none ? &b->waiters : &b->refused);
	if (has_none) {
		w->owes = b;
		w->owed = true;
		b->owed += WEIR_FLOW_RESERVE;
		reopen(b);
	}
	if (b->lender)
		weir__lender_seek(b);
}

static void settle_debt(struct weir_budget_waiter *w)
{
	struct weir_budget *b = w->owes;

	if (!w->owed)
		return;
	w->owed = false;
	b->owed -= WEIR_FLOW_RESERVE;
	reopen(b);
}

void weir_budget_unwait(struct weir_budget_waiter *w)
{
	if (!w->next)
		return;
	w->next->prev = w->prev;
	w->prev->next = w->next;
	w->next = w->prev = NULL;
	settle_debt(w);
}

/* Those who come into line meanwhile wait for the next call.  True if all before them
 * have been called. */
static bool serve(struct weir_budget *b, struct weir_budget_waiter *list, size_t *promised)
{
	struct weir_budget_waiter *last = list->prev;

	while (has_share(b, list, *promised)) {
		struct weir_budget_waiter *w = list->next;

		*promised += list == &b->waiters ? WEIR_FLOW_RESERVE : WEIR_BLOCK_LARGE;
		weir_budget_unwait(w);
		w->on_room(w);
		if (w == last)
			return true;
	}
	return list->next == list;
}

/* One who could not go on with what there is now is not called again for that. */
void weir_budget_serve(struct weir_budget *b)
{
	size_t promised = 0;
	bool more = !serve(b, &b->waiters, &promised) && has_share(b, &b->waiters, 0);

	if (!serve(b, &b->refused, &promised))
		more |= has_share(b, &b->refused, 0);
	if (more && b->on_credit)
		b->on_credit(b->on_credit_arg);
	if (b->lender && weir_budget_is_waited_for(b))
		weir__lender_seek(b);
}

/* ---- reserves ---- */

void weir__reserve_take(struct weir_budget *b, struct weir_budget_waiter *w)
{
	assert(!weir__reserve_is_kept(w));
	if (b->lender && !weir__lender_find_reserve(b))
		return;
	w->reserved = weir_budget_charge(b, WEIR_FLOW_RESERVE);
	if (!w->reserved)
		return;
	b->reserved += WEIR_FLOW_RESERVE;
	settle_debt(w);
	reopen(b);
	if (w->next)
		offer(b);
}

void weir__reserve_drop(struct weir_budget *b, struct weir_budget_waiter *w)
{
	b->reserved -= WEIR_FLOW_RESERVE;
	reopen(b);
	if (w->lends) {
		w->lent->lender = NULL;
		w->lends = false;
	} else {
		w->reserved = false;
		weir_budget_credit(b, WEIR_FLOW_RESERVE);
	}
}

void weir__reserve_return(struct weir_budget *b, struct weir_budget_waiter *w)
{
	w->lends = false;
	w->reserved = true;
	weir_budget_unwait(w);
	insert(w, b->waiters.next);
	offer(b);
}
