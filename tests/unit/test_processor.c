/* SPDX-License-Identifier: MIT */
/* The base of processors, under one that frames its bytes and adds a trailer. */
#include "between_fixture.h"

#include <errno.h>

#include "fail_alloc.h"
#include "weir/impl/processor.h"

#define FRAME 200
#define TRAILER 50

/*
 * A coder: frames of a length byte and up to FRAME bytes, then a length of 0 and TRAILER
 * bytes.  A frame may be larger than the consumer behind has room for: the coder keeps the
 * rest of it.  A byte of 0xff at an offset of `bad_at` is an error in the stream.
 */
struct coder {
	struct weir_processor base; /* first */
	unsigned char made[FRAME + 1];
	size_t len, sent; /* of `made` */
	size_t most;      /* given in one piece; 0: all */
	uint64_t taken;
	uint64_t bad_at;
	bool unmarked, ended, nested;
	unsigned overs, flushes;
	int depth;
	void (*on_process)(struct coder *c); /* NULL: nothing */
	void *arg;
};

/* True once all that was made has been given on. */
static bool send(struct coder *c)
{
	size_t n = 1;

	while (n > 0 && c->sent < c->len) {
		struct weir_chunk rest = {c->made + c->sent, c->len - c->sent, NULL};

		n = weir_processor_pass(&c->base, &rest, 1, c->most ? c->most : UINT64_MAX);
		c->sent += n;
	}
	return c->sent == c->len;
}

static void enter(struct coder *c)
{
	assert_int_equal(c->overs, 0);
	if (c->depth++ > 0)
		c->nested = true;
	if (c->on_process)
		c->on_process(c);
}

static size_t code(struct weir_processor *p, const struct weir_chunk *chunks, size_t count)
{
	struct coder *c = (struct coder *)p;
	size_t taken = 0;

	enter(c);
	for (size_t i = 0; send(c) && i < count && !p->over; i++) {
		size_t len = chunks[i].len < FRAME ? chunks[i].len : FRAME;

		if (c->taken + len > c->bad_at) {
			weir_processor_fail(p, -EILSEQ);
			break;
		}
		c->made[0] = (unsigned char)len;
		memcpy(c->made + 1, chunks[i].data, len);
		c->len = len + 1;
		c->sent = 0;
		c->taken += len;
		taken += len;
		if (send(c) && !c->unmarked)
			weir_processor_mark(p, taken);
		if (len < chunks[i].len)
			break;
	}
	if (c->taken && c->sent == c->len && !c->unmarked && !taken && !p->over)
		weir_processor_mark(p, 0);
	/* The rest in the next call, which a consumer that takes no more postpones. */
	if (count && c->sent == c->len && taken && !p->over)
		weir_processor_go_on(p);
	c->depth--;
	return taken;
}

static bool say_trailer(struct weir_processor *p)
{
	struct coder *c = (struct coder *)p;
	bool all;

	enter(c);
	c->flushes++;
	all = send(c);
	if (all && !c->ended) {
		c->ended = true;
		memset(c->made, 't', TRAILER + 1);
		c->made[0] = 0;
		c->len = TRAILER + 1;
		c->sent = 0;
		all = send(c);
	}
	c->depth--;
	return all;
}

static void coder_over(struct weir_processor *p)
{
	((struct coder *)p)->overs++;
}

static const struct weir_processor_ops coder_ops = {
	.name = "coder",
	.transforms = true,
	.process = code,
	.flush = say_trailer,
	.room = weir_processor_any_room,
	.over = coder_over,
};

/* ---- a sink that decodes ---- */

struct decoder {
	struct weir_valve v; /* first */
	size_t window;       /* bytes that it takes; SIZE_MAX: all */
	size_t left;         /* of the frame, or of the trailer */
	uint64_t got, raw;   /* payload; and all */
	uint64_t seen;       /* in front: handed on */
	bool in_trailer, complete, garbled;
	int why;
	unsigned ends;
	void (*on_drain)(struct decoder *d); /* NULL: nothing */
	void *arg;
	struct weir_end_watch watch;
};

static void decode(struct decoder *d, unsigned char byte)
{
	d->raw++;
	if (d->complete) {
		d->garbled = true;
	} else if (d->in_trailer) {
		d->garbled |= byte != 't';
		d->complete = --d->left == 0;
	} else if (d->left == 0) {
		d->in_trailer = byte == 0;
		d->left = byte ? byte : TRAILER;
	} else {
		d->garbled |= byte != pattern_at(d->got++);
		d->left--;
	}
}

