/* SPDX-License-Identifier: MIT */
/*
 * A tee of every policy with each of its allocations failing once, and stores that fail at
 * each of their calls: one branch fails and says so, the others and the source go on.
 */
#include "core_fixture.h"

#include <errno.h>

#include "oom_fixture.h"
#include "tee_fixture.h"

#define BRANCHES 5 /* one of each policy, and one that comes later */

struct tee {
	struct world w;
	struct sink sink[BRANCHES];
	struct weir_branch *branch[BRANCHES];
	unsigned told[BRANCHES]; /* on_end */
	int told_why[BRANCHES];
	uint64_t accepted;
	unsigned spills;
	struct source source;
	struct weir_tee *tee;
};

static struct tee *the;

static void on_branch_end(struct weir_branch *branch, int why, void *arg)
{
	size_t i = (size_t)((struct sink *)arg - the->sink);

	(void)branch;
	the->told[i]++;
	the->told_why[i] = why;
}

/* The sink of branch `i`; a refusal for want of memory has changed nothing. */
static void add_branch(struct tee *t, int i, struct weir_branch_options options)
{
	int rc;

	options.on_end = on_branch_end;
	options.arg = &t->sink[i];
	t->sink[i].base = t->source.given;
	rc = weir_tee_add(t->tee, &t->sink[i].v.base, &options, &t->branch[i]);
	if (rc < 0) {
		assert_int_equal(rc, -ENOMEM);
		assert_null(weir_consumer_producer(&t->sink[i].v.base));
		rc = weir_tee_add(t->tee, &t->sink[i].v.base, &options, &t->branch[i]);
	}
	assert_int_equal(rc, 0);
}

static void open_tee(struct tee *t)
{
	int rc;

	*t = (struct tee){.spills = 0};
	the = t;
	world_open(&t->w, (size_t)1 << 24);
	t->w.ctx.pool.cache_max = 0; /* so that each block is an allocation */
	rc = weir_tee_create(&t->w.ctx, &t->tee);
	if (rc < 0) {
		assert_int_equal(rc, -ENOMEM);
		rc = weir_tee_create(&t->w.ctx, &t->tee);
	}
	assert_int_equal(rc, 0);
	source_open(&t->source, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(weir_tee_sink(t->tee), &t->source.base, WEIR_PUSH),
	                 0);
	for (int i = 0; i < BRANCHES; i++) {
		sink_open(&t->sink[i], &t->w);
		assert_int_equal(weir_valve_set_marks(&t->sink[i].v, 6000, 1000, 12000), 0);
	}
}

static void take_all(struct tee *t)
{
	for (int i = 0; i < BRANCHES; i++)
		sink_take(&t->sink[i], SIZE_MAX);
	world_run(&t->w);
}

/* Writes and gives, with the sinks slow in turn. */
static void pour_some(struct tee *t, unsigned rounds)
{
	for (unsigned k = 0; k < rounds; k++) {
		size_t len = k % 4 ? 700 : 5000;
		int rc;

		for (unsigned i = 0; i < BRANCHES; i++)
			t->sink[i].window = (k / 8 + i) % 3 ? 300 : SIZE_MAX;
		t->sink[3].window = 0; /* until its store is full, and holds all */
		for (unsigned i = 0; t->source.paused && i < 20; i++)
			take_all(t);
		if (!t->source.base.consumer)
			return;
		assert_false(t->source.paused);
		rc = k % 2 ? source_give(&t->source, &t->w.ctx.pool, len)
		           : source_write(&t->source, len);
		if (rc < 0)
			assert_int_equal(rc, -ENOMEM);
		if (k % 3 == 2)
			world_run(&t->w);
	}
}

/* Every branch has ended once; what it did not get has been told. */
static void assert_branches_truthful(struct tee *t, unsigned *failed)
{
	for (int i = 0; i < BRANCHES; i++) {
		const struct sink *s = &t->sink[i];
		struct weir_branch_state st;

		weir_branch_state(t->branch[i], &st);
		assert_true(st.ended);
		assert_int_equal(st.held, 0);
		assert_int_equal(st.in, st.out + st.dropped);
		assert_int_equal(st.out, s->got);
		assert_int_equal(s->on_ends, 1);
		assert_int_equal(s->on_end_why, st.why);
		assert_int_equal(t->told[i], 1);
		assert_int_equal(t->told_why[i], st.why);
		if (st.why == 0) {
			assert_int_equal(st.in, t->source.given - s->base);
			assert_true(st.dropped == 0 || i == 1);
		} else {
			assert_int_equal(st.why, -ENOMEM);
			++*failed;
		}
		if (st.dropped == 0 || i != 1)
			assert_false(s->garbled);
	}
}

