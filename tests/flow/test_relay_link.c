/* SPDX-License-Identifier: MIT */
/* A relay between two simulated links, with a program at either far end: what each of them
 * sees, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "weir/join.h"
#include "weir/relay.h"
#include "weir/sim.h"

#define MS WEIR_NS_PER_MS
#define S WEIR_NS_PER_S

enum { LEFT, RIGHT };

/* left end -- link[LEFT] -- relay -- link[RIGHT] -- right end */
struct stage {
	struct weir_sim *sim;
	struct weir_transport *outer[2], *inner[2]; /* sides of link[LEFT] and link[RIGHT] */
	struct weir_sim_source *from[2];            /* what each end gives */
	struct weir_sim_sink *to[2];                /* what each end takes */
	struct weir_join *gives[2], *takes[2];
	struct weir_relay *relay;
	struct weir_outcome to_right, to_left;
	uint64_t done_at;
	unsigned dones;
};

static void on_done(struct weir_relay *relay, const struct weir_outcome *to_right,
		    const struct weir_outcome *to_left, void *arg)
{
	struct stage *s = arg;

	(void)relay;
	s->dones++;
	s->done_at = weir_context_now(weir_sim_context(s->sim));
	s->to_right = *to_right;
	s->to_left = *to_left;
	for (int i = 0; i < 2; i++) {
		weir_transport_close(s->inner[i]);
		s->inner[i] = NULL;
	}
}

static void stage_open(struct stage *s, const struct weir_sim_link_options *link)
{
	*s = (struct stage){.dones = 0};
	assert_int_equal(weir_sim_create(NULL, &s->sim), 0);
	assert_int_equal(weir_sim_link_create(s->sim, link, &s->outer[LEFT], &s->inner[LEFT]), 0);
	assert_int_equal(weir_sim_link_create(s->sim, link, &s->inner[RIGHT], &s->outer[RIGHT]),
			 0);
}

static struct weir_relay_side side_of(struct stage *s, int i)
{
	return (struct weir_relay_side){weir_transport_source(s->inner[i]),
					weir_transport_sink(s->inner[i])};
}

/* Each end gives `size` bytes; `gives` and `takes` say how. */
static void stage_start(struct stage *s, const struct weir_sim_source_options gives[2],
			const struct weir_sim_sink_options takes[2], uint64_t linger_ns)
{
	struct weir_context *ctx = weir_sim_context(s->sim);
	struct weir_relay_options options = {
		.linger_ns = linger_ns, .on_done = on_done, .arg = s,
	};

	assert_int_equal(weir_relay_create(ctx, side_of(s, LEFT), side_of(s, RIGHT), &options,
					   &s->relay), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(weir_sim_source_create(s->sim, &gives[i], &s->from[i]), 0);
		assert_int_equal(weir_sim_sink_create(s->sim, &takes[i], &s->to[i]), 0);
		assert_int_equal(weir_join_create(ctx, weir_sim_source_producer(s->from[i]),
						  weir_transport_sink(s->outer[i]), NULL,
						  &s->gives[i]), 0);
		assert_int_equal(weir_join_create(ctx, weir_transport_source(s->outer[i]),
						  weir_sim_sink_consumer(s->to[i]), NULL,
						  &s->takes[i]), 0);
	}
}

static void stage_close(struct stage *s)
{
	for (int i = 0; i < 2; i++) {
		weir_join_destroy(s->gives[i]);
		weir_join_destroy(s->takes[i]);
	}
	weir_relay_destroy(s->relay);
	for (int i = 0; i < 2; i++) {
		weir_transport_close(s->outer[i]);
		weir_transport_close(s->inner[i]);
		weir_sim_sink_destroy(s->to[i]);
		weir_sim_source_destroy(s->from[i]);
	}
	assert_true(weir_sim_run(s->sim, WEIR_NEVER));
	weir_sim_check_empty(s->sim);
	assert_null(weir_sim_broken(s->sim, NULL));
	weir_sim_destroy(s->sim);
}

static struct weir_sim_sink_state got(const struct stage *s, int i)
{
	struct weir_sim_sink_state state;

	weir_sim_sink_state(s->to[i], &state);
	return state;
}

static const struct weir_sim_link_options ms_link = {
	.to_right = {.latency_ns = MS},
	.to_left = {.latency_ns = MS},
};

static void test_end_of_one_way_crosses_both_links_and_leaves_the_other_way(void **state)
{
	const struct weir_sim_source_options gives[2] = {
		{.size = 0}, {.size = 1000, .chunk = 100, .pace_ns = S},
	};
	const struct weir_sim_sink_options takes[2] = {{.key = 0}, {.key = 0}};
	struct stage s;

	(void)state;
	stage_open(&s, &ms_link);
	stage_start(&s, gives, takes, 0);
	weir_sim_run(s.sim, 2 * MS);
	assert_true(got(&s, RIGHT).ended);
	assert_int_equal(got(&s, RIGHT).why, 0);
	assert_false(got(&s, LEFT).ended);
	weir_sim_run(s.sim, WEIR_NEVER);
	assert_int_equal(got(&s, LEFT).got, 1000);
	assert_int_equal(got(&s, LEFT).why, 0);
	assert_int_equal(s.dones, 1);
	assert_int_equal(s.done_at, 9 * S + MS);
	stage_close(&s);
}

