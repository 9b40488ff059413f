/* SPDX-License-Identifier: MIT */
/* The valve's promises on memory, data and the end, by the names of docs/design.md 4.5. */
#include "core_fixture.h"

#include <errno.h>

#include "core/queue.h"
#include "fail_alloc.h"

#define HIGH 1000
#define LOW 200
#define LIMIT 3000

struct pair {
	struct world w;
	struct sink s;
	struct source p, q;
};

static int setup(void **state)
{
	struct pair *t = test_calloc(1, sizeof(*t));

	world_open(&t->w, (size_t)64 << 20);
	sink_open(&t->s, &t->w);
	assert_int_equal(weir_valve_set_marks(&t->s.v, HIGH, LOW, LIMIT), 0);
	source_open(&t->p, WEIR_PUSH);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct pair *t = *state;

	sink_state(&t->s);
	assert_false(t->p.broken);
	weir_valve_fini(&t->s.v);
	world_close(&t->w);
	test_free(t);
	return 0;
}

/* ---- memory ------------------------------------------------------------------------ */

static void test_mem1_under_a_sink_that_never_reads_held_is_high_and_one_chunk(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	source_join(&t->p, &t->s);
	for (unsigned i = 0; i < 1000 && !t->p.paused; i++) {
		assert_int_equal(source_write(&t->p, 300), 0);
		assert_true(weir_valve_held(&t->s.v) <= HIGH + 300);
	}
	assert_true(t->p.paused);
	assert_int_equal(weir_valve_held(&t->s.v), 1200);
}

static void pull_300(struct source *p)
{
	source_write(p, 300);
}

static void test_mem1_a_pull_producer_is_not_asked_above_the_low_mark(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	source_open(&t->q, WEIR_PULL);
	t->q.on_resume = pull_300;
	source_join(&t->q, &t->s);
	world_run(&t->w);
	assert_true(weir_valve_held(&t->s.v) <= LOW + 300);
	assert_int_equal(t->q.resumes, 1);
}

static void test_mem1_a_producer_that_asks_for_room_is_never_refused(void **state)
{
	struct pair *t = *state;
	uint32_t r = 7;

	source_join(&t->p, &t->s);
	for (unsigned i = 0; i < 20000; i++) {
		size_t room = weir_consumer_room(&t->s.v.base);

		r = r * 1664525 + 1013904223;
		assert_int_equal(room == 0, t->p.paused);
		if (room)
			assert_int_equal(source_write(&t->p, (r >> 8) % room + 1), 0);
		sink_take(&t->s, (r >> 20) % 500);
		world_run(&t->w);
		sink_state(&t->s);
	}
	assert_true(t->s.got > 100000);
}

/* A sink that knows how much it takes. */
static size_t told_space;
static unsigned space_asked;

static size_t tell_space(struct weir_valve *v)
{
	(void)v;
	space_asked++;
	return told_space;
}

static void test_mem1_room_is_no_more_than_what_the_sink_takes_and_no_less_than_high(void **state)
{
	static const struct weir_valve_ops tells = {
		.name = "telling",
		.drain = sink_drain,
		.end = sink_end,
		.space = tell_space,
	};
	struct pair *t = *state;

	t->s.v.ops = &tells;
	source_join(&t->p, &t->s);
	told_space = SIZE_MAX;
	assert_int_equal(weir_consumer_room(&t->s.v.base), LIMIT - HIGH);
	told_space = HIGH + 123;
	assert_int_equal(weir_consumer_room(&t->s.v.base), HIGH + 123);
	told_space = 0;
	assert_int_equal(weir_consumer_room(&t->s.v.base), HIGH);

	/* It is asked only if that can make a difference: not with something held, ... */
	t->s.window = 0;
	assert_int_equal(source_write(&t->p, 300), 0);
	space_asked = 0;
	assert_int_equal(weir_consumer_room(&t->s.v.base), HIGH - 300);
	sink_take(&t->s, SIZE_MAX);
	/* ... and not when the limit leaves no room above the high mark. */
	assert_int_equal(weir_valve_set_marks(&t->s.v, HIGH, LOW, 2 * HIGH), 0);
	assert_int_equal(weir_consumer_room(&t->s.v.base), HIGH);
	assert_int_equal(space_asked, 0);
}

/* Many flows on one budget: each source asks for room, each sink is slow. */
#define FLOWS 12
#define EACH ((uint64_t)300000)

struct flow {
	struct sink s;
	struct source p;
	bool pulls, greedy; /* greedy: writes without asking for room, tries again later */
};

