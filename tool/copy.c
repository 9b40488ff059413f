/* SPDX-License-Identifier: MIT */
/* One way: to the sink, or to several through a tee. */
#include <errno.h>
#include <stdlib.h>

#include "job.h"
#include "sink.h"

static size_t sinks(const struct job *job)
{
	return job->sides - 1;
}

void copy_sink_over(struct job *job)
{
	if (!job->copied)
		return;
	for (size_t i = 0; i < sinks(job); i++)
		if (!job->sink[i].over)
			return;
	job_ended(job);
}

static void on_copied(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	struct job *job = arg;
	bool cut = outcome->end == WEIR_SOURCE_FAILED || outcome->end == WEIR_STOPPED;

	(void)join;
	job->copied = true;
	for (size_t i = 0; i < sinks(job); i++) {
		sink_settle(&job->sink[i]);
		if (cut)
			sink_end_grace(&job->sink[i]);
	}
	copy_sink_over(job);
}

/* Make what the source is to be joined to, without limits and digests. */
static int make_end(struct job *job, struct weir_consumer **end)
{
	int rc = 0;

	job->sink = calloc(sinks(job), sizeof(*job->sink));
	job->sink_result = calloc(sinks(job), sizeof(*job->sink_result));
	if (!job->sink || !job->sink_result)
		return -ENOMEM;
	if (options_fan_out(job->app->o))
		rc = weir_tee_create(job->app->ctx, &job->tee);
	for (size_t i = 0; i < sinks(job) && rc == 0; i++) {
		job->start_side = (int)i + 1;
		rc = sink_begin(&job->sink[i], job, i + 1);
		if (rc == 0 && job->tee)
			rc = sink_add_branch(&job->sink[i]);
	}
	*end = job->tee ? weir_tee_sink(job->tee) : weir_transport_sink(job->side[1]);
	return rc;
}

static int start_copy(struct job *job)
{
	struct app *app = job->app;
	const struct weir_join_options options = {
		.idle_ns = app->o->idle_ns,
		.stall_ns = app->o->stall_ns,
		.total_ns = app->o->total_ns,
		.paths = app->o->paths,
		.on_done = on_copied,
		.arg = job,
	};
	struct weir_consumer *end, *front;
	int rc;

	rc = make_end(job, &end);
	if (rc < 0)
		return rc;
	job->start_side = 1;
	rc = job_limit(job, 0, end, &front);
	if (rc == 0)
		rc = digests_create(&job->digests[0], app->o, &front);
	if (rc < 0)
		return rc;
	return weir_join_create(app->ctx, weir_transport_source(job->side[0]), front, &options,
				&job->join[0]);
}

static void stop_copy(struct job *job, int why)
{
	if (!job->copied)
		weir_join_stop(job->join[0], why);
	for (size_t i = 0; i < sinks(job); i++)
		sink_end_grace(&job->sink[i]);
}

static void fini_copy(struct job *job)
{
	weir_join_destroy(job->join[0]);
	digests_destroy(job->digests[0]);
	weir_tee_destroy(job->tee);
	for (size_t i = 0; job->sink && i < sinks(job) && job->sink[i].job; i++)
		sink_fini(&job->sink[i]);
	free(job->sink);
	free(job->sink_result);
}

const struct job_kind copy_kind = {
	.side = {"source", "sink"},
	.role = {WEIR_ROLE_SOURCE, WEIR_ROLE_SINK},
	.ways = 1,
	.start = start_copy,
	.stop = stop_copy,
	.fini = fini_copy,
};