static void assert_tee_truthful(struct tee *t)
{
	struct weir_consumer_state front;
	unsigned failed = 0;

	weir_consumer_state(weir_tee_sink(t->tee), &front);
	assert_true(front.ended);
	assert_int_equal(front.held, 0);
	assert_int_equal(front.in, front.out + front.dropped);
	assert_branches_truthful(t, &failed);
	assert_true(failed <= 1); /* one allocation: one branch */
	assert_int_equal(front.why, 0);
	assert_int_equal(front.in, t->source.given);
	assert_int_equal(t->source.stops, 0);
	if (failed)
		assert_true(weir_test_alloc_failed());
}

static void tee_of_all_policies(void)
{
	static struct tee t;

	open_tee(&t);
	add_branch(&t, 0, (struct weir_branch_options){.policy = WEIR_TEE_BLOCK});
	add_branch(&t, 1,
	           (struct weir_branch_options){.policy = WEIR_TEE_DROP,
	                                        .behind = 3000,
	                                        .separator = WEIR_NO_SEPARATOR});
	add_branch(&t, 2, (struct weir_branch_options){.policy = WEIR_TEE_DETACH});
	add_branch(&t, 3,
	           (struct weir_branch_options){.policy = WEIR_TEE_SPILL,
	                                        .behind = 2000,
	                                        .spill = heap_spill(3000, 0, &t.spills)});
	world_run(&t.w);
	pour_some(&t, 60);
	take_all(&t);
	take_all(&t);
	assert_non_null(t.source.base.consumer); /* one failure stops no source */
	add_branch(&t, 4, (struct weir_branch_options){.policy = WEIR_TEE_BLOCK});
	world_run(&t.w);
	pour_some(&t, 40);
	weir_producer_end(&t.source.base, 0);
	for (int i = 0; i < 10; i++)
		take_all(&t);
	assert_tee_truthful(&t);
	assert_int_equal(t.spills, 1);
	assert_false(t.source.broken);
	weir_tee_destroy(t.tee);
	world_run(&t.w);
	for (int i = 0; i < BRANCHES; i++)
		weir_valve_fini(&t.sink[i].v);
	world_close(&t.w);
}

static void test_a_tee_that_runs_out_of_memory_fails_one_branch_or_refuses_the_bytes(void **state)
{
	(void)state;
	for_each_failure(tee_of_all_policies, 50);
}

/* ---- stores that fail ---- */

/* A heap store that fails at one of its calls, and moves `most` bytes a call at most. */
struct bad_spill {
	struct weir_spill base;
	struct weir_spill *heap;
	int stores_left, fetches_left; /* until the failure; 0: never */
	int why;
	size_t most;
};

static bool bad_failed;

static int64_t bad_store(struct weir_spill *s, const void *data, size_t len)
{
	struct bad_spill *b = (struct bad_spill *)s;

	if (b->stores_left && --b->stores_left == 0) {
		bad_failed = true;
		return b->why;
	}
	return heap_store(b->heap, data, len < b->most ? len : b->most);
}

static int64_t bad_fetch(struct weir_spill *s, void *data, size_t len)
{
	struct bad_spill *b = (struct bad_spill *)s;

	if (b->fetches_left && --b->fetches_left == 0) {
		bad_failed = true;
		return b->why;
	}
	return heap_fetch(b->heap, data, len < b->most ? len : b->most);
}

static void bad_destroy(struct weir_spill *s)
{
	weir_spill_destroy(((struct bad_spill *)s)->heap);
	test_free(s);
}

static const struct weir_spill_ops bad_ops = {
	.name = "bad",
	.store = bad_store,
	.fetch = bad_fetch,
	.destroy = bad_destroy,
};

static struct weir_spill *bad_spill(struct bad_spill how, unsigned *destroyed)
{
	struct bad_spill *b = test_calloc(1, sizeof(*b));

	*b = how;
	b->base.ops = &bad_ops;
	b->heap = heap_spill(3000, 0, destroyed);
	return &b->base;
}

