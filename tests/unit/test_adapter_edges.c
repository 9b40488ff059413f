/* SPDX-License-Identifier: MIT */
/* The small adapters without what is optional, and called at the end of their lives. */
#include "between_fixture.h"

#include <errno.h>

#include "weir/err.h"
#include "weir/feeder.h"
#include "weir/receiver.h"
#include "weir/tap.h"

/* ---- tap ---- */

static void count_call(void *arg, const void *data, size_t len)
{
	(void)data;
	(void)len;
	++*(unsigned *)arg;
}

static void test_a_tap_without_a_callback_counts(void **state)
{
	struct weir_chunk borrowed;
	unsigned char bytes[30];
	struct weir_tap *tap;
	struct world w;
	struct sink s;

	(void)state;
	world_open(&w, (size_t)1 << 20);
	sink_open(&s, &w);
	assert_int_equal(weir_tap_create(&s.v.base, NULL, NULL, &tap), 0);
	pattern_fill(bytes, sizeof(bytes), 0);
	assert_int_equal(weir_consumer_write(weir_tap_sink(tap), bytes, 10), 0);
	borrowed = (struct weir_chunk){bytes + 10, 20, NULL};
	assert_int_equal(weir_consumer_give(weir_tap_sink(tap), &borrowed), 0);
	assert_int_equal(weir_tap_count(tap), 30);
	assert_int_equal(s.got, 30);
	assert_false(s.garbled);
	weir_tap_destroy(tap);
	weir_tap_destroy(NULL);
	weir_valve_fini(&s.v);
	world_close(&w);
}

static void test_a_tap_does_not_show_an_empty_write(void **state)
{
	struct weir_tap *tap;
	unsigned calls = 0;
	struct world w;
	struct sink s;

	(void)state;
	world_open(&w, (size_t)1 << 20);
	sink_open(&s, &w);
	assert_int_equal(weir_tap_create(&s.v.base, count_call, &calls, &tap), 0);
	assert_int_equal(weir_consumer_write(weir_tap_sink(tap), "", 0), 0);
	assert_int_equal(calls, 0);
	assert_int_equal(weir_consumer_write(weir_tap_sink(tap), "", 1), 0);
	assert_int_equal(calls, 1);
	weir_tap_destroy(tap);
	weir_valve_fini(&s.v);
	world_close(&w);
}

/* ---- feeder ---- */

static void test_a_feeder_without_callbacks_is_paused_and_stopped_all_the_same(void **state)
{
	unsigned char bytes[60];
	struct weir_feeder *f;
	struct world w;
	struct sink s;

	(void)state;
	world_open(&w, (size_t)1 << 20);
	sink_open(&s, &w);
	assert_int_equal(weir_valve_set_marks(&s.v, 50, 0, 100), 0);
	assert_int_equal(weir_feeder_create(&w.ctx, NULL, &f), 0);
	assert_int_equal(weir_consumer_register(&s.v.base, weir_feeder_source(f), WEIR_PUSH), 0);
	world_run(&w);
	s.window = 0;
	pattern_fill(bytes, sizeof(bytes), 0);
	assert_int_equal(weir_feeder_feed(f, bytes, 60), 0);
	assert_int_equal(weir_feeder_feed(f, bytes, 1), WEIR_EFULL);
	assert_int_equal(weir_feeder_room(f), 0);
	sink_take(&s, SIZE_MAX);
	assert_int_equal(s.got, 60);
	assert_true(weir_feeder_room(f) > 0);
	weir_valve_die(&s.v, -EPIPE);
	assert_int_equal(weir_feeder_feed(f, bytes, 1), WEIR_ECLOSED);
	assert_int_equal(weir_feeder_room(f), 0);
	weir_feeder_destroy(f);
	weir_feeder_destroy(NULL);
	weir_valve_fini(&s.v);
	world_close(&w);
}

static void count_resume(void *arg)
{
	++*(unsigned *)arg;
}

