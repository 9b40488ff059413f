/* SPDX-License-Identifier: MIT */
/*
 * Each scenario is run with its first allocation failing, its second, and so on until
 * none fails: nothing leaks, nothing crashes, and what is said afterwards is true.
 */
#include "core_fixture.h"

#include <errno.h>

#include "oom_fixture.h"
#include "weir/join.h"

/* What the sink got is what was accepted if it says so, and a prefix if not. */
static void assert_truthful(const struct sink *s, uint64_t accepted)
{
	struct weir_consumer_state st = sink_state(s);

	assert_true(st.ended);
	assert_int_equal(s->on_ends, 1);
	assert_int_equal(s->on_end_why, st.why);
	assert_int_equal(s->got, st.out);
	if (st.why == 0) {
		assert_int_equal(s->got, accepted);
		assert_int_equal(st.dropped, 0);
	} else {
		assert_int_equal(st.why, -ENOMEM);
		assert_true(weir_test_alloc_failed());
	}
}

/* ---- register, write, drain, finish ------------------------------------------------- */

static void write_drain_finish(void)
{
	struct world w;
	struct sink s;
	struct source p;
	uint64_t accepted = 0;

	world_open(&w, (size_t)16 << 20);
	sink_open(&s, &w);
	assert_int_equal(weir_valve_set_marks(&s.v, 60000, 1000, 200000), 0);
	source_open(&p, WEIR_PUSH);
	source_join(&p, &s);
	for (unsigned i = 0; i < 60 && p.base.consumer; i++) {
		size_t len = i % 7 ? 900 : 20000;

		s.window = i % 3 ? 0 : 500;
		if (source_write(&p, len) == 0)
			accepted += len;
		else
			assert_int_equal(p.last_rc, -ENOMEM);
		if (i % 5 == 4)
			sink_take(&s, 30000);
		world_run(&w);
	}
	weir_producer_end(&p.base, 0);
	sink_take(&s, SIZE_MAX);
	assert_truthful(&s, accepted);
	assert_false(p.broken);
	weir_valve_fini(&s.v);
	world_close(&w);
}

static void test_a_write_that_cannot_be_kept_is_refused_or_ends_the_stream(void **state)
{
	(void)state;
	for_each_failure(write_drain_finish, 5);
}

/* ---- a join from a pull producer ------------------------------------------------------ */

#define TOTAL 100000

static void pull_or_fail(struct source *p)
{
	if (p->given == TOTAL)
		weir_producer_end(&p->base, 0);
	else if (source_write(p, 4000) < 0)
		weir_producer_end(&p->base, p->last_rc);
}

static struct weir_outcome outcome;
static unsigned dones;

static void on_done(struct weir_join *join, const struct weir_outcome *o, void *arg)
{
	(void)join;
	(void)arg;
	dones++;
	outcome = *o;
}

static void join_from_a_pull_producer(void)
{
	struct weir_join_options options = {.on_done = on_done};
	struct weir_join *join = NULL;
	struct world w;
	struct sink s;
	struct source p;
	int rc;

	world_open(&w, (size_t)16 << 20);
	sink_open(&s, &w);
	assert_int_equal(weir_valve_set_marks(&s.v, 30000, 5000, 60000), 0);
	s.window = 0;
	source_open(&p, WEIR_PULL);
	p.on_resume = pull_or_fail;
	dones = 0;
	rc = weir_join_create(&w.ctx, &p.base, &s.v.base, &options, &join);
	if (rc < 0) {
		assert_int_equal(rc, -ENOMEM);
		assert_string_equal(p.log, ""); /* nothing was begun */
		assert_null(weir_consumer_producer(&s.v.base));
		rc = weir_join_create(&w.ctx, &p.base, &s.v.base, &options, &join);
	}
	assert_int_equal(rc, 0);
	for (unsigned i = 0; dones == 0; i++) {
		assert_true(i < 1000);
		sink_take(&s, 1500);
		world_run(&w);
	}
	assert_truthful(&s, TOTAL);
	assert_int_equal(outcome.offset, s.got);
	assert_int_equal(outcome.in, outcome.offset + outcome.dropped);
	if (outcome.end == WEIR_FINISHED) {
		assert_int_equal(s.got, TOTAL);
	} else {
		assert_true(outcome.end == WEIR_SOURCE_FAILED || outcome.end == WEIR_SINK_FAILED);
		assert_int_equal(outcome.cause, -ENOMEM);
	}
	weir_join_destroy(join);
	weir_valve_fini(&s.v);
	world_close(&w);
}

static void test_a_join_that_runs_out_of_memory_says_so(void **state)
{
	(void)state;
	for_each_failure(join_from_a_pull_producer, 3);
}

/* ---- one chunk for two ------------------------------------------------------------------ */

static int give(struct sink *s, const struct weir_chunk *chunk)
{
	struct weir_chunk mine = weir_chunk_ref(chunk);
	int rc = weir_consumer_give(&s->v.base, &mine);

	assert_int_equal(rc == 0, mine.owner == NULL);
	if (rc < 0) {
		assert_true(rc == -ENOMEM || (rc == WEIR_ECLOSED && s->on_ends == 1));
		assert_ptr_equal(mine.data, chunk->data); /* as it was */
		assert_int_equal(mine.len, chunk->len);
		weir_chunk_unref(&mine);
	}
	return rc;
}

static struct weir_pool *pool;

