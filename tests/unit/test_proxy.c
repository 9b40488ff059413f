/* SPDX-License-Identifier: MIT */
/* The proxies between any two, strict and as Twisted's. */
#include "between_fixture.h"

#include <errno.h>

#include "fail_alloc.h"
#include "weir/join.h"
#include "weir/proxy.h"

struct rig {
	struct world w;
	struct weir_proxy *proxy;
	struct tap tap;
	struct sink sink;
};

static struct weir_consumer *front(struct rig *r)
{
	return weir_proxy_sink(r->proxy);
}

static const struct weir_proxy_options plain, buffering = {.buffering = true};
static const struct weir_proxy_options basic = {.twisted = true};
static const struct weir_proxy_options pcp = {.twisted = true, .buffering = true};

/* A world, a proxy, and a sink behind it, which takes `window` bytes. */
static void open_rig(struct rig *r, const struct weir_proxy_options *o, enum weir_mode back,
		     size_t window)
{
	*r = (struct rig){0};
	world_open(&r->w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(weir_proxy_create(&r->w.ctx, o, &r->proxy), 0);
	sink_open(&r->sink, &r->w);
	r->sink.window = window;
	assert_int_equal(weir_consumer_register(&r->sink.v.base, weir_proxy_source(r->proxy), back),
			 0);
	world_run(&r->w);
}

static void join_tap(struct rig *r, enum weir_mode mode, uint64_t left, size_t chunk)
{
	tap_open(&r->tap, &r->w, mode, left, chunk);
	tap_join(&r->tap, front(r));
}

static void close_rig(struct rig *r)
{
	state_of(front(r));
	assert_false(r->sink.garbled);
	weir_proxy_destroy(r->proxy);
	weir_valve_fini(&r->sink.v);
	world_close(&r->w);
}

/* ---- plain ---- */

static void test_plain_pauses_the_producer_at_once(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, &plain, WEIR_PUSH, 0);
	join_tap(&r, WEIR_PUSH, 1000000, 1000);
	assert_true(r.sink.v.told_paused);
	assert_int_equal(weir_valve_held(&r.sink.v), WEIR_HIGH_DEFAULT);
	assert_int_equal(state_of(front(&r)).held, r.tap.base.given);
	assert_in_range(r.tap.base.given, WEIR_HIGH_DEFAULT, WEIR_HIGH_DEFAULT + 1000);
	assert_string_equal(r.tap.base.log, "Sp");
	sink_take(&r.sink, SIZE_MAX);
	world_run(&r.w);
	assert_int_equal(r.sink.got, 1000000);
	assert_false(r.tap.base.broken);
	close_rig(&r);
}

static void test_plain_holds_what_comes_after_a_pause(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, &plain, WEIR_PUSH, SIZE_MAX);
	join_tap(&r, WEIR_PUSH, 0, 1);
	weir_valve_hold(&r.sink.v, WEIR_HOLD_USER);
	assert_true(r.tap.base.paused);
	assert_int_equal(source_write(&r.tap.base, 700), 0);
	assert_int_equal(r.sink.got, 0);
	assert_int_equal(state_of(front(&r)).held, 700);
	assert_int_equal(state_of(front(&r)).holds,
			 WEIR_HOLD_BEHIND | WEIR_HOLD_USER | WEIR_HOLD_FULL);
	weir_valve_release(&r.sink.v, WEIR_HOLD_USER);
	assert_int_equal(r.sink.got, 700);
	assert_int_equal(state_of(front(&r)).held, 0);
	assert_string_equal(r.tap.base.log, "Spr");
	close_rig(&r);
}

static void test_plain_holds_its_producer_until_there_is_a_consumer(void **state)
{
	struct rig r = {0};

	(void)state;
	world_open(&r.w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(weir_proxy_create(&r.w.ctx, NULL, &r.proxy), 0);
	join_tap(&r, WEIR_PUSH, 5000, 1000);
	assert_string_equal(r.tap.base.log, "Sp");
	assert_int_equal(r.tap.base.given, 0);
	sink_open(&r.sink, &r.w);
	assert_int_equal(weir_consumer_register(&r.sink.v.base, weir_proxy_source(r.proxy),
						WEIR_PUSH), 0);
	assert_int_equal(r.tap.base.given, 0); /* not from inside the registration */
	world_run(&r.w);
	assert_int_equal(r.sink.got, 5000);
	close_rig(&r);
}

static void test_plain_room_is_no_more_than_goes_through(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, &plain, WEIR_PUSH, SIZE_MAX);
	join_tap(&r, WEIR_PUSH, 0, 1);
	assert_int_equal(weir_valve_set_marks(&r.sink.v, 100, 10, 150), 0);
	assert_int_equal(weir_consumer_room(front(&r)), 100);
	weir_valve_hold(&r.sink.v, WEIR_HOLD_USER);
	assert_int_equal(weir_consumer_room(front(&r)), 0);
	assert_true(r.tap.base.paused);
	close_rig(&r);
}

/* ---- buffering ---- */

