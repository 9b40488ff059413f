/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOL_PROGRESS_H
#define WEIR_TOOL_PROGRESS_H
/*
 * progress.h -- the line that tells how far it has come, and who is waited for.
 *
 * On a terminal it is redrawn in place; elsewhere, when asked for, it is a new line
 * each second.
 */
#include "app.h"
#include "weir/join.h"

/* What there is to tell. */
struct sample {
	int ways;
	bool started;     /* something has been joined */
	uint64_t out[2];  /* bytes, each way */
	uint64_t held_ns[2][WEIR_CAUSES];
	const char *holder; /* the one of several sinks that held most since the last, or NULL */
	int64_t length;   /* of all, or -1 */
	bool many;
	unsigned long peers; /* at work now */
};

struct progress {
	struct app *app;
	void (*take)(void *arg, struct sample *sample);
	void *arg;
	struct weir_timer timer;
	bool shown, terminal;
	unsigned columns; /* of the line on the terminal */
	uint64_t began, drawn; /* times */
	struct sample last;
	double rate[2]; /* bytes per second, smoothed */
};

/* Whether the options and standard error say that there is to be one. */
bool progress_is_wanted(const struct options *o);

/* Begin, if the options and standard error say that there is to be one. */
void progress_begin(struct progress *p, struct app *app,
		    void (*take)(void *arg, struct sample *sample), void *arg);

/* Show the last state, and leave it standing. */
void progress_end(struct progress *p);

#endif