/* One branch that spills and one that does not.  `why`: how the first one must end if the
 * store has failed; returns whether that came. */
static bool spill_with(struct bad_spill how, int why)
{
	struct weir_branch_options options = {.policy = WEIR_TEE_SPILL, .behind = 1000};
	struct rig r;

	bad_failed = false;
	open_rig(&r);
	options.spill = bad_spill(how, &r.spills);
	assert_int_equal(weir_valve_set_marks(&r.sink[0].v, 2000, 500, 4000), 0);
	add(&r, 0, &options);
	add(&r, 1, NULL);
	for (int k = 0; k < 40; k++) {
		r.sink[0].window = 0;
		pour(&r, 700, 3);
		sink_take(&r.sink[0], 900);
		world_run(&r.w);
		state_of(&r, 0);
	}
	weir_producer_end(&r.source.base, 0);
	for (int i = 0; i < 10; i++) {
		sink_take(&r.sink[0], SIZE_MAX);
		world_run(&r.w);
	}
	assert_int_equal(r.source.stops, 0);
	for (int i = 0; i < 2; i++) {
		struct weir_branch_state s = state_of(&r, i);
		int expected = i == 0 && bad_failed ? why : 0;

		assert_true(s.ended);
		assert_int_equal(s.why, expected);
		assert_int_equal(s.out, r.sink[i].got);
		assert_int_equal(r.sink[i].on_ends, 1);
		assert_int_equal(r.sink[i].on_end_why, expected);
		assert_false(r.sink[i].garbled);
		if (expected == 0)
			assert_int_equal(r.sink[i].got, r.source.given);
	}
	assert_true(front_of(&r).ended);
	assert_int_equal(front_of(&r).why, 0);
	assert_int_equal(r.spills, 1);
	close_rig(&r);
	return bad_failed;
}

static void test_a_store_that_fails_at_any_store_fails_its_branch_alone(void **state)
{
	int n = 0;

	(void)state;
	while (spill_with((struct bad_spill){.stores_left = ++n, .why = -ENOSPC, .most = SIZE_MAX},
	                  -ENOSPC))
		;
	assert_in_range(n, 10, 1000);
}

static void test_a_store_that_fails_at_any_fetch_fails_its_branch_alone(void **state)
{
	int n = 0;

	(void)state;
	while (spill_with((struct bad_spill){.fetches_left = ++n, .why = -EBADF, .most = SIZE_MAX},
	                  -EBADF))
		;
	assert_in_range(n, 10, 1000);
}

static void test_a_store_that_has_lost_bytes_fails_its_branch_with_eio(void **state)
{
	int n = 0;

	(void)state;
	while (spill_with((struct bad_spill){.fetches_left = ++n, .why = 0, .most = SIZE_MAX},
	                  -EIO))
		;
	assert_in_range(n, 10, 1000);
}

static void test_a_store_that_is_full_while_it_is_empty_fails_its_branch(void **state)
{
	(void)state;
	assert_true(spill_with((struct bad_spill){.stores_left = 1, .why = 0, .most = 100}, -EIO));
}

static void test_a_store_that_moves_few_bytes_a_call_loses_none(void **state)
{
	int n = 0;

	(void)state;
	assert_false(spill_with((struct bad_spill){.most = 1}, 0));
	assert_false(spill_with((struct bad_spill){.most = 333}, 0));
	while (spill_with((struct bad_spill){.stores_left = ++n, .why = -ENOSPC, .most = 333},
	                  -ENOSPC))
		;
	assert_in_range(n, 10, 1000);
	n = 0;
	while (spill_with((struct bad_spill){.fetches_left = ++n, .why = -EIO, .most = 333}, -EIO))
		;
	assert_in_range(n, 10, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_a_tee_that_runs_out_of_memory_fails_one_branch_or_refuses_the_bytes),
		cmocka_unit_test(test_a_store_that_fails_at_any_store_fails_its_branch_alone),
		cmocka_unit_test(test_a_store_that_fails_at_any_fetch_fails_its_branch_alone),
		cmocka_unit_test(test_a_store_that_has_lost_bytes_fails_its_branch_with_eio),
		cmocka_unit_test(test_a_store_that_is_full_while_it_is_empty_fails_its_branch),
		cmocka_unit_test(test_a_store_that_moves_few_bytes_a_call_loses_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
