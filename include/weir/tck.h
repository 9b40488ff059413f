/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCK_H
#define WEIR_TCK_H
/*
 * tck.h -- the contract kit: does this producer, consumer or processor keep the contract?
 *
 * Describe what is to be tested by a table of functions, the subject, and run it.  The kit
 * makes one, plays its surroundings, calls it in every order it can think of, also from
 * inside its callbacks, and says for each rule of the contract, by its id: kept, broken (with
 * the shortest sequence of calls that breaks it), or not applicable (with why).
 * docs/contract-kit.md has the list of rules and a whole example.  Of libweir-tck.
 *
 * What the kit plays depends on what the subject has:
 *
 *   a sink and a source   a processor, a connection: bytes written to the sink come from the
 *                         source.  The kit plays both ends; `make` and `destroy` suffice.
 *   a sink                a consumer: what comes out of its far side is told to the kit by
 *                         weir_tck_out() and weir_tck_out_end().
 *   a source              a producer: its bytes are its own, or given by `feed`.
 *   neither               a flow, joined by the subject itself: `feed` and weir_tck_out().
 *
 * A subject that cannot do something leaves the function NULL or the number 0, and the rules
 * that need it are not applicable.  Assertions in the code under test are not caught.
 *
 * Threads   One thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/consumer.h"
#include "weir/context.h"
#include "weir/producer.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_progress;

/* The kit at work on one instance of a subject. */
struct weir_tck;

/* One direction of bytes: into `sink`, out of `source`; either may be NULL. */
struct weir_tck_flow {
	struct weir_consumer *sink;
	struct weir_producer *source;
};

/* What `make` makes. */
struct weir_tck_made {
	struct weir_tck_flow flow;
	struct weir_tck_flow back; /* the opposite direction of a connection; or empty */
	void *self;                /* handed to the subject's functions */
};

/* Bytes that never come to an end, or that are no whole stream: see `out_length`. */
#define WEIR_TCK_NO_LENGTH UINT64_MAX

/* What the subject says of itself.  Sizes in bytes. */
struct weir_tck_numbers {
	size_t high, low, limit;  /* marks of the sink; 0: unknown, or it holds nothing */
	size_t hold;              /* held at most in all, if that is more than `high` and a chunk */
	size_t outside;           /* so many bytes may be under way where `outside` says */
	size_t overshoot;         /* the source may write so much after it was paused */
	size_t chunk;             /* the source's largest write; 0: unknown */
	uint64_t finish_wait_ns;  /* a finish waits so long for the producer; 0: does not say;
	                             WEIR_NEVER: without a deadline */
	uint64_t length;          /* what a source without `feed` gives; WEIR_TCK_NO_LENGTH */
	uint64_t bytes_per_s, burst; /* of a limit on the rate: of all flows together, if there
	                                are `more` */
	uint64_t min_share;       /* bytes per second that each of them has in any case; 0: none */
	size_t window;            /* of a multiplexer: bytes of a flow that are under way to a far
	                             end which takes none, beside those in its sink; 0: it is none */
	unsigned policies;        /* of branches: a set of 1 << enum weir_tck_policy */
	uint64_t detach_ns;       /* WEIR_TCK_DETACH_LATE: after holding everybody for so long */
	uint64_t store;           /* WEIR_TCK_SPILL: bytes that the store has room for */
	/* Times after which it ends a flow: never early, and at most an eighth late.  `total_ns`
	 * should be eight times the others, or only itself is checked. */
	uint64_t idle_ns, stall_ns, linger_ns, total_ns;
};

/* What it is and can do; all false is the simplest thing that keeps the contract. */
struct weir_tck_traits {
	bool twisted;      /* keeps the Twisted profile: rules marked [T] do not apply */
	bool outside;      /* bytes that it has handed on may still be under way to the far side,
	                      in a kernel, when it says so */
	bool counts_behind; /* a processor: what the consumer behind holds of its bytes, it says
	                       that it holds */
	bool comes_whole;  /* the far side sees no byte before the end */
	bool sink_cannot_fail;  /* the far side sees no difference between finish and fail */
	bool loses_cause;  /* the far side sees that it failed, but not of what */
	bool push_only;    /* the source does not pull: it is never registered so */
	bool pull_only;    /* the source does nothing but pull */
	bool half_closes;  /* one direction ends while the other goes on */
	bool tells_close;  /* it calls weir_tck_closed() */
	bool overtakes;    /* a failure overtakes the bytes that lie inside: a relay, say, not a
	                      connection */
};

