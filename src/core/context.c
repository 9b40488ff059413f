/* SPDX-License-Identifier: MIT */
/*
 * Tasks are a list, timers an intrusive pairing heap: neither allocates, so queueing
 * and setting cannot fail.
 */
#include "weir/context.h"

#include <stddef.h>

static void wake(struct weir_context *ctx)
{
	if (!ctx->running && ctx->on_wake)
		ctx->on_wake(ctx->arg);
}

static void run_credit(struct weir_task *task)
{
	struct weir_context *ctx = (struct weir_context *)((char *)task -
							   offsetof(struct weir_context, credit));

	weir_budget_serve(ctx->pool.budget);
}

static void on_credit(void *arg)
{
	struct weir_context *ctx = arg;

	weir_task_queue(ctx, &ctx->credit);
}

void weir_context_init(struct weir_context *ctx, struct weir_budget *budget,
		       uint64_t (*now)(void *arg), void (*on_wake)(void *arg), void *arg)
{
	*ctx = (struct weir_context){
		.now = now,
		.on_wake = on_wake,
		.arg = arg,
		.quantum = WEIR_QUANTUM_DEFAULT,
		.credit = {.run = run_credit},
	};
	weir_pool_init(&ctx->pool, budget, (size_t)1 << 20);
	ctx->tasks.next = ctx->tasks.prev = &ctx->tasks;
	budget->on_credit = on_credit;
	budget->on_credit_arg = ctx;
}

void weir_context_fini(struct weir_context *ctx)
{
	ctx->pool.budget->on_credit = NULL;
	weir_task_cancel(&ctx->credit);
	weir_pool_fini(&ctx->pool);
}

uint64_t weir_context_now(const struct weir_context *ctx)
{
	return ctx->now(ctx->arg);
}

void weir_task_queue(struct weir_context *ctx, struct weir_task *task)
{
	bool first = ctx->tasks.next == &ctx->tasks;

	if (task->next)
		return;
	task->prev = ctx->tasks.prev;
	task->next = &ctx->tasks;
	task->prev->next = task;
	ctx->tasks.prev = task;
	if (first)
		wake(ctx);
}

void weir_task_cancel(struct weir_task *task)
{
	if (!task->next)
		return;
	task->next->prev = task->prev;
	task->prev->next = task->next;
	task->next = task->prev = NULL;
}

/* Pairing heap.  `prev` is the parent of a first child, else the left sibling. */
static struct weir_timer *meld(struct weir_timer *a, struct weir_timer *b)
{
	if (!a || !b)
		return a ? a : b;
	if (b->deadline < a->deadline) {
		struct weir_timer *t = a;

		a = b;
		b = t;
	}
	b->prev = a;
	b->next = a->child;
	if (a->child)
		a->child->prev = b;
	a->child = b;
	return a;
}

/* The two-pass pairing of a list of siblings, without recursion. */
static struct weir_timer *pair(struct weir_timer *list)
{
	struct weir_timer *pairs = NULL;
	struct weir_timer *root = NULL;

	while (list) {
		struct weir_timer *a = list;
		struct weir_timer *b = a->next;

		list = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			b->next = b->prev = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		struct weir_timer *a = pairs;

		pairs = a->next;
		a->next = a->prev = NULL;
		root = meld(root, a);
	}
	return root;
}

static void timer_remove(struct weir_context *ctx, struct weir_timer *timer)
{
	struct weir_timer *below = pair(timer->child);

	if (timer == ctx->timers) {
		ctx->timers = below;
	} else {
		if (timer->prev->child == timer)
			timer->prev->child = timer->next;
		else
			timer->prev->next = timer->next;
		if (timer->next)
			timer->next->prev = timer->prev;
		ctx->timers = meld(ctx->timers, below);
	}
	timer->child = timer->next = timer->prev = NULL;
	timer->armed = false;
}

void weir_timer_set(struct weir_context *ctx, struct weir_timer *timer, uint64_t deadline)
{
	if (timer->armed)
		timer_remove(ctx, timer);
	if (deadline == WEIR_NEVER)
		return;
	/* One that sets itself for now must not keep its turn for ever. */
	timer->deadline = deadline > ctx->due ? deadline : ctx->due + 1;
	timer->armed = true;
	ctx->timers = meld(ctx->timers, timer);
	if (ctx->timers == timer)
		wake(ctx);
}

void weir_timer_cancel(struct weir_context *ctx, struct weir_timer *timer)
{
	if (timer->armed)
		timer_remove(ctx, timer);
}

static void run_timers(struct weir_context *ctx)
{
	uint64_t now;

	if (!ctx->timers)
		return;
	now = weir_context_now(ctx);
	ctx->due = now;
	while (ctx->timers && ctx->timers->deadline <= now) {
		struct weir_timer *timer = ctx->timers;

		timer_remove(ctx, timer);
		timer->run(timer);
	}
	ctx->due = 0;
}

/* The queued tasks move to a list of their own, so that what they queue comes later
 * and one that cancels its neighbour, or frees it, is safe. */
static void run_tasks(struct weir_context *ctx)
{
	struct weir_task now;

	if (ctx->tasks.next == &ctx->tasks)
		return;
	now.next = ctx->tasks.next;
	now.prev = ctx->tasks.prev;
	now.next->prev = &now;
	now.prev->next = &now;
	ctx->tasks.next = ctx->tasks.prev = &ctx->tasks;
	while (now.next != &now) {
		struct weir_task *task = now.next;

		weir_task_cancel(task);
		task->run(task);
	}
}

void weir_context_run(struct weir_context *ctx)
{
	ctx->turn++;
	ctx->running = true;
	run_tasks(ctx);
	run_timers(ctx);
	ctx->running = false;
}

uint64_t weir_context_next(const struct weir_context *ctx)
{
	if (ctx->tasks.next != &ctx->tasks)
		return 0;
	return ctx->timers ? ctx->timers->deadline : WEIR_NEVER;
}
