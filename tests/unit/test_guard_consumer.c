/* SPDX-License-Identifier: MIT */
/* A guard finds what a consumer does wrong with registrations, bytes and ends, and names it, and
 * both calls. */
#include "guard_fixture.h"

#define CONSUMER WEIR_GUARD_CONSUMER

/* ---- registering ---- */

static void test_a_second_start_breaks_reg_1(void **state)
{
	struct rig *r = *state;

	r->c.flaw = STARTS_TWICE;
	registers(r);
	assert_broken(r, "REG-1", CONSUMER, "registers", "registers");
}

static void test_a_signal_for_one_that_was_refused_breaks_reg_1(void **state)
{
	struct rig *r = *state;

	r->c.flaw = REFUSES;
	assert_int_equal(registers(r), -ENOMEM);
	assert_int_equal(r->said.reports, 0);
	r->c.base.producer = r->c.last;
	tells_then(r, 'p');
	assert_broken(r, "REG-1", CONSUMER, "tells_then", "registers");
	r->c.base.producer = NULL;
}

static void test_two_stops_for_a_latecomer_break_reg_2(void **state)
{
	struct rig *r = *state;

	dies(r);
	r->c.flaw = STOPS_LATECOMER_TWICE;
	assert_int_equal(registers(r), WEIR_ECLOSED);
	assert_broken(r, "REG-2", CONSUMER, "registers", "registers");
	assert_string_equal(r->said.before, "stop");
}

static void test_a_latecomer_that_is_taken_breaks_reg_2(void **state)
{
	struct rig *r = *state;

	dies(r);
	r->c.flaw = TAKES_LATECOMER;
	registers(r);
	assert_broken(r, "REG-2", CONSUMER, "registers", "dies");
}

static void test_a_pause_on_registering_with_a_free_consumer_breaks_reg_3(void **state)
{
	struct rig *r = *state;

	r->c.flaw = PAUSES_FREE;
	registers(r);
	assert_broken(r, "REG-3", CONSUMER, "registers", "registers");
}

static void test_a_second_pull_on_registering_breaks_reg_3(void **state)
{
	struct rig *r = *state;

	source_open(&r->p, WEIR_PULL);
	r->c.flaw = PULLS_TWICE;
	registers(r);
	assert_broken(r, "REG-3", CONSUMER, "registers", "registers");
	assert_string_equal(r->said.before, "resume");
}

static void test_no_pause_on_registering_with_a_full_consumer_breaks_reg_4(void **state)
{
	struct rig *r = *state;

	r->c.st.holds = WEIR_HOLD_FULL;
	r->c.flaw = NO_PAUSE_AT_REGISTER;
	registers(r);
	assert_broken(r, "REG-4", CONSUMER, "registers", NULL);
}

static void test_a_signal_on_unregistering_breaks_reg_5(void **state)
{
	struct rig *r = *state;

	registers(r);
	r->c.flaw = SIGNALS_AT_UNREGISTER;
	unregisters(r);
	assert_broken(r, "REG-5", CONSUMER, "unregisters", "unregisters");
}

static void test_an_unregister_that_does_not_break_reg_5(void **state)
{
	struct rig *r = *state;

	registers(r);
	r->c.flaw = KEEPS_AT_UNREGISTER;
	unregisters(r);
	assert_broken(r, "REG-5", CONSUMER, "unregisters", "registers");
	r->c.flaw = RIGHT;
}

static void test_a_resume_for_the_last_ones_pause_breaks_reg_6(void **state)
{
	struct rig *r = *state;

	registers(r);
	tells_first(r, 'p');
	unregisters(r);
	r->c.st.holds = 0;
	registers_again(r);
	tells_then(r, 'r');
	assert_broken(r, "REG-6", CONSUMER, "tells_then", "tells_first");
	assert_string_equal(r->said.before, "pause");
}

