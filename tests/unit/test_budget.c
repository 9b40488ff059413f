/* SPDX-License-Identifier: MIT */
/* The account: exact sums, and a line that is served first come, first served. */
#include "core_fixture.h"

struct waiter {
	struct weir_budget_waiter w; /* first */
	struct weir_budget *b;
	size_t wants; /* charges this much when called; waits again if it cannot */
	unsigned calls;
	unsigned order;
	struct weir_budget_waiter *unwaits;
};

static unsigned order;
static unsigned credits;

static void waiter_on_room(struct weir_budget_waiter *base)
{
	struct waiter *w = (struct waiter *)base;

	w->calls++;
	w->order = ++order;
	if (w->unwaits)
		weir_budget_unwait(w->unwaits);
	if (w->wants > 0 && !weir_budget_charge(w->b, w->wants))
		weir_budget_wait(w->b, &w->w);
}

static struct waiter waiter(struct weir_budget *b, size_t wants)
{
	return (struct waiter){.w = {.on_room = waiter_on_room}, .b = b, .wants = wants};
}

static void on_credit(void *arg)
{
	(void)arg;
	credits++;
}

static void test_charges_and_credits_are_exact_and_never_over_the_limit(void **state)
{
	struct weir_budget b;

	(void)state;
	weir_budget_init(&b, 100);
	assert_int_equal(weir_budget_room(&b), 100);
	assert_true(weir_budget_charge(&b, 60));
	assert_true(weir_budget_charge(&b, 40));
	assert_false(weir_budget_charge(&b, 1));
	assert_true(weir_budget_charge(&b, 0));
	assert_int_equal(b.used, 100);
	assert_int_equal(weir_budget_room(&b), 0);
	weir_budget_credit(&b, 40);
	assert_int_equal(b.used, 60);
	assert_int_equal(b.peak, 100);
	assert_false(weir_budget_charge(&b, 41));
	assert_false(weir_budget_charge(&b, SIZE_MAX)); /* no overflow */
	assert_int_equal(b.used, 60);
	weir_budget_credit(&b, 60);
	assert_int_equal(b.used, 0);
}

static void test_a_limit_below_what_is_used_leaves_no_room_until_it_is_met(void **state)
{
	struct weir_budget b;

	(void)state;
	weir_budget_init(&b, 100);
	assert_true(weir_budget_charge(&b, 80));
	weir_budget_set_limit(&b, 50);
	assert_int_equal(weir_budget_room(&b), 0);
	assert_false(weir_budget_charge(&b, 1));
	weir_budget_credit(&b, 40);
	assert_int_equal(weir_budget_room(&b), 10);
	assert_true(weir_budget_charge(&b, 10));
	weir_budget_credit(&b, 50);
	assert_int_equal(b.used, 0);
}

static void test_the_line_is_served_in_the_order_of_its_coming(void **state)
{
	struct weir_budget b;
	struct waiter w[4];

	(void)state;
	order = 0;
	weir_budget_init(&b, 1 << 20);
	assert_true(weir_budget_charge(&b, 1 << 20));
	for (unsigned i = 0; i < 4; i++) {
		w[i] = waiter(&b, 0);
		weir_budget_wait(&b, &w[i].w);
		weir_budget_wait(&b, &w[i].w); /* waits already */
	}
	weir_budget_serve(&b);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(w[i].calls, 0);
	weir_budget_credit(&b, 1 << 20);
	for (unsigned k = 0; k < 4; k++)
		weir_budget_serve(&b);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(w[i].calls, 1);
		assert_int_equal(w[i].order, i + 1);
		assert_null(w[i].w.next);
	}
}