static void test_buffering_keeps_a_pause_until_it_is_full(void **state)
{
	struct weir_proxy_options o = {.buffering = true, .high = 5000, .low = 1000};
	struct rig r;

	(void)state;
	open_rig(&r, &o, WEIR_PUSH, SIZE_MAX);
	weir_valve_hold(&r.sink.v, WEIR_HOLD_USER);
	join_tap(&r, WEIR_PUSH, 0, 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(source_write(&r.tap.base, 1000), 0);
	assert_string_equal(r.tap.base.log, "S");
	assert_int_equal(source_write(&r.tap.base, 1000), 0);
	assert_string_equal(r.tap.base.log, "Sp");
	assert_int_equal(r.sink.got, 0);
	weir_valve_release(&r.sink.v, WEIR_HOLD_USER);
	assert_string_equal(r.tap.base.log, "Spr");
	assert_int_equal(r.sink.got, 5000);
	close_rig(&r);
}

static void test_never_read_proxy_holds_no_more_than_high_and_a_chunk(void **state)
{
	struct weir_proxy_options o = {.buffering = true, .high = 5000, .low = 1000};
	struct rig r;

	(void)state;
	open_rig(&r, &o, WEIR_PUSH, 0);
	assert_int_equal(weir_valve_set_marks(&r.sink.v, 100, 10, 100000), 0);
	join_tap(&r, WEIR_PUSH, 1000000, 700);
	world_run(&r.w);
	assert_in_range(weir_valve_held(&r.sink.v), 100, 800);
	assert_in_range(state_of(front(&r)).held - weir_valve_held(&r.sink.v), 5000, 5700);
	assert_true(r.tap.base.paused);
	close_rig(&r);
}

static void test_marks_that_make_no_sense_are_refused(void **state)
{
	struct weir_proxy_options o = {.buffering = true, .high = 10, .low = 10};
	struct weir_proxy *proxy;
	struct world w;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(weir_proxy_create(&w.ctx, &o, &proxy), -EINVAL);
	world_close(&w);
}

/* ---- pulls behind ---- */

/* A consumer that pulls when the test says so, and counts what it gets for it. */
struct puller {
	struct weir_consumer base; /* first */
	unsigned chunks, refused, wakes;
	uint64_t got;
	bool garbled;
	bool full; /* refuses, and will pull again */
	void (*on_write)(struct puller *c);
};

static int puller_register(struct weir_consumer *c, struct weir_producer *p, enum weir_mode mode)
{
	weir_consumer_bind(c, p, mode);
	return 0;
}

static void puller_unregister(struct weir_consumer *c)
{
	weir_consumer_unbind(c);
}

static int puller_write(struct weir_consumer *base, const void *data, size_t len)
{
	struct puller *c = (struct puller *)base;

	if (c->full) {
		c->refused++;
		return WEIR_EFULL;
	}
	for (size_t i = 0; i < len; i++)
		c->garbled |= ((const unsigned char *)data)[i] != pattern_at(c->got + i);
	c->got += len;
	c->chunks++;
	if (c->on_write)
		c->on_write(c);
	return 0;
}

static int puller_give(struct weir_consumer *base, struct weir_chunk *chunk)
{
	int rc = puller_write(base, chunk->data, chunk->len);

	if (rc == 0)
		weir_chunk_unref(chunk);
	return rc;
}

static void puller_finish(struct weir_consumer *c)
{
	weir_consumer_ended(c, 0);
}

static size_t puller_room(struct weir_consumer *c)
{
	return ((struct puller *)c)->full ? 0 : SIZE_MAX;
}

static void puller_wake(struct weir_consumer *c)
{
	((struct puller *)c)->wakes++;
}

static void puller_state(const struct weir_consumer *base, struct weir_consumer_state *out)
{
	uint64_t got = ((const struct puller *)base)->got;

	*out = (struct weir_consumer_state){.in = got, .out = got};
}

static const struct weir_consumer_ops puller_ops = {
	.name = "puller",
	.register_producer = puller_register,
	.unregister_producer = puller_unregister,
	.write = puller_write,
	.give = puller_give,
	.finish = puller_finish,
	.fail = weir_consumer_ended,
	.room = puller_room,
	.wake = puller_wake,
	.state = puller_state,
};

struct pull_rig {
	struct rig r; /* without its sink */
	struct puller puller;
};

static void open_pull_rig(struct pull_rig *p, const struct weir_proxy_options *o)
{
	*p = (struct pull_rig){.puller = {.chunks = 0}};
	world_open(&p->r.w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(weir_proxy_create(&p->r.w.ctx, o, &p->r.proxy), 0);
	weir_consumer_init(&p->puller.base, &puller_ops);
	assert_int_equal(weir_consumer_register(&p->puller.base, weir_proxy_source(p->r.proxy),
						WEIR_PULL), 0);
	world_run(&p->r.w);
}

/* The chunks that one pull brought, before it returned. */
static unsigned pull(struct pull_rig *p)
{
	unsigned before = p->puller.chunks;

	weir_producer_resume(p->puller.base.producer);
	return p->puller.chunks - before;
}

static void close_pull_rig(struct pull_rig *p)
{
	assert_false(p->puller.garbled);
	assert_false(p->r.tap.base.broken);
	state_of(front(&p->r));
	weir_proxy_destroy(p->r.proxy);
	world_close(&p->r.w);
}

static void test_each_pull_brings_one_chunk_of_what_is_held(void **state)
{
	const struct weir_proxy_options *kinds[] = {&plain, &buffering};
	struct pull_rig p;

	(void)state;
	for (int k = 0; k < 2; k++) {
		open_pull_rig(&p, kinds[k]);
		join_tap(&p.r, WEIR_PUSH, 0, 1);
		p.r.tap.given_owned = true;
		for (int i = 0; i < 3; i++)
			assert_int_equal(source_give(&p.r.tap.base, &p.r.w.ctx.pool, 1000), 0);
		assert_int_equal(p.puller.chunks, 0);
		for (unsigned i = 1; i <= 3; i++) {
			assert_int_equal(pull(&p), 1);
			assert_int_equal(p.puller.got, 1000 * i);
		}
		assert_int_equal(pull(&p), 0);
		assert_false(p.r.tap.base.paused); /* it is waited for */
		close_pull_rig(&p);
	}
}

static void test_outstanding_pull_wakes_its_consumer_once_there_is_something(void **state)
{
	const struct weir_proxy_options *kinds[] = {&plain, &buffering};
	struct pull_rig p;

	(void)state;
	for (int k = 0; k < 2; k++) {
		open_pull_rig(&p, kinds[k]);
		join_tap(&p.r, WEIR_PUSH, 0, 1);
		assert_int_equal(pull(&p), 0);
		p.puller.wakes = 0;
		assert_int_equal(source_write(&p.r.tap.base, 10), 0);
		assert_int_equal(p.puller.got, 0); /* not unasked */
		assert_int_equal(p.puller.wakes, 1);
		assert_int_equal(pull(&p), 1);
		assert_int_equal(p.puller.got, 10);
		close_pull_rig(&p);
	}
}

static void test_plain_asks_its_producer_once_for_each_pull(void **state)
{
	struct pull_rig p;

	(void)state;
	open_pull_rig(&p, &plain);
	join_tap(&p.r, WEIR_PULL, 1000, 10);
	assert_int_equal(p.r.tap.base.resumes, 0);
	for (unsigned i = 1; i <= 5; i++) {
		assert_int_equal(pull(&p), 1);
		assert_int_equal(p.r.tap.base.resumes, i);
		assert_int_equal(state_of(front(&p.r)).held, 0);
	}
	p.r.tap.lazy = true;
	assert_int_equal(pull(&p), 0);
	assert_int_equal(pull(&p), 0); /* one pull is outstanding, not two */
	assert_int_equal(p.r.tap.base.resumes, 6);
	tap_wake(&p.r.tap);
	world_run(&p.r.w);
	assert_int_equal(p.r.tap.base.resumes, 7);
	assert_int_equal(state_of(front(&p.r)).held, 10);
	assert_int_equal(pull(&p), 1);
	assert_int_equal(p.r.tap.base.resumes, 7);
	close_pull_rig(&p);
}

static void test_buffering_asks_ahead_up_to_its_low_mark(void **state)
{
	struct weir_proxy_options o = {.buffering = true, .high = 100, .low = 20};
	struct pull_rig p;

	(void)state;
	open_pull_rig(&p, &o);
	join_tap(&p.r, WEIR_PULL, 1000, 10);
	assert_int_equal(state_of(front(&p.r)).held, 30);
	assert_int_equal(pull(&p), 1);
	assert_int_equal(state_of(front(&p.r)).held, 30 - p.puller.got + 10 * ((p.puller.got + 9) / 10));
	while (p.puller.got < 1000)
		assert_int_equal(pull(&p), 1);
	close_pull_rig(&p);
}

static void repull(struct puller *c)
{
	if (c->chunks < 3)
		weir_producer_resume(c->base.producer);
}

static void test_pull_from_inside_a_write_loses_nothing(void **state)
{
	struct pull_rig p;

	(void)state;
	open_pull_rig(&p, &plain);
	join_tap(&p.r, WEIR_PULL, 100, 10);
	p.puller.on_write = repull;
	while (p.puller.got < 100) {
		uint64_t before = p.puller.got;

		weir_producer_resume(p.puller.base.producer);
		world_run(&p.r.w);
		assert_true(p.puller.got > before);
	}
	assert_int_equal(p.r.tap.left, 0);
	close_pull_rig(&p);
}

static void test_refused_answer_to_a_pull_is_kept_for_the_next(void **state)
{
	const struct weir_proxy_options *kinds[] = {&plain, &buffering, &basic, &pcp};
	struct pull_rig p;

	(void)state;
	for (int k = 0; k < 4; k++) {
		open_pull_rig(&p, kinds[k]);
		join_tap(&p.r, WEIR_PUSH, 0, 1);
		assert_int_equal(source_write(&p.r.tap.base, 100), 0);
		p.puller.full = true;
		assert_int_equal(pull(&p), 0);
		assert_true(p.puller.refused > 0);
		assert_false(state_of(front(&p.r)).ended);
		assert_int_equal(state_of(front(&p.r)).held, 100);
		p.puller.full = false;
		assert_int_equal(source_write(&p.r.tap.base, 10), 0);
		while (p.puller.got < 110)
			assert_int_equal(pull(&p), 1);
		p.r.tap.base.broken = false; /* resumed unasked, in the Twisted profile */
		close_pull_rig(&p);
	}
}

/* ---- the end ---- */

static void test_finish_comes_behind_all_the_data(void **state)
{
	const struct weir_proxy_options *kinds[] = {&plain, &buffering};
	struct rig r;

	(void)state;
	for (int k = 0; k < 2; k++) {
		open_rig(&r, kinds[k], WEIR_PUSH, SIZE_MAX);
		join_tap(&r, WEIR_PUSH, 0, 1);
		weir_valve_hold(&r.sink.v, WEIR_HOLD_USER);
		assert_int_equal(source_write(&r.tap.base, 500), 0);
		weir_producer_end(&r.tap.base.base, 0);
		world_run(&r.w);
		assert_int_equal(r.sink.ends, 0);
		r.sink.window = 100;
		weir_valve_release(&r.sink.v, WEIR_HOLD_USER);
		world_run(&r.w);
		assert_int_equal(r.sink.on_ends, 0);
		assert_false(state_of(front(&r)).ended); /* the sink still holds 400 */
		assert_int_equal(state_of(front(&r)).out, 100);
		sink_take(&r.sink, SIZE_MAX);
		assert_int_equal(r.sink.on_ends, 1);
		assert_int_equal(r.sink.on_end_why, 0);
		assert_true(state_of(front(&r)).ended);
		assert_int_equal(state_of(front(&r)).out, 500);
		assert_int_equal(r.tap.base.stops, 0);
		close_rig(&r);
	}
}

static void test_empty_stream_completes_in_every_mix(void **state)
{
	struct rig r;

	(void)state;
	for (unsigned mix = 0; mix < 16; mix++) {
		struct weir_proxy_options o = {.buffering = mix & 4, .twisted = mix & 8};

		open_rig(&r, &o, mix & 1 ? WEIR_PULL : WEIR_PUSH, SIZE_MAX);
		join_tap(&r, mix & 2 ? WEIR_PULL : WEIR_PUSH, 0, 1);
		weir_producer_end(&r.tap.base.base, 0);
		world_run(&r.w);
		assert_int_equal(r.sink.on_ends, 1);
		assert_int_equal(r.sink.on_end_why, 0);
		assert_true(state_of(front(&r)).ended);
		close_rig(&r);
	}
}

static void test_failure_overtakes_the_data_in_every_mix(void **state)
{
	struct rig r;

	(void)state;
	for (unsigned mix = 0; mix < 16; mix++) {
		struct weir_proxy_options o = {.buffering = mix & 4, .twisted = mix & 8};

		open_rig(&r, &o, mix & 1 ? WEIR_PULL : WEIR_PUSH, 0);
		join_tap(&r, mix & 2 ? WEIR_PULL : WEIR_PUSH, 100000, 1000);
		weir_consumer_fail(front(&r), -EIO);
		world_run(&r.w);
		assert_int_equal(r.sink.on_ends, 1);
		assert_int_equal(r.sink.on_end_why, -EIO);
		assert_int_equal(r.tap.base.stops, 1);
		assert_int_equal(state_of(front(&r)).why, -EIO);
		assert_int_equal(weir_consumer_write(front(&r), "x", 1), WEIR_ECLOSED);
		close_rig(&r);
	}
}

static void test_death_behind_stops_the_producer_once_even_if_idle(void **state)
{
	struct rig r;

	(void)state;
	for (unsigned mix = 0; mix < 16; mix++) {
		struct weir_proxy_options o = {.buffering = mix & 4, .twisted = mix & 8};

		open_rig(&r, &o, mix & 1 ? WEIR_PULL : WEIR_PUSH, 0);
		join_tap(&r, mix & 2 ? WEIR_PULL : WEIR_PUSH, mix & 1 ? 0 : 5000, 1000);
		weir_valve_die(&r.sink.v, -EPIPE);
		assert_int_equal(r.tap.base.stops, 1);
		assert_int_equal(r.tap.base.stop_why, -EPIPE);
		assert_true(state_of(front(&r)).ended);
		if (!o.twisted) /* which does not ask what became of what it passed on */
			assert_int_equal(state_of(front(&r)).dropped, r.tap.base.given);
		world_run(&r.w);
		assert_int_equal(r.tap.base.stops, 1);
		close_rig(&r);
	}
}

static void test_second_producer_is_refused_and_the_first_untouched(void **state)
{
	const struct weir_proxy_options *kinds[] = {&plain, &buffering, &basic, &pcp};
	struct source other;
	struct rig r;

	(void)state;
	for (int k = 0; k < 4; k++) {
		open_rig(&r, kinds[k], WEIR_PUSH, SIZE_MAX);
		join_tap(&r, WEIR_PUSH, 0, 1);
		source_open(&other, WEIR_PUSH);
		assert_int_equal(weir_consumer_register(front(&r), &other.base, WEIR_PUSH),
				 WEIR_EBUSY);
		assert_int_equal(other.logged, 0);
		assert_string_equal(r.tap.base.log, "S");
		weir_consumer_fail(front(&r), -EIO);
		assert_int_equal(weir_consumer_register(front(&r), &other.base, WEIR_PUSH),
				 WEIR_ECLOSED);
		assert_string_equal(other.log, "x");
		close_rig(&r);
	}
}

static void test_next_producer_goes_on_where_the_last_one_left(void **state)
{
	const struct weir_proxy_options *kinds[] = {&plain, &buffering};
	struct source next;
	struct rig r;

	(void)state;
	for (int k = 0; k < 2; k++) {
		open_rig(&r, kinds[k], WEIR_PUSH, 0);
		join_tap(&r, WEIR_PUSH, 300000, 1000);
		assert_true(r.tap.base.paused);
		weir_consumer_unregister(front(&r));
		weir_consumer_unregister(front(&r));
		source_open(&next, WEIR_PUSH);
		next.given = r.tap.base.given;
		assert_int_equal(weir_consumer_register(front(&r), &next.base, WEIR_PUSH), 0);
		assert_string_equal(next.log, "Sp");
		sink_take(&r.sink, SIZE_MAX);
		world_run(&r.w);
		assert_string_equal(next.log, "Spr");
		assert_int_equal(source_write(&next, 10), 0);
		weir_producer_end(&next.base, 0);
		world_run(&r.w);
		assert_int_equal(r.sink.got, next.given);
		assert_int_equal(r.sink.on_end_why, 0);
		assert_int_equal(r.tap.base.resumes + r.tap.base.stops, 0);
		close_rig(&r);
	}
}

static void test_empty_write_signals_nothing(void **state)
{
	const struct weir_proxy_options *kinds[] = {&plain, &buffering, &basic, &pcp};
	struct rig r;

	(void)state;
	for (int k = 0; k < 4; k++) {
		open_rig(&r, kinds[k], WEIR_PUSH, SIZE_MAX);
		join_tap(&r, WEIR_PUSH, 0, 1);
		assert_int_equal(weir_consumer_write(front(&r), NULL, 0), 0);
		assert_int_equal(r.sink.drains, 0);
		assert_string_equal(r.tap.base.log, "S");
		close_rig(&r);
	}
}

/* ---- from inside ---- */

static void end_tap(struct source *p)
{
	weir_producer_end(&p->base, 0);
}

static void leave(struct source *p)
{
	weir_consumer_unregister(p->base.consumer);
}

static void kill(struct source *p)
{
	struct rig *r = p->arg;

	weir_valve_die(&r->sink.v, -EPIPE);
}

static void write_once(struct source *p)
{
	p->on_pause = NULL;
	p->on_resume = NULL;
	assert_int_equal(source_write(p, 77), 0);
}

static void test_anything_may_be_done_from_inside_a_pause_or_resume(void **state)
{
	void (*const acts[])(struct source *p) = {end_tap, leave, kill, write_once};
	struct rig r;

	(void)state;
	for (unsigned i = 0; i < 2 * 4 * 4; i++) {
		void (*act)(struct source *p) = acts[i / 2 % 4];
		struct weir_proxy_options o = {.buffering = i / 8 % 2, .twisted = i / 16,
					       .high = 20000};

		open_rig(&r, &o, WEIR_PUSH, 0);
		join_tap(&r, WEIR_PUSH, 0, 1);
		r.tap.base.arg = &r;
		r.tap.base.on_pause = i % 2 ? act : NULL;
		r.tap.base.on_resume = i % 2 ? NULL : act;
		for (int k = 0; k < 300 && !r.tap.base.pauses; k++) {
			int rc = source_write(&r.tap.base, 1000);

			assert_true(rc == 0 || (rc == -EPIPE && r.tap.base.stops));
		}
		assert_in_range(r.tap.base.pauses, 1, o.twisted ? 2 : 1);
		if (!r.sink.on_ends)
			sink_take(&r.sink, SIZE_MAX);
		world_run(&r.w);
		assert_true(act == kill || r.sink.got == r.tap.base.given);
		assert_int_equal(r.tap.base.stops, act == kill);
		assert_int_equal(r.sink.on_ends, act == kill || act == end_tap);
		close_rig(&r);
	}
}

/* ---- Twisted's ---- */

static void test_basic_forwards_each_pause_and_resume(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, &basic, WEIR_PUSH, SIZE_MAX);
	join_tap(&r, WEIR_PUSH, 0, 1);
	weir_producer_pause(weir_proxy_source(r.proxy));
	weir_producer_pause(weir_proxy_source(r.proxy));
	assert_int_equal(source_write(&r.tap.base, 5), 0);
	assert_int_equal(source_write(&r.tap.base, 6), 0);
	assert_int_equal(r.sink.drains, 0);
	weir_producer_resume(weir_proxy_source(r.proxy));
	assert_int_equal(r.sink.drains, 1); /* both in one write */
	assert_int_equal(r.sink.got, 11);
	weir_producer_resume(weir_proxy_source(r.proxy));
	assert_string_equal(r.tap.base.log, "Spprr");
	close_rig(&r);
}

static void test_basic_does_not_resume_a_pull_producer_that_registers(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, &basic, WEIR_PUSH, SIZE_MAX);
	join_tap(&r, WEIR_PULL, 100, 10);
	assert_string_equal(r.tap.base.log, "S");
	weir_producer_resume(weir_proxy_source(r.proxy));
	assert_string_equal(r.tap.base.log, "Sr");
	assert_int_equal(r.sink.got, 10);
	close_rig(&r);
}

