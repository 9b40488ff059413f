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

/* What measures time; a relay without limits has none. */
struct clock {
	struct weir_timer timer; /* the next look, or the nearest deadline */
	struct weir_relay *relay;
	uint64_t idle_ns, linger_ns, stall_ns; /* 0: none */
	uint64_t total;     /* deadline */
	uint64_t active;    /* when a direction was last seen to move, or held */
	uint64_t lingering; /* since when only one is left; WEIR_NEVER before */
	uint64_t seen[2];   /* of each direction at the last look; see was_active() */
	struct weir__stall stall[2];
};

struct way {
	struct weir_join *join;
	bool over; /* its outcome has been told; */
	bool cut;  /* it is that we have stopped it, whatever the join says */
};

struct weir_relay {
	struct weir_context *ctx;
	void (*on_done)(struct weir_relay *relay, const struct weir_outcome *to_right,
			const struct weir_outcome *to_left, void *arg);
	void *arg;
	struct clock *clock; /* or NULL */
	struct way ways[2];
	int stopped;         /* with this code; 0 if not */
};

/* ---- time ---- */

/* Whether the direction moved bytes, or could not because of us, since the last look.  Bytes
 * and the time that we hold it only grow, so that their sum changes when one of them does. */
static bool was_active(const struct weir_join *join, uint64_t *seen)
{
	struct weir_progress p;
	uint64_t sum;
	bool active;

	weir__join_look(join, &p);
	sum = p.in + p.out;
	for (int i = 0; i < WEIR_CAUSES; i++)
		sum += p.held_ns[i];
	active = sum != *seen;
	*seen = sum;
	return active;
}

/* Look at all that runs.  Returns since when a sink stalls, or WEIR_NEVER. */
static uint64_t look(struct clock *c, uint64_t now)
{
	uint64_t stalled = WEIR_NEVER;

	for (int i = 0; i < 2; i++) {
		const struct way *w = &c->relay->ways[i];
		uint64_t since;

		if (w->over)
			continue;
		if (was_active(w->join, &c->seen[i]))
			c->active = now;
		since = weir__stall_look(&c->stall[i], w->join, now);
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

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Look, and stop what is over its time, or set the timer to when to look again. */
static void run_clock(struct weir_timer *timer)
{
	struct clock *c = (struct clock *)timer;
	struct weir_context *ctx = c->relay->ctx;
	uint64_t now = weir_context_now(ctx);
	uint64_t stalled = look(c, now);
	uint64_t next = WEIR_NEVER;
	int why = 0;

	check(stalled, c->stall_ns, now, &next, &why, WEIR_ESTALL);
	if (c->lingering != WEIR_NEVER)
		check(later(c->active, c->lingering), c->linger_ns, now, &next, &why, WEIR_ELINGER);
	check(c->active, c->idle_ns, now, &next, &why, WEIR_EIDLE);
	if (now >= c->total)
		why = WEIR_ETIMELIMIT;
	else if (c->total < next)
		next = c->total;
	if (why)
		stop_all(c->relay, why);
	else if (next != WEIR_NEVER)
		weir_timer_set(ctx, timer, next);
}

/* Only one direction is left. */
static void begin_lingering(struct weir_relay *r)
{
	struct clock *c = r->clock;

	if (!c)
		return;
	c->lingering = weir_context_now(r->ctx);
	if (c->linger_ns && !r->stopped)
		run_clock(&c->timer);
}

static void stop_clock(struct weir_relay *r)
{
	if (r->clock)
		weir_timer_cancel(r->ctx, &r->clock->timer);
}

/* One for the limits in `options`, if there are some. */
static int make_clock(struct weir_relay *r, const struct weir_relay_options *options)
{
	uint64_t now = weir_context_now(r->ctx);
	struct clock *c;

	if (!options->idle_ns && !options->linger_ns && !options->stall_ns && !options->total_ns)
		return 0;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->timer.run = run_clock;
	c->relay = r;
	c->idle_ns = options->idle_ns;
	c->linger_ns = options->linger_ns;
	c->stall_ns = options->stall_ns;
	c->total = options->total_ns ? weir__due(now, options->total_ns) : WEIR_NEVER;
	c->active = now;
	c->lingering = WEIR_NEVER;
	r->clock = c;
	return 0;
}

/* ---- the end ---- */

static void get_outcome(const struct weir_relay *r, const struct way *w, struct weir_outcome *out)
{
	weir_join_outcome(w->join, out);
	if (w->cut) {
		out->end = WEIR_STOPPED;
		out->cause = r->stopped;
	}
}

/* Stopping one direction may cut the connection that the other one reads, before that is
 * stopped in its turn: it was stopped all the same. */
static bool is_cut(const struct weir_relay *r, const struct weir_outcome *outcome)
{
	return r->stopped && outcome->end == WEIR_SOURCE_FAILED && outcome->cause == -ECONNABORTED;
}

static void on_way_done(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	struct weir_relay *r = arg;
	struct way *w = &r->ways[join == r->ways[TO_LEFT].join];
	struct weir_outcome to_right, to_left;

	w->over = true;
	w->cut = is_cut(r, outcome);
	if (!r->ways[TO_RIGHT].over || !r->ways[TO_LEFT].over) {
		begin_lingering(r);
		return;
	}
	stop_clock(r);
	if (!r->on_done)
		return;
	get_outcome(r, &r->ways[TO_RIGHT], &to_right);
	get_outcome(r, &r->ways[TO_LEFT], &to_left);
	r->on_done(r, &to_right, &to_left, r->arg);
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
	static const struct weir_relay_options defaults;
	struct weir_join_options each = {.on_done = on_way_done};
	struct weir_relay *r;
	int rc;

	if (is_busy(&left) || is_busy(&right))
		return WEIR_EBUSY;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	if (!options)
		options = &defaults;
	r->ctx = ctx;
	r->on_done = options->on_done;
	r->arg = options->arg;
	each.arg = r;
	each.paths = options->paths;
	rc = make_clock(r, options);
	if (rc < 0)
		goto fail_first;
	rc = weir_join_create(ctx, left.source, right.sink, &each, &r->ways[TO_RIGHT].join);
	if (rc < 0)
		goto fail_first;
	rc = weir_join_create(ctx, right.source, left.sink, &each, &r->ways[TO_LEFT].join);
	if (rc < 0)
		goto fail_second;
	if (r->clock)
		run_clock(&r->clock->timer);
	*out = r;
	return 0;
fail_second:
	weir_join_destroy(r->ways[TO_RIGHT].join);
fail_first:
	free(r->clock);
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
	stop_clock(relay);
	weir_join_destroy(relay->ways[TO_RIGHT].join);
	weir_join_destroy(relay->ways[TO_LEFT].join);
	free(relay->clock);
	free(relay);
}
