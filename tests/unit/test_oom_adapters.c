/* SPDX-License-Identifier: MIT */
/*
 * What stands between a source and a sink, with each of its allocations failing once: every
 * byte that was accepted comes out, or both sides are told -ENOMEM; a refused one may be
 * offered again.
 */
#include "between_fixture.h"

#include <errno.h>

#include "oom_fixture.h"
#include "weir/err.h"
#include "weir/feeder.h"
#include "weir/hash.h"
#include "weir/proxy.h"
#include "weir/receiver.h"
#include "weir/tap.h"
#include "weir/throttle.h"

#define TOTAL 60000

/* ---- a flow through something ---- */

struct flow {
	struct source source;
	struct sink sink;
	struct weir_consumer *front;
	unsigned answered; /* of its pulls */
	unsigned writes;
};

/* `call`, and again if it failed for want of memory, as it can once. */
#define TWICE(call)                                                                                \
	do {                                                                                       \
		int rc_ = (call);                                                                  \
		if (rc_ < 0) {                                                                     \
			assert_int_equal(rc_, -ENOMEM);                                            \
			rc_ = (call);                                                              \
		}                                                                                  \
		assert_int_equal(rc_, 0);                                                          \
	} while (0)

static void open_world(struct world *w)
{
	world_open(w, (size_t)1 << 24);
	w->ctx.pool.cache_max = 0; /* so that each block is an allocation */
}

static void open_sink(struct sink *s, struct world *w)
{
	sink_open(s, w);
	assert_int_equal(weir_valve_set_marks(&s->v, 6000, 1000, 12000), 0);
	s->window = 0;
}

static void open_source(struct flow *f, enum weir_mode mode, struct weir_consumer *front)
{
	f->front = front;
	f->answered = f->writes = 0;
	source_open(&f->source, mode);
	assert_int_equal(weir_consumer_register(front, &f->source.base, mode), 0);
}

static bool may_write(const struct flow *f)
{
	const struct source *p = &f->source;

	if (!p->base.consumer || p->given >= TOTAL)
		return false;
	return p->base.mode == WEIR_PUSH ? !p->paused : p->resumes > f->answered;
}

/* Some writes, in turn borrowed and owned, then some bytes for the sink. */
static void step(struct flow *f, struct world *w)
{
	for (int i = 0; i < 5 && may_write(f); i++) {
		size_t len = f->writes % 5 ? 700 : 3000;
		unsigned asked = f->source.resumes;
		int rc;

		if (len > TOTAL - f->source.given)
			len = (size_t)(TOTAL - f->source.given);
		rc = f->writes++ % 2 ? source_give(&f->source, &w->ctx.pool, len)
		                     : source_write(&f->source, len);
		if (rc == 0)
			f->answered = asked;
		else
			assert_true(rc == -ENOMEM && weir_test_alloc_failed());
	}
	sink_take(&f->sink, 900);
	world_run(w);
}

static bool is_done(const struct flow *f)
{
	return !f->source.base.consumer ||
	       (f->source.given == TOTAL && f->sink.got == f->source.given);
}

static void end_flow(struct flow *f, struct world *w)
{
	weir_producer_end(&f->source.base, 0);
	for (int i = 0; i < 3; i++) {
		world_run(w);
		sink_take(&f->sink, SIZE_MAX);
	}
	world_run(w);
}

static void assert_flow_truthful(const struct flow *f)
{
	struct weir_consumer_state st = state_of(f->front);

	assert_false(f->sink.garbled);
	assert_int_equal(f->sink.on_ends, 1);
	assert_true(st.ended);
	assert_int_equal(st.why, f->sink.on_end_why);
	if (st.why == 0) {
		assert_int_equal(f->sink.got, TOTAL);
		assert_int_equal(f->source.stops, 0);
	} else {
		assert_int_equal(st.why, -ENOMEM);
		assert_true(weir_test_alloc_failed());
		assert_int_equal(f->source.stops, 1);
		assert_int_equal(f->source.stop_why, -ENOMEM);
	}
	assert_false(f->source.broken);
}

/* ---- proxies ---- */

static const struct weir_proxy_options *kind;
static enum weir_mode front_mode, back_mode;