static int64_t decoder_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct decoder *d = (struct decoder *)v;
	int64_t taken = 0;

	if (d->on_drain)
		d->on_drain(d);
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < chunks[i].len && d->window > 0; k++, taken++) {
			decode(d, chunks[i].data[k]);
			if (d->window != SIZE_MAX)
				d->window--;
		}
	}
	return taken;
}

static const struct weir_valve_ops decoder_ops = {
	.name = "decoder",
	.drain = decoder_drain,
	.end = weir_valve_pass_end,
};

static void on_decoder_end(void *arg, int why)
{
	struct decoder *d = arg;

	d->ends++;
	d->why = why;
}

static void decoder_open(struct decoder *d, struct world *w, size_t window)
{
	*d = (struct decoder){.window = window};
	weir_valve_init(&d->v, &decoder_ops, &w->ctx);
	weir_consumer_watch_end(&d->v.base, &d->watch, on_decoder_end, d);
}

static void decoder_take(struct decoder *d, size_t n)
{
	d->window = n;
	weir_valve_ready(&d->v);
}

/* ---- the two together ---- */

struct rig {
	struct world w;
	struct coder coder;
	struct decoder decoder;
	struct tap tap;
};

static void attach(struct rig *r, struct weir_valve *v, enum weir_mode mode)
{
	assert_int_equal(weir_consumer_register(&v->base, &r->coder.base.back, mode), 0);
	world_run(&r->w);
}

static void open_front(struct rig *r, uint64_t left, size_t chunk)
{
	*r = (struct rig){.coder = {.bad_at = UINT64_MAX}};
	world_open(&r->w, WEIR_BUDGET_DEFAULT);
	weir_processor_init(&r->coder.base, &coder_ops, &r->w.ctx);
	tap_open(&r->tap, &r->w, WEIR_PUSH, left, chunk);
	tap_join(&r->tap, &r->coder.base.front.base);
}

static void open_rig(struct rig *r, enum weir_mode back, size_t window, uint64_t left, size_t chunk)
{
	open_front(r, left, chunk);
	decoder_open(&r->decoder, &r->w, window);
	attach(r, &r->decoder.v, back);
}

static struct weir_consumer_state state(struct rig *r)
{
	return state_of(&r->coder.base.front.base);
}

static void close_rig(struct rig *r)
{
	state(r);
	assert_false(r->decoder.garbled);
	assert_false(r->coder.nested);
	assert_false(r->tap.base.broken);
	weir_processor_fini(&r->coder.base);
	assert_int_equal(r->coder.overs, 1);
	if (r->decoder.v.ops)
		weir_valve_fini(&r->decoder.v);
	world_close(&r->w);
}

static void finish_and_check(struct rig *r)
{
	weir_producer_end(&r->tap.base.base, 0);
	world_run(&r->w);
	decoder_take(&r->decoder, SIZE_MAX);
	world_run(&r->w);
	assert_true(r->decoder.complete);
	assert_int_equal(r->decoder.got, r->tap.base.given);
	assert_int_equal(r->decoder.ends, 1);
	assert_int_equal(r->decoder.why, 0);
	assert_true(state(r).ended);
	assert_int_equal(state(r).why, 0);
	assert_int_equal(state(r).out, r->tap.base.given);
	assert_int_equal(r->tap.base.stops, 0);
}

/* ---- bytes ---- */

static void test_what_was_made_goes_on_though_nothing_more_comes(void **state_)
{
	struct rig r;

	(void)state_;
	open_rig(&r, WEIR_PUSH, 0, 0, 1);
	assert_int_equal(weir_valve_set_marks(&r.decoder.v, 10, 0, 10), 0);
	assert_int_equal(source_write(&r.tap.base, 100), 0);
	assert_int_equal(weir_valve_held(&r.decoder.v), 10);
	assert_int_equal(r.coder.base.front.queue.bytes, 0); /* 91 are in the coder */
	decoder_take(&r.decoder, SIZE_MAX);
	assert_int_equal(r.decoder.got, 100);
	finish_and_check(&r);
	close_rig(&r);
}