static void flow_produce(struct source *p)
{
	struct flow *f = p->arg;

	while (p->base.consumer && !p->paused) {
		size_t room = weir_consumer_room(p->base.consumer);
		size_t len = f->greedy ? 9000 : room < 5000 ? room : 5000;

		if (len > EACH - p->given)
			len = (size_t)(EACH - p->given);
		if (p->given == EACH) {
			weir_producer_end(&p->base, 0);
			return;
		}
		if (len == 0 || source_write(p, len) < 0 || f->pulls)
			return;
	}
}

static void run_flows(struct world *w, struct flow *flows, uint32_t r)
{
	unsigned left = FLOWS, rounds = 0;

	while (left > 0) {
		assert_true(++rounds < 2000000);
		left = 0;
		for (unsigned i = 0; i < FLOWS; i++) {
			struct flow *f = &flows[i];

			r = r * 1664525 + 1013904223;
			if (!f->pulls)
				flow_produce(&f->p);
			if ((r >> 10) % 3 == 0)
				sink_take(&f->s, (r >> 12) % 9000);
			assert_true(w->budget.used <= w->budget.limit);
			left += f->s.on_ends == 0;
		}
		weir_context_run(&w->ctx);
	}
}

static void fight_for_a_budget(size_t limit, bool greedy)
{
	struct flow *flows = test_calloc(FLOWS, sizeof(*flows));
	struct world w;

	world_open(&w, limit);
	for (unsigned i = 0; i < FLOWS; i++) {
		struct flow *f = &flows[i];

		f->pulls = i % 2;
		f->greedy = greedy;
		sink_open(&f->s, &w);
		f->s.window = 0;
		source_open(&f->p, f->pulls ? WEIR_PULL : WEIR_PUSH);
		f->p.arg = f;
		f->p.on_resume = flow_produce;
		assert_int_equal(weir_valve_set_marks(&f->s.v, 40000, 10000, 80000), 0);
		source_join(&f->p, &f->s);
	}
	run_flows(&w, flows, 3);
	assert_true(w.budget.peak <= limit);
	for (unsigned i = 0; i < FLOWS; i++) {
		struct weir_consumer_state st = sink_state(&flows[i].s);

		assert_int_equal(st.why, 0);
		assert_int_equal(st.out, EACH);
		assert_int_equal(flows[i].s.got, EACH);
		assert_false(flows[i].p.broken);
		assert_int_equal(flows[i].p.stops, 0);
	}
	world_run(&w);
	world_close(&w);
	test_free(flows);
}

static void test_mem3_a_full_budget_pauses_and_drops_nothing_and_starves_none(void **state)
{
	(void)state;
	fight_for_a_budget(FLOWS * WEIR_FLOW_RESERVE + 2 * WEIR_BLOCK_LARGE, false);
	fight_for_a_budget(FLOWS * WEIR_FLOW_RESERVE, false);
	fight_for_a_budget(FLOWS / 2 * WEIR_FLOW_RESERVE, false);
}

static void test_mem3_one_that_is_refused_for_the_budget_is_asked_again(void **state)
{
	(void)state;
	fight_for_a_budget(FLOWS * WEIR_FLOW_RESERVE + 2 * WEIR_BLOCK_LARGE, true);
}

static void test_mem3_a_refused_write_has_handed_nothing_on(void **state)
{
	struct pair *t = *state;
	size_t spare = t->w.budget.limit - 20000;

	/* Somebody else has nearly all of it; the sink would take half of the write. */
	assert_true(weir_budget_charge(&t->w.budget, spare));
	assert_int_equal(weir_valve_set_marks(&t->s.v, 65536, 100, 200000), 0);
	t->s.window = 50000;
	source_join(&t->p, &t->s);
	assert_int_equal(source_write(&t->p, 100000), WEIR_EFULL);
	assert_int_equal(t->s.got, 0);
	assert_int_equal(t->s.on_ends, 0);
	assert_true(t->p.paused);
	assert_int_equal(sink_state(&t->s).holds, WEIR_HOLD_BUDGET);
	weir_budget_credit(&t->w.budget, spare);
	world_run(&t->w);
	assert_false(t->p.paused);
	assert_int_equal(source_write(&t->p, 100000), 0);
	sink_take(&t->s, SIZE_MAX);
	assert_int_equal(t->s.got, 100000);
}