static void test_credit_tells_that_somebody_waits(void **state)
{
	struct weir_budget b;
	struct waiter w;

	(void)state;
	credits = 0;
	weir_budget_init(&b, WEIR_BLOCK_LARGE);
	b.on_credit = on_credit;
	assert_true(weir_budget_charge(&b, WEIR_BLOCK_LARGE));
	weir_budget_credit(&b, 4096);
	assert_int_equal(credits, 0); /* nobody waits */
	assert_true(weir_budget_charge(&b, 4096));
	w = waiter(&b, 0);
	weir_budget_wait(&b, &w.w);
	assert_int_equal(w.calls, 0);
	weir_budget_credit(&b, WEIR_BLOCK_LARGE);
	assert_true(credits >= 1);
	assert_int_equal(w.calls, 0); /* not from inside the credit */
	weir_budget_serve(&b);
	assert_int_equal(w.calls, 1);
	credits = 0;
	weir_budget_wait(&b, &w.w);
	weir_budget_set_limit(&b, 2 * WEIR_BLOCK_LARGE);
	assert_true(credits >= 1);
	weir_budget_unwait(&w.w);
}

static void test_one_who_left_the_line_is_not_called_even_from_inside(void **state)
{
	struct weir_budget b;
	struct waiter w[3];

	(void)state;
	weir_budget_init(&b, 1 << 20);
	assert_true(weir_budget_charge(&b, 1 << 20));
	for (unsigned i = 0; i < 3; i++) {
		w[i] = waiter(&b, 0);
		weir_budget_wait(&b, &w[i].w);
	}
	w[0].unwaits = &w[1].w;
	weir_budget_credit(&b, 1 << 20);
	weir_budget_serve(&b);
	weir_budget_serve(&b);
	assert_int_equal(w[0].calls, 1);
	assert_int_equal(w[1].calls, 0);
	assert_int_equal(w[2].calls, 1);
	weir_budget_unwait(&w[1].w); /* not in it: nothing */
}

static void test_mem3_one_who_cannot_have_enough_does_not_spin_the_serving(void **state)
{
	struct weir_budget b;
	struct waiter w;

	(void)state;
	weir_budget_init(&b, 1 << 20);
	w = waiter(&b, 1 << 21); /* more than there ever is */
	weir_budget_wait(&b, &w.w);
	weir_budget_serve(&b); /* returns */
	assert_int_equal(w.calls, 1);
	weir_budget_unwait(&w.w);
}

static void test_mem3_a_greedy_one_that_comes_again_does_not_starve_another(void **state)
{
	struct weir_budget b;
	struct waiter greedy, modest;
	unsigned rounds = 0;

	(void)state;
	order = 0;
	weir_budget_init(&b, WEIR_BLOCK_LARGE);
	assert_true(weir_budget_charge(&b, WEIR_BLOCK_LARGE));
	greedy = waiter(&b, WEIR_BLOCK_LARGE);
	modest = waiter(&b, WEIR_BLOCK_SMALL);
	weir_budget_wait(&b, &greedy.w);
	weir_budget_wait(&b, &modest.w);
	/* The greedy one gives all back each time, and comes again. */
	while (b.used < WEIR_BLOCK_SMALL || modest.calls == 0 || modest.w.next) {
		assert_true(++rounds < 10);
		weir_budget_credit(&b, b.used);
		weir_budget_serve(&b);
		if (!greedy.w.next)
			weir_budget_wait(&b, &greedy.w);
	}
	assert_true(modest.calls >= 1);
	weir_budget_unwait(&greedy.w);
	weir_budget_credit(&b, b.used);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_charges_and_credits_are_exact_and_never_over_the_limit),
		cmocka_unit_test(test_a_limit_below_what_is_used_leaves_no_room_until_it_is_met),
		cmocka_unit_test(test_the_line_is_served_in_the_order_of_its_coming),
		cmocka_unit_test(test_credit_tells_that_somebody_waits),
		cmocka_unit_test(test_one_who_left_the_line_is_not_called_even_from_inside),
		cmocka_unit_test(test_mem3_one_who_cannot_have_enough_does_not_spin_the_serving),
		cmocka_unit_test(test_mem3_a_greedy_one_that_comes_again_does_not_starve_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
