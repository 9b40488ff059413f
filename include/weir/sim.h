/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIM_H
#define WEIR_SIM_H
/*
 * sim.h -- a world for tests in which nothing is left to chance: the time is a counter
 * that jumps to the next deadline, every random number comes from one seed, and the
 * connections are simulated.  No descriptor, no thread, no sleep; the same seed gives the
 * same events on every machine and with every compiler.  Of libweir-tck.
 *
 * Three things can be used without each other: the world with its links, sources and
 * sinks, for tests of one's own; random schedules of all that the library has
 * (weir_sim_schedule(), the program weir-sim(1)); and these with a stage of one's own.
 *
 * Threads   One thread each.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/consumer.h"
#include "weir/context.h"
#include "weir/producer.h"
#include "weir/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- random numbers ---- */

/* A stream of numbers of its own for each use, so that a draw more in one place changes
 * nothing in another.  Fields are private. */
struct weir_sim_random {
	uint64_t state;
};

/* The stream called `name` and `number` of the seed. */
WEIR_API void weir_sim_random_init(struct weir_sim_random *r, uint64_t seed, const char *name,
				   unsigned number);

/* A number below `n`, each as likely as the others (as far as 64 bits allow); 0 for 0. */
WEIR_API uint64_t weir_sim_random_below(struct weir_sim_random *r, uint64_t n);

/* ---- the world ---- */

struct weir_sim;

/* Something that happened.  Its strings have static storage. */
struct weir_sim_note {
	uint64_t at;       /* nanoseconds */
	const char *who;   /* "source" */
	unsigned number;   /* which of them */
	const char *what;  /* "writes" */
	int64_t value;
};

struct weir_sim_options {
	uint64_t seed;
	size_t budget;  /* bytes; 0: WEIR_BUDGET_DEFAULT */
	size_t quantum; /* bytes; 0: WEIR_QUANTUM_DEFAULT */
	void (*on_note)(void *arg, const struct weir_sim_note *note); /* or NULL */
	void (*on_turn)(void *arg); /* after each turn, or NULL */
	void *arg;
};

/* Make a world; its clock begins at 0.  `options` may be NULL.  Returns 0, or -ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_sim_create(const struct weir_sim_options *options,
					   struct weir_sim **out);

/* Release a world; all that was made in it must have been closed or destroyed, and the
 * turn after that be over.  NULL is allowed. */
WEIR_API void weir_sim_destroy(struct weir_sim *sim);

/* Until: the world is destroyed. */
WEIR_API struct weir_context *weir_sim_context(struct weir_sim *sim);
WEIR_API struct weir_budget *weir_sim_budget(struct weir_sim *sim);

/*
 * Let everything happen that is to happen up to the time `until`, WEIR_NEVER for all.
 * The clock jumps from deadline to deadline, and stands at `until` in the end, or at the
 * last deadline if nothing was left.
 *
 * Returns  true if nothing is left to happen, ever; false at `until`, or when a rule has
 *          been broken (see below), "SPIN" among them: a hundred thousand turns in which
 *          the time stands still.
 */
WEIR_API bool weir_sim_run(struct weir_sim *sim, uint64_t until);

/* Write something down.  The strings must have static storage. */
WEIR_API void weir_sim_note(struct weir_sim *sim, const char *who, unsigned number,
			    const char *what, int64_t value);

/* A hash of all that was written down, in its order. */
WEIR_API uint64_t weir_sim_hash(const struct weir_sim *sim);

/* Say that a rule (design, 4.5: "DATA-1") is broken.  The first one counts. */
WEIR_API void weir_sim_break(struct weir_sim *sim, const char *rule, const char *format, ...)
	WEIR_PRINTF(3, 4);

/* The rule that was broken first, and how; NULL if none was.  Until: the world's end. */
WEIR_API const char *weir_sim_broken(const struct weir_sim *sim, const char **how);

/* Break MEM-6 if anything is charged or held, and END-7 if a task or timer is left. */
WEIR_API void weir_sim_check_empty(struct weir_sim *sim);

/* ---- links ---- */