static void test_mem3_a_budget_too_small_for_anything_does_not_spin(void **state)
{
	struct world w;
	struct sink s;
	struct source p;
	unsigned turns = 0;

	(void)state;
	world_open(&w, WEIR_FLOW_RESERVE / 2);
	sink_open(&s, &w);
	source_open(&p, WEIR_PUSH);
	source_join(&p, &s);
	assert_true(p.paused);
	weir_budget_set_limit(&w.budget, WEIR_FLOW_RESERVE - 1);
	while (weir_context_next(&w.ctx) == 0 && turns < 100) {
		weir_context_run(&w.ctx);
		turns++;
	}
	assert_true(turns < 100);
	weir_budget_set_limit(&w.budget, (size_t)1 << 20);
	world_run(&w);
	assert_false(p.paused);
	weir_valve_fini(&s.v);
	world_run(&w);
	world_close(&w);
}

static void test_mem2_each_block_that_is_held_is_charged(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	assert_int_equal(weir_valve_set_marks(&t->s.v, 500000, 100, 1000000), 0);
	assert_int_equal(t->w.budget.used, 0);
	source_join(&t->p, &t->s);
	assert_int_equal(t->w.budget.used, WEIR_FLOW_RESERVE);
	assert_int_equal(source_write(&t->p, 300000), 0);
	assert_true(t->w.budget.used >= 300000);
	assert_true(t->w.budget.used <= 300000 + WEIR_BLOCK_LARGE + WEIR_FLOW_RESERVE);
	sink_take(&t->s, 250000);
	assert_true(t->w.budget.used <= 50000 + 2 * WEIR_BLOCK_LARGE + WEIR_FLOW_RESERVE);
	sink_take(&t->s, SIZE_MAX);
	assert_int_equal(t->w.budget.used, WEIR_FLOW_RESERVE);
	weir_consumer_unregister(&t->s.v.base);
	assert_int_equal(t->w.budget.used, 0);
}

static void test_mem5_small_writes_are_coalesced_and_cost_no_allocation_each(void **state)
{
	struct pair *t = *state;
	const size_t bytes = 1 << 20;
	long before;

	assert_int_equal(weir_valve_set_marks(&t->s.v, 2 * bytes, 0, 2 * bytes), 0);
	t->s.window = 0;
	source_join(&t->p, &t->s);
	before = weir_test_alloc_count();
	for (size_t i = 0; i < bytes; i++)
		assert_int_equal(source_write(&t->p, 1), 0);
	assert_true(weir_test_alloc_count() - before < (long)(bytes / WEIR_BLOCK_SMALL) + 20);
	assert_true(t->w.budget.used <= bytes + WEIR_BLOCK_LARGE + WEIR_FLOW_RESERVE);
	before = weir_test_alloc_count();
	for (size_t i = 0; i < bytes; i++)
		sink_take(&t->s, 1);
	assert_int_equal(weir_test_alloc_count(), before);
	assert_int_equal(t->s.got, bytes);
}

/* ---- data --------------------------------------------------------------------------- */

static void test_data1_out_is_a_prefix_of_in_for_every_window(void **state)
{
	struct pair *t = *state;

	source_join(&t->p, &t->s);
	for (unsigned window = 0; window < 700; window++) {
		t->s.window = window; /* the write itself goes through in part */
		assert_int_equal(source_write(&t->p, 350), 0);
		assert_true(t->s.got <= t->p.given);
		sink_take(&t->s, window);
		sink_take(&t->s, SIZE_MAX);
		assert_int_equal(t->s.got, t->p.given);
		assert_false(t->s.garbled);
	}
	weir_producer_end(&t->p.base, 0);
	assert_int_equal(sink_state(&t->s).out, t->p.given);
}

static void write_inside(struct sink *s)
{
	struct source *p = s->arg;

	s->on_drain = NULL;
	source_write_to(p, &s->v.base, 40);
	source_write_to(p, &s->v.base, 4);
}

static void test_data1_what_is_written_inside_a_drain_comes_after_its_rest(void **state)
{
	struct pair *t = *state;

	for (unsigned window = 0; window <= 100; window += 20) {
		t->s.arg = &t->p;
		t->s.on_drain = write_inside;
		t->s.window = window;
		assert_int_equal(source_write_to(&t->p, &t->s.v.base, 60), 0);
		sink_take(&t->s, SIZE_MAX);
		assert_int_equal(t->s.got, t->p.given);
		assert_false(t->s.garbled);
	}
}

static struct weir_chunk pattern_chunk(struct world *w, size_t len, uint64_t offset)
{
	struct weir_block *block;

