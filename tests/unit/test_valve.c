/* SPDX-License-Identifier: MIT */
/*
 * The valve's promises one by one, by the names of docs/design.md 4.5: registration,
 * signals, order and stack.  Memory, data and the end are in test_valve_end.c; all of
 * it in all orders is in test_valve_exhaustive.c.
 */
#include "core_fixture.h"

#include <errno.h>

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
	source_open(&t->q, WEIR_PUSH);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct pair *t = *state;

	sink_state(&t->s);
	assert_false(t->p.broken);
	assert_false(t->q.broken);
	weir_valve_fini(&t->s.v);
	world_close(&t->w);
	test_free(t);
	return 0;
}

/* ---- registration ---------------------------------------------------------------- */

static void test_reg1_a_second_register_is_busy_and_the_first_untouched(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	source_join(&t->p, &t->s);
	assert_int_equal(weir_consumer_register(&t->s.v.base, &t->q.base, WEIR_PULL), WEIR_EBUSY);
	assert_string_equal(t->p.log, "S");
	assert_string_equal(t->q.log, "");
	assert_int_equal(source_write(&t->p, HIGH), 0);
	assert_string_equal(t->p.log, "Sp");
}

static void test_reg2_register_on_a_dead_consumer_stops_once_and_keeps_nothing(void **state)
{
	struct pair *t = *state;

	weir_valve_die(&t->s.v, -ECONNRESET);
	assert_int_equal(weir_consumer_register(&t->s.v.base, &t->p.base, WEIR_PUSH),
			 WEIR_ECLOSED);
	assert_string_equal(t->p.log, "x");
	assert_int_equal(t->p.stop_why, -ECONNRESET);
	assert_null(t->p.base.consumer);
	assert_null(weir_consumer_producer(&t->s.v.base));
}

static void test_reg2_register_on_a_finished_or_finishing_consumer_stops_once(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	assert_int_equal(source_write_to(&t->p, &t->s.v.base, 10), 0);
	weir_consumer_finish(&t->s.v.base);
	assert_int_equal(weir_consumer_register(&t->s.v.base, &t->q.base, WEIR_PULL),
			 WEIR_ECLOSED);
	assert_string_equal(t->q.log, "x");
	assert_int_equal(t->q.stop_why, WEIR_ECLOSED);
	sink_take(&t->s, SIZE_MAX);
	assert_int_equal(t->s.on_ends, 1);
	source_open(&t->q, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(&t->s.v.base, &t->q.base, WEIR_PUSH),
			 WEIR_ECLOSED);
	assert_string_equal(t->q.log, "x");
}

static void test_reg3_a_pull_producer_is_resumed_once_a_push_one_is_told_nothing(void **state)
{
	struct pair *t = *state;

	source_join(&t->p, &t->s);
	assert_string_equal(t->p.log, "S");
	weir_consumer_unregister(&t->s.v.base);
	source_open(&t->q, WEIR_PULL);
	source_join(&t->q, &t->s);
	world_run(&t->w);
	assert_string_equal(t->q.log, "Sr");
}

static void test_reg4_a_push_producer_at_or_over_the_mark_is_paused_once(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	assert_int_equal(source_write_to(&t->p, &t->s.v.base, HIGH), 0);
	source_join(&t->q, &t->s);
	assert_string_equal(t->q.log, "Sp");
	world_run(&t->w);
	assert_string_equal(t->q.log, "Sp");
	assert_int_equal(sink_state(&t->s).holds, WEIR_HOLD_FULL);
}

static void unregister_it(struct source *p)
{
	weir_consumer_unregister(p->base.consumer);
}

static void test_reg5_unregister_is_legal_inside_pause_and_silent_afterwards(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	t->p.on_pause = unregister_it;
	source_join(&t->p, &t->s);
	assert_int_equal(source_write(&t->p, HIGH), 0);
	weir_consumer_unregister(&t->s.v.base);
	sink_take(&t->s, SIZE_MAX);
	weir_valve_die(&t->s.v, -EPIPE);
	assert_string_equal(t->p.log, "Sp");
	assert_int_equal(t->s.got, HIGH);
}

