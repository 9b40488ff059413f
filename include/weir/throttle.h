/* SPDX-License-Identifier: MIT */
#ifndef WEIR_THROTTLE_H
#define WEIR_THROTTLE_H
/*
 * throttle.h -- a limit on bytes per second, for one flow or for a group.
 *
 * A throttle is a processor: a consumer in front, which is told to hold its producer
 * (WEIR_HOLD_RATE) when the limit is reached, and a producer behind, to be registered
 * with the next consumer.
 *
 * In every window of t seconds at most rate x t + burst bytes pass, also after an idle
 * time and after a change of the rate (a token bucket that holds `burst` at most).  The
 * last bytes are not late: what may pass passes in the turn in which it may.
 */
#include "weir/consumer.h"
#include "weir/producer.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_context;
struct weir_throttle;
struct weir_throttle_group;

struct weir_rate {
	uint64_t bytes_per_s; /* 0: no limit */
	uint64_t burst;       /* bytes; 0: a tenth of a second's worth, at least one byte */
};

/*
 * Make a throttle; `group` is NULL for a limit of its own, else the flow also obeys
 * the group's.
 *
 * Returns  0 and the throttle in *out, or -ENOMEM.
 */
WEIR_API WEIR_MUST_USE int weir_throttle_create(struct weir_context *ctx, struct weir_rate rate,
						struct weir_throttle_group *group,
						struct weir_throttle **out);

WEIR_API struct weir_consumer *weir_throttle_sink(struct weir_throttle *t);

/* The end of the throttle's sink is that of the consumer which this is registered with, and
 * so is what has been handed on.  That consumer must end before it is released. */
WEIR_API struct weir_producer *weir_throttle_source(struct weir_throttle *t);

/* Change the rate from now on.  Tokens over the new burst are lost. */
WEIR_API void weir_throttle_set_rate(struct weir_throttle *t, struct weir_rate rate);

/* Release a throttle.  One at work is cut: its producer is stopped, its consumer
 * failed, with WEIR_ECLOSED.  Not from inside a call that it makes to either of them.
 * NULL is allowed. */
WEIR_API void weir_throttle_destroy(struct weir_throttle *t);

/*
 * A limit that flows share.  While all want more than there is, each gets an equal
 * part, and none less than `min_share` bytes per second, as long as the sum allows it:
 * one that has had less than its share of late is served before the others.
 */
WEIR_API WEIR_MUST_USE int weir_throttle_group_create(struct weir_context *ctx,
						      struct weir_rate rate, uint64_t min_share,
						      struct weir_throttle_group **out);

WEIR_API void weir_throttle_group_set_rate(struct weir_throttle_group *g, struct weir_rate rate);

/* Release a group; its throttles must have been destroyed.  NULL is allowed. */
WEIR_API void weir_throttle_group_destroy(struct weir_throttle_group *g);

#ifdef __cplusplus
}
#endif
#endif
