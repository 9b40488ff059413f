/* SPDX-License-Identifier: MIT */
/* The memory transport: what it records, what it plays, and what it leaves alone. */
#include "core_fixture.h"

#include <errno.h>

#include "fail_alloc.h"
#include "weir/memory.h"

static struct world w;
static struct weir_memory *m;
static struct weir_consumer *out;
static struct weir_producer *in;

static void open_memory(const struct weir_memory_options *options)
{
	world_open(&w, SIZE_MAX);
	assert_int_equal(weir_memory_create(&w.ctx, options, &m), 0);
	out = weir_transport_sink(weir_memory_transport(m));
	in = weir_transport_source(weir_memory_transport(m));
}

static void close_memory(void)
{
	weir_memory_destroy(m);
	world_run(&w);
	world_close(&w);
}

static struct weir_memory_state look(void)
{
	struct weir_memory_state s;

	weir_memory_state(m, &s);
	assert_true(s.sink.in == s.sink.out + s.sink.held + s.sink.dropped);
	return s;
}

static bool value_is(const char *text)
{
	size_t len;
	const unsigned char *value = weir_memory_value(m, &len);

	return len == strlen(text) && memcmp(value, text, len) == 0;
}

/* ---- what goes out ---- */

static void test_the_value_is_what_was_written_until_cleared(void **state)
{
	(void)state;
	open_memory(NULL);
	assert_true(value_is(""));
	assert_int_equal(weir_consumer_write(out, "one ", 4), 0);
	assert_int_equal(weir_consumer_write(out, "two", 3), 0);
	assert_true(value_is("one two"));
	weir_memory_clear(m);
	assert_true(value_is(""));
	assert_int_equal(weir_consumer_write(out, "three", 5), 0);
	assert_true(value_is("three"));
	assert_int_equal(look().sink.out, 12);
	close_memory();
}

static void test_a_chunk_that_is_given_is_recorded_and_released(void **state)
{
	static const struct weir_memory_options profiles[] = {{.twisted = false}, {.twisted = true}};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct weir_block *block;
		struct weir_chunk chunk;

		open_memory(&profiles[i]);
		assert_int_equal(weir_pool_take(&w.ctx.pool, 5, &block), 0);
		memcpy(block->data, "chunk", block->used = 5);
		chunk = weir_chunk_from_block(block);
		assert_int_equal(weir_consumer_give(out, &chunk), 0);
		assert_int_equal(chunk.len, 0);
		assert_true(value_is("chunk"));
		close_memory();
	}
}

static void test_a_peer_that_reads_slowly_pauses_and_resumes_at_the_marks(void **state)
{
	struct source p;

	(void)state;
	open_memory(NULL);
	assert_int_equal(weir_transport_set_marks(weir_memory_transport(m), 100, 20), 0);
	weir_memory_take(m, 0);
	source_open(&p, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(out, &p.base, WEIR_PUSH), 0);
	assert_int_equal(source_write(&p, 99), 0);
	assert_int_equal(p.pauses, 0);
	assert_int_equal(source_write(&p, 1), 0);
	assert_int_equal(p.pauses, 1);
	assert_int_equal(look().sink.held, 100);
	weir_memory_take(m, 79);
	assert_int_equal(p.resumes, 0);
	weir_memory_take(m, 1);
	assert_int_equal(p.resumes, 1);
	assert_int_equal(look().sink.held, 20);
	assert_ptr_equal(look().producer, &p.base);
	weir_consumer_unregister(out);
	assert_null(look().producer);
	close_memory();
}

static void test_what_the_peer_may_take_counts_for_bytes_to_come(void **state)
{
	(void)state;
	open_memory(NULL);
	weir_memory_take(m, 4);
	assert_int_equal(weir_consumer_write(out, "abc", 3), 0);
	assert_true(value_is("abc"));
	assert_int_equal(weir_consumer_write(out, "def", 3), 0);
	assert_true(value_is("abcd"));
	weir_memory_take(m, SIZE_MAX);
	assert_true(value_is("abcdef"));
	close_memory();
}

