/* SPDX-License-Identifier: MIT */
/* A join tells the truth: its outcome each way, its sums, whose each pause was. */
#include "core_fixture.h"

#include <errno.h>

#include "fail_alloc.h"
#include "weir/join.h"

#define HIGH 1000
#define LOW 200
#define LIMIT 3000

struct rig {
	struct world w;
	struct sink s;
	struct source p;
	struct weir_join *join;
	struct weir_join_options options;
	unsigned dones;
	struct weir_outcome outcome;
	bool destroys; /* inside on_done */
};

static void on_done(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	struct rig *t = arg;

	assert_ptr_equal(join, t->join);
	assert_true(t->w.ctx.running); /* from the context, not from inside a call */
	t->dones++;
	t->outcome = *outcome;
	if (t->destroys) {
		weir_join_destroy(join);
		t->join = NULL;
	}
}

static int setup(void **state)
{
	struct rig *t = test_calloc(1, sizeof(*t));

	world_open(&t->w, (size_t)16 << 20);
	sink_open(&t->s, &t->w);
	assert_int_equal(weir_valve_set_marks(&t->s.v, HIGH, LOW, LIMIT), 0);
	source_open(&t->p, WEIR_PUSH);
	t->options.on_done = on_done;
	t->options.arg = t;
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct rig *t = *state;

	weir_join_destroy(t->join);
	assert_false(t->p.broken);
	assert_false(t->s.garbled);
	weir_valve_fini(&t->s.v);
	world_run(&t->w);
	world_close(&t->w);
	test_free(t);
	return 0;
}

static int create(struct rig *t)
{
	return weir_join_create(&t->w.ctx, &t->p.base, &t->s.v.base, &t->options, &t->join);
}

static struct weir_progress progress(struct rig *t)
{
	struct weir_progress now;

	weir_join_progress(t->join, &now);
	assert_true(now.in == now.out + now.held + now.dropped);
	return now;
}

static void assert_outcome(struct rig *t, enum weir_end end, int cause, uint64_t in, uint64_t offset)
{
	struct weir_outcome now;

	world_run(&t->w);
	assert_int_equal(t->dones, 1);
	assert_int_equal(t->outcome.end, end);
	assert_int_equal(t->outcome.cause, cause);
	assert_int_equal(t->outcome.in, in);
	assert_int_equal(t->outcome.offset, offset);
	assert_int_equal(t->outcome.dropped, in - offset);
	if (!t->join)
		return;
	weir_join_outcome(t->join, &now);
	assert_int_equal(now.end, end);
	assert_int_equal(progress(t).out, offset);
}

/* ---- outcomes ------------------------------------------------------------------------ */

static void test_all_bytes_handed_on_is_finished_and_told_once_from_the_context(void **state)
{
	struct rig *t = *state;

	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 700), 0);
	weir_producer_end(&t->p.base, 0);
	assert_int_equal(t->dones, 0);
	assert_outcome(t, WEIR_FINISHED, 0, 700, 700);
	weir_join_stop(t->join, WEIR_ESTOPPED); /* after the outcome: nothing */
	assert_outcome(t, WEIR_FINISHED, 0, 700, 700);
	assert_int_equal(t->s.ends, 1);
	assert_int_equal(t->s.end_why, 0);
}

static void test_finished_waits_for_the_last_byte_and_for_the_end_to_be_known(void **state)
{
	struct rig *t = *state;
	struct weir_outcome now;

	t->s.window = 0;
	t->s.holds_end = true;
	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 700), 0);
	weir_producer_end(&t->p.base, 0);
	world_run(&t->w);
	weir_join_outcome(t->join, &now);
	assert_int_equal(now.end, WEIR_RUNNING);
	sink_take(&t->s, SIZE_MAX);
	world_run(&t->w);
	assert_int_equal(t->dones, 0);
	weir_valve_done(&t->s.v, 0);
	assert_outcome(t, WEIR_FINISHED, 0, 700, 700);
}

static void test_end5_a_source_that_fails_fails_the_sink(void **state)
{
	struct rig *t = *state;

	t->s.window = 300;
	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 700), 0);
	weir_producer_end(&t->p.base, WEIR_ETRUNCATED);
	assert_outcome(t, WEIR_SOURCE_FAILED, WEIR_ETRUNCATED, 700, 300);
	assert_int_equal(t->s.end_why, WEIR_ETRUNCATED);
	assert_int_equal(t->p.stops, 0); /* it knows */
}