/* What a branch does that cannot keep up; weir/tee.h says more. */
enum weir_tck_policy {
	WEIR_TCK_BLOCK,        /* holds everybody */
	WEIR_TCK_DROP,         /* loses whole writes, once it is `behind` bytes behind */
	WEIR_TCK_DROP_RECORDS, /* the same, and whole lines: what ends with '\n' */
	WEIR_TCK_DETACH,       /* is failed, once it is more than `behind` bytes behind */
	WEIR_TCK_DETACH_LATE,  /* is failed, once it has held everybody for `detach_ns` on end */
	WEIR_TCK_SPILL,        /* over `behind`, what it is behind by is stored elsewhere; holds
	                          everybody when the store is full */
};

struct weir_tck_subject {
	const char *name;
	void *arg;

	/* Make one, in weir_tck_context(kit).  Returns 0, or a negative code. */
	int (*make)(void *arg, struct weir_tck *kit, struct weir_tck_made *out);

	/* Release it, with whatever is registered or held; called once, never from inside a call
	 * of it.  What must wait for a later turn may be done there. */
	void (*destroy)(void *self);

	struct weir_tck_numbers numbers;
	struct weir_tck_traits traits;

	/* ---- the far side of a sink that has no source.  At first it takes all. ---- */

	/* Take at most `max` bytes more, of those that are held now and of those to come;
	 * SIZE_MAX: all; 0: none.  One that takes whole chunks may take the rest of the last. */
	void (*take)(void *self, size_t max);

	/* Go away, for the reason `why` (negative). */
	void (*die)(void *self, int why);

	/* ---- the far side of a source that has no sink ---- */

	/* Give it `len` bytes, which it will give.  Returns the bytes taken, from the first. */
	size_t (*feed)(void *self, const void *data, size_t len);

	/* There are no more: all are there (`why` 0), or some are missing (negative). */
	void (*feed_end)(void *self, int why);

	/* ---- the bytes.  They get `arg`. ---- */

	/* The byte to be written at `offset`; NULL: the kit's pattern. */
	unsigned char (*in)(void *arg, uint64_t offset);

	/* The byte that comes out at `offset`; NULL: what went in, or the kit's pattern. */
	unsigned char (*out)(void *arg, uint64_t offset);

	/* How many come of so many; WEIR_TCK_NO_LENGTH: a stream that ends there is truncated,
	 * and must fail.  NULL: as many. */
	uint64_t (*out_length)(void *arg, uint64_t in_length);

	/* ---- capabilities ---- */

	/* Set the sink's marks.  Returns 0 or a negative code. */
	int (*set_marks)(void *self, size_t high, size_t low, size_t limit);

	/* Move the bytes by path number `path` from now on; the copying path is 0.  Returns false
	 * if there is no such path. */
	bool (*set_path)(void *self, unsigned path);

	/* Change the rate; neither number is 0. */
	void (*set_rate)(void *self, uint64_t bytes_per_s, uint64_t burst);

	/* One more flow through the same thing: a stream of a connection, a member of a group.
	 * Returns 0 or a negative code. */
	int (*more)(void *self, struct weir_tck_flow *out);

	/* Let go of a flow that `more` made, without an end: who is registered with its sink is
	 * stopped, the consumer of its source failed. */
	void (*drop)(void *self, struct weir_tck_flow *flow);

	/* Set the window of credit of the flows that are made from now on, 1 to 2^31-1 bytes.
	 * Returns 0 or a negative code. */
	int (*set_window)(void *self, size_t window);

	/* Add a consumer that gets a copy of what is written; the subject's own far side, if it
	 * has one, is a branch that blocks.  `behind`: bytes that it may be behind before the
	 * policy acts; `out` names it for the next two.  Returns 0 or a negative code. */
	int (*branch)(void *self, struct weir_consumer *c, enum weir_tck_policy policy,
		      size_t behind, void **out);
	/* Bytes that its policy has cost it; whether it has ended, and with which code. */
	uint64_t (*branch_dropped)(void *self, void *branch);
	bool (*branch_ended)(void *self, void *branch, int *why);

