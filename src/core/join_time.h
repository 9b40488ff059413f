/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CORE_JOIN_TIME_H
#define WEIR_CORE_JOIN_TIME_H
/* join_time.h -- the time limits of a join; allocated for those which have some. */
#include "weir/context.h"
#include "core/join_priv.h"

struct weir__join_time {
	struct weir_timer timer; /* the nearest of all; may come when nothing is due */
	struct weir_join *join;
	struct weir_context *ctx;
	uint64_t idle_ns, stall_ns; /* 0: none */
	uint64_t active;            /* when the source last gave a byte, was asked or let go */
	uint64_t total;             /* deadline */
	struct weir__stall stall;
};

/* One of the limits in `options` is set.  Returns 0, or -ENOMEM. */
int weir__join_time_create(struct weir_join *join, struct weir_context *ctx,
                           const struct weir_join_options *options, struct weir__join_time **out);

/* NULL is allowed. */
void weir__join_time_destroy(struct weir__join_time *time);

/* The source may give from now on: the join has begun, it was let go, it was asked. */
void weir__join_time_begins(struct weir__join_time *time);

/* The join has its outcome. */
void weir__join_time_ends(struct weir__join_time *time);

/* The source has given a byte. */
static inline void weir__join_time_moved(struct weir__join_time *time)
{
	time->active = weir_context_now(time->ctx);
}

#endif
