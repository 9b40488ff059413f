/* SPDX-License-Identifier: MIT */
/* TIME-1 of a relay: a side that stalls and the whole time, beside idle and linger, which
 * are test_relay.c's. */
#include "../unit/core_fixture.h"

#include "weir/loopback.h"
#include "weir/relay.h"

#define S WEIR_NS_PER_S

/* What a look comes late by at most. */
#define LATE(ns) ((ns) / 16 + 2)

enum { LEFT, RIGHT };

struct stage {
	struct world w;
	struct source from[2]; /* what each side gives */
	struct sink to[2];     /* what each side takes */
	struct weir_relay *relay;
	struct weir_outcome to_right, to_left;
	unsigned dones;
	uint64_t done_at;
};

static void on_done(struct weir_relay *relay, const struct weir_outcome *to_right,
                    const struct weir_outcome *to_left, void *arg)
{
	struct stage *s = arg;

	(void)relay;
	s->dones++;
	s->done_at = s->w.now;
	s->to_right = *to_right;
	s->to_left = *to_left;
}

static void stage_open(struct stage *s, const struct weir_relay_options *limits)
{
	struct weir_relay_options options = *limits;
	struct weir_relay_side side[2];

	*s = (struct stage){.dones = 0};
	options.on_done = on_done;
	options.arg = s;
	world_open(&s->w, WEIR_BUDGET_DEFAULT);
	for (int i = 0; i < 2; i++) {
		source_open(&s->from[i], WEIR_PUSH);
		sink_open(&s->to[i], &s->w);
		side[i] = (struct weir_relay_side){&s->from[i].base, &s->to[i].v.base};
	}
	assert_int_equal(weir_relay_create(&s->w.ctx, side[LEFT], side[RIGHT], &options, &s->relay),
	                 0);
}

static void stage_close(struct stage *s)
{
	weir_relay_destroy(s->relay);
	for (int i = 0; i < 2; i++) {
		assert_false(s->from[i].broken);
		assert_false(s->to[i].garbled);
		weir_valve_fini(&s->to[i].v);
	}
	world_close(&s->w);
}

static void give(struct stage *s, int side, size_t len)
{
	assert_int_equal(source_write(&s->from[side], len), 0);
	world_run(&s->w);
}

static void assert_stopped(struct stage *s, int cause, uint64_t since, uint64_t ns, uint64_t late)
{
	world_pass(&s->w, 3 * ns);
	world_run(&s->w);
	assert_int_equal(s->dones, 1);
	assert_in_range(s->done_at - since, ns, ns + late);
	assert_int_equal(s->to_right.end, WEIR_STOPPED);
	assert_int_equal(s->to_right.cause, cause);
	assert_int_equal(s->to_left.end, WEIR_STOPPED);
	assert_int_equal(s->to_left.cause, cause);
}

static void test_one_side_that_stalls_stops_both_though_the_other_moves(void **state)
{
	const struct weir_relay_options limits = {.stall_ns = 10 * S, .idle_ns = S};
	uint64_t began;
	struct stage s;

	(void)state;
	stage_open(&s, &limits);
	s.to[RIGHT].window = 5;
	began = s.w.now;
	give(&s, LEFT, 100);
	while (s.w.now - began < 10 * S - 1) {
		give(&s, RIGHT, 1);
		assert_int_equal(s.dones, 0);
		world_pass(&s.w, S / 7);
	}
	assert_stopped(&s, WEIR_ESTALL, began, 10 * S, LATE(10 * S));
	assert_int_equal(s.to_right.offset, 5);
	assert_int_equal(s.to_right.dropped, 95);
	stage_close(&s);
}

static void test_a_side_that_takes_a_little_now_and_then_does_not_stall(void **state)
{
	const struct weir_relay_options limits = {.stall_ns = S};
	struct stage s;

	(void)state;
	stage_open(&s, &limits);
	s.to[LEFT].window = 0;
	while (!s.from[RIGHT].paused)
		give(&s, RIGHT, 100000);
	for (int i = 0; i < 100; i++) {
		world_pass(&s.w, S - 1);
		assert_int_equal(s.dones, 0);
		sink_take(&s.to[LEFT], 1);
		world_run(&s.w);
	}
	assert_stopped(&s, WEIR_ESTALL, s.w.now, S, LATE(S));
	stage_close(&s);
}

static void test_silence_is_no_stall_and_a_stall_is_not_idle(void **state)
{
	const struct weir_relay_options limits = {
		.stall_ns = S, .idle_ns = 20 * S, .linger_ns = 2 * S};
	uint64_t began;
	struct stage s;

	(void)state;
	stage_open(&s, &limits);
	world_pass(&s.w, 19 * S);
	assert_int_equal(s.dones, 0);
	/* One end only lingers while it gives nothing; a stall is counted for itself. */
	weir_producer_end(&s.from[LEFT].base, 0);
	s.to[LEFT].window = 0;
	world_run(&s.w);
	began = s.w.now;
	give(&s, RIGHT, 3);
	world_pass(&s.w, 3 * S);
	world_run(&s.w);
	assert_int_equal(s.dones, 1);
	assert_int_equal(s.to_right.end, WEIR_FINISHED);
	assert_int_equal(s.to_left.cause, WEIR_ESTALL);
	assert_in_range(s.done_at - began, S, S + LATE(S));
	stage_close(&s);
}

static void test_the_total_time_stops_a_relay_that_moves(void **state)
{
	const struct weir_relay_options limits = {
		.total_ns = 10 * S + 3,
		.idle_ns = S,
		.stall_ns = S,
		.linger_ns = S,
	};
	uint64_t began;
	struct stage s;

	(void)state;
	stage_open(&s, &limits);
	began = s.w.now;
	for (int i = 0; i < 20; i++) {
		give(&s, i % 2, 10);
		world_pass(&s.w, S / 2 - 1);
		assert_int_equal(s.dones, 0);
	}
	assert_stopped(&s, WEIR_ETIMELIMIT, began, 10 * S + 3, 0);
	stage_close(&s);
}

static void test_the_total_time_alone_needs_one_look_and_goes_with_the_end(void **state)
{
	const struct weir_relay_options limits = {.total_ns = 10 * S};
	struct stage s;

	(void)state;
	stage_open(&s, &limits);
	world_run(&s.w);
	assert_int_equal(weir_context_next(&s.w.ctx), s.w.now + 10 * S);
	give(&s, LEFT, 10);
	weir_producer_end(&s.from[LEFT].base, 0);
	weir_producer_end(&s.from[RIGHT].base, 0);
	world_run(&s.w);
	assert_int_equal(s.dones, 1);
	assert_int_equal(s.to_right.end, WEIR_FINISHED);
	assert_int_equal(weir_context_next(&s.w.ctx), WEIR_NEVER);
	stage_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_side_that_stalls_stops_both_though_the_other_moves),
		cmocka_unit_test(test_a_side_that_takes_a_little_now_and_then_does_not_stall),
		cmocka_unit_test(test_silence_is_no_stall_and_a_stall_is_not_idle),
		cmocka_unit_test(test_the_total_time_stops_a_relay_that_moves),
		cmocka_unit_test(test_the_total_time_alone_needs_one_look_and_goes_with_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
