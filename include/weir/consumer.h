/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONSUMER_H
#define WEIR_CONSUMER_H
/*
 * consumer.h -- whatever takes bytes, with back-pressure that binds.
 *
 * A consumer takes bytes from at most one registered producer.  When it holds
 * as much as its high mark it pauses that producer, and once it has drained to
 * its low mark it resumes it.  Over its hard limit it refuses.  Nothing here
 * performs I/O or knows that an event loop exists.
 *
 * The verbs are those of Twisted's IConsumer and IFinishableConsumer, plus
 * `fail`: finished, failed and stopped are three different ends.
 *
 * To call a consumer, read this file.  To write one, read impl/consumer.h, or
 * impl/valve.h if it buffers.
 *
 * Threads   A consumer is used from one thread at a time, its loop's.
 * Re-entry  The producer may be paused or stopped from inside weir_consumer_write();
 *           every call here is legal from inside any callback of a producer.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/err.h"
#include "weir/producer.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_chunk;

/* Why a consumer holds its producer back.  Reasons are a set: two of them
 * never undo each other. */
enum weir_hold {
	WEIR_HOLD_FULL = 1,   /* it holds its high mark, and has not drained to the low one */
	WEIR_HOLD_BUDGET = 2, /* the memory budget is spent */
	WEIR_HOLD_RATE = 4,   /* a rate limit */
	WEIR_HOLD_USER = 8,   /* somebody asked */
	WEIR_HOLD_BEHIND = 16, /* the consumer behind does; its reasons are in the set as well */
};

/* A snapshot.  At every instant in == out + held + dropped. */
struct weir_consumer_state {
	uint64_t in;      /* bytes accepted */
	uint64_t out;     /* bytes handed on: to the kernel, to the next consumer */
	uint64_t held;    /* bytes accepted and not yet handed on */
	uint64_t dropped; /* bytes accepted and thrown away by a failure */
	unsigned holds;   /* set of enum weir_hold; not 0 while the producer is paused */
	bool ended;
	int why; /* once ended: 0 if all was handed on, else the code of the failure */
};

/*
 * Make `p` the producer that `c` pauses, resumes and stops, and start it.
 * A pull producer is resumed before this returns, if `c` holds no more than its low mark
 * (or, if this is called from inside another producer's resume or a write, right after
 * that); a push producer on a full consumer is paused before this returns.
 *
 * Owns     nothing: both must outlive the registration.
 * Returns  0; WEIR_EBUSY if `c` has a producer or `p` a consumer, with nothing
 *          changed; WEIR_ECLOSED if `c` has ended or is finishing, after `p` has
 *          been stopped, once, with the reason.
 */
WEIR_API WEIR_MUST_USE int weir_consumer_register(struct weir_consumer *c, struct weir_producer *p,
						  enum weir_mode mode);

/*
 * Let the registered producer go, if there is one.  `c` stays open, keeps the
 * bytes it accepted, and goes on with a finish that was waiting.  The producer
 * is told nothing; the next one owes nothing to its pauses.
 */
WEIR_API void weir_consumer_unregister(struct weir_consumer *c);

/* The registered producer, or NULL. */
WEIR_API struct weir_producer *weir_consumer_producer(const struct weir_consumer *c);

/*
 * Give `c` the `len` bytes at `data`.  All of them are taken or none; a paused
 * producer's are still taken, up to the hard limit.  Never blocks.  `data` may
 * be NULL when `len` is 0, which does nothing and signals nothing.
 *
 * Owns     nothing: the bytes are handed on or copied before this returns.
 * Returns  0; WEIR_EFULL over the hard limit or the budget; WEIR_ECLOSED after
 *          the end; -ENOMEM; or the code of the failure that this write met, with
 *          which `c` has ended.  On failure none were taken.
 */
WEIR_API WEIR_MUST_USE int weir_consumer_write(struct weir_consumer *c, const void *data,
					       size_t len);

/*
 * Give `c` a chunk (chunk.h) without copying it.
 *
 * Owns     on success one reference to chunk->owner moves to `c`, and *chunk is
 *          emptied; on failure the caller keeps it.  A chunk without an owner is
 *          borrowed, as in weir_consumer_write().
 * Returns  as weir_consumer_write().
 */
WEIR_API WEIR_MUST_USE int weir_consumer_give(struct weir_consumer *c, struct weir_chunk *chunk);

/*
 * Say that no more bytes will come and that all of them are there.  What was
 * accepted is handed on first.  If a producer is registered, `c` waits for it to
 * unregister, and accepts its writes until then; when it has not by the deadline, it is
 * stopped and `c` fails, with WEIR_EDEADLINE.  Repeated, or after the end: does nothing.
 */
WEIR_API void weir_consumer_finish(struct weir_consumer *c);

/*
 * Say that no more bytes will come and that some are missing; `why` is a
 * negative code.  What is held is dropped, and the end is not made to look
 * complete: no file is renamed, no connection closed cleanly.  A producer still
 * registered is stopped.  After the end: does nothing.
 */
WEIR_API void weir_consumer_fail(struct weir_consumer *c, int why);

/*
 * How many bytes `c` would take in one write now, without going over its hard limit
 * or the budget; SIZE_MAX if it never holds any.  Zero means that the registered
 * producer has been paused (perhaps by this very call) and will be resumed, or that
 * `c` has ended.  A producer that reads no more than this can never be refused.
 */
WEIR_API size_t weir_consumer_room(struct weir_consumer *c);

/* A parked pull producer, which had said "nothing yet", has some now: it is
 * resumed, from the context's next turn.  Otherwise does nothing. */
WEIR_API void weir_consumer_wake(struct weir_consumer *c);

/* Fill *out with a snapshot.  Changes nothing. */
WEIR_API void weir_consumer_state(const struct weir_consumer *c, struct weir_consumer_state *out);

/* One who wants to know when a consumer ends; embed it.  Fields are private. */
struct weir_end_watch {
	struct weir_end_watch *next;
	void (*fn)(void *arg, int why);
	void *arg;
};

/*
 * Have `fn(arg, why)` called once, when `c` ends: `why` is 0 once every accepted
 * byte has been handed on after a finish, else a negative code.  It may be called
 * from inside any call on `c`, and must not release `c` before that call has returned.
 *
 * Owns  nothing: `w` must outlive the watch, which ends with the call or with
 *       weir_consumer_unwatch_end().
 */
WEIR_API void weir_consumer_watch_end(struct weir_consumer *c, struct weir_end_watch *w,
				      void (*fn)(void *arg, int why), void *arg);

/* End the watch; a no-op for one that is not on. */
WEIR_API void weir_consumer_unwatch_end(struct weir_consumer *c, struct weir_end_watch *w);

#ifdef __cplusplus
}
#endif
#endif
