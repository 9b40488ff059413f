/* SPDX-License-Identifier: MIT */
/* The store in a file: first in, first out, no larger than it may be. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fds.h"
#include "weir/impl/spill.h"

static unsigned char at(uint64_t offset)
{
	return (unsigned char)(offset * 131 + (offset >> 8) * 17);
}

static void test_bytes_come_back_in_order_and_space_is_used_again(void **state)
{
	uint64_t in = 0, out = 0;
	unsigned char data[5000];
	struct weir_spill *s;
	int fds = weir_test_open_fds();

	(void)state;
	assert_int_equal(weir_spill_file(NULL, 7001, &s), 0);
	assert_int_equal(s->ops->fetch(s, data, sizeof(data)), 0);
	for (unsigned round = 0; round < 2000; round++) {
		size_t len = round * 37 % sizeof(data) + 1;
		uint64_t room = 7001 - (in - out);
		int64_t n;

		for (size_t i = 0; i < len; i++)
			data[i] = at(in + i);
		n = s->ops->store(s, data, len);
		assert_int_equal(n, len < room ? len : room);
		in += (uint64_t)n;
		n = s->ops->fetch(s, data, round * 53 % sizeof(data));
		assert_true(n >= 0);
		for (int64_t i = 0; i < n; i++)
			assert_int_equal(data[i], at(out + (uint64_t)i));
		out += (uint64_t)n;
	}
	assert_true(out > 1000000);
	weir_spill_destroy(s);
	assert_int_equal(weir_test_open_fds(), fds);
}

static void test_what_cannot_be_is_an_error(void **state)
{
	struct weir_spill *s;

	(void)state;
	assert_int_equal(weir_spill_file(NULL, 0, &s), -EINVAL);
	assert_int_equal(weir_spill_file("/nowhere/at/all", 100, &s), -ENOENT);
	weir_spill_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_come_back_in_order_and_space_is_used_again),
		cmocka_unit_test(test_what_cannot_be_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