static void test_end5_a_failure_behind_a_finish_fails_the_sink(void **state)
{
	struct rig *t = *state;
	struct weir_consumer *front;

	t->s.window = 300;
	assert_int_equal(create(t), 0);
	front = t->p.base.consumer;
	assert_int_equal(source_write(&t->p, 700), 0);
	weir_producer_end(&t->p.base, 0);
	world_run(&t->w);
	weir_consumer_fail(front, WEIR_ETRUNCATED);
	assert_outcome(t, WEIR_SOURCE_FAILED, WEIR_ETRUNCATED, 700, 300);
	assert_int_equal(t->s.end_why, WEIR_ETRUNCATED);
	weir_consumer_fail(front, -EIO); /* after the outcome: nothing */
	assert_outcome(t, WEIR_SOURCE_FAILED, WEIR_ETRUNCATED, 700, 300);
}

static void test_end2_a_sink_that_dies_stops_the_source_once(void **state)
{
	struct rig *t = *state;

	t->s.window = 300;
	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 700), 0);
	weir_valve_die(&t->s.v, -ECONNRESET);
	assert_string_equal(t->p.log, "Sx");
	assert_int_equal(t->p.stop_why, -ECONNRESET);
	assert_outcome(t, WEIR_SINK_FAILED, -ECONNRESET, 700, 300);
}

static void test_a_sink_that_dies_after_the_sources_end_is_a_failed_sink(void **state)
{
	struct rig *t = *state;

	t->s.window = 300;
	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 700), 0);
	weir_producer_end(&t->p.base, 0);
	weir_valve_die(&t->s.v, -EPIPE);
	assert_string_equal(t->p.log, "S");
	assert_outcome(t, WEIR_SINK_FAILED, -EPIPE, 700, 300);
}

static void test_a_failed_write_is_a_failed_sink(void **state)
{
	struct rig *t = *state;

	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 500), 0);
	t->s.drain_fails = -ENOSPC;
	assert_int_equal(source_write(&t->p, 100), -ENOSPC);
	assert_int_equal(t->p.stop_why, -ENOSPC);
	assert_outcome(t, WEIR_SINK_FAILED, -ENOSPC, 500, 500);
}

static void test_stopping_stops_the_source_and_fails_the_sink(void **state)
{
	struct rig *t = *state;

	t->s.window = 300;
	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 700), 0);
	weir_join_stop(t->join, WEIR_ESTOPPED);
	assert_int_equal(t->p.stops, 1);
	assert_int_equal(t->p.stop_why, WEIR_ESTOPPED);
	assert_int_equal(t->s.end_why, WEIR_ESTOPPED);
	weir_join_stop(t->join, -EIO);
	assert_outcome(t, WEIR_STOPPED, WEIR_ESTOPPED, 700, 300);
}

static void test_end6_the_empty_stream_is_finished(void **state)
{
	struct rig *t = *state;

	assert_int_equal(create(t), 0);
	weir_producer_end(&t->p.base, 0);
	assert_outcome(t, WEIR_FINISHED, 0, 0, 0);
}

/* A source that knows at once that it is empty, or broken. */
static void end_at_start(struct weir_producer *base)
{
	struct source *p = (struct source *)base;

	source_start(base);
	weir_producer_end(base, p->stop_why);
}

static const struct weir_producer_ops hasty_ops = {
	.name = "hasty source",
	.start = end_at_start,
	.pause = source_pause,
	.resume = source_resume,
	.stop = source_stop,
};

static void test_end6_a_source_that_ends_as_it_starts_is_finished(void **state)
{
	struct rig *t = *state;

	t->p.base.ops = &hasty_ops;
	assert_int_equal(create(t), 0);
	assert_outcome(t, WEIR_FINISHED, 0, 0, 0);
	assert_int_equal(t->s.ends, 1);
	assert_int_equal(t->p.stops, 0);
}

static void test_a_source_that_fails_as_it_starts_has_failed(void **state)
{
	struct rig *t = *state;

	t->p.base.ops = &hasty_ops;
	t->p.stop_why = -EACCES;
	assert_int_equal(create(t), 0);
	assert_outcome(t, WEIR_SOURCE_FAILED, -EACCES, 0, 0);
	assert_int_equal(t->s.end_why, -EACCES);
}

static void test_reg1_a_join_of_one_that_is_registered_is_busy_and_changes_nothing(void **state)
{
	struct rig *t = *state;
	struct source other;
	struct sink second;

	source_open(&other, WEIR_PUSH);
	sink_open(&second, &t->w);
	source_join(&other, &t->s);
	assert_int_equal(create(t), WEIR_EBUSY);
	assert_string_equal(t->p.log, "");
	assert_null(t->join);
	assert_int_equal(weir_join_create(&t->w.ctx, &other.base, &second.v.base, NULL, &t->join),
			 WEIR_EBUSY);
	assert_string_equal(other.log, "S");
	weir_consumer_unregister(&t->s.v.base);
	weir_valve_fini(&second.v);
}

