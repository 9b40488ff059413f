/* SPDX-License-Identifier: MIT */
/*
 * Two joins and two clocks.  The joins carry the ends; here is only time.
 *
 * The clocks look at the joins sixteen times in the time that they measure.  A direction
 * that moved, or that we held, since the last look starts anew at this one.  So nothing
 * is stopped early, and nothing more than a sixteenth late, and a byte costs nothing.
 */
#include "weir/relay.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/join_priv.h"
#include "weir/context.h"

#define LOOKS 16

enum direction { TO_RIGHT, TO_LEFT };

struct way {
	struct weir_join *join;
	struct weir_outcome outcome; /* WEIR_RUNNING until its end */
	uint64_t seen_in, seen_out;  /* at the last look: bytes */
	uint64_t seen_held;          /* nanoseconds */
};

struct weir_relay {
	struct weir_context *ctx;
	struct weir_relay_options options;
	struct way ways[2];
	uint64_t active; /* when a direction was last seen to move, or held */
	struct weir_timer idle, linger;
	int stopped; /* with this code; 0 if not */
	uint64_t lingering; /* since when the one that is left gave nothing */
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

/* Look at all that runs; whether something was active. */
static bool look(struct weir_relay *r)
{
	bool active = false;

	for (int i = 0; i < 2; i++)
		active |= running(&r->ways[i]) && was_active(&r->ways[i]);
	if (active)
		r->active = weir_context_now(r->ctx);
	return active;
}

/* True when `ns` without activity are over; else the timer is set for the next look. */
static bool expired(struct weir_relay *r, struct weir_timer *timer, uint64_t since, uint64_t ns)
{
	uint64_t now = weir_context_now(r->ctx);
	uint64_t next = now + ns / LOOKS + 1;
	uint64_t due = ns < WEIR_NEVER - since ? since + ns : WEIR_NEVER;

	if (now >= due)
		return true;
	weir_timer_set(r->ctx, timer, next < due ? next : due);
	return false;
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

static void run_idle(struct weir_timer *timer)
{
	struct weir_relay *r = (struct weir_relay *)((char *)timer -
						     offsetof(struct weir_relay, idle));

	look(r);
	if (expired(r, timer, r->active, r->options.idle_ns))
		stop_all(r, WEIR_EIDLE);
}

static void run_linger(struct weir_timer *timer)
{
	struct weir_relay *r = (struct weir_relay *)((char *)timer -
						     offsetof(struct weir_relay, linger));
	uint64_t since;

	look(r);
	since = r->active > r->lingering ? r->active : r->lingering;
	if (expired(r, timer, since, r->options.linger_ns))
		stop_all(r, WEIR_ELINGER);
}

/* ---- the end ---- */

static void on_way_done(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	struct weir_relay *r = arg;
	struct way *w = &r->ways[join == r->ways[TO_LEFT].join];

	note_outcome(r, w, outcome);
	if (running(&r->ways[TO_RIGHT]) || running(&r->ways[TO_LEFT])) {
		if (r->options.linger_ns) {
			look(r);
			r->lingering = weir_context_now(r->ctx);
			expired(r, &r->linger, r->lingering, r->options.linger_ns);
		}
		return;
	}
	weir_timer_cancel(r->ctx, &r->idle);
	weir_timer_cancel(r->ctx, &r->linger);
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
	r->idle.run = run_idle;
	r->linger.run = run_linger;
	each.arg = r;
	rc = weir_join_create(ctx, left.source, right.sink, &each, &r->ways[TO_RIGHT].join);
	if (rc < 0)
		goto fail_first;
	rc = weir_join_create(ctx, right.source, left.sink, &each, &r->ways[TO_LEFT].join);
	if (rc < 0)
		goto fail_second;
	r->active = weir_context_now(ctx);
	if (r->options.idle_ns)
		expired(r, &r->idle, r->active, r->options.idle_ns);
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
	weir_timer_cancel(relay->ctx, &relay->idle);
	weir_timer_cancel(relay->ctx, &relay->linger);
	weir_join_destroy(relay->ways[TO_RIGHT].join);
	weir_join_destroy(relay->ways[TO_LEFT].join);
	free(relay);
}
