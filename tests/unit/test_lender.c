/* SPDX-License-Identifier: MIT */
/* A budget that is lent its limit: what it asks for, keeps and gives back, and that nobody in
 * its line is forgotten. */
#include "core_fixture.h"
#include "core/reserve.h"
#include "weir/impl/lender.h"

#define KIB ((size_t)1 << 10)
#define BASE (256 * KIB)
#define STEP (128 * KIB)

/* A lender with so much, who counts. */
struct lender {
	struct weir_budget_lender base;
	struct weir_budget b;
	size_t blocks, reserves; /* to be lent still */
	unsigned asked, called;
};

static size_t borrow(struct weir_budget_lender *l, enum weir_lend kind, size_t want)
{
	struct lender *t = (struct lender *)l;
	size_t *pot = kind == WEIR_LEND_BLOCKS ? &t->blocks : &t->reserves;
	size_t n = want < *pot ? want : *pot;

	t->asked++;
	assert_int_equal(want % WEIR_FLOW_RESERVE, 0);
	*pot -= n;
	return n;
}

static void give_back(struct weir_budget_lender *l, enum weir_lend kind, size_t n)
{
	struct lender *t = (struct lender *)l;

	assert_int_equal(n % WEIR_FLOW_RESERVE, 0);
	*(kind == WEIR_LEND_BLOCKS ? &t->blocks : &t->reserves) += n;
}

static const struct weir_budget_lender_ops ops = {.borrow = borrow, .give_back = give_back};

static void on_credit(void *arg)
{
	((struct lender *)arg)->called++;
}

static void begin(struct lender *t, size_t blocks, size_t reserves)
{
	*t = (struct lender){
		.base = {.ops = &ops, .base = BASE, .step = STEP, .share = 2 * BASE},
		.blocks = blocks,
		.reserves = reserves,
	};
	weir_budget_init_lent(&t->b, &t->base);
	t->b.on_credit = on_credit;
	t->b.on_credit_arg = t;
}

/* All that there is, lent or not. */
static size_t sum(const struct lender *t)
{
	return t->blocks + t->reserves + t->b.limit;
}

#define WAS_CALLED (((uint64_t)1 << 56) - 1) /* that a need never is */

static void on_room(struct weir_budget_waiter *w)
{
	w->need = WAS_CALLED;
}

static void test_it_borrows_before_it_has_used_what_it_has(void **state)
{
	struct lender t;

	(void)state;
	begin(&t, 1024 * KIB, 0);
	assert_int_equal(t.b.limit, BASE);
	for (size_t used = 0; used < 1024 * KIB; used += 4 * KIB) {
		assert_true(weir_budget_block_room(&t.b) >= 4 * KIB);
		assert_true(weir_budget_charge(&t.b, 4 * KIB));
		assert_true(t.b.used <= t.b.limit);
		if (t.blocks)
			assert_true(weir_budget_block_room(&t.b) >= STEP);
	}
	/* Once for each step, and not for each charge. */
	assert_true(t.asked <= 1024 * KIB / STEP + 2);
	assert_int_equal(sum(&t), BASE + 1024 * KIB);
	weir_budget_credit(&t.b, t.b.used);
	assert_true(t.b.limit <= BASE + 3 * STEP);
	assert_int_equal(sum(&t), BASE + 1024 * KIB);
	assert_int_equal(t.b.peak, 1024 * KIB);
}

static void test_one_charge_may_be_more_than_a_step(void **state)
{
	struct lender t;

	(void)state;
	begin(&t, 4096 * KIB, 0);
	assert_true(weir_budget_charge(&t.b, 3000 * KIB));
	assert_false(weir_budget_charge(&t.b, 3000 * KIB));
	assert_false(weir_budget_charge(&t.b, SIZE_MAX));
	/* What was borrowed in vain is not kept. */
	assert_true(t.blocks >= 500 * KIB);
	weir_budget_credit(&t.b, 3000 * KIB);
	assert_int_equal(sum(&t), BASE + 4096 * KIB);
}

static void test_one_without_a_lender_with_anything_is_as_any_other(void **state)
{
	struct lender t;

	(void)state;
	begin(&t, 0, 0);
	assert_true(weir_budget_charge(&t.b, BASE));
	assert_false(weir_budget_charge(&t.b, 1));
	assert_int_equal(t.b.open, BASE / 4 * 3);
	/* It has been told that there is nothing, and does not ask again. */
	assert_int_equal(t.asked, 1);
	weir_budget_credit(&t.b, BASE);
	assert_int_equal(t.b.limit, BASE);
}

