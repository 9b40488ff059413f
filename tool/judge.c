/* SPDX-License-Identifier: MIT */
/* Whose fault it was, why, and which exit status says so. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "job.h"
#include "sink.h"
#include "sys.h"
#include "weir/process.h"

#define STATUS_SOURCE 1
#define STATUS_SINK 2
#define STATUS_LIMIT 4
#define STATUS_SIGNAL 128

static bool is_limit(int cause)
{
	switch (cause) {
	case WEIR_EIDLE:
	case WEIR_ESTALL:
	case WEIR_ETIMELIMIT:
	case WEIR_ELINGER:
	case WEIR_EDEADLINE:
	case WEIR_EBUDGET:
	case WEIR_EFULL:
		return true;
	default:
		return false;
	}
}

static bool is_command(const struct app *app, int side)
{
	return strcmp(weir_endpoint_scheme(app->o->end[side]), "exec") == 0;
}

bool cause_is_known(const struct app *app, int side, const struct weir_transport *t)
{
	int status, signum;

	return !is_command(app, side) || weir_process_exited(t, &status, &signum);
}

void explain_cause(char text[CAUSE_TEXT_MAX], const struct app *app, int side, int cause,
		   const struct weir_transport *t)
{
	int status, signum;

	snprintf(text, CAUSE_TEXT_MAX, "%s", weir_err_text(cause));
	/* One that was too slow was killed by us. */
	if (side < 0 || !t || cause == WEIR_ESLOW || !is_command(app, side) ||
	    !weir_process_exited(t, &status, &signum))
		return;
	if (signum)
		snprintf(text, CAUSE_TEXT_MAX, "%s (the command was killed by signal %d, %s)",
			 weir_err_text(cause), signum, sys_signal_text(signum));
	else if (status)
		snprintf(text, CAUSE_TEXT_MAX, "%s (the command exited with status %d)",
			 weir_err_text(cause), status);
	/* The two of our own codes say it already, without the number. */
	if (cause == WEIR_EEXIT && !signum)
		snprintf(text, CAUSE_TEXT_MAX, "the command exited with status %d", status);
	if (cause == WEIR_ESIGNAL && signum)
		snprintf(text, CAUSE_TEXT_MAX, "the command was killed by signal %d (%s)", signum,
			 sys_signal_text(signum));
}

static void set_status(struct result *r, const struct app *app)
{
	if (r->end == WEIR_FINISHED)
		r->status = 0;
	else if (is_limit(r->cause))
		r->status = STATUS_LIMIT;
	else if (r->end == WEIR_STOPPED)
		r->status = STATUS_SIGNAL + app->signum;
	else
		r->status = r->reading ? STATUS_SOURCE : STATUS_SINK;
	if (r->status == 0 && r->digest_rc < 0)
		r->status = STATUS_LIMIT;
}

void result_not_opened(struct result *r, const struct app *app, int side, int rc,
		       const char *what)
{
	*r = (struct result){
		.kind = job_kind_of(app->o),
		.end = side == 0 ? WEIR_SOURCE_FAILED : WEIR_SINK_FAILED,
		.cause = rc,
		.side = side,
		.opening = true,
		.reading = side == 0,
	};
	if (what)
		snprintf(r->text, sizeof(r->text), "%s: %s", what, weir_err_text(rc));
	else
		explain_cause(r->text, app, side, rc, NULL);
	set_status(r, app);
}

/* Whose time was over: the sink's, nobody's, else the source's. */
static bool is_sources_limit(const struct weir_outcome *o)
{
	return o->end == WEIR_STOPPED && is_limit(o->cause) && o->cause != WEIR_ESTALL &&
	       o->cause != WEIR_ETIMELIMIT;
}

/* A direction's outcome is that of the job. */
static void take_way(struct result *r, int way)
{
	const struct weir_outcome *o = &r->outcome[way];

	r->way = way;
	r->end = o->end;
	r->cause = o->cause;
	r->reading = o->end == WEIR_SOURCE_FAILED || is_sources_limit(o);
	r->side = -1;
	if (r->reading)
		r->side = way;
	else if (o->end == WEIR_SINK_FAILED || o->cause == WEIR_ESTALL)
		r->side = 1 - way;
	r->offset = r->reading ? o->in : o->offset;
}

/* Failing a connection's sink resets it, and then its source tells that it was we who
 * did so: the other direction's end is the reason. */
static bool is_consequence(const struct weir_outcome *o)
{
	return o->end == WEIR_SOURCE_FAILED && o->cause == -ECONNABORTED;
}

/* Whether direction 1 failed before direction 0 did, which has failed. */
static bool second_is_first(const struct result *r)
{
	if (r->outcome[1].end == WEIR_FINISHED)
		return false;
	if (is_consequence(&r->outcome[0]) != is_consequence(&r->outcome[1]))
		return is_consequence(&r->outcome[0]);
	return r->progress[1].elapsed_ns < r->progress[0].elapsed_ns;
}