static void test_reg6_the_next_producer_owes_nothing_to_the_pauses_of_the_last(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	source_join(&t->p, &t->s);
	assert_int_equal(source_write(&t->p, HIGH), 0);
	assert_string_equal(t->p.log, "Sp");
	weir_consumer_unregister(&t->s.v.base);
	sink_take(&t->s, SIZE_MAX);
	source_join(&t->q, &t->s);
	sink_take(&t->s, SIZE_MAX);
	world_run(&t->w);
	assert_string_equal(t->q.log, "S");
}

static void test_reg7_accepted_bytes_are_kept_and_a_pending_finish_goes_on(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	source_join(&t->p, &t->s);
	assert_int_equal(source_write(&t->p, 500), 0);
	weir_consumer_finish(&t->s.v.base);
	weir_consumer_unregister(&t->s.v.base);
	assert_int_equal(t->s.ends, 0);
	sink_take(&t->s, 499);
	assert_int_equal(t->s.ends, 0);
	sink_take(&t->s, 1);
	assert_int_equal(t->s.ends, 1);
	assert_int_equal(t->s.on_end_why, 0);
	assert_int_equal(t->s.got, 500);
}

static void test_reg7_a_slow_sink_is_not_cut_off_by_the_deadline_of_the_producer(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	source_join(&t->p, &t->s);
	assert_int_equal(source_write(&t->p, 500), 0);
	weir_consumer_finish(&t->s.v.base);
	weir_consumer_unregister(&t->s.v.base);
	world_advance(&t->w, 2 * WEIR_FINISH_WAIT_DEFAULT);
	assert_int_equal(t->s.on_ends, 0);
	sink_take(&t->s, SIZE_MAX);
	assert_int_equal(t->s.on_ends, 1);
	assert_int_equal(t->s.on_end_why, 0);
	assert_int_equal(t->s.got, 500);
}

static void fail_it(struct source *p)
{
	weir_producer_end(&p->base, -EIO);
}

static void test_reg8_a_producer_that_fails_inside_a_callback_is_not_registered(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	t->p.on_pause = fail_it;
	source_join(&t->p, &t->s);
	/* These bytes were accepted before the pause; then the failure dropped them. */
	assert_int_equal(source_write(&t->p, HIGH), 0);
	assert_null(weir_consumer_producer(&t->s.v.base));
	assert_null(t->p.base.consumer);
	assert_int_equal(t->s.on_end_why, -EIO);
	assert_string_equal(t->p.log, "Sp");
	assert_int_equal(sink_state(&t->s).dropped, HIGH);
}

/* ---- signals --------------------------------------------------------------------- */

static void test_flow1_pause_and_resume_alternate_pause_first(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	source_join(&t->p, &t->s);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(source_write(&t->p, HIGH), 0);
		assert_int_equal(source_write(&t->p, 100), 0); /* though paused */
		assert_int_equal(t->p.pauses, i + 1);
		sink_take(&t->s, SIZE_MAX);
		world_run(&t->w);
		assert_int_equal(t->p.resumes, i + 1);
		t->s.window = 0;
	}
}

static void test_flow2_a_paused_producers_bytes_are_taken_up_to_the_limit(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	source_join(&t->p, &t->s);
	assert_int_equal(source_write(&t->p, HIGH), 0);
	assert_true(t->p.paused);
	assert_int_equal(weir_consumer_room(&t->s.v.base), 0);
	assert_int_equal(source_write(&t->p, LIMIT - HIGH), 0);
	assert_int_equal(source_write(&t->p, 1), WEIR_EFULL);
	assert_int_equal(weir_valve_held(&t->s.v), LIMIT);
	sink_take(&t->s, SIZE_MAX);
	assert_int_equal(t->s.got, LIMIT);
}