static void test_trailer_goes_out_in_pieces_and_before_the_finish(void **state_)
{
	struct rig r;

	(void)state_;
	open_rig(&r, WEIR_PUSH, 0, 0, 1);
	assert_int_equal(weir_valve_set_marks(&r.decoder.v, 10, 0, 10), 0);
	assert_int_equal(source_write(&r.tap.base, 30), 0);
	weir_producer_end(&r.tap.base.base, 0);
	world_run(&r.w);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(r.decoder.v.life, WEIR_OPEN);
		assert_false(state(&r).ended);
		decoder_take(&r.decoder, 10);
		world_run(&r.w);
	}
	assert_int_equal(r.decoder.raw, 80);
	assert_true(r.coder.flushes > 3);
	decoder_take(&r.decoder, SIZE_MAX);
	assert_int_equal(r.decoder.raw, 31 + 1 + TRAILER);
	assert_true(r.decoder.complete);
	assert_int_equal(r.decoder.ends, 1);
	assert_true(state(&r).ended);
	close_rig(&r);
}

static void test_empty_stream_has_its_trailer(void **state_)
{
	struct rig r;

	(void)state_;
	for (int i = 0; i < 4; i++) {
		open_rig(&r, i & 1 ? WEIR_PULL : WEIR_PUSH, i & 2 ? 0 : SIZE_MAX, 0, 1);
		finish_and_check(&r);
		close_rig(&r);
	}
}

static void test_end_and_trailer_wait_for_a_consumer_behind(void **state_)
{
	struct rig r;

	(void)state_;
	open_front(&r, 0, 1);
	assert_int_equal(source_write(&r.tap.base, 70), 0);
	weir_producer_end(&r.tap.base.base, 0);
	world_run(&r.w);
	assert_false(state(&r).ended);
	decoder_open(&r.decoder, &r.w, SIZE_MAX);
	attach(&r, &r.decoder.v, WEIR_PUSH);
	assert_true(r.decoder.complete);
	assert_int_equal(r.decoder.got, 70);
	assert_int_equal(r.decoder.ends, 1);
	assert_true(state(&r).ended);
	close_rig(&r);
}

static void test_a_pull_gets_one_chunk_and_a_parked_one_is_woken(void **state_)
{
	struct rig r;

	(void)state_;
	open_rig(&r, WEIR_PULL, SIZE_MAX, 0, 1);
	assert_true(r.decoder.v.parked);
	r.coder.most = 7; /* in pieces of this */
	assert_int_equal(source_write(&r.tap.base, 40), 0);
	assert_int_equal(r.decoder.raw, 0); /* not unasked */
	world_run(&r.w);
	assert_int_equal(r.decoder.raw, 41);
	assert_true(r.decoder.v.parked);
	finish_and_check(&r);
	close_rig(&r);
}

/* ---- whose bytes are where ---- */

static void test_bytes_are_held_until_what_came_of_them_is_handed_on(void **state_)
{
	struct rig r;

	(void)state_;
	open_rig(&r, WEIR_PUSH, 0, 0, 1);
	assert_int_equal(source_write(&r.tap.base, 100), 0);
	assert_int_equal(source_write(&r.tap.base, 50), 0);
	assert_int_equal(state(&r).held, 150);
	decoder_take(&r.decoder, 100);
	assert_int_equal(state(&r).out, 0); /* the last of 101 is not out */
	decoder_take(&r.decoder, 1);
	assert_int_equal(state(&r).out, 100);
	decoder_take(&r.decoder, 50);
	assert_int_equal(state(&r).out, 100);
	decoder_take(&r.decoder, 1);
	assert_int_equal(state(&r).out, 150);
	finish_and_check(&r);
	close_rig(&r);
}

static void test_unmarked_bytes_are_held_until_the_end(void **state_)
{
	struct rig r;

	(void)state_;
	open_rig(&r, WEIR_PUSH, SIZE_MAX, 0, 1);
	r.coder.unmarked = true;
	assert_int_equal(source_write(&r.tap.base, 100), 0);
	assert_int_equal(r.decoder.got, 100);
	assert_int_equal(state(&r).held, 100);
	finish_and_check(&r);
	close_rig(&r);
}

static void look(struct decoder *d)
{
	struct rig *r = d->arg;

	assert_true(state(r).out >= d->seen);
	d->seen = state(r).out;
}

