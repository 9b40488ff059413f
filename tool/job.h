/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOL_JOB_H
#define WEIR_TOOL_JOB_H
/*
 * job.h -- endpoints opened, joined, and closed again: all of a run, or what is done for
 * one peer of many.
 */
#include "app.h"
#include "digest.h"
#include "result.h"
#include "weir/join.h"
#include "weir/relay.h"
#include "weir/tee.h"
#include "weir/throttle.h"
#include "weir/transport.h"

struct job;
struct sink;

/* What copy and relay do differently. */
struct job_kind {
	/* Of the first endpoint, and of all others. */
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

struct job {
	struct app *app;
	const struct job_kind *kind;
	struct weir_opening *opening;
	size_t opening_side;      /* `sides` once all are open */
	/* Of each direction; 0: left to right, source to sinks. */
	struct weir_join *join[2];         /* the relay's, if there is one */
	struct weir_throttle *throttle[2]; /* between join and sink; NULL without a rate */
	struct digests *digests[2];        /* of what the join passes on; NULL without --hash */
	struct weir_relay *relay; /* relay's */
	struct weir_tee *tee;     /* copy's: with several sinks, or a policy */
	struct sink *sink;        /* copy's: `sides` - 1 of them, once started */
	struct sink_result *sink_result;
	struct weir_task done;
	bool started, ended;
	bool stopped;             /* on request, before it had started */
	bool copied;              /* copy's: the join has its outcome */
	int start_side;           /* whose part of the start is at work */
	int fail_side, fail_rc;   /* of an opening, or the start */
	const char *fail_what;    /* what could not be had, or NULL for the endpoint */
	void (*on_done)(struct job *job, const struct result *r, void *arg);
	void *arg;
	size_t sides;
	struct weir_transport *side[]; /* as the options' endpoints; NULL until opened */
};

/* Make a job and begin it; `peer` is what was opened already on the side that listens,
 * and is the job's to close, or NULL.  `on_done` is called once, from the loop.
 * Returns  the job, or NULL without memory; then the caller still has `peer`. */
struct job *job_create(struct app *app, struct weir_transport *peer,
		       void (*on_done)(struct job *job, const struct result *r, void *arg),
		       void *arg);

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

/* What the endpoint `side` is for: "source", "sink", ... */
const char *job_side_name(const struct job_kind *kind, int side);

/* Of copy: a sink is over.  When all are, and the source has ended, so has the job. */
void copy_sink_over(struct job *job);

/* The name of the sink that everybody has waited for since the last call, or NULL. */
const char *job_holder(struct job *job);

/* Fill *r. */
void job_judge(struct job *job, struct result *r);

/* The result of a run that ended because `side` could not be opened; `what` of it, or NULL
 * for the endpoint. */
void result_not_opened(struct result *r, const struct app *app, int side, int rc,
		       const char *what);

/* Whether all that explain_cause() could say is known: a command's exit status comes after
 * the end of its pipes. */
bool cause_is_known(const struct app *app, int side, const struct weir_transport *t);

/* Put a cause into words: that of the endpoint `side`, which `t` is if it is open, or of
 * nobody (-1). */
void explain_cause(char text[CAUSE_TEXT_MAX], const struct app *app, int side, int cause,
		   const struct weir_transport *t);

#endif
