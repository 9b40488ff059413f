/* SPDX-License-Identifier: MIT */
/* Turns, tasks and timers; the heap against a plain array. */
#include "core_fixture.h"

/* --- tasks ---------------------------------------------------------------- */

struct job {
	struct weir_task task; /* first */
	struct world *w;
	unsigned runs;
	unsigned turn; /* the order in which it last ran */
	bool again;    /* queue itself when run */
	struct weir_task *cancels, *queues;
};

static unsigned order;

static void job_run(struct weir_task *task)
{
	struct job *j = (struct job *)task;

	j->runs++;
	j->turn = ++order;
	if (j->again)
		weir_task_queue(&j->w->ctx, &j->task);
	if (j->cancels)
		weir_task_cancel(j->cancels);
	if (j->queues)
		weir_task_queue(&j->w->ctx, j->queues);
}

static struct job job(struct world *w)
{
	return (struct job){.task = {.run = job_run}, .w = w};
}

static void test_tasks_run_once_in_the_order_queued(void **state)
{
	struct world w;
	struct job a, b, c;

	(void)state;
	world_open(&w, 1 << 20);
	a = job(&w);
	b = job(&w);
	c = job(&w);
	assert_int_equal(weir_context_next(&w.ctx), WEIR_NEVER);
	weir_task_queue(&w.ctx, &b.task);
	weir_task_queue(&w.ctx, &a.task);
	weir_task_queue(&w.ctx, &b.task); /* queued already */
	weir_task_queue(&w.ctx, &c.task);
	assert_int_equal(weir_context_next(&w.ctx), 0);
	weir_context_run(&w.ctx);
	assert_int_equal(a.runs, 1);
	assert_int_equal(b.runs, 1);
	assert_int_equal(c.runs, 1);
	assert_true(b.turn < a.turn && a.turn < c.turn);
	weir_context_run(&w.ctx);
	assert_int_equal(a.runs, 1);
	world_close(&w);
}

static void test_a_task_that_is_queued_by_a_task_runs_in_the_next_turn(void **state)
{
	struct world w;
	struct job a, b;
	uint64_t turn;

	(void)state;
	world_open(&w, 1 << 20);
	a = job(&w);
	b = job(&w);
	a.again = true;
	a.queues = &b.task;
	weir_task_queue(&w.ctx, &a.task);
	turn = w.ctx.turn;
	weir_context_run(&w.ctx);
	assert_int_equal(w.ctx.turn, turn + 1);
	assert_int_equal(a.runs, 1);
	assert_int_equal(b.runs, 0);
	assert_int_equal(weir_context_next(&w.ctx), 0);
	a.again = false;
	a.queues = NULL;
	weir_context_run(&w.ctx);
	assert_int_equal(a.runs, 2);
	assert_int_equal(b.runs, 1);
	world_close(&w);
}

static void test_a_task_may_cancel_one_that_is_due_in_the_same_turn(void **state)
{
	struct world w;
	struct job a, b, c;

	(void)state;
	world_open(&w, 1 << 20);
	a = job(&w);
	b = job(&w);
	c = job(&w);
	a.cancels = &b.task;
	c.cancels = &a.task; /* has run: nothing to cancel */
	weir_task_queue(&w.ctx, &a.task);
	weir_task_queue(&w.ctx, &b.task);
	weir_task_queue(&w.ctx, &c.task);
	weir_context_run(&w.ctx);
	assert_int_equal(a.runs, 1);
	assert_int_equal(b.runs, 0);
	assert_int_equal(c.runs, 1);
	weir_task_cancel(&b.task);
	weir_task_queue(&w.ctx, &b.task);
	weir_task_cancel(&b.task);
	assert_int_equal(weir_context_next(&w.ctx), WEIR_NEVER);
	weir_context_run(&w.ctx);
	assert_int_equal(b.runs, 0);
	world_close(&w);
}

static void test_a_task_cancelled_and_queued_again_in_a_turn_runs_in_the_next(void **state)
{
	struct world w;
	struct job a, b;

	(void)state;
	world_open(&w, 1 << 20);
	a = job(&w);
	b = job(&w);
	a.cancels = &b.task;
	a.queues = &b.task;
	weir_task_queue(&w.ctx, &a.task);
	weir_task_queue(&w.ctx, &b.task);
	weir_context_run(&w.ctx);
	assert_int_equal(b.runs, 0);
	weir_context_run(&w.ctx);
	assert_int_equal(b.runs, 1);
	world_close(&w);
}

static void test_the_loop_is_woken_for_the_first_task_from_outside_only(void **state)
{
	struct world w;
	struct job a, b;

	(void)state;
	world_open(&w, 1 << 20);
	a = job(&w);
	b = job(&w);
	a.queues = &b.task;
	weir_task_queue(&w.ctx, &a.task);
	assert_int_equal(w.wakes, 1);
	weir_context_run(&w.ctx);
	assert_int_equal(w.wakes, 1); /* whoever runs it asks weir_context_next() */
	assert_int_equal(weir_context_next(&w.ctx), 0);
	weir_context_run(&w.ctx);
	assert_int_equal(b.runs, 1);
	world_close(&w);
}

