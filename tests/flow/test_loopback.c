/* SPDX-License-Identifier: MIT */
/* Two transports joined in memory: delivery, pauses, the two ends, closing. */
#include "../unit/core_fixture.h"

#include <errno.h>

#include "fail_alloc.h"
#include "weir/join.h"
#include "weir/loopback.h"
#include "weir/sim.h"

/* A pair, with something of ours at each of its four ends. */
struct ends {
	struct world w;
	struct weir_transport *t[2];
	struct source from[2]; /* writes to t[i]'s sink */
	struct sink to[2];     /* gets what t[i]'s source gives */
};

static void ends_open(struct ends *e)
{
	world_open(&e->w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(weir_loopback_create(&e->w.ctx, &e->t[0], &e->t[1]), 0);
	for (int i = 0; i < 2; i++) {
		sink_open(&e->to[i], &e->w);
		source_open(&e->from[i], WEIR_PUSH);
	}
}

static struct weir_consumer *sink_of(struct ends *e, int side)
{
	return weir_transport_sink(e->t[side]);
}

static void write_side(struct ends *e, int side)
{
	assert_int_equal(weir_consumer_register(sink_of(e, side), &e->from[side].base, WEIR_PUSH),
			 0);
}

static void read_side(struct ends *e, int side)
{
	assert_int_equal(weir_consumer_register(&e->to[side].v.base,
						weir_transport_source(e->t[side]), WEIR_PUSH), 0);
}

static void all_sides(struct ends *e)
{
	for (int i = 0; i < 2; i++) {
		write_side(e, i);
		read_side(e, i);
	}
	world_run(&e->w);
}

static void ends_close(struct ends *e)
{
	weir_transport_close(e->t[0]);
	weir_transport_close(e->t[1]);
	world_run(&e->w);
	for (int i = 0; i < 2; i++) {
		assert_false(e->from[i].broken);
		assert_false(e->to[i].garbled);
		weir_valve_fini(&e->to[i].v);
	}
	world_close(&e->w);
}

static void test_delivery_is_from_the_next_turn(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	all_sides(&e);
	assert_true(weir_transport_half_closes(e.t[0]));
	for (unsigned i = 1; i <= 50; i++) {
		assert_int_equal(source_write(&e.from[0], 1000), 0);
		assert_int_equal(e.to[1].got, (i - 1) * 1000);
		weir_context_run(&e.w.ctx);
		assert_int_equal(e.to[1].got, i * 1000);
	}
	assert_int_equal(e.to[0].got, 0);
	ends_close(&e);
}

/* Answers each read with as much: would recurse, were it called from its own write. */
static void echo(struct sink *s)
{
	struct ends *e = s->arg;
	static int depth;

	assert_int_equal(depth, 0);
	depth++;
	if (e->from[1].given < 100000)
		assert_int_equal(source_write(&e->from[1], 1), 0);
	depth--;
}

static void answer(struct sink *s)
{
	struct ends *e = s->arg;

	if (e->from[0].given < 100000)
		assert_int_equal(source_write(&e->from[0], 1), 0);
}

static void test_two_who_answer_each_other_use_no_stack(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	all_sides(&e);
	e.to[1].on_drain = echo;
	e.to[0].on_drain = answer;
	e.to[0].arg = e.to[1].arg = &e;
	assert_int_equal(source_write(&e.from[0], 1), 0);
	world_run(&e.w);
	assert_int_equal(e.to[0].got, 100000);
	assert_int_equal(e.to[1].got, 100000);
	ends_close(&e);
}

static void test_paused_reader_fills_the_writer_and_resumes_it(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	assert_int_equal(weir_transport_set_marks(e.t[0], 10000, 2000), 0);
	all_sides(&e);
	e.to[1].window = 0;
	assert_int_equal(weir_valve_set_marks(&e.to[1].v, 5000, 1000, 10000), 0);
	while (!e.from[0].paused) {
		assert_int_equal(source_write(&e.from[0], 500), 0);
		world_run(&e.w);
	}
	/* Each may hold its high mark, and one write more. */
	assert_in_range(e.from[0].given, 15000, 16000);
	world_run(&e.w);
	assert_int_equal(e.from[0].pauses, 1);
	assert_int_equal(e.from[0].resumes, 0);
	sink_take(&e.to[1], SIZE_MAX);
	world_run(&e.w);
	assert_int_equal(e.from[0].resumes, 1);
	assert_int_equal(e.to[1].got, e.from[0].given);
	ends_close(&e);
}

static void test_nothing_is_delivered_without_a_reader(void **state)
{
	struct weir_consumer_state st;
	struct ends e;

	(void)state;
	ends_open(&e);
	write_side(&e, 0);
	assert_int_equal(source_write(&e.from[0], 5000), 0);
	weir_producer_end(&e.from[0].base, 0);
	world_run(&e.w);
	weir_consumer_state(sink_of(&e, 0), &st);
	assert_int_equal(st.held, 5000);
	assert_false(st.ended);
	read_side(&e, 1);
	assert_int_equal(e.to[1].got, 0);
	world_run(&e.w);
	assert_int_equal(e.to[1].got, 5000);
	assert_int_equal(e.to[1].on_ends, 1);
	assert_int_equal(e.to[1].on_end_why, 0);
	weir_consumer_state(sink_of(&e, 0), &st);
	assert_true(st.ended);
	assert_int_equal(st.why, 0);
	ends_close(&e);
}

static void test_reader_that_leaves_and_another_lose_nothing(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	all_sides(&e);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(source_write(&e.from[0], 777), 0);
		weir_consumer_unregister(&e.to[1].v.base);
		weir_context_run(&e.w.ctx);
		assert_int_equal(e.to[1].got, i * 777);
		read_side(&e, 1);
		world_run(&e.w);
		assert_int_equal(e.to[1].got, (i + 1) * 777);
	}
	ends_close(&e);
}