#define WEIR_SIM_BUFFER_DEFAULT ((size_t)64 << 10)

/* Segments that one way of a link holds at most; then it takes no more bytes. */
#define WEIR_SIM_SEGMENTS 512

/* What one direction of a link is like.  All zero: at once, and 64 KiB wide. */
struct weir_sim_way {
	uint64_t latency_ns;
	uint64_t jitter_ns;   /* added to each segment's latency, at random, 0 to this; the
	                         order stays */
	uint64_t bytes_per_s; /* 0: no limit.  A segment of n bytes arrives whole, when its
	                         last byte does */
	size_t buffer;        /* bytes taken from the writer and not yet read; 0: the default */
	size_t piece;         /* bytes in one segment, which the reader gets in one write if it
	                         has room; 0: any, what has arrived is delivered together */
	bool random_pieces;   /* 1 to `piece` bytes */
	uint64_t break_after; /* bytes; when the last of them arrives the link breaks, as by
	                         weir_sim_link_break(); 0: it does not */
	int break_why;        /* negative */
};

struct weir_sim_link_options {
	struct weir_sim_way to_right, to_left;
};

/*
 * Make two transports joined by a link that behaves like TCP.
 *
 * Finishing a sink is complete when the link has taken the last byte; the end arrives
 * behind it.  Failing one resets the connection: what is under way is lost, the other
 * side's source fails with -ECONNRESET behind the bytes that have arrived, and its sink a
 * latency later; this side's source fails with -ECONNABORTED.  Closing a side leaves what
 * it finished under way, and resets the other's sink.  A source that is stopped reads no
 * more, so its peer's sink fills up until the side is closed.
 *
 * Delivery is from a turn of its own, never from inside a write.
 *
 * Returns  0, or -ENOMEM.
 */
WEIR_API WEIR_MUST_USE int weir_sim_link_create(struct weir_sim *sim,
						const struct weir_sim_link_options *options,
						struct weir_transport **left,
						struct weir_transport **right);

/* The rest is for either transport of a link.
 *
 * Break it, in both directions: what is under way is lost, each side reads what has
 * arrived and then fails with `why`, -ETIMEDOUT for a cut cable, -ECONNRESET for a reset. */
WEIR_API void weir_sim_link_break(struct weir_transport *t, int why);

/* Nothing arrives at either side for so long. */
WEIR_API void weir_sim_link_stall(struct weir_transport *t, uint64_t ns);

/* The next write at this side fails with `why`; this side's source then fails with it, and
 * the other side's with -ECONNRESET, behind what is readable. */
WEIR_API void weir_sim_link_fail_write(struct weir_transport *t, int why);

/* Bytes that were taken from this side's sink and that the other side has not read, or
 * never will. */
WEIR_API size_t weir_sim_link_under_way(const struct weir_transport *t);
WEIR_API uint64_t weir_sim_link_lost(const struct weir_transport *t);

/* ---- sources and sinks ---- */

/* The byte at `offset` of the stream `key`: what sources give and sinks expect. */
WEIR_API unsigned char weir_sim_byte(unsigned key, uint64_t offset);

struct weir_sim_source_options {
	enum weir_mode mode;
	unsigned key;         /* of the bytes */
	uint64_t size;        /* bytes */
	size_t chunk;         /* bytes of a write; 0: 4096 */
	bool random_chunks;   /* 1 to `chunk` */
	bool asks;            /* writes no more than weir_consumer_room() says */
	bool gives;           /* blocks from the pool, when it has some, and not borrowed bytes */
	uint64_t pace_ns;     /* at least so long from one write to the next; a pull source says
	                         "nothing yet" meanwhile */
	size_t overshoot;     /* push: bytes that it still writes after each pause, at most */
	uint64_t fail_at;     /* bytes; ends there with `fail_why`, if that is negative */
	int fail_why;
};

struct weir_sim_source;