static void test_state_adds_up_at_every_instant(void **state_)
{
	struct rig r;

	(void)state_;
	for (unsigned i = 1; i < 40; i++) {
		open_rig(&r, i % 2 ? WEIR_PULL : WEIR_PUSH, 0, 5000, 13 * i);
		assert_int_equal(weir_valve_set_marks(&r.decoder.v, 70, 7, 140), 0);
		r.decoder.arg = &r;
		r.decoder.on_drain = look;
		for (int k = 0; k < 50; k++) {
			uint64_t before = state(&r).out;

			decoder_take(&r.decoder, i);
			world_run(&r.w);
			assert_true(state(&r).out >= before);
			assert_true(state(&r).out <= r.decoder.raw);
		}
		while (r.tap.left > 0) {
			decoder_take(&r.decoder, SIZE_MAX);
			world_run(&r.w);
		}
		finish_and_check(&r);
		close_rig(&r);
	}
}

static void test_blame_is_passed_on_from_behind(void **state_)
{
	struct rig r;

	(void)state_;
	open_rig(&r, WEIR_PUSH, SIZE_MAX, 0, 1);
	assert_int_equal(weir_valve_set_marks(&r.coder.base.front, 10, 5, 100), 0);
	weir_valve_hold(&r.decoder.v, WEIR_HOLD_RATE);
	assert_int_equal(state(&r).holds, 0); /* it can hold some itself */
	assert_int_equal(source_write(&r.tap.base, 20), 0);
	assert_true(r.tap.base.paused);
	assert_int_equal(state(&r).holds, WEIR_HOLD_FULL | WEIR_HOLD_RATE);
	weir_valve_release(&r.decoder.v, WEIR_HOLD_RATE);
	assert_int_equal(state(&r).holds, 0);
	close_rig(&r);
}

/* ---- ends ---- */

static void test_error_in_the_stream_ends_both_sides(void **state_)
{
	struct rig r;

	(void)state_;
	for (int i = 0; i < 8; i++) {
		open_rig(&r, i & 1 ? WEIR_PULL : WEIR_PUSH, i & 2 ? 100 : SIZE_MAX, 0, 1);
		r.coder.bad_at = 250;
		if (i & 4)
			weir_valve_hold(&r.decoder.v, WEIR_HOLD_USER);
		for (int k = 0; k < 10 && r.tap.base.base.consumer; k++)
			source_write(&r.tap.base, 60);
		weir_valve_release(&r.decoder.v, WEIR_HOLD_USER);
		world_run(&r.w);
		decoder_take(&r.decoder, SIZE_MAX);
		assert_int_equal(r.tap.base.stops, 1);
		assert_int_equal(r.tap.base.stop_why, -EILSEQ);
		assert_int_equal(r.decoder.ends, 1);
		assert_int_equal(r.decoder.why, -EILSEQ);
		assert_false(r.decoder.complete);
		assert_true(state(&r).ended);
		assert_int_equal(state(&r).why, -EILSEQ);
		close_rig(&r);
	}
}

static void test_failure_while_the_trailer_waits_fails_the_consumer_behind(void **state_)
{
	struct rig r;

	(void)state_;
	open_rig(&r, WEIR_PUSH, 0, 0, 1);
	assert_int_equal(weir_valve_set_marks(&r.decoder.v, 10, 0, 10), 0);
	assert_int_equal(source_write(&r.tap.base, 30), 0);
	weir_producer_end(&r.tap.base.base, 0);
	weir_consumer_fail(&r.coder.base.front.base, -EIO);
	assert_int_equal(r.decoder.ends, 1);
	assert_int_equal(r.decoder.why, -EIO);
	assert_int_equal(state(&r).dropped, 30);
	close_rig(&r);
}

static void test_failure_after_the_finish_was_told_fails_the_consumer_behind(void **state_)
{
	struct rig r;

	(void)state_;
	open_rig(&r, WEIR_PUSH, 0, 0, 1);
	assert_int_equal(source_write(&r.tap.base, 30), 0);
	weir_producer_end(&r.tap.base.base, 0);
	world_run(&r.w);
	assert_int_equal(r.decoder.v.life, WEIR_FINISHING);
	assert_false(state(&r).ended);
	weir_consumer_fail(&r.coder.base.front.base, -EIO);
	assert_int_equal(r.decoder.ends, 1);
	assert_int_equal(r.decoder.why, -EIO);
	assert_true(state(&r).ended);
	assert_int_equal(state(&r).why, -EIO);
	close_rig(&r);
}