static void through_a_proxy(void)
{
	struct weir_proxy *proxy = NULL;
	struct flow f;
	struct world w;

	open_world(&w);
	open_sink(&f.sink, &w);
	TWICE(weir_proxy_create(&w.ctx, kind, &proxy));
	assert_int_equal(
		weir_consumer_register(&f.sink.v.base, weir_proxy_source(proxy), back_mode), 0);
	open_source(&f, front_mode, weir_proxy_sink(proxy));
	for (unsigned i = 0; !is_done(&f); i++) {
		assert_true(i < 10000);
		step(&f, &w);
	}
	end_flow(&f, &w);
	assert_flow_truthful(&f);
	weir_proxy_destroy(proxy);
	weir_valve_fini(&f.sink.v);
	world_close(&w);
}

static void test_proxies_of_every_mode_lose_nothing_or_tell(void **state)
{
	static const struct weir_proxy_options kinds[] = {
		{.buffering = false},
		{.buffering = true, .high = 4000, .low = 1000, .limit = 8000},
	};

	(void)state;
	for (int i = 0; i < 8; i++) {
		kind = &kinds[i / 4];
		front_mode = i & 1 ? WEIR_PULL : WEIR_PUSH;
		back_mode = i & 2 ? WEIR_PULL : WEIR_PUSH;
		for_each_failure(through_a_proxy, 5);
	}
}

static void test_proxies_like_twisteds_lose_nothing_or_tell(void **state)
{
	static const struct weir_proxy_options kinds[] = {
		{.twisted = true},
		{.twisted = true, .buffering = true, .high = 4000},
	};

	(void)state;
	front_mode = back_mode = WEIR_PUSH;
	for (int i = 0; i < 2; i++) {
		kind = &kinds[i];
		for_each_failure(through_a_proxy, 5);
	}
}

/* ---- throttles ---- */

static void through_a_throttle_group(void)
{
	struct weir_rate rate = {.bytes_per_s = 1000000, .burst = 2000};
	struct weir_throttle_group *group = NULL;
	struct weir_throttle *t[2] = {NULL, NULL};
	struct flow f[2];
	struct world w;

	open_world(&w);
	TWICE(weir_throttle_group_create(&w.ctx, rate, 1000, &group));
	for (int k = 0; k < 2; k++) {
		open_sink(&f[k].sink, &w);
		TWICE(weir_throttle_create(&w.ctx, rate, group, &t[k]));
		assert_int_equal(weir_consumer_register(&f[k].sink.v.base,
		                                        weir_throttle_source(t[k]), WEIR_PUSH),
		                 0);
		open_source(&f[k], k ? WEIR_PULL : WEIR_PUSH, weir_throttle_sink(t[k]));
	}
	for (unsigned i = 0; !is_done(&f[0]) || !is_done(&f[1]); i++) {
		assert_true(i < 10000);
		step(&f[0], &w);
		step(&f[1], &w);
		world_advance(&w, 1000000);
	}
	for (int k = 0; k < 2; k++) {
		end_flow(&f[k], &w);
		assert_flow_truthful(&f[k]);
	}
	assert_true(f[0].sink.on_end_why == 0 || f[1].sink.on_end_why == 0);
	for (int k = 0; k < 2; k++) {
		weir_throttle_destroy(t[k]);
		weir_valve_fini(&f[k].sink.v);
	}
	weir_throttle_group_destroy(group);
	world_close(&w);
}

static void test_a_throttle_that_fails_leaves_its_group_alone(void **state)
{
	(void)state;
	for_each_failure(through_a_throttle_group, 10);
}

/* ---- a tap with a hash ---- */

static void hash_seen(void *arg, const void *data, size_t len)
{
	assert_int_equal(weir_hash_add(arg, data, len), 0);
}

/* The digest of the pattern's first bytes. */
static void assert_hash(const struct weir_hash *h, uint64_t bytes)
{
	char text[WEIR_HASH_TEXT_MAX], expected[WEIR_HASH_TEXT_MAX];
	unsigned char *all = test_malloc(TOTAL);
	struct weir_hash *other = NULL;

	pattern_fill(all, (size_t)bytes, 0);
	TWICE(weir_hash_create("sha256", &other));
	assert_int_equal(weir_hash_add(other, all, (size_t)bytes), 0);
	TWICE(weir_hash_text(other, expected));
	TWICE(weir_hash_text(h, text));
	assert_string_equal(text, expected);
	weir_hash_destroy(other);
	test_free(all);
}

