/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOL_APP_H
#define WEIR_TOOL_APP_H
/* app.h -- what a run of the command has one of. */
#include <stdatomic.h>
#include <stdbool.h>

#include "options.h"
#include "weir/listener.h"
#include "weir/loop.h"
#include "weir/shared_budget.h"
#include "weir/throttle.h"

/* What becomes of many peers. */
struct counts {
	uint64_t served, failed, cut;
};

/* How far a thread's peers have come, as the others may know it. */
struct tally {
	_Atomic uint64_t peers, out[2];
};

/* A run with --threads has one for each thread, of which the first is the process's own. */
struct app {
	const struct options *o;
	struct weir_loop *loop;
	struct weir_context *ctx;
	struct weir_listener **listener; /* of each endpoint that listens; else NULL */
	struct weir_throttle_group *group[2]; /* with --many --rate, one each way */
	int signum; /* that stopped us, or 0 */
	void (*on_signal)(void *arg);
	void *on_signal_arg;
	struct weir_shared_budget *shared; /* the team's; else NULL */
	struct app *team;    /* the apps of all threads; NULL without --threads */
	unsigned index;      /* in the team */
	uint64_t max_peers;  /* with --many; of the whole, our part */
	struct counts counts;
	struct tally tally;
};

/* The standard descriptors that were closed when we started; see sys.h. */
extern bool app_closed_fds[3];

/* Everything that must be told when a run has ended badly before it began.
 * Returns the exit status. */
int app_run(const struct options *o);

/* As app_run(), with several threads. */
int threads_run(const struct options *o);

/*
 * Make the app number `index` of a run: its loop, which `shared` lends its memory unless that
 * is NULL, signals and listeners; these are on the addresses of `first`'s, if there is one.
 * Returns  0; or an exit status, all having been told.
 */
int app_begin(struct app *app, const struct options *o, unsigned index,
	      struct weir_shared_budget *shared, const struct app *first);

/* Release it, also after a failure. */
void app_end(struct app *app);

/* The signal that stopped us: "SIGINT". */
const char *app_signal_name(const struct app *app);

/* As app_run(), with an app that is ready.  The first returns the exit status; the second
 * returns after a signal, with the counts filled in, for many_tell(). */
int single_run(struct app *app);
void many_serve(struct app *app);

/* Say what became of all; returns the exit status. */
int many_tell(const struct app *app, const struct counts *counts);

#endif
