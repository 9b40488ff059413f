/* SPDX-License-Identifier: MIT */
/* The Twisted profile's proxy beside others at its consumer, and at a consumer that dies. */
#include "between_fixture.h"

#include <errno.h>

#include "weir/err.h"
#include "weir/proxy.h"

struct rig {
	struct world w;
	struct weir_proxy *proxy;
	struct source source, other;
	struct sink sink;
};

static void open_rig(struct rig *r)
{
	struct weir_proxy_options options = {.twisted = true};

	*r = (struct rig){.proxy = NULL};
	world_open(&r->w, (size_t)1 << 20);
	assert_int_equal(weir_proxy_create(&r->w.ctx, &options, &r->proxy), 0);
	sink_open(&r->sink, &r->w);
	source_open(&r->source, WEIR_PUSH);
	source_open(&r->other, WEIR_PUSH);
	assert_int_equal(
		weir_consumer_register(&r->sink.v.base, weir_proxy_source(r->proxy), WEIR_PUSH), 0);
	assert_int_equal(
		weir_consumer_register(weir_proxy_sink(r->proxy), &r->source.base, WEIR_PUSH), 0);
}

static void close_rig(struct rig *r)
{
	assert_false(r->source.broken);
	assert_false(r->other.broken);
	weir_proxy_destroy(r->proxy);
	weir_valve_fini(&r->sink.v);
	world_run(&r->w);
	world_close(&r->w);
}

/* The proxy's producer leaves, so that the proxy does, and another comes to the sink. */
static void leave_to_other(struct rig *r)
{
	weir_consumer_unregister(weir_proxy_sink(r->proxy));
	assert_int_equal(weir_consumer_register(&r->sink.v.base, &r->other.base, WEIR_PUSH), 0);
}

static void test_a_failure_does_not_reach_a_consumer_that_is_anothers_by_now(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	leave_to_other(&r);
	weir_consumer_fail(weir_proxy_sink(r.proxy), -EIO);
	world_run(&r.w);
	assert_true(state_of(weir_proxy_sink(r.proxy)).ended);
	assert_int_equal(r.sink.on_ends, 0);
	assert_int_equal(r.other.stops, 0);
	assert_int_equal(source_write(&r.other, 10), 0);
	assert_int_equal(r.sink.got, 10);
	close_rig(&r);
}

static void test_an_end_that_another_has_told_is_no_complete_end_of_ours(void **state)
{
	struct weir_consumer_state s;
	struct rig r;

	(void)state;
	open_rig(&r);
	leave_to_other(&r);
	weir_producer_end(&r.other.base, 0);
	world_run(&r.w);
	assert_int_equal(r.sink.on_end_why, 0);
	s = state_of(weir_proxy_sink(r.proxy));
	assert_true(s.ended);
	assert_int_equal(s.why, WEIR_ECLOSED);
	close_rig(&r);
}

static void test_a_second_finish_changes_nothing(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	assert_int_equal(source_write(&r.source, 10), 0);
	weir_consumer_finish(weir_proxy_sink(r.proxy));
	weir_consumer_finish(weir_proxy_sink(r.proxy));
	world_run(&r.w);
	assert_int_equal(r.sink.got, 10);
	assert_int_equal(r.sink.on_ends, 1);
	assert_int_equal(r.sink.on_end_why, 0);
	weir_consumer_finish(weir_proxy_sink(r.proxy));
	assert_int_equal(state_of(weir_proxy_sink(r.proxy)).why, 0);
	close_rig(&r);
}

static struct weir_consumer_ops dying_ops;

static int refuse_and_die(struct weir_consumer *c, const void *data, size_t len)
{
	(void)data;
	(void)len;
	weir_valve_die((struct weir_valve *)c, -EPIPE);
	return WEIR_EFULL;
}

static void test_what_a_consumer_refuses_and_dies_of_is_not_kept(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	dying_ops = *r.sink.v.base.ops;
	dying_ops.write = refuse_and_die;
	r.sink.v.base.ops = &dying_ops;
	assert_true(source_write(&r.source, 100) < 0);
	assert_int_equal(r.source.stop_why, -EPIPE);
	assert_int_equal(state_of(weir_proxy_sink(r.proxy)).in, 0);
	assert_int_equal(source_write_to(&r.source, weir_proxy_sink(r.proxy), 1), WEIR_ECLOSED);
	assert_int_equal(r.w.budget.used, 0);
	close_rig(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_failure_does_not_reach_a_consumer_that_is_anothers_by_now),
		cmocka_unit_test(test_an_end_that_another_has_told_is_no_complete_end_of_ours),
		cmocka_unit_test(test_a_second_finish_changes_nothing),
		cmocka_unit_test(test_what_a_consumer_refuses_and_dies_of_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