static void write_line(struct source *p)
{
	if (p->resumes <= 3)
		assert_int_equal(weir_consumer_write(p->base.consumer, "line\n", 5), 0);
}

static void test_a_pull_producer_is_pulled(void **state)
{
	struct source p;

	(void)state;
	open_memory(NULL);
	source_open(&p, WEIR_PULL);
	p.on_resume = write_line;
	assert_int_equal(weir_consumer_register(out, &p.base, WEIR_PULL), 0);
	assert_true(value_is("line\nline\nline\n"));
	assert_int_equal(p.resumes, 4);
	assert_int_equal(weir_producer_mode(look().producer), WEIR_PULL);
	close_memory();
	assert_int_equal(p.stops, 1);
	assert_int_equal(p.stop_why, WEIR_ECLOSED);
}

static void test_how_it_ended_can_be_seen(void **state)
{
	struct source p;

	(void)state;
	open_memory(NULL);
	assert_int_equal(look().life, WEIR_MEMORY_OPEN);
	source_open(&p, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(out, &p.base, WEIR_PUSH), 0);
	weir_consumer_finish(out);
	assert_int_equal(look().life, WEIR_MEMORY_FINISHING); /* for the producer */
	weir_memory_take(m, 0);
	assert_int_equal(source_write(&p, 10), 0);
	weir_consumer_unregister(out);
	assert_int_equal(look().life, WEIR_MEMORY_FINISHING); /* for the peer */
	weir_memory_take(m, SIZE_MAX);
	assert_int_equal(look().life, WEIR_MEMORY_FINISHED);
	assert_false(look().closed);
	assert_int_equal(weir_consumer_write(out, "x", 1), WEIR_ECLOSED);
	weir_transport_close(weir_memory_transport(m));
	assert_true(look().closed);
	assert_int_equal(look().life, WEIR_MEMORY_FINISHED);
	close_memory();

	open_memory(NULL);
	weir_consumer_fail(out, -EPIPE);
	assert_int_equal(look().life, WEIR_MEMORY_FAILED);
	assert_int_equal(look().sink.why, -EPIPE);
	assert_false(look().closed);
	close_memory();

	open_memory(NULL);
	weir_memory_take(m, 0);
	assert_int_equal(weir_consumer_write(out, "abc", 3), 0);
	weir_transport_close(weir_memory_transport(m));
	assert_true(look().closed);
	assert_int_equal(look().life, WEIR_MEMORY_FAILED);
	assert_int_equal(look().sink.why, WEIR_ECLOSED);
	assert_int_equal(look().sink.dropped, 3);
	assert_int_equal(weir_memory_inject(m, "x", 1), WEIR_ECLOSED);
	close_memory();
}

/* ---- what comes in ---- */

static void inject(size_t len, uint64_t offset)
{
	unsigned char bytes[256];

	pattern_fill(bytes, len, offset);
	assert_int_equal(weir_memory_inject(m, bytes, len), 0);
}

static void test_injected_bytes_arrive_at_once(void **state)
{
	struct sink s;

	(void)state;
	open_memory(NULL);
	sink_open(&s, &w);
	assert_int_equal(weir_consumer_register(&s.v.base, in, WEIR_PUSH), 0);
	inject(100, 0);
	assert_int_equal(sink_state(&s).out, 100);
	close_memory();
	assert_int_equal(s.on_end_why, WEIR_ECLOSED);
}

static void test_bytes_from_before_the_reader_wait_for_it(void **state)
{
	struct sink s;

	(void)state;
	open_memory(NULL);
	sink_open(&s, &w);
	inject(100, 0);
	assert_int_equal(weir_consumer_register(&s.v.base, in, WEIR_PUSH), 0);
	assert_int_equal(s.got, 0); /* not from inside the registration */
	world_run(&w);
	assert_int_equal(s.got, 100);
	assert_false(s.garbled);
	close_memory();
}

