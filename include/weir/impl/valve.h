/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IMPL_VALVE_H
#define WEIR_IMPL_VALVE_H
/*
 * impl/valve.h -- the one flow-control machine, which every consumer that holds
 * bytes embeds.  For those who write a consumer.
 *
 * A valve is a consumer (`&v->base`).  It has the queue, the marks, the
 * registered producer, the reasons for which that is paused, and the life:
 *
 *   open --finish--> finishing --all handed on--> flushing --weir_valve_done--> ended
 *     \________________\____________________________\____fail, death_________/
 *
 * An implementation gives it two functions, `drain` and `end`, and calls
 *   weir_valve_ready()  when it can take bytes again after it took fewer than
 *                       offered,
 *   weir_valve_done()   when what `end(v, 0)` asked for is complete,
 *   weir_valve_die()    when the other side is gone.
 *
 * Invariants  held == sum of the queue; told_paused iff the push producer has been
 *             paused and not resumed; no signal is sent from inside `resume` except
 *             a pause; after `ended` nothing is called.  (But see weir_valve_set_profile().)
 * Memory      a valve may be released once it has ended, or after
 *             weir_valve_fini(), but not before the call that ended it returns.
 */
#include "weir/context.h"
#include "weir/impl/consumer.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_valve;
struct weir_patience;

/*
 * Defaults, in bytes.  Pause at or above high, resume at or below low, refuse above the
 * limit.  The limit leaves room for one chunk beyond high: an empty valve tells a producer
 * that asks (weir_consumer_room) that it may write limit - high at once, since that usually
 * is handed on at once and larger chunks cost less, or less, if its implementation knows
 * that it takes less now (`space`), but high at least; one that holds bytes tells high - held.
 * So a producer that asks never has more than the greater of the two held, and any other
 * never more than high plus one chunk of its own.
 */
#define WEIR_HIGH_DEFAULT ((size_t)64 << 10)
#define WEIR_LOW_DEFAULT ((size_t)16 << 10)
#define WEIR_LIMIT_DEFAULT (WEIR_HIGH_DEFAULT + ((size_t)1 << 20))

/* The high mark of the Twisted profile: FileDescriptor is full above 65,536. */
#define WEIR_TWISTED_HIGH (((size_t)64 << 10) + 1)

/* How long a finish waits for a registered producer, in nanoseconds. */
#define WEIR_FINISH_WAIT_DEFAULT (30 * WEIR_NS_PER_S)

/* The most chunks that one `drain` is offered. */
#define WEIR_DRAIN_MAX 16

struct weir_valve_ops {
	const char *name;

	/*
	 * Take bytes from the front of the `count` chunks, which are borrowed for
	 * the length of the call (take a reference to keep one).  May write to other
	 * consumers and to `v` itself.
	 * Returns  the bytes taken; fewer than offered means "no more until
	 *          weir_valve_ready()"; a negative code: the consumer is dead.
	 */
	int64_t (*drain)(struct weir_valve *v, const struct weir_chunk *chunks, size_t count);

	/*
	 * The end has come.  With `why` 0: finished, every byte was taken; make the end
	 * known to the other side, and then call weir_valve_done(), from here or later.
	 * With a negative `why`: failed, and ended already; let go of everything, not
	 * pretending that it is complete.  Each is called once at most, and the second
	 * may follow the first, even from inside it: a failure between `end(v, 0)` and
	 * weir_valve_done(), which then does nothing.
	 * Not called for what the implementation has said itself: weir_valve_die(), a
	 * failed drain, weir_valve_done() with a code.
	 */
	void (*end)(struct weir_valve *v, int why);

	/*
	 * How large a chunk drain() should be offered now, in bytes: what it would take, and no
	 * more on top than may as well be held; SIZE_MAX if it cannot tell.  Asked of an empty
	 * valve by weir_consumer_room(), so that a producer that asks reads no more, only to have
	 * it held.  May change nothing, and should cost next to nothing while chunks are small.
	 * NULL for who has no way to know.
	 */
	size_t (*space)(struct weir_valve *v);

	/*
	 * For who has a descriptor; both NULL for who has none, or must see the bytes.
	 *
	 * carries   whether it is worth while to take bytes out of carry->fd: looks, does
	 *           nothing, and says why not with weir_carry_refuse().
	 * carry     take them, as weir_consumer_carry(); the valve does the counting, and pauses
	 *           the producer at WEIR_CARRY_FULL, until weir_valve_ready().  What was taken
	 *           and has not gone is written to the valve itself, no more than carry->spare
	 *           bytes, and counts as moved.  Makes no other call.
	 */
	bool (*carries)(struct weir_valve *v, struct weir_carry *carry);
	int64_t (*carry)(struct weir_valve *v, struct weir_carry *carry);
};

struct weir_queue {
	struct weir__queue_ring *ring; /* of its chunks; NULL without any */
	size_t bytes;
};

enum weir_life { WEIR_OPEN, WEIR_FINISHING, WEIR_FLUSHING, WEIR_ENDED };

