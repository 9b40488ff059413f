/* SPDX-License-Identifier: MIT */
/* The error table: every code has a name and a text, whatever is asked. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "weir/err.h"

struct row {
	const char *name;
	int code;
	const char *text;
};

static const struct row table[] = {
#define ROW(name, value, text) {#name, name, text},
	WEIR_ERR_MAP(ROW)
#undef ROW
};

#define ROWS (sizeof(table) / sizeof(table[0]))

static void test_each_code_of_ours_has_its_own_name_and_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		assert_string_equal(weir_err_name(table[i].code), table[i].name);
		assert_string_equal(weir_err_text(table[i].code), table[i].text);
	}
}

static void test_codes_are_distinct_and_below_every_errno(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		assert_true(table[i].code <= WEIR_ERR_BASE);
		assert_true(table[i].code < -4095);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(table[i].code, table[k].code);
	}
}

static void test_texts_are_lower_case_fragments_without_a_full_stop(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		const char *text = weir_err_text(table[i].code);
		size_t len = strlen(text);

		assert_true(len > 0);
		assert_true(islower((unsigned char)text[0]));
		assert_int_not_equal(text[len - 1], '.');
		assert_null(strchr(text, '\n'));
	}
}

static void test_system_codes_are_named(void **state)
{
	(void)state;
	assert_string_equal(weir_err_name(-EPIPE), "EPIPE");
	assert_string_equal(weir_err_name(-ENOMEM), "ENOMEM");
	assert_string_equal(weir_err_name(-ECONNRESET), "ECONNRESET");
	assert_string_equal(weir_err_name(-ENOENT), "ENOENT");
}

static void test_the_text_of_a_system_code_is_the_systems(void **state)
{
	(void)state;
	assert_string_equal(weir_err_text(-EPIPE), strerror(EPIPE));
	assert_string_equal(weir_err_text(-ENOENT), strerror(ENOENT));
}

static void test_codes_without_a_name_say_so(void **state)
{
	(void)state;
	assert_string_equal(weir_err_name(-4094), "errno");
	assert_string_equal(weir_err_name(-5999), "unknown");
	assert_string_equal(weir_err_name(1), "unknown");
	assert_string_equal(weir_err_name(INT_MIN), "unknown");
	assert_string_equal(weir_err_name(INT_MAX), "unknown");
}

static void test_no_code_at_all_gives_null(void **state)
{
	(void)state;
	for (int code = -6000; code < 200; code++) {
		assert_non_null(weir_err_name(code));
		assert_non_null(weir_err_text(code));
		assert_true(weir_err_name(code)[0] != '\0');
		assert_true(weir_err_text(code)[0] != '\0');
	}
	assert_non_null(weir_err_text(INT_MIN));
	assert_non_null(weir_err_text(INT_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_code_of_ours_has_its_own_name_and_text),
		cmocka_unit_test(test_codes_are_distinct_and_below_every_errno),
		cmocka_unit_test(test_texts_are_lower_case_fragments_without_a_full_stop),
		cmocka_unit_test(test_system_codes_are_named),
		cmocka_unit_test(test_the_text_of_a_system_code_is_the_systems),
		cmocka_unit_test(test_codes_without_a_name_say_so),
		cmocka_unit_test(test_no_code_at_all_gives_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