	assert_int_equal(weir_pool_take(&w->ctx.pool, len, &block), 0);
	pattern_fill(block->data, len, offset);
	block->used = (uint32_t)len;
	return weir_chunk_from_block(block);
}

static void test_data1_a_shared_chunk_is_appended_to_by_neither_of_its_consumers(void **state)
{
	struct pair *t = *state;
	struct sink other;
	struct weir_chunk one = pattern_chunk(&t->w, 100, 0), two = weir_chunk_ref(&one);

	sink_open(&other, &t->w);
	t->s.window = other.window = 0;
	assert_int_equal(weir_consumer_give(&t->s.v.base, &one), 0);
	assert_int_equal(weir_consumer_give(&other.v.base, &two), 0);
	assert_null(one.owner);
	t->p.given = 100;
	assert_int_equal(source_write_to(&t->p, &t->s.v.base, 50), 0);
	t->p.given = 100;
	/* The same place of the pattern, but other bytes: off by one. */
	assert_int_equal(weir_consumer_write(&other.v.base, "\0\0\0", 3), 0);
	sink_take(&t->s, SIZE_MAX);
	assert_int_equal(t->s.got, 150);
	assert_false(t->s.garbled);
	other.window = 100;
	weir_valve_ready(&other.v);
	assert_false(other.garbled);
	weir_valve_fini(&other.v);
}

static void test_data1_a_chunk_that_is_part_of_a_block_is_not_appended_to(void **state)
{
	struct pair *t = *state;
	struct weir_chunk chunk = pattern_chunk(&t->w, 100, 0);

	t->s.window = 0;
	chunk.len = 60; /* the rest of the block is used, by nobody any more */
	assert_int_equal(weir_consumer_give(&t->s.v.base, &chunk), 0);
	t->p.given = 60;
	assert_int_equal(source_write_to(&t->p, &t->s.v.base, 50), 0);
	sink_take(&t->s, SIZE_MAX);
	assert_int_equal(t->s.got, 110);
	assert_false(t->s.garbled);
}

static void test_data2_a_write_after_the_end_is_an_error_and_keeps_nothing(void **state)
{
	struct pair *t = *state;
	struct weir_chunk chunk = pattern_chunk(&t->w, 10, 0);

	weir_consumer_finish(&t->s.v.base);
	assert_int_equal(t->s.on_ends, 1);
	assert_int_equal(source_write_to(&t->p, &t->s.v.base, 10), WEIR_ECLOSED);
	assert_int_equal(weir_consumer_give(&t->s.v.base, &chunk), WEIR_ECLOSED);
	assert_non_null(chunk.owner); /* still ours */
	weir_chunk_unref(&chunk);
	assert_int_equal(sink_state(&t->s).in, 0);
	assert_int_equal(t->s.drains, 0);
}

static struct weir_chunk taken;

/* A drain that keeps the first chunk by reference, as an asynchronous write does. */
static void keep_front(struct sink *s)
{
	if (taken.owner || weir__queue_count(&s->v.queue) == 0)
		return;
	taken = weir_chunk_ref(weir__queue_at(&s->v.queue, 0));
}

static void test_data4_bytes_that_a_drain_took_a_reference_to_do_not_change(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	assert_int_equal(source_write_to(&t->p, &t->s.v.base, 100), 0);
	t->s.on_drain = keep_front;
	sink_take(&t->s, 100);
	assert_int_equal(taken.len, 100);
	for (unsigned i = 0; i < 500; i++) {
		t->s.window = 0;
		assert_int_equal(source_write_to(&t->p, &t->s.v.base, 90), 0);
		assert_int_equal(source_write_to(&t->p, &t->s.v.base, 90), 0);
		sink_take(&t->s, SIZE_MAX);
	}
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(taken.data[i], pattern_at(i));
	weir_chunk_unref(&taken);
}

/* ---- the end ------------------------------------------------------------------------- */

static void test_end1_of_all_ends_only_the_first_is_told(void **state)
{
	struct pair *t = *state;

	source_join(&t->p, &t->s);
	weir_consumer_fail(&t->s.v.base, -EIO);
	weir_consumer_fail(&t->s.v.base, -EPIPE);
	weir_consumer_finish(&t->s.v.base);
	weir_valve_die(&t->s.v, -ECONNRESET);
	weir_valve_done(&t->s.v, 0);
	world_run(&t->w);
	assert_int_equal(t->s.on_ends, 1);
	assert_int_equal(t->s.on_end_why, -EIO);
	assert_int_equal(t->s.ends, 1);
	assert_int_equal(t->s.end_why, -EIO);
	assert_string_equal(t->p.log, "Sx");
}

