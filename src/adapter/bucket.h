/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ADAPTER_BUCKET_H
#define WEIR_ADAPTER_BUCKET_H
/*
 * bucket.h -- a token bucket in whole numbers: no drift, however long it runs.
 *
 * It holds `burst` tokens at most, one a byte, and gains `rate` a second.  What it has
 * gained is kept exactly, in tokens and billionths of one.  So of all who take only what
 * is there, no more than rate x t + burst is taken in any t seconds.
 */
#include <stdbool.h>
#include <stdint.h>

#include "weir/throttle.h"

struct weir__bucket {
	uint64_t rate;   /* tokens a second; 0: there is no limit */
	uint64_t burst;
	uint64_t tokens; /* up to `burst`; 0 while there is no limit */
	uint64_t billionths; /* of the next token; 0 when full */
	uint64_t seen;   /* nanoseconds: gained up to here */
};

/* Prepare a bucket, full. */
void weir__bucket_init(struct weir__bucket *b, struct weir_rate rate, uint64_t now);

/* Another rate from `now` on.  Tokens are kept, up to the new burst; after a time without
 * a limit there are none. */
void weir__bucket_set_rate(struct weir__bucket *b, struct weir_rate rate, uint64_t now);

/* Gain what is due. */
void weir__bucket_fill(struct weir__bucket *b, uint64_t now);

/* The tokens that are there; UINT64_MAX without a limit. */
uint64_t weir__bucket_tokens(const struct weir__bucket *b);

/* Take up to `want` of them; returns how many. */
uint64_t weir__bucket_take(struct weir__bucket *b, uint64_t want);

/* Put back, in the same instant, `n` that were taken and not used. */
void weir__bucket_put(struct weir__bucket *b, uint64_t n);

/* What a wake-up should be worth: two milliseconds of the rate, but half the burst at
 * most, so that a late one loses nothing, and one at least. */
uint64_t weir__bucket_step(const struct weir__bucket *b);

/* The first nanosecond at which there are `want` tokens; `want` is a step at most. */
uint64_t weir__bucket_when(const struct weir__bucket *b, uint64_t want);

#endif