static void test_reg2_a_join_to_a_dead_sink_is_closed_and_the_source_stopped(void **state)
{
	struct rig *t = *state;

	weir_valve_die(&t->s.v, -EPIPE);
	assert_int_equal(create(t), WEIR_ECLOSED);
	assert_null(t->join);
	assert_int_equal(t->p.stops, 1);
	assert_null(t->p.base.consumer);
	world_run(&t->w);
	assert_int_equal(t->dones, 0);
}

static void test_keep_open_leaves_the_sink_for_the_next_source(void **state)
{
	struct rig *t = *state;

	t->options.keep_open = true;
	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 500), 0);
	weir_producer_end(&t->p.base, 0);
	assert_outcome(t, WEIR_FINISHED, 0, 500, 500);
	assert_int_equal(t->s.ends, 0);
	weir_join_destroy(t->join);
	t->dones = 0;
	t->options.keep_open = false;
	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 40), 0);
	assert_int_equal(progress(t).out, 40); /* of this source alone */
	weir_producer_end(&t->p.base, 0);
	assert_outcome(t, WEIR_FINISHED, 0, 40, 40);
	assert_int_equal(t->s.got, 540);
}

static void test_keep_open_still_fails_the_sink_when_the_source_fails(void **state)
{
	struct rig *t = *state;

	t->options.keep_open = true;
	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 500), 0);
	weir_producer_end(&t->p.base, -EIO);
	assert_outcome(t, WEIR_SOURCE_FAILED, -EIO, 500, 500);
	assert_int_equal(t->s.end_why, -EIO);
}

static void test_destroying_stops_both_without_on_done(void **state)
{
	struct rig *t = *state;

	t->s.window = 0;
	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 500), 0);
	weir_join_destroy(t->join);
	t->join = NULL;
	world_run(&t->w);
	assert_int_equal(t->dones, 0);
	assert_int_equal(t->p.stops, 1);
	assert_int_equal(t->s.end_why, WEIR_ESTOPPED);
	assert_null(weir_consumer_producer(&t->s.v.base));
	weir_join_destroy(NULL);
}

static void test_a_join_may_be_destroyed_in_on_done(void **state)
{
	struct rig *t = *state;

	t->destroys = true;
	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 10), 0);
	weir_producer_end(&t->p.base, 0);
	assert_outcome(t, WEIR_FINISHED, 0, 10, 10);
	assert_null(t->join);
}

static void destroy_join(struct sink *s)
{
	struct rig *t = s->arg;

	weir_join_destroy(t->join);
	t->join = NULL;
}

static void test_end7_a_join_destroyed_inside_the_sinks_drain_is_not_called_again(void **state)
{
	struct rig *t = *state;

	t->s.window = 0;
	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 500), 0);
	t->s.arg = t;
	t->s.on_drain = destroy_join;
	sink_take(&t->s, 100);
	world_run(&t->w);
	assert_int_equal(t->p.stops, 1);
	assert_int_equal(t->s.end_why, WEIR_ESTOPPED);
	assert_int_equal(t->dones, 0);
}

/* ---- what is seen --------------------------------------------------------------------- */

static void test_obs1_in_is_out_and_held_and_dropped_in_every_snapshot(void **state)
{
	struct rig *t = *state;
	uint32_t r = 5;

	assert_int_equal(create(t), 0);
	for (unsigned i = 0; i < 2000; i++) {
		r = r * 1664525 + 1013904223;
		if (!t->p.paused)
			assert_int_equal(source_write(&t->p, (r >> 8) % 400), 0);
		progress(t);
		sink_take(&t->s, (r >> 16) % 300);
		progress(t);
		world_run(&t->w);
		assert_int_equal(progress(t).in, t->p.given);
		assert_int_equal(progress(t).out, t->s.got);
	}
	weir_valve_die(&t->s.v, -EPIPE);
	assert_int_equal(progress(t).held, 0);
	assert_outcome(t, WEIR_SINK_FAILED, -EPIPE, t->p.given, t->s.got);
}

static void test_obs2_an_open_interval_counts_now_and_a_closed_one_stays(void **state)
{
	struct rig *t = *state;

	t->s.window = 0;
	assert_int_equal(create(t), 0);
	assert_false(progress(t).paused);
	t->w.now += 50;
	assert_int_equal(source_write(&t->p, HIGH), 0);
	assert_true(progress(t).paused);
	assert_int_equal(progress(t).cause, WEIR_CAUSE_FULL);
	assert_int_equal(progress(t).held_ns[WEIR_CAUSE_FULL], 0);
	t->w.now += 7;
	assert_int_equal(progress(t).held_ns[WEIR_CAUSE_FULL], 7);
	t->w.now += 3;
	sink_take(&t->s, SIZE_MAX);
	world_run(&t->w);
	assert_false(progress(t).paused);
	t->w.now += 100;
	assert_int_equal(progress(t).held_ns[WEIR_CAUSE_FULL], 10);
	assert_int_equal(progress(t).pauses, 1);
	assert_int_equal(progress(t).elapsed_ns, 160);
}

