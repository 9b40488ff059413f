/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONTEXT_H
#define WEIR_CONTEXT_H
/*
 * context.h -- what the core may ask of the loop that it runs in: memory, a
 * later turn, and the time.
 *
 * The library's own loop (loop.h) has a context inside.  Make one by hand to use
 * the core with another event loop, or with a fake clock in a test:
 *
 *   - when `on_wake` is called, call weir_context_run() soon, from the loop;
 *   - call weir_context_run() no later than weir_context_next() says;
 *   - `now` is the loop's clock.
 *
 * Threads   One thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "weir/budget.h"
#include "weir/chunk.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Never: later than any deadline. */
#define WEIR_NEVER UINT64_MAX

#define WEIR_NS_PER_MS ((uint64_t)1000000)
#define WEIR_NS_PER_S ((uint64_t)1000000000)

/* Something to run in a later turn.  Embed it, and set `run`; the rest is private. */
struct weir_task {
	struct weir_task *next, *prev; /* NULL when not queued */
	void (*run)(struct weir_task *task);
};

/* Something to run at a time.  Embed it, and set `run`; the rest is private. */
struct weir_timer {
	struct weir_timer *child, *next, *prev; /* a pairing heap */
	uint64_t deadline;                      /* nanoseconds of the context's clock */
	void (*run)(struct weir_timer *timer);
	bool armed;
};

struct weir_context {
	struct weir_pool pool;
	uint64_t (*now)(void *arg);                 /* nanoseconds, monotonic */
	void (*on_wake)(void *arg);                 /* work was queued outside a run */
	void *arg;                                  /* for the two above */
	size_t quantum;                             /* bytes one flow moves in one turn */
	struct weir_task tasks;                     /* list head */
	struct weir_task credit;                    /* serves the budget's waiters */
	struct weir_timer *timers;                  /* heap root */
	uint64_t due;                               /* timers up to here are being run; or 0 */
	uint64_t turn;                              /* counts the turns */
	bool running;
};

/* What one flow moves in one turn before others have theirs, in bytes: a millisecond or
 * two of work.  With 1 MiB, eight busy relays cost half as much CPU again. */
#define WEIR_QUANTUM_DEFAULT ((size_t)4 << 20)

/*
 * Prepare a context whose blocks are charged to `budget`, which must outlive it.
 * `now` and `on_wake` get `arg`; `on_wake` is called when the first task is
 * queued or an earlier deadline set from outside weir_context_run(); it may be NULL for
 * one who always asks weir_context_next().
 */
WEIR_API void weir_context_init(struct weir_context *ctx, struct weir_budget *budget,
				uint64_t (*now)(void *arg), void (*on_wake)(void *arg), void *arg);

/* Release the pool's cache.  No task or timer may be left, no block held. */
WEIR_API void weir_context_fini(struct weir_context *ctx);

/* Run the tasks that are queued now, not those they queue, and what is due. */
WEIR_API void weir_context_run(struct weir_context *ctx);

/* When weir_context_run() must be called next, in nanoseconds of the clock: 0 if
 * there is a task, WEIR_NEVER if there is nothing. */
WEIR_API uint64_t weir_context_next(const struct weir_context *ctx);

/* The time now, in nanoseconds. */
WEIR_API uint64_t weir_context_now(const struct weir_context *ctx);

/* Queue `task` for the next turn; a no-op if it is queued. */
WEIR_API void weir_task_queue(struct weir_context *ctx, struct weir_task *task);

/* Take `task` out of the queue; a no-op if it is not queued. */
WEIR_API void weir_task_cancel(struct weir_task *task);

/* Run `timer` at `deadline`, once; one that is set already is moved.  A deadline that is
 * over comes next, but not before this turn's timers are through. */
WEIR_API void weir_timer_set(struct weir_context *ctx, struct weir_timer *timer, uint64_t deadline);

/* Do not run `timer`; a no-op if it is not set. */
WEIR_API void weir_timer_cancel(struct weir_context *ctx, struct weir_timer *timer);

#ifdef __cplusplus
}
#endif
#endif