static void count_stop(void *arg, int why)
{
	(void)why;
	++*(unsigned *)arg;
}

static void test_a_feeder_that_was_let_go_before_its_turn_is_not_told_to_go_on(void **state)
{
	struct weir_feeder_options o = {.on_resume = count_resume};
	struct weir_feeder *f;
	unsigned resumes = 0;
	struct world w;
	struct sink s;

	(void)state;
	o.arg = &resumes;
	world_open(&w, (size_t)1 << 20);
	sink_open(&s, &w);
	assert_int_equal(weir_feeder_create(&w.ctx, &o, &f), 0);
	assert_int_equal(weir_consumer_register(&s.v.base, weir_feeder_source(f), WEIR_PUSH), 0);
	weir_consumer_unregister(&s.v.base);
	world_run(&w);
	assert_int_equal(resumes, 0);
	assert_int_equal(weir_feeder_room(f), 0);
	assert_int_equal(weir_feeder_feed(f, "", 1), WEIR_EFULL);
	assert_int_equal(weir_consumer_register(&s.v.base, weir_feeder_source(f), WEIR_PUSH), 0);
	world_run(&w);
	assert_int_equal(resumes, 1);
	weir_feeder_destroy(f);
	weir_valve_fini(&s.v);
	world_close(&w);
}

static void test_a_feeder_that_has_ended_is_not_told_that_it_was_stopped(void **state)
{
	struct weir_feeder_options o = {.on_resume = count_resume, .on_stop = count_stop};
	struct weir_feeder *f;
	unsigned calls = 0;
	struct world w;
	struct sink s;

	(void)state;
	o.arg = &calls;
	world_open(&w, (size_t)1 << 20);
	sink_open(&s, &w);
	assert_int_equal(weir_feeder_create(&w.ctx, &o, &f), 0);
	weir_feeder_end(f, -EIO);
	assert_int_equal(weir_consumer_register(&s.v.base, weir_feeder_source(f), WEIR_PUSH), 0);
	weir_valve_hold(&s.v, WEIR_HOLD_USER);
	weir_valve_release(&s.v, WEIR_HOLD_USER);
	weir_valve_die(&s.v, -EPIPE);
	world_run(&w);
	assert_int_equal(calls, 0);
	assert_int_equal(s.on_end_why, -EPIPE);
	weir_feeder_destroy(f);
	weir_valve_fini(&s.v);
	world_close(&w);
}

/* ---- receiver ---- */

static int count_bytes(void *arg, const void *data, size_t len)
{
	(void)data;
	*(size_t *)arg += len;
	return 0;
}

static void test_a_receiver_need_not_ask_for_the_end(void **state)
{
	struct weir_receiver_options o = {.on_data = count_bytes};
	struct weir_consumer_state s;
	struct weir_receiver *r;
	size_t got = 0;
	struct world w;

	(void)state;
	o.arg = &got;
	world_open(&w, (size_t)1 << 20);
	assert_int_equal(weir_receiver_create(&w.ctx, &o, &r), 0);
	assert_int_equal(weir_consumer_write(weir_receiver_sink(r), "abc", 3), 0);
	weir_consumer_finish(weir_receiver_sink(r));
	world_run(&w);
	weir_consumer_state(weir_receiver_sink(r), &s);
	assert_true(s.ended);
	assert_int_equal(s.why, 0);
	assert_int_equal(got, 3);
	weir_receiver_destroy(r);
	weir_receiver_destroy(NULL);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_tap_without_a_callback_counts),
		cmocka_unit_test(test_a_tap_does_not_show_an_empty_write),
		cmocka_unit_test(
			test_a_feeder_without_callbacks_is_paused_and_stopped_all_the_same),
		cmocka_unit_test(
			test_a_feeder_that_was_let_go_before_its_turn_is_not_told_to_go_on),
		cmocka_unit_test(test_a_feeder_that_has_ended_is_not_told_that_it_was_stopped),
		cmocka_unit_test(test_a_receiver_need_not_ask_for_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
