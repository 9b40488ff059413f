/* SPDX-License-Identifier: MIT */
/* Between pull and push: a proxy with a side of each kind. */
#include "between_fixture.h"

#include <errno.h>

#include "weir/proxy.h"

#define MILLION 1000000

struct rig {
	struct world w;
	struct weir_proxy *proxy;
	struct tap tap;
	struct sink sink;
};

static struct weir_consumer *front(struct rig *r)
{
	return weir_proxy_sink(r->proxy);
}

/* The producer is registered; the consumer will be by start(). */
static void open_rig(struct rig *r, enum weir_mode source, uint64_t left, size_t chunk)
{
	*r = (struct rig){0};
	world_open(&r->w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(weir_proxy_create(&r->w.ctx, NULL, &r->proxy), 0);
	sink_open(&r->sink, &r->w);
	tap_open(&r->tap, &r->w, source, left, chunk);
	tap_join(&r->tap, front(r));
}

static void start(struct rig *r, enum weir_mode sink)
{
	assert_int_equal(weir_consumer_register(&r->sink.v.base, weir_proxy_source(r->proxy), sink),
			 0);
}

static void finish_and_close(struct rig *r)
{
	uint64_t given = r->tap.base.given;

	weir_producer_end(&r->tap.base.base, 0);
	world_run(&r->w);
	assert_int_equal(r->sink.got, given);
	assert_int_equal(r->sink.on_ends, 1);
	assert_int_equal(r->sink.on_end_why, 0);
	assert_false(r->tap.base.broken);
	assert_false(r->sink.garbled);
	assert_int_equal(state_of(front(r)).out, given);
	weir_proxy_destroy(r->proxy);
	weir_valve_fini(&r->sink.v);
	world_close(&r->w);
}

/* ---- pull to push ---- */

static void test_pull_producer_is_asked_until_the_push_consumer_pauses(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, WEIR_PULL, 100000, 1000);
	r.sink.window = 10000;
	assert_int_equal(weir_valve_set_marks(&r.sink.v, 5000, 1000, 6000), 0);
	start(&r, WEIR_PUSH);
	world_run(&r.w);
	assert_int_equal(r.sink.got, 10000);
	assert_int_equal(weir_valve_held(&r.sink.v), 5000);
	assert_int_equal(r.tap.base.resumes, 15);
	world_run(&r.w);
	assert_int_equal(r.tap.base.resumes, 15);
	sink_take(&r.sink, SIZE_MAX);
	world_run(&r.w);
	assert_int_equal(r.sink.got, 100000);
	assert_int_equal(r.tap.base.resumes, 101); /* the last one got "nothing yet" */
	finish_and_close(&r);
}

static void test_pause_is_a_boolean(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, WEIR_PULL, 10000, 1000);
	start(&r, WEIR_PUSH);
	weir_producer_pause(weir_proxy_source(r.proxy));
	weir_producer_pause(weir_proxy_source(r.proxy));
	world_run(&r.w);
	assert_int_equal(r.tap.base.resumes, 0);
	weir_producer_resume(weir_proxy_source(r.proxy));
	world_run(&r.w);
	assert_int_equal(r.sink.got, 10000);
	finish_and_close(&r);
}

static void test_no_more_than_a_quantum_is_pulled_in_a_turn(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, WEIR_PULL, 100000, 300);
	start(&r, WEIR_PUSH);
	r.w.ctx.quantum = 1000;
	for (unsigned turn = 1; turn <= 20; turn++) {
		uint64_t before = r.sink.got;

		weir_context_run(&r.w.ctx);
		assert_int_equal(r.sink.got - before, 1200); /* it ends with a whole chunk */
	}
	world_run(&r.w);
	assert_int_equal(r.sink.got, 100000);
	finish_and_close(&r);
}

static void test_nothing_yet_parks_and_does_not_spin(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, WEIR_PULL, 5000, 1000);
	start(&r, WEIR_PUSH);
	r.tap.lazy = true;
	assert_in_range(world_run(&r.w), 1, 3);
	assert_int_equal(r.tap.base.resumes, 1);
	assert_int_equal(weir_context_next(&r.w.ctx), WEIR_NEVER);
	tap_wake(&r.tap);
	assert_int_equal(r.tap.base.resumes, 1);
	world_run(&r.w);
	assert_int_equal(r.sink.got, 5000);
	finish_and_close(&r);
}

static void fail_at_third(struct source *p)
{
	if (p->resumes == 3)
		weir_producer_end(&p->base, -EIO);
	else
		tap_on_resume(p);
}

static void test_failure_of_the_pull_producer_is_that_of_the_stream(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, WEIR_PULL, 10000, 1000);
	start(&r, WEIR_PUSH);
	r.tap.base.on_resume = fail_at_third;
	world_run(&r.w);
	assert_int_equal(r.tap.base.resumes, 3);
	assert_int_equal(r.tap.base.stops, 0);
	assert_int_equal(r.sink.got, 2000);
	assert_int_equal(r.sink.on_ends, 1);
	assert_int_equal(r.sink.on_end_why, -EIO);
	weir_proxy_destroy(r.proxy);
	world_close(&r.w);
}

