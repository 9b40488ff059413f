/* SPDX-License-Identifier: MIT */
#ifndef WEIR_JOIN_H
#define WEIR_JOIN_H
/*
 * join.h -- a producer and a consumer at work together.
 *
 * A join registers the producer with the consumer, watches both, and tells one
 * outcome.  It stands between the two, so that any producer and any consumer will
 * do; it holds no bytes.
 *
 * Threads   One thread, the context's.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/consumer.h"
#include "weir/producer.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_context;
struct weir_join;

enum weir_end {
	WEIR_RUNNING,       /* not yet */
	WEIR_FINISHED,      /* every byte of the source was handed on by the sink */
	WEIR_SOURCE_FAILED, /* bytes are missing from the source; the sink was failed */
	WEIR_SINK_FAILED,   /* the sink died; the source was stopped */
	WEIR_STOPPED,       /* by weir_join_stop(), or a time limit of ours */
};

/* How bytes go from the source to the sink. */
enum weir_path {
	WEIR_PATH_COPY,       /* they are read and written */
	WEIR_PATH_SPLICE,     /* splice(2) */
	WEIR_PATH_SENDFILE,   /* sendfile(2) */
	WEIR_PATH_COPY_RANGE, /* copy_file_range(2) */
};

/* Which paths a join may take.  Every path gives the same bytes. */
enum weir_paths {
	WEIR_PATHS_FASTEST, /* what was measured to be fastest for the two ends */
	WEIR_PATHS_COPY,    /* read and write */
	WEIR_PATHS_KERNEL,  /* the kernel's wherever it has one, also where that was slower */
};

struct weir_path_state {
	enum weir_path path; /* the last way by which the kernel moved bytes, if it has */
	uint64_t carried;    /* bytes that did not go by copying */
	/* Why the last bytes that were copied did not go faster: who wanted it so ("throttle"),
	 * and why ("must see the bytes"); both NULL if nobody was asked.  Static storage. */
	const char *who, *why;
};

struct weir_outcome {
	enum weir_end end;
	int cause;       /* 0 when finished, else a negative code */
	uint64_t offset; /* bytes that the sink had handed on */
	uint64_t in;     /* bytes that the source gave */
	uint64_t dropped; /* bytes that the source gave and nobody got */
};

/* What a producer was waiting for; an index into weir_progress.held_ns. */
enum weir_cause {
	WEIR_CAUSE_FULL,   /* the sink is slow */
	WEIR_CAUSE_BUDGET, /* the memory budget is spent */
	WEIR_CAUSE_RATE,   /* a rate limit */
	WEIR_CAUSE_USER,   /* it was asked to wait */
	WEIR_CAUSES,
};

struct weir_progress {
	uint64_t in, out, held, dropped; /* bytes; in == out + held + dropped */
	uint64_t elapsed_ns;             /* since the start, up to the outcome */
	double rate;      /* bytes out per second since the last call of weir_join_progress() */
	double mean_rate; /* bytes out per second since the start */
	bool paused;
	enum weir_cause cause;              /* of the pause that is open now */
	uint64_t held_ns[WEIR_CAUSES];      /* each paused interval charged to one cause;
	                                       the open one counts up to now */
	uint64_t pauses;
};

struct weir_join_options {
	enum weir_paths paths;
	bool keep_open;   /* do not finish the consumer at the source's end: the join has
	                     finished when the sink has accepted the last byte */
	uint64_t idle_ns; /* fail the join when the source, not held by us, gives nothing for
	                     so long; 0 for never */
	uint64_t stall_ns; /* fail it when the sink, holding bytes or holding the source back,
	                      hands nothing on for so long; time for which a rate limit, the
	                      budget or the user holds the source does not count.  Never early,
	                      and no more than a sixteenth late; 0 for never */
	uint64_t total_ns; /* fail it when it has no outcome after so long; 0 for never */
	/* Called once with the outcome, from the context, never from inside another
	 * call; the join may be destroyed there. */
	void (*on_done)(struct weir_join *join, const struct weir_outcome *outcome, void *arg);
	void *arg;
};

/*
 * Join `source` to `sink` and start.
 *
 * Owns     neither: both must live until on_done, or weir_join_destroy().
 * Returns  0 and the join in *out; WEIR_EBUSY if either is registered elsewhere;
 *          WEIR_ECLOSED if the sink has ended (the source has been stopped); -ENOMEM.
 */
WEIR_API WEIR_MUST_USE int weir_join_create(struct weir_context *ctx, struct weir_producer *source,
					    struct weir_consumer *sink,
					    const struct weir_join_options *options,
					    struct weir_join **out);

/* Stop the source and fail the sink with `why` (negative); on_done follows.  After
 * the outcome: does nothing. */
WEIR_API void weir_join_stop(struct weir_join *join, int why);

/* Hold the source back, or let it go, whatever the sink says. */
WEIR_API void weir_join_pause(struct weir_join *join);
WEIR_API void weir_join_resume(struct weir_join *join);

/* Change the paths that may be taken, from the next bytes on. */
WEIR_API void weir_join_set_paths(struct weir_join *join, enum weir_paths paths);

/* Fill *out. */
WEIR_API void weir_join_path(const struct weir_join *join, struct weir_path_state *out);

/* "copy", "splice", "sendfile", "copy_file_range"; static storage. */
WEIR_API const char *weir_path_name(enum weir_path path);

/* Fill *out.  Watching changes neither path nor order. */
WEIR_API void weir_join_progress(struct weir_join *join, struct weir_progress *out);

/* The outcome so far; its `end` is WEIR_RUNNING until there is one. */
WEIR_API void weir_join_outcome(const struct weir_join *join, struct weir_outcome *out);

/* Release a join.  One without an outcome is stopped first, without on_done.  Not from
 * inside a write of its source.  NULL is allowed. */
WEIR_API void weir_join_destroy(struct weir_join *join);

/* "finished", "source failed", ... and "full", "budget", ...; static storage. */
WEIR_API const char *weir_end_name(enum weir_end end);
WEIR_API const char *weir_cause_name(enum weir_cause cause);

#ifdef __cplusplus
}
#endif
#endif
