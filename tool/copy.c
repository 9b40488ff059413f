/* SPDX-License-Identifier: MIT */
/*
 * One way.  A sink that could also give is read all the while, and what it gives is
 * dropped: else an echoing peer, with nobody to read its answers, would stop reading
 * ours; and closing a socket with unread bytes in it makes the kernel throw away
 * what has not been sent.
 */
#include "job.h"
#include "weir/pattern.h"

/* How long a sink's peer has to close its side after our end.  By closing it says that
 * it has read all, by resetting that it has not; one that does neither is not waited
 * for, since the kernel has the bytes. */
#define GRACE_NS WEIR_NS_PER_S

static bool drain_runs(const struct job *job)
{
	struct weir_outcome outcome = {0};

	if (job->drain)
		weir_join_outcome(job->drain, &outcome);
	return job->drain && outcome.end == WEIR_RUNNING;
}

static void end_grace(struct job *job)
{
	if (!job->in_grace)
		return;
	job->in_grace = false;
	weir_timer_cancel(job->app->ctx, &job->grace);
	job_ended(job);
}

static void run_grace(struct weir_timer *timer)
{
	end_grace((struct job *)((char *)timer - offsetof(struct job, grace)));
}

static void on_drain_done(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	(void)join;
	(void)outcome;
	end_grace(arg);
}

static void on_copied(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	struct job *job = arg;
	struct weir_context *ctx = job->app->ctx;

	(void)join;
	if (outcome->end != WEIR_FINISHED || !drain_runs(job) ||
	    !weir_transport_half_closes(job->side[1])) {
		job_ended(job);
		return;
	}
	job->in_grace = true;
	job->grace.run = run_grace;
	weir_timer_set(ctx, &job->grace, weir_context_now(ctx) + GRACE_NS);
}

static int start_drain(struct job *job)
{
	const struct weir_join_options options = {.on_done = on_drain_done, .arg = job};
	struct weir_producer *back = weir_transport_source(job->side[1]);
	int rc;

	if (!back)
		return 0;
	rc = weir_pattern_null(job->app->ctx, &job->drain_to);
	if (rc < 0)
		return rc;
	return weir_join_create(job->app->ctx, back, weir_transport_sink(job->drain_to), &options,
				&job->drain);
}

static void see(void *arg, const void *data, size_t len)
{
	weir_hash_add(arg, data, len); /* a failure is kept, and told at the end */
}

/* With --hash: what goes to `*front` is seen. */
static int start_hash(struct job *job, struct weir_consumer **front)
{
	int rc;

	if (!job->app->o->hash)
		return 0;
	rc = weir_hash_create(job->app->o->hash, &job->hash);
	if (rc == 0)
		rc = weir_tap_create(*front, see, job->hash, &job->tap);
	if (rc == 0)
		*front = weir_tap_sink(job->tap);
	return rc;
}

static int start_copy(struct job *job)
{
	struct app *app = job->app;
	const struct weir_join_options options = {
		.idle_ns = app->o->idle_ns,
		.stall_ns = app->o->stall_ns,
		.total_ns = app->o->total_ns,
		.on_done = on_copied,
		.arg = job,
	};
	struct weir_consumer *front;
	int rc;

	rc = job_limit(job, 0, weir_transport_sink(job->side[1]), &front);
	if (rc < 0)
		return rc;
	rc = start_hash(job, &front);
	if (rc < 0)
		return rc;
	rc = start_drain(job);
	if (rc < 0)
		return rc;
	return weir_join_create(app->ctx, weir_transport_source(job->side[0]), front, &options,
				&job->join[0]);
}

static void stop_copy(struct job *job, int why)
{
	if (job->in_grace) {
		end_grace(job);
		return;
	}
	weir_join_stop(job->join[0], why);
}

static void fini_copy(struct job *job)
{
	weir_timer_cancel(job->app->ctx, &job->grace);
	weir_join_destroy(job->join[0]);
	weir_tap_destroy(job->tap);
	weir_hash_destroy(job->hash);
	weir_join_destroy(job->drain);
	weir_transport_close(job->drain_to);
}

const struct job_kind copy_kind = {
	.side = {"source", "sink"},
	.role = {WEIR_ROLE_SOURCE, WEIR_ROLE_SINK},
	.ways = 1,
	.start = start_copy,
	.stop = stop_copy,
	.fini = fini_copy,
};