static void test_one_in_line_is_called_when_there_is_something_to_lend_again(void **state)
{
	struct weir_budget_waiter w = {.on_room = on_room};
	struct lender t;

	(void)state;
	for (size_t need = 0; need <= 300 * KIB; need += 100 * KIB) {
		w = (struct weir_budget_waiter){.on_room = on_room, .need = need};
		begin(&t, 0, 0);
		assert_true(weir_budget_charge(&t.b, BASE));
		weir_budget_wait(&t.b, &w);
		weir_lender_ready(&t.base); /* in vain */
		assert_int_equal(t.called, 0);
		t.blocks = 1024 * KIB;
		weir_lender_ready(&t.base);
		assert_true(t.called > 0);
		weir_budget_serve(&t.b);
		assert_true(w.need == WAS_CALLED);
		assert_null(w.next);
	}
}

/* Who comes second may need more than whoever came first has left. */
static void test_the_second_in_line_is_borrowed_for_too(void **state)
{
	struct weir_budget_waiter w[2] = {{.on_room = on_room, .need = 64 * KIB},
					  {.on_room = on_room, .need = 512 * KIB}};
	struct lender t;

	(void)state;
	begin(&t, 0, 0);
	assert_true(weir_budget_charge(&t.b, BASE));
	weir_budget_wait(&t.b, &w[0]);
	weir_budget_wait(&t.b, &w[1]);
	t.blocks = 2048 * KIB;
	weir_lender_ready(&t.base);
	weir_budget_serve(&t.b);
	weir_budget_serve(&t.b);
	assert_true(w[0].need == WAS_CALLED);
	assert_true(w[1].need == WAS_CALLED);
}

static void test_a_reserve_is_lent_where_blocks_have_all(void **state)
{
	struct weir_budget_waiter w[80] = {{0}};
	struct lender t;
	size_t n = 0, limit;

	(void)state;
	begin(&t, 0, 60 * WEIR_FLOW_RESERVE);
	assert_true(weir_budget_charge(&t.b, t.b.open));
	limit = t.b.limit;
	for (; n < 80; n++) {
		w[n].on_room = on_room;
		weir__reserve_take(&t.b, &w[n]);
		if (!w[n].reserved)
			break;
	}
	/* A quarter of the base, and what is kept for that. */
	assert_int_equal(n, BASE / 4 / WEIR_FLOW_RESERVE + 60);
	assert_int_equal(t.reserves, 0);
	assert_int_equal(weir_budget_block_room(&t.b), 0);

	/* The one that came too late gets what comes back. */
	weir_budget_wait(&t.b, &w[n]);
	t.reserves = WEIR_FLOW_RESERVE;
	weir_lender_ready(&t.base);
	weir_budget_serve(&t.b);
	assert_true(w[n].need == WAS_CALLED);
	weir__reserve_take(&t.b, &w[n]);
	assert_true(w[n].reserved);

	/* And blocks get nothing of it when the flows go. */
	for (size_t i = 0; i <= n; i++)
		weir__reserve_drop(&t.b, &w[i]);
	assert_int_equal(t.b.limit, limit);
	assert_int_equal(t.reserves, 61 * WEIR_FLOW_RESERVE);
	assert_int_equal(weir_budget_block_room(&t.b), 0);
}

static void test_one_that_others_need_gives_up_what_is_over_its_share(void **state)
{
	struct lender t;

	(void)state;
	begin(&t, 2048 * KIB, 0);
	assert_true(weir_budget_charge(&t.b, 2000 * KIB));
	weir_lender_recall(&t.base, true);
	while (t.b.used > 2 * BASE) {
		weir_budget_credit(&t.b, 4 * KIB);
		/* Each byte, and at once. */
		assert_true(weir_budget_block_room(&t.b) < 4 * KIB || t.b.limit <= 2 * BASE);
	}
	weir_budget_credit(&t.b, t.b.used);
	assert_int_equal(t.b.limit, 2 * BASE);
	weir_lender_recall(&t.base, false);
	assert_true(weir_budget_charge(&t.b, 1000 * KIB));
	weir_budget_credit(&t.b, t.b.used);
	assert_int_equal(sum(&t), BASE + 2048 * KIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_borrows_before_it_has_used_what_it_has),
		cmocka_unit_test(test_one_charge_may_be_more_than_a_step),
		cmocka_unit_test(test_one_without_a_lender_with_anything_is_as_any_other),
		cmocka_unit_test(test_one_in_line_is_called_when_there_is_something_to_lend_again),
		cmocka_unit_test(test_the_second_in_line_is_borrowed_for_too),
		cmocka_unit_test(test_a_reserve_is_lent_where_blocks_have_all),
		cmocka_unit_test(test_one_that_others_need_gives_up_what_is_over_its_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