static void test_pcp_pauses_at_each_write_from_65536_bytes_on(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, &pcp, WEIR_PUSH, SIZE_MAX);
	join_tap(&r, WEIR_PUSH, 0, 1);
	weir_producer_pause(weir_proxy_source(r.proxy));
	assert_int_equal(source_write(&r.tap.base, 65535), 0);
	assert_string_equal(r.tap.base.log, "S");
	assert_int_equal(source_write(&r.tap.base, 1), 0);
	assert_int_equal(source_write(&r.tap.base, 1), 0);
	assert_string_equal(r.tap.base.log, "Spp");
	weir_producer_resume(weir_proxy_source(r.proxy));
	assert_int_equal(r.sink.got, 65537);
	assert_string_equal(r.tap.base.log, "Sppr");
	weir_producer_resume(weir_proxy_source(r.proxy));
	assert_string_equal(r.tap.base.log, "Sppr");
	close_rig(&r);
}

static void test_pcp_unregisters_once_the_held_bytes_have_gone(void **state)
{
	struct rig r;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		open_rig(&r, i & 1 ? &basic : &pcp, WEIR_PUSH, SIZE_MAX);
		join_tap(&r, WEIR_PUSH, 0, 1);
		weir_producer_pause(weir_proxy_source(r.proxy));
		assert_int_equal(source_write(&r.tap.base, 100), 0);
		if (i & 2)
			weir_consumer_finish(front(&r)); /* overtakes them */
		else
			weir_consumer_unregister(front(&r));
		assert_int_equal(r.sink.v.life, i & 2 ? WEIR_FINISHING : WEIR_OPEN);
		assert_ptr_equal(r.sink.v.base.producer, weir_proxy_source(r.proxy));
		weir_producer_resume(weir_proxy_source(r.proxy));
		assert_null(r.sink.v.base.producer);
		assert_int_equal(r.sink.got, 100);
		assert_int_equal(r.sink.on_ends, i & 2 ? 1 : 0);
		assert_int_equal(state_of(front(&r)).ended, i & 2 ? 1 : 0);
		close_rig(&r);
	}
}

