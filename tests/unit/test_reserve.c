/* SPDX-License-Identifier: MIT */
/* The reserve of a flow: it is there when the budget is spent, and comes back to who lent it. */
#include <errno.h>

#include "core_fixture.h"

#include "core/queue.h"
#include "weir/err.h"

#define LIMIT ((size_t)1 << 20)
#define FLOWS (LIMIT / 4 / WEIR_FLOW_RESERVE)

struct rig {
	struct world w;
	struct sink s;
	struct source p;
	struct weir_block *blocks[LIMIT / WEIR_BLOCK_SMALL];
	unsigned count;
	size_t rest;
};

static int open_rig(void **state)
{
	struct rig *r = test_calloc(1, sizeof(*r));

	world_open(&r->w, LIMIT);
	sink_open(&r->s, &r->w);
	source_open(&r->p, WEIR_PUSH);
	*state = r;
	return 0;
}

/* Somebody takes all blocks that there are. */
static void spend(struct rig *r)
{
	while (weir_pool_take(&r->w.ctx.pool, 1, &r->blocks[r->count]) == 0)
		r->count++;
}

static void give_back(struct rig *r)
{
	while (r->count)
		weir_block_unref(r->blocks[--r->count]);
	if (r->rest)
		weir_budget_credit(&r->w.budget, r->rest);
	r->rest = 0;
}

/* And somebody, what is for reserves. */
static void spend_all(struct rig *r)
{
	spend(r);
	r->rest = weir_budget_room(&r->w.budget);
	assert_true(weir_budget_charge(&r->w.budget, r->rest));
}

static int close_rig(void **state)
{
	struct rig *r = *state;

	weir_valve_fini(&r->s.v);
	give_back(r);
	world_run(&r->w);
	assert_false(r->p.broken);
	world_close(&r->w);
	test_free(r);
	return 0;
}

static void test_mem3_who_comes_when_all_blocks_are_taken_has_its_reserve(void **state)
{
	struct rig *r = *state;
	static struct sink sinks[FLOWS];
	static struct source sources[FLOWS];

	spend(r);
	for (unsigned i = 0; i < FLOWS; i++) {
		sink_open(&sinks[i], &r->w);
		source_open(&sources[i], WEIR_PUSH);
		source_join(&sources[i], &sinks[i]);
		assert_false(sources[i].paused);
		sinks[i].window = 0;
		assert_int_equal(weir_consumer_room(&sinks[i].v.base), WEIR_FLOW_RESERVE);
		assert_int_equal(source_write(&sources[i], WEIR_FLOW_RESERVE), 0);
		assert_true(r->w.budget.used <= LIMIT);
	}
	/* One more waits. */
	source_join(&r->p, &r->s);
	assert_true(r->p.paused);
	weir_valve_fini(&sinks[0].v);
	world_run(&r->w);
	assert_false(r->p.paused);
	for (unsigned i = 1; i < FLOWS; i++)
		weir_valve_fini(&sinks[i].v);
}

static void test_mem3_no_block_is_given_while_somebody_waits_for_a_reserve(void **state)
{
	struct rig *r = *state;
	struct weir_block *block;

	spend_all(r);
	source_join(&r->p, &r->s);
	assert_true(r->p.paused);
	weir_block_unref(r->blocks[--r->count]);
	assert_int_equal(weir_pool_take(&r->w.ctx.pool, 1, &block), WEIR_EFULL);
	world_run(&r->w);
	assert_false(r->p.paused);
	assert_int_equal(weir_consumer_room(&r->s.v.base), WEIR_FLOW_RESERVE);
}

