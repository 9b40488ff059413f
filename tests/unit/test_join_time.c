/* SPDX-License-Identifier: MIT */
/* TIME-1 of a join: the idle, the stall and the total time are three, and each is exact
 * about what counts. */
#include "core_fixture.h"

#include <errno.h>

#include "fail_alloc.h"
#include "weir/join.h"
#include "weir/throttle.h"

#define HIGH  1000
#define LOW   200
#define LIMIT 3000

#define NS   ((uint64_t)16000) /* a time limit; a look comes each NS / 16 + 1 */
#define LATE (NS / 16 + 2)

struct rig {
	struct world w;
	struct sink s;
	struct source p;
	struct weir_join *join;
	struct weir_join_options options;
	unsigned dones;
	uint64_t done_at;
	struct weir_outcome outcome;
};

static void on_done(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	struct rig *t = arg;

	(void)join;
	t->dones++;
	t->done_at = t->w.now;
	t->outcome = *outcome;
}

static int setup(void **state)
{
	struct rig *t = test_calloc(1, sizeof(*t));

	world_open(&t->w, (size_t)16 << 20);
	sink_open(&t->s, &t->w);
	assert_int_equal(weir_valve_set_marks(&t->s.v, HIGH, LOW, LIMIT), 0);
	source_open(&t->p, WEIR_PUSH);
	t->options.on_done = on_done;
	t->options.arg = t;
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct rig *t = *state;

	weir_join_destroy(t->join);
	assert_false(t->p.broken);
	assert_false(t->s.garbled);
	weir_valve_fini(&t->s.v);
	world_run(&t->w);
	world_close(&t->w);
	test_free(t);
	return 0;
}

static int create(struct rig *t)
{
	int rc = weir_join_create(&t->w.ctx, &t->p.base, &t->s.v.base, &t->options, &t->join);

	world_run(&t->w);
	return rc;
}

static void pass(struct rig *t, uint64_t ns)
{
	world_pass(&t->w, ns);
	world_run(&t->w);
}

static void take(struct rig *t, size_t n)
{
	sink_take(&t->s, n);
	world_run(&t->w);
}

static void write_all(struct rig *t, size_t len)
{
	assert_int_equal(source_write(&t->p, len), 0);
	world_run(&t->w);
}

/* The limit was over `ns` after `since`, and was told no earlier and hardly later. */
static void assert_over(struct rig *t, int cause, uint64_t since, uint64_t ns, uint64_t late)
{
	pass(t, 2 * NS);
	assert_int_equal(t->dones, 1);
	assert_int_equal(t->outcome.end, WEIR_STOPPED);
	assert_int_equal(t->outcome.cause, cause);
	assert_in_range(t->done_at - since, ns, ns + late);
	assert_int_equal(t->s.end_why, cause);
}

/* ---- the stall ------------------------------------------------------------------------- */

static void test_a_sink_that_keeps_a_byte_and_hands_nothing_on_stalls(void **state)
{
	struct rig *t = *state;
	uint64_t began;

	t->options.stall_ns = NS;
	t->s.window = 0;
	assert_int_equal(create(t), 0);
	pass(t, 5 * NS + 3); /* it has nothing to hand on yet */
	assert_int_equal(t->dones, 0);
	began = t->w.now;
	write_all(t, 1);
	pass(t, NS - 1);
	assert_int_equal(t->dones, 0);
	assert_over(t, WEIR_ESTALL, began, NS, LATE);
	assert_int_equal(t->p.stop_why, WEIR_ESTALL);
	assert_int_equal(t->outcome.dropped, 1);
}

static void test_a_full_sink_stalls_however_much_the_source_waits(void **state)
{
	struct rig *t = *state;

	t->options.stall_ns = NS;
	t->options.idle_ns = NS / 4;
	t->s.window = 300;
	assert_int_equal(create(t), 0);
	write_all(t, 2000);
	assert_true(t->p.paused);
	assert_over(t, WEIR_ESTALL, t->w.now, NS, LATE);
	assert_int_equal(t->outcome.offset, 300);
}

