/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_OOM_FIXTURE_H
#define WEIR_TESTS_OOM_FIXTURE_H
/* oom_fixture.h -- a scenario again and again, each time with another allocation failing. */
#include "core_fixture.h"

#include "fail_alloc.h"

/* Run `scenario` with the n-th allocation failing, for each n. */
static inline void for_each_failure(void (*scenario)(void), unsigned at_least)
{
	unsigned n = 0;

	do {
		weir_test_fail_alloc_after(++n);
		scenario();
		assert_true(n < 10000);
	} while (weir_test_alloc_failed());
	weir_test_fail_alloc_after(-1);
	assert_true(n > at_least);
}

#endif
