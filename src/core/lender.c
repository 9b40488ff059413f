/* SPDX-License-Identifier: MIT */
/*
 * The part of a budget that borrows its limit.  A charge and a credit compare what is used
 * with one number each, and only beyond that come here.
 *
 * Invariants  While there is less than a step of room for blocks, or somebody waits in line,
 *             either the lender was asked and had nothing, so that weir_lender_ready() will
 *             follow (`waits`), or the next charge asks it.
 */
#include "core/lender.h"

#include <stdint.h>

/* What is lent for reserves, and no reserve has or waits for. */
static size_t idle_reserves(const struct weir_budget *b)
{
	size_t needed = b->reserved + b->owed;
	size_t lent = b->lender->reserves;
	size_t least = weir__budget_headroom(b->lender->base) + lent;

	if (least <= needed)
		return 0;
	return least - needed < lent ? least - needed : lent;
}

/* As for any other budget, but that only the base has a part for reserves: what more they
 * need is lent for them. */
void weir__lender_reopen(struct weir_budget *b)
{
	size_t least = weir__budget_headroom(b->lender->base) + b->lender->reserves;
	size_t kept = b->owed + (least > b->reserved ? least - b->reserved : 0);

	b->open = b->limit > kept ? b->limit - kept : 0;
	weir__lender_aim(b);
}

/* What is lent for blocks beyond `keep` bytes. */
static size_t excess(const struct weir_budget *b, size_t keep)
{
	size_t lent = b->limit - b->lender->reserves;

	return lent > keep ? lent - keep : 0;
}

/* How much room for blocks there is to be: a step, or what the first in line was refused. */
static size_t wanted(const struct weir_budget *b)
{
	const struct weir_budget_waiter *first = b->refused.next;
	size_t need = first == &b->refused ? 0 : first->need;

	return need > b->lender->step ? need : b->lender->step;
}

void weir__lender_aim(struct weir_budget *b)
{
	const struct weir_budget_lender *l = b->lender;

	b->high = b->peak;
	b->low = 0;
	if (!l->waits) {
		size_t at = b->open > wanted(b) ? b->open - wanted(b) : 0;

		if (at < b->high)
			b->high = at;
	}
	if (idle_reserves(b) || (l->recalled && excess(b, l->share)))
		b->low = SIZE_MAX;
	else if (b->open > 2 * l->step && excess(b, l->base))
		b->low = b->open - 2 * l->step;
}

static bool borrow(struct weir_budget *b, enum weir_lend kind, size_t want)
{
	size_t n = b->lender->ops->borrow(b->lender, kind, want);

	b->limit += n;
	if (kind == WEIR_LEND_RESERVES)
		b->lender->reserves += n;
	else if (!n)
		b->lender->waits = true;
	weir__lender_reopen(b);
	return n > 0;
}

static size_t whole(size_t n)
{
	return (n + WEIR_FLOW_RESERVE - 1) / WEIR_FLOW_RESERVE * WEIR_FLOW_RESERVE;
}

static void grow(struct weir_budget *b, size_t room)
{
	while (!b->lender->waits && weir_budget_block_room(b) < room) {
		size_t want = whole(room - weir_budget_block_room(b));

		if (!borrow(b, WEIR_LEND_BLOCKS, want > b->lender->step ? want : b->lender->step))
			break;
	}
}

void weir__lender_grow(struct weir_budget *b)
{
	grow(b, wanted(b));
	weir__lender_aim(b);
}

bool weir__lender_find_room(struct weir_budget *b, size_t n)
{
	/* So much nobody lends; it would only take everything from the others. */
	if (n > SIZE_MAX / 2)
		return false;
	grow(b, n);
	if (n <= weir_budget_room(b))
		return true;
	weir__lender_shrink(b);
	return false;
}

bool weir__lender_find_reserve(struct weir_budget *b)
{
	if (weir_budget_room(b) < WEIR_FLOW_RESERVE)
		weir__lender_grow(b);
	return weir_budget_room(b) >= WEIR_FLOW_RESERVE ||
	       borrow(b, WEIR_LEND_RESERVES, WEIR_FLOW_RESERVE);
}

void weir__lender_seek(struct weir_budget *b)
{
	size_t limit = b->limit;

	weir__lender_grow(b);
	if (b->owed)
		weir__lender_find_reserve(b);
	/* Only then: who cannot go on with all that there is must not be called for nothing. */
	if (b->limit > limit)
		weir__budget_offer(b);
}

static void give_back(struct weir_budget *b, enum weir_lend kind, size_t n)
{
	n -= n % WEIR_FLOW_RESERVE;
	if (!n)
		return;
	b->limit -= n;
	if (kind == WEIR_LEND_RESERVES)
		b->lender->reserves -= n;
	weir__lender_reopen(b);
	b->lender->ops->give_back(b->lender, kind, n);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Blocks that are free and not to be kept. */
static size_t free_blocks(const struct weir_budget *b)
{
	const struct weir_budget_lender *l = b->lender;
	size_t room = weir_budget_block_room(b);

	if (l->recalled)
		return least(room, excess(b, l->share));
	/* Who waits for much may need more than a step. */
	if (weir_budget_is_waited_for(b) || room <= 2 * l->step)
		return 0;
	return least(room - l->step, excess(b, l->base));
}

void weir__lender_shrink(struct weir_budget *b)
{
	give_back(b, WEIR_LEND_RESERVES, least(idle_reserves(b), weir_budget_room(b)));
	give_back(b, WEIR_LEND_BLOCKS, free_blocks(b));
	weir__lender_aim(b);
}

void weir_budget_init_lent(struct weir_budget *b, struct weir_budget_lender *l)
{
	l->budget = b;
	l->reserves = 0;
	l->waits = l->recalled = false;
	weir_budget_init(b, l->base);
	b->lender = l;
	weir__lender_reopen(b);
}

void weir_lender_ready(struct weir_budget_lender *l)
{
	l->waits = false;
	weir__lender_seek(l->budget);
}

void weir_lender_recall(struct weir_budget_lender *l, bool needed)
{
	l->recalled = needed;
	weir__lender_shrink(l->budget);
}
