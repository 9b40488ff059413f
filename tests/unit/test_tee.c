/* SPDX-License-Identifier: MIT */
/* A tee and its policies: FAN-1 to FAN-5, ends, and bytes. */
#include "tee_fixture.h"

#include "fail_alloc.h"

static void test_each_branch_gets_every_byte_and_the_end(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	for (int i = 0; i < SINKS; i++)
		add(&r, i, NULL);
	assert_int_equal(pour(&r, 777, 1000), 777000);
	weir_producer_end(&r.source.base, 0);
	world_run(&r.w);
	for (int i = 0; i < SINKS; i++) {
		assert_int_equal(r.sink[i].got, 777000);
		assert_int_equal(r.sink[i].on_ends, 1);
		assert_int_equal(r.sink[i].on_end_why, 0);
		assert_false(r.sink[i].garbled);
		assert_int_equal(state_of(&r, i).out, 777000);
	}
	assert_true(front_of(&r).ended);
	assert_int_equal(front_of(&r).why, 0);
	assert_int_equal(front_of(&r).out, 777000);
	close_rig(&r);
}

static void test_fan_1_the_slowest_sets_the_rate_and_memory_is_bounded(void **state)
{
	const size_t chunk = 5000;
	uint64_t held, poured;
	struct rig r;

	(void)state;
	open_rig(&r);
	for (int i = 0; i < 3; i++)
		add(&r, i, NULL);
	r.sink[1].window = 0;
	poured = pour(&r, chunk, 100000);
	assert_true(r.source.paused);
	held = front_of(&r).held;
	assert_int_equal(held, poured);
	/* What the slow sink holds itself, to its mark, and as much in the tee. */
	assert_in_range(held, WEIR_HIGH_DEFAULT, 2 * WEIR_HIGH_DEFAULT + 3 * chunk);
	for (int turn = 0; turn < 200; turn++) {
		sink_take(&r.sink[1], 10000);
		world_run(&r.w);
		pour(&r, chunk, 100000);
		assert_in_range(front_of(&r).held, 0, 2 * WEIR_HIGH_DEFAULT + 3 * chunk);
	}
	assert_int_equal(r.sink[1].got, 2000000);
	assert_in_range(r.sink[0].got, 2000000, 2000000 + 2 * WEIR_HIGH_DEFAULT + 3 * chunk);
	weir_producer_end(&r.source.base, 0);
	sink_take(&r.sink[1], SIZE_MAX);
	world_run(&r.w);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(r.sink[i].got, r.source.given);
		assert_int_equal(r.sink[i].on_end_why, 0);
		assert_false(r.sink[i].garbled);
	}
	assert_true(state_of(&r, 1).held_ns == 0); /* the clock stood still */
	close_rig(&r);
}

/* ---- drop ---- */

/* Records "00000001\n", and a sink that checks that it gets whole ones, in order. */
struct records {
	char line[10];
	size_t at;
	unsigned long last, count;
	bool bad;
};

static int64_t records_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct sink *s = (struct sink *)v;
	struct records *r = s->arg;
	int64_t taken = 0;

	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < chunks[i].len && s->window > 0; k++, s->window--, taken++) {
			r->line[r->at++] = (char)chunks[i].data[k];
			if (r->at < 9)
				continue;
			r->line[9] = '\0';
			if (r->line[8] != '\n' || strtoul(r->line, NULL, 10) <= r->last)
				r->bad = true;
			r->last = strtoul(r->line, NULL, 10);
			r->count++;
			r->at = 0;
		}
	}
	s->got += (uint64_t)taken;
	return taken;
}

static const struct weir_valve_ops records_ops = {
	.name = "records",
	.drain = records_drain,
	.end = sink_end,
};

