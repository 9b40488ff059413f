/* SPDX-License-Identifier: MIT */
/* A tee whose branches come, go and change while it gives them bytes. */
#include "tee_fixture.h"

static struct rig *at_work; /* for what is called from inside a drain */

static void add_second(struct sink *s)
{
	s->on_drain = NULL;
	at_work->sink[1].base = at_work->source.given;
	assert_int_equal(weir_tee_add(at_work->tee, &at_work->sink[1].v.base, NULL,
				      &at_work->branch[1]),
			 0);
}

static void test_a_branch_added_from_inside_a_drain_begins_behind_the_bytes_under_way(void **state)
{
	struct rig r;

	(void)state;
	at_work = &r;
	open_rig(&r);
	add(&r, 0, NULL);
	r.sink[0].on_drain = add_second;
	assert_int_equal(source_write(&r.source, 1000), 0);
	world_run(&r.w);
	assert_int_equal(front_of(&r).held, 0);
	assert_int_equal(front_of(&r).out, 1000);
	pour(&r, 500, 1);
	assert_int_equal(r.sink[1].got, 500);
	assert_int_equal(state_of(&r, 1).in, 500);
	assert_int_equal(front_of(&r).held, 0);
	close_rig(&r);
}

static void test_bytes_are_held_while_the_only_branch_is_being_removed(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	add(&r, 0, NULL);
	r.sink[0].holds_end = true;
	weir_tee_remove(r.branch[0], 0);
	assert_int_equal(source_write(&r.source, 700), 0);
	world_run(&r.w);
	assert_true(r.source.paused);
	assert_int_equal(front_of(&r).held, 700);
	add(&r, 1, NULL);
	assert_int_equal(r.sink[0].got, 0);
	assert_int_equal(r.sink[1].got, 700);
	weir_valve_done(&r.sink[0].v, 0);
	world_run(&r.w);
	assert_int_equal(pour(&r, 100, 3), 300);
	assert_int_equal(r.sink[1].got, 1000);
	close_rig(&r);
}

/* How fast its consumer is does not decide how it ends. */
static void test_who_was_removed_in_time_is_not_failed_with_the_others(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	add(&r, 0, NULL);
	add(&r, 1, NULL);
	add(&r, 2, NULL);
	r.sink[1].window = 0;
	r.sink[2].holds_end = true;
	weir_valve_hold(&r.sink[1].v, WEIR_HOLD_USER);
	assert_int_equal(source_give(&r.source, &r.w.ctx.pool, 900), 0);
	world_run(&r.w);
	assert_int_equal(r.sink[1].v.in, 0); /* the tee has them for it */
	weir_tee_remove(r.branch[1], 0);
	weir_tee_remove(r.branch[2], 0);
	world_run(&r.w);
	weir_producer_end(&r.source.base, -ECONNRESET);
	world_run(&r.w);
	assert_int_equal(r.sink[0].on_end_why, -ECONNRESET);
	assert_true(front_of(&r).ended);
	assert_int_equal(r.sink[1].on_ends, 0);
	assert_int_equal(r.sink[2].on_ends, 0);
	weir_valve_done(&r.sink[2].v, 0);
	r.sink[1].window = SIZE_MAX;
	weir_valve_release(&r.sink[1].v, WEIR_HOLD_USER);
	world_run(&r.w);
	for (int i = 1; i < 3; i++) {
		assert_int_equal(r.sink[i].got, 900);
		assert_int_equal(r.sink[i].on_ends, 1);
		assert_int_equal(r.sink[i].on_end_why, 0);
	}
	close_rig(&r);
}

static void test_who_was_removed_and_has_not_ended_is_cut_with_the_tee(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	add(&r, 0, NULL);
	add(&r, 1, NULL);
	r.sink[1].window = 0;
	weir_valve_hold(&r.sink[1].v, WEIR_HOLD_USER);
	assert_int_equal(source_give(&r.source, &r.w.ctx.pool, 900), 0);
	weir_tee_remove(r.branch[1], 0);
	weir_producer_end(&r.source.base, -ECONNRESET);
	close_rig(&r);
	assert_int_equal(r.sink[1].on_ends, 1);
	assert_int_equal(r.sink[1].on_end_why, WEIR_ECLOSED);
}

static void add_instead(struct source *p)
{
	p->on_pause = NULL;
	assert_int_equal(weir_tee_add(at_work->tee, &at_work->sink[1].v.base, NULL, NULL),
			 WEIR_ECLOSED);
}