/* --- timers ----------------------------------------------------------------- */

#define ALARMS 48

struct alarm {
	struct weir_timer timer; /* first */
	struct world *w;
	unsigned runs;
	bool armed;        /* by the model */
	uint64_t deadline; /* by the model */
	uint64_t ran_at, ran_deadline;
	struct alarm *cancels;
	uint64_t again; /* set itself to now + this; 0: not */
};

static uint64_t last_deadline;
static bool misfired;

static void alarm_run(struct weir_timer *timer)
{
	struct alarm *a = (struct alarm *)timer;

	a->runs++;
	if (!a->armed || a->deadline > a->w->now || a->deadline < last_deadline || timer->armed)
		misfired = true;
	last_deadline = a->deadline;
	a->armed = false;
	if (a->cancels) {
		weir_timer_cancel(&a->w->ctx, &a->cancels->timer);
		a->cancels->armed = false;
	}
	if (a->again) {
		a->deadline = a->w->now + a->again;
		a->armed = true;
		weir_timer_set(&a->w->ctx, &a->timer, a->deadline);
	}
}

static struct alarm alarm_new(struct world *w)
{
	return (struct alarm){.timer = {.run = alarm_run}, .w = w};
}

static void alarm_set(struct alarm *a, uint64_t deadline)
{
	a->armed = true;
	a->deadline = deadline;
	weir_timer_set(&a->w->ctx, &a->timer, deadline);
}

static void run_due(struct world *w)
{
	last_deadline = 0;
	weir_context_run(&w->ctx);
	assert_false(misfired);
}

static void test_a_timer_runs_once_at_its_deadline_not_before(void **state)
{
	struct world w;
	struct alarm a;

	(void)state;
	world_open(&w, 1 << 20);
	a = alarm_new(&w);
	alarm_set(&a, 5000);
	assert_int_equal(weir_context_next(&w.ctx), 5000);
	w.now = 4999;
	run_due(&w);
	assert_int_equal(a.runs, 0);
	w.now = 5000;
	run_due(&w);
	assert_int_equal(a.runs, 1);
	w.now = 9000;
	run_due(&w);
	assert_int_equal(a.runs, 1);
	assert_int_equal(weir_context_next(&w.ctx), WEIR_NEVER);
	world_close(&w);
}

static void test_a_timer_that_is_set_for_never_does_not_run(void **state)
{
	struct world w;
	struct alarm a;

	(void)state;
	world_open(&w, 1 << 20);
	a = alarm_new(&w);
	alarm_set(&a, 5000);
	weir_timer_set(&w.ctx, &a.timer, WEIR_NEVER);
	assert_int_equal(weir_context_next(&w.ctx), WEIR_NEVER);
	w.now = WEIR_NEVER;
	run_due(&w);
	assert_int_equal(a.runs, 0);
	world_close(&w);
}

static void test_a_loop_that_asks_for_itself_need_not_be_woken(void **state)
{
	struct world w;
	struct job a;

	(void)state;
	world_open(&w, 1 << 20);
	w.ctx.on_wake = NULL;
	a = job(&w);
	weir_task_queue(&w.ctx, &a.task);
	assert_int_equal(world_run(&w), 1);
	assert_int_equal(a.runs, 1);
	world_close(&w);
}

static void test_a_timer_that_is_set_again_is_moved_both_ways(void **state)
{
	struct world w;
	struct alarm a;

	(void)state;
	world_open(&w, 1 << 20);
	a = alarm_new(&w);
	alarm_set(&a, 5000);
	alarm_set(&a, 7000);
	assert_int_equal(weir_context_next(&w.ctx), 7000);
	alarm_set(&a, 3000);
	assert_int_equal(weir_context_next(&w.ctx), 3000);
	alarm_set(&a, 6000);
	w.now = 5500;
	run_due(&w);
	assert_int_equal(a.runs, 0);
	w.now = 6000;
	run_due(&w);
	assert_int_equal(a.runs, 1);
	world_close(&w);
}

static void test_a_timer_may_cancel_another_that_is_due_and_set_itself(void **state)
{
	struct world w;
	struct alarm a, b, c;

	(void)state;
	world_open(&w, 1 << 20);
	a = alarm_new(&w);
	b = alarm_new(&w);
	c = alarm_new(&w);
	alarm_set(&a, 2000);
	alarm_set(&b, 2001);
	alarm_set(&c, 2002);
	a.cancels = &b;
	c.cancels = &c;
	c.again = 10;
	w.now = 3000;
	run_due(&w);
	assert_int_equal(a.runs, 1);
	assert_int_equal(b.runs, 0);
	assert_int_equal(c.runs, 1);
	assert_int_equal(weir_context_next(&w.ctx), 3010);
	c.again = 0;
	c.cancels = NULL;
	w.now = 3010;
	run_due(&w);
	assert_int_equal(c.runs, 2);
	weir_timer_cancel(&w.ctx, &c.timer); /* not set: nothing */
	world_close(&w);
}

