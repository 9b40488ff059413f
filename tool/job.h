/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOL_JOB_H
#define WEIR_TOOL_JOB_H
/*
 * job.h -- two endpoints opened, joined, and closed again: all of a run, or what is
 * done for one peer of many.
 */
#include "app.h"
#include "weir/hash.h"
#include "weir/join.h"
#include "weir/relay.h"
#include "weir/tap.h"
#include "weir/throttle.h"
#include "weir/transport.h"

struct job;

/* What copy and relay do differently. */
struct job_kind {
	const char *side[2];      /* "source" and "sink", or "left" and "right" */
	enum weir_role role[2];
	int ways;                 /* directions */
	/* Join what was opened.  Returns 0, or a negative code; then nothing runs. */
	int (*start)(struct job *job);
	/* Stop what runs; job_ended() follows. */
	void (*stop)(struct job *job, int why);
	/* Release what start made. */
	void (*fini)(struct job *job);
};

extern const struct job_kind copy_kind;
extern const struct job_kind relay_kind;

/* How it ended.  Valid once on_done has been called. */
struct result {
	const struct job_kind *kind;
	bool started;     /* the two were joined; else what follows `text` is zero */
	enum weir_end end;
	int cause;        /* 0 when finished */
	int side;         /* whose fault it was: 0, 1, or -1 for nobody's */
	int way;          /* the direction that failed */
	bool opening;     /* it failed before the two were joined */
	bool reading;     /* the side was read from, not written to */
	uint64_t offset;  /* where; bytes */
	uint64_t elapsed_ns;
	int status;       /* to exit with */
	char text[160];   /* the cause in words; "" when finished */
	struct weir_outcome outcome[2]; /* of each direction */
	struct weir_progress progress[2];
	char hash[WEIR_HASH_TEXT_MAX]; /* of all bytes; "" unless finished, with --hash */
	uint64_t drained; /* bytes that copy's sink sent back, and nobody got */
};

struct job {
	struct app *app;
	const struct job_kind *kind;
	struct weir_transport *side[2];
	struct weir_opening *opening;
	int opening_side;
	bool started, ended;
	/* Of each direction; 0: left to right, source to sink. */
	struct weir_join *join[2];         /* the relay's, if there is one */
	struct weir_throttle *throttle[2]; /* between join and sink; NULL without a rate */
	struct weir_relay *relay; /* relay's */
	struct weir_hash *hash;   /* copy's: with --hash */
	struct weir_tap *tap;     /* that feeds it */
	struct weir_join *drain;  /* copy's: what the sink sends back */
	struct weir_transport *drain_to;
	struct weir_timer grace;  /* copy's: for the sink's peer to close */
	bool in_grace;
	struct weir_task done;
	bool stopped;             /* on request, before it had started */
	int fail_side, fail_rc;   /* of an opening, or the start */
	struct result result;
	void (*on_done)(struct job *job, void *arg);
	void *arg;
};

/* Make a job and begin it; `peer` is what was opened already on the side that listens,
 * and is the job's to close, or NULL.  `on_done` is called once, from the loop.
 * Returns  the job, or NULL without memory; then the caller still has `peer`. */
struct job *job_create(struct app *app, struct weir_transport *peer,
		       void (*on_done)(struct job *job, void *arg), void *arg);

/* Close all and release it; from inside on_done, or after.  NULL is allowed. */
void job_destroy(struct job *job);

/* Stop on request; on_done follows. */
void job_stop(struct job *job);

/*
 * For kinds: what a direction that ends in `sink` is to be joined to: the sink, or with
 * --rate a throttle before it.  Returns 0, or a negative code.
 */
int job_limit(struct job *job, int way, struct weir_consumer *sink, struct weir_consumer **front);

/* For kinds: all that was started has come to its end. */
void job_ended(struct job *job);

/* How far a direction has come; all zero before the start. */
void job_progress(const struct job *job, int way, struct weir_progress *out);

/* What kind the options ask for. */
const struct job_kind *job_kind_of(const struct options *o);

/* Fill job->result. */
void job_judge(struct job *job);

/* The result of a run that ended because `side` could not be opened. */
void result_not_opened(struct result *r, const struct app *app, int side, int rc);

#endif