static void test_flow_moves_a_quantum_a_turn(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	e.w.ctx.quantum = 1000;
	all_sides(&e);
	assert_int_equal(source_write(&e.from[0], 65536), 0);
	for (unsigned turn = 1; turn <= 65; turn++) {
		weir_context_run(&e.w.ctx);
		assert_int_equal(e.to[1].got, turn * 1000);
	}
	world_run(&e.w);
	assert_int_equal(e.to[1].got, 65536);
	ends_close(&e);
}

static void test_end_of_one_way_leaves_the_other_open(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	all_sides(&e);
	assert_int_equal(source_write(&e.from[0], 10), 0);
	weir_producer_end(&e.from[0].base, 0);
	assert_int_equal(e.to[1].on_ends, 0);
	world_run(&e.w);
	assert_int_equal(e.to[1].got, 10);
	assert_int_equal(e.to[1].on_ends, 1);
	assert_int_equal(source_write(&e.from[1], 20), 0);
	world_run(&e.w);
	assert_int_equal(e.to[0].got, 20);
	assert_int_equal(e.to[0].on_ends, 0);
	weir_producer_end(&e.from[1].base, 0);
	world_run(&e.w);
	assert_int_equal(e.to[0].on_ends, 1);
	ends_close(&e);
	assert_int_equal(e.from[0].stops + e.from[1].stops, 0);
}

static void test_failure_reaches_the_reader_with_its_reason(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	all_sides(&e);
	assert_int_equal(source_write(&e.from[0], 10), 0);
	weir_producer_end(&e.from[0].base, -EIO);
	assert_int_equal(e.to[1].on_ends, 0);
	world_run(&e.w);
	assert_int_equal(e.to[1].on_ends, 1);
	assert_int_equal(e.to[1].on_end_why, -EIO);
	ends_close(&e);
}

static void test_reader_that_dies_stops_the_writer(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	all_sides(&e);
	weir_valve_die(&e.to[1].v, -EPIPE);
	assert_int_equal(e.from[0].stops, 0);
	world_run(&e.w);
	assert_int_equal(e.from[0].stops, 1);
	assert_int_equal(e.from[0].stop_why, -EPIPE);
	/* The other way does not care. */
	assert_int_equal(source_write(&e.from[1], 20), 0);
	world_run(&e.w);
	assert_int_equal(e.to[0].got, 20);
	ends_close(&e);
	assert_int_equal(e.from[0].stops, 1);
}

