/* SPDX-License-Identifier: MIT */
/* What an endpoint's text means, and what is said about a text that means nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "endpoint/endpoint_priv.h"
#include "fail_alloc.h"
#include "weir/pattern.h"

struct good {
	const char *text, *scheme, *host, *port, *path;
	uint64_t size, seed;
};

static void check_text(const char *is, const char *wanted)
{
	if (wanted)
		assert_string_equal(is, wanted);
	else
		assert_null(is);
}

static void check_good(const struct good *g, size_t count)
{
	for (size_t i = 0; i < count; i++, g++) {
		struct weir_endpoint *e = NULL;
		const char *expected = "(nothing)";
		int rc = weir_endpoint_parse(g->text, &e, &expected);

		if (rc != 0)
			fail_msg("%s: refused, expected %s", g->text, expected);
		assert_string_equal(weir_endpoint_text(e), g->text);
		assert_string_equal(weir_endpoint_scheme(e), g->scheme);
		check_text(weir_endpoint_path(e), g->path);
		check_text(e->host, g->host);
		check_text(e->port, g->port);
		assert_true(e->size == g->size);
		assert_true(e->seed == g->seed);
		weir_endpoint_destroy(e);
	}
}

static void test_paths_are_files(void **state)
{
	static const struct good table[] = {
		{.text = "a", .scheme = "file", .path = "a"},
		{.text = "/tmp/a b", .scheme = "file", .path = "/tmp/a b"},
		{.text = "--", .scheme = "file", .path = "--"},
		{.text = "./tcp://x:1", .scheme = "file", .path = "./tcp://x:1"},
		{.text = "12:30:00.log", .scheme = "file", .path = "12:30:00.log"},
		{.text = "host:data", .scheme = "file", .path = "host:data"},
		{.text = "C:\\data", .scheme = "file", .path = "C:\\data"},
		{.text = ":a", .scheme = "file", .path = ":a"},
		{.text = "a b://c", .scheme = "file", .path = "a b://c"},
		{.text = "\xff\n", .scheme = "file", .path = "\xff\n"},
		{.text = "file:a", .scheme = "file", .path = "a"},
		{.text = "file:tcp://a:1", .scheme = "file", .path = "tcp://a:1"},
		{.text = "file:/a/b", .scheme = "file", .path = "/a/b"},
		{.text = "file:///a/b", .scheme = "file", .path = "/a/b"},
		{.text = "file://localhost/a", .scheme = "file", .path = "/a"},
		{.text = "file:-", .scheme = "file", .path = "-"},
	};

	(void)state;
	check_good(table, sizeof(table) / sizeof(table[0]));
}

static void test_addresses_are_taken_apart(void **state)
{
	static const struct good table[] = {
		{.text = "tcp://h:80", .scheme = "tcp", .host = "h", .port = "80"},
		{.text = "tcp://10.0.0.1:65535", .scheme = "tcp", .host = "10.0.0.1",
		 .port = "65535"},
		{.text = "tcp://a-b.example:http", .scheme = "tcp", .host = "a-b.example",
		 .port = "http"},
		{.text = "tcp://[::1]:1", .scheme = "tcp", .host = "::1", .port = "1"},
		{.text = "tcp://[fe80::1%eth0]:1", .scheme = "tcp", .host = "fe80::1%eth0",
		 .port = "1"},
		{.text = "tcp-listen://:0", .scheme = "tcp-listen", .host = "", .port = "0"},
		{.text = "tcp-listen://*:80", .scheme = "tcp-listen", .host = "*", .port = "80"},
		{.text = "tcp-listen://[::]:80", .scheme = "tcp-listen", .host = "::",
		 .port = "80"},
		{.text = "unix:/run/a", .scheme = "unix", .path = "/run/a"},
		{.text = "unix:@a", .scheme = "unix", .path = "@a"},
		{.text = "unix-listen:a", .scheme = "unix-listen", .path = "a"},
		{.text = "exec:a 'b:c'", .scheme = "exec", .path = "a 'b:c'"},
	};

	(void)state;
	check_good(table, sizeof(table) / sizeof(table[0]));
}

static void test_patterns_have_sizes(void **state)
{
	static const struct good table[] = {
		{.text = "-", .scheme = "-"},
		{.text = "null:", .scheme = "null"},
		{.text = "zero:", .scheme = "zero", .size = WEIR_ENDLESS},
		{.text = "zero:0", .scheme = "zero"},
		{.text = "zero:5k", .scheme = "zero", .size = 5000},
		{.text = "random:", .scheme = "random", .size = WEIR_ENDLESS},
		{.text = "random:?seed=3", .scheme = "random", .size = WEIR_ENDLESS, .seed = 3},
		{.text = "random:2Mi?seed=18446744073709551615", .scheme = "random",
		 .size = 2097152, .seed = UINT64_MAX},
	};

	(void)state;
	check_good(table, sizeof(table) / sizeof(table[0]));
}

static void test_malformed_text_says_what_was_expected(void **state)
{
	static const struct {
		const char *text, *expected;
	} table[] = {
		{"", "a path, as in file:PATH"},
		{"file:", "a path, as in file:PATH"},
		{"file://a/b", "an absolute path after file://, as in file:///PATH, or file:PATH"},
		{"http://a/", "a path, or one of the schemes file:, tcp://, tcp-listen://, unix:, "
			      "unix-listen:, exec:, null:, zero: and random:"},
		{"TCP://a:1", "a path, or one of the schemes file:, tcp://, tcp-listen://, unix:, "
			      "unix-listen:, exec:, null:, zero: and random:"},
		{"tcp:", "two slashes and an address, as in tcp://HOST:PORT"},
		{"tcp:a:1", "two slashes and an address, as in tcp://HOST:PORT"},
		{"tcp:/a:1", "two slashes and an address, as in tcp://HOST:PORT"},
		{"tcp://", "a host, as in tcp://HOST:PORT"},
		{"tcp://:1", "a host, as in tcp://HOST:PORT"},
		{"tcp://*:1", "a host, as in tcp://HOST:PORT"},
		{"tcp://a b:1", "a host, as in tcp://HOST:PORT"},
		{"tcp://u@a:1", "a host, as in tcp://HOST:PORT"},
		{"tcp://host", "a port, as in tcp://HOST:PORT"},
		{"tcp://host:", "a port, as in tcp://HOST:PORT"},
		{"tcp://host:0", "a port from 1 to 65535, or the name of a service"},
		{"tcp://host:65536", "a port from 1 to 65535, or the name of a service"},
		{"tcp://host:-1", "a port from 1 to 65535, or the name of a service"},
		{"tcp://host:000080", "a port from 1 to 65535, or the name of a service"},
		{"tcp://host:80/", "a port from 1 to 65535, or the name of a service"},
		{"tcp://host: 80", "a port from 1 to 65535, or the name of a service"},
		{"tcp://::1:80", "an IPv6 address in brackets, as in tcp://[::1]:80"},
		{"tcp://[::1]", "a port, as in tcp://HOST:PORT"},
		{"tcp://[::1]80", "a port, as in tcp://HOST:PORT"},
		{"tcp://[::1:80", "an IPv6 address between the brackets, as in tcp://[::1]:80"},
		{"tcp://[]:80", "an IPv6 address between the brackets, as in tcp://[::1]:80"},
		{"tcp://[a]:80", "an IPv6 address between the brackets, as in tcp://[::1]:80"},
		{"tcp://[::1%]:80", "an IPv6 address between the brackets, as in tcp://[::1]:80"},
		{"tcp-listen:80", "two slashes and an address, as in tcp-listen://HOST:PORT"},
		{"tcp-listen://", "a port, as in tcp-listen://HOST:PORT"},
		{"tcp-listen://**:1", "a host, as in tcp-listen://HOST:PORT"},
		{"tcp-listen://:65536", "a port from 0 to 65535, or the name of a service"},
		{"tcp-listen://::1:1", "an IPv6 address in brackets, as in tcp-listen://[::1]:80"},
		{"unix:", "a path or @NAME, as in unix:PATH"},
		{"unix:@", "a path or @NAME, as in unix:PATH"},
		{"unix-listen:", "a path or @NAME, as in unix-listen:PATH"},
		{"exec:", "a command, as in exec:COMMAND"},
		{"exec: \t", "a command, as in exec:COMMAND"},
		{"null:x", "nothing after null:"},
		{"zero:x", "a size or nothing, as in zero:64Mi"},
		{"zero:-1", "a size or nothing, as in zero:64Mi"},
		{"zero:1?seed=1", "a size or nothing, as in zero:64Mi"},
		{"random:1x", "a size or nothing, as in random:64Mi"},
		{"random:1?", "a seed from 0 to 2^64-1, as in random:64Mi?seed=7"},
		{"random:1?seed=", "a seed from 0 to 2^64-1, as in random:64Mi?seed=7"},
		{"random:1?seed=x", "a seed from 0 to 2^64-1, as in random:64Mi?seed=7"},
		{"random:?seed=18446744073709551616",
		 "a seed from 0 to 2^64-1, as in random:64Mi?seed=7"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct weir_endpoint *e = (void *)&table;
		const char *expected = NULL;

		if (weir_endpoint_parse(table[i].text, &e, &expected) != WEIR_EENDPOINT)
			fail_msg("\"%s\" was accepted", table[i].text);
		assert_string_equal(expected, table[i].expected);
		assert_ptr_equal(e, &table); /* untouched */
		assert_int_equal(weir_endpoint_parse(table[i].text, &e, NULL), WEIR_EENDPOINT);
	}
}