static void test_end2_one_stop_on_death_and_none_after_the_producers_own_end(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	source_join(&t->p, &t->s);
	assert_int_equal(source_write(&t->p, 10), 0);
	weir_producer_end(&t->p.base, 0);
	weir_valve_die(&t->s.v, -ECONNRESET);
	assert_string_equal(t->p.log, "S");
	assert_int_equal(t->s.on_end_why, -ECONNRESET);
	assert_int_equal(t->s.ends, 0); /* the implementation knew */
}

static void test_end3_finish_hands_every_byte_on_before_the_end(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	t->s.holds_end = true;
	source_join(&t->p, &t->s);
	assert_int_equal(source_write(&t->p, 100), 0);
	weir_producer_end(&t->p.base, 0);
	assert_int_equal(t->s.ends, 0);
	sink_take(&t->s, 99);
	assert_int_equal(t->s.ends, 0);
	sink_take(&t->s, SIZE_MAX);
	assert_int_equal(t->s.ends, 1);
	assert_int_equal(t->s.on_ends, 0); /* handed on, but not yet known over there */
	assert_false(sink_state(&t->s).ended);
	weir_valve_done(&t->s.v, 0);
	assert_int_equal(t->s.on_ends, 1);
	assert_int_equal(t->s.on_end_why, 0);
}

static void test_end3_an_end_that_fails_at_the_last_is_a_failure(void **state)
{
	struct pair *t = *state;

	t->s.holds_end = true;
	source_join(&t->p, &t->s);
	assert_int_equal(source_write(&t->p, 100), 0);
	weir_producer_end(&t->p.base, 0);
	weir_valve_done(&t->s.v, -ENOSPC);
	assert_int_equal(t->s.on_end_why, -ENOSPC);
	assert_int_equal(sink_state(&t->s).why, -ENOSPC);
}

static void test_end4_a_failure_counts_the_bytes_it_dropped(void **state)
{
	struct pair *t = *state;
	struct weir_consumer_state st;

	t->s.window = 30;
	source_join(&t->p, &t->s);
	assert_int_equal(source_write(&t->p, 100), 0);
	weir_producer_end(&t->p.base, -EIO);
	st = sink_state(&t->s);
	assert_int_equal(st.in, 100);
	assert_int_equal(st.out, 30);
	assert_int_equal(st.dropped, 70);
	assert_int_equal(st.held, 0);
	assert_int_equal(t->s.end_why, -EIO);
}

static void die_inside(struct sink *s)
{
	source_write_to(s->arg, &s->v.base, 40);
	weir_valve_die(&s->v, -ECONNRESET);
}

static void test_end4_what_was_written_inside_a_drain_that_died_is_dropped_not_out(void **state)
{
	struct pair *t = *state;
	struct weir_consumer_state st;

	t->s.arg = &t->p;
	t->s.on_drain = die_inside;
	t->s.window = 10;
	assert_int_equal(source_write_to(&t->p, &t->s.v.base, 100), -ECONNRESET);
	st = sink_state(&t->s);
	assert_int_equal(st.out, 0);
	assert_int_equal(st.dropped, 40);
}

static void test_end6_the_empty_stream_completes(void **state)
{
	struct pair *t = *state;

	source_join(&t->p, &t->s);
	weir_producer_end(&t->p.base, 0);
	assert_int_equal(t->s.ends, 1);
	assert_int_equal(t->s.on_end_why, 0);
	assert_int_equal(t->s.on_ends, 1);
	assert_int_equal(t->s.drains, 0);
	assert_true(sink_state(&t->s).ended);
}

static void test_end7_wake_and_hold_after_the_end_leave_no_reference(void **state)
{
	struct pair *t = *state;
	struct source q;

	source_open(&q, WEIR_PULL);
	source_join(&q, &t->s);
	weir_valve_die(&t->s.v, -EPIPE);
	weir_consumer_wake(&t->s.v.base);
	weir_valve_ready(&t->s.v);
	weir_valve_hold(&t->s.v, WEIR_HOLD_USER);
	weir_valve_release(&t->s.v, WEIR_HOLD_USER);
	assert_int_equal(weir_context_next(&t->w.ctx), WEIR_NEVER);
	assert_int_equal(sink_state(&t->s).holds, 0);
	assert_string_equal(q.log, "Srx");
}