static void test_finish_in_the_turn_in_which_the_reader_dies_is_a_failure(void **state)
{
	struct weir_consumer_state st;
	struct ends e;

	(void)state;
	ends_open(&e);
	all_sides(&e);
	assert_int_equal(source_write(&e.from[0], 10), 0);
	world_run(&e.w);
	weir_valve_die(&e.to[1].v, -EPIPE);
	weir_producer_end(&e.from[0].base, 0);
	world_run(&e.w);
	weir_consumer_state(sink_of(&e, 0), &st);
	assert_true(st.ended);
	assert_int_equal(st.why, -EPIPE);
	ends_close(&e);
}

static void test_closing_one_side_is_felt_in_both_ways_by_the_other(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	all_sides(&e);
	weir_transport_close(e.t[0]);
	e.t[0] = NULL;
	/* At once at its own ends, in the next turn at the other's. */
	assert_int_equal(e.from[0].stops, 1);
	assert_int_equal(e.to[0].on_ends, 1);
	assert_int_equal(e.to[0].on_end_why, WEIR_ECLOSED);
	assert_int_equal(e.from[1].stops, 0);
	assert_int_equal(e.to[1].on_ends, 0);
	world_run(&e.w);
	assert_int_equal(e.from[1].stops, 1);
	assert_int_equal(e.from[1].stop_why, WEIR_ECLOSED);
	assert_int_equal(e.to[1].on_ends, 1);
	assert_int_equal(e.to[1].on_end_why, WEIR_ECLOSED);
	assert_int_equal(weir_consumer_write(sink_of(&e, 1), "x", 1), WEIR_ECLOSED);
	ends_close(&e);
}

static void test_reader_that_comes_after_the_close_is_told(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	weir_transport_close(e.t[0]);
	e.t[0] = NULL;
	world_run(&e.w);
	read_side(&e, 1);
	world_run(&e.w);
	assert_int_equal(e.to[1].on_end_why, WEIR_ECLOSED);
	assert_int_equal(weir_consumer_register(sink_of(&e, 1), &e.from[1].base, WEIR_PUSH),
			 WEIR_ECLOSED);
	ends_close(&e);
}

static void test_finish_before_the_close_stays_a_finish(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	all_sides(&e);
	assert_int_equal(source_write(&e.from[0], 100), 0);
	world_run(&e.w);
	weir_producer_end(&e.from[0].base, 0);
	weir_transport_close(e.t[0]);
	e.t[0] = NULL;
	world_run(&e.w);
	assert_int_equal(e.to[1].got, 100);
	assert_int_equal(e.to[1].on_end_why, 0);
	assert_int_equal(e.from[1].stop_why, WEIR_ECLOSED);
	ends_close(&e);
}

static void test_failure_after_a_finish_that_nobody_has_read_is_told(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	weir_consumer_finish(sink_of(&e, 0));
	world_run(&e.w);
	weir_consumer_fail(sink_of(&e, 0), -EIO);
	read_side(&e, 1);
	world_run(&e.w);
	assert_int_equal(e.to[1].on_end_why, -EIO);
	ends_close(&e);
}

static void close_both(struct sink *s)
{
	struct ends *e = s->arg;

	weir_transport_close(e->t[0]);
	weir_transport_close(e->t[1]);
	e->t[0] = e->t[1] = NULL;
}

static void test_closing_both_from_inside_a_delivery_is_legal(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	all_sides(&e);
	e.to[1].on_drain = close_both;
	e.to[1].arg = &e;
	assert_int_equal(source_write(&e.from[0], 100), 0);
	world_run(&e.w);
	assert_int_equal(e.from[0].stops, 1);
	assert_int_equal(e.from[1].stops, 1);
	assert_int_equal(e.to[1].on_end_why, WEIR_ECLOSED);
	ends_close(&e);
}