static void through_a_tap(void)
{
	struct weir_hash *hash = NULL;
	struct weir_tap *tap = NULL;
	struct flow f;
	struct world w;

	open_world(&w);
	open_sink(&f.sink, &w);
	TWICE(weir_hash_create("sha256", &hash));
	TWICE(weir_tap_create(&f.sink.v.base, hash_seen, hash, &tap));
	open_source(&f, front_mode, weir_tap_sink(tap));
	for (unsigned i = 0; !is_done(&f); i++) {
		assert_true(i < 10000);
		step(&f, &w);
	}
	end_flow(&f, &w);
	assert_flow_truthful(&f);
	assert_int_equal(weir_tap_count(tap), f.source.given); /* not what was refused */
	assert_hash(hash, f.source.given);
	weir_tap_destroy(tap);
	weir_hash_destroy(hash);
	weir_valve_fini(&f.sink.v);
	world_close(&w);
}

static void test_a_tap_sees_what_was_accepted_and_no_more(void **state)
{
	(void)state;
	front_mode = WEIR_PUSH;
	for_each_failure(through_a_tap, 5);
	front_mode = WEIR_PULL;
	for_each_failure(through_a_tap, 5);
}

/* ---- a feeder into a receiver ---- */

struct heard {
	struct weir_receiver *receiver;
	uint64_t got;
	unsigned calls, ends;
	int why;
};

static int on_data(void *arg, const void *bytes, size_t len)
{
	struct heard *h = arg;

	for (size_t i = 0; i < len; i++)
		assert_int_equal(((const unsigned char *)bytes)[i], pattern_at(h->got + i));
	h->got += len;
	if (++h->calls % 3 == 0)
		weir_receiver_pause(h->receiver);
	return 0;
}

static void on_end(void *arg, int why)
{
	struct heard *h = arg;

	h->ends++;
	h->why = why;
}

static void feed_a_receiver(void)
{
	struct heard h = {.got = 0};
	struct weir_receiver_options options = {.on_data = on_data, .on_end = on_end, .arg = &h};
	struct weir_feeder *feeder = NULL;
	unsigned char buf[3000];
	uint64_t fed = 0;
	struct world w;

	open_world(&w);
	TWICE(weir_receiver_create(&w.ctx, &options, &h.receiver));
	TWICE(weir_feeder_create(&w.ctx, NULL, &feeder));
	assert_int_equal(weir_consumer_register(weir_receiver_sink(h.receiver),
	                                        weir_feeder_source(feeder), WEIR_PUSH),
	                 0);
	for (unsigned i = 0; fed < TOTAL && h.ends == 0; i++) {
		size_t len = i % 4 ? 700 : sizeof(buf);
		int rc;

		assert_true(i < 10000);
		pattern_fill(buf, len, fed);
		rc = weir_feeder_feed(feeder, buf, len);
		if (rc == WEIR_EFULL) /* from one who does not ask, to be kept */
			rc = weir_consumer_write(weir_receiver_sink(h.receiver), buf, len);
		if (rc == 0)
			fed += len;
		else
			assert_true(rc == -ENOMEM && weir_test_alloc_failed());
		if (i % 7 == 0)
			weir_receiver_resume(h.receiver);
		world_run(&w);
	}
	weir_feeder_end(feeder, 0);
	for (int i = 0; i < 100 && h.ends == 0; i++) {
		weir_receiver_resume(h.receiver);
		world_run(&w);
	}
	assert_int_equal(h.ends, 1);
	if (h.why == 0)
		assert_int_equal(h.got, fed);
	else
		assert_true(h.why == -ENOMEM && weir_test_alloc_failed());
	weir_feeder_destroy(feeder);
	weir_receiver_destroy(h.receiver);
	assert_int_equal(h.ends, 1);
	world_close(&w);
}

static void test_what_was_fed_is_received_or_the_failure_is_told(void **state)
{
	(void)state;
	for_each_failure(feed_a_receiver, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_proxies_of_every_mode_lose_nothing_or_tell),
		cmocka_unit_test(test_proxies_like_twisteds_lose_nothing_or_tell),
		cmocka_unit_test(test_a_throttle_that_fails_leaves_its_group_alone),
		cmocka_unit_test(test_a_tap_sees_what_was_accepted_and_no_more),
		cmocka_unit_test(test_what_was_fed_is_received_or_the_failure_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