static void test_end7_one_that_waits_for_the_budget_leaves_the_line_when_it_dies(void **state)
{
	struct pair *t = *state;
	struct weir_budget *b = &t->w.budget;

	assert_true(weir_budget_charge(b, b->limit));
	source_join(&t->p, &t->s);
	assert_string_equal(t->p.log, "Sp");
	assert_ptr_not_equal(b->waiters.next, &b->waiters);
	weir_valve_die(&t->s.v, -EPIPE);
	assert_ptr_equal(b->waiters.next, &b->waiters);
	weir_budget_credit(b, b->limit);
	world_run(&t->w);
	assert_string_equal(t->p.log, "Spx");
}

static void test_end8_the_death_of_a_paused_or_idle_flow_is_told_without_a_write(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	source_join(&t->p, &t->s);
	assert_int_equal(source_write(&t->p, HIGH), 0);
	weir_valve_die(&t->s.v, -ECONNRESET);
	assert_string_equal(t->p.log, "Spx");
	assert_int_equal(t->p.stop_why, -ECONNRESET);
}

static void test_end9_a_finish_waits_for_the_producer_and_accepts_its_writes(void **state)
{
	struct pair *t = *state;

	source_join(&t->p, &t->s);
	weir_consumer_finish(&t->s.v.base);
	weir_consumer_finish(&t->s.v.base);
	assert_int_equal(t->s.ends, 0);
	assert_int_equal(source_write(&t->p, 10), 0);
	world_advance(&t->w, WEIR_FINISH_WAIT_DEFAULT - 1);
	assert_int_equal(source_write(&t->p, 10), 0);
	assert_string_equal(t->p.log, "S");
	weir_consumer_unregister(&t->s.v.base);
	assert_int_equal(t->s.on_end_why, 0);
	assert_int_equal(t->s.on_ends, 1);
	assert_int_equal(t->s.got, 20);
}

static void test_end9_at_the_deadline_the_producer_is_stopped_and_the_end_is_a_failure(void **state)
{
	struct pair *t = *state;

	weir_valve_set_finish_wait(&t->s.v, 500);
	source_join(&t->p, &t->s);
	weir_consumer_finish(&t->s.v.base);
	world_advance(&t->w, 499);
	assert_int_equal(t->s.on_ends, 0);
	world_advance(&t->w, 1);
	assert_string_equal(t->p.log, "Sx");
	assert_int_equal(t->p.stop_why, WEIR_EDEADLINE);
	assert_int_equal(t->s.end_why, WEIR_EDEADLINE);
	assert_int_equal(t->s.on_end_why, WEIR_EDEADLINE);
}

static void test_end9_a_finish_may_wait_for_ever(void **state)
{
	struct pair *t = *state;

	weir_valve_set_finish_wait(&t->s.v, WEIR_NEVER);
	source_join(&t->p, &t->s);
	weir_consumer_finish(&t->s.v.base);
	assert_int_equal(weir_context_next(&t->w.ctx), WEIR_NEVER);
	world_advance(&t->w, 1000 * WEIR_FINISH_WAIT_DEFAULT);
	assert_int_equal(t->s.on_ends, 0);
}

static void test_end10_a_failed_drain_is_the_writes_code_and_the_offset_is_known(void **state)
{
	struct pair *t = *state;

	source_join(&t->p, &t->s);
	assert_int_equal(source_write(&t->p, 700), 0);
	t->s.drain_fails = -ENOSPC;
	assert_int_equal(source_write(&t->p, 100), -ENOSPC);
	assert_int_equal(sink_state(&t->s).out, 700);
	assert_int_equal(sink_state(&t->s).in, 700); /* none of the last were taken */
	assert_int_equal(t->s.on_end_why, -ENOSPC);
	assert_string_equal(t->p.log, "Sx");
	assert_int_equal(t->p.stop_why, -ENOSPC);
	assert_int_equal(t->s.ends, 0);
}

/* ---- while the end is being made known ------------------------------------------- */

static void test_end5_a_failure_while_the_end_is_made_known_is_told(void **state)
{
	struct pair *t = *state;

	t->s.holds_end = true;
	source_join(&t->p, &t->s);
	assert_int_equal(source_write(&t->p, 100), 0);
	weir_producer_end(&t->p.base, 0);
	assert_int_equal(t->s.ends, 1);
	assert_int_equal(t->s.end_why, 0);
	weir_consumer_fail(&t->s.v.base, -EIO);
	assert_int_equal(t->s.ends, 2);
	assert_int_equal(t->s.end_why, -EIO);
	assert_int_equal(t->s.on_end_why, -EIO);
	weir_valve_done(&t->s.v, 0); /* too late */
	weir_consumer_fail(&t->s.v.base, -EPIPE);
	assert_int_equal(t->s.ends, 2);
	assert_int_equal(t->s.on_ends, 1);
}

