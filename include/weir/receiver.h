/* SPDX-License-Identifier: MIT */
#ifndef WEIR_RECEIVER_H
#define WEIR_RECEIVER_H
/*
 * receiver.h -- two callbacks as a consumer: one is called with bytes, one with the end.
 * For code that parses, counts or shows what comes.
 *
 * A push producer runs and a pull producer is asked for more while the callbacks do not
 * hold it.  It is Twisted's ProtocolToConsumerAdapter, with back-pressure.
 */
#include <stddef.h>

#include "weir/consumer.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_context;
struct weir_receiver;

struct weir_receiver_options {
	/*
	 * `len` bytes have come, at least one; they are borrowed for the length of the call.
	 * Returns  0, or a negative code: the receiver has failed with that.  The producer is
	 *          stopped, what is still held is dropped, and these bytes count as not taken.
	 */
	int (*on_data)(void *arg, const void *bytes, size_t len);

	/* Nothing more will come; called once.  `why` is 0 when all has come, else a negative
	 * code, that of `on_data` for one.  May be NULL. */
	void (*on_end)(void *arg, int why);
	void *arg;
};

/*
 * Make a receiver.
 *
 * Returns  0 and the receiver in *out, or -ENOMEM.
 */
WEIR_API WEIR_MUST_USE int weir_receiver_create(struct weir_context *ctx,
						const struct weir_receiver_options *options,
						struct weir_receiver **out);

WEIR_API struct weir_consumer *weir_receiver_sink(struct weir_receiver *r);

/* Hold the producer, from inside `on_data` for one: that is not called again before
 * weir_receiver_resume().  What comes all the same is kept. */
WEIR_API void weir_receiver_pause(struct weir_receiver *r);

/* Deliver what was kept, before this returns, unless it is called from inside `on_data`,
 * then right after that; and let the producer go. */
WEIR_API void weir_receiver_resume(struct weir_receiver *r);

/* Release a receiver, without `on_end`; a producer that is registered is stopped with
 * WEIR_ECLOSED.  Not from inside a callback.  NULL is allowed. */
WEIR_API void weir_receiver_destroy(struct weir_receiver *r);

#ifdef __cplusplus
}
#endif
#endif