static void test_a_timer_that_sets_itself_again_runs_once_a_turn(void **state)
{
	struct world w;
	struct alarm a;

	(void)state;
	world_open(&w, 1 << 20);
	a = alarm_new(&w);
	a.again = 1;
	alarm_set(&a, 1000);
	for (unsigned i = 1; i <= 100; i++) {
		run_due(&w);
		assert_int_equal(a.runs, i);
		w.now++;
	}
	a.again = 0;
	run_due(&w);
	world_close(&w);
}

static void test_an_earlier_deadline_from_outside_wakes_the_loop(void **state)
{
	struct world w;
	struct alarm a, b;
	unsigned wakes;

	(void)state;
	world_open(&w, 1 << 20);
	a = alarm_new(&w);
	b = alarm_new(&w);
	alarm_set(&a, 5000);
	assert_int_equal(w.wakes, 1);
	alarm_set(&b, 6000);
	assert_int_equal(w.wakes, 1);
	alarm_set(&b, 4000);
	wakes = w.wakes;
	assert_int_equal(wakes, 2);
	weir_timer_cancel(&w.ctx, &a.timer);
	weir_timer_cancel(&w.ctx, &b.timer);
	world_close(&w);
}

/* What is armed in the model and due at `now` has run, nothing else has. */
static void compare(struct alarm *alarms, const bool *was_due)
{
	uint64_t earliest = WEIR_NEVER;

	for (unsigned i = 0; i < ALARMS; i++) {
		assert_false(was_due[i] && alarms[i].armed);
		assert_int_equal(alarms[i].armed, alarms[i].timer.armed);
		if (alarms[i].armed && alarms[i].deadline < earliest)
			earliest = alarms[i].deadline;
	}
	assert_int_equal(weir_context_next(&alarms[0].w->ctx), earliest);
}

static void test_the_heap_agrees_with_an_array_over_random_operations(void **state)
{
	static struct alarm alarms[ALARMS];
	struct world w;
	uint32_t r = 99;
	bool was_due[ALARMS];

	(void)state;
	world_open(&w, 1 << 20);
	for (unsigned i = 0; i < ALARMS; i++)
		alarms[i] = alarm_new(&w);
	for (unsigned step = 0; step < 50000; step++) {
		struct alarm *a;

		r = r * 1664525 + 1013904223;
		a = &alarms[(r >> 10) % ALARMS];
		memset(was_due, 0, sizeof(was_due));
		if ((r >> 27) < 20) {
			alarm_set(a, w.now + (r >> 16) % 500);
		} else if ((r >> 27) < 26) {
			weir_timer_cancel(&w.ctx, &a->timer);
			a->armed = false;
		} else {
			w.now += (r >> 16) % 200;
			for (unsigned i = 0; i < ALARMS; i++)
				was_due[i] = alarms[i].armed && alarms[i].deadline <= w.now;
			run_due(&w);
		}
		compare(alarms, was_due);
	}
	w.now += 1000;
	run_due(&w);
	for (unsigned i = 0; i < ALARMS; i++)
		assert_false(alarms[i].armed);
	world_close(&w);
}

#define MANY 100000

static void test_a_hundred_thousand_timers_in_the_worst_orders_need_no_deep_stack(void **state)
{
	struct alarm *many = test_calloc(MANY, sizeof(*many));
	struct world w;

	(void)state;
	world_open(&w, 1 << 20);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < MANY; i++) {
			if (!round)
				many[i] = alarm_new(&w);
			alarm_set(&many[i], w.now + (round ? MANY - i : i));
		}
		w.now += MANY + 1;
		run_due(&w);
		for (unsigned i = 0; i < MANY; i++)
			assert_int_equal(many[i].runs, round + 1);
	}
	world_close(&w);
	test_free(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tasks_run_once_in_the_order_queued),
		cmocka_unit_test(test_a_task_that_is_queued_by_a_task_runs_in_the_next_turn),
		cmocka_unit_test(test_a_task_may_cancel_one_that_is_due_in_the_same_turn),
		cmocka_unit_test(test_a_task_cancelled_and_queued_again_in_a_turn_runs_in_the_next),
		cmocka_unit_test(test_the_loop_is_woken_for_the_first_task_from_outside_only),
		cmocka_unit_test(test_a_timer_runs_once_at_its_deadline_not_before),
		cmocka_unit_test(test_a_timer_that_is_set_for_never_does_not_run),
		cmocka_unit_test(test_a_loop_that_asks_for_itself_need_not_be_woken),
		cmocka_unit_test(test_a_timer_that_is_set_again_is_moved_both_ways),
		cmocka_unit_test(test_a_timer_may_cancel_another_that_is_due_and_set_itself),
		cmocka_unit_test(test_a_timer_that_sets_itself_again_runs_once_a_turn),
		cmocka_unit_test(test_an_earlier_deadline_from_outside_wakes_the_loop),
		cmocka_unit_test(test_the_heap_agrees_with_an_array_over_random_operations),
		cmocka_unit_test(
			test_a_hundred_thousand_timers_in_the_worst_orders_need_no_deep_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