static void test_mem3_who_waits_for_more_does_not_keep_others_from_their_reserve(void **state)
{
	struct rig *r = *state;
	struct sink greedy;
	struct source q;

	sink_open(&greedy, &r->w);
	source_open(&q, WEIR_PUSH);
	source_join(&q, &greedy);
	greedy.window = 0;
	spend_all(r);
	assert_int_equal(source_write(&q, 100000), WEIR_EFULL);
	assert_true(q.paused);
	source_join(&r->p, &r->s);
	assert_true(r->p.paused);
	weir_block_unref(r->blocks[--r->count]);
	world_run(&r->w);
	assert_false(r->p.paused);
	assert_true(q.paused);
	weir_valve_fini(&greedy.v);
}

static void test_mem3_a_write_that_is_refused_leaves_the_reserve_where_it_is(void **state)
{
	struct rig *r = *state;

	source_join(&r->p, &r->s);
	r->s.window = 0;
	spend(r);
	assert_int_equal(source_write(&r->p, WEIR_FLOW_RESERVE + 1), WEIR_EFULL);
	assert_true(world_run(&r->w) < 3);
	assert_true(r->p.paused);
	assert_int_equal(source_write(&r->p, WEIR_FLOW_RESERVE), 0);
	/* With a block more, a block more. */
	sink_take(&r->s, SIZE_MAX);
	r->s.window = 0;
	weir_block_unref(r->blocks[--r->count]);
	weir_valve_hold(&r->s.v, WEIR_HOLD_USER);
	assert_int_equal(source_write(&r->p, 2 * WEIR_FLOW_RESERVE), 0);
}

/* Let the sink take what it holds, but keep the block: as one behind it would. */
static struct weir_block *pass_on(struct rig *r)
{
	struct weir_block *block = weir_block_ref(weir__queue_at(&r->s.v.queue, 0)->owner);

	sink_take(&r->s, SIZE_MAX);
	assert_int_equal(sink_state(&r->s).held, 0);
	return block;
}

static struct weir_block *lend(struct rig *r)
{
	source_join(&r->p, &r->s);
	spend_all(r);
	r->s.window = 0;
	assert_int_equal(source_write(&r->p, 100), 0);
	assert_true(r->p.paused);
	return pass_on(r);
}

static void test_mem3_a_reserve_comes_back_to_the_flow_whose_bytes_went_on(void **state)
{
	struct rig *r = *state;
	struct weir_block *block = lend(r);
	struct sink other;
	struct source q;

	sink_open(&other, &r->w);
	source_open(&q, WEIR_PUSH);
	source_join(&q, &other); /* lacks one, and waits */
	world_run(&r->w);
	assert_true(r->p.paused);
	weir_block_unref(block);
	world_run(&r->w);
	assert_false(r->p.paused);
	assert_true(q.paused);
	assert_int_equal(source_write(&r->p, 100), 0);
	weir_valve_fini(&other.v);
}

static void test_mem6_a_flow_that_ends_before_its_block_owes_nothing(void **state)
{
	struct rig *r = *state;
	struct weir_block *block = lend(r);

	give_back(r);
	weir_consumer_fail(&r->s.v.base, -EIO);
	assert_int_equal(r->w.budget.used, WEIR_BLOCK_SMALL);
	memset(&r->s.v.waiter, 0xee, sizeof(r->s.v.waiter)); /* it may be gone */
	weir_block_unref(block);
	assert_int_equal(r->w.budget.used, 0);
	assert_int_equal(r->w.budget.reserved, 0);
	assert_int_equal(weir_budget_block_room(&r->w.budget), LIMIT / 4 * 3);
}

static void test_mem6_a_flow_that_is_let_go_gives_back_what_comes_back(void **state)
{
	struct rig *r = *state;
	struct weir_block *block = lend(r);

	give_back(r);
	weir_consumer_unregister(&r->s.v.base);
	world_run(&r->w);
	weir_block_unref(block);
	world_run(&r->w);
	assert_int_equal(r->w.budget.used, 0);
	assert_int_equal(r->w.budget.reserved, 0);
}