/* Make a source.  It checks what it is told, and breaks FLOW-1 and END-1.  Returns 0, or
 * -ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_sim_source_create(struct weir_sim *sim,
						  const struct weir_sim_source_options *options,
						  struct weir_sim_source **out);

WEIR_API struct weir_producer *weir_sim_source_producer(struct weir_sim_source *s);

struct weir_sim_source_state {
	uint64_t given;   /* bytes */
	uint64_t offered; /* and those of a write that failed, of which some may have gone */
	bool paused, ended;
	int why; /* 0: it gave all; else the code with which it failed or was stopped */
};

WEIR_API void weir_sim_source_state(const struct weir_sim_source *s,
				    struct weir_sim_source_state *out);

/* Not while registered. */
WEIR_API void weir_sim_source_destroy(struct weir_sim_source *s);

struct weir_sim_sink_options {
	unsigned key;         /* of the bytes that are expected */
	bool gaps;            /* some of them may be missing */
	uint64_t bytes_per_s; /* 0: as they come */
	size_t take;          /* bytes, 1 to this at random, and then none for a microsecond;
	                         0: any */
	size_t high, low, limit; /* marks; all 0: the library's defaults */
	uint64_t rest_at;     /* bytes; there it reads nothing for `rest_ns` */
	uint64_t rest_ns;
	uint64_t die_at;      /* bytes; there it dies of `die_why`, if that is negative */
	int die_why;
	uint64_t end_ns;      /* so long from the finish to the end */
};

struct weir_sim_sink;

/* Make a sink.  It checks what it gets, and breaks DATA-1 and END-1.  Returns 0,
 * -EINVAL for marks that are none, or -ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_sim_sink_create(struct weir_sim *sim,
						const struct weir_sim_sink_options *options,
						struct weir_sim_sink **out);

WEIR_API struct weir_consumer *weir_sim_sink_consumer(struct weir_sim_sink *s);

struct weir_sim_sink_state {
	uint64_t got; /* bytes */
	bool ended;
	int why; /* once ended: 0 or the code of the failure */
};

WEIR_API void weir_sim_sink_state(const struct weir_sim_sink *s, struct weir_sim_sink_state *out);

/* Die now of `why`. */
WEIR_API void weir_sim_sink_die(struct weir_sim_sink *s, int why);

/* A producer that is still registered is stopped. */
WEIR_API void weir_sim_sink_destroy(struct weir_sim_sink *s);

/* ---- random schedules ---- */

/* A stage of one's own: a consumer in front and a producer behind, which gives the bytes
 * that came, as they are, tells the end that came, and obeys the contract. */
struct weir_sim_stage {
	struct weir_consumer *front;
	struct weir_producer *back;
	void *self;
};

struct weir_sim_schedule_options {
	uint64_t seed;
	/* Make the n-th allocation from now fail, and only that; -1: none.  NULL: none does. */
	void (*fail_alloc)(long n);
	/* Put such stages into the schedules; NULL: none.  `make` returns 0 or -ENOMEM;
	 * `destroy` is not called from inside a call of the stage. */
	int (*make)(void *arg, struct weir_sim *sim, struct weir_sim_stage *out);
	void (*destroy)(void *arg, struct weir_sim_stage *stage);
	bool guarded; /* guards (guard.h) stand in every joint; what they report is broken */
	bool shrink;  /* after a failure look for a smaller schedule that fails likewise */
	bool verbose; /* print the schedule and each note */
	void (*print)(void *arg, const char *line); /* NULL: nothing is printed */
	void *arg;
};

struct weir_sim_result {
	const char *rule; /* the one that was broken; NULL if all were kept */
	char how[160];
	uint64_t hash;    /* of what happened */
	uint64_t bytes;   /* that arrived */
	uint64_t ns;      /* simulated */
};

/*
 * Draw a schedule from the seed: some flows, through throttles, tees, proxies, links and
 * relays, on one budget, and events that disturb them; run it to its end, and hold it
 * against the rules.  When one is broken, the seed, the rule, the schedule and the last
 * notes are printed.
 *
 * Returns  true if all rules were kept.
 */
WEIR_API bool weir_sim_schedule(const struct weir_sim_schedule_options *options,
				struct weir_sim_result *result);

#ifdef __cplusplus
}
#endif
#endif