/*
 * A command in a relay that has exited with status 0 wanted no more input: that is no
 * failure, as long as it got all that was given for it.  Else nothing that answers
 * without asking, like date(1), could be relayed.
 */
static void forgive_command(const struct job *job, struct result *r, int way)
{
	struct weir_outcome *o = &r->outcome[way];
	int side = 1 - way, status, signum;

	if (job->kind->ways == 2 && o->end == WEIR_SINK_FAILED && o->cause == -EPIPE &&
	    o->dropped == 0 && is_command(job->app, side) &&
	    weir_process_exited(job->side[side], &status, &signum) && status == 0) {
		o->end = WEIR_FINISHED;
		o->cause = 0;
	}
}

static void judge_ways(struct job *job, struct result *r)
{
	int failed = -1;

	for (int i = job->kind->ways - 1; i >= 0; i--) {
		weir_join_outcome(job->join[i], &r->outcome[i]);
		forgive_command(job, r, i);
		weir_join_progress(job->join[i], &r->progress[i]);
		weir_join_path(job->join[i], &r->path[i]);
		if (r->progress[i].elapsed_ns > r->elapsed_ns)
			r->elapsed_ns = r->progress[i].elapsed_ns;
		if (r->outcome[i].end != WEIR_FINISHED)
			failed = i;
	}
	r->end = WEIR_FINISHED;
	r->side = -1;
	if (failed < 0)
		return;
	if (failed == 0 && job->kind->ways == 2 && second_is_first(r))
		failed = 1;
	take_way(r, failed);
}

/* Of a copy: what became of each sink.  The source and we ourselves come first; else the
 * first of the sinks that failed is the reason. */
static void judge_sinks(struct job *job, struct result *r)
{
	bool sink_failed = false;
	uint64_t longest = 0;

	for (size_t i = 0; i + 1 < job->sides; i++) {
		struct sink_result *s = &r->sinks[i];

		sink_judge(&job->sink[i], s);
		if (r->cause == WEIR_ESTALL && s->end == WEIR_STOPPED && s->held_ns > longest) {
			longest = s->held_ns;
			r->side = (int)i + 1;
			r->offset = s->out;
		}
		if (s->end != WEIR_SINK_FAILED || sink_failed ||
		    (r->end != WEIR_FINISHED && r->end != WEIR_SINK_FAILED))
			continue;
		sink_failed = true;
		r->end = WEIR_SINK_FAILED;
		r->cause = s->cause;
		r->side = (int)i + 1;
		r->reading = false;
		r->offset = s->out;
	}
}

/* Take a stream's digests, if it is whole. */
static const struct digests *take_digests(struct result *r, struct digests *d, bool whole)
{
	size_t which;
	int rc;

	if (!whole || !d)
		return NULL;
	rc = digests_finish(d, &which);
	if (rc == 0)
		return d;
	r->digest_rc = rc;
	r->digest_name = d->o->hash[which];
	return NULL;
}

static void judge_digests(struct job *job, struct result *r)
{
	for (int i = 0; i < job->kind->ways; i++)
		r->digests[i] = take_digests(r, job->digests[i],
					     r->outcome[i].end == WEIR_FINISHED);
	for (size_t i = 0; job->tee && i + 1 < job->sides; i++)
		r->sinks[i].digests = take_digests(r, job->sink[i].digests,
						   r->sinks[i].end == WEIR_FINISHED);
}

static void judge_started(struct job *job, struct result *r)
{
	judge_ways(job, r);
	if (job->sink) {
		r->sinks = job->sink_result;
		judge_sinks(job, r);
	}
	/* What one sink is told to have got is what the copy has delivered. */
	if (job->sink && !job->tee && r->outcome[0].end == WEIR_FINISHED) {
		r->outcome[0].end = r->sinks->end;
		r->outcome[0].cause = r->sinks->cause;
	}
	judge_digests(job, r);
}

/* One that had been opened, and died before all the others were. */
static void judge_dead(struct job *job, struct result *r)
{
	const struct weir_transport *t = job->side[r->side];

	if (!t || job->fail_what)
		return;
	r->opening = false;
	explain_cause(r->text, job->app, r->side, r->cause, t);
}

void job_judge(struct job *job, struct result *r)
{
	if (job->fail_rc < 0) {
		result_not_opened(r, job->app, job->fail_side, job->fail_rc, job->fail_what);
		judge_dead(job, r);
		return;
	}
	*r = (struct result){.kind = job->kind, .started = job->started};
	if (job->stopped) {
		r->end = WEIR_STOPPED;
		r->cause = WEIR_ESTOPPED;
		r->side = -1;
	} else {
		judge_started(job, r);
	}
	if (r->end != WEIR_FINISHED)
		explain_cause(r->text, job->app, r->side, r->cause,
			      r->side >= 0 ? job->side[r->side] : NULL);
	set_status(r, job->app);
}
