/* SPDX-License-Identifier: MIT */
#ifndef WEIR_RELAY_H
#define WEIR_RELAY_H
/*
 * relay.h -- two joins, one each way, with half-close done right.
 *
 * The end of one direction finishes the other side's sink and no more: the other
 * direction goes on until its own end.  A linger time bounds that only when given.
 * A failure of one direction fails that direction's sink; the other one goes on while
 * both of its ends live.
 *
 * Time in which we hold a source, or its sink still takes what was given, is neither idle
 * nor linger time.  These times and the stall time do not end early, nor more than a
 * sixteenth late.
 */
#include "weir/join.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_relay;

struct weir_relay_side {
	struct weir_producer *source; /* what this side gives */
	struct weir_consumer *sink;   /* what this side takes */
};

struct weir_relay_options {
	uint64_t idle_ns;   /* stop when neither direction, not held by us, moved for so long */
	uint64_t linger_ns; /* after one direction's end, stop the other when it gives nothing
	                       for so long; restarted by each byte; 0: wait for its end */
	enum weir_paths paths; /* of both directions */
	uint64_t stall_ns;  /* stop when one sink stalls for so long, as in weir_join_options */
	uint64_t total_ns;  /* stop when not both directions have ended after so long */
	/* Called once when both directions have ended, from the context, never from
	 * inside another call; the relay may be destroyed there. */
	void (*on_done)(struct weir_relay *relay, const struct weir_outcome *to_right,
			const struct weir_outcome *to_left, void *arg);
	void *arg;
};

/*
 * Join left's source to right's sink and right's source to left's sink.
 *
 * Returns  as weir_join_create().  After WEIR_EBUSY nothing has changed; after another
 *          failure a direction that had begun has been stopped.
 */
WEIR_API WEIR_MUST_USE int weir_relay_create(struct weir_context *ctx, struct weir_relay_side left,
					     struct weir_relay_side right,
					     const struct weir_relay_options *options,
					     struct weir_relay **out);

/* Stop both directions with `why` (negative); on_done follows. */
WEIR_API void weir_relay_stop(struct weir_relay *relay, int why);

/* The join from left to right, and the one from right to left, for their progress. */
WEIR_API struct weir_join *weir_relay_to_right(struct weir_relay *relay);
WEIR_API struct weir_join *weir_relay_to_left(struct weir_relay *relay);

/* Release a relay; one still at work is stopped, without on_done.  NULL is allowed. */
WEIR_API void weir_relay_destroy(struct weir_relay *relay);

#ifdef __cplusplus
}
#endif
#endif
