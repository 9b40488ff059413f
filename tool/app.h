/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOL_APP_H
#define WEIR_TOOL_APP_H
/* app.h -- what a run of the command has one of. */
#include <stdbool.h>

#include "options.h"
#include "weir/listener.h"
#include "weir/loop.h"
#include "weir/throttle.h"

struct app {
	const struct options *o;
	struct weir_loop *loop;
	struct weir_context *ctx;
	struct weir_listener **listener; /* of each endpoint that listens; else NULL */
	struct weir_throttle_group *group[2]; /* with --many --rate, one each way */
	int signum; /* that stopped us, or 0 */
	void (*on_signal)(void *arg);
	void *on_signal_arg;
};

/* The standard descriptors that were closed when we started; see main.c. */
extern bool app_closed_fds[3];

/* Everything that must be told when a run has ended badly before it began.
 * Returns the exit status. */
int app_run(const struct options *o);

/* As app_run(), with an app that is ready.  Both return the exit status. */
int single_run(struct app *app);
int many_run(struct app *app);

#endif