static void test_fan_2_only_the_slow_branch_loses_whole_records_and_counts_them(void **state)
{
	const unsigned long total = 60000;
	struct records fast = {.at = 0}, slow = {.at = 0};
	char pending[64];
	size_t held = 0;
	struct rig r;

	(void)state;
	open_rig(&r);
	r.sink[0].v.ops = r.sink[1].v.ops = &records_ops;
	r.sink[0].arg = &fast;
	r.sink[1].arg = &slow;
	add(&r, 0, NULL);
	add(&r, 1, &(struct weir_branch_options){.policy = WEIR_TEE_DROP, .behind = 1000,
						 .separator = '\n'});
	r.sink[1].window = 0;
	/* In pieces that end anywhere. */
	for (unsigned long i = 1; i <= total; i++) {
		size_t piece = 1 + i * 7 % 23;

		held += (size_t)snprintf(pending + held, sizeof(pending) - held, "%08lu\n", i);
		if (piece > held || i == total)
			piece = held;
		assert_int_equal(weir_consumer_write(weir_tee_sink(r.tee), pending, piece), 0);
		memmove(pending, pending + piece, held - piece);
		held -= piece;
		if (held > 40) {
			assert_int_equal(weir_consumer_write(weir_tee_sink(r.tee), pending, held), 0);
			held = 0;
		}
		if (i % 5000 == 0) {
			sink_take(&r.sink[1], 3000);
			world_run(&r.w);
		}
		assert_false(r.source.paused);
	}
	weir_producer_end(&r.source.base, 0);
	world_run(&r.w);
	sink_take(&r.sink[1], SIZE_MAX);
	world_run(&r.w);
	assert_false(fast.bad);
	assert_int_equal(fast.count, total);
	assert_false(slow.bad);
	assert_int_equal(slow.at, 0);
	assert_in_range(slow.count, 1000, total - 1000);
	assert_int_equal(state_of(&r, 1).dropped, (total - slow.count) * 9);
	assert_int_equal(state_of(&r, 1).out, slow.count * 9);
	assert_int_equal(r.sink[1].on_end_why, 0);
	close_rig(&r);
}

/* ---- detach ---- */

static void test_fan_3_a_branch_too_far_behind_is_detached(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	add(&r, 0, NULL);
	add(&r, 1, &(struct weir_branch_options){.policy = WEIR_TEE_DETACH, .behind = 10000});
	r.sink[1].window = 0;
	pour(&r, 1000, 200);
	world_run(&r.w);
	assert_int_equal(r.sink[0].got, 200000);
	assert_false(r.source.paused);
	assert_int_equal(r.sink[1].on_end_why, WEIR_ESLOW);
	assert_int_equal(state_of(&r, 1).why, WEIR_ESLOW);
	assert_true(state_of(&r, 1).ended);
	weir_producer_end(&r.source.base, 0);
	world_run(&r.w);
	assert_int_equal(r.sink[0].on_end_why, 0);
	assert_int_equal(front_of(&r).why, 0);
	close_rig(&r);
}

static void test_fan_3_a_branch_that_holds_everybody_too_long_is_detached(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	add(&r, 0, NULL);
	add(&r, 1, &(struct weir_branch_options){.policy = WEIR_TEE_DETACH,
						 .wait_ns = 5 * WEIR_NS_PER_S});
	r.sink[1].window = 0;
	pour(&r, 1000, 100000);
	assert_true(r.source.paused);
	world_pass(&r.w, 5 * WEIR_NS_PER_S - 1);
	assert_int_equal(r.sink[1].on_ends, 0);
	assert_true(r.source.paused);
	world_pass(&r.w, 1);
	assert_int_equal(r.sink[1].on_end_why, WEIR_ESLOW);
	assert_int_equal(state_of(&r, 1).held_ns, 5 * WEIR_NS_PER_S);
	assert_false(r.source.paused);
	assert_int_equal(pour(&r, 1000, 10), 10000);
	assert_int_equal(r.sink[0].got, r.source.given);
	close_rig(&r);
}

/* ---- spill ---- */

