/* SPDX-License-Identifier: MIT */
/*
 * The valve's Twisted profile: FileDescriptor's rules one by one, and what Twisted does not
 * have and the profile must live with: a budget, other reasons to hold, ends that take
 * their time.  tests/diff compares the rest of it with Twisted itself.
 */
#include "core_fixture.h"

#include <errno.h>

#include "fail_alloc.h"
#include "weir/impl/transport.h"
#include "weir/join.h"
#include "weir/loopback.h"

#define MARK 65536u
#define SEND 131072u

static struct world w;
static struct sink s;
static struct source p, q;

static int setup(void **state)
{
	(void)state;
	world_open(&w, (size_t)64 << 20);
	sink_open(&s, &w);
	weir_valve_set_profile(&s.v, WEIR_TWISTED);
	source_open(&p, WEIR_PUSH);
	source_open(&q, WEIR_PULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sink_state(&s);
	weir_valve_fini(&s.v);
	world_run(&w);
	world_close(&w);
	return 0;
}

static int write_to(size_t len)
{
	return source_write_to(&p, &s.v.base, len);
}

static void turn(void)
{
	weir_context_run(&w.ctx);
}

/* ---- pausing ---- */

static void test_each_write_past_the_mark_pauses_again(void **state)
{
	(void)state;
	source_join(&p, &s);
	for (int i = 0; i < 5; i++)
		assert_int_equal(write_to(40000), 0);
	assert_int_equal(p.pauses, 4);
	world_run(&w);
	assert_string_equal(p.log, "Sppppr");
}

static void test_a_byte_more_than_64_kib_is_full(void **state)
{
	(void)state;
	source_join(&p, &s);
	assert_int_equal(write_to(MARK), 0);
	assert_int_equal(p.pauses, 0);
	assert_int_equal(write_to(1), 0);
	assert_int_equal(p.pauses, 1);
}

static void test_bytes_that_have_gone_count_until_the_rest_has_gone(void **state)
{
	(void)state;
	source_join(&p, &s);
	assert_int_equal(write_to(MARK), 0);
	sink_take(&s, MARK - 1);
	assert_int_equal(weir_valve_held(&s.v), 1);
	assert_int_equal(write_to(1), 0);
	assert_int_equal(p.pauses, 1);
	sink_take(&s, SIZE_MAX);
	assert_int_equal(p.resumes, 1);
	assert_int_equal(write_to(MARK), 0);
	assert_int_equal(p.pauses, 1);
}

static void test_a_turn_sends_128_kib_at_most(void **state)
{
	(void)state;
	assert_int_equal(write_to(2 * SEND + 1), 0);
	assert_int_equal(s.got, 0); /* never from inside the write */
	for (unsigned sends = 1; sends <= 2; sends++) {
		turn();
		assert_int_equal(s.got, sends * SEND);
	}
	turn();
	assert_int_equal(s.got, 2 * SEND + 1);
}

static void test_a_resume_comes_only_when_all_has_gone(void **state)
{
	(void)state;
	s.window = MARK;
	source_join(&p, &s);
	assert_int_equal(write_to(MARK + 1), 0);
	turn();
	assert_int_equal(weir_valve_held(&s.v), 1);
	assert_string_equal(p.log, "Sp");
	sink_take(&s, SIZE_MAX);
	assert_string_equal(p.log, "Spr");
}

static void write_and_be_ready(struct source *source)
{
	uint64_t got = s.got;

	assert_int_equal(source_write(source, 10), 0);
	weir_valve_ready(&s.v);
	assert_int_equal(s.got, got);
}

static void test_what_is_written_inside_a_resume_is_not_sent_inside_it(void **state)
{
	(void)state;
	q.on_resume = write_and_be_ready;
	source_join(&q, &s);
	turn();
	assert_int_equal(s.got, 10);
	assert_int_equal(q.resumes, 2);
}

static void test_only_the_budget_is_a_limit(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(write_to(WEIR_LIMIT_DEFAULT), 0);
}

/* ---- registering ---- */

static void test_the_pause_of_one_that_went_is_kept_for_the_next(void **state)
{
	(void)state;
	source_join(&p, &s);
	assert_int_equal(write_to(MARK + 1), 0);
	weir_consumer_unregister(&s.v.base);
	source_join(&q, &s); /* a pull producer in between does not have it */
	assert_int_equal(write_to(1), 0);
	weir_consumer_unregister(&s.v.base);
	world_run(&w);
	source_join(&p, &s);
	world_run(&w);
	assert_string_equal(p.log, "SpS");
	assert_int_equal(write_to(1), 0);
	turn();
	assert_string_equal(p.log, "SpSr");
}

static void test_nobody_is_paused_for_registering_but_for_asking_for_room(void **state)
{
	(void)state;
	assert_int_equal(write_to(MARK + 1), 0);
	source_join(&p, &s);
	assert_string_equal(p.log, "S");
	assert_int_equal(weir_consumer_room(&s.v.base), 0);
	assert_string_equal(p.log, "Sp");
	world_run(&w);
	assert_string_equal(p.log, "Spr");
	assert_int_equal(weir_consumer_room(&s.v.base), MARK + 1);
}

static void test_a_pull_producer_is_resumed_in_its_registration(void **state)
{
	(void)state;
	assert_int_equal(write_to(MARK + 1), 0);
	source_join(&q, &s);
	assert_string_equal(q.log, "Sr");
}

static void test_a_pull_producer_with_nothing_waits_for_a_send_or_its_wake(void **state)
{
	(void)state;
	source_join(&q, &s);
	world_run(&w);
	weir_valve_ready(&s.v);
	assert_string_equal(q.log, "Sr");
	assert_int_equal(write_to(1), 0);
	world_run(&w);
	assert_string_equal(q.log, "Srr");
	weir_consumer_wake(&s.v.base);
	assert_string_equal(q.log, "Srr");
	world_run(&w);
	assert_string_equal(q.log, "Srrr");
}

static void register_other(struct source *source)
{
	source->last_rc = weir_consumer_register(&s.v.base, &q.base, WEIR_PULL);
}

static void test_registering_inside_stop_finds_the_place_taken(void **state)
{
	(void)state;
	source_join(&p, &s);
	p.on_stop = register_other;
	weir_valve_die(&s.v, -ECONNRESET);
	assert_int_equal(p.last_rc, WEIR_EBUSY);
	assert_int_equal(q.stops, 0);
	assert_null(weir_consumer_producer(&s.v.base));
}

static void unregister_and_register_other(struct source *source)
{
	weir_consumer_unregister(&s.v.base);
	register_other(source);
}

static void test_unregistering_inside_stop_makes_room_for_another_stop(void **state)
{
	(void)state;
	source_join(&p, &s);
	p.on_stop = unregister_and_register_other;
	weir_valve_die(&s.v, -ECONNRESET);
	assert_int_equal(p.last_rc, WEIR_ECLOSED);
	assert_int_equal(q.stops, 1);
	assert_null(q.base.consumer);
}

static struct sink other_sink;

static void move_to_other(struct source *source)
{
	assert_int_equal(weir_consumer_register(&other_sink.v.base, &source->base, WEIR_PUSH), 0);
	weir_consumer_unregister(&s.v.base);
}

static void test_unregistering_inside_stop_leaves_a_new_consumer_alone(void **state)
{
	(void)state;
	sink_open(&other_sink, &w);
	source_join(&p, &s);
	p.on_stop = move_to_other;
	weir_valve_die(&s.v, -ECONNRESET);
	assert_ptr_equal(p.base.consumer, &other_sink.v.base);
	p.on_stop = NULL;
	weir_valve_fini(&other_sink.v);
}

/* ---- the end ---- */

static void test_a_finish_does_not_wait_for_a_push_producer_that_runs(void **state)
{
	(void)state;
	source_join(&p, &s);
	assert_int_equal(write_to(MARK), 0);
	weir_consumer_finish(&s.v.base);
	assert_int_equal(s.ends, 0);
	turn();
	assert_int_equal(s.got, MARK);
	assert_int_equal(s.on_ends, 1);
	assert_int_equal(s.on_end_why, 0);
	assert_int_equal(p.stop_why, WEIR_ECLOSED);
	assert_null(p.base.consumer);
}

static void test_a_finish_waits_for_ever_for_a_paused_producer_that_is_silent(void **state)
{
	(void)state;
	source_join(&p, &s);
	assert_int_equal(write_to(MARK + 1), 0);
	weir_consumer_finish(&s.v.base);
	world_advance(&w, 1000 * WEIR_FINISH_WAIT_DEFAULT);
	assert_string_equal(p.log, "Spr");
	assert_int_equal(s.ends, 0);
	assert_int_equal(write_to(1), 0);
	turn();
	assert_string_equal(p.log, "Sprx");
	assert_int_equal(s.on_ends, 1);
}

static void test_a_finish_waits_for_a_pull_producer_to_unregister(void **state)
{
	(void)state;
	source_join(&q, &s);
	weir_consumer_finish(&s.v.base);
	world_advance(&w, 1000 * WEIR_FINISH_WAIT_DEFAULT);
	assert_int_equal(s.ends, 0);
	weir_consumer_unregister(&s.v.base);
	assert_int_equal(s.ends, 0);
	turn();
	assert_int_equal(s.on_ends, 1);
	assert_int_equal(q.stops, 0);
}

static void test_bytes_are_sent_until_the_end_and_vanish_afterwards(void **state)
{
	struct weir_block *block;
	struct weir_chunk chunk;

	(void)state;
	weir_consumer_finish(&s.v.base);
	source_join(&p, &s);
	assert_int_equal(write_to(100), 0);
	turn();
	assert_int_equal(s.on_ends, 1);
	assert_int_equal(s.got, 100);
	assert_int_equal(write_to(100), 0);
	assert_int_equal(weir_pool_take(&w.ctx.pool, 10, &block), 0);
	block->used = 10;
	chunk = weir_chunk_from_block(block);
	assert_int_equal(weir_consumer_give(&s.v.base, &chunk), 0);
	assert_null(chunk.owner);
	assert_int_equal(sink_state(&s).in, 100);
}

static void test_a_failure_takes_effect_in_the_next_turn(void **state)
{
	(void)state;
	source_join(&p, &s);
	assert_int_equal(write_to(MARK), 0);
	weir_consumer_fail(&s.v.base, -EIO);
	assert_int_equal(write_to(1), 0);
	assert_string_equal(p.log, "Sp");
	weir_valve_die(&s.v, -ECONNRESET); /* nobody looks any more */
	weir_valve_ready(&s.v);
	assert_int_equal(s.on_ends, 0);
	turn();
	assert_string_equal(p.log, "Spx");
	assert_int_equal(s.end_why, -EIO);
	assert_int_equal(sink_state(&s).dropped, MARK + 1);
}

static void test_a_failure_is_told_when_the_owner_does_not_wait_for_that_turn(void **state)
{
	(void)state;
	source_join(&p, &s);
	weir_consumer_fail(&s.v.base, -EIO);
	weir_valve_fini(&s.v);
	assert_int_equal(p.stop_why, -EIO);
	assert_int_equal(s.end_why, -EIO);
	assert_int_equal(s.on_end_why, -EIO);
}

static void test_a_producer_registered_while_the_end_is_made_known_is_stopped(void **state)
{
	(void)state;
	s.holds_end = true;
	weir_consumer_finish(&s.v.base);
	turn();
	assert_int_equal(s.ends, 1);
	assert_int_equal(weir_consumer_register(&s.v.base, &p.base, WEIR_PUSH), WEIR_ECLOSED);
	assert_int_equal(p.stops, 1);
	assert_int_equal(write_to(5), 0);
	weir_consumer_fail(&s.v.base, -EIO); /* at once: the end is under way already */
	assert_int_equal(s.on_end_why, -EIO);
	assert_int_equal(s.ends, 2);
}

static void test_a_deadline_that_is_set_holds_all_the_same(void **state)
{
	(void)state;
	weir_valve_set_finish_wait(&s.v, 100);
	source_join(&q, &s);
	weir_consumer_finish(&s.v.base);
	world_advance(&w, 100);
	assert_int_equal(s.on_end_why, WEIR_EDEADLINE);
	assert_int_equal(q.stop_why, WEIR_EDEADLINE);
}

/* ---- what Twisted does not have ---- */

static void test_other_reasons_hold_and_let_go(void **state)
{
	(void)state;
	weir_valve_hold(&s.v, WEIR_HOLD_USER);
	source_join(&q, &s);
	world_run(&w);
	assert_string_equal(q.log, "S");
	weir_valve_release(&s.v, WEIR_HOLD_USER);
	world_run(&w);
	assert_string_equal(q.log, "Sr");
	weir_consumer_unregister(&s.v.base);

	source_join(&p, &s);
	assert_int_equal(write_to(MARK + 1), 0);
	weir_valve_hold(&s.v, WEIR_HOLD_USER);
	world_run(&w);
	assert_int_equal(s.got, MARK + 1);
	assert_string_equal(p.log, "Sp");
	weir_valve_release(&s.v, WEIR_HOLD_USER);
	world_run(&w);
	assert_string_equal(p.log, "Spr");
}

static void test_a_stale_pause_does_not_hide_another_reason(void **state)
{
	(void)state;
	source_join(&p, &s);
	assert_int_equal(write_to(MARK + 1), 0);
	weir_consumer_unregister(&s.v.base);
	weir_valve_hold(&s.v, WEIR_HOLD_USER);
	source_join(&p, &s);
	assert_string_equal(p.log, "SpSp");
}

static void test_the_budget_refuses_and_lets_go_on(void **state)
{
	struct weir_block *other;
	size_t taken = 0;

	(void)state;
	weir_budget_set_limit(&w.budget, (size_t)256 << 10);
	source_join(&p, &s);
	s.window = 0;
	while (write_to(40000) == 0)
		assert_true(++taken < 10);
	assert_int_equal(p.last_rc, WEIR_EFULL);
	assert_int_equal(weir_valve_held(&s.v), taken * 40000);
	sink_take(&s, SIZE_MAX);
	world_run(&w);
	assert_true(p.resumes > 0);
	assert_int_equal(s.got, taken * 40000);

	/* Spent by others while nothing is held: the room itself lets it go on. */
	while (weir_pool_take(&w.ctx.pool, WEIR_BLOCK_LARGE, &other) == 0)
		other->next_free = (struct weir_block *)p.arg, p.arg = other;
	assert_int_equal(weir_consumer_room(&s.v.base) > 0, true);
	assert_int_equal(write_to(2 * MARK), WEIR_EFULL);
	p.resumes = 0;
	while (p.arg) {
		other = p.arg;
		p.arg = other->next_free;
		other->next_free = NULL;
		weir_block_unref(other);
	}
	world_run(&w);
	assert_int_equal(p.resumes, 1);
	weir_budget_set_limit(&w.budget, (size_t)64 << 20);
}

static void test_without_memory_a_write_takes_nothing(void **state)
{
	(void)state;
	weir_test_fail_alloc_after(1);
	assert_int_equal(write_to(MARK), -ENOMEM);
	weir_test_fail_alloc_after(-1);
	assert_int_equal(weir_valve_held(&s.v), 0);
	assert_int_equal(write_to(MARK), 0);
}

/* ---- with others ---- */

static void write_some(struct source *source)
{
	struct weir_consumer *c = source->base.consumer;

	while (source->base.consumer && !source->paused && source->given < 1000000)
		assert_int_equal(source_write(source, 30000 < 1000000 - source->given
							      ? 30000
							      : 1000000 - source->given),
				 0);
	if (source->given == 1000000 && source->base.consumer == c)
		weir_producer_end(&source->base, 0);
}

static void on_done(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	(void)join;
	*(struct weir_outcome *)arg = *outcome;
}

static void test_a_join_moves_everything_into_a_twisted_valve(void **state)
{
	struct weir_outcome outcome = {.in = 0};
	struct weir_join_options options = {.on_done = on_done, .arg = &outcome};
	struct weir_join *join;

	(void)state;
	p.on_resume = write_some;
	assert_int_equal(weir_join_create(&w.ctx, &p.base, &s.v.base, &options, &join), 0);
	write_some(&p);
	world_run(&w);
	assert_int_equal(s.got, 1000000);
	assert_int_equal(outcome.end, WEIR_FINISHED);
	assert_int_equal(outcome.offset, 1000000);
	assert_false(p.broken); /* the join makes a plain producer's life of it */
	weir_join_destroy(join);
}

static void test_a_transport_with_a_twisted_sink_gives_all_and_ends(void **state)
{
	struct weir_transport *left, *right;

	(void)state;
	assert_int_equal(weir_loopback_create(&w.ctx, &left, &right), 0);
	weir_valve_set_profile(weir_transport_valve(left), WEIR_TWISTED);
	assert_int_equal(weir_consumer_register(&s.v.base, weir_transport_source(right),
						WEIR_PUSH), 0);
	p.on_resume = write_some;
	assert_int_equal(weir_consumer_register(weir_transport_sink(left), &p.base, WEIR_PUSH),
			 0);
	write_some(&p);
	world_run(&w);
	assert_int_equal(s.got, 1000000);
	assert_int_equal(s.on_ends, 1);
	assert_int_equal(s.on_end_why, 0);
	weir_transport_close(left);
	weir_transport_close(right);
	world_run(&w);
}

static void test_closing_a_transport_with_a_twisted_sink_stops_its_producer(void **state)
{
	struct weir_transport *left, *right;

	(void)state;
	assert_int_equal(weir_loopback_create(&w.ctx, &left, &right), 0);
	weir_valve_set_profile(weir_transport_valve(left), WEIR_TWISTED);
	assert_int_equal(weir_consumer_register(weir_transport_sink(left), &p.base, WEIR_PUSH),
			 0);
	assert_int_equal(source_write(&p, 100), 0);
	weir_transport_close(left);
	weir_transport_close(right);
	world_run(&w);
	assert_int_equal(p.stop_why, WEIR_ECLOSED);
}

int main(void)
{
#define TWISTED(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TWISTED(test_each_write_past_the_mark_pauses_again),
		TWISTED(test_a_byte_more_than_64_kib_is_full),
		TWISTED(test_bytes_that_have_gone_count_until_the_rest_has_gone),
		TWISTED(test_a_turn_sends_128_kib_at_most),
		TWISTED(test_a_resume_comes_only_when_all_has_gone),
		TWISTED(test_what_is_written_inside_a_resume_is_not_sent_inside_it),
		TWISTED(test_only_the_budget_is_a_limit),
		TWISTED(test_the_pause_of_one_that_went_is_kept_for_the_next),
		TWISTED(test_nobody_is_paused_for_registering_but_for_asking_for_room),
		TWISTED(test_a_pull_producer_is_resumed_in_its_registration),
		TWISTED(test_a_pull_producer_with_nothing_waits_for_a_send_or_its_wake),
		TWISTED(test_registering_inside_stop_finds_the_place_taken),
		TWISTED(test_unregistering_inside_stop_makes_room_for_another_stop),
		TWISTED(test_unregistering_inside_stop_leaves_a_new_consumer_alone),
		TWISTED(test_a_finish_does_not_wait_for_a_push_producer_that_runs),
		TWISTED(test_a_finish_waits_for_ever_for_a_paused_producer_that_is_silent),
		TWISTED(test_a_finish_waits_for_a_pull_producer_to_unregister),
		TWISTED(test_bytes_are_sent_until_the_end_and_vanish_afterwards),
		TWISTED(test_a_failure_takes_effect_in_the_next_turn),
		TWISTED(test_a_failure_is_told_when_the_owner_does_not_wait_for_that_turn),
		TWISTED(test_a_producer_registered_while_the_end_is_made_known_is_stopped),
		TWISTED(test_a_deadline_that_is_set_holds_all_the_same),
		TWISTED(test_other_reasons_hold_and_let_go),
		TWISTED(test_a_stale_pause_does_not_hide_another_reason),
		TWISTED(test_the_budget_refuses_and_lets_go_on),
		TWISTED(test_without_memory_a_write_takes_nothing),
		TWISTED(test_a_join_moves_everything_into_a_twisted_valve),
		TWISTED(test_a_transport_with_a_twisted_sink_gives_all_and_ends),
		TWISTED(test_closing_a_transport_with_a_twisted_sink_stops_its_producer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
