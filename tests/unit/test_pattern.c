/* SPDX-License-Identifier: MIT */
/*
 * The streams' bytes are held against sums that another program computed from the
 * published algorithms: FNV-1a, 64 bits, of the first 1000003 bytes.
 */
#include "core_fixture.h"

#include <errno.h>

#include "fail_alloc.h"
#include "weir/join.h"
#include "weir/pattern.h"

#define LENGTH UINT64_C(1000003)
#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static const struct { uint64_t seed, sum; unsigned char head[16], tail[3]; } vectors[] = {
	{0, UINT64_C(0x56de2eb60434d11e),
	 {0xb4, 0xf2, 0x75, 0xcb, 0x36, 0x5f, 0xec, 0x99,
	  0x2a, 0x45, 0x56, 0x49, 0x78, 0x1f, 0x6e, 0xbf},
	 {0xd3, 0xa8, 0xc3}},
	{1, UINT64_C(0x42916349d3b26697),
	 {0xc5, 0x10, 0xc7, 0x0f, 0x6d, 0xaf, 0xf2, 0xb3,
	  0xea, 0x4c, 0x36, 0x47, 0x96, 0x55, 0x3b, 0x85},
	 {0x1a, 0x33, 0xa9}},
};

/* A sink that sums what it gets, and takes what it is told to. */
struct summer {
	struct weir_valve v;
	uint64_t sum, got;
	size_t window;
	unsigned char head[16], tail[3];
	size_t most; /* the most that one drain offered */
	bool ended;
	int why;
	int fails;
	struct weir_end_watch watch;
};

static int64_t summer_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct summer *s = (struct summer *)v;
	size_t offered = 0;
	int64_t taken = 0;

	if (s->fails)
		return s->fails;
	for (size_t i = 0; i < count; i++) {
		offered += chunks[i].len;
		for (size_t k = 0; k < chunks[i].len && s->window > 0; k++, s->window--, taken++) {
			unsigned char byte = chunks[i].data[k];

			s->sum = (s->sum ^ byte) * FNV_PRIME;
			if (s->got < sizeof(s->head))
				s->head[s->got] = byte;
			s->tail[0] = s->tail[1];
			s->tail[1] = s->tail[2];
			s->tail[2] = byte;
			s->got++;
		}
	}
	s->most = offered > s->most ? offered : s->most;
	return taken;
}

static const struct weir_valve_ops summer_ops = {
	.name = "test summer",
	.drain = summer_drain,
	.end = weir_valve_pass_end,
};

static void summer_on_end(void *arg, int why)
{
	struct summer *s = arg;

	s->ended = true;
	s->why = why;
}

static void summer_open(struct summer *s, struct world *w)
{
	*s = (struct summer){.sum = FNV_START, .window = SIZE_MAX};
	weir_valve_init(&s->v, &summer_ops, &w->ctx);
	weir_consumer_watch_end(&s->v.base, &s->watch, summer_on_end, s);
}

static void attach(struct summer *s, struct weir_transport *t)
{
	assert_int_equal(weir_consumer_register(&s->v.base, weir_transport_source(t), WEIR_PUSH),
			 0);
}

static void close_all(struct world *w, struct weir_transport *t, struct summer *s)
{
	weir_transport_close(t);
	world_run(w);
	if (s)
		weir_valve_fini(&s->v);
	world_close(w);
}

static void test_random_bytes_are_the_published_generators(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct weir_transport *t;
		struct summer s;
		struct world w;

		world_open(&w, WEIR_BUDGET_DEFAULT);
		summer_open(&s, &w);
		assert_int_equal(weir_pattern_random(&w.ctx, LENGTH, vectors[i].seed, &t), 0);
		assert_int_equal(weir_transport_length(t), LENGTH);
		assert_null(weir_transport_sink(t));
		attach(&s, t);
		assert_int_equal(s.got, 0);
		world_run(&w);
		assert_true(s.ended);
		assert_int_equal(s.why, 0);
		assert_int_equal(s.got, LENGTH);
		assert_memory_equal(s.head, vectors[i].head, sizeof(s.head));
		assert_memory_equal(s.tail, vectors[i].tail, sizeof(s.tail));
		assert_true(s.sum == vectors[i].sum);
		close_all(&w, t, &s);
	}
}

