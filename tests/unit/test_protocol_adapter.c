/* SPDX-License-Identifier: MIT */
/* Callbacks as a consumer (receiver.h), and a consumer as calls (feeder.h). */
#include "between_fixture.h"

#include <errno.h>

#include "fail_alloc.h"
#include "weir/feeder.h"
#include "weir/join.h"
#include "weir/receiver.h"

/* ---- a receiver, and what it was told ---- */

struct heard {
	struct world w;
	struct weir_receiver *receiver;
	struct tap tap;
	uint64_t got;
	bool garbled, silent; /* `silent`: nothing may come now */
	unsigned calls, ends;
	int why;
	int answer; /* of the next on_data */
	int (*act)(struct heard *h);
};

static int on_data(void *arg, const void *bytes, size_t len)
{
	struct heard *h = arg;
	const unsigned char *data = bytes;
	int rc = h->answer;

	assert_true(len > 0);
	assert_false(h->silent);
	assert_int_equal(h->ends, 0);
	h->calls++;
	for (size_t i = 0; i < len; i++)
		h->garbled |= data[i] != pattern_at(h->got + i);
	if (rc == 0)
		h->got += len;
	return h->act ? h->act(h) : rc;
}

static void on_end(void *arg, int why)
{
	struct heard *h = arg;

	h->ends++;
	h->why = why;
}

static struct weir_consumer *sink_of(struct heard *h)
{
	return weir_receiver_sink(h->receiver);
}