static void test_flow3_pause_is_at_high_and_resume_at_low_exactly(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	source_join(&t->p, &t->s);
	assert_int_equal(source_write(&t->p, HIGH - 1), 0);
	assert_string_equal(t->p.log, "S");
	assert_int_equal(source_write(&t->p, 1), 0);
	assert_string_equal(t->p.log, "Sp");
	sink_take(&t->s, HIGH - LOW - 1);
	world_run(&t->w);
	assert_string_equal(t->p.log, "Sp");
	sink_take(&t->s, 1);
	world_run(&t->w);
	assert_string_equal(t->p.log, "Spr");
}

static void test_flow3_the_marks_change_live_and_bad_ones_are_refused(void **state)
{
	struct pair *t = *state;
	struct weir_valve *v = &t->s.v;

	t->s.window = 0;
	source_join(&t->p, &t->s);
	assert_int_equal(source_write(&t->p, 500), 0);
	assert_int_equal(weir_valve_set_marks(v, 100, 100, 200), -EINVAL);
	assert_int_equal(weir_valve_set_marks(v, 100, 10, 99), -EINVAL);
	assert_int_equal(weir_valve_set_marks(v, 0, 0, 0), -EINVAL);
	assert_string_equal(t->p.log, "S");
	assert_int_equal(weir_valve_set_marks(v, 500, 499, 500), 0);
	assert_string_equal(t->p.log, "Sp");
	assert_int_equal(weir_valve_set_marks(v, 501, 500, 501), 0);
	world_run(&t->w);
	assert_string_equal(t->p.log, "Spr");
	/* Below what is held, which is kept. */
	assert_int_equal(weir_valve_set_marks(v, 2, 1, 3), 0);
	assert_string_equal(t->p.log, "Sprp");
	assert_int_equal(source_write(&t->p, 1), WEIR_EFULL);
	sink_take(&t->s, SIZE_MAX);
	assert_int_equal(t->s.got, 500);
}

static void test_flow3_a_higher_low_mark_lets_a_waiting_pull_producer_go_on(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	assert_int_equal(source_write_to(&t->p, &t->s.v.base, 500), 0);
	source_open(&t->q, WEIR_PULL);
	source_join(&t->q, &t->s);
	assert_int_equal(t->q.resumes, 0);
	assert_int_equal(weir_valve_set_marks(&t->s.v, HIGH, 500, LIMIT), 0);
	world_run(&t->w);
	assert_int_equal(t->q.resumes, 1);
}

static void test_flow4_paused_and_drained_implies_resumed_within_one_turn(void **state)
{
	struct pair *t = *state;

	source_join(&t->p, &t->s);
	for (unsigned window = 0; window <= HIGH; window += 50) {
		t->s.window = 0;
		assert_int_equal(source_write(&t->p, HIGH - weir_valve_held(&t->s.v)), 0);
		assert_true(t->p.paused);
		sink_take(&t->s, window);
		weir_context_run(&t->w.ctx);
		assert_int_equal(t->p.paused, HIGH - window > LOW);
		sink_take(&t->s, SIZE_MAX);
		weir_context_run(&t->w.ctx);
		assert_false(t->p.paused);
	}
}

static void test_flow4_two_pausers_never_undo_each_other(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	source_join(&t->p, &t->s);
	weir_valve_hold(&t->s.v, WEIR_HOLD_RATE);
	weir_valve_hold(&t->s.v, WEIR_HOLD_USER);
	assert_int_equal(source_write(&t->p, HIGH), 0);
	assert_string_equal(t->p.log, "Sp");
	assert_int_equal(sink_state(&t->s).holds,
			 WEIR_HOLD_RATE | WEIR_HOLD_USER | WEIR_HOLD_FULL);
	weir_valve_release(&t->s.v, WEIR_HOLD_RATE);
	sink_take(&t->s, SIZE_MAX);
	world_run(&t->w);
	assert_string_equal(t->p.log, "Sp");
	weir_valve_release(&t->s.v, WEIR_HOLD_USER);
	world_run(&t->w);
	assert_string_equal(t->p.log, "Spr");
}