static void test_pcp_goes_on_writing_to_a_consumer_that_it_left(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, &pcp, WEIR_PUSH, SIZE_MAX);
	join_tap(&r, WEIR_PUSH, 0, 1);
	weir_consumer_unregister(front(&r));
	assert_null(weir_producer_consumer(weir_proxy_source(r.proxy)));
	assert_int_equal(source_write_to(&r.tap.base, front(&r), 10), 0);
	assert_int_equal(r.sink.got, 10);
	weir_valve_die(&r.sink.v, -EPIPE);
	assert_int_equal(weir_consumer_write(front(&r), "x", 1), WEIR_ECLOSED);
	close_rig(&r);
}

static void test_pcp_resumes_the_next_producer_for_the_last_ones_pause(void **state)
{
	struct source next;
	struct rig r;

	(void)state;
	open_rig(&r, &pcp, WEIR_PUSH, SIZE_MAX);
	join_tap(&r, WEIR_PUSH, 0, 1);
	weir_producer_pause(weir_proxy_source(r.proxy));
	assert_int_equal(source_write(&r.tap.base, 70000), 0);
	weir_consumer_unregister(front(&r));
	source_open(&next, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(front(&r), &next.base, WEIR_PUSH), 0);
	weir_producer_resume(weir_proxy_source(r.proxy));
	assert_string_equal(next.log, "Sr");
	assert_int_equal(r.sink.got, 70000);
	close_rig(&r);
}