static void test_failure_waits_for_a_consumer_behind(void **state_)
{
	struct rig r;

	(void)state_;
	open_front(&r, 0, 1);
	weir_producer_end(&r.tap.base.base, 0);
	weir_consumer_fail(&r.coder.base.front.base, -EIO);
	assert_true(state(&r).ended);
	decoder_open(&r.decoder, &r.w, SIZE_MAX);
	attach(&r, &r.decoder.v, WEIR_PUSH);
	assert_int_equal(r.decoder.ends, 1);
	assert_int_equal(r.decoder.why, -EIO);
	close_rig(&r);
}

static void test_death_behind_stops_the_producer_at_any_time(void **state_)
{
	struct rig r;

	(void)state_;
	for (int i = 0; i < 3; i++) {
		open_rig(&r, WEIR_PUSH, 0, 0, 1);
		if (i > 0)
			assert_int_equal(source_write(&r.tap.base, 30), 0);
		if (i > 1)
			weir_consumer_finish(&r.coder.base.front.base);
		weir_valve_die(&r.decoder.v, -EPIPE);
		assert_int_equal(r.tap.base.stops, 1);
		assert_int_equal(r.tap.base.stop_why, -EPIPE);
		assert_int_equal(state(&r).why, -EPIPE);
		assert_int_equal(state(&r).dropped, i > 0 ? 30 : 0);
		assert_int_equal(r.coder.overs, 1);
		close_rig(&r);
	}
}

static void test_death_behind_after_the_finish_is_told_in_front(void **state_)
{
	struct rig r;

	(void)state_;
	open_rig(&r, WEIR_PUSH, 40, 0, 1);
	assert_int_equal(source_write(&r.tap.base, 30), 0);
	weir_producer_end(&r.tap.base.base, 0);
	weir_valve_die(&r.decoder.v, -EPIPE);
	assert_true(state(&r).ended);
	assert_int_equal(state(&r).why, -EPIPE);
	assert_int_equal(state(&r).out, 30); /* all but the trailer */
	assert_int_equal(r.tap.base.stops, 0);
	close_rig(&r);
}

static void test_registering_with_a_dead_consumer_ends_the_front(void **state_)
{
	struct rig r;

	(void)state_;
	open_front(&r, 0, 1);
	decoder_open(&r.decoder, &r.w, SIZE_MAX);
	weir_valve_die(&r.decoder.v, -EPIPE);
	assert_int_equal(weir_consumer_register(&r.decoder.v.base, &r.coder.base.back, WEIR_PUSH),
			 WEIR_ECLOSED);
	assert_int_equal(r.tap.base.stops, 1);
	assert_int_equal(r.tap.base.stop_why, -EPIPE);
	close_rig(&r);
}

/* A wrapper that is taken out stops its producer, and its inner consumer lives on. */
static void test_stop_without_an_end_lets_the_consumer_go(void **state_)
{
	struct rig r;

	(void)state_;
	open_rig(&r, WEIR_PUSH, 0, 0, 1);
	assert_int_equal(source_write(&r.tap.base, 30), 0);
	weir_consumer_unbind(&r.decoder.v.base);
	weir_producer_stop(&r.coder.base.back, -EPIPE);
	assert_int_equal(r.tap.base.stop_why, -EPIPE);
	assert_int_equal(state(&r).dropped, 30);
	decoder_take(&r.decoder, SIZE_MAX);
	weir_consumer_finish(&r.decoder.v.base);
	assert_int_equal(r.decoder.ends, 1);
	assert_int_equal(state(&r).dropped, 30);
	close_rig(&r);
}

/* ---- from one consumer to the next ---- */

