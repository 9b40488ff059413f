/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEE_H
#define WEIR_TEE_H
/*
 * tee.h -- one producer, many consumers.
 *
 * What is written to a tee's sink goes to every branch, by reference and not by copy where
 * the chunk has an owner.  Each branch has a policy for the time when it cannot keep up:
 *
 *   BLOCK   it holds everybody: the slowest of these sets the rate
 *   DROP    it may be `behind` bytes behind, and then loses what comes until it has caught
 *           up; what is lost is counted, and cut at chunk boundaries, or with a separator at
 *           the ends of records
 *   DETACH  it may be `behind` bytes behind, or hold everybody for `wait_ns`, and is then let
 *           go: its consumer is failed with WEIR_ESLOW
 *   SPILL   what it is behind by goes to a store, in order, and comes back from there; when
 *           the store is full it holds everybody
 *
 * What a tee's sink holds counts from the slowest branch that must get all.  So `held` is at
 * most what the sink itself has, up to its high mark and a chunk, as much again that was
 * offered to the branches last, and what that branch's consumer, or its store, holds of it.
 *
 * The end: a finish finishes each branch behind its own last byte; a failure fails each, also
 * those that were finished and have not ended, but for those that were removed.
 * A branch that fails leaves the others alone.  When the last one has failed, the tee's
 * sink dies of that branch's reason.  The sink has ended when every branch has: with 0 if
 * one at least got all that it should have.  Which did is asked of the branches.  Without a
 * branch the producer is held; a finish with bytes held fails them with WEIR_ECLOSED then.
 * A branch whose consumer somebody lets go of (weir_consumer_unregister) is over, with
 * WEIR_ECLOSED, once the tee looks at it again; that consumer is told nothing.
 *
 * Threads   One thread, the context's.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/consumer.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_context;
struct weir_spill;
struct weir_tee;
struct weir_branch;

enum weir_tee_policy { WEIR_TEE_BLOCK, WEIR_TEE_DROP, WEIR_TEE_DETACH, WEIR_TEE_SPILL };

/* Bytes that a branch may be behind when its options do not say. */
#define WEIR_BEHIND_DEFAULT ((size_t)1 << 20)

/* No separator: dropped bytes are cut where chunks end. */
#define WEIR_NO_SEPARATOR (-1)

struct weir_branch_options {
	enum weir_tee_policy policy;
	size_t behind;            /* DROP, DETACH, SPILL: bytes, in memory, charged to the
	                             budget; 0: WEIR_BEHIND_DEFAULT */
	int separator;            /* DROP: 0 to 255, or WEIR_NO_SEPARATOR */
	uint64_t wait_ns;         /* DETACH: hold everybody for so long, in place of being
	                             behind; 0: by bytes */
	struct weir_spill *spill; /* SPILL: the store, which the branch then owns */
	/* Called once when the branch's consumer has ended, or was detached; from the context,
	 * never from inside another call.  May be NULL. */
	void (*on_end)(struct weir_branch *branch, int why, void *arg);
	void *arg;
};

struct weir_branch_state {
	uint64_t in;      /* bytes that were due to it, since it was added */
	uint64_t out;     /* bytes that its consumer handed on */
	uint64_t held;    /* bytes in the tee, the store and the consumer; in == out+held+dropped */
	uint64_t dropped; /* bytes it lost: by its policy, or by its end */
	uint64_t spilled; /* bytes that went through the store */
	uint64_t held_ns; /* how long it held everybody; an open interval counts up to now */
	bool ended;
	int why;          /* once ended: 0, or the code of the failure; WEIR_ESLOW if detached */
};

/* Make a tee without branches, which holds its producer until there is one.  Returns 0,
 * or -ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_tee_create(struct weir_context *ctx, struct weir_tee **out);

/* What the producer is registered with. */
WEIR_API struct weir_consumer *weir_tee_sink(struct weir_tee *tee);

/*
 * Add a branch, which gets what is written from now on, and what the tee still holds for
 * want of a branch, or because of one that blocks.  `options` may be NULL: BLOCK.
 *
 * Owns     not the consumer, which must live until it has ended or the branch is removed.
 * Returns  0, and the branch in *out if that is not NULL; WEIR_EBUSY if `consumer` has a
 *          producer; WEIR_ECLOSED if it or the tee has ended; WEIR_EFULL if the budget has no
 *          block for a branch that spills, WEIR_BLOCK_LARGE, which it keeps until it ends;
 *          -EINVAL; -ENOMEM.  On failure the spill stays the caller's.
 */
WEIR_API WEIR_MUST_USE int weir_tee_add(struct weir_tee *tee, struct weir_consumer *consumer,
					const struct weir_branch_options *options,
					struct weir_branch **out);

/* Let a branch go: its consumer is finished (`why` 0) behind what it was given so far,
 * whatever becomes of the tee's producer from then on, or failed.  `branch` is not valid
 * afterwards. */
WEIR_API void weir_tee_remove(struct weir_branch *branch, int why);

/* Fill *out.  Changes nothing.  Valid until the branch is removed or the tee destroyed. */
WEIR_API void weir_branch_state(const struct weir_branch *branch, struct weir_branch_state *out);

/* Release a tee and its branches.  One at work is cut: its producer is stopped, its
 * consumers failed, with WEIR_ECLOSED.  NULL is allowed. */
WEIR_API void weir_tee_destroy(struct weir_tee *tee);

#ifdef __cplusplus
}
#endif
#endif