static void test_fan_4_a_spill_keeps_the_order_and_holds_everybody_when_full(void **state)
{
	uint64_t poured;
	struct rig r;

	(void)state;
	open_rig(&r);
	add(&r, 0, NULL);
	add(&r, 1, &(struct weir_branch_options){.policy = WEIR_TEE_SPILL, .behind = 3000,
						 .spill = heap_spill(10000, 0, &r.spills)});
	r.sink[1].window = 0;
	poured = pour(&r, 700, 100000);
	assert_true(r.source.paused);
	assert_true(poured > WEIR_HIGH_DEFAULT + 13000);
	assert_true(state_of(&r, 1).spilled >= 10000);
	for (int i = 0; i < 300; i++) {
		sink_take(&r.sink[1], 1100);
		world_run(&r.w);
		pour(&r, 700, 100);
		state_of(&r, 1);
	}
	assert_true(state_of(&r, 1).spilled > 100000);
	weir_producer_end(&r.source.base, 0);
	world_run(&r.w);
	sink_take(&r.sink[1], SIZE_MAX);
	world_run(&r.w);
	assert_int_equal(r.sink[1].got, r.source.given);
	assert_false(r.sink[1].garbled);
	assert_int_equal(r.sink[1].on_end_why, 0);
	assert_int_equal(front_of(&r).why, 0);
	assert_int_equal(r.spills, 1);
	close_rig(&r);
}

static void test_a_store_that_fails_fails_its_branch_alone(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	add(&r, 0, NULL);
	add(&r, 1, &(struct weir_branch_options){.policy = WEIR_TEE_SPILL, .behind = 3000,
						 .spill = heap_spill(10000, -ENOSPC, &r.spills)});
	r.sink[1].window = 0;
	pour(&r, 700, 300);
	world_run(&r.w);
	assert_int_equal(r.sink[1].on_end_why, -ENOSPC);
	assert_int_equal(r.sink[0].got, r.source.given);
	assert_int_equal(r.spills, 1);
	close_rig(&r);
}

static void test_a_branch_that_spills_is_refused_when_the_budget_has_no_block_for_it(void **state)
{
	struct weir_branch_options options = {.policy = WEIR_TEE_SPILL};
	struct weir_block *blocks[1 << 10];
	unsigned count = 0;
	struct rig r;

	(void)state;
	open_rig(&r);
	while (weir_pool_take(&r.w.ctx.pool, WEIR_BLOCK_LARGE, &blocks[count]) == 0)
		count++;
	options.spill = heap_spill(10000, 0, &r.spills);
	assert_int_equal(weir_tee_add(r.tee, &r.sink[0].v.base, &options, NULL), WEIR_EFULL);
	assert_null(weir_consumer_producer(&r.sink[0].v.base));
	assert_int_equal(r.spills, 0); /* it is still ours */
	weir_block_unref(blocks[--count]);
	add(&r, 0, &options);
	assert_false(r.source.paused);
	while (count)
		weir_block_unref(blocks[--count]);
	close_rig(&r);
	assert_int_equal(r.spills, 1);
}

static void test_a_waiting_time_is_for_branches_that_detach_alone(void **state)
{
	static const enum weir_tee_policy policies[] = {WEIR_TEE_BLOCK, WEIR_TEE_DROP,
							WEIR_TEE_SPILL};
	struct rig r;

	(void)state;
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		struct weir_branch_options options = {
			.policy = policies[i],
			.behind = 3000,
			.separator = WEIR_NO_SEPARATOR,
			.wait_ns = 1000,
		};

		open_rig(&r);
		if (options.policy == WEIR_TEE_SPILL)
			options.spill = heap_spill(5000, 0, &r.spills);
		add(&r, 0, &options);
		r.sink[0].window = 0;
		pour(&r, 1000, 1000);
		world_advance(&r.w, 10 * WEIR_NS_PER_S);
		assert_int_equal(r.sink[0].on_ends, 0);
		assert_false(state_of(&r, 0).ended);
		close_rig(&r);
	}
}

/* ---- ends ---- */