static void test_pcp_answers_an_outstanding_pull_when_something_comes(void **state)
{
	struct pull_rig p;

	(void)state;
	for (int k = 0; k < 2; k++) {
		open_pull_rig(&p, k ? &basic : &pcp);
		join_tap(&p.r, WEIR_PUSH, 0, 1);
		assert_int_equal(pull(&p), 0);
		assert_int_equal(source_write(&p.r.tap.base, 10), 0);
		assert_int_equal(p.puller.got, 10);
		assert_int_equal(source_write(&p.r.tap.base, 10), 0);
		assert_int_equal(source_write(&p.r.tap.base, 10), 0);
		assert_int_equal(p.puller.got, 10);
		assert_int_equal(pull(&p), 1);
		assert_int_equal(p.puller.got, 30);
		assert_int_equal(source_write(&p.r.tap.base, 10), 0);
		assert_int_equal(p.puller.got, 30);
		p.r.tap.base.broken = false; /* it was resumed unasked: that is Twisted's way */
		close_pull_rig(&p);
	}
}

static void test_twisted_profile_keeps_what_a_hard_limit_refuses(void **state)
{
	struct rig r;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		open_rig(&r, i & 1 ? &basic : &pcp, i & 2 ? WEIR_PULL : WEIR_PUSH, 0);
		assert_int_equal(weir_valve_set_marks(&r.sink.v, 100, 10, 150), 0);
		join_tap(&r, WEIR_PUSH, 0, 1);
		assert_int_equal(source_write(&r.tap.base, 1000), 0);
		assert_int_equal(source_write(&r.tap.base, 1000), 0);
		while (r.sink.got < 2000) {
			uint64_t before = r.sink.got;

			sink_take(&r.sink, 70);
			world_run(&r.w);
			assert_true(r.sink.got > before);
		}
		weir_producer_end(&r.tap.base.base, 0);
		world_run(&r.w);
		assert_int_equal(r.sink.on_ends, 1);
		assert_int_equal(r.sink.on_end_why, 0);
		close_rig(&r);
	}
}