static void test_names_that_are_too_long_are_refused(void **state)
{
	char text[400] = "unix:";
	struct weir_endpoint *e;

	(void)state;
	memset(text + 5, 'a', 108);
	assert_int_equal(weir_endpoint_parse(text, &e, NULL), WEIR_EENDPOINT);
	text[5 + 107] = '\0';
	assert_int_equal(weir_endpoint_parse(text, &e, NULL), 0);
	weir_endpoint_destroy(e);

	memset(text, 0, sizeof(text));
	memcpy(text, "tcp://", 6);
	memset(text + 6, 'a', 256);
	memcpy(text + 6 + 256, ":1", 2);
	assert_int_equal(weir_endpoint_parse(text, &e, NULL), WEIR_EENDPOINT);
}

static void test_roles_are_what_each_scheme_can(void **state)
{
	static const struct {
		const char *text;
		bool source, sink, both, listens, stdio;
	} table[] = {
		{"-", true, true, true, false, true},
		{"file:a", true, true, false, false, false},
		{"tcp://a:1", true, true, true, false, false},
		{"tcp-listen://a:1", true, true, true, true, false},
		{"unix:a", true, true, true, false, false},
		{"unix-listen:a", true, true, true, true, false},
		{"exec:a", true, true, true, false, false},
		{"null:", true, true, false, false, false},
		{"zero:", true, false, false, false, false},
		{"random:", true, false, false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct weir_endpoint *e;

		assert_int_equal(weir_endpoint_parse(table[i].text, &e, NULL), 0);
		assert_int_equal(weir_endpoint_can(e, WEIR_ROLE_SOURCE), table[i].source);
		assert_int_equal(weir_endpoint_can(e, WEIR_ROLE_SINK), table[i].sink);
		assert_int_equal(weir_endpoint_can(e, WEIR_ROLE_BOTH), table[i].both);
		assert_int_equal(weir_endpoint_listens(e), table[i].listens);
		assert_int_equal(weir_endpoint_is_stdio(e), table[i].stdio);
		weir_endpoint_destroy(e);
	}
	weir_endpoint_destroy(NULL);
}

static void test_sizes_have_units_of_1000_and_1024(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
	} good[] = {
		{"0", 0}, {"007", 7}, {"1k", 1000}, {"1Ki", 1024}, {"3M", 3000000},
		{"3Mi", 3145728}, {"1G", 1000000000}, {"1Gi", 1073741824},
		{"2T", 2000000000000}, {"2Ti", 2199023255552},
		{"18446744073709551614", UINT64_MAX - 1},
	};
	static const char *const bad[] = {
		"", "k", "-1", "+1", " 1", "1 ", "1K", "1ki", "1kib", "1m", "1MB", "1.5M", "0x10",
		"1kk", "18446744073709551615", "18446744073709551616", "99999999999999999999999",
		"16777216Ti", "18446744073710T",
	};
	uint64_t n = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(weir_size_parse(good[i].text, &n), 0);
		assert_true(n == good[i].size);
	}
	n = 77;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (weir_size_parse(bad[i], &n) != WEIR_EENDPOINT)
			fail_msg("\"%s\" was accepted", bad[i]);
		assert_true(n == 77);
	}
}

static void test_every_allocation_of_a_parse_may_fail(void **state)
{
	static const char *const texts[] = {"a", "tcp://h:1", "tcp-listen://[::1]:1", "unix:a",
					    "exec:a", "random:1?seed=2"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (long n = 1;; n++) {
			struct weir_endpoint *e = NULL;
			int rc;

			weir_test_fail_alloc_after(n);
			rc = weir_endpoint_parse(texts[i], &e, NULL);
			if (!weir_test_alloc_failed()) {
				weir_test_fail_alloc_after(-1);
				assert_int_equal(rc, 0);
				weir_endpoint_destroy(e);
				break;
			}
			assert_int_equal(rc, -12 /* ENOMEM */);
			assert_null(e);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_are_files),
		cmocka_unit_test(test_addresses_are_taken_apart),
		cmocka_unit_test(test_patterns_have_sizes),
		cmocka_unit_test(test_malformed_text_says_what_was_expected),
		cmocka_unit_test(test_names_that_are_too_long_are_refused),
		cmocka_unit_test(test_roles_are_what_each_scheme_can),
		cmocka_unit_test(test_sizes_have_units_of_1000_and_1024),
		cmocka_unit_test(test_every_allocation_of_a_parse_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
