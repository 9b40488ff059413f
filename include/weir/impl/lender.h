/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IMPL_LENDER_H
#define WEIR_IMPL_LENDER_H
/*
 * lender.h -- for those who lend a budget its limit, in parts.
 *
 * A budget with a lender begins with `base` bytes of limit, asks for more before it has
 * used up what it has, and gives back what it has too much of.  Between these it is as any
 * other: it looks at its own numbers and at nothing else.  weir/shared_budget.h is a lender
 * for loops in several threads; write one for a core that runs in an event loop of your own.
 *
 * What it is lent is of two kinds.  Bytes for blocks come in steps.  Bytes for the reserves
 * of flows are asked for only when a reserve finds no room in those, so that a lender who
 * keeps some for that can give each flow its reserve, however many blocks there are.
 *
 * The budget goes on with what it has when it is lent nothing: `base` must do for that.
 *
 * Threads   The budget's, for all functions here; a lender of several budgets has to see
 *           to the rest.
 */
#include "weir/budget.h"

#ifdef __cplusplus
extern "C" {
#endif

enum weir_lend {
	WEIR_LEND_BLOCKS = 1,
	WEIR_LEND_RESERVES = 2,
};

struct weir_budget_lender_ops {
	/*
	 * Lend `want` bytes or less.
	 * Returns  how many, a multiple of WEIR_FLOW_RESERVE; or 0: then call
	 *          weir_lender_ready(), later and not from inside, when there may be some.
	 */
	size_t (*borrow)(struct weir_budget_lender *l, enum weir_lend kind, size_t want);

	/* Take `n` bytes back that were lent as `kind`. */
	void (*give_back)(struct weir_budget_lender *l, enum weir_lend kind, size_t n);
};

/* One budget's lender.  Set the first four; the rest is the budget's. */
struct weir_budget_lender {
	const struct weir_budget_lender_ops *ops;
	size_t base;  /* bytes lent from the beginning to the end */
	size_t step;  /* bytes that the budget likes to have ready for blocks */
	size_t share; /* bytes, `base` or more, that it keeps when others are in need */
	struct weir_budget *budget;
	size_t reserves; /* bytes lent for reserves */
	bool waits;      /* until weir_lender_ready() there is no use in asking for blocks */
	bool recalled;   /* others are in need */
};

/* Prepare a budget with the limit that `l` lends it.  weir_budget_set_limit() is not for
 * such a one.  What it has been lent at its end is the lender's to know. */
WEIR_API void weir_budget_init_lent(struct weir_budget *b, struct weir_budget_lender *l);

/* There may be something to lend again. */
WEIR_API void weir_lender_ready(struct weir_budget_lender *l);

/* Others are in need, or no longer: while they are, what the budget has of blocks beyond its
 * share is given back as it becomes free, now and with each credit. */
WEIR_API void weir_lender_recall(struct weir_budget_lender *l, bool needed);

/* Whether somebody waits in the budget's line. */
static inline bool weir_budget_is_waited_for(const struct weir_budget *b)
{
	return b->waiters.next != &b->waiters || b->refused.next != &b->refused;
}

#ifdef __cplusplus
}
#endif
#endif
