/* SPDX-License-Identifier: MIT */
/* Both ways.  What half-close means is the library's relay; here are only its ends. */
#include "job.h"

static void on_relay_done(struct weir_relay *relay, const struct weir_outcome *to_right,
			  const struct weir_outcome *to_left, void *arg)
{
	(void)relay;
	(void)to_right;
	(void)to_left;
	job_ended(arg);
}

static int start_relay(struct job *job)
{
	struct app *app = job->app;
	const struct weir_relay_options options = {
		.idle_ns = app->o->idle_ns,
		.stall_ns = app->o->stall_ns,
		.total_ns = app->o->total_ns,
		.paths = app->o->paths,
		.linger_ns = app->o->linger_ns,
		.on_done = on_relay_done,
		.arg = job,
	};
	struct weir_relay_side side[2];
	int rc;

	for (int i = 0; i < 2; i++) {
		/* The direction that ends in this side comes from the other one. */
		rc = job_limit(job, 1 - i, weir_transport_sink(job->side[i]), &side[i].sink);
		if (rc < 0)
			return rc;
		rc = digests_create(&job->digests[1 - i], app->o, &side[i].sink);
		if (rc < 0)
			return rc;
		side[i].source = weir_transport_source(job->side[i]);
	}
	rc = weir_relay_create(app->ctx, side[0], side[1], &options, &job->relay);
	if (rc < 0)
		return rc;
	job->join[0] = weir_relay_to_right(job->relay);
	job->join[1] = weir_relay_to_left(job->relay);
	return 0;
}

static void stop_relay(struct job *job, int why)
{
	weir_relay_stop(job->relay, why);
}

static void fini_relay(struct job *job)
{
	weir_relay_destroy(job->relay);
	digests_destroy(job->digests[0]);
	digests_destroy(job->digests[1]);
}

const struct job_kind relay_kind = {
	.side = {"left", "right"},
	.role = {WEIR_ROLE_BOTH, WEIR_ROLE_BOTH},
	.ways = 2,
	.start = start_relay,
	.stop = stop_relay,
	.fini = fini_relay,
};
