/* SPDX-License-Identifier: MIT */
/* A guard finds what a consumer does wrong with pauses and resumes, and names it, and both calls. */
#include "guard_fixture.h"

#include <pthread.h>

#define CONSUMER WEIR_GUARD_CONSUMER

/* ---- flow ---- */

static void test_a_second_pause_breaks_flow_1(void **state)
{
	struct rig *r = *state;

	registers(r);
	tells_first(r, 'p');
	tells_then(r, 'p');
	assert_broken(r, "FLOW-1", CONSUMER, "tells_then", "tells_first");
}

static void test_a_second_resume_breaks_flow_1(void **state)
{
	struct rig *r = *state;

	registers(r);
	tells_first(r, 'p');
	tells_first(r, 'r');
	tells_then(r, 'r');
	assert_broken(r, "FLOW-1", CONSUMER, "tells_then", "tells_first");
	assert_string_equal(r->said.before, "resume");
}

static void test_a_pull_producer_that_is_paused_breaks_flow_1(void **state)
{
	struct rig *r = *state;

	source_open(&r->p, WEIR_PULL);
	registers(r);
	tells_then(r, 'p');
	assert_broken(r, "FLOW-1", CONSUMER, "tells_then", "registers");
}

static void test_the_twisted_profile_pauses_twice(void **state)
{
	struct rig *r = *state;

	rig_guard(r, &(struct weir_guard_options){.twisted = true});
	registers(r);
	tells_first(r, 'p');
	tells_then(r, 'p');
	assert_int_equal(r->said.reports, 0);
}

static void test_a_pause_below_the_mark_breaks_flow_3(void **state)
{
	struct rig *r = *state;

	marked(r);
	r->c.high = 50;
	writes(r, 60);
	assert_broken(r, "FLOW-3", CONSUMER, "writes", NULL);
}

static void test_no_pause_above_the_mark_breaks_flow_3(void **state)
{
	struct rig *r = *state;

	marked(r);
	r->c.high = 0;
	writes(r, 60);
	writes(r, 60);
	assert_broken(r, "FLOW-3", CONSUMER, "writes", NULL);
}

static void test_a_resume_above_the_low_mark_breaks_flow_3(void **state)
{
	struct rig *r = *state;

	marked(r);
	writes(r, 100);
	r->c.st.held = 30;
	r->c.st.out = 70;
	tells_then(r, 'r');
	assert_broken(r, "FLOW-3", CONSUMER, "tells_then", "writes");
}

static void test_no_resume_once_it_has_drained_breaks_flow_4(void **state)
{
	struct rig *r = *state;

	r->c.high = 100;
	registers(r);
	writes(r, 100);
	world_pass(&r->w, 100 * WEIR_NS_PER_MS);
	assert_int_equal(r->said.reports, 0);
	r->c.st.out = r->c.st.in;
	r->c.st.held = 0;
	world_pass(&r->w, WEIR_NS_PER_S);
	assert_broken(r, "FLOW-4", CONSUMER, "weir_context_run", "writes");
	assert_string_equal(r->said.before, "pause");
	assert_string_equal(r->said.broke, "turn");
}

static void test_a_pause_that_has_a_reason_may_last(void **state)
{
	struct rig *r = *state;

	registers(r);
	tells_first(r, 'p');
	world_pass(&r->w, 3600 * WEIR_NS_PER_S);
	assert_int_equal(weir_context_next(&r->w.ctx), WEIR_NEVER); /* it has given up */
	assert_int_equal(r->said.reports, 0);
}

static void test_one_that_has_nothing_and_is_asked_again_breaks_flow_5(void **state)
{
	struct rig *r = *state;

	source_open(&r->p, WEIR_PULL);
	registers(r);
	tells_then(r, 'r');
	assert_broken(r, "FLOW-5", CONSUMER, "tells_then", "registers");
}

STANDS void wakes(struct rig *r)
{
	weir_consumer_wake(r->front);
	FRAME(r, 10);
}

static void test_one_that_woke_and_is_not_asked_breaks_flow_5(void **state)
{
	struct rig *r = *state;

	source_open(&r->p, WEIR_PULL);
	registers(r);
	world_pass(&r->w, WEIR_NS_PER_S);
	assert_int_equal(r->said.reports, 0);
	wakes(r);
	world_pass(&r->w, WEIR_NS_PER_S);
	assert_broken(r, "FLOW-5", CONSUMER, "weir_context_run", "wakes");
}

STANDS void gives_5(struct source *p)
{
	source_write(p, 5);
	FRAME((struct rig *)p->arg, 13);
}

static void test_resumes_inside_each_other_break_flow_7(void **state)
{
	struct rig *r = *state;

	source_open(&r->p, WEIR_PULL);
	r->p.on_resume = gives_5;
	r->p.arg = r;
	r->c.flaw = NESTS;
	registers(r);
	assert_broken(r, "FLOW-7", CONSUMER, "gives_5", "gives_5");
}

STANDS void *pauses_elsewhere(void *arg)
{
	struct rig *r = arg;

	tell(r, 'p');
	FRAME(r, 11);
	return NULL;
}

static void test_a_signal_from_another_thread_breaks_flow_8(void **state)
{
	struct rig *r = *state;
	pthread_t thread;

	registers(r);
	assert_int_equal(pthread_create(&thread, NULL, pauses_elsewhere, r), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_broken(r, "FLOW-8", CONSUMER, "pauses_elsewhere", "registers");
}

static void test_a_signal_for_nothing_breaks_flow_9(void **state)
{
	struct rig *r = *state;

	registers(r);
	r->c.flaw = ANSWERS_NOTHING;
	writes_nothing(r);
	assert_broken(r, "FLOW-9", CONSUMER, "writes_nothing", "writes_nothing");
}

static void test_nothing_that_is_refused_breaks_flow_9(void **state)
{
	struct rig *r = *state;

	registers(r);
	r->c.flaw = REFUSES_NOTHING;
	writes_nothing(r);
	assert_broken(r, "FLOW-9", CONSUMER, "writes_nothing", "writes_nothing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIGGED(test_a_second_pause_breaks_flow_1),
		RIGGED(test_a_second_resume_breaks_flow_1),
		RIGGED(test_a_pull_producer_that_is_paused_breaks_flow_1),
		RIGGED(test_the_twisted_profile_pauses_twice),
		RIGGED(test_a_pause_below_the_mark_breaks_flow_3),
		RIGGED(test_no_pause_above_the_mark_breaks_flow_3),
		RIGGED(test_a_resume_above_the_low_mark_breaks_flow_3),
		RIGGED(test_no_resume_once_it_has_drained_breaks_flow_4),
		RIGGED(test_a_pause_that_has_a_reason_may_last),
		RIGGED(test_one_that_has_nothing_and_is_asked_again_breaks_flow_5),
		RIGGED(test_one_that_woke_and_is_not_asked_breaks_flow_5),
		RIGGED(test_resumes_inside_each_other_break_flow_7),
		RIGGED(test_a_signal_from_another_thread_breaks_flow_8),
		RIGGED(test_a_signal_for_nothing_breaks_flow_9),
		RIGGED(test_nothing_that_is_refused_breaks_flow_9),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
