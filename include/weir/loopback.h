/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LOOPBACK_H
#define WEIR_LOOPBACK_H
/*
 * loopback.h -- two transports joined in memory: what one takes the other gives.
 *
 * Needs a context only, no loop and no descriptor.  Delivery is never from inside the
 * write that caused it, but from the next turn.  Marks, pauses and ends are those of any
 * transport: a source that is paused, or not registered, fills its peer's sink.
 *
 * Closing one side ends both ways for the other, with WEIR_ECLOSED, in the next turn; a
 * finish before it, with every byte delivered, stays a finish.
 */
#include "weir/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_context;

/* Make a pair.  Returns 0, or -ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_loopback_create(struct weir_context *ctx,
						struct weir_transport **left,
						struct weir_transport **right);

#ifdef __cplusplus
}
#endif
#endif
