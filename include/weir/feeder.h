/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FEEDER_H
#define WEIR_FEEDER_H
/*
 * feeder.h -- a consumer as calls: feed it bytes and say the end, for code that has bytes
 * and is no producer.
 *
 * The feeder's source is a push producer, to be registered with any consumer.  What
 * weir_feeder_feed() returns binds: it takes all the bytes or none, and none while the
 * consumer holds the feeder.  A program may go by that alone, or by the callbacks.  It is
 * Twisted's ConsumerToProtocolAdapter, with back-pressure.
 */
#include <stddef.h>

#include "weir/producer.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_context;
struct weir_feeder;

/* Each may be NULL. */
struct weir_feeder_options {
	/* The consumer holds the feeder; may come from inside weir_feeder_feed(). */
	void (*on_pause)(void *arg);

	/* It takes bytes: after a pause, and in the turn after each registration.  May feed. */
	void (*on_resume)(void *arg);

	/* Nobody wants the bytes any more, for the reason `why`; called once at most. */
	void (*on_stop)(void *arg, int why);
	void *arg;
};

/*
 * Make a feeder; `options` may be NULL.
 *
 * Returns  0 and the feeder in *out, or -ENOMEM.
 */
WEIR_API WEIR_MUST_USE int weir_feeder_create(struct weir_context *ctx,
					      const struct weir_feeder_options *options,
					      struct weir_feeder **out);

WEIR_API struct weir_producer *weir_feeder_source(struct weir_feeder *f);

/*
 * Give the consumer the `len` bytes at `data`, which are borrowed for the length of the call.
 *
 * Returns  0: they were taken.  WEIR_EFULL: none were, since the feeder is held or not
 *          registered; try again after on_resume.  WEIR_EFULL also for more bytes than the
 *          consumer takes in one write (weir_feeder_room()).  WEIR_ECLOSED after the end or
 *          a stop.  Else the code with which the consumer refused them.
 */
WEIR_API WEIR_MUST_USE int weir_feeder_feed(struct weir_feeder *f, const void *data, size_t len);

/* How many bytes weir_feeder_feed() would take now; 0: none before on_resume. */
WEIR_API size_t weir_feeder_room(struct weir_feeder *f);

/* Say that no more bytes will come: the consumer is finished (`why` 0) or failed (a negative
 * code), now or when there is one.  Repeated, or after a stop: does nothing. */
WEIR_API void weir_feeder_end(struct weir_feeder *f, int why);

/* Release a feeder; one at work ends with WEIR_ECLOSED.  Not from inside a callback.  NULL is
 * allowed. */
WEIR_API void weir_feeder_destroy(struct weir_feeder *f);

#ifdef __cplusplus
}
#endif
#endif
