/* SPDX-License-Identifier: MIT */
/* Two joins and their ends: half-close in every order, linger, idle, failures. */
#include "../unit/core_fixture.h"

#include <errno.h>

#include "fail_alloc.h"
#include "weir/loopback.h"
#include "weir/relay.h"

#define S WEIR_NS_PER_S

enum { LEFT, RIGHT };

struct stage {
	struct world w;
	struct source from[2]; /* what each side gives */
	struct sink to[2];     /* what each side takes */
	struct weir_relay *relay;
	struct weir_outcome to_right, to_left;
	unsigned dones;
	uint64_t done_at;
	bool destroys; /* the relay, from on_done */
};

static void on_done(struct weir_relay *relay, const struct weir_outcome *to_right,
		    const struct weir_outcome *to_left, void *arg)
{
	struct stage *s = arg;

	assert_ptr_equal(relay, s->relay);
	s->dones++;
	s->done_at = s->w.now;
	s->to_right = *to_right;
	s->to_left = *to_left;
	if (s->destroys) {
		weir_relay_destroy(relay);
		s->relay = NULL;
	}
}

static struct weir_relay_side side_of(struct stage *s, int side)
{
	return (struct weir_relay_side){.source = &s->from[side].base, .sink = &s->to[side].v.base};
}

static int stage_open(struct stage *s, uint64_t idle_ns, uint64_t linger_ns)
{
	struct weir_relay_options options = {
		.idle_ns = idle_ns,
		.linger_ns = linger_ns,
		.on_done = on_done,
		.arg = s,
	};

	*s = (struct stage){.dones = 0};
	world_open(&s->w, WEIR_BUDGET_DEFAULT);
	for (int i = 0; i < 2; i++) {
		source_open(&s->from[i], WEIR_PUSH);
		sink_open(&s->to[i], &s->w);
	}
	return weir_relay_create(&s->w.ctx, side_of(s, LEFT), side_of(s, RIGHT), &options,
				 &s->relay);
}