	/* Take no more flows, let those that run end until `deadline` (of the context's clock),
	 * and abort what then still runs.  Returns how many were aborted so far. */
	unsigned (*shut)(void *self, uint64_t deadline);

	/* What became of a flow that is joined already: false while it runs; else the code, 0 for
	 * finished. */
	bool (*outcome)(void *self, int *why);

	/* How far the flow has come, and what held its source back (join.h). */
	void (*progress)(void *self, struct weir_progress *out);

	/* Watch from now on what passes: put a tap in front of the sink in *made, say.  Returns 0
	 * or a negative code. */
	int (*watch)(void *self, struct weir_tck_made *made);

	/* Vanish as a killed process does, in place of `destroy`: nothing is flushed or told.  What
	 * `make` makes next goes on where the far side stands; else it begins anew. */
	void (*crash)(void *self);

	/* Up to `len` bytes of what stands at the far side, also after a crash, from `offset` on.
	 * Gets `arg`.  Returns how many. */
	size_t (*far_side)(void *arg, uint64_t offset, void *data, size_t len);
};

/* ---- for the subject ---- */

/* Where it lives: memory, turns, time.  Until: `destroy` and the turns after it. */
WEIR_API struct weir_context *weir_tck_context(struct weir_tck *kit);

/* These bytes have come out of the far side, in order.  The kit may call the subject from
 * inside this. */
WEIR_API void weir_tck_out(struct weir_tck *kit, const void *data, size_t len);

/* The far side sees the end: a whole stream (`why` 0), or a failure (negative). */
WEIR_API void weir_tck_out_end(struct weir_tck *kit, int why);

/* A connection, of which both ways are over, is closed: told once. */
WEIR_API void weir_tck_closed(struct weir_tck *kit);

/* The kit's pattern: what is written, and what a source of one's own should give. */
WEIR_API void weir_tck_fill(void *out, size_t len, uint64_t offset);

/* ---- the run ---- */

enum weir_tck_tag {
	WEIR_TCK_REQUIRED,
	WEIR_TCK_OPTIONAL,   /* of a capability */
	WEIR_TCK_STOCHASTIC, /* random calls look for a breach; more of them may find one */
};

enum weir_tck_verdict { WEIR_TCK_KEPT, WEIR_TCK_BROKEN, WEIR_TCK_NOT_APPLICABLE };

/* What is said of one rule.  Until: the function that gets it returns. */
struct weir_tck_line {
	const char *id;    /* "REG-1" */
	const char *rule;  /* "a second register is an error, the first is untouched" */
	enum weir_tck_tag tag;
	enum weir_tck_verdict verdict;
	const char *why;   /* what broke it, or why it is not applicable; else "" */
	const char *calls; /* the calls that break it, one a line, which weir_tck_replay() can
	                      make; or, where one flow is not enough, what was done; else "" */
};

struct weir_tck_options {
	uint64_t seed;      /* of the random calls */
	unsigned effort;    /* random sequences; 0: 1000 */
	const char *ids;    /* "REG-1 FLOW DATA-1": rules or families; NULL: all */

	/* The loop that the subject needs.  `turn` runs it once, waiting a millisecond at most.
	 * NULL: a context of the kit's own, with a clock that moves when the kit says so. */
	struct weir_context *ctx;
	void (*turn)(void *arg);
	unsigned patience;  /* turns in which nothing moves, after which nothing will; 0: 2000 */

	void (*report)(void *arg, const struct weir_tck_line *line); /* NULL: to standard output,
	                                                               see weir_tck_print() */
	void *arg;          /* of `turn` and `report` */
};

/*
 * Run every rule on the subject; `options` may be NULL.
 *
 * Returns  how many rules were broken; or -ENOMEM, or the code with which `make` failed.
 */
WEIR_API int weir_tck_run(const struct weir_tck_subject *subject,
			  const struct weir_tck_options *options);

/*
 * Make one of the subject and the calls of `calls`, as a report prints them, and report the
 * first rule that they break, if any.
 *
 * Returns  1 or 0; -EINVAL if `calls` has one that is unknown; else as weir_tck_run().
 */
WEIR_API int weir_tck_replay(const struct weir_tck_subject *subject,
			     const struct weir_tck_options *options, const char *calls);

/* Print a line to standard output: a `report` for those who want no other. */
WEIR_API void weir_tck_print(void *arg, const struct weir_tck_line *line);

#ifdef __cplusplus
}
#endif
#endif
