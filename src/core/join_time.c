/* SPDX-License-Identifier: MIT */
/*
 * One timer for all limits of a join.  It is never set later than the nearest of them, so
 * that what happens all the time (a byte, a pause) has nothing to set: it comes, finds that
 * nothing is due, and is set anew.
 *
 * What a sink hands on is not told, so it is looked at: sixteen times in the time limit.
 */
#include "core/join_time.h"

#include <errno.h>
#include <stdlib.h>

uint64_t weir__due(uint64_t since, uint64_t ns)
{
	return ns < WEIR_NEVER - since ? since + ns : WEIR_NEVER;
}

uint64_t weir__next_look(uint64_t now, uint64_t since, uint64_t ns)
{
	uint64_t look = weir__due(now, ns / WEIR__LOOKS + 1);
	uint64_t due = weir__due(since, ns);

	return look < due ? look : due;
}

uint64_t weir__stall_look(struct weir__stall *stall, const struct weir_join *join, uint64_t now)
{
	uint64_t out;
	bool on = weir__join_stalls(join, &out);

	if (!stall->on || out != stall->out)
		stall->since = now;
	stall->on = on;
	stall->out = out;
	return on ? stall->since : WEIR_NEVER;
}

static void set(struct weir__join_time *t, uint64_t deadline)
{
	if (deadline != WEIR_NEVER && (!t->timer.armed || deadline < t->timer.deadline))
		weir_timer_set(t->ctx, &t->timer, deadline);
}

static void run(struct weir_timer *timer)
{
	struct weir__join_time *t = (struct weir__join_time *)timer;
	uint64_t now = weir_context_now(t->ctx);
	uint64_t idle = WEIR_NEVER, stalled = WEIR_NEVER;

	if (t->idle_ns && weir__join_waits_for_source(t->join))
		idle = weir__due(t->active, t->idle_ns);
	if (t->stall_ns)
		stalled = weir__stall_look(&t->stall, t->join, now);

	if (now >= t->total) {
		weir_join_stop(t->join, WEIR_ETIMELIMIT);
	} else if (now >= idle) {
		weir_join_stop(t->join, WEIR_EIDLE);
	} else if (now >= weir__due(stalled, t->stall_ns)) {
		weir_join_stop(t->join, WEIR_ESTALL);
	} else {
		set(t, t->total);
		set(t, idle);
		if (t->stall_ns)
			set(t, weir__next_look(now, stalled, t->stall_ns));
	}
}

int weir__join_time_create(struct weir_join *join, struct weir_context *ctx,
                           const struct weir_join_options *options, struct weir__join_time **out)
{
	struct weir__join_time *t = calloc(1, sizeof(*t));
	uint64_t now = weir_context_now(ctx);

	if (!t)
		return -ENOMEM;
	t->timer.run = run;
	t->join = join;
	t->ctx = ctx;
	t->idle_ns = options->idle_ns;
	t->stall_ns = options->stall_ns;
	t->total = options->total_ns ? weir__due(now, options->total_ns) : WEIR_NEVER;
	*out = t;
	set(t, t->total);
	if (t->stall_ns)
		set(t, weir__next_look(now, WEIR_NEVER, t->stall_ns));
	return 0;
}

void weir__join_time_destroy(struct weir__join_time *t)
{
	if (!t)
		return;
	weir__join_time_ends(t);
	free(t);
}

void weir__join_time_begins(struct weir__join_time *t)
{
	weir__join_time_moved(t);
	if (t->idle_ns)
		set(t, weir__due(t->active, t->idle_ns));
}

void weir__join_time_ends(struct weir__join_time *t)
{
	weir_timer_cancel(t->ctx, &t->timer);
}