static void test_obs2_each_interval_is_charged_to_one_cause(void **state)
{
	static const struct {
		enum weir_hold hold;
		enum weir_cause cause;
	} cases[] = {
		{WEIR_HOLD_RATE, WEIR_CAUSE_RATE},
		{WEIR_HOLD_USER, WEIR_CAUSE_USER},
		{WEIR_HOLD_BUDGET, WEIR_CAUSE_BUDGET},
		{WEIR_HOLD_FULL, WEIR_CAUSE_FULL},
	};
	struct rig *t = *state;
	uint64_t sum = 0;

	assert_int_equal(create(t), 0);
	for (unsigned i = 0; i < 4; i++) {
		struct weir_progress now;

		weir_valve_hold(&t->s.v, cases[i].hold);
		assert_int_equal(progress(t).cause, cases[i].cause);
		t->w.now += 10 + i;
		sum += 10 + i;
		weir_valve_release(&t->s.v, cases[i].hold);
		world_run(&t->w);
		t->w.now += 1000;
		now = progress(t);
		assert_int_equal(now.held_ns[cases[i].cause], 10 + i);
		assert_int_equal(now.held_ns[0] + now.held_ns[1] + now.held_ns[2] + now.held_ns[3],
				 sum);
	}
}

static void test_obs2_overlapping_pausers_make_one_interval(void **state)
{
	struct rig *t = *state;
	struct weir_progress now;

	t->s.window = 0;
	assert_int_equal(create(t), 0);
	weir_join_pause(t->join);
	weir_join_pause(t->join);
	assert_string_equal(t->p.log, "Sp");
	t->w.now += 10;
	assert_int_equal(source_write(&t->p, HIGH), 0); /* overshoot: full too */
	t->w.now += 10;
	weir_join_resume(t->join);
	assert_string_equal(t->p.log, "Sp");
	t->w.now += 10;
	sink_take(&t->s, SIZE_MAX);
	world_run(&t->w);
	assert_string_equal(t->p.log, "Spr");
	t->w.now += 10;
	now = progress(t);
	assert_int_equal(now.pauses, 1);
	assert_int_equal(now.held_ns[0] + now.held_ns[1] + now.held_ns[2] + now.held_ns[3], 30);
	weir_join_resume(t->join);
	assert_string_equal(t->p.log, "Spr");
}

static void test_obs2_an_interval_that_is_open_at_the_end_ends_there(void **state)
{
	struct rig *t = *state;

	t->s.window = 0;
	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, HIGH), 0);
	t->w.now += 40;
	weir_valve_die(&t->s.v, -EPIPE);
	t->w.now += 1000;
	assert_int_equal(progress(t).held_ns[WEIR_CAUSE_FULL], 40);
	assert_int_equal(progress(t).elapsed_ns, 40);
	assert_false(progress(t).paused);
	assert_outcome(t, WEIR_SINK_FAILED, -EPIPE, HIGH, 0);
}

static void test_the_rates_are_bytes_out_per_second(void **state)
{
	struct rig *t = *state;
	struct weir_progress now;

	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 500), 0);
	t->w.now += WEIR_NS_PER_S / 2;
	now = progress(t);
	assert_true(now.rate > 999 && now.rate < 1001);
	assert_true(now.mean_rate > 999 && now.mean_rate < 1001);
	t->w.now += WEIR_NS_PER_S / 2;
	now = progress(t);
	assert_true(now.rate == 0);
	assert_true(now.mean_rate > 499 && now.mean_rate < 501);
}

static void test_obs1_the_bytes_of_a_write_that_failed_halfway_are_counted(void **state)
{
	struct rig *t = *state;

	t->s.window = 100;
	assert_int_equal(create(t), 0);
	weir_test_fail_alloc_after(1);
	assert_int_equal(source_write(&t->p, 700), -ENOMEM);
	weir_test_fail_alloc_after(-1);
	assert_outcome(t, WEIR_SINK_FAILED, -ENOMEM, 100, 100);
}

/* ---- pull sources ---------------------------------------------------------------------- */

static void pull_100(struct source *p)
{
	if (p->given < 5000)
		source_write(p, 100);
	else if (p->arg)
		weir_producer_end(&p->base, 0);
}