static void test_refused_chunk_is_asked_for_again(void **state)
{
	struct weir_block *other;
	struct rig r;

	(void)state;
	open_rig(&r, WEIR_PULL, 9000, 900);
	/* Somebody else has taken all of the budget. */
	weir_budget_set_limit(&r.w.budget, 3 * WEIR_BLOCK_LARGE);
	r.sink.window = 0;
	assert_int_equal(weir_pool_take(&r.w.ctx.pool, WEIR_BLOCK_LARGE, &other), 0);
	start(&r, WEIR_PUSH);
	weir_budget_set_limit(&r.w.budget, r.w.budget.used);
	world_run(&r.w);
	weir_block_unref(other);
	weir_budget_set_limit(&r.w.budget, WEIR_BUDGET_DEFAULT);
	world_run(&r.w);
	sink_take(&r.sink, SIZE_MAX);
	world_run(&r.w);
	assert_int_equal(r.sink.got, 9000);
	finish_and_close(&r);
}

/* ---- push to pull ---- */

static void test_push_producer_runs_for_each_pull_and_is_held_from_its_first_chunk(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, WEIR_PUSH, 100000, 1000);
	r.sink.window = 0;
	assert_int_equal(weir_valve_set_marks(&r.sink.v, 5000, 1000, 6000), 0);
	start(&r, WEIR_PULL);
	world_run(&r.w);
	/* Asked while the sink has no more than its low mark, and one chunk of each. */
	assert_int_equal(weir_valve_held(&r.sink.v), 2000);
	assert_int_equal(r.tap.base.given, 2000);
	assert_true(r.tap.base.paused);
	for (unsigned i = 1; i <= 10; i++) {
		sink_take(&r.sink, 1000);
		world_run(&r.w);
		assert_int_equal(r.tap.base.given, 2000 + 1000 * i);
		assert_int_equal(state_of(front(&r)).held, weir_valve_held(&r.sink.v));
	}
	sink_take(&r.sink, SIZE_MAX);
	world_run(&r.w);
	assert_int_equal(r.sink.got, 100000);
	assert_false(r.tap.base.paused); /* a pull is outstanding */
	finish_and_close(&r);
}

static void test_push_to_pull_holds_one_chunk_more_than_asked_for(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, WEIR_PUSH, 0, 1);
	start(&r, WEIR_PULL);
	world_run(&r.w);
	weir_valve_hold(&r.sink.v, WEIR_HOLD_USER); /* no pull after the one that is outstanding */
	assert_false(r.tap.base.paused);
	assert_int_equal(source_write(&r.tap.base, 700), 0);
	assert_true(r.tap.base.paused);
	assert_int_equal(state_of(front(&r)).held, 700);
	world_run(&r.w);
	assert_int_equal(state_of(front(&r)).held, 700);
	weir_valve_release(&r.sink.v, WEIR_HOLD_USER);
	world_run(&r.w);
	assert_int_equal(r.sink.got, 700);
	finish_and_close(&r);
}

/* ---- a million ---- */

static uintptr_t stack_from, stack_deepest;

static void note_depth(void)
{
	char here;
	uintptr_t at = (uintptr_t)&here;
	uintptr_t depth = at < stack_from ? stack_from - at : at - stack_from;

	if (depth > stack_deepest)
		stack_deepest = depth;
}

static void give_and_note(struct source *p)
{
	note_depth();
	tap_on_resume(p);
}

static void test_a_million_pulls_use_constant_stack_in_every_mix(void **state)
{
	static const enum weir_mode modes[][2] = {
		{WEIR_PULL, WEIR_PUSH}, {WEIR_PULL, WEIR_PULL}, {WEIR_PUSH, WEIR_PULL}};
	uintptr_t few = 0;
	struct rig r;
	char here;

	(void)state;
	stack_from = (uintptr_t)&here;
	for (int i = 0; i < 3; i++) {
		for (uint64_t pulls = 100; pulls <= MILLION; pulls *= MILLION / 100) {
			stack_deepest = 0;
			open_rig(&r, modes[i][0], pulls, 1);
			r.tap.base.on_resume = give_and_note;
			start(&r, modes[i][1]);
			world_run(&r.w);
			assert_int_equal(r.sink.got, pulls);
			assert_true(r.tap.base.resumes >= pulls);
			if (pulls == 100)
				few = stack_deepest;
			assert_true(stack_deepest > 0);
			assert_in_range(stack_deepest, 0, few + 1000);
			finish_and_close(&r);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pull_producer_is_asked_until_the_push_consumer_pauses),
		cmocka_unit_test(test_pause_is_a_boolean),
		cmocka_unit_test(test_no_more_than_a_quantum_is_pulled_in_a_turn),
		cmocka_unit_test(test_nothing_yet_parks_and_does_not_spin),
		cmocka_unit_test(test_failure_of_the_pull_producer_is_that_of_the_stream),
		cmocka_unit_test(test_refused_chunk_is_asked_for_again),
		cmocka_unit_test(test_push_producer_runs_for_each_pull_and_is_held_from_its_first_chunk),
		cmocka_unit_test(test_push_to_pull_holds_one_chunk_more_than_asked_for),
		cmocka_unit_test(test_a_million_pulls_use_constant_stack_in_every_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