static void test_nothing_is_delivered_while_paused_and_all_of_it_after(void **state)
{
	struct sink s;

	(void)state;
	open_memory(NULL);
	sink_open(&s, &w);
	assert_int_equal(weir_consumer_register(&s.v.base, in, WEIR_PUSH), 0);
	weir_valve_hold(&s.v, WEIR_HOLD_USER);
	assert_true(look().paused);
	inject(100, 0);
	inject(50, 100);
	weir_memory_end(m, 0);
	world_run(&w);
	assert_int_equal(s.got, 0);
	weir_valve_release(&s.v, WEIR_HOLD_USER);
	world_run(&w);
	assert_int_equal(sink_state(&s).out, 150);
	assert_int_equal(s.on_ends, 1);
	assert_int_equal(s.on_end_why, 0);
	assert_false(look().paused);
	assert_int_equal(look().pauses, 1);
	assert_int_equal(look().resumes, 1);
	close_memory();
}

static void test_more_than_any_mark_can_be_injected(void **state)
{
	static const unsigned char zeros[3 << 20];

	(void)state;
	open_memory(NULL);
	assert_int_equal(weir_memory_inject(m, zeros, sizeof(zeros)), 0);
	assert_int_equal(weir_memory_inject(m, zeros, sizeof(zeros)), 0);
	close_memory();
}

static void test_a_source_that_is_pulled_is_never_paused(void **state)
{
	struct sink s;

	(void)state;
	open_memory(NULL);
	sink_open(&s, &w);
	assert_int_equal(weir_consumer_register(&s.v.base, in, WEIR_PULL), 0);
	assert_false(look().paused);
	inject(100, 0);
	world_run(&w);
	assert_int_equal(sink_state(&s).out, 100);
	assert_int_equal(look().pauses, 0);
	close_memory();
}

static void test_a_failure_comes_behind_the_bytes(void **state)
{
	struct sink s;

	(void)state;
	open_memory(NULL);
	sink_open(&s, &w);
	assert_int_equal(weir_consumer_register(&s.v.base, in, WEIR_PUSH), 0);
	weir_valve_hold(&s.v, WEIR_HOLD_USER);
	inject(10, 0);
	weir_memory_end(m, -ECONNRESET);
	weir_memory_end(m, 0); /* too late */
	assert_int_equal(weir_memory_inject(m, "x", 1), WEIR_ECLOSED);
	weir_valve_release(&s.v, WEIR_HOLD_USER);
	world_run(&w);
	assert_int_equal(s.got, 10);
	assert_int_equal(s.on_end_why, -ECONNRESET);
	assert_int_equal(look().life, WEIR_MEMORY_OPEN); /* the other way goes on */
	close_memory();
}

static void test_the_end_is_told_to_whoever_comes_later(void **state)
{
	struct sink s;

	(void)state;
	open_memory(NULL);
	sink_open(&s, &w);
	weir_memory_end(m, -EIO);
	assert_int_equal(weir_consumer_register(&s.v.base, in, WEIR_PUSH), 0);
	world_run(&w);
	assert_int_equal(s.on_end_why, -EIO);
	close_memory();
}

static void test_a_stop_of_the_source_can_be_seen(void **state)
{
	struct sink s;

	(void)state;
	open_memory(NULL);
	sink_open(&s, &w);
	assert_int_equal(weir_consumer_register(&s.v.base, in, WEIR_PUSH), 0);
	assert_false(look().stopped);
	weir_valve_die(&s.v, -EPIPE);
	assert_true(look().stopped);
	assert_int_equal(look().stop_why, -EPIPE);
	assert_int_equal(look().stops, 1);
	assert_int_equal(weir_memory_inject(m, "x", 1), WEIR_ECLOSED);
	close_memory();
}

static void test_losing_the_peer_ends_both_ways(void **state)
{
	struct source p;
	struct sink s;

	(void)state;
	open_memory(NULL);
	sink_open(&s, &w);
	source_open(&p, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(out, &p.base, WEIR_PUSH), 0);
	assert_int_equal(weir_consumer_register(&s.v.base, in, WEIR_PUSH), 0);
	weir_memory_take(m, 0);
	assert_int_equal(source_write(&p, 10), 0);
	weir_memory_lose(m, -ECONNRESET);
	assert_int_equal(p.stops, 1);
	assert_int_equal(p.stop_why, -ECONNRESET);
	assert_int_equal(s.on_end_why, -ECONNRESET);
	assert_int_equal(look().life, WEIR_MEMORY_FAILED);
	assert_int_equal(look().sink.dropped, 10);
	close_memory();
}