static void test_a_sink_that_holds_the_source_back_stalls_also_with_no_bytes(void **state)
{
	struct rig *t = *state;

	t->options.stall_ns = NS;
	assert_int_equal(create(t), 0);
	pass(t, 3 * NS);
	weir_valve_hold(&t->s.v, WEIR_HOLD_BEHIND);
	assert_over(t, WEIR_ESTALL, t->w.now, NS, LATE);
}

static void test_each_byte_that_a_sink_hands_on_starts_the_stall_time_anew(void **state)
{
	struct rig *t = *state;

	t->options.stall_ns = NS;
	t->s.window = 0;
	assert_int_equal(create(t), 0);
	write_all(t, 900);
	for (int i = 0; i < 50; i++) {
		pass(t, NS - 1);
		assert_int_equal(t->dones, 0);
		take(t, 1);
	}
	assert_over(t, WEIR_ESTALL, t->w.now, NS, LATE);
	assert_int_equal(t->outcome.offset, 50);
}

static void test_a_stall_begins_with_the_bytes_not_with_the_last_look(void **state)
{
	struct rig *t = *state;
	uint64_t began;

	t->options.stall_ns = NS;
	assert_int_equal(create(t), 0);
	/* At every place between two looks. */
	for (int i = 0; i < 40; i++) {
		pass(t, NS / 16 + 27);
		t->s.window = 0;
		write_all(t, 10);
		pass(t, NS - 1);
		assert_int_equal(t->dones, 0);
		take(t, SIZE_MAX);
	}
	began = t->w.now;
	t->s.window = 0;
	write_all(t, 10);
	assert_over(t, WEIR_ESTALL, began, NS, LATE);
}

static void test_a_sink_stalls_also_after_the_sources_end(void **state)
{
	struct rig *t = *state;
	uint64_t began;

	t->options.stall_ns = NS;
	t->s.window = 4;
	assert_int_equal(create(t), 0);
	write_all(t, 10);
	began = t->w.now;
	weir_producer_end(&t->p.base, 0);
	assert_over(t, WEIR_ESTALL, began, NS, LATE);
	assert_int_equal(t->outcome.offset, 4);
	assert_int_equal(t->outcome.dropped, 6);
	assert_int_equal(t->p.stops, 0);
}

static void test_a_sink_with_nothing_to_hand_on_does_not_stall(void **state)
{
	struct rig *t = *state;

	t->options.stall_ns = NS;
	t->s.holds_end = true;
	assert_int_equal(create(t), 0);
	write_all(t, 10);
	pass(t, 10 * NS); /* the source is slow */
	weir_producer_end(&t->p.base, 0);
	pass(t, 10 * NS); /* the sink has all and makes its end known */
	assert_int_equal(t->dones, 0);
	weir_valve_done(&t->s.v, 0);
	pass(t, 1);
	assert_int_equal(t->outcome.end, WEIR_FINISHED);
}

static void test_a_pull_source_that_a_full_sink_does_not_ask_waits_for_a_stalled_sink(void **state)
{
	struct rig *t = *state;

	t->options.stall_ns = NS;
	t->options.idle_ns = NS / 4;
	source_open(&t->p, WEIR_PULL);
	t->s.window = 0;
	assert_int_equal(create(t), 0);
	write_all(t, 1500);
	assert_over(t, WEIR_ESTALL, t->w.now, NS, LATE);
}

/* ---- who holds the source ----------------------------------------------------------------- */

static void test_what_the_user_holds_does_not_stall(void **state)
{
	struct rig *t = *state;

	t->options.stall_ns = NS;
	t->s.window = 0;
	assert_int_equal(create(t), 0);
	write_all(t, 10);
	pass(t, NS / 2);
	weir_join_pause(t->join);
	pass(t, 10 * NS);
	assert_int_equal(t->dones, 0);
	weir_join_resume(t->join);
	weir_valve_hold(&t->s.v, WEIR_HOLD_USER);
	pass(t, 10 * NS);
	assert_int_equal(t->dones, 0);
	weir_valve_release(&t->s.v, WEIR_HOLD_USER);
	assert_over(t, WEIR_ESTALL, t->w.now, NS, LATE);
}