static void test_reset_at_one_end_is_a_reset_at_the_other_behind_what_was_readable(void **state)
{
	const struct weir_sim_source_options gives[2] = {
		{.size = 1000000, .chunk = 100, .pace_ns = MS / 10},
		{.size = 1000000, .chunk = 100, .pace_ns = MS / 10},
	};
	const struct weir_sim_sink_options takes[2] = {{.key = 0}, {.key = 0}};
	struct stage s;

	(void)state;
	stage_open(&s, &ms_link);
	stage_start(&s, gives, takes, 0);
	weir_sim_run(s.sim, 10 * MS);
	weir_sim_link_break(s.outer[LEFT], -ECONNRESET);
	weir_sim_run(s.sim, WEIR_NEVER);
	assert_int_equal(s.to_right.end, WEIR_SOURCE_FAILED);
	assert_int_equal(s.to_right.cause, -ECONNRESET);
	assert_int_equal(s.to_left.end, WEIR_SINK_FAILED);
	assert_int_equal(got(&s, LEFT).why, -ECONNRESET);
	assert_int_equal(got(&s, RIGHT).why, -ECONNRESET);
	/* Two links are crossed in 2 ms, and what is in the second one is lost. */
	assert_int_equal(got(&s, LEFT).got, 81 * 100);
	assert_int_equal(s.to_right.offset, 91 * 100);
	assert_int_equal(got(&s, RIGHT).got, 81 * 100);
	stage_close(&s);
}

static void test_slow_end_holds_the_fast_one_and_memory_stays_bounded(void **state)
{
	const struct weir_sim_link_options link = {
		.to_right = {.latency_ns = MS, .buffer = 10000},
		.to_left = {.latency_ns = MS, .buffer = 10000},
	};
	const struct weir_sim_source_options gives[2] = {
		{.size = 400000, .chunk = 5000, .asks = true}, {.size = 400000, .chunk = 5000},
	};
	const struct weir_sim_sink_options takes[2] = {
		{.key = 0}, {.bytes_per_s = 10000, .high = 20000, .low = 5000, .limit = 40000},
	};
	struct weir_progress p;
	struct stage s;

	(void)state;
	stage_open(&s, &link);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(weir_transport_set_marks(s.outer[i], 20000, 5000), 0);
		assert_int_equal(weir_transport_set_marks(s.inner[i], 20000, 5000), 0);
	}
	stage_start(&s, gives, takes, 0);
	weir_sim_run(s.sim, 10 * S);
	/* The way to the left does not wait for the other one. */
	assert_int_equal(got(&s, LEFT).got, 400000);
	assert_true(got(&s, LEFT).ended);
	/* To the right there are two valves, two links and a sink, with at most so much. */
	weir_join_progress(s.gives[LEFT], &p);
	assert_true(p.paused);
	assert_int_equal(p.cause, WEIR_CAUSE_FULL);
	assert_in_range(p.in - got(&s, RIGHT).got, 20000, 3 * 20000 + 2 * 10000);
	assert_in_range(weir_sim_budget(s.sim)->peak, 20000, 200000);
	weir_sim_run(s.sim, WEIR_NEVER);
	assert_int_equal(got(&s, RIGHT).got, 400000);
	assert_in_range(weir_context_now(weir_sim_context(s.sim)), 39 * S, 41 * S);
	assert_int_equal(s.to_right.end, WEIR_FINISHED);
	stage_close(&s);
}

static void test_linger_begins_when_the_first_end_arrives_at_the_relay(void **state)
{
	const struct weir_sim_source_options gives[2] = {
		{.size = 10}, {.size = 1000, .chunk = 1, .pace_ns = 100 * S},
	};
	const struct weir_sim_sink_options takes[2] = {{.key = 0}, {.key = 0}};
	struct stage s;

	(void)state;
	stage_open(&s, &ms_link);
	stage_start(&s, gives, takes, 16 * S);
	weir_sim_run(s.sim, 50 * S);
	assert_int_equal(s.dones, 1);
	assert_int_equal(s.done_at, 16 * S + MS);
	assert_int_equal(s.to_left.cause, WEIR_ELINGER);
	assert_int_equal(got(&s, RIGHT).why, 0);
	assert_int_equal(got(&s, LEFT).why, -ECONNRESET);
	assert_int_equal(got(&s, LEFT).got, 1);
	stage_close(&s);
}

static void test_every_cut_of_the_link_is_a_failure_or_a_whole_stream(void **state)
{
	(void)state;
	for (uint64_t at = 1; at <= 300; at += 7) {
		const struct weir_sim_link_options link = {
			.to_right = {
				.latency_ns = MS, .piece = 16, .random_pieces = true,
				.break_after = at, .break_why = -ETIMEDOUT,
			},
		};
		const struct weir_sim_source_options gives[2] = {{.size = 200}, {.size = 0}};
		const struct weir_sim_sink_options takes[2] = {{.key = 0}, {.key = 0}};
		struct stage s;

		stage_open(&s, &link);
		stage_start(&s, gives, takes, 0);
		weir_sim_run(s.sim, WEIR_NEVER);
		assert_int_equal(s.dones, 1);
		assert_true(got(&s, RIGHT).ended);
		if (at <= 200)
			assert_true(got(&s, RIGHT).why < 0);
		else
			assert_int_equal(got(&s, RIGHT).got, 200);
		stage_close(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_end_of_one_way_crosses_both_links_and_leaves_the_other_way),
		cmocka_unit_test(test_reset_at_one_end_is_a_reset_at_the_other_behind_what_was_readable),
		cmocka_unit_test(test_slow_end_holds_the_fast_one_and_memory_stays_bounded),
		cmocka_unit_test(test_linger_begins_when_the_first_end_arrives_at_the_relay),
		cmocka_unit_test(test_every_cut_of_the_link_is_a_failure_or_a_whole_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