static void stage_close(struct stage *s)
{
	weir_relay_destroy(s->relay);
	for (int i = 0; i < 2; i++) {
		assert_false(s->from[i].broken);
		assert_null(s->from[i].base.consumer);
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

static void end(struct stage *s, int side, int why)
{
	weir_producer_end(&s->from[side].base, why);
	world_run(&s->w);
}

/* Let time pass in small steps. */
static void pass(struct stage *s, uint64_t ns)
{
	uint64_t until = s->w.now + ns;

	while (weir_context_next(&s->w.ctx) <= until) {
		uint64_t at = weir_context_next(&s->w.ctx);

		world_advance(&s->w, at > s->w.now ? at - s->w.now : 0);
	}
	s->w.now = until;
}

static void assert_outcome(const struct weir_outcome *o, enum weir_end how, int cause, uint64_t in)
{
	assert_int_equal(o->end, how);
	assert_int_equal(o->cause, cause);
	assert_int_equal(o->in, in);
	assert_int_equal(o->in, o->offset + o->dropped);
}

/* ---- ends ---- */

static void test_end_of_one_direction_finishes_one_sink_and_no_more(void **state)
{
	(void)state;
	for (int one = LEFT; one <= RIGHT; one++) {
		int other = !one;
		struct stage s;

		assert_int_equal(stage_open(&s, 0, 0), 0);
		give(&s, one, 100);
		end(&s, one, 0);
		assert_int_equal(s.to[other].ends, 1);
		assert_int_equal(s.to[other].end_why, 0);
		assert_int_equal(s.to[one].ends, 0);
		assert_int_equal(s.from[other].stops, 0);
		assert_int_equal(s.dones, 0);
		for (int i = 0; i < 10; i++) {
			pass(&s, 3600 * S);
			give(&s, other, 1000);
		}
		assert_int_equal(s.to[one].got, 10000);
		end(&s, other, 0);
		assert_int_equal(s.to[one].ends, 1);
		assert_int_equal(s.dones, 1);
		assert_outcome(one == LEFT ? &s.to_right : &s.to_left, WEIR_FINISHED, 0, 100);
		assert_outcome(one == LEFT ? &s.to_left : &s.to_right, WEIR_FINISHED, 0, 10000);
		stage_close(&s);
	}
}

static void test_both_ends_in_one_turn_are_one_done(void **state)
{
	struct stage s;

	(void)state;
	assert_int_equal(stage_open(&s, S, S), 0);
	weir_producer_end(&s.from[LEFT].base, 0);
	weir_producer_end(&s.from[RIGHT].base, 0);
	assert_int_equal(s.dones, 0); /* from the context, not from inside a call */
	world_run(&s.w);
	assert_int_equal(s.dones, 1);
	assert_outcome(&s.to_right, WEIR_FINISHED, 0, 0);
	assert_outcome(&s.to_left, WEIR_FINISHED, 0, 0);
	assert_int_equal(weir_context_next(&s.w.ctx), WEIR_NEVER);
	stage_close(&s);
}

static void test_relay_may_be_destroyed_in_on_done(void **state)
{
	struct stage s;

	(void)state;
	assert_int_equal(stage_open(&s, S, S), 0);
	s.destroys = true;
	end(&s, RIGHT, 0);
	end(&s, LEFT, 0);
	assert_int_equal(s.dones, 1);
	assert_null(s.relay);
	stage_close(&s);
}

static void test_failing_source_leaves_the_other_direction_alone(void **state)
{
	struct stage s;

	(void)state;
	assert_int_equal(stage_open(&s, 0, 0), 0);
	s.to[RIGHT].window = 30;
	give(&s, LEFT, 100);
	end(&s, LEFT, -EIO);
	assert_int_equal(s.to[RIGHT].end_why, -EIO);
	assert_int_equal(s.to[LEFT].ends, 0);
	give(&s, RIGHT, 50);
	assert_int_equal(s.to[LEFT].got, 50);
	end(&s, RIGHT, 0);
	assert_outcome(&s.to_right, WEIR_SOURCE_FAILED, -EIO, 100);
	assert_int_equal(s.to_right.offset, 30);
	assert_int_equal(s.to_right.dropped, 70);
	assert_outcome(&s.to_left, WEIR_FINISHED, 0, 50);
	stage_close(&s);
}

static void test_dying_sink_leaves_the_other_direction_alone(void **state)
{
	struct stage s;

	(void)state;
	assert_int_equal(stage_open(&s, 0, 0), 0);
	weir_valve_die(&s.to[LEFT].v, -EPIPE);
	world_run(&s.w);
	assert_int_equal(s.from[RIGHT].stops, 1);
	assert_int_equal(s.from[RIGHT].stop_why, -EPIPE);
	assert_int_equal(s.from[LEFT].stops, 0);
	assert_int_equal(s.dones, 0);
	give(&s, LEFT, 50);
	end(&s, LEFT, 0);
	assert_outcome(&s.to_left, WEIR_SINK_FAILED, -EPIPE, 0);
	assert_outcome(&s.to_right, WEIR_FINISHED, 0, 50);
	stage_close(&s);
}

static void test_stop_ends_both_once(void **state)
{
	struct stage s;

	(void)state;
	assert_int_equal(stage_open(&s, S, S), 0);
	give(&s, LEFT, 50);
	weir_relay_stop(s.relay, WEIR_ESTOPPED);
	assert_int_equal(s.dones, 0);
	weir_relay_stop(s.relay, -EINTR);
	world_run(&s.w);
	assert_int_equal(s.dones, 1);
	assert_outcome(&s.to_right, WEIR_STOPPED, WEIR_ESTOPPED, 50);
	assert_outcome(&s.to_left, WEIR_STOPPED, WEIR_ESTOPPED, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(s.from[i].stops, 1);
		assert_int_equal(s.to[i].ends, 1);
	}
	stage_close(&s);
}

static void test_destroying_one_at_work_stops_it_silently(void **state)
{
	struct stage s;

	(void)state;
	assert_int_equal(stage_open(&s, S, S), 0);
	give(&s, LEFT, 50);
	weir_relay_destroy(s.relay);
	s.relay = NULL;
	world_run(&s.w);
	assert_int_equal(s.dones, 0);
	assert_int_equal(s.from[LEFT].stops, 1);
	assert_int_equal(s.from[RIGHT].stops, 1);
	stage_close(&s);
}

static void test_busy_end_is_refused_and_nothing_is_changed(void **state)
{
	(void)state;
	for (int side = LEFT; side <= RIGHT; side++) {
		struct weir_relay *again = NULL;
		struct sink other;
		struct source more;
		struct stage s;
		struct weir_relay_side sides[2];

		assert_int_equal(stage_open(&s, 0, 0), 0);
		source_open(&more, WEIR_PUSH);
		sink_open(&other, &s.w);
		sides[side] = (struct weir_relay_side){&more.base, &s.to[side].v.base};
		sides[!side] = (struct weir_relay_side){&s.from[!side].base, &other.v.base};
		assert_int_equal(weir_relay_create(&s.w.ctx, sides[0], sides[1], NULL, &again),
				 WEIR_EBUSY);
		sides[LEFT] = (struct weir_relay_side){&more.base, &other.v.base};
		sides[RIGHT] = side_of(&s, side);
		assert_int_equal(weir_relay_create(&s.w.ctx, sides[0], sides[1], NULL, &again),
				 WEIR_EBUSY);
		assert_null(again);
		assert_int_equal(more.starts + more.stops + other.on_ends, 0);
		give(&s, LEFT, 10);
		assert_int_equal(s.to[RIGHT].got, 10);
		weir_valve_fini(&other.v);
		stage_close(&s);
	}
}

/* ---- linger ---- */

static void test_linger_counts_from_the_first_end_and_from_each_byte(void **state)
{
	uint64_t last;
	struct stage s;

	(void)state;
	assert_int_equal(stage_open(&s, 0, 16 * S), 0);
	pass(&s, 1000 * S); /* not before an end */
	end(&s, LEFT, 0);
	for (int i = 0; i < 30; i++) {
		pass(&s, 15 * S);
		assert_int_equal(s.dones, 0);
		give(&s, RIGHT, 1);
	}
	last = s.w.now;
	pass(&s, 100 * S);
	assert_int_equal(s.dones, 1);
	assert_in_range(s.done_at - last, 16 * S, 17 * S + S / 100);
	assert_outcome(&s.to_right, WEIR_FINISHED, 0, 0);
	assert_outcome(&s.to_left, WEIR_STOPPED, WEIR_ELINGER, 30);
	stage_close(&s);
}

static void test_linger_without_a_byte_is_exact(void **state)
{
	uint64_t began;
	struct stage s;

	(void)state;
	assert_int_equal(stage_open(&s, 0, 7 * S), 0);
	pass(&s, 3 * S);
	began = s.w.now;
	end(&s, RIGHT, -EIO); /* a failure is an end, too */
	pass(&s, 100 * S);
	assert_int_equal(s.dones, 1);
	assert_int_equal(s.done_at - began, 7 * S);
	assert_int_equal(s.to_right.cause, WEIR_ELINGER);
	stage_close(&s);
}

static void test_linger_does_not_cut_one_whom_we_hold(void **state)
{
	struct stage s;

	(void)state;
	assert_int_equal(stage_open(&s, 0, S), 0);
	end(&s, LEFT, 0);
	s.to[LEFT].window = 0;
	while (!s.from[RIGHT].paused)
		give(&s, RIGHT, 100000);
	pass(&s, 1000 * S);
	assert_int_equal(s.dones, 0);
	sink_take(&s.to[LEFT], SIZE_MAX);
	world_run(&s.w);
	pass(&s, S);
	assert_int_equal(s.dones, 0);
	pass(&s, S);
	assert_int_equal(s.to_left.cause, WEIR_ELINGER);
	stage_close(&s);
}

/* ---- idle ---- */

static void test_idle_needs_both_directions_to_be_silent(void **state)
{
	struct stage s;
	uint64_t last;

	(void)state;
	assert_int_equal(stage_open(&s, 16 * S, 0), 0);
	for (int i = 0; i < 40; i++) {
		pass(&s, 15 * S);
		assert_int_equal(s.dones, 0);
		give(&s, i % 2, 1);
	}
	/* One that ended is silent, and the other still counts. */
	end(&s, LEFT, 0);
	for (int i = 0; i < 10; i++) {
		pass(&s, 15 * S);
		give(&s, RIGHT, 1);
	}
	last = s.w.now;
	pass(&s, 100 * S);
	assert_int_equal(s.dones, 1);
	assert_in_range(s.done_at - last, 16 * S, 17 * S + S / 100);
	assert_outcome(&s.to_right, WEIR_FINISHED, 0, 20);
	assert_outcome(&s.to_left, WEIR_STOPPED, WEIR_EIDLE, 30);
	stage_close(&s);
}

static void test_idle_from_the_start_is_exact(void **state)
{
	uint64_t began;
	struct stage s;

	(void)state;
	assert_int_equal(stage_open(&s, 5 * S + 3, 0), 0);
	began = s.w.now;
	pass(&s, 100 * S);
	assert_int_equal(s.done_at - began, 5 * S + 3);
	assert_int_equal(s.to_left.cause, WEIR_EIDLE);
	assert_int_equal(s.to_right.cause, WEIR_EIDLE);
	stage_close(&s);
}

static void test_time_in_which_we_hold_is_not_idle(void **state)
{
	struct stage s;

	(void)state;
	assert_int_equal(stage_open(&s, S, 0), 0);
	/* By the sink. */
	s.to[RIGHT].window = 0;
	while (!s.from[LEFT].paused)
		give(&s, LEFT, 100000);
	pass(&s, 100 * S);
	assert_int_equal(s.dones, 0);
	sink_take(&s.to[RIGHT], SIZE_MAX);
	world_run(&s.w);
	/* By the user, in a hold that is over before the next look. */
	for (int i = 0; i < 100; i++) {
		weir_join_pause(weir_relay_to_left(s.relay));
		pass(&s, 1000);
		weir_join_resume(weir_relay_to_left(s.relay));
		pass(&s, 9 * S / 10);
		assert_int_equal(s.dones, 0);
	}
	pass(&s, 2 * S);
	assert_int_equal(s.to_left.cause, WEIR_EIDLE);
	stage_close(&s);
}

static void test_bytes_that_a_slow_sink_still_takes_are_not_idle(void **state)
{
	struct stage s;

	(void)state;
	assert_int_equal(stage_open(&s, S, 0), 0);
	s.to[RIGHT].window = 0;
	give(&s, LEFT, 1000);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(s.dones, 0);
		sink_take(&s.to[RIGHT], 1);
		pass(&s, 9 * S / 10);
	}
	pass(&s, 2 * S);
	assert_int_equal(s.dones, 1);
	stage_close(&s);
}

/* ---- whole stacks ---- */

/* Client -- pair -- relay -- pair -- server, all by `piece` bytes. */
static void through_two_pairs(size_t piece, size_t window, uint64_t total)
{
	struct weir_transport *t[4];
	struct source from[2];
	struct sink to[2];
	struct stage s = {.dones = 0};
	struct weir_relay_options options = {.on_done = on_done, .arg = &s};
	unsigned turns = 0;

	world_open(&s.w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(weir_loopback_create(&s.w.ctx, &t[0], &t[1]), 0);
	assert_int_equal(weir_loopback_create(&s.w.ctx, &t[2], &t[3]), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(weir_transport_set_marks(t[i], 1000, 100), 0);
	assert_int_equal(weir_relay_create(&s.w.ctx,
		(struct weir_relay_side){weir_transport_source(t[1]), weir_transport_sink(t[1])},
		(struct weir_relay_side){weir_transport_source(t[2]), weir_transport_sink(t[2])},
		&options, &s.relay), 0);
	for (int i = 0; i < 2; i++) {
		struct weir_transport *mine = t[i ? 3 : 0];

		source_open(&from[i], WEIR_PUSH);
		sink_open(&to[i], &s.w);
		to[i].window = 0;
		assert_int_equal(weir_valve_set_marks(&to[i].v, 50, 10, 4000), 0);
		assert_int_equal(weir_consumer_register(weir_transport_sink(mine), &from[i].base,
							WEIR_PUSH), 0);
		assert_int_equal(weir_consumer_register(&to[i].v.base, weir_transport_source(mine),
							WEIR_PUSH), 0);
	}
	while (!s.dones) {
		assert_true(++turns < 1000000);
		for (int i = 0; i < 2; i++) {
			/* The server ends only after it has had the client's end. */
			if (from[i].base.consumer && from[i].given == total &&
			    (i == 0 || to[1].on_ends))
				weir_producer_end(&from[i].base, 0);
			else if (from[i].given < total && !from[i].paused)
				assert_int_equal(source_write(&from[i], piece), 0);
			sink_take(&to[i], window);
		}
		weir_context_run(&s.w.ctx);
	}
	assert_outcome(&s.to_right, WEIR_FINISHED, 0, total);
	assert_outcome(&s.to_left, WEIR_FINISHED, 0, total);
	for (int i = 0; i < 2; i++) {
		sink_take(&to[i], SIZE_MAX);
		world_run(&s.w);
		assert_int_equal(to[i].got, total);
		assert_int_equal(to[i].on_end_why, 0);
		assert_false(to[i].garbled || from[i].broken);
		weir_valve_fini(&to[i].v);
	}
	weir_relay_destroy(s.relay);
	for (int i = 0; i < 4; i++)
		weir_transport_close(t[i]);
	world_run(&s.w);
	world_close(&s.w);
}

static void test_bytes_pass_whole_in_chunks_of_every_size(void **state)
{
	(void)state;
	through_two_pairs(1, 1, 2000);
	through_two_pairs(1, SIZE_MAX, 2000);
	through_two_pairs(900, 1, 1800);
	for (size_t piece = 2; piece < 40; piece++)
		through_two_pairs(piece, 43 - piece, piece * 100);
}

static void test_each_failing_allocation_is_told_and_leaks_nothing(void **state)
{
	(void)state;
	for (long n = 1;; n++) {
		struct stage s;
		int rc;

		weir_test_fail_alloc_after(n);
		rc = stage_open(&s, S, S);
		if (rc == 0) {
			s.to[RIGHT].window = s.to[LEFT].window = 0;
			for (int i = 0; i < 20; i++) {
				struct source *p = &s.from[i % 2];

				if (p->base.consumer && source_write(p, 10000) < 0)
					end(&s, i % 2, p->last_rc);
			}
			end(&s, LEFT, 0);
			end(&s, RIGHT, 0);
			sink_take(&s.to[LEFT], SIZE_MAX);
			sink_take(&s.to[RIGHT], SIZE_MAX);
			world_run(&s.w);
			assert_int_equal(s.dones, 1);
			rc = s.to_left.cause ? s.to_left.cause : s.to_right.cause;
			assert_true(rc < 0 || s.to[LEFT].got + s.to[RIGHT].got == 200000);
		}
		weir_test_fail_alloc_after(-1);
		assert_true(rc == 0 || rc == -ENOMEM);
		stage_close(&s);
		if (rc == 0)
			break;
		assert_true(n < 1000);
	}
}

static void test_side_that_has_ended_refuses_the_relay(void **state)
{
	(void)state;
	for (int side = LEFT; side <= RIGHT; side++) {
		struct stage s = {.dones = 0};

		world_open(&s.w, WEIR_BUDGET_DEFAULT);
		for (int i = 0; i < 2; i++) {
			source_open(&s.from[i], WEIR_PUSH);
			sink_open(&s.to[i], &s.w);
		}
		weir_consumer_finish(&s.to[side].v.base);
		assert_int_equal(weir_relay_create(&s.w.ctx, side_of(&s, LEFT), side_of(&s, RIGHT),
						   NULL, &s.relay), WEIR_ECLOSED);
		assert_null(s.relay);
		assert_int_equal(s.from[!side].stops, 1);
		stage_close(&s);
	}
}

static void cut_other(struct source *p)
{
	weir_producer_end(&((struct stage *)p->arg)->from[RIGHT].base, p->last_rc);
}

/* Stopping one direction may cut what the other one reads: that was stopped as well. */
static void test_cut_by_our_own_stop_is_a_stop(void **state)
{
	static const struct {
		int why, cause;
		enum weir_end end;
	} cuts[] = {{-ECONNABORTED, WEIR_EIDLE, WEIR_STOPPED}, {-EIO, -EIO, WEIR_SOURCE_FAILED}};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct stage s;

		assert_int_equal(stage_open(&s, 0, 0), 0);
		s.from[LEFT].arg = &s;
		s.from[LEFT].on_stop = cut_other;
		s.from[LEFT].last_rc = cuts[i].why;
		weir_relay_stop(s.relay, WEIR_EIDLE);
		world_run(&s.w);
		assert_outcome(&s.to_right, WEIR_STOPPED, WEIR_EIDLE, 0);
		assert_outcome(&s.to_left, cuts[i].end, cuts[i].cause, 0);
		stage_close(&s);
	}
}

static void test_times_without_end_never_come(void **state)
{
	struct stage s;

	(void)state;
	assert_int_equal(stage_open(&s, WEIR_NEVER - 1, WEIR_NEVER - 1), 0);
	end(&s, LEFT, 0);
	world_advance(&s.w, UINT64_C(1) << 63);
	assert_int_equal(s.dones, 0);
	end(&s, RIGHT, 0);
	assert_int_equal(s.dones, 1);
	stage_close(&s);
}

static void test_each_direction_can_be_watched_and_nobody_need_be_told(void **state)
{
	struct weir_progress right, left;
	struct stage s = {.dones = 0};

	(void)state;
	world_open(&s.w, WEIR_BUDGET_DEFAULT);
	for (int i = 0; i < 2; i++) {
		source_open(&s.from[i], WEIR_PUSH);
		sink_open(&s.to[i], &s.w);
	}
	assert_int_equal(weir_relay_create(&s.w.ctx, side_of(&s, LEFT), side_of(&s, RIGHT), NULL,
					   &s.relay), 0);
	give(&s, LEFT, 70);
	give(&s, RIGHT, 30);
	weir_join_progress(weir_relay_to_right(s.relay), &right);
	weir_join_progress(weir_relay_to_left(s.relay), &left);
	assert_int_equal(right.in, 70);
	assert_int_equal(left.in, 30);
	end(&s, LEFT, 0);
	end(&s, RIGHT, 0);
	stage_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_end_of_one_direction_finishes_one_sink_and_no_more),
		cmocka_unit_test(test_both_ends_in_one_turn_are_one_done),
		cmocka_unit_test(test_relay_may_be_destroyed_in_on_done),
		cmocka_unit_test(test_failing_source_leaves_the_other_direction_alone),
		cmocka_unit_test(test_dying_sink_leaves_the_other_direction_alone),
		cmocka_unit_test(test_stop_ends_both_once),
		cmocka_unit_test(test_destroying_one_at_work_stops_it_silently),
		cmocka_unit_test(test_busy_end_is_refused_and_nothing_is_changed),
		cmocka_unit_test(test_linger_counts_from_the_first_end_and_from_each_byte),
		cmocka_unit_test(test_linger_without_a_byte_is_exact),
		cmocka_unit_test(test_linger_does_not_cut_one_whom_we_hold),
		cmocka_unit_test(test_idle_needs_both_directions_to_be_silent),
		cmocka_unit_test(test_idle_from_the_start_is_exact),
		cmocka_unit_test(test_time_in_which_we_hold_is_not_idle),
		cmocka_unit_test(test_bytes_that_a_slow_sink_still_takes_are_not_idle),
		cmocka_unit_test(test_bytes_pass_whole_in_chunks_of_every_size),
		cmocka_unit_test(test_each_failing_allocation_is_told_and_leaks_nothing),
		cmocka_unit_test(test_side_that_has_ended_refuses_the_relay),
		cmocka_unit_test(test_cut_by_our_own_stop_is_a_stop),
		cmocka_unit_test(test_times_without_end_never_come),
		cmocka_unit_test(test_each_direction_can_be_watched_and_nobody_need_be_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