static void test_random_bytes_are_the_same_for_every_chunking(void **state)
{
	(void)state;
	for (unsigned high = 1; high <= 40; high++) {
		struct weir_transport *t;
		struct summer s;
		struct world w;
		uint64_t size = 4099;
		uint64_t sum = FNV_START, whole;
		unsigned step = high * 7 % 29 + 1;

		/* In one piece, then in pieces of every kind. */
		world_open(&w, WEIR_BUDGET_DEFAULT);
		summer_open(&s, &w);
		assert_int_equal(weir_pattern_random(&w.ctx, size, 1, &t), 0);
		attach(&s, t);
		world_run(&w);
		whole = s.sum;
		assert_true(whole != sum);
		close_all(&w, t, &s);

		world_open(&w, WEIR_BUDGET_DEFAULT);
		w.ctx.quantum = high % 3 ? 1 << 20 : 13;
		summer_open(&s, &w);
		assert_int_equal(weir_valve_set_marks(&s.v, high, high - 1, 2 * high), 0);
		assert_int_equal(weir_pattern_random(&w.ctx, size, 1, &t), 0);
		s.window = step;
		attach(&s, t);
		for (int i = 0; !s.ended && i < 10000; i++) {
			world_run(&w);
			assert_true(weir_valve_held(&s.v) <= high);
			s.window = step;
			weir_valve_ready(&s.v);
		}
		assert_int_equal(s.got, size);
		assert_true(s.sum == whole);
		assert_true(s.most <= 2 * high);
		close_all(&w, t, &s);
	}
}

static void test_zeros_are_zeros_and_end(void **state)
{
	uint64_t sum = FNV_START;
	struct weir_transport *t;
	struct summer s;
	struct world w;

	(void)state;
	for (uint64_t i = 0; i < 200000; i++)
		sum *= FNV_PRIME;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	summer_open(&s, &w);
	assert_int_equal(weir_pattern_zero(&w.ctx, 200000, &t), 0);
	assert_string_equal(weir_transport_name(t), "zero");
	attach(&s, t);
	world_run(&w);
	assert_int_equal(s.got, 200000);
	assert_true(s.sum == sum);
	assert_true(s.ended);
	assert_int_equal(s.why, 0);
	close_all(&w, t, &s);
}

static void test_empty_stream_completes(void **state)
{
	struct weir_transport *t;
	struct summer s;
	struct world w;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	summer_open(&s, &w);
	assert_int_equal(weir_pattern_zero(&w.ctx, 0, &t), 0);
	assert_int_equal(weir_transport_length(t), 0);
	attach(&s, t);
	assert_false(s.ended);
	world_run(&w);
	assert_true(s.ended);
	assert_int_equal(s.why, 0);
	assert_int_equal(s.got, 0);
	close_all(&w, t, &s);
}

static void test_endless_source_moves_a_quantum_a_turn(void **state)
{
	struct weir_transport *t;
	struct summer s;
	struct world w;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	w.ctx.quantum = 100000;
	summer_open(&s, &w);
	assert_int_equal(weir_pattern_random(&w.ctx, WEIR_ENDLESS, 7, &t), 0);
	assert_int_equal(weir_transport_length(t), -1);
	attach(&s, t);
	for (unsigned turn = 1; turn <= 20; turn++) {
		weir_context_run(&w.ctx);
		assert_int_equal(s.got, turn * 100000);
	}
	close_all(&w, t, &s);
	assert_int_equal(s.why, WEIR_ECLOSED);
}

static void test_paused_source_is_silent_and_goes_on_where_it_was(void **state)
{
	struct weir_transport *t;
	struct summer s;
	struct world w;
	uint64_t held;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	summer_open(&s, &w);
	assert_int_equal(weir_pattern_random(&w.ctx, LENGTH, 0, &t), 0);
	attach(&s, t);
	s.window = 12345;
	for (int i = 0; i < 1000 && !s.ended; i++) {
		weir_valve_hold(&s.v, WEIR_HOLD_USER);
		held = s.got + weir_valve_held(&s.v);
		world_run(&w);
		assert_int_equal(s.got + weir_valve_held(&s.v), held);
		weir_valve_release(&s.v, WEIR_HOLD_USER);
		weir_context_run(&w.ctx);
		s.window = 12345;
		weir_valve_ready(&s.v);
	}
	assert_true(s.ended);
	assert_true(s.sum == vectors[0].sum);
	close_all(&w, t, &s);
}

static void test_spent_budget_stops_no_source_for_ever(void **state)
{
	struct weir_transport *t;
	struct summer s;
	struct world w;

	(void)state;
	world_open(&w, 2 * WEIR_FLOW_RESERVE);
	summer_open(&s, &w);
	s.window = 0;
	assert_int_equal(weir_pattern_random(&w.ctx, LENGTH, 0, &t), 0);
	attach(&s, t);
	for (int i = 0; i < 10000 && !s.ended; i++) {
		world_run(&w);
		assert_true(w.budget.used <= w.budget.limit);
		s.window = 1000;
		weir_valve_ready(&s.v);
	}
	assert_true(s.ended);
	assert_int_equal(s.why, 0);
	assert_true(s.sum == vectors[0].sum);
	close_all(&w, t, &s);
}