static void test_a_pull_source_is_pulled_through_the_join(void **state)
{
	struct rig *t = *state;

	source_open(&t->p, WEIR_PULL);
	t->p.on_resume = pull_100;
	t->p.arg = t;
	t->s.window = 0;
	assert_int_equal(create(t), 0);
	assert_int_equal(progress(t).in, 300); /* to above the low mark */
	while (!t->dones) {
		sink_take(&t->s, 130);
		progress(t);
		world_run(&t->w);
	}
	assert_outcome(t, WEIR_FINISHED, 0, 5000, 5000);
}

static void test_a_paused_pull_source_is_not_asked(void **state)
{
	struct rig *t = *state;

	source_open(&t->p, WEIR_PULL);
	t->p.on_resume = pull_100;
	t->s.window = 0;
	assert_int_equal(create(t), 0);
	weir_join_pause(t->join);
	assert_int_equal(t->p.given, 300);
	sink_take(&t->s, SIZE_MAX);
	world_run(&t->w);
	assert_int_equal(t->p.given, 300);
	assert_true(progress(t).paused);
	weir_join_resume(t->join);
	world_run(&t->w);
	assert_int_equal(t->p.given, 5000);
}

/* ---- the idle timeout -------------------------------------------------------------------- */

static void test_time1_a_source_that_gives_nothing_for_the_idle_time_is_stopped(void **state)
{
	struct rig *t = *state;

	t->options.idle_ns = 1000;
	assert_int_equal(create(t), 0);
	world_advance(&t->w, 900);
	assert_int_equal(source_write(&t->p, 10), 0);
	world_advance(&t->w, 999);
	assert_int_equal(t->dones, 0);
	world_advance(&t->w, 1);
	assert_int_equal(t->p.stop_why, WEIR_EIDLE);
	assert_int_equal(t->s.end_why, WEIR_EIDLE);
	assert_outcome(t, WEIR_STOPPED, WEIR_EIDLE, 10, 10);
}

static void test_time1_the_time_in_which_we_held_the_source_is_not_idle(void **state)
{
	struct rig *t = *state;

	t->options.idle_ns = 1000;
	t->s.window = 0;
	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, HIGH), 0);
	world_advance(&t->w, 50000);
	assert_int_equal(t->dones, 0);
	sink_take(&t->s, SIZE_MAX);
	world_run(&t->w);
	world_advance(&t->w, 999);
	assert_int_equal(t->dones, 0);
	weir_join_pause(t->join);
	world_advance(&t->w, 50000);
	assert_int_equal(t->dones, 0);
	weir_join_resume(t->join);
	world_advance(&t->w, 1000);
	assert_outcome(t, WEIR_STOPPED, WEIR_EIDLE, HIGH, HIGH);
}

static void test_time1_a_pull_source_that_is_not_asked_is_not_idle(void **state)
{
	struct rig *t = *state;

	t->options.idle_ns = 1000;
	source_open(&t->p, WEIR_PULL);
	t->p.on_resume = pull_100;
	t->s.window = 0;
	assert_int_equal(create(t), 0);
	world_advance(&t->w, 50000);
	assert_int_equal(t->dones, 0);
	sink_take(&t->s, SIZE_MAX);
	world_run(&t->w);
	assert_int_equal(t->p.given, 5000); /* and then "nothing yet" */
	world_advance(&t->w, 999);
	assert_int_equal(t->dones, 0);
	world_advance(&t->w, 1001);
	assert_outcome(t, WEIR_STOPPED, WEIR_EIDLE, 5000, 5000);
}

static void test_time1_no_idle_timer_is_left_after_the_sources_end(void **state)
{
	struct rig *t = *state;

	t->options.idle_ns = 1000;
	t->s.window = 0;
	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 10), 0);
	weir_producer_end(&t->p.base, 0);
	world_advance(&t->w, 50000); /* the sink is slow, the source not idle */
	assert_int_equal(t->dones, 0);
	sink_take(&t->s, SIZE_MAX);
	assert_outcome(t, WEIR_FINISHED, 0, 10, 10);
}

/* ---- whoever calls what out of turn --------------------------------------------------------- */

static void test_the_front_is_closed_after_the_end(void **state)
{
	struct rig *t = *state;
	struct weir_chunk chunk = {(const unsigned char *)"x", 1, NULL};
	struct weir_consumer *front;

	assert_int_equal(create(t), 0);
	front = weir_producer_consumer(&t->p.base);
	weir_join_stop(t->join, WEIR_ESTOPPED);
	assert_int_equal(weir_consumer_write(front, "x", 1), WEIR_ECLOSED);
	assert_int_equal(weir_consumer_give(front, &chunk), WEIR_ECLOSED);
	assert_int_equal(weir_consumer_room(front), 0);
	weir_consumer_finish(front);
	weir_consumer_fail(front, -EIO);
	weir_join_pause(t->join);
	weir_join_resume(t->join);
	assert_outcome(t, WEIR_STOPPED, WEIR_ESTOPPED, 0, 0);
	assert_int_equal(t->p.pauses, 0);
}