static void test_bytes_that_unregistering_drops_break_reg_7(void **state)
{
	struct rig *r = *state;

	registers(r);
	writes(r, 10);
	r->c.flaw = DROPS_AT_UNREGISTER;
	unregisters(r);
	assert_broken(r, "REG-7", CONSUMER, "unregisters", "registers");
}

static void test_a_producer_that_is_lost_breaks_reg_8(void **state)
{
	struct rig *r = *state;

	r->c.flaw = LOSES_PRODUCER;
	registers(r);
	assert_broken(r, "REG-8", CONSUMER, "registers", "registers");
}

static void test_a_producer_that_is_refused_and_kept_breaks_reg_8(void **state)
{
	struct rig *r = *state;

	r->c.flaw = REFUSES_AND_KEEPS;
	assert_int_equal(registers(r), -ENOMEM);
	assert_broken(r, "REG-8", CONSUMER, "registers", NULL);
}

static void test_a_stop_of_one_that_stays_registered_breaks_reg_8(void **state)
{
	struct rig *r = *state;

	registers(r);
	r->c.base.producer->ops->stop(r->c.base.producer, WEIR_ECLOSED);
	assert_broken(r, "REG-8", CONSUMER, __func__, "registers");
}

/* ---- bytes ---- */

static void test_more_than_the_mark_and_a_chunk_breaks_mem_1(void **state)
{
	struct rig *r = *state;

	marked(r);
	writes(r, 100);
	assert_int_equal(r->said.reports, 0);
	r->c.st.in += 200; /* it has taken them from elsewhere */
	r->c.st.held += 200;
	puppet_write(&r->c.base, "", 0);
	weir_consumer_unregister(r->front);
	writes(r, 1);
	assert_broken(r, "MEM-1", CONSUMER, "writes", "writes");
}

static void test_more_out_than_in_breaks_data_1(void **state)
{
	struct rig *r = *state;

	registers(r);
	r->c.flaw = GIVES_MORE;
	writes(r, 5);
	assert_broken(r, "DATA-1", CONSUMER, "writes", NULL);
}

static void test_a_write_that_is_accepted_after_the_end_breaks_data_2(void **state)
{
	struct rig *r = *state;

	dies(r);
	assert_int_equal(writes(r, 5), WEIR_ECLOSED);
	assert_int_equal(r->said.reports, 0);
	r->c.flaw = TAKES_LATE;
	writes(r, 5);
	assert_broken(r, "DATA-2", CONSUMER, "writes", "dies");
}

static void test_a_buffer_that_is_changed_breaks_data_4(void **state)
{
	struct rig *r = *state;

	registers(r);
	r->c.flaw = CHANGES_BYTES;
	writes(r, 999);
	assert_broken(r, "DATA-4", CONSUMER, "writes", NULL);
}

static void test_a_sum_that_is_not_right_breaks_obs_1(void **state)
{
	struct rig *r = *state;

	registers(r);
	r->c.flaw = COUNTS_WRONG;
	writes(r, 5);
	assert_broken(r, "OBS-1", CONSUMER, "writes", NULL);
}

/* ---- ends ---- */

static void test_a_second_stop_breaks_end_2(void **state)
{
	struct rig *r = *state;

	registers(r);
	tells_first(r, 's');
	tells_then(r, 's');
	assert_broken(r, "END-2", CONSUMER, "tells_then", "tells_first");
	r->c.base.producer = NULL;
}

static void test_a_stop_after_the_producers_own_end_breaks_end_2(void **state)
{
	struct rig *r = *state;
	struct weir_producer *back;

	registers(r);
	writes(r, 5);
	back = r->c.base.producer;
	ends(r, 0);
	r->c.base.producer = back;
	tells_then(r, 's');
	assert_broken(r, "END-2", CONSUMER, "tells_then", "ends");
	r->c.base.producer = NULL;
}

static void test_no_stop_on_its_death_breaks_end_2(void **state)
{
	struct rig *r = *state;

	registers(r);
	r->c.flaw = NEVER_STOPS;
	dies(r);
	world_pass(&r->w, WEIR_NS_PER_S);
	assert_broken(r, "END-2", CONSUMER, "weir_context_run", "dies");
}