/* Pauses and refuses every third write, as one at its hard limit may. */
static int refusing_write(struct weir_consumer *c, const void *data, size_t len)
{
	static unsigned writes;

	if (++writes % 3 != 0)
		return weir_valve_consumer_ops.write(c, data, len);
	weir_valve_hold((struct weir_valve *)c, WEIR_HOLD_USER);
	return WEIR_EFULL;
}

static void test_piece_that_was_refused_is_given_again(void **state)
{
	struct weir_consumer_ops ops = weir_valve_consumer_ops;
	struct weir_transport *t;
	struct summer s;
	struct world w;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	summer_open(&s, &w);
	ops.write = refusing_write;
	s.v.base.ops = &ops;
	assert_int_equal(weir_pattern_random(&w.ctx, LENGTH, 0, &t), 0);
	attach(&s, t);
	for (int i = 0; i < 10000 && !s.ended; i++) {
		world_run(&w);
		weir_valve_release(&s.v, WEIR_HOLD_USER);
	}
	assert_true(s.ended);
	assert_int_equal(s.why, 0);
	assert_true(s.sum == vectors[0].sum);
	close_all(&w, t, &s);
}

static void test_failing_sink_ends_the_source(void **state)
{
	struct weir_transport *t;
	struct summer s;
	struct world w;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	summer_open(&s, &w);
	s.fails = -ENOSPC;
	assert_int_equal(weir_pattern_zero(&w.ctx, WEIR_ENDLESS, &t), 0);
	attach(&s, t);
	world_run(&w);
	assert_true(s.ended);
	assert_int_equal(s.why, -ENOSPC);
	assert_null(weir_producer_consumer(weir_transport_source(t)));
	close_all(&w, t, &s);
}

/* ---- null ---- */

static void test_null_takes_everything_and_holds_nothing(void **state)
{
	struct weir_transport *null, *zero;
	struct weir_consumer_state st;
	struct weir_outcome out;
	struct weir_join *j;
	struct world w;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(weir_pattern_null(&w.ctx, &null), 0);
	assert_int_equal(weir_pattern_zero(&w.ctx, 50000000, &zero), 0);
	assert_null(weir_transport_source(null));
	assert_int_equal(weir_transport_set_marks(null, 2, 1), WEIR_ENOTSUP);
	assert_true(weir_consumer_room(weir_transport_sink(null)) == SIZE_MAX);
	assert_int_equal(weir_join_create(&w.ctx, weir_transport_source(zero),
					  weir_transport_sink(null), NULL, &j), 0);
	world_run(&w);
	weir_join_outcome(j, &out);
	assert_int_equal(out.end, WEIR_FINISHED);
	assert_int_equal(out.in, 50000000);
	assert_int_equal(out.offset, 50000000);
	weir_consumer_state(weir_transport_sink(null), &st);
	assert_int_equal(st.in, 50000000);
	assert_int_equal(st.out, 50000000);
	assert_int_equal(st.held, 0);
	assert_true(st.ended);
	assert_int_equal(w.budget.peak, 0);
	assert_int_equal(weir_consumer_write(weir_transport_sink(null), "x", 1), WEIR_ECLOSED);
	assert_int_equal(weir_consumer_room(weir_transport_sink(null)), 0);
	weir_join_destroy(j);
	weir_transport_close(zero);
	close_all(&w, null, NULL);
}

static void pull_one(struct source *p)
{
	uint64_t *left = p->arg;

	if (*left == 0)
		return;
	--*left;
	assert_int_equal(source_write(p, 1), 0);
}

static void test_null_pulls_a_million_chunks_and_parks(void **state)
{
	uint64_t left = 1000000;
	struct weir_transport *null;
	struct weir_consumer_state st;
	struct weir_consumer *sink;
	struct source p;
	struct world w;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(weir_pattern_null(&w.ctx, &null), 0);
	sink = weir_transport_sink(null);
	source_open(&p, WEIR_PULL);
	p.on_resume = pull_one;
	p.arg = &left;
	assert_int_equal(weir_consumer_register(sink, &p.base, WEIR_PULL), 0);
	assert_true(p.resumes >= 1 && p.resumes < 100000);
	world_run(&w);
	assert_int_equal(left, 0);
	assert_int_equal(p.resumes, 1000001);
	world_run(&w);
	assert_int_equal(p.resumes, 1000001);

	/* Nothing yet; woken, it is asked again, from the next turn. */
	left = 3;
	weir_consumer_wake(sink);
	assert_int_equal(left, 3);
	world_run(&w);
	assert_int_equal(left, 0);
	assert_int_equal(p.resumes, 1000005);
	weir_producer_end(&p.base, 0);
	weir_consumer_state(sink, &st);
	assert_true(st.ended);
	assert_int_equal(st.in, 1000003);
	close_all(&w, null, NULL);
}

