/* SPDX-License-Identifier: MIT */
/* A guard finds what a producer does wrong, and names it, and both calls. */
#include "guard_fixture.h"

#include <errno.h>
#include <pthread.h>

#define PRODUCER WEIR_GUARD_PRODUCER

STANDS void fills_up(struct rig *r)
{
	r->c.high = 100;
	writes(r, 100);
	FRAME(r, 3);
}

STANDS int goes_on(struct rig *r, size_t len)
{
	int rc = source_write_to(&r->p, r->front, len);

	FRAME(r, 104);
	return rc;
}

static void test_a_write_after_a_pause_breaks_flow_2(void **state)
{
	struct rig *r = *state;

	rig_register(r, &r->p);
	fills_up(r);
	assert_int_equal(r->said.reports, 0);
	assert_int_equal(goes_on(r, 1), 0); /* it passes all the same */
	assert_broken(r, "FLOW-2", PRODUCER, "goes_on", "fills_up");
	assert_string_equal(r->said.broke, "write");
	assert_string_equal(r->said.before, "pause");
	assert_int_equal(r->c.st.in, 101);
}

static void test_what_is_declared_may_be_written_after_a_pause(void **state)
{
	struct rig *r = *state;

	rig_guard(r, &(struct weir_guard_options){.overshoot = 10});
	rig_register(r, &r->p);
	fills_up(r);
	goes_on(r, 4);
	goes_on(r, 6);
	assert_int_equal(r->said.reports, 0);
	puppet_drain(&r->c);
	writes(r, 100);
	goes_on(r, 11);
	assert_broken(r, "FLOW-2", PRODUCER, "goes_on", "writes");
}

STANDS void gives_two(struct source *p)
{
	struct rig *r = p->arg;

	writes(r, 5);
	goes_on(r, 5);
	FRAME(r, 5);
}

static void test_a_second_chunk_in_one_pull_breaks_flow_5(void **state)
{
	struct rig *r = *state;

	source_open(&r->p, WEIR_PULL);
	r->p.on_resume = gives_two;
	r->p.arg = r;
	rig_register(r, &r->p);
	assert_broken(r, "FLOW-5", PRODUCER, "goes_on", "writes");
}

static void test_a_chunk_that_was_not_asked_for_breaks_flow_5(void **state)
{
	struct rig *r = *state;

	source_open(&r->p, WEIR_PULL);
	registers(r);
	assert_int_equal(r->said.reports, 0);
	goes_on(r, 5);
	assert_broken(r, "FLOW-5", PRODUCER, "goes_on", "registers");
	assert_string_equal(r->said.before, "resume");
}

static void test_a_write_after_its_finish_breaks_end_1(void **state)
{
	struct rig *r = *state;

	rig_register(r, &r->p);
	writes(r, 5);
	ends(r, 0);
	assert_int_equal(r->said.reports, 0);
	goes_on(r, 5);
	assert_broken(r, "END-1", PRODUCER, "goes_on", "ends");
	assert_string_equal(r->said.before, "finish");
}

static void test_a_write_after_its_failure_breaks_end_1(void **state)
{
	struct rig *r = *state;

	rig_register(r, &r->p);
	ends(r, -EIO);
	assert_int_equal(goes_on(r, 5), WEIR_ECLOSED);
	assert_broken(r, "END-1", PRODUCER, "goes_on", "ends");
	assert_string_equal(r->said.before, "fail");
}

static void test_a_write_after_its_stop_breaks_end_2(void **state)
{
	struct rig *r = *state;

	rig_register(r, &r->p);
	dies(r);
	assert_int_equal(r->p.stops, 1);
	goes_on(r, 5);
	assert_broken(r, "END-2", PRODUCER, "goes_on", "dies");
}

STANDS void fails_of_nothing(struct rig *r)
{
	weir_consumer_fail(r->front, 0);
	FRAME(r, 9);
}

static void test_a_failure_without_a_reason_breaks_end_10(void **state)
{
	struct rig *r = *state;

	registers(r);
	fails_of_nothing(r);
	assert_broken(r, "END-10", PRODUCER, "fails_of_nothing", "registers");
}

static unsigned char lent[1000];

STANDS void reuses(struct source *p)
{
	struct rig *r = p->arg;

	lent[999]++;
	FRAME(r, 10);
}

STANDS void lends(struct rig *r)
{
	assert_int_equal(weir_consumer_write(r->front, lent, sizeof(lent)), 0);
	FRAME(r, 11);
}

static void test_a_buffer_that_its_owner_changes_too_early_breaks_data_4(void **state)
{
	struct rig *r = *state;

	r->c.high = 100;
	r->p.on_pause = reuses;
	r->p.arg = r;
	rig_register(r, &r->p);
	lends(r);
	assert_broken(r, "DATA-4", PRODUCER, "lends", NULL);
	assert_string_equal(r->said.broke, "pause");
}

STANDS void *elsewhere(void *arg)
{
	struct rig *r = arg;

	writes(r, 5);
	FRAME(r, 12);
	return NULL;
}