static void test_the_fronts_state_is_the_sinks(void **state)
{
	struct rig *t = *state;
	struct weir_consumer_state st;

	t->s.window = 0;
	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 700), 0);
	weir_consumer_state(weir_producer_consumer(&t->p.base), &st);
	assert_int_equal(st.in, 700);
	assert_int_equal(st.held, 700);
}

static void test_a_paused_join_has_no_room(void **state)
{
	struct rig *t = *state;

	assert_int_equal(create(t), 0);
	assert_int_not_equal(weir_consumer_room(weir_producer_consumer(&t->p.base)), 0);
	weir_join_pause(t->join);
	assert_int_equal(weir_consumer_room(weir_producer_consumer(&t->p.base)), 0);
}

static void test_a_paused_join_says_who_holds_its_source(void **state)
{
	struct rig *t = *state;
	struct weir_consumer_state st;

	assert_int_equal(create(t), 0);
	weir_join_pause(t->join);
	weir_consumer_state(weir_producer_consumer(&t->p.base), &st);
	assert_int_equal(st.holds, WEIR_HOLD_USER);
	weir_join_resume(t->join);
	weir_consumer_state(weir_producer_consumer(&t->p.base), &st);
	assert_int_equal(st.holds, 0);
}

static void test_a_source_that_has_nothing_is_not_asked_when_a_pause_is_over(void **state)
{
	struct rig *t = *state;

	source_open(&t->p, WEIR_PULL);
	assert_int_equal(create(t), 0);
	world_run(&t->w);
	assert_int_equal(t->p.resumes, 1);
	weir_join_pause(t->join);
	weir_join_resume(t->join);
	world_run(&t->w);
	assert_int_equal(t->p.resumes, 1);
	weir_join_pause(t->join);
	weir_consumer_wake(weir_producer_consumer(&t->p.base));
	world_run(&t->w);
	assert_int_equal(t->p.resumes, 1);
	weir_join_resume(t->join);
	world_run(&t->w);
	assert_int_equal(t->p.resumes, 2);
}

static void test_another_source_may_take_the_place_of_one_that_left(void **state)
{
	struct rig *t = *state;
	struct weir_consumer *front;
	struct source next, pulled;

	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 10), 0);
	front = weir_producer_consumer(&t->p.base);
	weir_consumer_unregister(front);
	weir_join_pause(t->join); /* nobody is there to be told */
	weir_join_resume(t->join);
	source_open(&pulled, WEIR_PULL);
	assert_int_equal(weir_consumer_register(front, &pulled.base, WEIR_PULL), WEIR_ECLOSED);
	assert_string_equal(pulled.log, "x");
	for (int paused = 0; paused < 2; paused++) {
		if (paused)
			weir_join_pause(t->join);
		source_open(&next, WEIR_PUSH);
		next.given = 10;
		assert_int_equal(weir_consumer_register(front, &next.base, WEIR_PUSH), 0);
		assert_string_equal(next.log, paused ? "Sp" : "S");
		if (!paused)
			weir_consumer_unregister(front);
	}
	weir_join_resume(t->join);
	assert_string_equal(next.log, "Spr");
	assert_int_equal(source_write(&next, 10), 0);
	weir_producer_end(&next.base, 0);
	assert_outcome(t, WEIR_FINISHED, 0, 20, 20);
	source_open(&next, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(front, &next.base, WEIR_PUSH), WEIR_ECLOSED);
	assert_string_equal(next.log, "x");
}

static void test_a_source_that_ends_as_it_starts_into_a_dead_sink_is_refused(void **state)
{
	struct rig *t = *state;

	weir_producer_init(&t->p.base, &hasty_ops, WEIR_PUSH);
	weir_valve_die(&t->s.v, -EPIPE);
	assert_int_equal(create(t), WEIR_ECLOSED);
	assert_null(t->join);
	assert_string_equal(t->p.log, "S");
}

static void test_a_sink_that_is_finished_by_another_is_a_failed_sink(void **state)
{
	struct rig *t = *state;

	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 10), 0);
	weir_consumer_unregister(&t->s.v.base);
	weir_consumer_finish(&t->s.v.base);
	assert_int_equal(t->p.stop_why, WEIR_ECLOSED);
	assert_outcome(t, WEIR_SINK_FAILED, WEIR_ECLOSED, 10, 10);
}