static void write_one_chunk(struct source *p)
{
	if (p->given < 300)
		source_write(p, 100);
}

static void test_flow5_one_chunk_a_pull_and_nothing_yet_parks(void **state)
{
	struct pair *t = *state;

	source_open(&t->q, WEIR_PULL);
	t->q.on_resume = write_one_chunk;
	source_join(&t->q, &t->s);
	world_run(&t->w);
	assert_int_equal(t->q.resumes, 4); /* three chunks, and "nothing yet" */
	world_run(&t->w);
	sink_take(&t->s, SIZE_MAX);
	world_run(&t->w);
	assert_int_equal(t->q.resumes, 4); /* no spin */
	weir_consumer_wake(&t->s.v.base);
	assert_int_equal(t->q.resumes, 4); /* the next turn's */
	world_run(&t->w);
	assert_int_equal(t->q.resumes, 5);
	assert_int_equal(source_write(&t->q, 10), 0); /* a late chunk says so too */
	world_run(&t->w);
	assert_int_equal(t->q.resumes, 6);
	weir_consumer_wake(&t->s.v.base);
	weir_consumer_wake(&t->s.v.base);
	world_run(&t->w);
	assert_int_equal(t->q.resumes, 7);
}

static void write_nothing(struct source *p)
{
	p->last_rc = weir_consumer_write(p->base.consumer, NULL, 0);
}

static void test_flow5_an_empty_write_from_a_pull_producer_is_nothing_yet(void **state)
{
	struct pair *t = *state;

	source_open(&t->q, WEIR_PULL);
	t->q.on_resume = write_nothing;
	source_join(&t->q, &t->s);
	world_run(&t->w);
	assert_int_equal(t->q.resumes, 1);
	assert_int_equal(t->q.last_rc, 0);
}

static void ask_for_room(struct source *p)
{
	struct pair *t = p->arg;

	if (p->resumes == 1)
		weir_valve_hold(&t->s.v, WEIR_HOLD_USER);
	if (weir_consumer_room(&t->s.v.base) > 0)
		weir_producer_end(&p->base, 0);
}

static void test_flow5_a_pull_producer_that_was_told_of_no_room_is_asked_again(void **state)
{
	struct pair *t = *state;

	source_open(&t->q, WEIR_PULL);
	t->q.on_resume = ask_for_room;
	t->q.arg = t;
	source_join(&t->q, &t->s);
	world_run(&t->w);
	assert_int_equal(t->q.resumes, 1);
	weir_valve_release(&t->s.v, WEIR_HOLD_USER);
	world_run(&t->w);
	assert_int_equal(t->q.resumes, 2);
	assert_int_equal(t->s.on_ends, 1);
}

static void refill(struct source *p)
{
	source_write(p, HIGH);
}

static void finish_it(struct source *p)
{
	weir_producer_end(&p->base, 0);
}

static void test_flow6_a_resume_may_fill_the_consumer_and_is_paused_inside(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	t->p.on_resume = refill;
	source_join(&t->p, &t->s);
	assert_int_equal(source_write(&t->p, HIGH), 0);
	sink_take(&t->s, HIGH);
	world_run(&t->w);
	assert_string_equal(t->p.log, "Sprp");
	assert_int_equal(weir_valve_held(&t->s.v), HIGH);
}

static void test_flow6_a_resume_may_end_the_stream(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	t->p.on_resume = finish_it;
	source_join(&t->p, &t->s);
	assert_int_equal(source_write(&t->p, HIGH), 0);
	sink_take(&t->s, SIZE_MAX);
	world_run(&t->w);
	assert_string_equal(t->p.log, "Spr");
	assert_int_equal(t->s.on_ends, 1);
	assert_int_equal(t->s.on_end_why, 0);
}

static void register_other(struct source *p)
{
	struct pair *t = p->arg;

	weir_consumer_unregister(&t->s.v.base);
	source_join(&t->q, &t->s);
}