static void open_receiver(struct heard *h, enum weir_mode mode, uint64_t left, size_t chunk)
{
	struct weir_receiver_options o = {.on_data = on_data, .on_end = on_end, .arg = h};

	*h = (struct heard){.got = 0};
	world_open(&h->w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(weir_receiver_create(&h->w.ctx, &o, &h->receiver), 0);
	tap_open(&h->tap, &h->w, mode, left, chunk);
}

static void close_receiver(struct heard *h)
{
	unsigned ends = h->ends;

	state_of(sink_of(h));
	assert_false(h->garbled);
	assert_false(h->tap.base.broken);
	weir_receiver_destroy(h->receiver);
	assert_int_equal(h->ends, ends);
	world_close(&h->w);
}

static void test_data_and_the_end_are_told(void **state)
{
	struct heard h;

	(void)state;
	open_receiver(&h, WEIR_PUSH, 5000, 1000);
	tap_join(&h.tap, sink_of(&h));
	assert_int_equal(h.got, 5000);
	assert_int_equal(h.calls, 5);
	weir_producer_end(&h.tap.base.base, 0);
	assert_int_equal(h.ends, 1);
	assert_int_equal(h.why, 0);
	assert_int_equal(h.tap.base.stops, 0);
	close_receiver(&h);
}

static void test_pull_producer_is_asked_as_long_as_there_is_more(void **state)
{
	struct heard h;

	(void)state;
	open_receiver(&h, WEIR_PULL, 100000, 10);
	tap_join(&h.tap, sink_of(&h));
	world_run(&h.w);
	assert_int_equal(h.got, 100000);
	assert_int_equal(h.tap.base.resumes, 10001);
	weir_producer_end(&h.tap.base.base, 0);
	assert_int_equal(h.ends, 1);
	close_receiver(&h);
}

static int pause_now(struct heard *h)
{
	weir_receiver_pause(h->receiver);
	h->silent = true;
	return 0;
}

static void test_nothing_is_delivered_after_a_pause(void **state)
{
	struct heard h;

	(void)state;
	for (int i = 0; i < 2; i++) {
		open_receiver(&h, i ? WEIR_PULL : WEIR_PUSH, 5000, 1000);
		h.act = pause_now;
		tap_join(&h.tap, sink_of(&h));
		world_run(&h.w);
		assert_int_equal(h.got, 1000);
		assert_int_equal(h.tap.base.paused, !i);
		assert_int_equal(state_of(sink_of(&h)).holds, WEIR_HOLD_USER);
		for (unsigned k = 2; k <= 5; k++) {
			h.silent = false;
			weir_receiver_resume(h.receiver);
			world_run(&h.w);
			assert_int_equal(h.got, 1000 * k);
		}
		weir_producer_end(&h.tap.base.base, 0);
		world_run(&h.w);
		assert_int_equal(h.ends, 1);
		close_receiver(&h);
	}
}

static void test_what_comes_after_a_pause_is_kept_and_replayed(void **state)
{
	struct heard h;

	(void)state;
	open_receiver(&h, WEIR_PUSH, 0, 1);
	tap_join(&h.tap, sink_of(&h));
	weir_receiver_pause(h.receiver);
	h.silent = true;
	h.tap.base.paused = false; /* one that does not care */
	assert_int_equal(source_write(&h.tap.base, 300), 0);
	assert_int_equal(source_write(&h.tap.base, 300), 0);
	weir_producer_end(&h.tap.base.base, 0);
	world_run(&h.w);
	assert_int_equal(state_of(sink_of(&h)).held, 600);
	assert_int_equal(h.ends, 0);
	h.silent = false;
	weir_receiver_resume(h.receiver);
	assert_int_equal(h.got, 600);
	assert_int_equal(h.ends, 1);
	assert_int_equal(h.why, 0);
	close_receiver(&h);
}

static int pause_and_resume(struct heard *h)
{
	weir_receiver_pause(h->receiver);
	weir_receiver_resume(h->receiver);
	return 0;
}

static void test_resume_from_inside_data_goes_on(void **state)
{
	struct heard h;

	(void)state;
	for (int i = 0; i < 2; i++) {
		open_receiver(&h, i ? WEIR_PULL : WEIR_PUSH, 5000, 1000);
		h.act = pause_and_resume;
		tap_join(&h.tap, sink_of(&h));
		world_run(&h.w);
		assert_int_equal(h.got, 5000);
		close_receiver(&h);
	}
}

static void test_end_is_told_while_paused_with_nothing_kept(void **state)
{
	struct heard h;

	(void)state;
	open_receiver(&h, WEIR_PUSH, 0, 1);
	tap_join(&h.tap, sink_of(&h));
	weir_receiver_pause(h.receiver);
	weir_producer_end(&h.tap.base.base, 0);
	assert_int_equal(h.ends, 1);
	weir_receiver_resume(h.receiver);
	weir_receiver_pause(h.receiver);
	assert_int_equal(h.ends, 1);
	close_receiver(&h);
}

static void test_data_that_is_refused_ends_the_stream_with_its_code(void **state)
{
	struct heard h;

	(void)state;
	for (int i = 0; i < 2; i++) {
		open_receiver(&h, i ? WEIR_PULL : WEIR_PUSH, 3000, 1000);
		tap_join(&h.tap, sink_of(&h));
		world_run(&h.w);
		h.tap.left = 5000;
		h.answer = -EILSEQ;
		tap_wake(&h.tap);
		world_run(&h.w);
		assert_int_equal(h.tap.base.last_rc, -EILSEQ);
		assert_int_equal(h.tap.base.stops, 1);
		assert_int_equal(h.tap.base.stop_why, -EILSEQ);
		assert_int_equal(h.ends, 1);
		assert_int_equal(h.why, -EILSEQ);
		assert_int_equal(h.calls, 4);
		assert_int_equal(state_of(sink_of(&h)).out, 3000);
		assert_int_equal(weir_consumer_write(sink_of(&h), "x", 1), WEIR_ECLOSED);
		close_receiver(&h);
	}
}

static int refuse_second(struct heard *h)
{
	return h->calls == 2 ? -EILSEQ : 0;
}

static void test_what_is_kept_behind_refused_data_is_dropped(void **state)
{
	struct heard h;

	(void)state;
	open_receiver(&h, WEIR_PUSH, 0, 1);
	tap_join(&h.tap, sink_of(&h));
	weir_receiver_pause(h.receiver);
	h.tap.base.paused = false;
	for (int i = 0; i < 3; i++)
		assert_int_equal(source_give(&h.tap.base, &h.w.ctx.pool, 1000), 0);
	h.act = refuse_second;
	weir_receiver_resume(h.receiver);
	assert_int_equal(h.calls, 2);
	assert_int_equal(h.ends, 1);
	assert_int_equal(h.why, -EILSEQ);
	assert_int_equal(state_of(sink_of(&h)).out, 1000);
	assert_int_equal(state_of(sink_of(&h)).dropped, 2000);
	close_receiver(&h);
}

static int finish_now(struct heard *h)
{
	weir_producer_end(&h->tap.base.base, 0);
	return 0;
}

static int fail_now(struct heard *h)
{
	weir_consumer_fail(sink_of(h), -EIO);
	return 0;
}

static int write_more(struct heard *h)
{
	if (h->calls < 4)
		assert_int_equal(source_write(&h->tap.base, 50), 0);
	return 0;
}

static int leave_now(struct heard *h)
{
	weir_consumer_unregister(sink_of(h));
	return 0;
}

static void test_anything_may_be_done_from_inside_data(void **state)
{
	int (*const acts[])(struct heard *h) = {finish_now, fail_now, write_more, leave_now};
	struct heard h;

	(void)state;
	for (int i = 0; i < 4; i++) {
		open_receiver(&h, WEIR_PUSH, 0, 1);
		tap_join(&h.tap, sink_of(&h));
		h.act = acts[i];
		assert_int_equal(source_write(&h.tap.base, 100), i == 1 ? -EIO : 0);
		world_run(&h.w);
		assert_int_equal(h.got, i == 2 ? 250 : 100);
		assert_int_equal(h.ends, i < 2);
		assert_int_equal(h.why, i == 1 ? -EIO : 0);
		assert_int_equal(h.tap.base.stops, i == 1);
		close_receiver(&h);
	}
}

static void test_failure_is_told_at_once_and_drops_what_is_kept(void **state)
{
	struct heard h;

	(void)state;
	open_receiver(&h, WEIR_PUSH, 0, 1);
	tap_join(&h.tap, sink_of(&h));
	weir_receiver_pause(h.receiver);
	h.tap.base.paused = false;
	assert_int_equal(source_write(&h.tap.base, 100), 0);
	weir_producer_end(&h.tap.base.base, -ECONNRESET);
	assert_int_equal(h.ends, 1);
	assert_int_equal(h.why, -ECONNRESET);
	assert_int_equal(h.got, 0);
	assert_int_equal(state_of(sink_of(&h)).dropped, 100);
	close_receiver(&h);
}

static void test_receiver_without_an_end_callback(void **state)
{
	struct weir_receiver_options o = {.on_data = on_data};
	struct weir_receiver *receiver;
	struct heard h = {.got = 0};
	struct world w;

	(void)state;
	o.arg = &h;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(weir_receiver_create(&w.ctx, &o, &receiver), 0);
	weir_consumer_finish(weir_receiver_sink(receiver));
	assert_true(state_of(weir_receiver_sink(receiver)).ended);
	weir_receiver_destroy(receiver);
	weir_receiver_destroy(NULL);
	world_close(&w);
}

static void test_destroying_a_receiver_stops_its_producer(void **state)
{
	struct heard h;

	(void)state;
	open_receiver(&h, WEIR_PUSH, 0, 1);
	tap_join(&h.tap, sink_of(&h));
	weir_receiver_destroy(h.receiver);
	assert_int_equal(h.tap.base.stops, 1);
	assert_int_equal(h.tap.base.stop_why, WEIR_ECLOSED);
	assert_int_equal(h.ends, 0);
	world_close(&h.w);
}

/* ---- a feeder ---- */

struct fed {
	struct world w;
	struct weir_feeder *feeder;
	struct sink sink;
	uint64_t given;
	unsigned pauses, resumes, stops;
	int why;
	void (*act)(struct fed *f); /* on resume */
};

static void on_pause(void *arg)
{
	((struct fed *)arg)->pauses++;
}

static void on_resume(void *arg)
{
	struct fed *f = arg;

	f->resumes++;
	if (f->act)
		f->act(f);
}

static void on_stop(void *arg, int why)
{
	struct fed *f = arg;

	f->stops++;
	f->why = why;
}

static int feed(struct fed *f, size_t len)
{
	unsigned char bytes[1000];
	int rc;

	assert_true(len <= sizeof(bytes));
	pattern_fill(bytes, len, f->given);
	f->given += len;
	rc = weir_feeder_feed(f->feeder, bytes, len);
	memset(bytes, 0xee, len);
	if (rc < 0)
		f->given -= len;
	return rc;
}

static void open_feeder(struct fed *f)
{
	struct weir_feeder_options o = {on_pause, on_resume, on_stop, f};

	*f = (struct fed){.given = 0};
	world_open(&f->w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(weir_feeder_create(&f->w.ctx, &o, &f->feeder), 0);
	sink_open(&f->sink, &f->w);
	assert_int_equal(weir_valve_set_marks(&f->sink.v, 1000, 100, 2500), 0);
}

static void join_feeder(struct fed *f)
{
	assert_int_equal(weir_consumer_register(&f->sink.v.base, weir_feeder_source(f->feeder),
						WEIR_PUSH), 0);
}

static void close_feeder(struct fed *f)
{
	sink_state(&f->sink);
	weir_feeder_destroy(f->feeder);
	weir_valve_fini(&f->sink.v);
	world_close(&f->w);
}

static void test_fed_bytes_go_on_at_once(void **state)
{
	struct fed f;

	(void)state;
	open_feeder(&f);
	join_feeder(&f);
	assert_int_equal(f.resumes, 0); /* not from inside the registration */
	world_run(&f.w);
	assert_int_equal(f.resumes, 1);
	assert_int_equal(feed(&f, 700), 0);
	assert_int_equal(feed(&f, 0), 0);
	assert_int_equal(f.sink.got, 700);
	weir_feeder_end(f.feeder, 0);
	assert_int_equal(f.sink.on_ends, 1);
	assert_int_equal(f.sink.on_end_why, 0);
	assert_int_equal(f.stops, 0);
	assert_int_equal(feed(&f, 1), WEIR_ECLOSED);
	weir_feeder_end(f.feeder, -EIO);
	close_feeder(&f);
}

static void test_return_code_binds(void **state)
{
	struct fed f;
	int rc = 0;

	(void)state;
	open_feeder(&f);
	assert_int_equal(weir_feeder_room(f.feeder), 0);
	assert_int_equal(feed(&f, 1), WEIR_EFULL); /* nobody to take it */
	join_feeder(&f);
	world_run(&f.w);
	f.sink.window = 0;
	while (rc == 0 && f.given < 100000)
		rc = feed(&f, 300);
	assert_int_equal(rc, WEIR_EFULL);
	assert_int_equal(f.given, 1200); /* the mark, and what was over it of one chunk */
	assert_int_equal(weir_valve_held(&f.sink.v), 1200);
	assert_int_equal(weir_feeder_room(f.feeder), 0);
	assert_int_equal(f.pauses, 1);
	sink_take(&f.sink, SIZE_MAX);
	assert_int_equal(f.resumes, 2);
	assert_int_equal(weir_feeder_room(f.feeder), weir_consumer_room(&f.sink.v.base));
	assert_int_equal(feed(&f, 300), 0);
	assert_int_equal(f.sink.got, 1500);
	close_feeder(&f);
}

static void feed_all(struct fed *f)
{
	while (f->given < 50000 && feed(f, 300 < 50000 - f->given ? 300 : 50000 - f->given) == 0)
		;
	if (f->given == 50000)
		weir_feeder_end(f->feeder, 0);
}

static void test_feeding_from_the_callback_alone_gives_all(void **state)
{
	struct fed f;

	(void)state;
	open_feeder(&f);
	f.act = feed_all;
	f.sink.window = 0;
	join_feeder(&f);
	for (int i = 0; i < 1000 && !f.sink.on_ends; i++) {
		world_run(&f.w);
		sink_take(&f.sink, 777);
	}
	assert_int_equal(f.sink.got, 50000);
	assert_int_equal(f.sink.on_end_why, 0);
	assert_true(f.pauses > 10);
	close_feeder(&f);
}

static void test_registered_with_a_full_consumer_is_resumed_once_it_has_drained(void **state)
{
	struct fed f;

	(void)state;
	open_feeder(&f);
	weir_valve_hold(&f.sink.v, WEIR_HOLD_USER);
	join_feeder(&f);
	world_run(&f.w);
	assert_int_equal(f.pauses, 1);
	assert_int_equal(f.resumes, 0);
	assert_int_equal(feed(&f, 1), WEIR_EFULL);
	weir_valve_release(&f.sink.v, WEIR_HOLD_USER);
	world_run(&f.w);
	assert_int_equal(f.resumes, 1);
	close_feeder(&f);
}

static void test_resume_before_the_first_turn_comes_once(void **state)
{
	struct fed f;

	(void)state;
	open_feeder(&f);
	weir_valve_hold(&f.sink.v, WEIR_HOLD_USER);
	join_feeder(&f);
	weir_valve_release(&f.sink.v, WEIR_HOLD_USER);
	world_run(&f.w);
	assert_int_equal(f.resumes, 1);
	close_feeder(&f);
}

static void test_stop_is_told_once_and_binds(void **state)
{
	struct fed f;

	(void)state;
	open_feeder(&f);
	join_feeder(&f);
	world_run(&f.w);
	weir_valve_die(&f.sink.v, -EPIPE);
	assert_int_equal(f.stops, 1);
	assert_int_equal(f.why, -EPIPE);
	assert_int_equal(feed(&f, 1), WEIR_ECLOSED);
	weir_feeder_end(f.feeder, 0);
	assert_int_equal(f.sink.on_end_why, -EPIPE);
	close_feeder(&f);
	assert_int_equal(f.stops, 1);
}

static void test_end_before_there_is_a_consumer_is_told_later(void **state)
{
	struct fed f;

	(void)state;
	for (int i = 0; i < 3; i++) {
		open_feeder(&f);
		weir_feeder_end(f.feeder, i ? -EIO : 0);
		join_feeder(&f);
		assert_int_equal(f.sink.on_ends, 0);
		if (i < 2)
			world_run(&f.w);
		else
			weir_feeder_destroy(f.feeder), f.feeder = NULL;
		assert_int_equal(f.sink.on_ends, 1);
		assert_int_equal(f.sink.on_end_why, i ? -EIO : 0);
		assert_int_equal(f.resumes, 0);
		close_feeder(&f);
	}
}

static void test_failing_feeder_drops_what_is_held(void **state)
{
	struct fed f;

	(void)state;
	open_feeder(&f);
	f.sink.window = 0;
	join_feeder(&f);
	assert_int_equal(feed(&f, 100), 0);
	weir_feeder_end(f.feeder, -EIO);
	assert_int_equal(f.sink.on_end_why, -EIO);
	assert_int_equal(sink_state(&f.sink).dropped, 100);
	close_feeder(&f);
}

static void test_feeder_without_callbacks_and_destroyed_at_work(void **state)
{
	struct weir_feeder *feeder;
	struct sink sink;
	struct world w;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(weir_feeder_create(&w.ctx, NULL, &feeder), 0);
	sink_open(&sink, &w);
	assert_int_equal(weir_consumer_register(&sink.v.base, weir_feeder_source(feeder),
						WEIR_PUSH), 0);
	weir_valve_hold(&sink.v, WEIR_HOLD_USER);
	weir_valve_release(&sink.v, WEIR_HOLD_USER);
	world_run(&w);
	weir_feeder_destroy(feeder);
	weir_feeder_destroy(NULL);
	assert_int_equal(sink.on_end_why, WEIR_ECLOSED);
	world_close(&w);
}

static void unregister_now(struct fed *f)
{
	weir_consumer_unregister(&f->sink.v.base);
	assert_int_equal(feed(f, 1), WEIR_EFULL);
}

static void test_feeder_that_was_let_go_takes_nothing(void **state)
{
	struct fed f;

	(void)state;
	open_feeder(&f);
	f.act = unregister_now;
	join_feeder(&f);
	world_run(&f.w);
	assert_int_equal(f.resumes, 1);
	f.act = NULL;
	join_feeder(&f);
	world_run(&f.w);
	assert_int_equal(f.resumes, 2);
	assert_int_equal(feed(&f, 10), 0);
	close_feeder(&f);
}

/* ---- both ---- */

static void on_done(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	(void)join;
	*(struct weir_outcome *)arg = *outcome;
}

static void test_feeder_and_receiver_are_two_ends_of_a_join(void **state)
{
	struct weir_outcome outcome = {.end = WEIR_RUNNING};
	struct weir_join_options options = {.on_done = on_done, .arg = &outcome};
	struct weir_feeder *feeder;
	struct weir_join *join;
	struct heard h;

	(void)state;
	open_receiver(&h, WEIR_PUSH, 0, 1);
	assert_int_equal(weir_feeder_create(&h.w.ctx, NULL, &feeder), 0);
	assert_int_equal(weir_join_create(&h.w.ctx, weir_feeder_source(feeder), sink_of(&h),
					  &options, &join), 0);
	for (size_t i = 0; i < 256; i++) {
		unsigned char byte = pattern_at(i);

		if (i == 100)
			weir_receiver_pause(h.receiver);
		if (i >= 100)
			assert_int_equal(weir_feeder_feed(feeder, &byte, 1), WEIR_EFULL);
		else
			assert_int_equal(weir_feeder_feed(feeder, &byte, 1), 0);
	}
	weir_receiver_resume(h.receiver);
	weir_feeder_end(feeder, 0);
	world_run(&h.w);
	assert_int_equal(outcome.end, WEIR_FINISHED);
	assert_int_equal(outcome.offset, 100);
	assert_int_equal(h.ends, 1);
	weir_join_destroy(join);
	weir_feeder_destroy(feeder);
	close_receiver(&h);
}

static void test_each_failing_allocation_is_told_and_leaks_nothing(void **state)
{
	long n = 0;
	int rc;

	(void)state;
	do {
		struct weir_receiver_options o = {.on_data = on_data};
		struct weir_receiver *receiver = NULL;
		struct weir_feeder *feeder = NULL;
		struct heard h = {.got = 0};
		struct world w;

		o.arg = &h;
		world_open(&w, WEIR_BUDGET_DEFAULT);
		weir_test_fail_alloc_after(++n);
		rc = weir_receiver_create(&w.ctx, &o, &receiver);
		if (rc == 0)
			rc = weir_feeder_create(&w.ctx, NULL, &feeder);
		if (rc == 0) {
			weir_receiver_pause(receiver);
			rc = weir_consumer_write(weir_receiver_sink(receiver), "\0", 1);
			weir_receiver_resume(receiver);
			assert_int_equal(h.got, rc == 0);
		}
		weir_test_fail_alloc_after(-1);
		assert_true(rc == 0 || rc == -ENOMEM);
		weir_receiver_destroy(receiver);
		weir_feeder_destroy(feeder);
		world_close(&w);
	} while (rc < 0);
	assert_true(n > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data_and_the_end_are_told),
		cmocka_unit_test(test_pull_producer_is_asked_as_long_as_there_is_more),
		cmocka_unit_test(test_nothing_is_delivered_after_a_pause),
		cmocka_unit_test(test_what_comes_after_a_pause_is_kept_and_replayed),
		cmocka_unit_test(test_resume_from_inside_data_goes_on),
		cmocka_unit_test(test_end_is_told_while_paused_with_nothing_kept),
		cmocka_unit_test(test_data_that_is_refused_ends_the_stream_with_its_code),
		cmocka_unit_test(test_what_is_kept_behind_refused_data_is_dropped),
		cmocka_unit_test(test_anything_may_be_done_from_inside_data),
		cmocka_unit_test(test_failure_is_told_at_once_and_drops_what_is_kept),
		cmocka_unit_test(test_receiver_without_an_end_callback),
		cmocka_unit_test(test_destroying_a_receiver_stops_its_producer),
		cmocka_unit_test(test_fed_bytes_go_on_at_once),
		cmocka_unit_test(test_return_code_binds),
		cmocka_unit_test(test_feeding_from_the_callback_alone_gives_all),
		cmocka_unit_test(test_registered_with_a_full_consumer_is_resumed_once_it_has_drained),
		cmocka_unit_test(test_resume_before_the_first_turn_comes_once),
		cmocka_unit_test(test_stop_is_told_once_and_binds),
		cmocka_unit_test(test_end_before_there_is_a_consumer_is_told_later),
		cmocka_unit_test(test_failing_feeder_drops_what_is_held),
		cmocka_unit_test(test_feeder_without_callbacks_and_destroyed_at_work),
		cmocka_unit_test(test_feeder_that_was_let_go_takes_nothing),
		cmocka_unit_test(test_feeder_and_receiver_are_two_ends_of_a_join),
		cmocka_unit_test(test_each_failing_allocation_is_told_and_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
