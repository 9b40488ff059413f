/* SPDX-License-Identifier: MIT */
/* One direction of a job. */
#include "way.h"

static void on_tail_done(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	struct way *way = arg;

	(void)join;
	way->tail_done = true;
	way->tail_outcome = *outcome;
	way->on_done(way->arg);
}

int way_init(struct way *way, struct app *app, int index, struct weir_consumer *sink,
	     void (*on_done)(void *arg), void *arg, struct weir_consumer **front)
{
	struct weir_rate rate = {.bytes_per_s = app->o->rate, .burst = app->o->burst};
	struct weir_join_options options = {.on_done = on_tail_done, .arg = way};
	int rc;

	*way = (struct way){.on_done = on_done, .arg = arg};
	*front = sink;
	if (!rate.bytes_per_s)
		return 0;
	/* What is shared limits each alike: its own limit would only add a second burst. */
	if (app->group[index])
		rate = (struct weir_rate){0};
	rc = weir_throttle_create(app->ctx, rate, app->group[index], &way->throttle);
	if (rc < 0)
		return rc;
	rc = weir_join_create(app->ctx, weir_throttle_source(way->throttle), sink, &options,
			      &way->tail);
	if (rc < 0) {
		weir_throttle_destroy(way->throttle);
		*way = (struct way){0};
		return rc;
	}
	*front = weir_throttle_sink(way->throttle);
	return 0;
}

void way_fini(struct way *way)
{
	weir_join_destroy(way->tail);
	weir_throttle_destroy(way->throttle);
	*way = (struct way){0};
}

void way_head_done(struct way *way, const struct weir_outcome *outcome)
{
	way->head_done = true;
	way->head_outcome = *outcome;
}

bool way_done(const struct way *way)
{
	return way->head_done && (!way->tail || way->tail_done);
}

void way_stop(struct way *way, int why)
{
	if (way->tail)
		weir_join_stop(way->tail, why);
}

void way_outcome(const struct way *way, struct weir_outcome *out)
{
	*out = way->head_outcome;
	if (!way->tail)
		return;
	/* The head calls it finished, or the sink's failure, when the throttle has taken
	 * the bytes; what became of them only the tail knows. */
	if (out->end == WEIR_FINISHED || out->end == WEIR_SINK_FAILED) {
		out->end = way->tail_outcome.end;
		out->cause = way->tail_outcome.cause;
	}
	/* Seen from the tail the throttle is the source; when that was cut, so were we. */
	if (out->end == WEIR_SOURCE_FAILED && way->head_outcome.end != WEIR_SOURCE_FAILED) {
		out->end = way->head_outcome.end;
		out->cause = way->head_outcome.cause;
	}
	out->offset = way->tail_outcome.offset;
	out->dropped = out->in - out->offset;
}

void way_progress(const struct way *way, struct weir_progress *out)
{
	struct weir_progress tail;

	weir_join_progress(way->head, out);
	if (!way->tail)
		return;
	weir_join_progress(way->tail, &tail);
	out->out = tail.out;
	out->rate = tail.rate;
	out->dropped = way_done(way) ? out->in - out->out : 0;
	out->held = out->in - out->out - out->dropped;
	if (tail.elapsed_ns > out->elapsed_ns)
		out->elapsed_ns = tail.elapsed_ns;
	out->mean_rate = 0;
	if (out->elapsed_ns)
		out->mean_rate = (double)out->out * 1e9 / (double)out->elapsed_ns;
}