static void test_end5_what_an_implementation_says_itself_is_not_told_to_it(void **state)
{
	struct pair *t = *state;

	t->s.holds_end = true;
	weir_consumer_finish(&t->s.v.base);
	assert_int_equal(t->s.ends, 1);
	weir_valve_done(&t->s.v, -ENOSPC);
	assert_int_equal(t->s.ends, 1);
	assert_int_equal(t->s.on_end_why, -ENOSPC);
}

/* ---- from inside a drain ----------------------------------------------------------------- */

static void die_and_go_on(struct sink *s)
{
	struct pair *t = s->arg;

	s->on_drain = NULL;
	weir_valve_die(&s->v, -EPIPE);
	assert_int_equal(weir_consumer_write(&s->v.base, "x", 1), WEIR_ECLOSED);
	assert_int_equal(weir_consumer_room(&s->v.base), 0);
	assert_int_equal(weir_consumer_register(&s->v.base, &t->q.base, WEIR_PUSH), WEIR_ECLOSED);
	weir_consumer_finish(&s->v.base);
	assert_int_equal(s->on_ends, 0); /* that comes when the drain returns */
}

static void test_end1_what_comes_after_a_death_inside_a_drain_is_late(void **state)
{
	struct pair *t = *state;

	source_open(&t->q, WEIR_PUSH);
	t->s.on_drain = die_and_go_on;
	t->s.arg = t;
	assert_int_equal(source_write_to(&t->p, &t->s.v.base, 100), -EPIPE);
	assert_string_equal(t->q.log, "x");
	assert_int_equal(t->q.stop_why, -EPIPE);
	assert_int_equal(t->s.on_end_why, -EPIPE);
}

static void fail_the_second(struct sink *s)
{
	if (s->drains == 1)
		assert_int_equal(weir_consumer_write(&s->v.base, "x", 1), 0);
	else
		s->drain_fails = -EIO;
}

static void test_end10_a_drain_that_fails_in_a_later_turn_ends_it(void **state)
{
	struct pair *t = *state;

	t->s.on_drain = fail_the_second;
	source_join(&t->p, &t->s);
	assert_int_equal(source_write(&t->p, 100), 0);
	assert_int_equal(t->s.on_ends, 0);
	world_run(&t->w);
	assert_int_equal(t->s.drains, 2);
	assert_int_equal(t->s.on_end_why, -EIO);
	assert_int_equal(t->p.stop_why, -EIO);
}

/* ---- on the edge ---------------------------------------------------------------------------- */

static void test_mem3_one_without_a_producer_is_told_of_a_spent_budget(void **state)
{
	struct pair *t = *state;
	size_t rest = weir_budget_room(&t->w.budget);

	t->s.window = 0;
	assert_true(weir_budget_charge(&t->w.budget, rest));
	assert_int_equal(weir_consumer_room(&t->s.v.base), 0);
	assert_int_equal(sink_state(&t->s).holds, WEIR_HOLD_BUDGET);
	assert_int_equal(source_write_to(&t->p, &t->s.v.base, 10), WEIR_EFULL);
	weir_budget_credit(&t->w.budget, rest);
	world_run(&t->w);
	assert_int_equal(sink_state(&t->s).holds, 0);
	assert_int_equal(source_write_to(&t->p, &t->s.v.base, 10), 0);
}

static void test_flow9_an_empty_chunk_is_taken_and_never_signals(void **state)
{
	struct pair *t = *state;
	struct weir_chunk chunk;
	struct weir_block *block;

	source_join(&t->p, &t->s);
	assert_int_equal(weir_pool_take(&t->w.ctx.pool, 1, &block), 0);
	chunk = weir_chunk_from_block(block);
	assert_int_equal(weir_consumer_give(&t->s.v.base, &chunk), 0);
	assert_null(chunk.owner);
	assert_int_equal(t->w.ctx.pool.taken, 0);
	assert_int_equal(t->s.drains, 0);
	assert_string_equal(t->p.log, "S");
}