static void test_twisted_profile_tells_a_later_consumer_what_came_before(void **state)
{
	struct rig r;

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		r = (struct rig){0};
		world_open(&r.w, WEIR_BUDGET_DEFAULT);
		assert_int_equal(weir_proxy_create(&r.w.ctx, i & 1 ? &basic : &pcp, &r.proxy), 0);
		join_tap(&r, WEIR_PUSH, 0, 1);
		assert_int_equal(source_write(&r.tap.base, i & 2 ? 100 : 0), 0);
		weir_producer_end(&r.tap.base.base, i & 4 ? -EIO : 0);
		sink_open(&r.sink, &r.w);
		assert_int_equal(weir_consumer_register(&r.sink.v.base,
							weir_proxy_source(r.proxy), WEIR_PUSH), 0);
		world_run(&r.w);
		assert_int_equal(r.sink.on_ends, 1);
		assert_int_equal(r.sink.on_end_why, i & 4 ? -EIO : 0);
		assert_int_equal(r.sink.got, (i & 6) == 2 ? 100 : 0);
		assert_true(state_of(front(&r)).ended);
		close_rig(&r);
	}
}

static void test_twisted_profile_never_pauses_a_pull_producer(void **state)
{
	struct rig r;

	(void)state;
	for (int k = 0; k < 2; k++) {
		open_rig(&r, k ? &basic : &pcp, WEIR_PUSH, SIZE_MAX);
		join_tap(&r, WEIR_PULL, 0, 1);
		weir_producer_pause(weir_proxy_source(r.proxy));
		assert_int_equal(source_write(&r.tap.base, 70000), 0);
		assert_int_equal(r.tap.base.pauses, 0);
		weir_producer_resume(weir_proxy_source(r.proxy));
		assert_int_equal(r.sink.got, 70000);
		close_rig(&r);
	}
}

static void test_pcp_asks_a_pull_producer_that_woke_once_more(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, &pcp, WEIR_PUSH, SIZE_MAX);
	tap_open(&r.tap, &r.w, WEIR_PULL, 10, 10);
	r.tap.lazy = true;
	tap_join(&r.tap, front(&r));
	assert_int_equal(r.tap.base.resumes, 1);
	tap_wake(&r.tap);
	tap_wake(&r.tap);
	assert_int_equal(r.tap.base.resumes, 1);
	world_run(&r.w);
	assert_int_equal(r.tap.base.resumes, 2);
	assert_int_equal(r.sink.got, 10);
	tap_wake(&r.tap); /* it is not parked any more */
	world_run(&r.w);
	assert_int_equal(r.tap.base.resumes, 2);
	close_rig(&r);
}

static void test_twisted_profile_holds_no_more_than_the_budget(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, &pcp, WEIR_PUSH, SIZE_MAX);
	join_tap(&r, WEIR_PUSH, 0, 1);
	weir_budget_set_limit(&r.w.budget, r.w.budget.used + 5000);
	weir_producer_pause(weir_proxy_source(r.proxy));
	assert_int_equal(source_write(&r.tap.base, 4000), 0);
	assert_int_equal(source_write(&r.tap.base, 4000), WEIR_EFULL);
	assert_int_equal(state_of(front(&r)).held, 4000);
	weir_producer_resume(weir_proxy_source(r.proxy));
	world_run(&r.w); /* without room to keep them they are not handed on directly */
	assert_int_equal(r.sink.got, 4000);
	close_rig(&r);
}

static void die_now(struct sink *s)
{
	weir_valve_die(&s->v, -EPIPE);
}

static void test_bytes_that_were_on_their_way_to_a_dead_consumer_are_dropped(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, &pcp, WEIR_PUSH, 0);
	join_tap(&r, WEIR_PUSH, 0, 1);
	assert_int_equal(source_write(&r.tap.base, 10), 0);
	weir_producer_pause(weir_proxy_source(r.proxy));
	sink_take(&r.sink, SIZE_MAX);
	assert_int_equal(source_write(&r.tap.base, 1000), 0);
	r.sink.on_drain = die_now;
	weir_producer_resume(weir_proxy_source(r.proxy));
	assert_int_equal(state_of(front(&r)).why, -EPIPE);
	assert_int_equal(state_of(front(&r)).out, 10);
	assert_int_equal(state_of(front(&r)).dropped, 1000);
	close_rig(&r);
}

static void write_on(struct sink *s)
{
	struct rig *r = s->arg;

	s->on_drain = NULL;
	assert_int_equal(source_write(&r->tap.base, 50), 0);
}

