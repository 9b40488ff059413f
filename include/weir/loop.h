/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LOOP_H
#define WEIR_LOOP_H
/*
 * loop.h -- the event loop: libuv's, with a context (context.h) inside.
 *
 * All that belongs to a loop is used from the thread that runs it.  It may be made, and
 * destroyed, in another one, while that does not run it.  Several loops in several threads
 * share nothing but, if they are told to, a limit of memory (shared_budget.h) and an address
 * that they listen on (weir_listener_share()).
 *
 * Regular files are read and written in slices of at most the quantum, one slice
 * a turn, from the page cache, so that they do not block the loop for long; what
 * is not in the page cache is read by a worker thread (see file.h).
 */
#include <stddef.h>

#include "weir/context.h"

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s; /* libuv's uv_loop_t */
struct weir_loop;
struct weir_shared_budget;

/* The smallest budget that a loop can work with, in bytes: its scratch buffer and a few
 * flows. */
#define WEIR_LOOP_BUDGET_MIN ((size_t)256 << 10)

/*
 * How sockets are served.  WEIR_ENGINE_POLL: by libuv's poll, everywhere.  WEIR_ENGINE_RING: by
 * an io_uring inside the libuv loop, on Linux 6.0 and later, where the kernel and its policies
 * allow one: small messages cost fewer system calls.  WEIR_ENGINE_AUTO: what the environment's
 * WEIR_ENGINE says (poll, ring, auto), or else the ring if there is one.
 */
enum weir_engine { WEIR_ENGINE_AUTO, WEIR_ENGINE_POLL, WEIR_ENGINE_RING };

struct weir_loop_options {
	struct uv_loop_s *uv; /* the caller's own loop; NULL: one of ours */
	size_t budget;        /* bytes; 0: WEIR_BUDGET_DEFAULT */
	size_t quantum;       /* bytes a flow moves a turn; 0: WEIR_QUANTUM_DEFAULT */
	/* What lends the budget its limit, in place of `budget`, which is 0; must outlive the
	 * loop.  NULL: the loop has its budget for itself. */
	struct weir_shared_budget *shared_budget;
	enum weir_engine engine;
};

/* Make a loop.  `options` may be NULL.
 * Returns  0 and the loop in *out, or a negative code: -EINVAL also for a WEIR_ENGINE that does
 *          not exist; what the kernel said when the ring was asked for and cannot be had. */
WEIR_API WEIR_MUST_USE int weir_loop_create(const struct weir_loop_options *options,
					    struct weir_loop **out);

/*
 * Release a loop.  Every transport and listener must have been closed; what their
 * closing still has to do is done here, children that were told to go are waited
 * for.  With the caller's own uv loop, that loop is run for it, and not closed.
 * NULL is allowed.
 */
WEIR_API void weir_loop_destroy(struct weir_loop *loop);

/* The engine that serves its sockets: WEIR_ENGINE_POLL or WEIR_ENGINE_RING. */
WEIR_API enum weir_engine weir_loop_engine(struct weir_loop *loop);

/* Run until nothing is left to wait for, or weir_loop_stop().  A source that is read, a
 * sink that has not ended, a listener that accepts are waited for.  For a loop of ours;
 * with the caller's uv loop, run that. */
WEIR_API void weir_loop_run(struct weir_loop *loop);

/* Make weir_loop_run() return after this turn. */
WEIR_API void weir_loop_stop(struct weir_loop *loop);

/* The context: memory, tasks, timers, time.  Until: the loop is destroyed. */
WEIR_API struct weir_context *weir_loop_context(struct weir_loop *loop);

/* The budget that everything on this loop charges.  Until: the loop is destroyed. */
WEIR_API struct weir_budget *weir_loop_budget(struct weir_loop *loop);

/* The uv loop beneath. */
WEIR_API struct uv_loop_s *weir_loop_uv(struct weir_loop *loop);

/*
 * Call `fn(arg, signum)` from the loop when the process gets the signal.  Does not
 * keep the loop running.  A `fn` of NULL ends the watch.
 * Returns  0 or a negative code.
 */
WEIR_API WEIR_MUST_USE int weir_loop_on_signal(struct weir_loop *loop, int signum,
					       void (*fn)(void *arg, int signum), void *arg);

#ifdef __cplusplus
}
#endif
#endif
