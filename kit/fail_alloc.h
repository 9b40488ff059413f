/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_FAIL_ALLOC_H
#define WEIR_TEST_FAIL_ALLOC_H
/*
 * fail_alloc.h -- make one allocation fail, to test what happens then.
 *
 * Tests, and weir-sim, are linked so that malloc, calloc and realloc, where the
 * library and the test itself call them, come here first.  Calls inside shared
 * libraries (libuv, the C library's strdup) do not.
 *
 * Run the same scenario with n = 1, 2, 3, ... until weir_test_alloc_failed()
 * stays false: then every allocation in it has failed once.
 *
 * Threads   the counters are atomic; they count all threads together.
 */
#include <stdbool.h>

/*
 * The `n`-th allocation from now fails, and only that one; 1 is the next.
 * -1 lets all succeed.  Resets weir_test_alloc_failed().
 */
void weir_test_fail_alloc_after(long n);

/* How many allocations there were since the program started. */
long weir_test_alloc_count(void);

/* Whether the allocation that should fail came, and failed. */
bool weir_test_alloc_failed(void);

#endif
