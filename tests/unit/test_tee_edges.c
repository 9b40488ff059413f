/* SPDX-License-Identifier: MIT */
/* A tee's options that make no sense, and consumers that end by another's hand. */
#include "tee_fixture.h"

static void test_options_that_make_no_sense_are_refused(void **state)
{
	static const struct weir_branch_options wrong[] = {
		{.policy = (enum weir_tee_policy)(WEIR_TEE_SPILL + 1)},
		{.policy = WEIR_TEE_DROP, .separator = WEIR_NO_SEPARATOR - 1},
		{.policy = WEIR_TEE_DROP, .separator = 256},
		{.policy = WEIR_TEE_SPILL},
	};
	static const struct weir_branch_options right = {.policy = WEIR_TEE_DROP, .separator = 255};
	struct rig r;

	(void)state;
	open_rig(&r);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(weir_tee_add(r.tee, &r.sink[0].v.base, &wrong[i], NULL), -EINVAL);
		assert_null(weir_consumer_producer(&r.sink[0].v.base));
	}
	assert_int_equal(weir_tee_add(r.tee, &r.sink[0].v.base, &right, NULL), 0);
	close_rig(&r);
}

static void test_a_consumer_that_another_finished_ends_its_branch_alone(void **state)
{
	struct source other;
	struct rig r;

	(void)state;
	open_rig(&r);
	add(&r, 0, NULL);
	add(&r, 1, NULL);
	assert_int_equal(source_write(&r.source, 100), 0);
	weir_consumer_unregister(&r.sink[0].v.base);
	source_open(&other, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(&r.sink[0].v.base, &other.base, WEIR_PUSH), 0);
	weir_producer_end(&other.base, 0);
	world_run(&r.w);
	assert_int_equal(r.sink[0].on_end_why, 0);
	assert_true(state_of(&r, 0).ended);
	assert_int_equal(state_of(&r, 0).why, WEIR_ECLOSED);
	assert_false(state_of(&r, 1).ended);
	assert_int_equal(source_write(&r.source, 100), 0);
	assert_int_equal(r.sink[1].got, 200);
	close_rig(&r);
}

/* Each consumer has room for a copy of its own, the budget may not have it for one of each. */
static void write_to_full_sinks(size_t limit)
{
	struct rig r;
	size_t len = WEIR_BLOCK_LARGE;

	open_rig(&r);
	weir_budget_set_limit(&r.w.budget, limit);
	for (int i = 0; i < SINKS; i++) {
		size_t room;

		add(&r, i, NULL);
		r.sink[i].window = 0;
		room = weir_consumer_room(&r.sink[i].v.base);
		len = room < len ? room : len;
	}
	assert_int_equal(source_write(&r.source, len), 0);
	world_run(&r.w);
	for (int i = 0; i < SINKS; i++) {
		assert_false(state_of(&r, i).ended);
		sink_take(&r.sink[i], SIZE_MAX);
	}
	world_run(&r.w);
	for (int i = 0; i < SINKS; i++)
		assert_int_equal(sink_state(&r.sink[i]).out, len);
	close_rig(&r);
}

static void test_copies_for_all_that_do_not_fit_are_one_copy(void **state)
{
	(void)state;
	for (size_t limit = WEIR_BLOCK_LARGE; limit < 9 * WEIR_BLOCK_LARGE; limit += 7000)
		write_to_full_sinks(limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_that_make_no_sense_are_refused),
		cmocka_unit_test(test_a_consumer_that_another_finished_ends_its_branch_alone),
		cmocka_unit_test(test_copies_for_all_that_do_not_fit_are_one_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
