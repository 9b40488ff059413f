/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PATTERN_H
#define WEIR_PATTERN_H
/*
 * pattern.h -- sources made from nothing, and a sink for whatever is not wanted.
 */
#include "weir/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_context;

#define WEIR_ENDLESS UINT64_MAX

/* A push source of `size` zero bytes, or WEIR_ENDLESS.  Returns 0, or -ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_pattern_zero(struct weir_context *ctx, uint64_t size,
					     struct weir_transport **out);

/*
 * A push source of `size` pseudo-random bytes, or WEIR_ENDLESS: the same for the same
 * seed on every machine, whatever the chunks (the generator is xoshiro256**, seeded by
 * splitmix64, bytes in little-endian order).  Not for cryptography.
 */
WEIR_API WEIR_MUST_USE int weir_pattern_random(struct weir_context *ctx, uint64_t size,
					       uint64_t seed, struct weir_transport **out);

/* A sink that takes everything and keeps nothing. */
WEIR_API WEIR_MUST_USE int weir_pattern_null(struct weir_context *ctx,
					     struct weir_transport **out);

#ifdef __cplusplus
}
#endif
#endif
