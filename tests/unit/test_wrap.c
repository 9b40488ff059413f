/* SPDX-License-Identifier: MIT */
/* A wrap that changes nothing is not there: neither side can tell. */
#include "core_fixture.h"

#include <errno.h>

#include "weir/impl/wrap.h"

#define HIGH 1000

struct rig {
	struct world w;
	struct sink s;
	struct source p;
	struct weir_wrap wrap;
	struct weir_end_watch watch;
	unsigned ends;
	int why;
};

static void on_end(void *arg, int why)
{
	struct rig *t = arg;

	t->ends++;
	t->why = why;
}

static int setup(void **state)
{
	struct rig *t = test_calloc(1, sizeof(*t));

	world_open(&t->w, (size_t)16 << 20);
	sink_open(&t->s, &t->w);
	assert_int_equal(weir_valve_set_marks(&t->s.v, HIGH, 200, 3 * HIGH), 0);
	weir_wrap_init(&t->wrap, &t->s.v.base, &weir_wrap_consumer_ops, &weir_wrap_producer_ops);
	weir_consumer_watch_end(&t->wrap.front, &t->watch, on_end, t);
	source_open(&t->p, WEIR_PUSH);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct rig *t = *state;

	weir_wrap_fini(&t->wrap);
	assert_false(t->p.broken || t->s.garbled);
	weir_valve_fini(&t->s.v);
	world_run(&t->w);
	world_close(&t->w);
	test_free(t);
	return 0;
}

static int join(struct rig *t, struct source *p)
{
	return weir_consumer_register(&t->wrap.front, &p->base, p->base.mode);
}

static void test_bytes_and_what_is_said_of_them_pass(void **state)
{
	struct rig *t = *state;
	struct weir_consumer_state front, inner;
	struct weir_chunk chunk;
	struct weir_block *block;

	t->s.window = 100;
	assert_int_equal(source_write_to(&t->p, &t->wrap.front, 300), 0);
	assert_int_equal(weir_pool_take(&t->w.ctx.pool, 10, &block), 0);
	pattern_fill(block->data, block->used = 10, 300);
	chunk = weir_chunk_from_block(block);
	assert_int_equal(weir_consumer_give(&t->wrap.front, &chunk), 0);
	weir_consumer_state(&t->wrap.front, &front);
	weir_consumer_state(&t->s.v.base, &inner);
	assert_int_equal(front.in, inner.in);
	assert_int_equal(front.out, 100);
	assert_int_equal(front.held, 210);
	assert_int_equal(weir_consumer_room(&t->wrap.front), weir_consumer_room(&t->s.v.base));
	assert_int_equal(source_write_to(&t->p, &t->wrap.front, 3 * HIGH), WEIR_EFULL);
}

static void test_a_push_producer_is_told_all_that_the_inner_consumer_says(void **state)
{
	struct rig *t = *state;

	t->s.window = 0;
	assert_int_equal(join(t, &t->p), 0);
	assert_ptr_equal(weir_consumer_producer(&t->wrap.front), &t->p.base);
	assert_int_equal(source_write(&t->p, HIGH), 0);
	sink_take(&t->s, SIZE_MAX);
	assert_string_equal(t->p.log, "Spr");
	weir_valve_die(&t->s.v, -EPIPE);
	assert_string_equal(t->p.log, "Sprx");
	assert_int_equal(t->p.stop_why, -EPIPE);
	assert_int_equal(t->ends, 1);
	assert_int_equal(t->why, -EPIPE);
}

static void test_a_full_consumer_pauses_as_it_is_registered(void **state)
{
	struct rig *t = *state;

	t->s.window = 0;
	assert_int_equal(source_write_to(&t->p, &t->wrap.front, HIGH), 0);
	assert_int_equal(join(t, &t->p), 0);
	assert_string_equal(t->p.log, "Sp");
}

static void pull_100(struct source *p)
{
	if (p->resumes % 3)
		source_write(p, 100);
}