static void test_consumer_that_let_go_is_followed_no_more(void **state_)
{
	struct decoder second;
	struct rig r;

	(void)state_;
	open_rig(&r, WEIR_PUSH, SIZE_MAX, 0, 1);
	assert_int_equal(source_write(&r.tap.base, 30), 0);
	weir_consumer_unregister(&r.decoder.v.base);
	weir_valve_die(&r.decoder.v, -EPIPE);
	assert_int_equal(r.tap.base.stops, 0);
	assert_false(state(&r).ended);
	assert_int_equal(state(&r).out, 30);
	assert_int_equal(source_write(&r.tap.base, 12), 0);
	assert_int_equal(state(&r).held, 12);
	decoder_open(&second, &r.w, 0);
	second.got = 30; /* of the pattern */
	attach(&r, &second.v, WEIR_PUSH);
	assert_int_equal(state(&r).held, 12);
	decoder_take(&second, SIZE_MAX);
	assert_int_equal(state(&r).out, 42);
	assert_int_equal(second.got, 42);
	assert_false(second.garbled);
	weir_producer_end(&r.tap.base.base, 0);
	world_run(&r.w);
	assert_true(second.complete);
	close_rig(&r);
	weir_valve_fini(&second.v);
}

static void test_change_of_the_consumer_keeps_the_sum(void **state_)
{
	struct decoder second;
	struct rig r;

	(void)state_;
	open_rig(&r, WEIR_PUSH, 0, 0, 1);
	assert_int_equal(source_write(&r.tap.base, 30), 0);
	assert_int_equal(state(&r).held, 30);
	weir_consumer_unregister(&r.decoder.v.base);
	decoder_open(&second, &r.w, SIZE_MAX);
	second.got = 30;
	attach(&r, &second.v, WEIR_PUSH);
	/* The first keeps what it accepted: that was handed on. */
	assert_int_equal(state(&r).out, 30);
	assert_int_equal(source_write(&r.tap.base, 5), 0);
	assert_int_equal(state(&r).out, 35);
	weir_valve_die(&second.v, -EPIPE);
	assert_int_equal(state(&r).why, -EPIPE);
	close_rig(&r);
	weir_valve_fini(&second.v);
}

/* ---- from inside ---- */

static void write_in_front(struct decoder *d)
{
	struct rig *r = d->arg;

	d->on_drain = NULL;
	/* What is offered comes first, in the pattern too. */
	assert_int_equal(source_write(&r->tap.base, 33), 0);
}

static void write_in_front_next_time(struct decoder *d)
{
	d->on_drain = write_in_front;
}

static void finish_in_front(struct decoder *d)
{
	struct rig *r = d->arg;

	d->on_drain = NULL;
	weir_producer_end(&r->tap.base.base, 0);
}

static void fail_in_front(struct decoder *d)
{
	struct rig *r = d->arg;

	d->on_drain = NULL;
	weir_consumer_fail(&r->coder.base.front.base, -EIO);
}

static void let_go_behind(struct decoder *d)
{
	d->on_drain = NULL;
	weir_consumer_unregister(&d->v.base);
}

static void push_again(struct decoder *d)
{
	struct rig *r = d->arg;

	weir_producer_pause(&r->coder.base.back);
	weir_producer_resume(&r->coder.base.back);
	weir_processor_go_on(&r->coder.base);
}

static void test_anything_may_be_done_from_inside_a_write_behind(void **state_)
{
	void (*const acts[])(struct decoder *d) = {write_in_front, finish_in_front, fail_in_front,
						   let_go_behind, push_again};
	struct rig r;

	(void)state_;
	for (unsigned i = 0; i < 5 * 3; i++) {
		bool fails = acts[i % 5] == fail_in_front;
		bool left = acts[i % 5] == let_go_behind;

		open_rig(&r, WEIR_PUSH, SIZE_MAX, 0, 1);
		r.decoder.arg = &r;
		r.coder.most = i / 5 == 1 ? 3 : 0;
		if (i / 5 < 2)
			r.decoder.on_drain = acts[i % 5];
		assert_int_equal(weir_valve_set_marks(&r.decoder.v, 20, 10, 30), 0);
		assert_int_equal(source_write_to(&r.tap.base, &r.coder.base.front.base, 300),
				 fails && i / 5 < 2 ? -EIO : 0);
		if (i / 5 == 2) { /* from inside the trailer's write */
			r.decoder.on_drain = acts[i % 5] == write_in_front ? NULL : acts[i % 5];
			weir_producer_end(&r.tap.base.base, 0);
		}
		world_run(&r.w);
		if (fails) {
			assert_int_equal(r.decoder.why, -EIO);
			assert_int_equal(state(&r).why, -EIO);
		} else if (left) {
			r.decoder.on_drain = NULL;
			assert_int_equal(r.decoder.ends, 0);
			attach(&r, &r.decoder.v, WEIR_PUSH);
			finish_and_check(&r);
		} else {
			finish_and_check(&r);
		}
		close_rig(&r);
	}
}