static void test_what_comes_while_held_bytes_go_in_pieces_comes_behind_them(void **state)
{
	struct rig r;

	(void)state;
	for (int k = 0; k < 2; k++) {
		open_rig(&r, k ? &basic : &pcp, WEIR_PUSH, 70);
		assert_int_equal(weir_valve_set_marks(&r.sink.v, 100, 10, 150), 0);
		join_tap(&r, WEIR_PUSH, 0, 1);
		weir_producer_pause(weir_proxy_source(r.proxy));
		assert_int_equal(source_write(&r.tap.base, 1000), 0);
		r.sink.arg = &r;
		r.sink.on_drain = write_on;
		weir_producer_resume(weir_proxy_source(r.proxy));
		assert_int_equal(r.tap.base.given, 1050);
		assert_int_equal(r.sink.got, 70);
		for (int i = 0; i < 100 && r.sink.got < 1050; i++)
			sink_take(&r.sink, 70);
		assert_int_equal(r.sink.got, 1050);
		assert_int_equal(state_of(front(&r)).out, 1050);
		close_rig(&r);
	}
}

/* ---- anything, in any order ---- */

static void random_step(struct rig *r)
{
	switch (dice(6)) {
	case 0:
		sink_take(&r->sink, dice(3) ? dice(5000) : 0);
		break;
	case 1:
		weir_valve_hold(&r->sink.v, WEIR_HOLD_USER);
		break;
	case 2:
		weir_valve_release(&r->sink.v, WEIR_HOLD_USER);
		break;
	case 3:
		r->tap.lazy = true;
		break;
	case 4:
		tap_wake(&r->tap);
		break;
	default:
		weir_context_run(&r->w.ctx);
	}
	if (r->tap.base.base.mode == WEIR_PUSH && !r->tap.base.paused)
		tap_on_resume(&r->tap.base);
	state_of(front(r));
	sink_state(&r->sink);
}

static void run_out(struct rig *r, uint64_t total)
{
	weir_valve_release(&r->sink.v, WEIR_HOLD_USER);
	sink_take(&r->sink, SIZE_MAX);
	tap_wake(&r->tap);
	world_run(&r->w);
	assert_int_equal(r->tap.left, 0);
	if (r->tap.base.base.consumer)
		weir_producer_end(&r->tap.base.base, 0);
	world_run(&r->w);
	assert_int_equal(r->sink.got, total);
	assert_int_equal(r->sink.on_ends, 1);
	assert_int_equal(r->sink.on_end_why, 0);
	assert_true(state_of(front(r)).ended);
	assert_int_equal(state_of(front(r)).out, total);
}

static void test_random_schedules_lose_nothing_in_any_mix(void **state)
{
	struct rig r;

	(void)state;
	for (uint64_t seed = 1; seed <= 6000; seed++) {
		struct weir_proxy_options o = {.buffering = seed & 4, .high = 1 + seed % 9000};
		uint64_t total;

		dice_state = seed;
		total = dice(60000);
		open_rig(&r, &o, seed & 1 ? WEIR_PULL : WEIR_PUSH, 0);
		assert_int_equal(weir_valve_set_marks(&r.sink.v, 1 + dice(5000), 0, 70000), 0);
		tap_open(&r.tap, &r.w, seed & 2 ? WEIR_PULL : WEIR_PUSH, total, 1 + dice(4000));
		r.tap.random = true;
		r.tap.given_owned = dice(2);
		tap_join(&r.tap, front(&r));
		for (uint64_t n = dice(60); n > 0; n--)
			random_step(&r);
		run_out(&r, total);
		assert_false(r.tap.base.broken);
		close_rig(&r);
	}
}

/* Twisted's basic proxy asks a pull producer only as often as it is resumed itself, so with
 * one in front of a push sink it needs to be. */
static void test_random_schedules_lose_nothing_in_the_twisted_profile(void **state)
{
	struct rig r;

	(void)state;
	for (uint64_t seed = 1; seed <= 3000; seed++) {
		struct weir_proxy_options o = {.twisted = true, .buffering = seed & 2,
					       .high = 1 + seed % 9000};
		uint64_t total;

		dice_state = seed;
		total = dice(60000);
		open_rig(&r, &o, seed & 1 ? WEIR_PULL : WEIR_PUSH, 0);
		assert_int_equal(weir_valve_set_marks(&r.sink.v, 1 + dice(5000), 0, 6000), 0);
		tap_open(&r.tap, &r.w, WEIR_PUSH, total, 1 + dice(9000));
		r.tap.random = true;
		r.tap.given_owned = dice(2);
		tap_join(&r.tap, front(&r));
		for (uint64_t n = dice(60); n > 0; n--)
			random_step(&r);
		r.tap.base.paused = false; /* a pause while unasked is never taken back */
		run_out(&r, total);
		close_rig(&r);
	}
}

/* ---- memory ---- */

static void test_join_through_a_proxy_tells_who_holds(void **state)
{
	struct weir_progress progress;
	struct weir_join *join;
	struct rig r;

	(void)state;
	open_rig(&r, &plain, WEIR_PUSH, SIZE_MAX);
	tap_open(&r.tap, &r.w, WEIR_PUSH, 0, 1);
	assert_int_equal(weir_join_create(&r.w.ctx, &r.tap.base.base, front(&r), NULL, &join), 0);
	weir_valve_hold(&r.sink.v, WEIR_HOLD_RATE);
	r.w.now += 500;
	weir_join_progress(join, &progress);
	assert_true(progress.paused);
	assert_int_equal(progress.cause, WEIR_CAUSE_RATE);
	assert_int_equal(progress.held_ns[WEIR_CAUSE_RATE], 500);
	weir_join_destroy(join);
	close_rig(&r);
}

