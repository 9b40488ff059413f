/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TAP_H
#define WEIR_TAP_H
/*
 * tap.h -- watches the bytes on their way to a consumer, and changes nothing: neither
 * their order, nor who holds whom, nor the end.
 *
 * Threads   One thread, the consumer's.
 */
#include <stddef.h>
#include <stdint.h>

#include "weir/consumer.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_tap;

/* Bytes that the consumer has accepted, in order; borrowed for the length of the call,
 * which must not call the tap. */
typedef void weir_tap_fn(void *arg, const void *data, size_t len);

/*
 * Make a tap in front of `consumer`, to be used in its place.  `fn` may be NULL, for one
 * that only counts.
 *
 * Owns     nothing: `consumer` must live until it has ended, or weir_tap_destroy().
 * Returns  0 and the tap in *out, or -ENOMEM.
 */
WEIR_API WEIR_MUST_USE int weir_tap_create(struct weir_consumer *consumer, weir_tap_fn *fn,
					   void *arg, struct weir_tap **out);

/* What to write to, or register with, in place of the consumer. */
WEIR_API struct weir_consumer *weir_tap_sink(struct weir_tap *tap);

/* Bytes that went past. */
WEIR_API uint64_t weir_tap_count(const struct weir_tap *tap);

/* Take the tap out.  A producer that is still registered is stopped with WEIR_ECLOSED, and
 * the consumer left open.  NULL is allowed. */
WEIR_API void weir_tap_destroy(struct weir_tap *tap);

#ifdef __cplusplus
}
#endif
#endif