static void test_a_pull_producer_is_pulled_and_wakes(void **state)
{
	struct rig *t = *state;

	source_open(&t->p, WEIR_PULL);
	t->p.on_resume = pull_100;
	assert_int_equal(join(t, &t->p), 0);
	assert_int_equal(t->s.got, 200);
	weir_consumer_wake(&t->wrap.front);
	world_run(&t->w);
	assert_int_equal(t->s.got, 400);
}

static void test_a_finish_passes(void **state)
{
	struct rig *t = *state;

	assert_int_equal(join(t, &t->p), 0);
	assert_int_equal(source_write(&t->p, 10), 0);
	weir_producer_end(&t->p.base, 0);
	assert_null(weir_consumer_producer(&t->s.v.base));
	assert_int_equal(t->s.on_end_why, 0);
	assert_int_equal(t->ends, 1);
	assert_int_equal(t->why, 0);
}

static void test_a_failure_passes(void **state)
{
	struct rig *t = *state;

	weir_consumer_fail(&t->wrap.front, -EIO);
	assert_int_equal(t->s.end_why, -EIO);
	assert_int_equal(t->why, -EIO);
}

static void test_what_the_inner_consumer_refuses_is_refused(void **state)
{
	struct rig *t = *state;
	struct source other;

	source_open(&other, WEIR_PUSH);
	source_join(&other, &t->s);
	assert_int_equal(join(t, &t->p), WEIR_EBUSY);
	assert_string_equal(t->p.log, "");
	weir_consumer_unregister(&t->s.v.base);
	weir_valve_die(&t->s.v, -EPIPE);
	assert_int_equal(join(t, &t->p), WEIR_ECLOSED);
	assert_string_equal(t->p.log, "x");
	assert_int_equal(t->p.stop_why, -EPIPE);
	assert_null(weir_consumer_producer(&t->wrap.front));
}

static void test_the_next_producer_finds_the_place_free(void **state)
{
	struct rig *t = *state;
	struct source next;

	assert_int_equal(join(t, &t->p), 0);
	weir_consumer_unregister(&t->wrap.front);
	assert_null(weir_consumer_producer(&t->s.v.base));
	assert_string_equal(t->p.log, "S");
	source_open(&next, WEIR_PUSH);
	assert_int_equal(join(t, &next), 0);
	assert_int_equal(source_write(&next, 10), 0);
	assert_int_equal(t->s.got, 10);
	/* Let go behind its back, it tells nobody, and can be let go in front. */
	weir_consumer_unregister(&t->s.v.base);
	weir_consumer_unregister(&t->wrap.front);
	weir_producer_pause(&t->wrap.back);
	weir_producer_resume(&t->wrap.back);
	weir_producer_stop(&t->wrap.back, WEIR_ESTOPPED);
	assert_string_equal(next.log, "S");
}

static void test_taking_it_out_stops_the_producer_and_leaves_the_consumer(void **state)
{
	struct rig *t = *state;
	struct source next;

	assert_int_equal(join(t, &t->p), 0);
	weir_wrap_fini(&t->wrap);
	assert_string_equal(t->p.log, "Sx");
	assert_int_equal(t->p.stop_why, WEIR_ECLOSED);
	source_open(&next, WEIR_PUSH);
	source_join(&next, &t->s);
	assert_int_equal(source_write(&next, 10), 0);
	weir_producer_end(&next.base, 0);
	assert_int_equal(t->ends, 0); /* it watches no more */
}

int main(void)
{
#define WRAP(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		WRAP(test_bytes_and_what_is_said_of_them_pass),
		WRAP(test_a_push_producer_is_told_all_that_the_inner_consumer_says),
		WRAP(test_a_full_consumer_pauses_as_it_is_registered),
		WRAP(test_a_pull_producer_is_pulled_and_wakes),
		WRAP(test_a_finish_passes),
		WRAP(test_a_failure_passes),
		WRAP(test_what_the_inner_consumer_refuses_is_refused),
		WRAP(test_the_next_producer_finds_the_place_free),
		WRAP(test_taking_it_out_stops_the_producer_and_leaves_the_consumer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
