/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ADAPTER_TEE_PRIV_H
#define WEIR_ADAPTER_TEE_PRIV_H
/* tee_priv.h -- between a tee and the policy of its branches that has a store. */
#include "core/queue.h"
#include "weir/impl/spill.h"
#include "weir/impl/valve.h"
#include "weir/tee.h"

struct weir_branch {
	struct weir_producer back; /* first */
	struct weir_tee *tee;
	struct weir_branch *next;
	struct weir_consumer *consumer;
	struct weir_end_watch watch;
	struct weir_branch_options options;
	struct weir_queue backlog;
	struct weir_task task;   /* on_end, or the release */
	struct weir_timer timer; /* DETACH by time */
	uint64_t begin;          /* bytes that the tee had offered when it was added */
	uint64_t base;           /* bytes that the consumer had accepted before */
	uint64_t in, out;        /* `out` once it is gone */
	uint64_t dropped, spilled;
	struct weir_block *buffer; /* SPILL: for what is fetched */
	size_t fetched, fetched_at; /* bytes in it, and those that have gone */
	struct weir_queue waiting; /* for room in the spill */
	uint64_t stored;         /* bytes in the spill */
	uint64_t held_ns, blocked_at;
	int why;
	bool paused;
	bool blocking; /* it holds everybody, since `blocked_at` */
	bool dropping, inside; /* DROP: until the end of the record; in the middle of one */
	bool ending;   /* no more bytes will come: it is finished behind its last */
	bool told;     /* its consumer has been finished */
	bool over;     /* its consumer has ended, or gets no more */
	bool gone;     /* its consumer has ended */
	bool removed;  /* freed when it is over */
};

struct weir_tee {
	struct weir_valve front; /* first */
	struct weir_consumer_ops front_ops; /* the valve's, with a state of our own */
	struct weir_branch *branches;
	struct weir_task task; /* what could not be done while busy */
	uint64_t offered;      /* bytes, to the branches that there were */
	unsigned live;         /* branches that are not over */
	bool any_whole;        /* one has ended with all its bytes */
	bool busy;             /* in the middle of the branches: nobody is freed */
};

/* Give a part to the consumer, or keep it in the backlog. */
void weir__branch_take(struct weir_branch *b, struct weir_chunk part);
void weir__branch_fail(struct weir_branch *b, int why);

/* Take a chunk, into the store if the backlog has its fill. */
void weir__branch_spill(struct weir_branch *b, struct weir_chunk chunk);

/* What comes behind the backlog, borrowed; whoever gives it on adds that to `fetched_at`.
 * False if there is none. */
bool weir__branch_next(struct weir_branch *b, struct weir_chunk *out);
bool weir__branch_has_stored(const struct weir_branch *b);

#endif