static void test_keep_open_has_one_outcome_when_the_sink_ends_too(void **state)
{
	struct rig *t = *state;

	t->options.keep_open = true;
	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 10), 0);
	weir_consumer_finish(&t->s.v.base); /* it waits for us */
	weir_producer_end(&t->p.base, 0);
	assert_outcome(t, WEIR_FINISHED, 0, 10, 10);
	assert_int_equal(t->s.on_ends, 1);
}

static void look_at_the_end(void *arg, int why)
{
	struct rig *t = arg;
	struct weir_progress now = progress(t);

	assert_int_equal(why, -EPIPE);
	assert_int_equal(now.in, 300);
	assert_int_equal(now.dropped, 300);
	assert_int_equal(now.held, 0);
}

static void test_obs1_dropped_bytes_are_seen_before_the_outcome(void **state)
{
	struct rig *t = *state;
	struct weir_end_watch watch;

	t->s.window = 0;
	assert_int_equal(create(t), 0);
	assert_int_equal(source_write(&t->p, 300), 0);
	weir_consumer_watch_end(&t->s.v.base, &watch, look_at_the_end, t);
	weir_valve_die(&t->s.v, -EPIPE);
	assert_outcome(t, WEIR_SINK_FAILED, -EPIPE, 300, 0);
}

/* ---- pull sources ----------------------------------------------------------------------------- */

static void pull_300(struct source *p)
{
	if (p->given < 1200)
		source_write(p, 300);
}

static void test_obs2_a_pull_source_that_is_not_asked_is_held(void **state)
{
	struct rig *t = *state;

	source_open(&t->p, WEIR_PULL);
	t->p.on_resume = pull_300;
	t->s.window = 0;
	assert_int_equal(weir_valve_set_marks(&t->s.v, 300, 200, LIMIT), 0);
	assert_int_equal(create(t), 0);
	assert_int_equal(t->p.given, 300);
	t->w.now += 500;
	assert_true(progress(t).paused);
	assert_int_equal(progress(t).cause, WEIR_CAUSE_FULL);
	assert_int_equal(progress(t).held_ns[WEIR_CAUSE_FULL], 500);
	sink_take(&t->s, SIZE_MAX);
	assert_false(progress(t).paused);
	assert_int_equal(t->p.given, 1200);
	assert_int_equal(progress(t).held_ns[WEIR_CAUSE_FULL], 500);
	assert_int_equal(t->p.pauses, 0);
}

static void test_a_pull_source_asked_while_the_user_holds_it_goes_on_afterwards(void **state)
{
	struct rig *t = *state;

	source_open(&t->p, WEIR_PULL);
	t->p.on_resume = pull_300;
	t->s.window = 0;
	assert_int_equal(weir_valve_set_marks(&t->s.v, 300, 200, LIMIT), 0);
	assert_int_equal(create(t), 0);
	weir_join_pause(t->join); /* while the sink is full */
	sink_take(&t->s, SIZE_MAX);
	world_run(&t->w);
	t->p.on_resume = NULL;
	t->p.resumes = 0;
	weir_join_resume(t->join);
	world_run(&t->w);
	assert_int_equal(t->p.resumes, 1);
	weir_producer_end(&t->p.base, 0);
	world_run(&t->w);
}

static void test_a_pull_source_wakes_through_the_join(void **state)
{
	struct rig *t = *state;

	source_open(&t->p, WEIR_PULL);
	t->options.idle_ns = 1000;
	assert_int_equal(create(t), 0);
	assert_int_equal(t->p.resumes, 1);
	t->w.now += 600;
	weir_consumer_wake(weir_producer_consumer(&t->p.base));
	world_run(&t->w);
	assert_int_equal(t->p.resumes, 2);
	/* To be asked again is no byte: the idle time goes on. */
	world_advance(&t->w, 400);
	assert_outcome(t, WEIR_STOPPED, WEIR_EIDLE, 0, 0);
}

static void test_a_pull_that_nobody_answers_waits_for_the_next_source(void **state)
{
	struct rig *t = *state;
	struct weir_consumer *front;

	source_open(&t->p, WEIR_PULL);
	assert_int_equal(create(t), 0);
	front = weir_producer_consumer(&t->p.base);
	weir_consumer_unregister(front);
	weir_consumer_wake(front);
	world_run(&t->w);
	assert_int_equal(t->p.resumes, 1);
	t->p.on_resume = pull_300;
	assert_int_equal(weir_consumer_register(front, &t->p.base, WEIR_PULL), 0);
	world_run(&t->w);
	assert_int_equal(t->p.given, 1200);
}