static void test_fan_5_a_failing_branch_leaves_the_others_the_last_one_stops_the_producer(
	void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	for (int i = 0; i < 3; i++)
		add(&r, i, NULL);
	pour(&r, 1000, 10);
	weir_valve_die(&r.sink[1].v, -EPIPE);
	pour(&r, 1000, 10);
	r.sink[0].drain_fails = -ECONNRESET;
	pour(&r, 1000, 10);
	world_run(&r.w);
	assert_int_equal(r.source.stops, 0);
	assert_int_equal(r.sink[2].got, 30000);
	weir_valve_die(&r.sink[2].v, -EIO);
	world_run(&r.w);
	assert_int_equal(r.source.stops, 1);
	assert_int_equal(r.source.stop_why, -EIO);
	assert_int_equal(front_of(&r).why, -EIO);
	assert_int_equal(state_of(&r, 1).why, -EPIPE);
	assert_int_equal(state_of(&r, 0).why, -ECONNRESET);
	close_rig(&r);
}

static void test_a_failure_of_the_source_fails_every_branch(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	add(&r, 0, NULL);
	add(&r, 1, NULL);
	r.sink[1].window = 0;
	pour(&r, 1000, 100000);
	weir_producer_end(&r.source.base, -EIO);
	world_run(&r.w);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(r.sink[i].on_end_why, -EIO);
		assert_int_equal(r.sink[i].end_why, -EIO);
	}
	close_rig(&r);
}

static void test_a_failure_after_the_finish_fails_the_branches_that_have_not_ended(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	for (int i = 0; i < 3; i++)
		add(&r, i, NULL);
	r.sink[1].window = 0;      /* holds bytes still */
	r.sink[2].holds_end = true; /* got them all, and is at its end */
	pour(&r, 1000, 10);
	weir_producer_end(&r.source.base, 0);
	world_run(&r.w);
	assert_int_equal(r.sink[0].on_ends, 1);
	weir_consumer_fail(weir_tee_sink(r.tee), -EIO);
	world_run(&r.w);
	assert_int_equal(r.sink[0].on_end_why, 0);
	assert_int_equal(state_of(&r, 0).why, 0);
	for (int i = 1; i < 3; i++) {
		assert_int_equal(r.sink[i].on_ends, 1);
		assert_int_equal(r.sink[i].on_end_why, -EIO);
		assert_int_equal(r.sink[i].end_why, -EIO);
		assert_int_equal(state_of(&r, i).why, -EIO);
	}
	assert_int_equal(front_of(&r).why, -EIO);
	close_rig(&r);
}

static void fail_the_tee(void *arg, int why)
{
	struct rig *r = arg;

	assert_int_equal(why, 0);
	weir_consumer_fail(weir_tee_sink(r->tee), -EIO);
}

static void test_a_failure_from_inside_the_finish_of_a_branch_fails_the_others(void **state)
{
	struct weir_end_watch watch;
	struct rig r;

	(void)state;
	for (int first = 0; first < 3; first++) {
		open_rig(&r);
		for (int i = 0; i < 3; i++) {
			r.sink[i].holds_end = i != first;
			add(&r, i, NULL);
		}
		weir_consumer_watch_end(&r.sink[first].v.base, &watch, fail_the_tee, &r);
		pour(&r, 1000, 10);
		weir_producer_end(&r.source.base, 0);
		world_run(&r.w);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(r.sink[i].on_ends, 1);
			assert_int_equal(r.sink[i].on_end_why, i == first ? 0 : -EIO);
		}
		assert_int_equal(front_of(&r).why, -EIO);
		close_rig(&r);
	}
}

static void fail_from_the_drain(struct sink *s)
{
	weir_consumer_fail(weir_tee_sink(s->arg), -EIO);
}

static void test_what_is_taken_while_the_tee_is_failed_was_handed_on(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	add(&r, 0, NULL);
	r.sink[0].window = 0;
	pour(&r, 1000, 2);
	world_run(&r.w);
	r.sink[0].on_drain = fail_from_the_drain;
	r.sink[0].arg = r.tee;
	sink_take(&r.sink[0], 1200);
	assert_int_equal(r.sink[0].got, 1200);
	assert_int_equal(state_of(&r, 0).out, 1200);
	assert_int_equal(front_of(&r).out, 1200);
	close_rig(&r);
}