static int pass_with_one_failing(const struct weir_proxy_options *o, long n)
{
	struct rig r = {0};
	int rc;

	world_open(&r.w, WEIR_BUDGET_DEFAULT);
	sink_open(&r.sink, &r.w);
	weir_test_fail_alloc_after(n);
	rc = weir_proxy_create(&r.w.ctx, o, &r.proxy);
	if (rc == 0) {
		assert_int_equal(weir_consumer_register(&r.sink.v.base, weir_proxy_source(r.proxy),
							WEIR_PUSH), 0);
		world_run(&r.w);
		tap_open(&r.tap, &r.w, WEIR_PUSH, 0, 1);
		tap_join(&r.tap, front(&r));
		weir_producer_pause(weir_proxy_source(r.proxy));
		for (int i = 0; i < 3 && rc == 0; i++)
			rc = source_write(&r.tap.base, 3000);
		weir_producer_resume(weir_proxy_source(r.proxy));
		weir_producer_end(&r.tap.base.base, rc);
		world_run(&r.w);
		assert_int_equal(r.sink.on_ends, 1);
		assert_true(r.sink.on_end_why == -ENOMEM || r.sink.got == 9000);
		rc = r.sink.on_end_why;
	}
	weir_test_fail_alloc_after(-1);
	assert_true(rc == 0 || rc == -ENOMEM);
	if (r.proxy)
		state_of(front(&r));
	weir_proxy_destroy(r.proxy);
	weir_valve_fini(&r.sink.v);
	world_close(&r.w);
	return rc;
}

static void test_each_failing_allocation_is_told_and_leaks_nothing(void **state)
{
	const struct weir_proxy_options *kinds[] = {&plain, &buffering, &basic, &pcp};

	(void)state;
	for (int k = 0; k < 4; k++) {
		long n = 1;

		while (pass_with_one_failing(kinds[k], n) < 0)
			n++;
		assert_true(n > 2);
	}
}

static void test_destroying_cuts_both_sides(void **state)
{
	struct rig r;

	(void)state;
	for (unsigned mix = 0; mix < 16; mix++) {
		struct weir_proxy_options o = {.buffering = mix & 4, .twisted = mix & 8};

		open_rig(&r, &o, mix & 1 ? WEIR_PULL : WEIR_PUSH, 0);
		join_tap(&r, mix & 2 ? WEIR_PULL : WEIR_PUSH, 100000, 1000);
		weir_proxy_destroy(r.proxy);
		assert_int_equal(r.tap.base.stops, 1);
		assert_int_equal(r.tap.base.stop_why, WEIR_ECLOSED);
		assert_int_equal(r.sink.on_ends, 1);
		assert_int_equal(r.sink.on_end_why, WEIR_ECLOSED);
		world_close(&r.w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_pauses_the_producer_at_once),
		cmocka_unit_test(test_plain_holds_what_comes_after_a_pause),
		cmocka_unit_test(test_plain_holds_its_producer_until_there_is_a_consumer),
		cmocka_unit_test(test_plain_room_is_no_more_than_goes_through),
		cmocka_unit_test(test_buffering_keeps_a_pause_until_it_is_full),
		cmocka_unit_test(test_never_read_proxy_holds_no_more_than_high_and_a_chunk),
		cmocka_unit_test(test_marks_that_make_no_sense_are_refused),
		cmocka_unit_test(test_each_pull_brings_one_chunk_of_what_is_held),
		cmocka_unit_test(test_outstanding_pull_wakes_its_consumer_once_there_is_something),
		cmocka_unit_test(test_plain_asks_its_producer_once_for_each_pull),
		cmocka_unit_test(test_buffering_asks_ahead_up_to_its_low_mark),
		cmocka_unit_test(test_pull_from_inside_a_write_loses_nothing),
		cmocka_unit_test(test_refused_answer_to_a_pull_is_kept_for_the_next),
		cmocka_unit_test(test_finish_comes_behind_all_the_data),
		cmocka_unit_test(test_empty_stream_completes_in_every_mix),
		cmocka_unit_test(test_failure_overtakes_the_data_in_every_mix),
		cmocka_unit_test(test_death_behind_stops_the_producer_once_even_if_idle),
		cmocka_unit_test(test_second_producer_is_refused_and_the_first_untouched),
		cmocka_unit_test(test_next_producer_goes_on_where_the_last_one_left),
		cmocka_unit_test(test_empty_write_signals_nothing),
		cmocka_unit_test(test_anything_may_be_done_from_inside_a_pause_or_resume),
		cmocka_unit_test(test_basic_forwards_each_pause_and_resume),
		cmocka_unit_test(test_basic_does_not_resume_a_pull_producer_that_registers),
		cmocka_unit_test(test_pcp_pauses_at_each_write_from_65536_bytes_on),
		cmocka_unit_test(test_pcp_unregisters_once_the_held_bytes_have_gone),
		cmocka_unit_test(test_pcp_goes_on_writing_to_a_consumer_that_it_left),
		cmocka_unit_test(test_pcp_resumes_the_next_producer_for_the_last_ones_pause),
		cmocka_unit_test(test_pcp_answers_an_outstanding_pull_when_something_comes),
		cmocka_unit_test(test_twisted_profile_keeps_what_a_hard_limit_refuses),
		cmocka_unit_test(test_twisted_profile_tells_a_later_consumer_what_came_before),
		cmocka_unit_test(test_twisted_profile_never_pauses_a_pull_producer),
		cmocka_unit_test(test_pcp_asks_a_pull_producer_that_woke_once_more),
		cmocka_unit_test(test_twisted_profile_holds_no_more_than_the_budget),
		cmocka_unit_test(test_bytes_that_were_on_their_way_to_a_dead_consumer_are_dropped),
		cmocka_unit_test(test_what_comes_while_held_bytes_go_in_pieces_comes_behind_them),
		cmocka_unit_test(test_random_schedules_lose_nothing_in_any_mix),
		cmocka_unit_test(test_random_schedules_lose_nothing_in_the_twisted_profile),
		cmocka_unit_test(test_join_through_a_proxy_tells_who_holds),
		cmocka_unit_test(test_each_failing_allocation_is_told_and_leaks_nothing),
		cmocka_unit_test(test_destroying_cuts_both_sides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