/* Fields are private to the core, except that an implementation may read them. */
struct weir_valve {
	struct weir_consumer base;
	const struct weir_valve_ops *ops;
	struct weir_context *ctx;
	struct weir_queue queue;
	uint32_t high, low, limit;
	uint32_t sent;                   /* of Twisted's send buffer */
	uint64_t in;
	struct weir_task task;           /* next turn: settle, or the next pulls */
	struct weir_budget_waiter waiter;
	union {                          /* by `life` */
		uint64_t finish_wait;            /* open: nanoseconds */
		struct weir_patience *patience;  /* finishing, flushing: NULL if it does not wait */
		uint64_t dropped;                /* ended */
	};
	int why;                         /* of the end */
	uint8_t life;                    /* enum weir_life */
	uint8_t holds;                   /* set of enum weir_hold */
	bool told_paused : 1;
	bool settling : 1;  /* inside a pause or a resume: no nested resume */
	bool draining : 1;  /* inside ops->drain */
	bool blocked : 1;   /* drain took less than offered */
	bool parked : 1;    /* the pull producer has nothing yet */
	bool twisted : 1;   /* enum weir_profile */
	bool wrote : 1;     /* something was written since the pull began */
	bool dying : 1;     /* ended inside drain; the rest follows when it returns, or, in
	                       the Twisted profile, failed: it follows in the next turn */
	bool failing : 1;   /* and it was by weir_consumer_fail() */
	bool again : 1;     /* weir_valve_ready() came inside drain */
	bool carries : 1;   /* its producer waits for an empty queue, to go on by a path */
};

/* A valve's consumer table, for one who overrides a member in a copy of it. */
WEIR_API extern const struct weir_consumer_ops weir_valve_consumer_ops;

/* Prepare caller-owned storage: open, empty, default marks. */
WEIR_API void weir_valve_init(struct weir_valve *v, const struct weir_valve_ops *ops,
			      struct weir_context *ctx);

/*
 * Which rules the valve follows.  WEIR_STRICT, the default, is what these headers say.
 * WEIR_TWISTED is what Twisted's FileDescriptor does where it differs, call by call, for
 * programs that were written against that; docs/twisted.md has the table.  In short:
 *
 *   - full is more than 65,536 bytes, and empty is empty.  Each write past the mark pauses
 *     again.  Bytes that have gone count until all that was to be sent with them has gone;
 *   - a write is never handed on from inside itself, but by the next turn or by
 *     weir_valve_ready(), 128 KiB a turn at most;
 *   - who is registered with a full valve is not paused (unless it asks for room); a pull
 *     producer is resumed in its registration, even so.  The pause of one that is
 *     unregistered stays: the next one may be resumed for it;
 *   - a pull producer that writes nothing is asked again when something has been sent, or by
 *     weir_consumer_wake();
 *   - a finish does not wait for a push producer that runs, which is stopped, and waits
 *     without a deadline for one that is paused, and for a pull producer.  Until it is
 *     through, writes are taken and producers registered;
 *   - a failure takes effect in the next turn;
 *   - while a producer is told to stop its place is taken: registering is WEIR_EBUSY;
 *   - writes after the end return 0 and vanish.
 *
 * Sets the marks and the wait of a finish to the profile's: the defaults above, or
 * WEIR_TWISTED_HIGH, 0, no limit but the budget, and WEIR_NEVER.  The low mark is not looked
 * at in the Twisted profile.  Legal before the first use only.
 */
enum weir_profile { WEIR_STRICT, WEIR_TWISTED };

WEIR_API void weir_valve_set_profile(struct weir_valve *v, enum weir_profile profile);

/* Let go of all that is held, silently: the registered producer, if any, is
 * stopped with WEIR_ECLOSED first.  For one whose owner is closed before its end. */
WEIR_API void weir_valve_fini(struct weir_valve *v);

/*
 * Set the marks, in bytes; may be called at any time, and signals at once.
 * Returns  0, or -EINVAL unless 0 <= low < high <= limit < 4 GiB.
 */
WEIR_API WEIR_MUST_USE int weir_valve_set_marks(struct weir_valve *v, size_t high, size_t low,
						size_t limit);

/* How long a finish waits for a registered producer, in nanoseconds; WEIR_NEVER
 * for ever, as it does when there is no memory for the timer.  Counts from the finish on:
 * after that it changes nothing. */
WEIR_API void weir_valve_set_finish_wait(struct weir_valve *v, uint64_t ns);

/* The implementation can take bytes again: drain what is held now. */
WEIR_API void weir_valve_ready(struct weir_valve *v);

/* For tables: an `end` that is complete at once. */
WEIR_API void weir_valve_pass_end(struct weir_valve *v, int why);

/* `end(v, 0)` is complete (`why` 0), or failed (a negative code). */
WEIR_API void weir_valve_done(struct weir_valve *v, int why);

/* The other side is gone for the reason `why` (negative): drop what is held, stop
 * the producer, tell those who watch.  Does nothing after the end. */
WEIR_API void weir_valve_die(struct weir_valve *v, int why);

/* Add a reason to hold the producer, or remove one. */
WEIR_API void weir_valve_hold(struct weir_valve *v, enum weir_hold reason);
WEIR_API void weir_valve_release(struct weir_valve *v, enum weir_hold reason);

/* Bytes held. */
static inline size_t weir_valve_held(const struct weir_valve *v)
{
	return v->queue.bytes;
}

/* Bytes that were dropped, which is done at the end. */
static inline uint64_t weir_valve_dropped(const struct weir_valve *v)
{
	return v->life == WEIR_ENDED ? v->dropped : 0;
}

#ifdef __cplusplus
}
#endif
#endif
