/* SPDX-License-Identifier: MIT */
/* Guards in every joint of random schedules, which are right code, raise no alarm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fail_alloc.h"
#include "weir/sim.h"

/* Each takes some milliseconds: a guard takes a stack at each pull and pause. */
#define SCHEDULES 600
#define SCHEDULES_QUICK 30

static void print(void *arg, const char *line)
{
	(void)arg;
	print_message("%s\n", line);
}

static void test_guards_raise_no_alarm_in_any_schedule(void **state)
{
	struct weir_sim_schedule_options options = {
		.fail_alloc = weir_test_fail_alloc_after,
		.guarded = true,
		.print = print,
	};
	unsigned schedules = getenv("WEIR_TEST_QUICK") ? SCHEDULES_QUICK : SCHEDULES;
	struct weir_sim_result result;
	uint64_t bytes = 0;

	(void)state;
	for (options.seed = 1; options.seed <= schedules; options.seed++) {
		assert_true(weir_sim_schedule(&options, &result));
		bytes += result.bytes;
	}
	assert_true(bytes > schedules * UINT64_C(1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guards_raise_no_alarm_in_any_schedule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