static void test_flow3_a_limit_that_cannot_be_counted_is_refused(void **state)
{
	struct pair *t = *state;

	assert_int_equal(weir_valve_set_marks(&t->s.v, HIGH, LOW, (size_t)UINT32_MAX + 1), -EINVAL);
	assert_int_equal(weir_valve_set_marks(&t->s.v, HIGH, LOW, UINT32_MAX), 0);
}

static void test_end9_a_finish_without_memory_for_its_clock_waits_for_ever(void **state)
{
	struct pair *t = *state;

	source_join(&t->p, &t->s);
	weir_test_fail_alloc_after(1);
	weir_consumer_finish(&t->s.v.base);
	assert_true(weir_test_alloc_failed());
	weir_test_fail_alloc_after(-1);
	world_advance(&t->w, 10 * WEIR_FINISH_WAIT_DEFAULT);
	assert_int_equal(t->p.stops, 0);
	assert_int_equal(source_write(&t->p, 10), 0);
	weir_producer_end(&t->p.base, 0);
	assert_int_equal(t->s.on_end_why, 0);
}

int main(void)
{
#define VALVE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		VALVE(test_mem1_under_a_sink_that_never_reads_held_is_high_and_one_chunk),
		VALVE(test_mem1_a_pull_producer_is_not_asked_above_the_low_mark),
		VALVE(test_mem1_a_producer_that_asks_for_room_is_never_refused),
		VALVE(test_mem1_room_is_no_more_than_what_the_sink_takes_and_no_less_than_high),
		VALVE(test_mem2_each_block_that_is_held_is_charged),
		VALVE(test_mem3_a_full_budget_pauses_and_drops_nothing_and_starves_none),
		VALVE(test_mem3_one_that_is_refused_for_the_budget_is_asked_again),
		VALVE(test_mem3_a_refused_write_has_handed_nothing_on),
		VALVE(test_mem3_a_budget_too_small_for_anything_does_not_spin),
		VALVE(test_mem5_small_writes_are_coalesced_and_cost_no_allocation_each),
		VALVE(test_data1_out_is_a_prefix_of_in_for_every_window),
		VALVE(test_data1_what_is_written_inside_a_drain_comes_after_its_rest),
		VALVE(test_data1_a_shared_chunk_is_appended_to_by_neither_of_its_consumers),
		VALVE(test_data1_a_chunk_that_is_part_of_a_block_is_not_appended_to),
		VALVE(test_data2_a_write_after_the_end_is_an_error_and_keeps_nothing),
		VALVE(test_data4_bytes_that_a_drain_took_a_reference_to_do_not_change),
		VALVE(test_end1_of_all_ends_only_the_first_is_told),
		VALVE(test_end2_one_stop_on_death_and_none_after_the_producers_own_end),
		VALVE(test_end3_finish_hands_every_byte_on_before_the_end),
		VALVE(test_end3_an_end_that_fails_at_the_last_is_a_failure),
		VALVE(test_end4_a_failure_counts_the_bytes_it_dropped),
		VALVE(test_end4_what_was_written_inside_a_drain_that_died_is_dropped_not_out),
		VALVE(test_end6_the_empty_stream_completes),
		VALVE(test_end7_wake_and_hold_after_the_end_leave_no_reference),
		VALVE(test_end7_one_that_waits_for_the_budget_leaves_the_line_when_it_dies),
		VALVE(test_end8_the_death_of_a_paused_or_idle_flow_is_told_without_a_write),
		VALVE(test_end5_a_failure_while_the_end_is_made_known_is_told),
		VALVE(test_end5_what_an_implementation_says_itself_is_not_told_to_it),
		VALVE(test_end9_a_finish_waits_for_the_producer_and_accepts_its_writes),
		VALVE(test_end9_at_the_deadline_the_producer_is_stopped_and_the_end_is_a_failure),
		VALVE(test_end9_a_finish_may_wait_for_ever),
		VALVE(test_end10_a_failed_drain_is_the_writes_code_and_the_offset_is_known),
		VALVE(test_end1_what_comes_after_a_death_inside_a_drain_is_late),
		VALVE(test_end10_a_drain_that_fails_in_a_later_turn_ends_it),
		VALVE(test_mem3_one_without_a_producer_is_told_of_a_spent_budget),
		VALVE(test_flow9_an_empty_chunk_is_taken_and_never_signals),
		VALVE(test_flow3_a_limit_that_cannot_be_counted_is_refused),
		VALVE(test_end9_a_finish_without_memory_for_its_clock_waits_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
