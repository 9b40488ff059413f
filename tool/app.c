/* SPDX-License-Identifier: MIT */
/* The loop, the signals and the listeners around a run. */
#include "app.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "job.h"
#include "report.h"
#include "text.h"

bool app_closed_fds[3];

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

static void on_signal(void *arg, int signum)
{
	struct app *app = arg;

	/* Somebody is in a hurry.  What exit handlers put back is put back. */
	if (app->signum)
		exit(128 + signum);
	app->signum = signum;
	if (app->on_signal)
		app->on_signal(app->on_signal_arg);
}

static int watch_signals(struct app *app)
{
	for (size_t i = 0; i < SIGNALS; i++) {
		struct sigaction old;
		int rc;

		/* nohup(1), and shells for what runs in the background, say "not you". */
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN)
			continue;
		rc = weir_loop_on_signal(app->loop, signals[i], on_signal, app);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int make_groups(struct app *app)
{
	struct weir_rate rate = {.bytes_per_s = app->o->rate, .burst = app->o->burst};
	int rc = 0;

	if (!app->o->many || !rate.bytes_per_s)
		return 0;
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = weir_throttle_group_create(app->ctx, rate, 0, &app->group[i]);
	return rc;
}

/* Returns the side that could not listen, with the code in *rc, or -1. */
static int listen_early(struct app *app, int *rc)
{
	for (size_t i = 0; i < app->o->ends; i++) {
		struct line line;

		if (!weir_endpoint_listens(app->o->end[i]))
			continue;
		*rc = weir_endpoint_listen(app->loop, app->o->end[i], NULL, &app->listener[i]);
		if (*rc < 0)
			return (int)i;
		if (!app->o->verbose)
			continue;
		line_begin(&line);
		fputs("listening on ", line.out);
		text_safe(line.out, weir_listener_address(app->listener[i]));
		line_end(&line);
	}
	return -1;
}

static int run(struct app *app)
{
	struct result r;
	int rc = app->listener ? watch_signals(app) : -ENOMEM, side;

	if (rc == 0)
		rc = make_groups(app);
	if (rc < 0) {
		line_print("cannot begin: %s", weir_err_text(rc));
		return 4;
	}
	side = listen_early(app, &rc);
	if (side >= 0) {
		result_not_opened(&r, app, side, rc, NULL);
		return report(app, &r, NULL, false);
	}
	return app->o->many ? many_run(app) : single_run(app);
}

int app_run(const struct options *o)
{
	const struct weir_loop_options options = {.budget = (size_t)o->budget};
	struct app app = {.o = o};
	int status, rc;

	rc = weir_loop_create(&options, &app.loop);
	if (rc < 0) {
		line_print("cannot begin: %s", weir_err_text(rc));
		return 4;
	}
	app.ctx = weir_loop_context(app.loop);
	app.listener = calloc(o->ends, sizeof(struct weir_listener *));
	status = run(&app);
	for (size_t i = 0; app.listener && i < o->ends; i++)
		weir_listener_close(app.listener[i]);
	free(app.listener);
	weir_throttle_group_destroy(app.group[0]);
	weir_throttle_group_destroy(app.group[1]);
	weir_loop_destroy(app.loop);
	return status;
}