static void close_it(struct sink *s)
{
	s->on_drain = NULL;
	weir_transport_close(weir_memory_transport(m));
}

static void test_it_may_be_closed_from_inside_a_delivery(void **state)
{
	struct sink s;

	(void)state;
	open_memory(NULL);
	sink_open(&s, &w);
	assert_int_equal(weir_consumer_register(&s.v.base, in, WEIR_PUSH), 0);
	s.on_drain = close_it;
	assert_int_equal(weir_memory_inject(m, "x", 1), WEIR_ECLOSED);
	world_run(&w);
	assert_int_equal(s.on_end_why, WEIR_ECLOSED);
	assert_true(look().closed);
	close_memory();
}

static void test_both_ways_are_those_of_a_transport(void **state)
{
	struct weir_transport *t;

	(void)state;
	open_memory(NULL);
	t = weir_memory_transport(m);
	assert_string_equal(weir_transport_name(t), "memory");
	assert_true(weir_transport_half_closes(t));
	assert_int_equal(weir_transport_length(t), -1);
	close_memory();
	weir_memory_destroy(NULL);
}

/* ---- the Twisted profile ---- */

static void open_twisted(bool lenient)
{
	open_memory(&(struct weir_memory_options){.twisted = true, .lenient = lenient});
}

static void test_twisted_a_producer_is_stored_and_told_nothing(void **state)
{
	struct source p, q;

	(void)state;
	open_twisted(false);
	source_open(&p, WEIR_PULL);
	source_open(&q, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(out, &p.base, WEIR_PULL), 0);
	assert_ptr_equal(look().producer, &p.base);
	assert_int_equal(weir_producer_mode(look().producer), WEIR_PULL);
	assert_int_equal(weir_consumer_register(out, &q.base, WEIR_PUSH), WEIR_EBUSY);
	assert_ptr_equal(look().producer, &p.base);
	weir_consumer_wake(out);
	assert_int_equal(source_write(&p, 1 << 20), 0);
	weir_consumer_unregister(out);
	assert_null(look().producer);
	assert_int_equal(weir_consumer_register(out, &q.base, WEIR_PUSH), 0);
	assert_int_equal(weir_consumer_room(out), SIZE_MAX);
	assert_int_equal(source_write(&q, 1 << 20), 0);
	weir_memory_lose(m, -ECONNRESET);
	weir_consumer_fail(out, -EPIPE);
	assert_string_equal(p.log, "S"); /* `start` is ours, and no signal */
	assert_string_equal(q.log, "S");
	assert_int_equal(weir_transport_set_marks(weir_memory_transport(m), 100, 20),
			 WEIR_ENOTSUP);
	close_memory();
	assert_string_equal(q.log, "S");
}

static void test_twisted_writes_are_recorded_also_after_the_end(void **state)
{
	(void)state;
	open_twisted(false);
	weir_memory_take(m, 0);
	assert_int_equal(weir_consumer_write(out, "a", 1), 0);
	weir_consumer_finish(out);
	weir_consumer_finish(out);
	assert_int_equal(look().life, WEIR_MEMORY_FINISHING);
	assert_int_equal(weir_consumer_write(out, "b", 1), 0);
	weir_consumer_fail(out, -EPIPE);
	weir_consumer_fail(out, -EIO);
	weir_consumer_finish(out);
	assert_int_equal(look().life, WEIR_MEMORY_FAILED);
	assert_int_equal(look().sink.why, -EPIPE);
	assert_int_equal(weir_consumer_write(out, "c", 1), 0);
	assert_int_equal(weir_consumer_write(out, NULL, 0), 0);
	assert_true(value_is("abc"));
	close_memory();
}