static void test_ends_and_causes_have_names(void **state)
{
	(void)state;
	assert_string_equal(weir_end_name(WEIR_RUNNING), "running");
	assert_string_equal(weir_end_name(WEIR_FINISHED), "finished");
	assert_string_equal(weir_end_name(WEIR_SOURCE_FAILED), "source failed");
	assert_string_equal(weir_end_name(WEIR_SINK_FAILED), "sink failed");
	assert_string_equal(weir_end_name(WEIR_STOPPED), "stopped");
	assert_string_equal(weir_cause_name(WEIR_CAUSE_FULL), "full");
	assert_string_equal(weir_cause_name(WEIR_CAUSE_BUDGET), "budget");
	assert_string_equal(weir_cause_name(WEIR_CAUSE_RATE), "rate");
	assert_string_equal(weir_cause_name(WEIR_CAUSE_USER), "user");
}

int main(void)
{
#define JOIN(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		JOIN(test_all_bytes_handed_on_is_finished_and_told_once_from_the_context),
		JOIN(test_finished_waits_for_the_last_byte_and_for_the_end_to_be_known),
		JOIN(test_end5_a_source_that_fails_fails_the_sink),
		JOIN(test_end5_a_failure_behind_a_finish_fails_the_sink),
		JOIN(test_end2_a_sink_that_dies_stops_the_source_once),
		JOIN(test_a_sink_that_dies_after_the_sources_end_is_a_failed_sink),
		JOIN(test_a_failed_write_is_a_failed_sink),
		JOIN(test_stopping_stops_the_source_and_fails_the_sink),
		JOIN(test_end6_the_empty_stream_is_finished),
		JOIN(test_end6_a_source_that_ends_as_it_starts_is_finished),
		JOIN(test_a_source_that_fails_as_it_starts_has_failed),
		JOIN(test_reg1_a_join_of_one_that_is_registered_is_busy_and_changes_nothing),
		JOIN(test_reg2_a_join_to_a_dead_sink_is_closed_and_the_source_stopped),
		JOIN(test_keep_open_leaves_the_sink_for_the_next_source),
		JOIN(test_keep_open_still_fails_the_sink_when_the_source_fails),
		JOIN(test_destroying_stops_both_without_on_done),
		JOIN(test_a_join_may_be_destroyed_in_on_done),
		JOIN(test_end7_a_join_destroyed_inside_the_sinks_drain_is_not_called_again),
		JOIN(test_obs1_in_is_out_and_held_and_dropped_in_every_snapshot),
		JOIN(test_obs2_an_open_interval_counts_now_and_a_closed_one_stays),
		JOIN(test_obs2_each_interval_is_charged_to_one_cause),
		JOIN(test_obs2_overlapping_pausers_make_one_interval),
		JOIN(test_obs2_an_interval_that_is_open_at_the_end_ends_there),
		JOIN(test_the_rates_are_bytes_out_per_second),
		JOIN(test_a_pull_source_is_pulled_through_the_join),
		JOIN(test_a_paused_pull_source_is_not_asked),
		JOIN(test_time1_a_source_that_gives_nothing_for_the_idle_time_is_stopped),
		JOIN(test_time1_the_time_in_which_we_held_the_source_is_not_idle),
		JOIN(test_time1_a_pull_source_that_is_not_asked_is_not_idle),
		JOIN(test_time1_no_idle_timer_is_left_after_the_sources_end),
		JOIN(test_the_front_is_closed_after_the_end),
		JOIN(test_the_fronts_state_is_the_sinks),
		JOIN(test_a_paused_join_has_no_room),
		JOIN(test_a_paused_join_says_who_holds_its_source),
		JOIN(test_a_source_that_has_nothing_is_not_asked_when_a_pause_is_over),
		JOIN(test_another_source_may_take_the_place_of_one_that_left),
		JOIN(test_a_source_that_ends_as_it_starts_into_a_dead_sink_is_refused),
		JOIN(test_a_sink_that_is_finished_by_another_is_a_failed_sink),
		JOIN(test_keep_open_has_one_outcome_when_the_sink_ends_too),
		JOIN(test_obs1_dropped_bytes_are_seen_before_the_outcome),
		JOIN(test_obs1_the_bytes_of_a_write_that_failed_halfway_are_counted),
		JOIN(test_obs2_a_pull_source_that_is_not_asked_is_held),
		JOIN(test_a_pull_source_asked_while_the_user_holds_it_goes_on_afterwards),
		JOIN(test_a_pull_source_wakes_through_the_join),
		JOIN(test_a_pull_that_nobody_answers_waits_for_the_next_source),
		JOIN(test_ends_and_causes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