static void test_the_empty_stream_finishes_every_branch(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	add(&r, 0, NULL);
	add(&r, 1, NULL);
	weir_producer_end(&r.source.base, 0);
	world_run(&r.w);
	assert_int_equal(r.sink[0].on_end_why | r.sink[1].on_end_why, 0);
	assert_int_equal(r.sink[0].on_ends + r.sink[1].on_ends, 2);
	assert_int_equal(front_of(&r).why, 0);
	close_rig(&r);
}

struct told {
	unsigned count;
	int why;
};

static void tell(struct weir_branch *branch, int why, void *arg)
{
	struct told *told = arg;

	(void)branch;
	told->count++;
	told->why = why;
}

static void test_a_branch_comes_and_goes_in_mid_stream(void **state)
{
	struct told told = {0};
	struct rig r;

	(void)state;
	open_rig(&r);
	add(&r, 0, &(struct weir_branch_options){.on_end = tell, .arg = &told});
	pour(&r, 1000, 10);
	add(&r, 1, NULL);
	r.sink[1].base = 10000;
	pour(&r, 1000, 10);
	weir_tee_remove(r.branch[1], 0);
	world_run(&r.w);
	assert_int_equal(r.sink[1].got, 10000);
	assert_int_equal(r.sink[1].on_end_why, 0);
	assert_int_equal(r.sink[1].on_ends, 1);
	pour(&r, 1000, 10);
	assert_int_equal(r.sink[0].got, 30000);
	assert_int_equal(told.count, 0);
	weir_producer_end(&r.source.base, 0);
	world_run(&r.w);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.why, 0);
	close_rig(&r);
}

static void test_without_a_branch_the_producer_is_held(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	add(&r, 0, NULL);
	assert_false(r.source.paused);
	weir_tee_remove(r.branch[0], 0);
	world_run(&r.w);
	assert_true(r.source.paused);
	assert_int_equal(r.source.stops, 0);
	add(&r, 1, NULL);
	assert_false(r.source.paused);
	close_rig(&r);
}

static void test_bad_options_are_refused(void **state)
{
	struct weir_branch_options o = {.policy = WEIR_TEE_DROP, .separator = 256};
	struct rig r;

	(void)state;
	open_rig(&r);
	assert_int_equal(weir_tee_add(r.tee, &r.sink[0].v.base, &o, NULL), -EINVAL);
	o = (struct weir_branch_options){.policy = WEIR_TEE_SPILL};
	assert_int_equal(weir_tee_add(r.tee, &r.sink[0].v.base, &o, NULL), -EINVAL);
	o = (struct weir_branch_options){.policy = WEIR_TEE_SPILL + 1};
	assert_int_equal(weir_tee_add(r.tee, &r.sink[0].v.base, &o, NULL), -EINVAL);
	add(&r, 0, NULL);
	assert_int_equal(weir_tee_add(r.tee, &r.sink[0].v.base, NULL, NULL), WEIR_EBUSY);
	weir_valve_die(&r.sink[1].v, -EPIPE);
	assert_int_equal(weir_tee_add(r.tee, &r.sink[1].v.base, NULL, NULL), WEIR_ECLOSED);
	close_rig(&r);
}

/* ---- everything at random ---- */

static uint64_t rng;

static unsigned rnd(unsigned n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (unsigned)(rng >> 33) % n;
}

static void random_add(struct rig *r, int i)
{
	struct weir_branch_options o = {.policy = (enum weir_tee_policy)rnd(4),
					.separator = WEIR_NO_SEPARATOR,
					.behind = 1 + rnd(30000)};

	if (o.policy == WEIR_TEE_DROP)
		o.policy = WEIR_TEE_BLOCK; /* its bytes are not the pattern's */
	if (o.policy == WEIR_TEE_DETACH && rnd(2))
		o.wait_ns = 1 + rnd(1000);
	if (o.policy == WEIR_TEE_SPILL)
		o.spill = heap_spill(1 + rnd(9999), 0, &r->spills);
	r->sink[i].window = rnd(2) ? 0 : SIZE_MAX;
	r->sink[i].base = front_of(r).in;
	if (weir_tee_add(r->tee, &r->sink[i].v.base, &o, &r->branch[i]) < 0 && o.spill)
		weir_spill_destroy(o.spill);
}