static void finish_from_process(struct coder *c)
{
	struct rig *r = c->arg;

	c->on_process = NULL;
	weir_producer_end(&r->tap.base.base, 0);
}

static void test_bytes_do_not_overtake_those_that_wait_to_be_given_on(void **state_)
{
	struct rig r;

	(void)state_;
	open_rig(&r, WEIR_PUSH, 0, 0, 1);
	assert_int_equal(weir_valve_set_marks(&r.decoder.v, 10, 0, 10), 0);
	assert_int_equal(source_write(&r.tap.base, 100), 0);
	r.decoder.arg = &r;
	r.decoder.on_drain = write_in_front_next_time; /* not when it drains what it holds */
	decoder_take(&r.decoder, SIZE_MAX);
	world_run(&r.w);
	assert_int_equal(r.decoder.got, 133);
	finish_and_check(&r);
	close_rig(&r);
}

static void test_finish_from_inside_process_without_chunks(void **state_)
{
	struct rig r;

	(void)state_;
	open_rig(&r, WEIR_PUSH, SIZE_MAX, 0, 1);
	r.coder.arg = &r;
	r.coder.on_process = finish_from_process;
	weir_processor_go_on(&r.coder.base);
	world_run(&r.w);
	assert_true(r.decoder.complete);
	assert_int_equal(r.decoder.ends, 1);
	close_rig(&r);
}

static void test_fini_cuts_both_sides(void **state_)
{
	struct rig r;

	(void)state_;
	open_rig(&r, WEIR_PUSH, 0, 1000, 100);
	weir_processor_fini(&r.coder.base);
	assert_int_equal(r.tap.base.stops, 1);
	assert_int_equal(r.tap.base.stop_why, WEIR_ECLOSED);
	assert_int_equal(r.decoder.ends, 1);
	assert_int_equal(r.decoder.why, WEIR_ECLOSED);
	close_rig(&r);
}

static void test_fini_after_the_finish_was_told_lets_it_complete(void **state_)
{
	struct rig r;

	(void)state_;
	open_rig(&r, WEIR_PUSH, 0, 0, 1);
	assert_int_equal(source_write(&r.tap.base, 30), 0);
	weir_producer_end(&r.tap.base.base, 0);
	world_run(&r.w);
	weir_processor_fini(&r.coder.base);
	decoder_take(&r.decoder, SIZE_MAX);
	assert_int_equal(r.decoder.ends, 1);
	assert_int_equal(r.decoder.why, 0);
	assert_true(r.decoder.complete);
	weir_valve_fini(&r.decoder.v);
	world_close(&r.w);
}

/* ---- memory, and anything ---- */

static void test_never_read_one_holds_no_more_than_high_and_a_chunk(void **state_)
{
	struct rig r;

	(void)state_;
	open_rig(&r, WEIR_PUSH, 0, 0, 700);
	assert_int_equal(weir_valve_set_marks(&r.decoder.v, 100, 10, 1000), 0);
	assert_int_equal(weir_valve_set_marks(&r.coder.base.front, 5000, 1000, 6000), 0);
	r.tap.left = 1000000;
	tap_on_resume(&r.tap.base);
	world_run(&r.w);
	assert_true(r.tap.base.paused);
	assert_in_range(weir_valve_held(&r.decoder.v), 100, 100 + FRAME);
	assert_in_range(weir_valve_held(&r.coder.base.front), 5000, 5000 + 700);
	close_rig(&r);
}

static int pass_with_one_failing(long n)
{
	struct rig r;
	int rc = 0;

	open_rig(&r, WEIR_PUSH, 0, 0, 1);
	assert_int_equal(weir_valve_set_marks(&r.decoder.v, 500, 10, 1000), 0);
	weir_test_fail_alloc_after(n);
	for (int i = 0; i < 40 && rc == 0; i++)
		rc = source_write(&r.tap.base, 100);
	if (rc < 0 && r.tap.base.base.consumer)
		weir_producer_end(&r.tap.base.base, rc);
	else if (r.tap.base.base.consumer)
		weir_producer_end(&r.tap.base.base, 0);
	decoder_take(&r.decoder, SIZE_MAX);
	world_run(&r.w);
	weir_test_fail_alloc_after(-1);
	assert_int_equal(r.decoder.ends, 1);
	rc = r.decoder.why;
	assert_true(rc == -ENOMEM || (rc == 0 && r.decoder.complete && r.decoder.got == 4000));
	assert_int_equal(state(&r).why, rc);
	close_rig(&r);
	return rc;
}