static void test_a_finish_with_bytes_held_breaks_end_3(void **state)
{
	struct rig *r = *state;

	registers(r);
	writes(r, 5);
	r->c.flaw = FINISHES_EARLY;
	ends(r, 0);
	assert_broken(r, "END-3", CONSUMER, "ends", "ends");
}

static void test_bytes_held_after_a_failure_break_end_4(void **state)
{
	struct rig *r = *state;

	registers(r);
	writes(r, 5);
	r->c.flaw = HOLDS_AT_FAILURE;
	ends(r, -EIO);
	assert_broken(r, "END-4", CONSUMER, "ends", "ends");
}

static void test_a_finish_that_does_not_wait_breaks_end_9(void **state)
{
	struct rig *r = *state;

	registers(r);
	r->c.flaw = FINISHES_REGISTERED;
	weir_consumer_finish(r->front);
	assert_broken(r, "END-9", CONSUMER, __func__, "registers");
}

/* ---- what is right ---- */

static void test_a_puppet_that_is_right_breaks_nothing(void **state)
{
	struct rig *r = *state;

	rig_guard(r, &(struct weir_guard_options){.ctx = &r->w.ctx, .high = 100, .low = 20});
	r->c.high = 100;
	registers(r);
	for (int i = 0; i < 100; i++) {
		writes(r, 60);
		writes_nothing(r);
		world_pass(&r->w, WEIR_NS_PER_MS);
		if (r->p.paused)
			puppet_drain(&r->c);
	}
	unregisters(r);
	registers_again(r);
	ends(r, 0);
	puppet_drain(&r->c);
	assert_true(r->c.st.ended);
	registers(r);
	assert_int_equal(r->p.stops, 1);
	assert_int_equal(r->said.reports, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIGGED(test_a_second_start_breaks_reg_1),
		RIGGED(test_a_signal_for_one_that_was_refused_breaks_reg_1),
		RIGGED(test_two_stops_for_a_latecomer_break_reg_2),
		RIGGED(test_a_latecomer_that_is_taken_breaks_reg_2),
		RIGGED(test_a_pause_on_registering_with_a_free_consumer_breaks_reg_3),
		RIGGED(test_a_second_pull_on_registering_breaks_reg_3),
		RIGGED(test_no_pause_on_registering_with_a_full_consumer_breaks_reg_4),
		RIGGED(test_a_signal_on_unregistering_breaks_reg_5),
		RIGGED(test_an_unregister_that_does_not_break_reg_5),
		RIGGED(test_a_resume_for_the_last_ones_pause_breaks_reg_6),
		RIGGED(test_bytes_that_unregistering_drops_break_reg_7),
		RIGGED(test_a_producer_that_is_lost_breaks_reg_8),
		RIGGED(test_a_producer_that_is_refused_and_kept_breaks_reg_8),
		RIGGED(test_a_stop_of_one_that_stays_registered_breaks_reg_8),
		RIGGED(test_more_than_the_mark_and_a_chunk_breaks_mem_1),
		RIGGED(test_more_out_than_in_breaks_data_1),
		RIGGED(test_a_write_that_is_accepted_after_the_end_breaks_data_2),
		RIGGED(test_a_buffer_that_is_changed_breaks_data_4),
		RIGGED(test_a_sum_that_is_not_right_breaks_obs_1),
		RIGGED(test_a_second_stop_breaks_end_2),
		RIGGED(test_a_stop_after_the_producers_own_end_breaks_end_2),
		RIGGED(test_no_stop_on_its_death_breaks_end_2),
		RIGGED(test_a_finish_with_bytes_held_breaks_end_3),
		RIGGED(test_bytes_held_after_a_failure_break_end_4),
		RIGGED(test_a_finish_that_does_not_wait_breaks_end_9),
		RIGGED(test_a_puppet_that_is_right_breaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