static void test_what_the_budget_holds_does_not_stall(void **state)
{
	struct rig *t = *state;
	size_t others;

	t->options.stall_ns = NS;
	t->s.window = 0;
	assert_int_equal(weir_valve_set_marks(&t->s.v, 50000, 0, 100000), 0);
	assert_int_equal(create(t), 0);
	write_all(t, 10);
	others = weir_budget_room(&t->w.budget);
	assert_true(weir_budget_charge(&t->w.budget, others));
	assert_int_equal(source_write(&t->p, 20000), WEIR_EFULL);
	assert_true(t->s.v.holds & WEIR_HOLD_BUDGET);
	pass(t, 10 * NS);
	assert_int_equal(t->dones, 0);
	weir_budget_credit(&t->w.budget, others);
	world_run(&t->w);
	assert_false(t->s.v.holds);
	assert_over(t, WEIR_ESTALL, t->w.now, NS, LATE);
}

static void test_what_a_rate_limit_holds_does_not_stall_but_the_sink_behind_it_does(void **state)
{
	struct rig *t = *state;
	struct weir_throttle *throttle;
	struct weir_rate rate = {.bytes_per_s = 1000, .burst = 10};
	uint64_t began;

	t->options.stall_ns = NS; /* 16 us; a byte comes each ms */
	assert_int_equal(weir_throttle_create(&t->w.ctx, rate, NULL, &throttle), 0);
	assert_int_equal(
		weir_consumer_register(&t->s.v.base, weir_throttle_source(throttle), WEIR_PUSH), 0);
	assert_int_equal(weir_join_create(&t->w.ctx, &t->p.base, weir_throttle_sink(throttle),
	                                  &t->options, &t->join),
	                 0);
	world_run(&t->w);
	write_all(t, 30);
	pass(t, 100 * WEIR_NS_PER_MS);
	assert_int_equal(t->dones, 0);
	assert_int_equal(t->s.got, 30);
	t->s.window = 0;
	began = t->w.now;
	write_all(t, 5);
	assert_over(t, WEIR_ESTALL, began, NS, LATE);
	weir_join_destroy(t->join);
	t->join = NULL;
	weir_throttle_destroy(throttle);
}

/* ---- the three are three -------------------------------------------------------------------- */

static void test_the_total_time_ends_what_moves_and_to_the_nanosecond(void **state)
{
	struct rig *t = *state;
	uint64_t began = t->w.now;

	t->options.total_ns = 3 * NS + 7;
	t->options.idle_ns = t->options.stall_ns = NS;
	assert_int_equal(create(t), 0);
	for (int i = 0; i < 300; i++) {
		pass(t, NS / 100);
		write_all(t, 1);
	}
	assert_int_equal(t->dones, 0);
	assert_over(t, WEIR_ETIMELIMIT, began, 3 * NS + 7, 0);
	assert_int_equal(t->outcome.in, 300);
}

static void test_no_hold_stops_the_total_time(void **state)
{
	struct rig *t = *state;
	uint64_t began = t->w.now;

	t->options.total_ns = NS;
	assert_int_equal(create(t), 0);
	weir_join_pause(t->join);
	assert_over(t, WEIR_ETIMELIMIT, began, NS, 0);
}

static void test_the_total_time_counts_until_the_end_is_known(void **state)
{
	struct rig *t = *state;
	uint64_t began = t->w.now;

	t->options.total_ns = NS;
	t->s.holds_end = true;
	assert_int_equal(create(t), 0);
	write_all(t, 10);
	weir_producer_end(&t->p.base, 0);
	pass(t, NS * 2);
	assert_int_equal(t->dones, 1);
	assert_int_equal(t->outcome.cause, WEIR_ETIMELIMIT);
	assert_int_equal(t->outcome.offset, 10);
	assert_int_equal(t->done_at - began, NS);
}

static void test_a_stalled_sink_is_not_an_idle_source_nor_the_reverse(void **state)
{
	struct rig *t = *state;
	uint64_t began;

	/* The stall time is the shorter one, and the sink has nothing: the source is idle. */
	t->options.stall_ns = NS / 8;
	t->options.idle_ns = NS;
	assert_int_equal(create(t), 0);
	write_all(t, 10);
	began = t->w.now;
	assert_over(t, WEIR_EIDLE, began, NS, 0);
}

