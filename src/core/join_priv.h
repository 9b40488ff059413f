/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CORE_JOIN_PRIV_H
#define WEIR_CORE_JOIN_PRIV_H
/* join_priv.h -- for those who watch joins: adapters, and a join's own time limits. */
#include "weir/join.h"

/* As weir_join_progress(), but the caller's next one does not notice: `rate` is the mean. */
void weir__join_look(const struct weir_join *join, struct weir_progress *out);

/* Whether the source may give, and is asked to. */
bool weir__join_waits_for_source(const struct weir_join *join);

/*
 * Whether the sink has bytes to hand on, or holds the source back, and neither a rate limit
 * nor the budget nor the user is why.  *out is what it has handed on, ever.
 */
bool weir__join_stalls(const struct weir_join *join, uint64_t *out);

/* How often one looks at what is not told, in the time limit that is kept. */
#define WEIR__LOOKS 16

/* What was seen of a sink at the last look.  Zero is a good beginning. */
struct weir__stall {
	uint64_t out;
	uint64_t since;
	bool on;
};

/* Look at the sink.  Returns since when it stalls: never before it began to, and later by
 * at most the time since the last look; WEIR_NEVER if it does not. */
uint64_t weir__stall_look(struct weir__stall *stall, const struct weir_join *join, uint64_t now);

/* When to look next for a limit of `ns` since `since`: no later than it is over. */
uint64_t weir__next_look(uint64_t now, uint64_t since, uint64_t ns);

/* `since` plus `ns`, or WEIR_NEVER if either is or that is beyond all clocks. */
uint64_t weir__due(uint64_t since, uint64_t ns);

#endif