static void test_mem3_reserves_stay_when_the_limit_falls_below_what_is_used(void **state)
{
	struct rig *r = *state;

	source_join(&r->p, &r->s);
	spend(r);
	weir_budget_set_limit(&r->w.budget, LIMIT / 8);
	r->s.window = 0;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(weir_consumer_room(&r->s.v.base), WEIR_FLOW_RESERVE);
		assert_int_equal(source_write(&r->p, WEIR_FLOW_RESERVE), 0);
		assert_true(r->p.paused);
		sink_take(&r->s, SIZE_MAX);
		world_run(&r->w);
		r->s.window = 0;
		assert_false(r->p.paused);
	}
	weir_budget_set_limit(&r->w.budget, LIMIT);
}

static void test_mem3_one_who_asked_before_it_was_in_use_neither_spins_nor_waits_for_ever(void **state)
{
	struct rig *r = *state;
	struct sink other;
	struct source q;

	/* One in the second line, so that not all can be served. */
	sink_open(&other, &r->w);
	source_open(&q, WEIR_PUSH);
	source_join(&q, &other);
	spend(r);
	assert_int_equal(source_write(&q, 100000), WEIR_EFULL);
	assert_true(weir_budget_charge(&r->w.budget, 100));
	assert_int_equal(weir_consumer_room(&r->s.v.base), 0);
	weir_budget_credit(&r->w.budget, 100);
	assert_true(world_run(&r->w) < 10);
	assert_int_equal(sink_state(&r->s).holds, 0);
	assert_true(q.paused);
	assert_int_equal(weir_consumer_room(&r->s.v.base), 0);
	assert_int_equal(sink_state(&r->s).holds, WEIR_HOLD_BUDGET);
	assert_int_not_equal(weir_context_next(&r->w.ctx), 0);
	source_join(&r->p, &r->s);
	world_run(&r->w);
	assert_false(r->p.paused);
	assert_int_equal(weir_consumer_room(&r->s.v.base), WEIR_FLOW_RESERVE);
	weir_valve_fini(&other.v);
}

static void test_mem2_little_in_large_blocks_is_copied_together(void **state)
{
	struct rig *r = *state;

	source_join(&r->p, &r->s);
	r->s.window = 0;
	for (int i = 0; i < 1000; i++) {
		struct weir_block *block;
		struct weir_chunk chunk;

		assert_int_equal(weir_pool_take(&r->w.ctx.pool, i % 2 ? 1 : WEIR_BLOCK_LARGE, &block), 0);
		pattern_fill(block->data, 10, r->p.given);
		block->used = 10;
		chunk = weir_chunk_from_block(block);
		assert_int_equal(weir_consumer_give(&r->s.v.base, &chunk), 0);
		assert_null(chunk.owner);
		r->p.given += 10;
	}
	assert_int_equal(sink_state(&r->s).held, 10000);
	assert_true(r->w.budget.used <= WEIR_FLOW_RESERVE + WEIR_BLOCK_LARGE);
	sink_take(&r->s, SIZE_MAX);
	assert_int_equal(r->s.got, 10000);
	sink_state(&r->s);
}

#define RESERVE(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RESERVE(test_mem3_who_comes_when_all_blocks_are_taken_has_its_reserve),
		RESERVE(test_mem3_no_block_is_given_while_somebody_waits_for_a_reserve),
		RESERVE(test_mem3_who_waits_for_more_does_not_keep_others_from_their_reserve),
		RESERVE(test_mem3_a_write_that_is_refused_leaves_the_reserve_where_it_is),
		RESERVE(test_mem3_a_reserve_comes_back_to_the_flow_whose_bytes_went_on),
		RESERVE(test_mem6_a_flow_that_ends_before_its_block_owes_nothing),
		RESERVE(test_mem6_a_flow_that_is_let_go_gives_back_what_comes_back),
		RESERVE(test_mem3_reserves_stay_when_the_limit_falls_below_what_is_used),
		RESERVE(test_mem3_one_who_asked_before_it_was_in_use_neither_spins_nor_waits_for_ever),
		RESERVE(test_mem2_little_in_large_blocks_is_copied_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
