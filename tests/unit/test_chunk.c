/* SPDX-License-Identifier: MIT */
/* Blocks and chunks: capacities, references, the charge, the cache. */
#include "core_fixture.h"

#include <errno.h>

#define ROOMY ((size_t)1 << 20)

static struct weir_budget budget;
static struct weir_pool pool;

static void open_pool(size_t limit, size_t cache_max)
{
	weir_budget_init(&budget, limit);
	weir_pool_init(&pool, &budget, cache_max);
}

static void close_pool(void)
{
	assert_int_equal(pool.taken, 0);
	assert_int_equal(budget.used, 0);
	weir_pool_fini(&pool);
	assert_int_equal(pool.cached, 0);
}

static struct weir_block *take(size_t len)
{
	struct weir_block *block = NULL;

	assert_int_equal(weir_pool_take(&pool, len, &block), 0);
	assert_non_null(block);
	return block;
}

static void test_a_block_has_the_smallest_of_three_capacities_that_holds(void **state)
{
	static const struct {
		size_t len, cap;
	} cases[] = {
		{1, WEIR_BLOCK_SMALL},
		{WEIR_BLOCK_SMALL, WEIR_BLOCK_SMALL},
		{WEIR_BLOCK_SMALL + 1, WEIR_BLOCK_MEDIUM},
		{WEIR_BLOCK_MEDIUM, WEIR_BLOCK_MEDIUM},
		{WEIR_BLOCK_MEDIUM + 1, WEIR_BLOCK_LARGE},
		{WEIR_BLOCK_LARGE, WEIR_BLOCK_LARGE},
		{WEIR_BLOCK_LARGE + 1, WEIR_BLOCK_LARGE},
		{SIZE_MAX, WEIR_BLOCK_LARGE},
	};

	(void)state;
	open_pool(ROOMY, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct weir_block *b = take(cases[i].len);

		assert_int_equal(weir_block_capacity(cases[i].len), cases[i].cap);
		assert_int_equal(b->cap, cases[i].cap);
		assert_int_equal(b->refs, 1);
		assert_int_equal(b->used, 0);
		assert_int_equal(budget.used, cases[i].cap);
		memset(b->data, 0x5a, b->cap);
		weir_block_unref(b);
		assert_int_equal(budget.used, 0);
	}
	close_pool();
}

static void test_a_block_is_charged_until_its_last_reference_is_given_back(void **state)
{
	struct weir_block *b;

	(void)state;
	open_pool(ROOMY, ROOMY);
	b = take(10);
	assert_ptr_equal(weir_block_ref(b), b);
	assert_ptr_equal(weir_block_ref(b), b);
	assert_int_equal(b->refs, 3);
	weir_block_unref(b);
	weir_block_unref(b);
	assert_int_equal(budget.used, WEIR_BLOCK_SMALL);
	assert_int_equal(pool.taken, 1);
	weir_block_unref(b);
	assert_int_equal(budget.used, 0);
	weir_block_unref(NULL);
	close_pool();
}

static void test_a_spent_budget_refuses_with_efull_and_charges_nothing(void **state)
{
	struct weir_block *a, *b = NULL;

	(void)state;
	open_pool(WEIR_BLOCK_SMALL + WEIR_BLOCK_SMALL / 2, ROOMY);
	a = take(1);
	assert_int_equal(weir_pool_take(&pool, 1, &b), WEIR_EFULL);
	assert_null(b);
	assert_int_equal(budget.used, WEIR_BLOCK_SMALL);
	assert_int_equal(pool.taken, 1);
	weir_block_unref(a);
	/* What is cached is not charged, and can be had again. */
	a = take(1);
	weir_block_unref(a);
	assert_int_equal(weir_pool_take(&pool, WEIR_BLOCK_LARGE, &b), WEIR_EFULL);
	close_pool();
}

static void test_free_blocks_are_kept_up_to_the_cache_and_no_further(void **state)
{
	struct weir_block *blocks[8];

	(void)state;
	open_pool(ROOMY, 3 * WEIR_BLOCK_SMALL);
	for (size_t i = 0; i < 8; i++)
		blocks[i] = take(1);
	for (size_t i = 0; i < 8; i++) {
		weir_block_unref(blocks[i]);
		assert_true(pool.cached <= pool.cache_max);
	}
	assert_int_equal(pool.cached, 3 * WEIR_BLOCK_SMALL);
	assert_int_equal(budget.used, 0);
	blocks[0] = take(1);
	assert_int_equal(pool.cached, 2 * WEIR_BLOCK_SMALL);
	assert_int_equal(blocks[0]->used, 0);
	assert_int_equal(blocks[0]->refs, 1);
	weir_block_unref(blocks[0]);
	close_pool();
}

static void test_a_chunk_is_a_view_that_takes_over_one_reference(void **state)
{
	struct weir_block *b;
	struct weir_chunk one, two;

	(void)state;
	open_pool(ROOMY, 0);
	b = take(100);
	memcpy(b->data, "weir", 4);
	b->used = 4;
	one = weir_chunk_from_block(b);
	assert_int_equal(b->refs, 1);
	assert_ptr_equal(one.data, b->data);
	assert_int_equal(one.len, 4);
	assert_ptr_equal(one.owner, b);
	two = weir_chunk_ref(&one);
	assert_int_equal(b->refs, 2);
	assert_ptr_equal(two.data, one.data);
	assert_int_equal(two.len, one.len);
	weir_chunk_unref(&one);
	assert_null(one.owner);
	assert_int_equal(one.len, 0);
	assert_memory_equal(two.data, "weir", 4);
	weir_chunk_unref(&one); /* empty already: nothing */
	assert_int_equal(b->refs, 1);
	weir_chunk_unref(&two);
	close_pool();
}

static void test_random_takes_and_releases_keep_the_sum_exact(void **state)
{
	struct weir_block *held[64] = {NULL};
	size_t sum = 0, count = 0;
	uint32_t r = 12345;

	(void)state;
	open_pool(ROOMY, WEIR_BLOCK_LARGE * 2);
	for (unsigned i = 0; i < 20000; i++) {
		size_t k;

		r = r * 1664525 + 1013904223;
		k = (r >> 8) % 64;
		if (held[k]) {
			sum -= held[k]->cap;
			weir_block_unref(held[k]);
			held[k] = NULL;
			count--;
		} else {
			size_t len = (r >> 14) % 70000 + 1;
			size_t cap = weir_block_capacity(len);
			int rc = weir_pool_take(&pool, len, &held[k]);

			/* A quarter is for reserves. */
			assert_int_equal(rc, sum + cap <= ROOMY / 4 * 3 ? 0 : WEIR_EFULL);
			if (rc == 0) {
				sum += cap;
				count++;
			}
		}
		assert_int_equal(budget.used, sum);
		assert_int_equal(pool.taken, count);
		assert_true(pool.cached <= pool.cache_max);
	}
	for (size_t k = 0; k < 64; k++)
		weir_block_unref(held[k]);
	close_pool();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_block_has_the_smallest_of_three_capacities_that_holds),
		cmocka_unit_test(test_a_block_is_charged_until_its_last_reference_is_given_back),
		cmocka_unit_test(test_a_spent_budget_refuses_with_efull_and_charges_nothing),
		cmocka_unit_test(test_free_blocks_are_kept_up_to_the_cache_and_no_further),
		cmocka_unit_test(test_a_chunk_is_a_view_that_takes_over_one_reference),
		cmocka_unit_test(test_random_takes_and_releases_keep_the_sum_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
