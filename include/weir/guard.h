/* SPDX-License-Identifier: MIT */
#ifndef WEIR_GUARD_H
#define WEIR_GUARD_H
/*
 * guard.h -- stands between a producer and a consumer in a debug build, and says who breaks
 * the contract.  Of libweir-tck.
 *
 * A guard holds no bytes and changes nothing.  It passes every call on, in both directions,
 * and holds it against the rules of the contract kit (tck.h), as far as they can be seen from
 * there.  The first that is broken is reported, with the stack of the call that broke it and
 * that of the earlier call which it contradicts: the write after a finish, and the finish.
 * Then the guard is silent.
 *
 *   weir_guard_create(consumer, NULL, &guard);
 *   weir_consumer_register(weir_guard_sink(guard), producer, WEIR_PUSH);
 * or
 *   weir_guard_create_source(producer, NULL, &guard);
 *   weir_join_create(ctx, weir_guard_source(guard), consumer, NULL, &join);
 *
 * What it sees
 *   of the producer  FLOW-2, FLOW-5, END-1, END-2, END-10, DATA-4
 *   of the consumer  REG-1 to REG-8, FLOW-1, FLOW-3, FLOW-4, FLOW-5, FLOW-7, FLOW-9, MEM-1,
 *                    DATA-1, DATA-2, DATA-4, END-2, END-3, END-4, END-9, OBS-1
 *   of either        FLOW-8
 *
 * All that is written while a producer is registered counts as that producer's, and the
 * guard must be told everything: who uses the consumer beside it is not seen.
 *
 * It takes the stack of each pause, resume, register, unregister, end and wake, and of each
 * write of a pull producer, which costs tens of thousands of instructions.  Leave the guard
 * out of other builds: nothing else has to change, and it costs nothing there.
 *
 * Threads   Those of the consumer.  A call from any other is a breach (FLOW-8).
 * Re-entry  That of the consumer.
 */
#include <stdbool.h>
#include <stddef.h>

#include "weir/consumer.h"
#include "weir/context.h"
#include "weir/producer.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_guard;

/* The frames of a stack at most. */
#define WEIR_GUARD_FRAMES 24

struct weir_guard_frame {
	void *at;
	const char *function; /* NULL if it has no name that we know */
	const char *file;     /* of its source; NULL as above */
	unsigned line;
};

/* A call, and the frames from which it was made, innermost first. */
struct weir_guard_call {
	const char *what; /* "pause"; NULL: there is no such call */
	size_t count;
	struct weir_guard_frame frames[WEIR_GUARD_FRAMES];
};

enum weir_guard_party { WEIR_GUARD_PRODUCER, WEIR_GUARD_CONSUMER };

/* What was broken, by whom.  Until: the function that gets it returns. */
struct weir_guard_report {
	const char *id;                /* "FLOW-1" */
	const char *rule;              /* "pause and resume alternate, pause first" */
	const char *what;              /* "a second pause without a resume between" */
	enum weir_guard_party party;   /* who broke it */
	const char *name;              /* its ops->name */
	struct weir_guard_call broke;  /* the call that broke it; "turn": one that did not come */
	struct weir_guard_call before; /* the call that it contradicts */
};

struct weir_guard_options {
	/* Gets the first breach; the program goes on when it returns.  It must not call the
	 * consumer or the producer, nor destroy the guard.  NULL: weir_guard_print(), abort(). */
	void (*on_broken)(void *arg, const struct weir_guard_report *report);
	void *arg;

	/* The consumer's loop: look there whether what must happen within a turn has happened
	 * (FLOW-4, and the stop of END-2).  A timer looks, 1 ms after there is something to wait
	 * for, then 2 ms, 4 ms, to 17 minutes.  NULL: do not look. */
	struct weir_context *ctx;

	size_t overshoot;   /* bytes that the producer may write after it was paused */
	size_t high, low;   /* the consumer's marks, if they do not change (FLOW-3, MEM-1);
	                       0: unknown */
	bool twisted;       /* the consumer keeps the Twisted profile: rules marked [T] are off */
	bool skips_bytes;   /* do not look whether lent bytes change, which reads them twice */
};

/*
 * Make a guard in front of `consumer`; `options` may be NULL.
 *
 * Owns     nothing: `consumer` must live as long as `out` is called, and until it has ended
 *          or the guard is destroyed.
 * Returns  0, or -ENOMEM.
 */
WEIR_API WEIR_MUST_USE int weir_guard_create(struct weir_consumer *consumer,
					     const struct weir_guard_options *options,
					     struct weir_guard **out);

/* What to use in place of the consumer.  Until: the guard is destroyed. */
WEIR_API struct weir_consumer *weir_guard_sink(struct weir_guard *guard);

/*
 * The same behind `producer`, for one whose consumer is out of reach: what a join reads from.
 * To be registered with any consumer, one after the other.  While it is, the producer's
 * consumer is the guard; when the consumer lets it go, the producer learns of it from its next
 * call only, which does nothing or gives WEIR_ECLOSED.  REG-1 to REG-5, REG-7 and REG-8 are not seen
 * from there.
 *
 * Owns     nothing: `producer` must outlive the guard or be stopped or have ended, and each
 *          consumer end, or live until the guard is destroyed.
 * Returns  0, or -ENOMEM.
 */
WEIR_API WEIR_MUST_USE int weir_guard_create_source(struct weir_producer *producer,
						    const struct weir_guard_options *options,
						    struct weir_guard **out);

/* What to use in place of that producer.  Until: the guard is destroyed. */
WEIR_API struct weir_producer *weir_guard_source(struct weir_guard *guard);

/* Whether a breach has been reported. */
WEIR_API bool weir_guard_is_broken(const struct weir_guard *guard);

/* Take the guard out, but not from inside a call of it: a producer that is still registered is
 * unregistered from the consumer and stopped with WEIR_ECLOSED.  NULL is allowed. */
WEIR_API void weir_guard_destroy(struct weir_guard *guard);

/* Print a report to standard error: an `on_broken` for one who wants to go on. */
WEIR_API void weir_guard_print(void *arg, const struct weir_guard_report *report);

#ifdef __cplusplus
}
#endif
#endif