/* A writer and a reader of any habits, one byte at a time among them. */
static void test_every_chunking_gives_the_same_bytes(void **state)
{
	(void)state;
	for (unsigned k = 1; k <= 60; k++) {
		struct weir_sim_options world = {.seed = k, .quantum = k % 2 ? 7 * k : 0};
		struct weir_sim_source_options gives = {
			.mode = k % 5 ? WEIR_PUSH : WEIR_PULL,
			.size = 20 * k * k,
			.chunk = k <= 20 ? k : (size_t)k * k,
			.random_chunks = k % 7 == 0,
			.asks = true,
		};
		struct weir_sim_sink_options takes = {
			.take = k % 3 ? k : 0, .high = 10 * k, .low = 5 * k, .limit = 1 << 20,
		};
		struct weir_sim_source *source;
		struct weir_sim_sink_state got;
		struct weir_transport *t[2];
		struct weir_sim_sink *sink;
		struct weir_sim *sim;

		assert_int_equal(weir_sim_create(&world, &sim), 0);
		assert_int_equal(weir_loopback_create(weir_sim_context(sim), &t[0], &t[1]), 0);
		assert_int_equal(weir_transport_set_marks(t[0], 32000, k), 0);
		assert_int_equal(weir_sim_source_create(sim, &gives, &source), 0);
		assert_int_equal(weir_sim_sink_create(sim, &takes, &sink), 0);
		assert_int_equal(weir_consumer_register(weir_transport_sink(t[0]),
							weir_sim_source_producer(source),
							gives.mode), 0);
		assert_int_equal(weir_consumer_register(weir_sim_sink_consumer(sink),
							weir_transport_source(t[1]), WEIR_PUSH), 0);
		assert_true(weir_sim_run(sim, WEIR_NEVER));
		weir_sim_sink_state(sink, &got);
		assert_int_equal(got.got, gives.size);
		assert_true(got.ended && got.why == 0);
		weir_transport_close(t[0]);
		weir_transport_close(t[1]);
		weir_sim_run(sim, WEIR_NEVER);
		weir_sim_sink_destroy(sink);
		weir_sim_source_destroy(source);
		weir_sim_check_empty(sim);
		assert_null(weir_sim_broken(sim, NULL));
		weir_sim_destroy(sim);
	}
}

static void test_each_failing_allocation_is_told_to_both_and_leaks_nothing(void **state)
{
	(void)state;
	for (long n = 1;; n++) {
		struct ends e = {0};
		int rc;

		world_open(&e.w, WEIR_BUDGET_DEFAULT);
		weir_test_fail_alloc_after(n);
		rc = weir_loopback_create(&e.w.ctx, &e.t[0], &e.t[1]);
		for (int i = 0; i < 2; i++) {
			sink_open(&e.to[i], &e.w);
			source_open(&e.from[i], WEIR_PUSH);
		}
		if (rc == 0) {
			all_sides(&e);
			e.to[1].window = 0;
			for (int i = 0; i < 40 && e.from[0].base.consumer; i++) {
				if (source_write(&e.from[0], 10000) < 0)
					weir_producer_end(&e.from[0].base, e.from[0].last_rc);
				world_run(&e.w);
			}
			weir_producer_end(&e.from[0].base, 0);
			sink_take(&e.to[1], SIZE_MAX);
			world_run(&e.w);
			assert_int_equal(e.to[1].on_ends, 1);
			rc = e.to[1].on_end_why;
			assert_true(rc < 0 || e.to[1].got == 400000);
		}
		weir_test_fail_alloc_after(-1);
		assert_true(rc == 0 || rc == -ENOMEM);
		ends_close(&e);
		if (rc == 0)
			break;
		assert_true(n < 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delivery_is_from_the_next_turn),
		cmocka_unit_test(test_two_who_answer_each_other_use_no_stack),
		cmocka_unit_test(test_paused_reader_fills_the_writer_and_resumes_it),
		cmocka_unit_test(test_nothing_is_delivered_without_a_reader),
		cmocka_unit_test(test_reader_that_leaves_and_another_lose_nothing),
		cmocka_unit_test(test_flow_moves_a_quantum_a_turn),
		cmocka_unit_test(test_end_of_one_way_leaves_the_other_open),
		cmocka_unit_test(test_failure_reaches_the_reader_with_its_reason),
		cmocka_unit_test(test_reader_that_dies_stops_the_writer),
		cmocka_unit_test(test_finish_in_the_turn_in_which_the_reader_dies_is_a_failure),
		cmocka_unit_test(test_closing_one_side_is_felt_in_both_ways_by_the_other),
		cmocka_unit_test(test_reader_that_comes_after_the_close_is_told),
		cmocka_unit_test(test_finish_before_the_close_stays_a_finish),
		cmocka_unit_test(test_failure_after_a_finish_that_nobody_has_read_is_told),
		cmocka_unit_test(test_closing_both_from_inside_a_delivery_is_legal),
		cmocka_unit_test(test_every_chunking_gives_the_same_bytes),
		cmocka_unit_test(test_each_failing_allocation_is_told_to_both_and_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