static void test_nothing_is_added_to_a_tee_whose_last_branch_has_just_failed(void **state)
{
	struct rig r;

	(void)state;
	at_work = &r;
	open_rig(&r);
	add(&r, 0, NULL);
	r.sink[0].drain_fails = -EPIPE;
	r.source.on_pause = add_instead;
	assert_int_equal(source_write(&r.source, 10), -EPIPE);
	assert_null(r.source.on_pause);
	assert_int_equal(r.source.stop_why, -EPIPE);
	assert_null(weir_consumer_producer(&r.sink[1].v.base));
	close_rig(&r);
}

/* "aaa\n" in two writes, of which the first begins while the branch is full. */
static void test_fan_2_a_record_is_not_cut_where_a_borrowed_write_goes_through(void **state)
{
	struct weir_branch_options drop = {.policy = WEIR_TEE_DROP, .behind = 1, .separator = '\n'};
	struct weir_consumer *sink;
	struct rig r;

	(void)state;
	open_rig(&r);
	sink = weir_tee_sink(r.tee);
	add(&r, 0, NULL);
	add(&r, 1, &drop);
	weir_valve_hold(&r.sink[1].v, WEIR_HOLD_USER);
	assert_int_equal(weir_consumer_write(sink, "one\n", 4), 0); /* waits */
	world_run(&r.w);
	assert_int_equal(weir_consumer_write(sink, "tw", 2), 0); /* is lost */
	world_run(&r.w);
	assert_int_equal(state_of(&r, 1).dropped, 2);
	weir_valve_release(&r.sink[1].v, WEIR_HOLD_USER);
	world_run(&r.w);
	assert_int_equal(state_of(&r, 1).out, 4);
	assert_int_equal(weir_consumer_write(sink, "o\nth", 4), 0); /* the rest of it as well */
	world_run(&r.w);
	weir_valve_hold(&r.sink[1].v, WEIR_HOLD_USER);
	assert_int_equal(weir_consumer_write(sink, "ree\n", 4), 0);
	world_run(&r.w);
	assert_int_equal(state_of(&r, 1).dropped, 4);
	assert_int_equal(state_of(&r, 1).in, 14);
	close_rig(&r);
}

static void test_who_is_let_go_by_another_gets_no_more_and_holds_nobody(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	add(&r, 0, NULL);
	add(&r, 1, NULL);
	r.sink[1].window = 0;
	pour(&r, 1000, 100000);
	assert_true(r.source.paused);
	weir_consumer_unregister(&r.sink[1].v.base);
	weir_tee_remove(r.branch[1], 0);
	world_run(&r.w);
	assert_false(r.source.paused);
	assert_int_equal(r.sink[1].ends, 0); /* its end is not ours to tell */
	weir_consumer_unregister(&r.sink[0].v.base);
	assert_int_equal(source_write(&r.source, 10), WEIR_ECLOSED);
	assert_int_equal(r.source.stop_why, WEIR_ECLOSED);
	assert_true(front_of(&r).ended);
	assert_int_equal(state_of(&r, 0).why, WEIR_ECLOSED);
	close_rig(&r);
}

static void test_a_finish_ends_though_nobody_is_left_to_take_what_is_held(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	assert_int_equal(source_write(&r.source, 100), 0);
	weir_producer_end(&r.source.base, 0);
	world_run(&r.w);
	assert_true(front_of(&r).ended);
	assert_int_equal(front_of(&r).why, WEIR_ECLOSED);
	assert_int_equal(front_of(&r).dropped, 100);
	close_rig(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_a_branch_added_from_inside_a_drain_begins_behind_the_bytes_under_way),
		cmocka_unit_test(test_bytes_are_held_while_the_only_branch_is_being_removed),
		cmocka_unit_test(test_nothing_is_added_to_a_tee_whose_last_branch_has_just_failed),
		cmocka_unit_test(test_who_was_removed_in_time_is_not_failed_with_the_others),
		cmocka_unit_test(test_who_was_removed_and_has_not_ended_is_cut_with_the_tee),
		cmocka_unit_test(test_fan_2_a_record_is_not_cut_where_a_borrowed_write_goes_through),
		cmocka_unit_test(test_who_is_let_go_by_another_gets_no_more_and_holds_nobody),
		cmocka_unit_test(test_a_finish_ends_though_nobody_is_left_to_take_what_is_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