/* Give one chunk of the pattern; 0 if it was taken. */
static int give_new(struct sink *s, size_t len, uint64_t *next)
{
	struct weir_block *block;
	struct weir_chunk chunk;
	uint64_t at = *next;
	int rc = weir_pool_take(pool, len, &block);

	if (rc < 0)
		return rc;
	block->used = (uint32_t)len;
	pattern_fill(block->data, len, at);
	chunk = weir_chunk_from_block(block);
	*next += len; /* what is given inside the drain comes after it */
	rc = give(s, &chunk);
	if (rc < 0 && *next == at + len)
		*next = at;
	else if (rc < 0)
		s->base += len; /* only what was given inside it has been taken */
	weir_chunk_unref(&chunk);
	return rc;
}

/* Enough from inside the drain of another that the queue must grow. */
static void give_inside(struct sink *s)
{
	s->on_drain = NULL;
	for (unsigned i = 0; i < 6; i++)
		give_new(s, 10, s->arg);
}

static void give_to_two_consumers(void)
{
	struct world w;
	struct sink s[2];
	uint64_t next[2] = {0, 0};

	world_open(&w, (size_t)16 << 20);
	for (unsigned k = 0; k < 2; k++)
		sink_open(&s[k], &w);
	pool = &w.ctx.pool;
	pool->cache_max = 0; /* so that a sanitizer sees a block that is used too late */
	for (unsigned i = 0; i < 40; i++) {
		for (unsigned k = 0; k < 2; k++) {
			s[k].window = i % 16 ? 0 : 30;
			s[k].arg = &next[k];
			s[k].on_drain = i % 8 ? NULL : give_inside;
			give_new(&s[k], 100, &next[k]);
			if (i % 8 == 7)
				sink_take(&s[k], SIZE_MAX);
		}
	}
	for (unsigned k = 0; k < 2; k++) {
		weir_consumer_finish(&s[k].v.base);
		sink_take(&s[k], SIZE_MAX);
		assert_truthful(&s[k], next[k] - s[k].base);
		weir_valve_fini(&s[k].v);
	}
	world_close(&w);
}

static void test_a_chunk_that_cannot_be_taken_stays_the_givers(void **state)
{
	(void)state;
	for_each_failure(give_to_two_consumers, 10);
}

/* ---- a budget that is tight ---------------------------------------------------------------- */

#define FLOWS 4

static void write_room(struct source *p)
{
	size_t room = p->base.consumer ? weir_consumer_room(p->base.consumer) : 0;

	if (p->given == TOTAL)
		weir_producer_end(&p->base, 0);
	else if (room && source_write(p, room < TOTAL - p->given ? room : TOTAL - p->given) < 0)
		assert_int_equal(p->last_rc, -ENOMEM); /* tries again later */
}

static void tight_budget(void)
{
	struct world w;
	struct sink s[FLOWS];
	struct source p[FLOWS];
	unsigned left = FLOWS;

	world_open(&w, (FLOWS - 1) * WEIR_FLOW_RESERVE + WEIR_BLOCK_LARGE);
	for (unsigned i = 0; i < FLOWS; i++) {
		sink_open(&s[i], &w);
		source_open(&p[i], WEIR_PUSH);
		assert_int_equal(weir_valve_set_marks(&s[i].v, 50000, 1000, 100000), 0);
		source_join(&p[i], &s[i]);
	}
	for (unsigned round = 0; left > 0; round++) {
		assert_true(round < 100000);
		left = 0;
		for (unsigned i = 0; i < FLOWS; i++) {
			if (p[i].base.consumer && !p[i].paused)
				write_room(&p[i]);
			sink_take(&s[i], (round * 7 + i) % 3 * 3000);
			left += s[i].on_ends == 0;
		}
		weir_context_run(&w.ctx);
		assert_true(w.budget.used <= w.budget.limit);
	}
	for (unsigned i = 0; i < FLOWS; i++) {
		assert_truthful(&s[i], TOTAL);
		assert_false(p[i].broken);
		weir_valve_fini(&s[i].v);
	}
	world_run(&w);
	world_close(&w);
}

static void test_flows_on_a_tight_budget_survive_each_failure(void **state)
{
	(void)state;
	for_each_failure(tight_budget, 5);
}

/* ---- a write from inside a drain, before a long rest -------------------------------------- */

static void write_inside(struct sink *s)
{
	s->on_drain = NULL;
	for (int i = 0; i < 30; i++) {
		struct weir_chunk chunk;
		struct weir_block *block;

		if (weir_pool_take(&s->world->ctx.pool, 600, &block) < 0)
			continue;
		pattern_fill(block->data, block->used = 600, s->base + 400000 + s->v.queue.bytes);
		chunk = weir_chunk_from_block(block);
		if (weir_consumer_give(&s->v.base, &chunk) < 0)
			weir_chunk_unref(&chunk);
	}
}

static void nested_then_rest(void)
{
	struct world w;
	struct sink s;
	struct source p;

	world_open(&w, (size_t)16 << 20);
	sink_open(&s, &w);
	source_open(&p, WEIR_PUSH);
	source_join(&p, &s);
	s.on_drain = write_inside;
	s.window = 100;
	if (source_write(&p, 400000) == 0)
		sink_take(&s, SIZE_MAX);
	else
		assert_int_equal(p.last_rc, -ENOMEM);
	weir_producer_end(&p.base, 0);
	world_run(&w);
	assert_truthful(&s, s.v.in);
	weir_valve_fini(&s.v);
	world_close(&w);
}

static void test_a_rest_that_cannot_be_kept_ends_the_stream(void **state)
{
	(void)state;
	for_each_failure(nested_then_rest, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_write_that_cannot_be_kept_is_refused_or_ends_the_stream),
		cmocka_unit_test(test_a_join_that_runs_out_of_memory_says_so),
		cmocka_unit_test(test_a_chunk_that_cannot_be_taken_stays_the_givers),
		cmocka_unit_test(test_flows_on_a_tight_budget_survive_each_failure),
		cmocka_unit_test(test_a_rest_that_cannot_be_kept_ends_the_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
