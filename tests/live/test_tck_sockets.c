/* SPDX-License-Identifier: MIT */
/* HALF of the contract kit on connections of the system's: TCP and UNIX sockets half-close, and
 * give what can be read before they tell of a reset. */
#include "../unit/tck_pair.h"

#include "net_fixture.h"
#include "weir/tcp.h"
#include "weir/unix.h"

static struct bench *bench;

static void turn(void *arg)
{
	(void)arg;
	run_for(bench, MS);
}

static int connect_tcp(struct weir_listener **l, struct opened *o)
{
	char port[16];

	assert_int_equal(weir_tcp_listen(bench->loop, "127.0.0.1", "0", NULL, l), 0);
	snprintf(port, sizeof(port), "%d", weir_listener_port(*l));
	return weir_tcp_connect(bench->loop, "127.0.0.1", port, NULL, on_open, o, NULL);
}

static int connect_unix(struct weir_listener **l, struct opened *o)
{
	static unsigned count;
	char name[64];

	snprintf(name, sizeof(name), "@weir-test-tck-%d-%u", (int)getpid(), count++);
	assert_int_equal(weir_unix_listen(bench->loop, name, l), 0);
	return weir_unix_connect(bench->loop, name, on_open, o, NULL);
}

/* `arg`: true for TCP. */
static int make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct weir_transport **sides = calloc(2, sizeof(*sides));
	struct accepted a = {0};
	struct opened o = {0};

	(void)kit;
	assert_non_null(sides);
	assert_int_equal(*(bool *)arg ? connect_tcp(&a.l, &o) : connect_unix(&a.l, &o), 0);
	weir_listener_start(a.l, on_accept, &a);
	wait_for(bench, is_opened, &o);
	wait_for(bench, has_accepted_1, &a);
	assert_int_equal(o.rc, 0);
	weir_listener_close(a.l);
	sides[0] = o.t;
	sides[1] = a.t[0];
	describe_pair(sides, out);
	return 0;
}

static void keeps_half(struct bench *b, bool tcp)
{
	const struct weir_tck_subject subject = {
		.name = tcp ? "tcp" : "unix",
		.arg = &tcp,
		.make = make,
		.destroy = pair_destroy,
		.numbers = VALVE_NUMBERS,
		.traits =
			{
				.outside = true,
				.loses_cause = true,
				.push_only = true,
				.half_closes = true,
				.sink_cannot_fail =
					!tcp, /* a UNIX socket has no reset of its own */
			},
	};
	struct tally tally = {.prints = true};
	struct weir_tck_options options = {
		.effort = 1,
		.ids = "HALF",
		.report = tally_report,
		.ctx = weir_loop_context(b->loop),
		.turn = turn,
		.patience = 1000,
		.arg = &tally,
	};

	bench = b;
	assert_int_equal(weir_tck_run(&subject, &options), 0);
	assert_string_equal(tally.missing, "HALF-3 HALF-5 ");
}

static void test_a_tcp_connection_half_closes_and_is_read_before_a_reset(void **state)
{
	keeps_half(*state, true);
}

static void test_a_unix_connection_half_closes_and_is_read_before_a_reset(void **state)
{
	keeps_half(*state, false);
}

#define BENCH(test) cmocka_unit_test_setup_teardown(test, bench_set_up, bench_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH(test_a_tcp_connection_half_closes_and_is_read_before_a_reset),
		BENCH(test_a_unix_connection_half_closes_and_is_read_before_a_reset),
	};

	return cmocka_run_group_tests(tests, warm_up, NULL);
}