static void test_each_failing_allocation_is_told_and_leaks_nothing(void **state_)
{
	long n = 1;

	(void)state_;
	while (pass_with_one_failing(n) < 0)
		n++;
	assert_true(n > 3);
}

static void test_random_schedules_lose_nothing(void **state_)
{
	struct rig r;

	(void)state_;
	for (uint64_t seed = 1; seed <= 4000; seed++) {
		uint64_t total;

		dice_state = seed;
		total = dice(5000);
		open_rig(&r, seed % 2 ? WEIR_PULL : WEIR_PUSH, 0, 0, 1);
		assert_int_equal(weir_valve_set_marks(&r.decoder.v, 1 + dice(300), 0, 300), 0);
		r.coder.most = dice(3) ? dice(100) : 0;
		r.tap.random = true;
		r.tap.chunk = 1 + dice(400);
		r.tap.left = total;
		for (uint64_t n = dice(80); n > 0; n--) {
			if (dice(2))
				decoder_take(&r.decoder, dice(400));
			else if (dice(2))
				weir_context_run(&r.w.ctx);
			else if (dice(2))
				weir_valve_hold(&r.decoder.v, WEIR_HOLD_USER);
			else
				weir_valve_release(&r.decoder.v, WEIR_HOLD_USER);
			if (!r.tap.base.paused)
				tap_give(&r.tap);
			state(&r);
		}
		weir_valve_release(&r.decoder.v, WEIR_HOLD_USER);
		decoder_take(&r.decoder, SIZE_MAX);
		for (int i = 0; i < 10000 && r.tap.left > 0; i++) {
			if (!r.tap.base.paused)
				tap_give(&r.tap);
			world_run(&r.w);
		}
		finish_and_check(&r);
		assert_int_equal(r.decoder.got, total);
		close_rig(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_made_goes_on_though_nothing_more_comes),
		cmocka_unit_test(test_trailer_goes_out_in_pieces_and_before_the_finish),
		cmocka_unit_test(test_empty_stream_has_its_trailer),
		cmocka_unit_test(test_end_and_trailer_wait_for_a_consumer_behind),
		cmocka_unit_test(test_a_pull_gets_one_chunk_and_a_parked_one_is_woken),
		cmocka_unit_test(test_bytes_are_held_until_what_came_of_them_is_handed_on),
		cmocka_unit_test(test_unmarked_bytes_are_held_until_the_end),
		cmocka_unit_test(test_state_adds_up_at_every_instant),
		cmocka_unit_test(test_blame_is_passed_on_from_behind),
		cmocka_unit_test(test_error_in_the_stream_ends_both_sides),
		cmocka_unit_test(test_failure_while_the_trailer_waits_fails_the_consumer_behind),
		cmocka_unit_test(test_failure_after_the_finish_was_told_fails_the_consumer_behind),
		cmocka_unit_test(test_failure_waits_for_a_consumer_behind),
		cmocka_unit_test(test_death_behind_stops_the_producer_at_any_time),
		cmocka_unit_test(test_death_behind_after_the_finish_is_told_in_front),
		cmocka_unit_test(test_registering_with_a_dead_consumer_ends_the_front),
		cmocka_unit_test(test_stop_without_an_end_lets_the_consumer_go),
		cmocka_unit_test(test_consumer_that_let_go_is_followed_no_more),
		cmocka_unit_test(test_change_of_the_consumer_keeps_the_sum),
		cmocka_unit_test(test_anything_may_be_done_from_inside_a_write_behind),
		cmocka_unit_test(test_bytes_do_not_overtake_those_that_wait_to_be_given_on),
		cmocka_unit_test(test_finish_from_inside_process_without_chunks),
		cmocka_unit_test(test_fini_cuts_both_sides),
		cmocka_unit_test(test_fini_after_the_finish_was_told_lets_it_complete),
		cmocka_unit_test(test_never_read_one_holds_no_more_than_high_and_a_chunk),
		cmocka_unit_test(test_each_failing_allocation_is_told_and_leaks_nothing),
		cmocka_unit_test(test_random_schedules_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
