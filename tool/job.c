/* SPDX-License-Identifier: MIT */
/*
 * The life of a job: the first side is opened, then the others in their order (so that a
 * source that cannot be had leaves no new file behind), then they are joined.
 */
#include "job.h"

#include <errno.h>
#include <stdlib.h>

#include "sink.h"
#include "text.h"

static void open_next(struct job *job);

static enum weir_role role_of(const struct job *job, size_t side)
{
	return job->kind->role[side ? 1 : 0];
}

const char *job_side_name(const struct job_kind *kind, int side)
{
	return kind->side[side ? 1 : 0];
}

static void run_done(struct weir_task *task)
{
	struct job *job = (struct job *)((char *)task - offsetof(struct job, done));
	struct result r;

	job_judge(job, &r);
	job->on_done(job, &r, job->arg);
}

void job_ended(struct job *job)
{
	if (job->ended)
		return;
	job->ended = true;
	weir_task_queue(job->app->ctx, &job->done);
}

/* A sink that is open while the job does not begin must not take its end, without a byte,
 * for a stream that was empty. */
static void fail_opened(struct job *job, int why)
{
	for (size_t i = 0; i < job->sides; i++)
		if (job->side[i] && role_of(job, i) == WEIR_ROLE_SINK)
			weir_consumer_fail(weir_transport_sink(job->side[i]), why);
}

static void fail(struct job *job, int side, int rc)
{
	fail_opened(job, rc);
	job->fail_side = side;
	job->fail_rc = rc;
	job_ended(job);
}

/* A start can only fail for memory, or because a side died while it waited for the
 * other: then its sink knows why. */
static void fail_start(struct job *job, int rc)
{
	int side = job->start_side;

	for (size_t i = 0; i < job->sides && rc == WEIR_ECLOSED; i++) {
		struct weir_consumer *sink = weir_transport_sink(job->side[i]);
		struct weir_consumer_state state = {0};

		if (sink && (role_of(job, i) & WEIR_ROLE_SINK))
			weir_consumer_state(sink, &state);
		if (state.ended && state.why < 0) {
			side = (int)i;
			rc = state.why;
		}
	}
	fail(job, side, rc);
}

static void tell_opened(const struct job *job, size_t side)
{
	const struct options *o = job->app->o;
	struct weir_transport *t = job->side[side];
	struct text line;

	if (!o->verbose)
		return;
	line_begin(&line);
	text_addf(&line, "opened %s ", job_side_name(job->kind, (int)side));
	text_add_safe(&line, weir_transport_name(t));
	if (side == 0 && weir_transport_length(t) >= 0)
		text_addf(&line, ", %lld bytes", (long long)weir_transport_length(t));
	if (side > 0 && o->command == COMMAND_COPY && options_fan_out(o)) {
		text_add(&line, ": ");
		policy_describe(&line, &o->policy[side]);
	}
	line_end(&line);
}

static void opened(struct job *job, struct weir_transport *t)
{
	const struct options *o = job->app->o;
	size_t side = job->opening_side;
	int rc;

	job->side[side] = t;
	if (o->high && (role_of(job, side) & WEIR_ROLE_SINK)) {
		rc = weir_transport_set_marks(t, o->high, o->low);
		/* One that holds nothing has no marks. */
		if (rc < 0 && rc != WEIR_ENOTSUP) {
			fail(job, (int)side, rc);
			return;
		}
	}
	tell_opened(job, side);
	open_next(job);
}

static void on_open(void *arg, int rc, struct weir_transport *t)
{
	struct job *job = arg;

	job->opening = NULL;
	if (rc < 0)
		fail(job, (int)job->opening_side, rc);
	else
		opened(job, t);
}

/* The one peer of a run without --many. */
static void on_peer(void *arg, struct weir_transport *t)
{
	struct job *job = arg;
	struct weir_listener **l = &job->app->listener[job->opening_side];

	weir_listener_close(*l);
	*l = NULL;
	opened(job, t);
}

