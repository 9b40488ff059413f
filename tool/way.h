/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOL_WAY_H
#define WEIR_TOOL_WAY_H
/*
 * way.h -- one direction of a job, from a source to a sink.
 *
 * Without a rate it is one join.  With one there are two, and a throttle between
 * them: the head's outcome tells about the source, the tail's about the sink, and
 * here they become one again.
 */
#include "app.h"
#include "weir/join.h"

struct way {
	struct weir_throttle *throttle; /* NULL without a rate */
	struct weir_join *head;         /* borrowed; set by the job */
	struct weir_join *tail;         /* NULL without a rate */
	bool head_done, tail_done;
	struct weir_outcome head_outcome, tail_outcome;
	void (*on_done)(void *arg);
	void *arg;
};

/*
 * Prepare the direction number `index` that ends in `sink`; *front is where its head
 * writes.  `on_done` is called when the tail has ended, if there is one.
 *
 * Returns  0, or a negative code with nothing left behind.
 */
int way_init(struct way *way, struct app *app, int index, struct weir_consumer *sink,
	     void (*on_done)(void *arg), void *arg, struct weir_consumer **front);

/* Release all but the head.  A zeroed way is allowed. */
void way_fini(struct way *way);

/* The head has ended. */
void way_head_done(struct way *way, const struct weir_outcome *outcome);

bool way_done(const struct way *way);

/* Cut what is still running behind the head. */
void way_stop(struct way *way, int why);

/* Both outcomes as one; of the progress likewise. */
void way_outcome(const struct way *way, struct weir_outcome *out);
void way_progress(const struct way *way, struct weir_progress *out);

#endif