static void test_twisted_pausing_after_the_end_is_refused(void **state)
{
	(void)state;
	open_twisted(false);
	weir_producer_pause(in);
	weir_producer_pause(in);
	assert_true(look().paused);
	weir_producer_resume(in);
	assert_false(look().paused);
	assert_int_equal(look().refused, 0);
	weir_consumer_finish(out);
	weir_producer_pause(in);
	assert_int_equal(look().refused, 1);
	assert_false(look().paused);
	weir_producer_resume(in);
	assert_int_equal(look().refused, 2);
	weir_producer_stop(in, WEIR_ESTOPPED); /* is always legal */
	weir_producer_stop(in, WEIR_ESTOPPED);
	assert_true(look().stopped);
	assert_int_equal(look().stops, 2);
	assert_int_equal(look().refused, 2);
	close_memory();
}

static void test_twisted_a_lenient_one_refuses_after_the_stop_only(void **state)
{
	(void)state;
	open_twisted(true);
	weir_consumer_finish(out);
	weir_producer_pause(in);
	assert_true(look().paused);
	weir_producer_resume(in);
	assert_int_equal(look().refused, 0);
	weir_producer_stop(in, WEIR_ESTOPPED);
	weir_producer_resume(in);
	weir_producer_pause(in);
	assert_int_equal(look().refused, 2);
	close_memory();
}

/* ---- memory ---- */

static int write_both(bool twisted)
{
	int rc = weir_memory_create(&w.ctx, &(struct weir_memory_options){.twisted = twisted}, &m);

	if (rc < 0)
		return rc;
	out = weir_transport_sink(weir_memory_transport(m));
	rc = weir_consumer_write(out, "abc", 3);
	assert_true(value_is(rc == 0 ? "abc" : ""));
	if (rc == 0)
		rc = weir_memory_inject(m, "abc", 3);
	weir_memory_destroy(m);
	return rc;
}

static void test_each_failing_allocation_is_told_and_leaks_nothing(void **state)
{
	(void)state;
	for (int twisted = 0; twisted < 2; twisted++) {
		bool failed = true;

		for (long n = 1; failed; n++) {
			int rc;

			world_open(&w, SIZE_MAX);
			weir_test_fail_alloc_after(n);
			rc = write_both(twisted);
			failed = weir_test_alloc_failed();
			weir_test_fail_alloc_after(-1);
			assert_int_equal(rc, failed ? -ENOMEM : 0);
			world_run(&w);
			world_close(&w);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_value_is_what_was_written_until_cleared),
		cmocka_unit_test(test_a_chunk_that_is_given_is_recorded_and_released),
		cmocka_unit_test(test_a_peer_that_reads_slowly_pauses_and_resumes_at_the_marks),
		cmocka_unit_test(test_what_the_peer_may_take_counts_for_bytes_to_come),
		cmocka_unit_test(test_a_pull_producer_is_pulled),
		cmocka_unit_test(test_how_it_ended_can_be_seen),
		cmocka_unit_test(test_injected_bytes_arrive_at_once),
		cmocka_unit_test(test_bytes_from_before_the_reader_wait_for_it),
		cmocka_unit_test(test_nothing_is_delivered_while_paused_and_all_of_it_after),
		cmocka_unit_test(test_more_than_any_mark_can_be_injected),
		cmocka_unit_test(test_a_source_that_is_pulled_is_never_paused),
		cmocka_unit_test(test_a_failure_comes_behind_the_bytes),
		cmocka_unit_test(test_the_end_is_told_to_whoever_comes_later),
		cmocka_unit_test(test_a_stop_of_the_source_can_be_seen),
		cmocka_unit_test(test_losing_the_peer_ends_both_ways),
		cmocka_unit_test(test_it_may_be_closed_from_inside_a_delivery),
		cmocka_unit_test(test_both_ways_are_those_of_a_transport),
		cmocka_unit_test(test_twisted_a_producer_is_stored_and_told_nothing),
		cmocka_unit_test(test_twisted_writes_are_recorded_also_after_the_end),
		cmocka_unit_test(test_twisted_pausing_after_the_end_is_refused),
		cmocka_unit_test(test_twisted_a_lenient_one_refuses_after_the_stop_only),
		cmocka_unit_test(test_each_failing_allocation_is_told_and_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