static void test_idle_time_begins_anew_when_a_stalled_sink_lets_go(void **state)
{
	struct rig *t = *state;

	t->options.stall_ns = 4 * NS;
	t->options.idle_ns = NS;
	t->s.window = 0;
	assert_int_equal(create(t), 0);
	write_all(t, HIGH);
	pass(t, 3 * NS);
	take(t, SIZE_MAX);
	assert_int_equal(t->dones, 0);
	assert_over(t, WEIR_EIDLE, t->w.now, NS, 0);
}

static void test_limits_beyond_all_clocks_are_never(void **state)
{
	struct rig *t = *state;

	t->options.stall_ns = t->options.idle_ns = t->options.total_ns = UINT64_MAX;
	t->s.window = 0;
	assert_int_equal(create(t), 0);
	write_all(t, HIGH);
	pass(t, (uint64_t)1 << 60);
	take(t, SIZE_MAX);
	pass(t, (uint64_t)1 << 61);
	assert_int_equal(t->dones, 0);
}

static void test_a_join_that_has_ended_has_no_timer(void **state)
{
	struct rig *t = *state;

	t->options.stall_ns = t->options.idle_ns = t->options.total_ns = NS;
	assert_int_equal(create(t), 0);
	assert_true(weir_context_next(&t->w.ctx) < WEIR_NEVER);
	write_all(t, 10);
	weir_producer_end(&t->p.base, 0);
	world_run(&t->w);
	assert_int_equal(t->outcome.end, WEIR_FINISHED);
	assert_int_equal(weir_context_next(&t->w.ctx), WEIR_NEVER);
}

static void test_without_memory_for_the_limits_nothing_has_begun(void **state)
{
	struct rig *t = *state;
	unsigned failed = 0;
	int rc;

	t->options.total_ns = NS;
	for (long n = 1;; n++) {
		weir_test_fail_alloc_after(n);
		rc = weir_join_create(&t->w.ctx, &t->p.base, &t->s.v.base, &t->options, &t->join);
		weir_test_fail_alloc_after(-1);
		if (rc == 0)
			break;
		assert_int_equal(rc, -ENOMEM);
		assert_null(t->p.base.consumer);
		assert_null(weir_consumer_producer(&t->s.v.base));
		assert_int_equal(weir_context_next(&t->w.ctx), WEIR_NEVER);
		failed++;
	}
	assert_true(failed >= 2); /* the join, and its limits */
}

#define JOIN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		JOIN(test_a_sink_that_keeps_a_byte_and_hands_nothing_on_stalls),
		JOIN(test_a_full_sink_stalls_however_much_the_source_waits),
		JOIN(test_a_sink_that_holds_the_source_back_stalls_also_with_no_bytes),
		JOIN(test_each_byte_that_a_sink_hands_on_starts_the_stall_time_anew),
		JOIN(test_a_stall_begins_with_the_bytes_not_with_the_last_look),
		JOIN(test_a_sink_stalls_also_after_the_sources_end),
		JOIN(test_a_sink_with_nothing_to_hand_on_does_not_stall),
		JOIN(test_a_pull_source_that_a_full_sink_does_not_ask_waits_for_a_stalled_sink),
		JOIN(test_what_the_user_holds_does_not_stall),
		JOIN(test_what_the_budget_holds_does_not_stall),
		JOIN(test_what_a_rate_limit_holds_does_not_stall_but_the_sink_behind_it_does),
		JOIN(test_the_total_time_ends_what_moves_and_to_the_nanosecond),
		JOIN(test_no_hold_stops_the_total_time),
		JOIN(test_the_total_time_counts_until_the_end_is_known),
		JOIN(test_a_stalled_sink_is_not_an_idle_source_nor_the_reverse),
		JOIN(test_idle_time_begins_anew_when_a_stalled_sink_lets_go),
		JOIN(test_limits_beyond_all_clocks_are_never),
		JOIN(test_a_join_that_has_ended_has_no_timer),
		JOIN(test_without_memory_for_the_limits_nothing_has_begun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