static void test_null_keeps_the_rules_of_registering(void **state)
{
	struct weir_transport *null;
	struct weir_consumer *sink;
	struct source p, q;
	struct world w;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(weir_pattern_null(&w.ctx, &null), 0);
	sink = weir_transport_sink(null);
	source_open(&p, WEIR_PUSH);
	source_open(&q, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(sink, &p.base, WEIR_PUSH), 0);
	assert_int_equal(weir_consumer_register(sink, &q.base, WEIR_PUSH), WEIR_EBUSY);
	assert_int_equal(q.stops, 0);

	/* A finish waits for the producer, and takes its bytes until then. */
	weir_consumer_finish(sink);
	assert_int_equal(source_write(&p, 10), 0);
	world_advance(&w, WEIR_FINISH_WAIT_DEFAULT);
	assert_int_equal(p.stops, 1);
	assert_int_equal(p.stop_why, WEIR_EDEADLINE);
	assert_int_equal(weir_consumer_register(sink, &q.base, WEIR_PUSH), WEIR_ECLOSED);
	assert_int_equal(q.stops, 1);
	assert_int_equal(q.stop_why, WEIR_EDEADLINE);
	assert_false(p.broken || q.broken);
	close_all(&w, null, NULL);
}

static void test_null_ends_when_the_producer_of_a_finish_leaves(void **state)
{
	struct weir_transport *null;
	struct weir_consumer_state st;
	struct source p;
	struct world w;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(weir_pattern_null(&w.ctx, &null), 0);
	source_open(&p, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(weir_transport_sink(null), &p.base, WEIR_PUSH), 0);
	weir_consumer_finish(weir_transport_sink(null));
	weir_consumer_state(weir_transport_sink(null), &st);
	assert_false(st.ended);
	weir_consumer_unregister(weir_transport_sink(null));
	weir_consumer_state(weir_transport_sink(null), &st);
	assert_true(st.ended);
	assert_int_equal(st.why, 0);
	assert_int_equal(p.stops, 0);
	close_all(&w, null, NULL);
}

static void test_closing_null_stops_its_producer(void **state)
{
	struct weir_transport *null;
	struct source p;
	struct world w;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(weir_pattern_null(&w.ctx, &null), 0);
	source_open(&p, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(weir_transport_sink(null), &p.base, WEIR_PUSH), 0);
	close_all(&w, null, NULL);
	assert_int_equal(p.stops, 1);
	assert_int_equal(p.stop_why, WEIR_ECLOSED);
}

static void test_each_failing_allocation_is_told(void **state)
{
	(void)state;
	for (long n = 1;; n++) {
		struct weir_transport *zero = NULL, *random = NULL, *null = NULL;
		struct summer s;
		struct world w;
		int rc;

		world_open(&w, WEIR_BUDGET_DEFAULT);
		summer_open(&s, &w);
		weir_test_fail_alloc_after(n);
		rc = weir_pattern_zero(&w.ctx, 10, &zero);
		if (rc == 0)
			rc = weir_pattern_random(&w.ctx, LENGTH, 0, &random);
		if (rc == 0)
			rc = weir_pattern_null(&w.ctx, &null);
		if (rc == 0) {
			s.window = 0;
			attach(&s, random);
			for (int i = 0; i < 10000 && !s.ended; i++) {
				world_run(&w);
				s.window = 50000;
				weir_valve_ready(&s.v);
			}
			assert_true(s.ended);
			rc = s.why;
			assert_true(rc < 0 || s.sum == vectors[0].sum);
		}
		weir_test_fail_alloc_after(-1);
		assert_true(rc == 0 || rc == -ENOMEM);
		weir_transport_close(zero);
		weir_transport_close(null);
		close_all(&w, random, &s);
		if (rc == 0)
			break;
		assert_true(n < 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_bytes_are_the_published_generators),
		cmocka_unit_test(test_random_bytes_are_the_same_for_every_chunking),
		cmocka_unit_test(test_zeros_are_zeros_and_end),
		cmocka_unit_test(test_empty_stream_completes),
		cmocka_unit_test(test_endless_source_moves_a_quantum_a_turn),
		cmocka_unit_test(test_paused_source_is_silent_and_goes_on_where_it_was),
		cmocka_unit_test(test_spent_budget_stops_no_source_for_ever),
		cmocka_unit_test(test_piece_that_was_refused_is_given_again),
		cmocka_unit_test(test_failing_sink_ends_the_source),
		cmocka_unit_test(test_null_takes_everything_and_holds_nothing),
		cmocka_unit_test(test_null_pulls_a_million_chunks_and_parks),
		cmocka_unit_test(test_null_keeps_the_rules_of_registering),
		cmocka_unit_test(test_null_ends_when_the_producer_of_a_finish_leaves),
		cmocka_unit_test(test_closing_null_stops_its_producer),
		cmocka_unit_test(test_each_failing_allocation_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
