/* SPDX-License-Identifier: MIT */
/*
 * The linker's --wrap sends malloc() to __wrap_malloc() and names the true one
 * __real_malloc(); likewise for calloc() and realloc().
 */
#include "fail_alloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static atomic_long total;
static atomic_long left; /* until the failure; 0 or less: none will fail */
static atomic_bool failed;

void weir_test_fail_alloc_after(long n)
{
	failed = false;
	left = n > 0 ? n : 0;
}

long weir_test_alloc_count(void)
{
	return total;
}

bool weir_test_alloc_failed(void)
{
	return failed;
}

static bool must_fail(void)
{
	atomic_fetch_add(&total, 1);
	if (left <= 0 || atomic_fetch_sub(&left, 1) != 1)
		return false;
	failed = true;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return must_fail() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return must_fail() ? NULL : __real_realloc(old, size);
}