static void random_step(struct rig *r)
{
	int i = (int)rnd(SINKS);

	switch (rnd(12)) {
	case 0:
		if (!r->branch[i] && front_of(r).held == 0)
			random_add(r, i);
		break;
	case 1:
		if (rnd(30) == 0)
			weir_valve_die(&r->sink[i].v, -EPIPE);
		break;
	case 2:
		world_pass(&r->w, rnd(300));
		break;
	case 3:
	case 4:
	case 5:
		if (!r->sink[i].on_ends)
			sink_take(&r->sink[i], rnd(40000));
		break;
	case 6:
		world_run(&r->w);
		break;
	default:
		if (!r->source.paused && r->source.base.consumer)
			(void)source_write(&r->source, 1 + rnd(9000));
	}
	front_of(r);
	for (i = 0; i < SINKS; i++) {
		assert_false(r->sink[i].garbled);
		if (r->branch[i])
			state_of(r, i);
	}
}

static void test_random_schedules_lose_and_garble_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3000; seed++) {
		struct rig r;

		rng = seed * 0x9e3779b97f4a7c15u;
		open_rig(&r);
		random_add(&r, 0);
		for (int step = 0; step < 150; step++)
			random_step(&r);
		weir_producer_end(&r.source.base, 0);
		for (int i = 0; i < SINKS; i++)
			if (!r.sink[i].on_ends)
				sink_take(&r.sink[i], SIZE_MAX);
		world_pass(&r.w, 10000);
		for (int i = 0; i < SINKS; i++) {
			assert_false(r.sink[i].garbled);
			if (r.branch[i] && r.sink[i].on_end_why == 0) {
				assert_int_equal(r.sink[i].on_ends, 1);
				assert_int_equal(r.sink[i].got + r.sink[i].base, r.source.given);
			}
		}
		close_rig(&r);
	}
}

static void test_without_memory_nothing_is_added(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	weir_test_fail_alloc_after(1);
	assert_int_equal(weir_tee_add(r.tee, &r.sink[0].v.base, NULL, NULL), -ENOMEM);
	weir_test_fail_alloc_after(0);
	assert_null(weir_consumer_producer(&r.sink[0].v.base));
	close_rig(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_branch_gets_every_byte_and_the_end),
		cmocka_unit_test(test_fan_1_the_slowest_sets_the_rate_and_memory_is_bounded),
		cmocka_unit_test(test_fan_2_only_the_slow_branch_loses_whole_records_and_counts_them),
		cmocka_unit_test(test_fan_3_a_branch_too_far_behind_is_detached),
		cmocka_unit_test(test_fan_3_a_branch_that_holds_everybody_too_long_is_detached),
		cmocka_unit_test(test_fan_4_a_spill_keeps_the_order_and_holds_everybody_when_full),
		cmocka_unit_test(test_a_store_that_fails_fails_its_branch_alone),
		cmocka_unit_test(test_a_waiting_time_is_for_branches_that_detach_alone),
		cmocka_unit_test(test_a_branch_that_spills_is_refused_when_the_budget_has_no_block_for_it),
		cmocka_unit_test(
			test_fan_5_a_failing_branch_leaves_the_others_the_last_one_stops_the_producer),
		cmocka_unit_test(test_a_failure_of_the_source_fails_every_branch),
		cmocka_unit_test(test_a_failure_after_the_finish_fails_the_branches_that_have_not_ended),
		cmocka_unit_test(test_a_failure_from_inside_the_finish_of_a_branch_fails_the_others),
		cmocka_unit_test(test_what_is_taken_while_the_tee_is_failed_was_handed_on),
		cmocka_unit_test(test_the_empty_stream_finishes_every_branch),
		cmocka_unit_test(test_a_branch_comes_and_goes_in_mid_stream),
		cmocka_unit_test(test_without_a_branch_the_producer_is_held),
		cmocka_unit_test(test_bad_options_are_refused),
		cmocka_unit_test(test_random_schedules_lose_and_garble_nothing),
		cmocka_unit_test(test_without_memory_nothing_is_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
