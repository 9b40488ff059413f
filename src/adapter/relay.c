/* SPDX-License-Identifier: MIT */
/*
 * Two joins and a clock.  The joins carry the ends; here is only time.
 *
 * The clock looks at the joins sixteen times in the shortest time that it measures.  A
 * direction that moved, or that we held, since the last look starts anew at this one.  So
 * nothing is stopped early, and nothing more than a sixteenth late, and a byte costs nothing.
 */
#include "weir/relay.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/join_priv.h"
#include "weir/context.h"

enum direction { TO_RIGHT, TO_LEFT };

struct way {
	struct weir_join *join;
	struct weir_outcome outcome; /* WEIR_RUNNING until its end */
	uint64_t seen_in, seen_out;  /* at the last look: bytes */
	uint64_t seen_held;          /* nanoseconds */
	struct weir__stall stall;
};

struct weir_relay {
	struct weir_context *ctx;
	struct weir_relay_options options;
	struct way ways[2];
	struct weir_timer clock; /* the next look, or the nearest deadline */
	uint64_t began;
	uint64_t active;    /* when a direction was last seen to move, or held */
	uint64_t lingering; /* since when only one is left; WEIR_NEVER before */
	int stopped;        /* with this code; 0 if not */
};

static bool running(const struct way *w)
{
	return w->outcome.end == WEIR_RUNNING;
}

/* ---- time ---- */

/* Whether the direction moved bytes, or could not because of us, since the last look. */
static bool was_active(struct way *w)
{
	struct weir_progress p;
	uint64_t held = 0;
	bool active;

	weir__join_look(w->join, &p);
	for (int i = 0; i < WEIR_CAUSES; i++)
		held += p.held_ns[i];
	active = p.in != w->seen_in || p.out != w->seen_out || held != w->seen_held;
	w->seen_in = p.in;
	w->seen_out = p.out;
	w->seen_held = held;
	return active;
}

/* Look at all that runs.  Returns since when a sink stalls, or WEIR_NEVER. */
static uint64_t look(struct weir_relay *r, uint64_t now)
{
	uint64_t stalled = WEIR_NEVER;

	for (int i = 0; i < 2; i++) {
		struct way *w = &r->ways[i];
		uint64_t since;

		if (!running(w))
			continue;
		if (was_active(w))
			r->active = now;
		since = weir__stall_look(&w->stall, w->join, now);
		if (since < stalled)
			stalled = since;
	}
	return stalled;
}

/* One limit.  Sets *why if it is over, and else moves *next forward to its next look. */
static void check(uint64_t since, uint64_t ns, uint64_t now, uint64_t *next, int *why, int code)
{
	uint64_t at = weir__next_look(now, since, ns);

	if (ns == 0)
		return;
	if (now >= weir__due(since, ns))
		*why = code;
	else if (at < *next)
		*next = at;
}

static void stop_all(struct weir_relay *r, int why)
{
	r->stopped = why;
	for (int i = 0; i < 2; i++)
		weir_join_stop(r->ways[i].join, why);
}

/* Stopping one direction may cut the connection that the other one reads, before that is
 * stopped in its turn: it was stopped all the same. */
static void note_outcome(struct weir_relay *r, struct way *w, const struct weir_outcome *outcome)
{
	w->outcome = *outcome;
	if (r->stopped && outcome->end == WEIR_SOURCE_FAILED && outcome->cause == -ECONNABORTED) {
		w->outcome.end = WEIR_STOPPED;
		w->outcome.cause = r->stopped;
	}
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Look, and stop what is over its time, or set the clock to when to look again. */
static void run_clock(struct weir_timer *timer)
{
	struct weir_relay *r = (struct weir_relay *)((char *)timer -
						     offsetof(struct weir_relay, clock));
	const struct weir_relay_options *o = &r->options;
	uint64_t now = weir_context_now(r->ctx);
	uint64_t total = o->total_ns ? weir__due(r->began, o->total_ns) : WEIR_NEVER;
	uint64_t stalled = look(r, now);
	uint64_t next = WEIR_NEVER;
	int why = 0;

	check(stalled, o->stall_ns, now, &next, &why, WEIR_ESTALL);
	if (r->lingering != WEIR_NEVER)
		check(later(r->active, r->lingering), o->linger_ns, now, &next, &why, WEIR_ELINGER);
	check(r->active, o->idle_ns, now, &next, &why, WEIR_EIDLE);
	if (now >= total)
		why = WEIR_ETIMELIMIT;
	else if (total < next)
		next = total;
	if (why)
		stop_all(r, why);
	else if (next != WEIR_NEVER)
		weir_timer_set(r->ctx, timer, next);
}

/* ---- the end ---- */

static void on_way_done(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	struct weir_relay *r = arg;
	struct way *w = &r->ways[join == r->ways[TO_LEFT].join];

	note_outcome(r, w, outcome);
	if (running(&r->ways[TO_RIGHT]) || running(&r->ways[TO_LEFT])) {
		r->lingering = weir_context_now(r->ctx);
		if (r->options.linger_ns && !r->stopped)
			run_clock(&r->clock);
		return;
	}
	weir_timer_cancel(r->ctx, &r->clock);
	if (r->options.on_done)
		r->options.on_done(r, &r->ways[TO_RIGHT].outcome, &r->ways[TO_LEFT].outcome,
				   r->options.arg);
}

/* ---- for the caller ---- */

static bool is_busy(const struct weir_relay_side *side)
{
	return weir_producer_consumer(side->source) || weir_consumer_producer(side->sink);
}

int weir_relay_create(struct weir_context *ctx, struct weir_relay_side left,
		      struct weir_relay_side right, const struct weir_relay_options *options,
		      struct weir_relay **out)
{
	struct weir_join_options each = {.on_done = on_way_done};
	struct weir_relay *r;
	int rc;

	if (is_busy(&left) || is_busy(&right))
		return WEIR_EBUSY;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->ctx = ctx;
	if (options)
		r->options = *options;
	r->clock.run = run_clock;
	r->lingering = WEIR_NEVER;
	each.arg = r;
	each.paths = r->options.paths;
	rc = weir_join_create(ctx, left.source, right.sink, &each, &r->ways[TO_RIGHT].join);
	if (rc < 0)
		goto fail_first;
	rc = weir_join_create(ctx, right.source, left.sink, &each, &r->ways[TO_LEFT].join);
	if (rc < 0)
		goto fail_second;
	r->began = r->active = weir_context_now(ctx);
	run_clock(&r->clock);
	*out = r;
	return 0;
fail_second:
	weir_join_destroy(r->ways[TO_RIGHT].join);
fail_first:
	free(r);
	return rc;
}

void weir_relay_stop(struct weir_relay *relay, int why)
{
	assert(why < 0);
	stop_all(relay, why);
}

struct weir_join *weir_relay_to_right(struct weir_relay *relay)
{
	return relay->ways[TO_RIGHT].join;
}

struct weir_join *weir_relay_to_left(struct weir_relay *relay)
{
	return relay->ways[TO_LEFT].join;
}

void weir_relay_destroy(struct weir_relay *relay)
{
	if (!relay)
		return;
	weir_timer_cancel(relay->ctx, &relay->clock);
	weir_join_destroy(relay->ways[TO_RIGHT].join);
	weir_join_destroy(relay->ways[TO_LEFT].join);
	free(relay);
}
