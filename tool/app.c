/* SPDX-License-Identifier: MIT */
/* The loop, the signals and the listeners around a run. */
#include "app.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"
#include "report.h"
#include "sys.h"
#include "text.h"

bool app_closed_fds[3];

static void on_signal(void *arg, int signum)
{
	struct app *app = arg;

	/* Somebody is in a hurry.  What exit handlers put back is put back, by one thread. */
	if (app->signum && app->index > 0)
		return;
	if (app->signum)
		exit(128 + signum);
	app->signum = signum;
	if (app->on_signal)
		app->on_signal(app->on_signal_arg);
}

const char *app_signal_name(const struct app *app)
{
	for (const struct sys_signal *s = sys_signals; s->number; s++)
		if (s->number == app->signum)
			return s->name;
	return "a signal";
}

static int watch_signals(struct app *app)
{
	for (const struct sys_signal *s = sys_signals; s->number; s++) {
		int rc;

		if (sys_signal_ignored(s->number))
			continue;
		rc = weir_loop_on_signal(app->loop, s->number, on_signal, app);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Of what all threads have together, this one's part. */
static uint64_t part_of(const struct app *app, uint64_t whole)
{
	uint64_t threads = app->o->threads;

	return whole / threads + (app->index < whole % threads);
}

static int make_groups(struct app *app)
{
	struct weir_rate rate = {
		.bytes_per_s = part_of(app, app->o->rate),
		.burst = part_of(app, app->o->burst),
	};
	int rc = 0;

	if (!app->o->many || !rate.bytes_per_s)
		return 0;
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = weir_throttle_group_create(app->ctx, rate, 0, &app->group[i]);
	return rc;
}

static void tell_listening(const struct app *app, const struct weir_listener *l)
{
	struct text line;

	if (!app->o->verbose || app->index > 0)
		return;
	line_begin(&line);
	text_add(&line, "listening on ");
	text_add_safe(&line, weir_listener_address(l));
	line_end(&line);
}

/* Returns the side that could not listen, with the code in *rc, or -1. */
static int listen_early(struct app *app, const struct app *first, int *rc)
{
	const struct weir_endpoint_options options = {.tcp.reuse_port = app->o->threads > 1};

	for (size_t i = 0; i < app->o->ends; i++) {
		if (!weir_endpoint_listens(app->o->end[i]))
			continue;
		if (first)
			*rc = weir_listener_share(app->loop, first->listener[i], &app->listener[i]);
		else
			*rc = weir_endpoint_listen(app->loop, app->o->end[i], &options,
						   &app->listener[i]);
		if (*rc < 0)
			return (int)i;
		tell_listening(app, app->listener[i]);
	}
	return -1;
}

/* Say why; the environment's word is what a user can mend. */
static int cannot_begin(int rc)
{
	const char *engine = getenv("WEIR_ENGINE");

	if (rc == -EINVAL && engine) {
		line_print("WEIR_ENGINE=%s: expected poll, ring or auto", engine);
		return 3;
	}
	if (engine && strcmp(engine, "ring") == 0)
		line_print("cannot begin, perhaps for want of a ring (WEIR_ENGINE=ring): %s",
			   weir_err_text(rc));
	else
		line_print("cannot begin: %s", weir_err_text(rc));
	return 4;
}

int app_begin(struct app *app, const struct options *o, unsigned index,
	      struct weir_shared_budget *shared, const struct app *first)
{
	const struct weir_loop_options options = {
		.budget = shared ? 0 : (size_t)o->budget,
		.shared_budget = shared,
	};
	struct result r;
	int rc, side;

	app->o = o;
	app->index = index;
	app->shared = shared;
	app->max_peers = part_of(app, o->max_peers);
	rc = weir_loop_create(&options, &app->loop);
	if (rc == 0) {
		app->ctx = weir_loop_context(app->loop);
		app->listener = calloc(o->ends, sizeof(struct weir_listener *));
		rc = app->listener ? watch_signals(app) : -ENOMEM;
	}
	if (rc == 0)
		rc = make_groups(app);
	if (rc < 0)
		return cannot_begin(rc);
	side = listen_early(app, first, &rc);
	if (side < 0)
		return 0;
	result_not_opened(&r, app, side, rc, NULL);
	return report(app, &r, NULL, false);
}

void app_end(struct app *app)
{
	for (size_t i = 0; app->listener && i < app->o->ends; i++)
		weir_listener_close(app->listener[i]);
	free(app->listener);
	weir_throttle_group_destroy(app->group[0]);
	weir_throttle_group_destroy(app->group[1]);
	weir_loop_destroy(app->loop);
}

int app_run(const struct options *o)
{
	struct app app = {0};
	int status;

	if (o->threads > 1)
		return threads_run(o);
	status = app_begin(&app, o, 0, NULL, NULL);
	if (status == 0 && o->many) {
		many_serve(&app);
		status = many_tell(&app, &app.counts);
	} else if (status == 0) {
		status = single_run(&app);
	}
	app_end(&app);
	return status;
}
