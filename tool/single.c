/* SPDX-License-Identifier: MIT */
/* A run that does one job. */
#include "job.h"
#include "progress.h"
#include "report.h"
#include "text.h"

struct single {
	struct app *app;
	struct job *job;
	struct result result; /* once `done` */
	bool done;
};

static void on_job_done(struct job *job, const struct result *r, void *arg)
{
	struct single *s = arg;

	(void)job;
	s->result = *r;
	s->done = true;
	weir_loop_stop(s->app->loop);
}

static void on_signal(void *arg)
{
	struct single *s = arg;

	job_stop(s->job);
}

static void take_sample(void *arg, struct sample *sample)
{
	struct single *s = arg;
	struct weir_progress p;

	sample->ways = s->job->kind->ways;
	sample->started = s->job->started;
	sample->holder = job_holder(s->job);
	if (s->job->side[0])
		sample->length = weir_transport_length(s->job->side[0]);
	for (int i = 0; i < sample->ways; i++) {
		job_progress(s->job, i, &p);
		sample->out[i] = p.out;
		for (int c = 0; c < WEIR_CAUSES; c++)
			sample->held_ns[i][c] = p.held_ns[c];
	}
}

int single_run(struct app *app)
{
	struct single s = {.app = app};
	struct progress progress;
	int status;

	s.job = job_create(app, NULL, on_job_done, &s);
	if (!s.job) {
		line_print("no memory to begin");
		return 4;
	}
	app->on_signal = on_signal;
	app->on_signal_arg = &s;
	progress_begin(&progress, app, take_sample, &s);
	weir_loop_run(app->loop);
	progress_end(&progress);
	app->on_signal = NULL;
	if (s.done) {
		status = report(app, &s.result, NULL, false);
	} else {
		/* Both ends silent, with nothing that could wake us. */
		line_print("nothing is left to wait for, and it has not ended");
		status = 4;
	}
	job_destroy(s.job);
	return status;
}