static void test_flow6_a_resume_may_give_its_place_to_another(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	t->p.arg = t;
	t->p.on_resume = register_other;
	source_open(&t->q, WEIR_PULL);
	t->q.on_resume = write_one_chunk;
	source_join(&t->p, &t->s);
	assert_int_equal(source_write(&t->p, HIGH), 0);
	t->q.given = t->p.given;
	t->q.on_resume = NULL;
	sink_take(&t->s, SIZE_MAX);
	world_run(&t->w);
	assert_string_equal(t->p.log, "Spr");
	assert_string_equal(t->q.log, "Sr");
}

/* ---- the stack -------------------------------------------------------------------- */

#define MILLION 1000000

static uintptr_t stack_low, stack_high;

static void mark_stack(void)
{
	char here;
	uintptr_t at = (uintptr_t)&here;

	if (at < stack_low)
		stack_low = at;
	if (at > stack_high)
		stack_high = at;
}

static void pull_a_byte(struct source *p)
{
	mark_stack();
	if (p->resumes <= MILLION)
		source_write(p, 1);
	else
		weir_producer_end(&p->base, 0);
}

static void mark_at_drain(struct sink *s)
{
	(void)s;
	mark_stack();
}

static void write_and_give_way(struct source *p)
{
	struct pair *t = p->arg;

	source_write(p, 10);
	weir_consumer_unregister(&t->s.v.base);
	t->p.given = p->given;
	source_join(&t->p, &t->s);
}

static void test_flow6_a_pull_may_write_and_give_its_place_to_a_push(void **state)
{
	struct pair *t = *state;

	source_open(&t->q, WEIR_PULL);
	t->q.on_resume = write_and_give_way;
	t->q.arg = t;
	source_join(&t->q, &t->s);
	world_run(&t->w);
	assert_string_equal(t->q.log, "Sr");
	assert_string_equal(t->p.log, "S");
	assert_int_equal(source_write(&t->p, 10), 0);
	assert_int_equal(t->s.got, 20);
}

static void test_flow7_a_million_synchronous_pulls_use_constant_stack(void **state)
{
	struct pair *t = *state;

	stack_low = UINTPTR_MAX;
	stack_high = 0;
	t->s.on_drain = mark_at_drain;
	source_open(&t->q, WEIR_PULL);
	t->q.on_resume = pull_a_byte;
	source_join(&t->q, &t->s);
	world_run(&t->w);
	assert_int_equal(t->s.got, MILLION);
	assert_int_equal(t->s.on_end_why, 0);
	assert_int_equal(t->s.on_ends, 1);
	assert_true(stack_high - stack_low < 32768);
}

/* A sink that can always take more says so, and a source that fills at once. */
static void refill_deep(struct source *p)
{
	mark_stack();
	if (p->given < (uint64_t)100 * HIGH)
		source_write(p, HIGH);
}

static void take_in_pause(struct source *p)
{
	struct pair *t = p->arg;

	mark_stack();
	sink_take(&t->s, SIZE_MAX);
	t->s.window = 0;
}

static void test_flow7_pauses_that_drain_at_once_use_constant_stack(void **state)
{
	struct pair *t = *state;

	stack_low = UINTPTR_MAX;
	stack_high = 0;
	t->s.window = 0;
	t->p.arg = t;
	t->p.on_resume = refill_deep;
	t->p.on_pause = take_in_pause;
	source_join(&t->p, &t->s);
	source_write(&t->p, HIGH);
	world_run(&t->w);
	assert_int_equal(t->p.given, (uint64_t)100 * HIGH);
	assert_int_equal(t->s.got, t->p.given);
	assert_true(stack_high - stack_low < 65536);
}

