/* SPDX-License-Identifier: MIT */
/* A processor without a consumer behind it, and one that has ended. */
#include "between_fixture.h"

#include <errno.h>

#include "weir/err.h"
#include "weir/impl/processor.h"

static unsigned overs;

static void count_over(struct weir_processor *p)
{
	(void)p;
	overs++;
}

static const struct weir_processor_ops through_ops = {
	.name = "through",
	.process = weir_processor_pass_on,
	.flush = weir_processor_said_all,
	.room = weir_processor_any_room,
	.over = count_over,
};

struct rig {
	struct world w;
	struct weir_processor p;
	struct source source;
	struct sink sink;
};

static void open_rig(struct rig *r)
{
	*r = (struct rig){.w = {.now = 0}};
	overs = 0;
	world_open(&r->w, (size_t)1 << 20);
	weir_processor_init(&r->p, &through_ops, &r->w.ctx);
	source_open(&r->source, WEIR_PUSH);
	sink_open(&r->sink, &r->w);
	assert_int_equal(weir_consumer_register(&r->p.front.base, &r->source.base, WEIR_PUSH), 0);
}

static void close_rig(struct rig *r)
{
	assert_false(r->source.broken);
	assert_false(r->sink.garbled);
	weir_processor_fini(&r->p);
	weir_valve_fini(&r->sink.v);
	world_run(&r->w);
	world_close(&r->w);
}

static void test_there_is_no_room_behind_without_a_consumer(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	assert_int_equal(weir_processor_room(&r.p), 0);
	assert_int_equal(weir_consumer_register(&r.sink.v.base, &r.p.back, WEIR_PUSH), 0);
	world_run(&r.w);
	assert_true(weir_processor_room(&r.p) > 0);
	weir_consumer_unregister(&r.sink.v.base);
	assert_int_equal(weir_processor_room(&r.p), 0);
	close_rig(&r);
}

static void test_one_that_has_ended_cannot_fail_any_more(void **state)
{
	struct weir_consumer_state s;
	struct rig r;

	(void)state;
	open_rig(&r);
	assert_int_equal(weir_consumer_register(&r.sink.v.base, &r.p.back, WEIR_PUSH), 0);
	world_run(&r.w);
	assert_int_equal(source_write(&r.source, 100), 0);
	weir_producer_end(&r.source.base, 0);
	world_run(&r.w);
	assert_int_equal(r.sink.on_end_why, 0);
	weir_processor_fail(&r.p, -EIO);
	world_run(&r.w);
	s = state_of(&r.p.front.base);
	assert_true(s.ended);
	assert_int_equal(s.why, 0);
	assert_int_equal(overs, 1);
	assert_int_equal(r.sink.on_ends, 1);
	assert_int_equal(r.sink.got, 100);
	close_rig(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_is_no_room_behind_without_a_consumer),
		cmocka_unit_test(test_one_that_has_ended_cannot_fail_any_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
