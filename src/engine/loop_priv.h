/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ENGINE_LOOP_PRIV_H
#define WEIR_ENGINE_LOOP_PRIV_H
/* loop_priv.h -- the loop's inside, for the engine and the transports. */
#include <uv.h>

#include "weir/loop.h"

#define WEIR__SCRATCH_MIN ((size_t)64 << 10)
#define WEIR__SCRATCH_MAX ((size_t)1 << 20)

struct weir__member;
struct weir__ring;
struct weir__signal;

struct weir_loop {
	struct weir_context ctx;
	struct weir_budget budget;
	struct weir__member *member; /* of a shared budget, which lends ours; or NULL */
	uv_loop_t *uv;
	uv_loop_t own;       /* what `uv` points to, unless it is the caller's */
	bool is_own;
	uv_idle_t idle;      /* active while tasks wait: the loop must not sleep */
	uv_check_t check;    /* runs the tasks after each poll */
	uv_timer_t timer;    /* the context's next deadline */
	uint64_t timer_at;   /* what `timer` is set to, ns; WEIR_NEVER if it is not */
	unsigned char *scratch;
	size_t scratch_size; /* charged to the budget */
	int pipe[2];         /* of path.h; empty between two steps; -1 if not there yet */
	bool ignores_sigpipe; /* the program does; see path.h */
	unsigned crowd;      /* flows that moved much in the last turn */
	unsigned crowding;   /* those of this turn so far */
	uint8_t engine;      /* enum weir_engine; not WEIR_ENGINE_AUTO once it is decided */
	struct weir__ring *ring; /* of ring.h, made when first asked for; or NULL */
	size_t provided;     /* bytes of the ring's buffers, charged to the budget */
	size_t objects;      /* transports, listeners, openings whose memory is not yet released */
	struct weir__signal *signals;
};

/*
 * The buffer that all reads of this loop share, of at least `want` bytes if memory
 * and budget allow, else smaller: *size says.  Its content lasts until the next read.
 * NULL only when not even the smallest can be had.
 */
unsigned char *weir__loop_scratch(struct weir_loop *loop, size_t want, size_t *size);

/* The budget's limit, in bytes; of a shared one this loop's equal part. */
size_t weir__loop_part(const struct weir_loop *loop);

/* Run the context's tasks, from inside the loop. */
void weir__loop_turn(struct weir_loop *loop);

/* Do not sleep in this turn's poll. */
void weir__loop_stay_awake(struct weir_loop *loop);

/* Count an object whose memory lives until a close callback; the loop's destruction
 * runs until all have been released. */
void weir__loop_retain(struct weir_loop *loop);
void weir__loop_release(struct weir_loop *loop);

#endif