static void test_flow9_an_empty_write_never_signals(void **state)
{
	struct pair *t = *state;

	t->s.window = 0;
	source_join(&t->p, &t->s);
	assert_int_equal(weir_consumer_write(&t->s.v.base, NULL, 0), 0);
	assert_int_equal(weir_consumer_write(&t->s.v.base, "", 0), 0);
	assert_string_equal(t->p.log, "S");
	assert_int_equal(t->s.drains, 0);
	assert_int_equal(source_write(&t->p, HIGH), 0);
	assert_int_equal(weir_consumer_write(&t->s.v.base, NULL, 0), 0);
	assert_string_equal(t->p.log, "Sp");
}

static void write_1000(struct source *p)
{
	source_write(p, 1000);
}

static void test_flow10_a_pull_flow_moves_its_quantum_a_turn_and_goes_on_in_the_next(void **state)
{
	struct pair *t = *state;
	struct sink other;
	struct source third;

	t->w.ctx.quantum = 10000;
	sink_open(&other, &t->w);
	source_open(&t->q, WEIR_PULL);
	t->q.on_resume = write_1000;
	source_open(&third, WEIR_PULL);
	third.on_resume = write_1000;
	source_join(&t->q, &t->s);
	source_join(&third, &other);
	for (unsigned turn = 1; turn < 20; turn++) {
		assert_int_equal(t->s.got, 10000 * turn);
		assert_int_equal(other.got, 10000 * turn);
		assert_int_equal(weir_context_next(&t->w.ctx), 0);
		weir_context_run(&t->w.ctx);
	}
	weir_valve_fini(&other.v);
}

int main(void)
{
#define VALVE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		VALVE(test_reg1_a_second_register_is_busy_and_the_first_untouched),
		VALVE(test_reg2_register_on_a_dead_consumer_stops_once_and_keeps_nothing),
		VALVE(test_reg2_register_on_a_finished_or_finishing_consumer_stops_once),
		VALVE(test_reg3_a_pull_producer_is_resumed_once_a_push_one_is_told_nothing),
		VALVE(test_reg4_a_push_producer_at_or_over_the_mark_is_paused_once),
		VALVE(test_reg5_unregister_is_legal_inside_pause_and_silent_afterwards),
		VALVE(test_reg6_the_next_producer_owes_nothing_to_the_pauses_of_the_last),
		VALVE(test_reg7_accepted_bytes_are_kept_and_a_pending_finish_goes_on),
		VALVE(test_reg7_a_slow_sink_is_not_cut_off_by_the_deadline_of_the_producer),
		VALVE(test_reg8_a_producer_that_fails_inside_a_callback_is_not_registered),
		VALVE(test_flow1_pause_and_resume_alternate_pause_first),
		VALVE(test_flow2_a_paused_producers_bytes_are_taken_up_to_the_limit),
		VALVE(test_flow3_pause_is_at_high_and_resume_at_low_exactly),
		VALVE(test_flow3_the_marks_change_live_and_bad_ones_are_refused),
		VALVE(test_flow3_a_higher_low_mark_lets_a_waiting_pull_producer_go_on),
		VALVE(test_flow4_paused_and_drained_implies_resumed_within_one_turn),
		VALVE(test_flow4_two_pausers_never_undo_each_other),
		VALVE(test_flow5_one_chunk_a_pull_and_nothing_yet_parks),
		VALVE(test_flow5_an_empty_write_from_a_pull_producer_is_nothing_yet),
		VALVE(test_flow5_a_pull_producer_that_was_told_of_no_room_is_asked_again),
		VALVE(test_flow6_a_resume_may_fill_the_consumer_and_is_paused_inside),
		VALVE(test_flow6_a_resume_may_end_the_stream),
		VALVE(test_flow6_a_resume_may_give_its_place_to_another),
		VALVE(test_flow6_a_pull_may_write_and_give_its_place_to_a_push),
		VALVE(test_flow7_a_million_synchronous_pulls_use_constant_stack),
		VALVE(test_flow7_pauses_that_drain_at_once_use_constant_stack),
		VALVE(test_flow9_an_empty_write_never_signals),
		VALVE(test_flow10_a_pull_flow_moves_its_quantum_a_turn_and_goes_on_in_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
