/* SPDX-License-Identifier: MIT */
/*
 * What must have happened a turn later.  The consumer drains unseen, so a timer looks whether
 * a producer that waits has a claim to be asked; if it has, and two turns later still has (the
 * consumer's own task may come behind ours in the first), that is a breach.
 */
#include "guard_priv.h"

/* Looks of the timer, each after twice the time. */
#define LOOKS 20

#define BY_CONSUMER(g, rule, before, is, ...)                                                      \
	weir__guard_holds(g, rule, WEIR_GUARD_CONSUMER, before, is, __VA_ARGS__)

/* A producer that waits to be asked. */
static bool waits(const struct weir_guard *g)
{
	return g->standing == REGISTERED &&
	       (g->mode == WEIR_PUSH ? g->paused : !g->parked || g->woken);
}

/* A producer that the consumer holds for nothing. */
static bool is_due(const struct weir_guard *g)
{
	struct weir_consumer_state st;

	if (!waits(g) || g->wrap.ended || g->finished || g->failed || !g->wrap.back.consumer)
		return false;
	st = weir__guard_state(g);
	return !st.ended && st.held <= g->options.low && !(st.holds & ~(unsigned)WEIR_HOLD_FULL);
}

static bool is_stop_due(const struct weir_guard *g)
{
	return g->wrap.ended && g->standing == REGISTERED && g->wrap.front.producer;
}

static void look_again(struct weir_guard *g)
{
	uint64_t now = weir_context_now(g->options.ctx);

	if (g->broken || g->timer.armed || g->wait_ns >> LOOKS >= WEIR_NS_PER_MS)
		return;
	weir_timer_set(g->options.ctx, &g->timer, now + g->wait_ns);
	g->wait_ns *= 2;
}

static void judge(struct weir_guard *g)
{
	if (g->due_epoch != g->epoch)
		return;
	if (is_stop_due(g))
		BY_CONSUMER(g, END_2, AT_ENDED, false,
		            "it has ended, and its producer is not stopped");
	else if (is_due(g) && g->due_resumes == g->resumes)
		BY_CONSUMER(g, g->woken ? FLOW_5 : FLOW_4,
		            g->mode == WEIR_PUSH ? AT_PAUSE
		            : g->woken           ? AT_WAKE
		                                 : AT_RESUME,
		            false, "a turn, and a producer that %s is not resumed",
		            g->woken ? "woke it" : "waits");
	if (waits(g))
		look_again(g);
}

static void run_timer(struct weir_timer *timer)
{
	struct weir_guard *g =
		(struct weir_guard *)((char *)timer - offsetof(struct weir_guard, timer));

	if (g->broken)
		return;
	if (is_due(g) || is_stop_due(g)) {
		g->turns = 2;
		g->due_epoch = g->epoch;
		g->due_resumes = g->resumes;
		weir_task_queue(g->options.ctx, &g->task);
	} else if (waits(g)) {
		look_again(g);
	}
}

static void run_task(struct weir_task *task)
{
	struct weir_guard *g =
		(struct weir_guard *)((char *)task - offsetof(struct weir_guard, task));

	if (--g->turns) {
		weir_task_queue(g->options.ctx, &g->task);
		return;
	}
	judge(g);
}

void weir__guard_turn_init(struct weir_guard *g)
{
	g->task.run = run_task;
	g->timer.run = run_timer;
}

void weir__guard_expect(struct weir_guard *g)
{
	if (!g->options.ctx || g->broken)
		return;
	g->wait_ns = WEIR_NS_PER_MS;
	look_again(g);
}

void weir__guard_turn_fini(struct weir_guard *g)
{
	if (!g->options.ctx)
		return;
	weir_timer_cancel(g->options.ctx, &g->timer);
	weir_task_cancel(&g->task);
}
