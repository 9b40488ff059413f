/* SPDX-License-Identifier: MIT */
/* A tee with a thousand branches: what they hold in common is held once. */
#include "core_fixture.h"

#include "weir/tee.h"

#define MANY  1000
#define CHUNK WEIR_BLOCK_MEDIUM

struct many {
	struct world w;
	struct sink sink[MANY];
	struct weir_branch *branch[MANY];
	struct source source;
	struct weir_tee *tee;
};

static struct many *open_many(size_t count)
{
	struct many *m = test_calloc(1, sizeof(*m));

	world_open(&m->w, (size_t)1 << 26);
	assert_int_equal(weir_tee_create(&m->w.ctx, &m->tee), 0);
	for (size_t i = 0; i < MANY; i++)
		sink_open(&m->sink[i], &m->w);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(weir_tee_add(m->tee, &m->sink[i].v.base, NULL, &m->branch[i]), 0);
	source_open(&m->source, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(weir_tee_sink(m->tee), &m->source.base, WEIR_PUSH),
	                 0);
	world_run(&m->w);
	assert_false(m->source.paused);
	return m;
}

static void close_many(struct many *m)
{
	weir_tee_destroy(m->tee);
	world_run(&m->w);
	for (size_t i = 0; i < MANY; i++)
		weir_valve_fini(&m->sink[i].v);
	assert_false(m->source.broken);
	world_close(&m->w);
	test_free(m);
}

static int give(struct many *m)
{
	return source_give(&m->source, &m->w.ctx.pool, CHUNK);
}

static void assert_whole(const struct sink *s, uint64_t bytes)
{
	sink_state(s);
	assert_int_equal(s->got, bytes);
	assert_int_equal(s->on_ends, 1);
	assert_int_equal(s->on_end_why, 0);
}

/* What two chunks take of the budget while `count` branches hold them. */
static size_t charged_for(size_t count)
{
	struct many *m = open_many(count);
	size_t before = m->w.budget.used, charged;

	for (size_t i = 0; i < count; i++)
		m->sink[i].window = 0;
	for (int k = 0; k < 2; k++) {
		assert_int_equal(give(m), 0);
		world_run(&m->w);
	}
	charged = m->w.budget.used - before;
	for (size_t i = 0; i < count; i++)
		assert_int_equal(sink_state(&m->sink[i]).held, 2 * CHUNK);
	weir_producer_end(&m->source.base, 0);
	for (size_t i = 0; i < count; i++)
		sink_take(&m->sink[i], SIZE_MAX);
	world_run(&m->w);
	for (size_t i = 0; i < count; i++)
		assert_whole(&m->sink[i], 2 * CHUNK);
	assert_int_equal(m->w.budget.used, 0);
	close_many(m);
	return charged;
}

static void test_a_chunk_is_charged_once_for_a_thousand_branches(void **state)
{
	(void)state;
	assert_int_equal(charged_for(1), 2 * CHUNK);
	assert_int_equal(charged_for(MANY), 2 * CHUNK);
}

static void test_one_branch_of_a_thousand_holds_all_in_bounded_memory(void **state)
{
	struct many *m = open_many(MANY);
	size_t before = m->w.budget.used;
	struct sink *slow = &m->sink[MANY / 2];
	int chunks = 0;
	uint64_t held_at;

	(void)state;
	slow->window = 0;
	for (; !m->source.paused; chunks++) {
		assert_true(chunks < 100);
		assert_int_equal(give(m), 0);
		world_run(&m->w);
	}
	held_at = m->source.given;
	assert_true(m->w.budget.used - before <= held_at);
	assert_int_equal(slow->got, 0);
	for (size_t i = 1; i < MANY; i++) {
		if (i != MANY / 2)
			assert_int_equal(m->sink[i].got, m->sink[0].got);
	}
	assert_true(m->sink[0].got >= sink_state(slow).held);
	for (int i = 0; i < 3; i++)
		world_run(&m->w);
	assert_true(m->source.paused); /* nobody else can let it go */
	sink_take(slow, SIZE_MAX);
	world_run(&m->w);
	assert_false(m->source.paused);
	assert_int_equal(give(m), 0);
	weir_producer_end(&m->source.base, 0);
	world_run(&m->w);
	for (size_t i = 0; i < MANY; i++)
		assert_whole(&m->sink[i], held_at + CHUNK);
	close_many(m);
}

static void test_branches_removed_under_way_have_got_what_was_due_to_them(void **state)
{
	struct many *m = open_many(MANY);
	uint64_t due[MANY];
	size_t removed = 0;

	(void)state;
	for (size_t i = 0; i < MANY; i += 3) /* so that the tee keeps the rest for them */
		assert_int_equal(weir_valve_set_marks(&m->sink[i].v, 2000, 500, 4000), 0);
	while (removed < MANY - 50) {
		for (size_t i = removed; i < MANY; i++)
			m->sink[i].window = i % 3 ? SIZE_MAX : 1000;
		assert_int_equal(give(m), 0);
		for (size_t k = 0; k < 50; k++, removed++) {
			struct weir_branch_state s;

			weir_branch_state(m->branch[removed], &s);
			due[removed] = s.in;
			weir_tee_remove(m->branch[removed], 0);
		}
		world_run(&m->w);
		for (size_t i = 0; i < MANY; i++)
			sink_take(&m->sink[i], SIZE_MAX);
		world_run(&m->w);
		assert_int_equal(due[removed - 1], m->source.given);
	}
	weir_producer_end(&m->source.base, 0);
	world_run(&m->w);
	for (size_t i = 0; i < MANY; i++)
		assert_whole(&m->sink[i], i < removed ? due[i] : m->source.given);
	close_many(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_chunk_is_charged_once_for_a_thousand_branches),
		cmocka_unit_test(test_one_branch_of_a_thousand_holds_all_in_bounded_memory),
		cmocka_unit_test(test_branches_removed_under_way_have_got_what_was_due_to_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