static void test_a_call_from_another_thread_breaks_flow_8(void **state)
{
	struct rig *r = *state;
	pthread_t thread;

	registers(r);
	assert_int_equal(pthread_create(&thread, NULL, elsewhere, r), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_broken(r, "FLOW-8", PRODUCER, "elsewhere", "registers");
}

static void test_only_the_first_breach_is_reported(void **state)
{
	struct rig *r = *state;

	rig_register(r, &r->p);
	fills_up(r);
	assert_false(weir_guard_is_broken(r->guard));
	goes_on(r, 1);
	goes_on(r, 1);
	ends(r, 0);
	goes_on(r, 1);
	assert_broken(r, "FLOW-2", PRODUCER, "goes_on", "fills_up");
	assert_true(weir_guard_is_broken(r->guard));
}

static void test_the_twisted_profile_takes_bytes_after_the_end(void **state)
{
	struct rig *r = *state;

	rig_guard(r, &(struct weir_guard_options){.twisted = true});
	rig_register(r, &r->p);
	ends(r, 0);
	goes_on(r, 5);
	assert_int_equal(r->said.reports, 0);
}

/* ---- in place of the producer ---- */

static struct weir_guard *guard_source(struct rig *r)
{
	struct weir_guard_options options = {.on_broken = on_broken, .arg = &r->said};
	struct weir_guard *guard;

	weir_guard_destroy(r->guard); /* the other kind has no part in this */
	r->guard = NULL;
	assert_int_equal(weir_guard_create_source(&r->p.base, &options, &guard), 0);
	return guard;
}

STANDS int joins(struct rig *r, struct weir_guard *guard)
{
	int rc = weir_consumer_register(&r->c.base, weir_guard_source(guard), r->p.base.mode);

	FRAME(r, 20);
	r->front = r->p.base.consumer;
	return rc;
}

static void test_behind_the_producer_it_finds_what_either_breaks(void **state)
{
	struct rig *r = *state;
	struct weir_guard *guard = guard_source(r);

	joins(r, guard);
	fills_up(r);
	assert_int_equal(r->p.pauses, 1);
	goes_on(r, 1);
	assert_broken(r, "FLOW-2", PRODUCER, "goes_on", "fills_up");
	weir_guard_destroy(guard);
	assert_int_equal(r->p.stops, 1);
	r->said = (struct said){0};

	source_open(&r->p, WEIR_PUSH);
	r->c.st = (struct weir_consumer_state){0};
	guard = guard_source(r);
	joins(r, guard);
	tells_first(r, 'p');
	tells_then(r, 'p');
	assert_broken(r, "FLOW-1", WEIR_GUARD_CONSUMER, "tells_then", "tells_first");
	weir_guard_destroy(guard);
}

static void test_behind_the_producer_it_goes_from_consumer_to_consumer(void **state)
{
	struct rig *r = *state;
	struct weir_guard *guard = guard_source(r);
	struct puppet next = {.high = 0};

	weir_consumer_init(&next.base, &puppet_ops);
	joins(r, guard);
	writes(r, 10);
	weir_consumer_unregister(&r->c.base); /* tells nobody */
	assert_null(weir_producer_consumer(weir_guard_source(guard)));
	assert_int_equal(weir_consumer_register(&next.base, weir_guard_source(guard), WEIR_PUSH),
	                 0);
	assert_int_equal(source_write(&r->p, 20), 0);
	assert_int_equal(r->c.st.in, 10);
	assert_int_equal(next.st.in, 20);
	weir_consumer_unregister(&next.base);
	assert_int_equal(source_write(&r->p, 5), WEIR_ECLOSED); /* and so it learns of it */
	assert_null(r->p.base.consumer);
	assert_int_equal(next.st.in, 20);
	joins(r, guard);
	weir_producer_end(&r->p.base, 0);
	puppet_drain(&r->c);
	assert_true(r->c.st.ended && r->c.st.why == 0 && r->c.st.out == 10);
	assert_int_equal(r->said.reports, 0);
	weir_guard_destroy(guard);
	assert_int_equal(r->p.stops, 0);
}

static void test_behind_the_producer_it_is_stopped_by_a_consumer_that_has_ended(void **state)
{
	struct rig *r = *state;
	struct weir_guard *guard = guard_source(r);

	dies(r);
	assert_int_equal(joins(r, guard), WEIR_ECLOSED);
	assert_string_equal(r->p.log, "x");
	assert_int_equal(r->said.reports, 0);
	weir_guard_destroy(guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIGGED(test_a_write_after_a_pause_breaks_flow_2),
		RIGGED(test_what_is_declared_may_be_written_after_a_pause),
		RIGGED(test_a_second_chunk_in_one_pull_breaks_flow_5),
		RIGGED(test_a_chunk_that_was_not_asked_for_breaks_flow_5),
		RIGGED(test_a_write_after_its_finish_breaks_end_1),
		RIGGED(test_a_write_after_its_failure_breaks_end_1),
		RIGGED(test_a_write_after_its_stop_breaks_end_2),
		RIGGED(test_a_failure_without_a_reason_breaks_end_10),
		RIGGED(test_a_buffer_that_its_owner_changes_too_early_breaks_data_4),
		RIGGED(test_a_call_from_another_thread_breaks_flow_8),
		RIGGED(test_only_the_first_breach_is_reported),
		RIGGED(test_the_twisted_profile_takes_bytes_after_the_end),
		RIGGED(test_behind_the_producer_it_finds_what_either_breaks),
		RIGGED(test_behind_the_producer_it_goes_from_consumer_to_consumer),
		RIGGED(test_behind_the_producer_it_is_stopped_by_a_consumer_that_has_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
