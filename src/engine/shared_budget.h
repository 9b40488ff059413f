/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ENGINE_SHARED_BUDGET_H
#define WEIR_ENGINE_SHARED_BUDGET_H
/* shared_budget.h -- a loop's part in a shared budget. */
#include <uv.h>

#include "weir/budget.h"
#include "weir/shared_budget.h"

struct weir__member;

/*
 * Join for a loop whose budget is `b`, which is prepared here.
 * Owns     the member is weir__member_leave()'s to release.
 * Returns  0; WEIR_EBUDGET if there are as many as there may be; another negative code.
 */
WEIR_MUST_USE int weir__member_join(struct weir_shared_budget *shared, uv_loop_t *uv,
				    struct weir_budget *b, struct weir__member **out);

/* Give everything back; nothing of the budget may be charged.  `on_closed(arg)` is called
 * from the uv loop when the member's memory has been released. */
void weir__member_leave(struct weir__member *m, void (*on_closed)(void *arg), void *arg);

/* Keep the uv loop running while somebody waits for what others hold, and only then. */
void weir__member_attend(struct weir__member *m);

/* The most bytes that a loop may take for itself. */
size_t weir__member_part(const struct weir__member *m);

#endif