static int begin_open(struct job *job, size_t side)
{
	const struct options *o = job->app->o;
	const struct weir_endpoint_options options = {
		.file.mode = o->append ? WEIR_FILE_APPEND : WEIR_FILE_REPLACE,
	};
	enum weir_role role = role_of(job, side);

	if (weir_endpoint_is_stdio(o->end[side]) &&
	    (((role & WEIR_ROLE_SOURCE) && app_closed_fds[0]) ||
	     ((role & WEIR_ROLE_SINK) && app_closed_fds[1])))
		return -EBADF;
	return weir_endpoint_open(job->app->loop, o->end[side], role, &options, on_open, job,
				  &job->opening);
}

static void start(struct job *job)
{
	int rc = job->kind->start(job);

	if (rc < 0) {
		fail_start(job, rc);
		return;
	}
	job->started = true;
	if (!job->app->o->verbose)
		return;
	if (job->sides > 2)
		line_print("started, with %zu sinks", job->sides - 1);
	else
		line_print("started");
}

static void open_next(struct job *job)
{
	size_t side = 0;
	int rc;

	while (side < job->sides && job->side[side])
		side++;
	job->opening_side = side;
	if (side == job->sides) {
		start(job);
		return;
	}
	if (job->app->listener[side]) {
		weir_listener_start(job->app->listener[side], on_peer, job);
		return;
	}
	rc = begin_open(job, side);
	if (rc < 0)
		fail(job, (int)side, rc);
}

struct job *job_create(struct app *app, struct weir_transport *peer,
		       void (*on_done)(struct job *job, const struct result *r, void *arg),
		       void *arg)
{
	struct job *job = calloc(1, sizeof(*job) + app->o->ends * sizeof(job->side[0]));

	if (!job)
		return NULL;
	job->sides = app->o->ends;
	job->start_side = 1;
	job->app = app;
	job->kind = job_kind_of(app->o);
	job->done.run = run_done;
	job->on_done = on_done;
	job->arg = arg;
	if (!peer) {
		open_next(job);
		return job;
	}
	job->opening_side = (size_t)options_listener(app->o);
	opened(job, peer);
	return job;
}

void job_stop(struct job *job)
{
	if (job->ended)
		return;
	if (job->started) {
		job->kind->stop(job, WEIR_ESTOPPED);
		return;
	}
	weir_opening_cancel(job->opening);
	job->opening = NULL;
	if (job->opening_side < job->sides && job->app->listener[job->opening_side])
		weir_listener_pause(job->app->listener[job->opening_side]);
	fail_opened(job, WEIR_ESTOPPED);
	job->stopped = true;
	job_ended(job);
}

void job_destroy(struct job *job)
{
	if (!job)
		return;
	weir_opening_cancel(job->opening);
	weir_task_cancel(&job->done);
	job->kind->fini(job);
	weir_throttle_destroy(job->throttle[0]);
	weir_throttle_destroy(job->throttle[1]);
	for (size_t i = 0; i < job->sides; i++)
		weir_transport_close(job->side[i]);
	free(job);
}

int job_limit(struct job *job, int way, struct weir_consumer *sink, struct weir_consumer **front)
{
	const struct app *app = job->app;
	struct weir_rate rate = {.bytes_per_s = app->o->rate, .burst = app->o->burst};
	int rc;

	*front = sink;
	if (!rate.bytes_per_s)
		return 0;
	/* What is shared limits each alike: its own limit would only add a second burst. */
	if (app->group[way])
		rate = (struct weir_rate){0};
	rc = weir_throttle_create(app->ctx, rate, app->group[way], &job->throttle[way]);
	if (rc < 0)
		return rc;
	*front = weir_throttle_sink(job->throttle[way]);
	return weir_consumer_register(sink, weir_throttle_source(job->throttle[way]), WEIR_PUSH);
}

void job_progress(const struct job *job, int way, struct weir_progress *out)
{
	*out = (struct weir_progress){0};
	if (job->started)
		weir_join_progress(job->join[way], out);
}

const char *job_holder(struct job *job)
{
	struct sink *holder = job->tee ? sinks_holder(job->sink, job->sides - 1) : NULL;

	return holder ? weir_endpoint_text(job->app->o->end[holder->side]) : NULL;
}

const struct job_kind *job_kind_of(const struct options *o)
{
	return o->command == COMMAND_COPY ? &copy_kind : &relay_kind;
}
