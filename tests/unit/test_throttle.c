/* SPDX-License-Identifier: MIT */
/*
 * What passes a throttle is held against the bound in whole numbers, for every window:
 * the clock is ours, and 128 bits are enough for any product here.
 */
#include "core_fixture.h"

#include <errno.h>

#include "adapter/bucket.h"
#include "fail_alloc.h"
#include "weir/join.h"
#include "weir/throttle.h"

__extension__ typedef __int128 wide;

#define S WEIR_NS_PER_S
#define YEAR (UINT64_C(31557600) * S)

static uint64_t seed_state;

static uint64_t rnd(uint64_t below)
{
	uint64_t z = seed_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % below;
}

/* A number of any size up to 2^bits, small ones as likely as large ones. */
static uint64_t rnd_scaled(unsigned bits)
{
	return rnd(UINT64_C(1) << (1 + rnd(bits)));
}

/* ---- the bound: of all windows that end now, none has more than rate x t + burst ---- */

struct bound {
	struct weir_rate rate;
	uint64_t at;
	wide gained; /* billionths of a byte, since ever */
	wide passed; /* likewise */
	wide most;   /* what `passed - gained` may be */
};

#define NO_BOUND ((wide)1 << 120)

static uint64_t burst_of(struct weir_rate r)
{
	if (r.burst)
		return r.burst;
	return r.bytes_per_s >= 10 ? r.bytes_per_s / 10 : 1;
}

static void bound_gain(struct bound *b, uint64_t now)
{
	b->gained += (wide)b->rate.bytes_per_s * (now - b->at);
	b->at = now;
}

static void bound_set(struct bound *b, struct weir_rate rate, uint64_t now)
{
	bound_gain(b, now);
	b->rate = rate;
	if (!rate.bytes_per_s)
		b->most = NO_BOUND;
}

static void bound_open(struct bound *b, struct weir_rate rate, uint64_t now)
{
	*b = (struct bound){.at = now, .most = NO_BOUND};
	bound_set(b, rate, now);
}

static void bound_pass(struct bound *b, uint64_t n, uint64_t now)
{
	wide window;

	if (!b || n == 0)
		return;
	bound_gain(b, now);
	window = (wide)burst_of(b->rate) * S + b->passed - b->gained;
	b->passed += (wide)n * S;
	if (!b->rate.bytes_per_s)
		return;
	if (window < b->most)
		b->most = window;
	assert_true(b->passed - b->gained <= b->most);
}

/* ---- a flow: source, throttle, and a sink that notes what passes, and when ---- */

struct flow {
	struct sink sink; /* the first member: a consumer is its flow */
	struct weir_consumer_ops meter_ops;
	struct source source;
	struct weir_throttle *throttle;
	struct world *world;
	struct bound own;
	struct bound *group;
	uint64_t to_give; /* the source gives this much more */
	size_t piece;     /* what it writes at a time */
	bool heedless;    /* it does not ask for room */
	struct weir_task later; /* for give_later() */
	uint64_t last;    /* when the last byte passed */
	int failed;       /* what a write failed with */
};

/* What the throttle passes is what the sink is given, whenever that drains it. */
static void flow_passed(struct flow *f, uint64_t n)
{
	bound_pass(&f->own, n, f->world->now);
	bound_pass(f->group, n, f->world->now);
	f->last = f->world->now;
}

static int meter_write(struct weir_consumer *c, const void *data, size_t len)
{
	int rc = weir_valve_consumer_ops.write(c, data, len);

	if (rc == 0)
		flow_passed((struct flow *)c, len);
	return rc;
}

static int meter_give(struct weir_consumer *c, struct weir_chunk *chunk)
{
	size_t len = chunk->len;
	int rc = weir_valve_consumer_ops.give(c, chunk);

	if (rc == 0)
		flow_passed((struct flow *)c, len);
	return rc;
}

static struct flow *flow_from_source(struct source *p)
{
	return (struct flow *)((char *)p - offsetof(struct flow, source));
}

/* Give what there is to give, while nobody says stop. */
static void give(struct source *p)
{
	struct flow *f = flow_from_source(p);

	while (p->base.consumer && !p->paused && f->to_give > 0) {
		size_t n = f->to_give < f->piece ? (size_t)f->to_give : f->piece;
		size_t room = f->heedless ? n : weir_consumer_room(p->base.consumer);

		if (room == 0)
			break;
		n = n < room ? n : room;
		f->to_give -= n;
		if (source_write(p, n) < 0) {
			f->failed = p->last_rc;
			weir_producer_end(&p->base, p->last_rc);
			return;
		}
	}
}

static void run_later(struct weir_task *task)
{
	give(&((struct flow *)((char *)task - offsetof(struct flow, later)))->source);
}

static void give_later(struct source *p)
{
	weir_task_queue(&flow_from_source(p)->world->ctx, &flow_from_source(p)->later);
}

static int flow_open(struct flow *f, struct world *w, struct weir_rate rate,
		     struct weir_throttle_group *group, struct bound *group_bound)
{
	int rc;

	*f = (struct flow){.world = w, .group = group_bound, .piece = 65536};
	f->later.run = run_later;
	rc = weir_throttle_create(&w->ctx, rate, group, &f->throttle);
	if (rc < 0)
		return rc;
	bound_open(&f->own, rate, w->now);
	sink_open(&f->sink, w);
	f->meter_ops = weir_valve_consumer_ops;
	f->meter_ops.write = meter_write;
	f->meter_ops.give = meter_give;
	f->sink.v.base.ops = &f->meter_ops;
	source_open(&f->source, WEIR_PUSH);
	f->source.on_resume = give;
	assert_int_equal(weir_consumer_register(&f->sink.v.base,
						weir_throttle_source(f->throttle), WEIR_PUSH), 0);
	assert_int_equal(weir_consumer_register(weir_throttle_sink(f->throttle), &f->source.base,
						WEIR_PUSH), 0);
	return 0;
}

static void flow_want(struct flow *f, uint64_t n)
{
	f->to_give += n;
	give(&f->source);
}

static void flow_close(struct flow *f)
{
	assert_false(f->source.broken);
	assert_false(f->sink.garbled);
	weir_task_cancel(&f->later);
	weir_throttle_destroy(f->throttle);
	weir_valve_fini(&f->sink.v);
}

/* On to the next thing that is due, late by up to `late` nanoseconds. */
static bool next(struct world *w, uint64_t late)
{
	uint64_t at = weir_context_next(&w->ctx);

	if (at == WEIR_NEVER)
		return false;
	if (at > w->now)
		w->now = at;
	world_advance(w, late ? rnd(late) : 0);
	return true;
}

static void run_until(struct world *w, uint64_t end, uint64_t late)
{
	while (weir_context_next(&w->ctx) < end)
		next(w, late);
	if (w->now < end)
		world_advance(w, end - w->now);
}

static struct weir_rate rate_of(uint64_t rate, uint64_t burst)
{
	return (struct weir_rate){.bytes_per_s = rate, .burst = burst};
}

/* ---- the bucket ---- */

/* The same in 128 bits, without splitting. */
struct model {
	wide rate, burst, nano;
	uint64_t at;
};

static void model_fill(struct model *m, uint64_t now)
{
	m->nano += m->rate * (now - m->at);
	m->at = now;
	if (m->nano > m->burst * S)
		m->nano = m->burst * S;
}

static void test_bucket_is_exact_up_to_100_gbytes_and_for_years(void **state)
{
	(void)state;
	seed_state = 1;
	for (int round = 0; round < 300; round++) {
		uint64_t now = rnd_scaled(59);
		uint64_t rate = 1 + rnd_scaled(36) % UINT64_C(100000000000);
		uint64_t burst = 1 + rnd_scaled(round % 3 ? 40 : 62);
		struct weir__bucket b;
		struct model m = {.rate = rate, .burst = burst, .nano = (wide)burst * S, .at = now};

		weir__bucket_init(&b, rate_of(rate, burst), now);
		for (int i = 0; i < 300; i++) {
			uint64_t taken, want;

			now += rnd_scaled(i % 20 ? 40 : 58);
			weir__bucket_fill(&b, now);
			model_fill(&m, now);
			assert_int_equal(b.tokens, (uint64_t)(m.nano / S));
			assert_int_equal(b.billionths, (uint64_t)(m.nano % S));
			taken = weir__bucket_take(&b, rnd_scaled(40));
			m.nano -= (wide)taken * S;
			assert_true(m.nano >= 0);
			if (i % 5 == 0) {
				uint64_t back = rnd(taken + 1);

				weir__bucket_put(&b, back);
				m.nano += (wide)back * S;
			}
			want = weir__bucket_step(&b);
			want = 1 + rnd(want);
			if (b.tokens < want) {
				uint64_t when = weir__bucket_when(&b, want);

				/* Then and not a nanosecond earlier. */
				assert_true(m.nano + m.rate * (when - now) >= (wide)want * S);
				assert_true(m.nano + m.rate * (when - 1 - now) < (wide)want * S);
			}
		}
	}
}

static void test_bucket_holds_a_burst_after_years_of_idling(void **state)
{
	struct weir__bucket b;

	(void)state;
	weir__bucket_init(&b, rate_of(UINT64_C(100000000000), 7), 5);
	assert_int_equal(weir__bucket_take(&b, 100), 7);
	weir__bucket_fill(&b, 100 * YEAR);
	assert_int_equal(weir__bucket_take(&b, 100), 7);
	weir__bucket_init(&b, rate_of(UINT64_MAX, UINT64_MAX), 0);
	assert_int_equal(weir__bucket_take(&b, UINT64_MAX), UINT64_MAX);
	weir__bucket_fill(&b, 500 * YEAR);
	assert_int_equal(weir__bucket_tokens(&b), UINT64_MAX);
}

static void test_clock_that_steps_back_gives_nothing(void **state)
{
	struct weir__bucket b;

	(void)state;
	weir__bucket_init(&b, rate_of(1000, 1000), 5 * S);
	weir__bucket_take(&b, 1000);
	weir__bucket_fill(&b, 1 * S);
	assert_int_equal(weir__bucket_tokens(&b), 0);
	weir__bucket_fill(&b, 6 * S);
	assert_int_equal(weir__bucket_tokens(&b), 1000);
}

static void test_default_burst_is_a_tenth_of_a_second(void **state)
{
	struct weir__bucket b;

	(void)state;
	weir__bucket_init(&b, rate_of(1000, 0), 0);
	assert_int_equal(weir__bucket_tokens(&b), 100);
	weir__bucket_init(&b, rate_of(3, 0), 0);
	assert_int_equal(weir__bucket_tokens(&b), 1);
}

/* ---- RATE-1 ---- */

static struct weir_rate random_rate(bool may_be_none)
{
	uint64_t rate = 1 + rnd_scaled(36) % UINT64_C(100000000000);

	if (may_be_none && rnd(10) == 0)
		rate = 0;
	return rate_of(rate, rnd(2) ? 1 + rnd_scaled(30) : 0);
}

static void random_step(struct world *w, struct flow *f, bool may_be_none)
{
	struct weir_rate r;

	switch (rnd(8)) {
	case 0:
		world_advance(w, rnd_scaled(rnd(20) ? 33 : 50));
		break;
	case 1:
		r = random_rate(may_be_none);
		bound_set(&f->own, r, w->now);
		weir_throttle_set_rate(f->throttle, r);
		break;
	case 2:
		f->sink.window = rnd(3) ? SIZE_MAX : rnd_scaled(18);
		weir_valve_ready(&f->sink.v);
		break;
	case 3:
	case 4:
		f->piece = 1 + rnd_scaled(17);
		f->heedless = rnd(4) == 0;
		flow_want(f, rnd_scaled(19));
		break;
	default:
		next(w, rnd(2) ? 0 : rnd_scaled(30) + 1);
	}
}

/* Finish, with a rate at which that ends. */
static void run_out(struct world *w, struct flow *f)
{
	f->sink.window = SIZE_MAX;
	weir_valve_ready(&f->sink.v);
	bound_set(&f->own, rate_of(50000000, 0), w->now);
	weir_throttle_set_rate(f->throttle, rate_of(50000000, 0));
	while (f->to_give > 0)
		assert_true(next(w, 0));
	weir_producer_end(&f->source.base, 0);
	while (!f->sink.on_ends)
		assert_true(next(w, 0));
	assert_int_equal(f->sink.on_end_why, 0);
	assert_int_equal(f->sink.got, f->source.given);
}

/* A debugger's run has less time. */
static uint64_t seeds(uint64_t count)
{
	return getenv("WEIR_TEST_QUICK") ? count / 8 : count;
}

static void test_no_window_has_more_than_rate_and_burst(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= seeds(40); seed++) {
		struct world w;
		struct flow f;

		seed_state = seed;
		world_open(&w, WEIR_BUDGET_DEFAULT);
		w.now = rnd_scaled(58);
		assert_int_equal(flow_open(&f, &w, random_rate(seed % 4 == 0), NULL, NULL), 0);
		for (int i = 0; i < 200; i++)
			random_step(&w, &f, seed % 4 == 0);
		run_out(&w, &f);
		flow_close(&f);
		world_close(&w);
	}
}

static void test_no_window_of_a_group_has_more_than_its_rate_and_burst(void **state)
{
	enum { FLOWS = 4 };

	(void)state;
	for (uint64_t seed = 1; seed <= seeds(16); seed++) {
		struct weir_throttle_group *g;
		struct flow f[FLOWS];
		struct bound sum;
		struct world w;
		struct weir_rate r;

		seed_state = seed * 1000;
		world_open(&w, WEIR_BUDGET_DEFAULT);
		w.now = rnd_scaled(58);
		r = random_rate(false);
		bound_open(&sum, r, w.now);
		assert_int_equal(weir_throttle_group_create(&w.ctx, r, rnd(2) * rnd_scaled(30), &g), 0);
		for (int i = 0; i < FLOWS; i++)
			assert_int_equal(flow_open(&f[i], &w, random_rate(true), g, &sum), 0);
		for (int i = 0; i < 400; i++) {
			random_step(&w, &f[rnd(FLOWS)], true);
			if (rnd(30) == 0) {
				r = random_rate(false);
				bound_set(&sum, r, w.now);
				weir_throttle_group_set_rate(g, r);
			}
		}
		bound_set(&sum, rate_of(200000000, 0), w.now);
		weir_throttle_group_set_rate(g, rate_of(200000000, 0));
		for (int i = 0; i < FLOWS; i++)
			run_out(&w, &f[i]);
		for (int i = 0; i < FLOWS; i++)
			flow_close(&f[i]);
		weir_throttle_group_destroy(g);
		world_close(&w);
	}
}

static void test_no_more_than_a_burst_passes_after_an_idle_time(void **state)
{
	struct world w;
	struct flow f;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(flow_open(&f, &w, rate_of(1000, 50), NULL, NULL), 0);
	flow_want(&f, 1);
	world_advance(&w, 3600 * S);
	flow_want(&f, 10000);
	assert_int_equal(f.sink.got, 1 + 50);
	run_until(&w, w.now + S, 0);
	assert_int_equal(f.sink.got, 1 + 50 + 1000);
	flow_close(&f);
	world_close(&w);
}

static void test_new_rate_holds_from_now_on(void **state)
{
	struct world w;
	struct flow f;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(flow_open(&f, &w, rate_of(1, 1), NULL, NULL), 0);
	flow_want(&f, 100000);
	run_until(&w, w.now + 3 * S / 2, 0);
	assert_int_equal(f.sink.got, 2);
	weir_throttle_set_rate(f.throttle, rate_of(1000, 100));
	bound_set(&f.own, rate_of(1000, 100), w.now);
	/* The half byte that was gained at the old rate counts. */
	run_until(&w, w.now + WEIR_NS_PER_MS / 2 - 1, 0);
	assert_int_equal(f.sink.got, 2);
	run_until(&w, w.now + 1, 0);
	assert_int_equal(f.sink.got, 3);
	run_until(&w, w.now + S, 0);
	assert_in_range(f.sink.got, 3 + 998, 3 + 1000);
	weir_throttle_set_rate(f.throttle, rate_of(0, 0));
	bound_set(&f.own, rate_of(0, 0), w.now);
	world_advance(&w, 0);
	assert_int_equal(f.sink.got, 100000);
	/* Nobody saves up while there is no limit. */
	weir_throttle_set_rate(f.throttle, rate_of(1000, 100));
	bound_set(&f.own, rate_of(1000, 100), w.now);
	flow_want(&f, 1000);
	assert_int_equal(f.sink.got, 100000);
	flow_close(&f);
	world_close(&w);
}

/* ---- RATE-2 ---- */

static void test_all_who_want_more_get_an_equal_part(void **state)
{
	enum { FLOWS = 5 };
	static const uint64_t rates[] = {3000, 100000, 1000000, 1000000000};

	(void)state;
	for (size_t k = 0; k < 4 * 3; k++) {
		uint64_t rate = rates[k % 4], late = k / 4 * 700000;
		uint64_t sum = 0, least = UINT64_MAX, most = 0;
		struct weir_throttle_group *g;
		struct flow f[FLOWS];
		struct bound all;
		struct world w;

		seed_state = k;
		world_open(&w, WEIR_BUDGET_DEFAULT);
		bound_open(&all, rate_of(rate, 0), w.now);
		assert_int_equal(weir_throttle_group_create(&w.ctx, rate_of(rate, 0), 0, &g), 0);
		for (int i = 0; i < FLOWS; i++) {
			assert_int_equal(flow_open(&f[i], &w, rate_of(0, 0), g, &all), 0);
			f[i].heedless = i == 1;
			f[i].piece = i == 1 ? 65536 : i == 2 ? 100 : i == 3 ? 7 : 1 << 20;
		}
		/* The first takes the burst that was there; from then on they are equal. */
		for (int i = 0; i < FLOWS; i++)
			flow_want(&f[i], UINT64_C(1) << 40);
		for (int i = 0; i < FLOWS; i++)
			f[i].sink.base += f[i].sink.got, f[i].sink.got = 0;
		/* The last answers a resume in the next turn, as those that read do. */
		f[4].source.on_resume = give_later;
		run_until(&w, w.now + (rate > 1000000 ? S / 10 : 20 * S), late);
		for (int i = 0; i < FLOWS; i++) {
			sum += f[i].sink.got;
			least = f[i].sink.got < least ? f[i].sink.got : least;
			most = f[i].sink.got > most ? f[i].sink.got : most;
			assert_true(f[i].source.paused || i == 4);
		}
		if (!late)
			assert_in_range(sum, rate * (rate > 1000000 ? 1 : 200) / 10 * 99 / 100,
					rate * (rate > 1000000 ? 1 : 200) / 10);
		/* At the highest rate a turn is two parts in a hundred of all that passed. */
		assert_in_range(least, most * (rate > 1000000 ? 95 : 98) / 100, most);
		for (int i = 0; i < FLOWS; i++)
			flow_close(&f[i]);
		weir_throttle_group_destroy(g);
		world_close(&w);
	}
}

static void test_last_bytes_in_a_group_pass_when_they_may_at_the_new_rate_too(void **state)
{
	struct weir_throttle_group *g;
	struct flow f[2];
	struct bound all;
	struct world w;
	uint64_t start;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	bound_open(&all, rate_of(1, 1), w.now);
	assert_int_equal(weir_throttle_group_create(&w.ctx, rate_of(1, 1), 0, &g), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(flow_open(&f[i], &w, rate_of(0, 0), g, &all), 0);
		flow_want(&f[i], 1234567);
	}
	bound_set(&all, rate_of(1000000, 1000), w.now);
	weir_throttle_group_set_rate(g, rate_of(1000000, 1000));
	start = w.now;
	while (f[0].sink.got + f[1].sink.got < 2 * 1234567)
		assert_true(next(&w, 0));
	/* One byte went before. */
	assert_int_equal(w.now - start, (2 * 1234567 - 1) * UINT64_C(1000));
	for (int i = 0; i < 2; i++)
		flow_close(&f[i]);
	weir_throttle_group_destroy(g);
	world_close(&w);
}

static void test_what_one_does_not_want_goes_to_the_others(void **state)
{
	struct weir_throttle_group *g;
	struct flow f[3];
	struct bound all;
	struct world w;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	bound_open(&all, rate_of(90000, 0), w.now);
	assert_int_equal(weir_throttle_group_create(&w.ctx, rate_of(90000, 0), 0, &g), 0);
	assert_int_equal(flow_open(&f[0], &w, rate_of(10000, 0), g, &all), 0);
	assert_int_equal(flow_open(&f[1], &w, rate_of(0, 0), g, &all), 0);
	assert_int_equal(flow_open(&f[2], &w, rate_of(0, 0), g, &all), 0);
	for (int i = 0; i < 3; i++)
		flow_want(&f[i], UINT64_C(1) << 40);
	run_until(&w, w.now + 10 * S, 0);
	assert_in_range(f[0].sink.got, 98000, 101000);
	assert_in_range(f[1].sink.got, 390000, 410000);
	assert_in_range(f[2].sink.got, 390000, 410000);
	for (int i = 0; i < 3; i++)
		flow_close(&f[i]);
	weir_throttle_group_destroy(g);
	world_close(&w);
}

/* How long the light flow's 100 bytes take at most, with nine that always want more. */
static uint64_t worst_delay(uint64_t min_share, uint64_t *heavy_least)
{
	struct weir_throttle_group *g;
	struct flow f[10];
	struct bound all;
	struct world w;
	uint64_t worst = 0;

	world_open(&w, WEIR_BUDGET_DEFAULT);
	bound_open(&all, rate_of(100000, 0), w.now);
	assert_int_equal(weir_throttle_group_create(&w.ctx, rate_of(100000, 0), min_share, &g), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(flow_open(&f[i], &w, rate_of(0, 0), g, &all), 0);
	for (int i = 1; i < 10; i++)
		flow_want(&f[i], UINT64_C(1) << 40);
	run_until(&w, w.now + S, 0);
	for (int i = 0; i < 50; i++) {
		uint64_t began = w.now;

		flow_want(&f[0], 100);
		run_until(&w, w.now + S / 10, 0);
		assert_int_equal(f[0].sink.got, 100 * (i + 1));
		worst = f[0].last - began > worst ? f[0].last - began : worst;
	}
	*heavy_least = UINT64_MAX;
	for (int i = 1; i < 10; i++)
		*heavy_least = f[i].sink.got < *heavy_least ? f[i].sink.got : *heavy_least;
	for (int i = 0; i < 10; i++)
		flow_close(&f[i]);
	weir_throttle_group_destroy(g);
	world_close(&w);
	return worst;
}

static void test_who_is_within_its_share_is_served_first(void **state)
{
	uint64_t least;

	(void)state;
	/* 100 bytes are one millisecond of the rate; the turn that runs may end first. */
	assert_in_range(worst_delay(2000, &least), 0, 5 * WEIR_NS_PER_MS);
	assert_in_range(least, 5 * 9000, 6 * 12000); /* of 100000 a second: none starves */
	assert_true(worst_delay(0, &least) > 5 * WEIR_NS_PER_MS);
}

static void test_share_is_no_more_than_the_share(void **state)
{
	struct weir_throttle_group *g;
	struct flow f[10];
	struct bound all;
	struct world w;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	bound_open(&all, rate_of(100000, 0), w.now);
	assert_int_equal(weir_throttle_group_create(&w.ctx, rate_of(100000, 0), 1000, &g), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(flow_open(&f[i], &w, rate_of(0, 0), g, &all), 0);
	for (int i = 1; i < 10; i++)
		flow_want(&f[i], UINT64_C(1) << 40);
	run_until(&w, w.now + S, 0);
	for (int i = 1; i < 10; i++)
		f[i].sink.base += f[i].sink.got, f[i].sink.got = 0;
	flow_want(&f[0], UINT64_C(1) << 40);
	run_until(&w, w.now + S / 2, 0);
	/* A tenth of 50000 for each, and for the one that came its 100 before that. */
	assert_in_range(f[0].sink.got, 4800, 5300);
	for (int i = 1; i < 10; i++)
		assert_in_range(f[i].sink.got, 4700, 5100);
	for (int i = 0; i < 10; i++)
		flow_close(&f[i]);
	weir_throttle_group_destroy(g);
	world_close(&w);
}

static void test_tokens_that_a_slow_sink_did_not_take_are_not_charged(void **state)
{
	struct weir_throttle_group *g;
	struct flow f[8];
	struct bound all;
	struct world w;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	bound_open(&all, rate_of(1000000, 0), w.now);
	assert_int_equal(weir_throttle_group_create(&w.ctx, rate_of(1000000, 0), 0, &g), 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(flow_open(&f[i], &w, rate_of(0, 0), g, &all), 0);
	assert_int_equal(weir_valve_set_marks(&f[0].sink.v, 100, 0, 200), 0);
	f[0].sink.window = 0;
	for (int i = 7; i >= 0; i--)
		flow_want(&f[i], UINT64_C(1) << 40);
	/* It could have an eighth of the rate, and takes a twentieth, 100 bytes at a time. */
	for (int i = 0; i < 500; i++) {
		run_until(&w, w.now + S / 500, 0);
		sink_take(&f[0].sink, 100);
	}
	assert_in_range(f[0].sink.got, 48000, 50000);
	for (int i = 0; i < 8; i++)
		flow_close(&f[i]);
	weir_throttle_group_destroy(g);
	world_close(&w);
}

/* ---- RATE-3 ---- */

static void test_last_bytes_pass_when_they_may(void **state)
{
	static const struct { uint64_t rate, burst, total; } cases[] = {
		{1000, 1, 777},           {1000000, 1000, 1234567}, {1, 1, 5},
		{3, 2, 100},              {999999937, 5000000, 30000001},
		{UINT64_C(100000000000), 1000000, UINT64_C(40000003)}, {1000, 5000, 4999},
	};

	(void)state;
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		uint64_t rate = cases[k].rate, total = cases[k].total, burst = cases[k].burst;
		wide lacking = total > burst ? (wide)(total - burst) * S : 0;
		struct world w;
		struct flow f;
		uint64_t start;

		world_open(&w, WEIR_BUDGET_DEFAULT);
		start = w.now;
		assert_int_equal(flow_open(&f, &w, rate_of(rate, burst), NULL, NULL), 0);
		flow_want(&f, total);
		while (f.sink.got < total)
			assert_true(next(&w, 0));
		assert_int_equal(f.last - start, (uint64_t)((lacking + rate - 1) / rate));
		/* Finished in the same turn as the last byte. */
		weir_producer_end(&f.source.base, 0);
		assert_int_equal(f.sink.on_ends, 1);
		flow_close(&f);
		world_close(&w);
	}
}

static void test_wake_ups_are_not_one_a_byte(void **state)
{
	struct world w;
	struct flow f;
	unsigned wakes = 0;
	uint64_t end;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(flow_open(&f, &w, rate_of(1000000, 0), NULL, NULL), 0);
	flow_want(&f, UINT64_C(1) << 40);
	end = w.now + S;
	while (weir_context_next(&w.ctx) < end) {
		next(&w, 0);
		wakes++;
	}
	assert_in_range(f.sink.got, 1095000, 1100000);
	assert_in_range(wakes, 400, 520);
	/* And nothing is read far ahead of its time. */
	assert_in_range(f.source.given - f.sink.got, 0, 2000);
	flow_close(&f);
	world_close(&w);
}

/* ---- blame, ends, memory ---- */

static void test_blame_says_rate(void **state)
{
	struct weir_progress p;
	struct weir_throttle *t;
	struct weir_join *j;
	struct world w;
	struct flow f;
	struct sink sink;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	f = (struct flow){.world = &w, .piece = 65536};
	source_open(&f.source, WEIR_PUSH);
	f.source.on_resume = give;
	sink_open(&sink, &w);
	assert_int_equal(weir_throttle_create(&w.ctx, rate_of(1000, 10), NULL, &t), 0);
	assert_int_equal(weir_consumer_register(&sink.v.base, weir_throttle_source(t), WEIR_PUSH),
			 0);
	assert_int_equal(weir_join_create(&w.ctx, &f.source.base, weir_throttle_sink(t), NULL, &j),
			 0);
	world_run(&w);
	flow_want(&f, 100000);
	run_until(&w, w.now + 10 * S, 0);
	weir_join_progress(j, &p);
	assert_true(p.paused);
	assert_int_equal(p.cause, WEIR_CAUSE_RATE);
	assert_int_equal(p.held_ns[WEIR_CAUSE_RATE], 10 * S);
	assert_int_equal(p.out, 10000 + 10);

	/* A sink that is full is not the rate's fault. */
	sink.window = 0;
	run_until(&w, w.now + 20000 * S, 0);
	weir_join_progress(j, &p);
	assert_true(p.held_ns[WEIR_CAUSE_RATE] < 1000 * S);
	weir_join_destroy(j);
	weir_throttle_destroy(t);
	weir_valve_fini(&sink.v);
	world_close(&w);
}

static void test_failure_passes_at_once(void **state)
{
	struct world w;
	struct flow f;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(flow_open(&f, &w, rate_of(10, 10), NULL, NULL), 0);
	f.heedless = true;
	flow_want(&f, 1000);
	weir_producer_end(&f.source.base, -EIO);
	assert_int_equal(f.sink.on_ends, 1);
	assert_int_equal(f.sink.on_end_why, -EIO);
	assert_int_equal(f.sink.got, 10);
	flow_close(&f);
	world_close(&w);
}

static void test_stop_from_behind_stops_the_producer_once(void **state)
{
	struct world w;
	struct flow f;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(flow_open(&f, &w, rate_of(10, 10), NULL, NULL), 0);
	flow_want(&f, 1000);
	world_run(&w);
	weir_valve_die(&f.sink.v, -EPIPE);
	assert_int_equal(f.source.stops, 1);
	assert_int_equal(f.source.stop_why, -EPIPE);
	assert_int_equal(weir_context_next(&w.ctx), WEIR_NEVER);
	flow_close(&f);
	assert_int_equal(f.source.stops, 1);
	world_close(&w);
}

static void test_finish_drains_first(void **state)
{
	struct world w;
	struct flow f;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(flow_open(&f, &w, rate_of(1000, 10), NULL, NULL), 0);
	f.heedless = true;
	flow_want(&f, 1010);
	weir_producer_end(&f.source.base, 0);
	run_until(&w, w.now + S - 1, 0);
	assert_int_equal(f.sink.on_ends, 0);
	world_advance(&w, 1);
	assert_int_equal(f.sink.got, 1010);
	assert_int_equal(f.sink.on_ends, 1);
	assert_int_equal(f.sink.on_end_why, 0);
	flow_close(&f);
	world_close(&w);
}

static void test_end_waits_for_a_consumer_behind(void **state)
{
	struct weir_consumer_state st;
	struct weir_throttle *t;
	struct sink sink;
	struct world w;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(weir_throttle_create(&w.ctx, rate_of(1000, 10), NULL, &t), 0);
	weir_consumer_finish(weir_throttle_sink(t));
	world_run(&w);
	weir_consumer_state(weir_throttle_sink(t), &st);
	assert_false(st.ended);
	sink_open(&sink, &w);
	assert_int_equal(weir_consumer_register(&sink.v.base, weir_throttle_source(t), WEIR_PUSH),
			 0);
	world_run(&w);
	assert_int_equal(sink.on_ends, 1);
	assert_int_equal(sink.on_end_why, 0);
	weir_consumer_state(weir_throttle_sink(t), &st);
	assert_true(st.ended);
	assert_int_equal(st.why, 0);
	weir_throttle_destroy(t);
	weir_valve_fini(&sink.v);
	world_close(&w);
}

static void test_destroying_cuts_both_sides(void **state)
{
	struct world w;
	struct flow f;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(flow_open(&f, &w, rate_of(10, 10), NULL, NULL), 0);
	f.heedless = true;
	flow_want(&f, 1000);
	weir_throttle_destroy(f.throttle);
	assert_int_equal(f.source.stops, 1);
	assert_int_equal(f.source.stop_why, WEIR_ECLOSED);
	assert_int_equal(f.sink.on_ends, 1);
	assert_int_equal(f.sink.on_end_why, WEIR_ECLOSED);
	world_close(&w);
}

static int pass_with_one_failing(long n)
{
	struct weir_throttle_group *g = NULL;
	struct world w;
	struct flow f = {0};
	int rc;

	world_open(&w, WEIR_BUDGET_DEFAULT);
	weir_test_fail_alloc_after(n);
	rc = weir_throttle_group_create(&w.ctx, rate_of(2000000, 1000), 0, &g);
	if (rc == 0)
		rc = flow_open(&f, &w, rate_of(1000000, 1000), g, NULL);
	if (rc == 0) {
		f.heedless = true;
		flow_want(&f, 300000);
		while (f.source.base.consumer && f.to_give > 0 && next(&w, 0))
			;
		weir_producer_end(&f.source.base, 0);
		while (!f.sink.on_ends && next(&w, 0))
			;
		rc = f.sink.on_end_why;
		assert_int_equal(f.sink.on_ends, 1);
		assert_true(rc == -ENOMEM || f.sink.got == 300000);
	}
	weir_test_fail_alloc_after(-1);
	assert_true(rc == 0 || rc == -ENOMEM);
	if (f.throttle)
		flow_close(&f);
	weir_throttle_group_destroy(g);
	world_close(&w);
	return rc;
}

static void test_each_failing_allocation_is_told_and_leaks_nothing(void **state)
{
	long n = 1;

	(void)state;
	while (pass_with_one_failing(n) < 0)
		n++;
	assert_true(n > 3);
}

/* ---- on the edge ---- */

static void test_bucket_without_a_rate_is_never_waited_for(void **state)
{
	struct weir__bucket b;

	(void)state;
	weir__bucket_init(&b, rate_of(0, 0), 1000);
	assert_int_equal(weir__bucket_take(&b, UINT64_MAX), UINT64_MAX);
	assert_int_equal(weir__bucket_when(&b, 5), 1000);
	assert_int_equal(weir__bucket_step(&b), 1 << 30);
	weir__bucket_init(&b, rate_of(UINT64_MAX, UINT64_MAX), 1000);
	assert_int_equal(weir__bucket_step(&b), 1 << 30);
}

/* A throttle with a bare sink behind. */
struct bare {
	struct world w;
	struct sink s;
	struct weir_throttle *t;
};

static void bare_open(struct bare *b, struct weir_rate rate, struct weir_throttle_group *group)
{
	sink_open(&b->s, &b->w);
	assert_int_equal(weir_throttle_create(&b->w.ctx, rate, group, &b->t), 0);
	assert_int_equal(weir_consumer_register(&b->s.v.base, weir_throttle_source(b->t), WEIR_PUSH),
			 0);
	world_run(&b->w);
}

static void bare_close(struct bare *b)
{
	weir_throttle_destroy(b->t);
	weir_valve_fini(&b->s.v);
}

static unsigned holds_of(const struct bare *b)
{
	struct weir_consumer_state st;

	weir_consumer_state(weir_throttle_sink(b->t), &st);
	return st.holds;
}

static void test_rate_is_no_reason_any_more_when_its_time_is_over(void **state)
{
	struct source p;
	struct bare b;

	(void)state;
	world_open(&b.w, WEIR_BUDGET_DEFAULT);
	bare_open(&b, rate_of(1000, 100), NULL);
	source_open(&p, WEIR_PUSH);
	assert_int_equal(source_write_to(&p, weir_throttle_sink(b.t), 300), 0);
	assert_int_equal(b.s.got, 100);
	assert_true(holds_of(&b) & WEIR_HOLD_RATE);
	/* The sink takes nothing, and that alone is the reason then. */
	weir_valve_hold(&b.s.v, WEIR_HOLD_USER);
	world_pass(&b.w, S);
	assert_int_equal(b.s.got, 100);
	assert_false(holds_of(&b) & WEIR_HOLD_RATE);
	weir_valve_release(&b.s.v, WEIR_HOLD_USER);
	world_pass(&b.w, S);
	assert_int_equal(b.s.got, 300);
	bare_close(&b);
	world_close(&b.w);
}

static void test_sink_that_fills_with_the_last_token_is_the_one_to_blame(void **state)
{
	struct source p;
	struct bare b;

	(void)state;
	world_open(&b.w, WEIR_BUDGET_DEFAULT);
	bare_open(&b, rate_of(1000, 100), NULL);
	source_open(&p, WEIR_PUSH);
	assert_int_equal(weir_valve_set_marks(&b.s.v, 100, 20, 1000), 0);
	b.s.window = 0;
	assert_int_equal(source_write_to(&p, weir_throttle_sink(b.t), 300), 0);
	assert_int_equal(weir_valve_held(&b.s.v), 100);
	assert_false(holds_of(&b) & WEIR_HOLD_RATE);
	assert_int_equal(weir_context_next(&b.w.ctx), WEIR_NEVER);
	bare_close(&b);
	world_close(&b.w);
}

static void test_sink_that_dies_of_a_chunk_ends_the_waiting(void **state)
{
	struct source p;
	struct bare b;

	(void)state;
	world_open(&b.w, WEIR_BUDGET_DEFAULT);
	bare_open(&b, rate_of(1000, 100), NULL);
	source_open(&p, WEIR_PUSH);
	b.s.drain_fails = -EPIPE;
	assert_int_equal(source_write_to(&p, weir_throttle_sink(b.t), 300), -EPIPE);
	assert_int_equal(weir_context_next(&b.w.ctx), WEIR_NEVER);
	bare_close(&b);
	world_close(&b.w);
	weir_throttle_destroy(NULL);
	weir_throttle_group_destroy(NULL);
}

static void test_group_leaves_something_of_the_turn_to_others(void **state)
{
	struct weir_throttle_group *g;
	struct source p[3];
	struct bare b[3];

	(void)state;
	world_open(&b[0].w, WEIR_BUDGET_DEFAULT);
	b[0].w.ctx.quantum = 1000;
	assert_int_equal(weir_throttle_group_create(&b[0].w.ctx, rate_of(1000000, 1), 0, &g), 0);
	for (int i = 0; i < 3; i++) {
		sink_open(&b[i].s, &b[0].w);
		assert_int_equal(weir_throttle_create(&b[0].w.ctx, rate_of(0, 0), g, &b[i].t), 0);
		assert_int_equal(weir_consumer_register(&b[i].s.v.base,
							weir_throttle_source(b[i].t), WEIR_PUSH), 0);
		source_open(&p[i], WEIR_PUSH);
	}
	world_run(&b[0].w);
	weir_throttle_group_set_rate(g, rate_of(1000000, 1000000));
	for (int i = 0; i < 3; i++)
		assert_int_equal(source_write_to(&p[i], weir_throttle_sink(b[i].t), 50000), 0);
	b[0].w.now += S;
	/* All of it may pass, and a quantum does in each turn. */
	for (uint64_t before = 0; before < 150000; ) {
		uint64_t got;

		weir_context_run(&b[0].w.ctx);
		got = b[0].s.got + b[1].s.got + b[2].s.got;
		assert_in_range(got, before + 1, before + 50000);
		before = got;
	}
	for (int i = 0; i < 3; i++)
		bare_close(&b[i]);
	weir_throttle_group_destroy(g);
	world_close(&b[0].w);
}

static void test_room_of_a_burst_without_end_is_no_small_number(void **state)
{
	struct weir_throttle_group *g;
	struct bare b;

	(void)state;
	world_open(&b.w, SIZE_MAX);
	assert_int_equal(weir_throttle_group_create(&b.w.ctx, rate_of(1, UINT64_MAX), 0, &g), 0);
	bare_open(&b, rate_of(1, UINT64_MAX), g);
	assert_true(weir_consumer_room(weir_throttle_sink(b.t)) >= WEIR_HIGH_DEFAULT);
	bare_close(&b);
	weir_throttle_group_destroy(g);
	world_close(&b.w);
}

static void set_a_million(struct sink *s)
{
	weir_throttle_group_set_rate(s->arg, rate_of(1000000, 0));
}

static void test_rate_of_a_group_may_change_while_it_serves(void **state)
{
	struct weir_throttle_group *g;
	struct source p;
	struct bare b;

	(void)state;
	world_open(&b.w, WEIR_BUDGET_DEFAULT);
	assert_int_equal(weir_throttle_group_create(&b.w.ctx, rate_of(1000, 10), 0, &g), 0);
	bare_open(&b, rate_of(0, 0), g);
	source_open(&p, WEIR_PUSH);
	assert_int_equal(source_write_to(&p, weir_throttle_sink(b.t), 50000), 0);
	assert_int_equal(b.s.got, 10);
	b.s.arg = g;
	b.s.on_drain = set_a_million;
	world_pass(&b.w, S);
	assert_int_equal(b.s.got, 50000);
	bare_close(&b);
	weir_throttle_group_destroy(g);
	world_close(&b.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bucket_is_exact_up_to_100_gbytes_and_for_years),
		cmocka_unit_test(test_bucket_holds_a_burst_after_years_of_idling),
		cmocka_unit_test(test_clock_that_steps_back_gives_nothing),
		cmocka_unit_test(test_default_burst_is_a_tenth_of_a_second),
		cmocka_unit_test(test_no_window_has_more_than_rate_and_burst),
		cmocka_unit_test(test_no_window_of_a_group_has_more_than_its_rate_and_burst),
		cmocka_unit_test(test_no_more_than_a_burst_passes_after_an_idle_time),
		cmocka_unit_test(test_new_rate_holds_from_now_on),
		cmocka_unit_test(test_all_who_want_more_get_an_equal_part),
		cmocka_unit_test(test_last_bytes_in_a_group_pass_when_they_may_at_the_new_rate_too),
		cmocka_unit_test(test_what_one_does_not_want_goes_to_the_others),
		cmocka_unit_test(test_who_is_within_its_share_is_served_first),
		cmocka_unit_test(test_share_is_no_more_than_the_share),
		cmocka_unit_test(test_tokens_that_a_slow_sink_did_not_take_are_not_charged),
		cmocka_unit_test(test_last_bytes_pass_when_they_may),
		cmocka_unit_test(test_wake_ups_are_not_one_a_byte),
		cmocka_unit_test(test_blame_says_rate),
		cmocka_unit_test(test_failure_passes_at_once),
		cmocka_unit_test(test_stop_from_behind_stops_the_producer_once),
		cmocka_unit_test(test_finish_drains_first),
		cmocka_unit_test(test_end_waits_for_a_consumer_behind),
		cmocka_unit_test(test_destroying_cuts_both_sides),
		cmocka_unit_test(test_each_failing_allocation_is_told_and_leaks_nothing),
		cmocka_unit_test(test_bucket_without_a_rate_is_never_waited_for),
		cmocka_unit_test(test_rate_is_no_reason_any_more_when_its_time_is_over),
		cmocka_unit_test(test_sink_that_fills_with_the_last_token_is_the_one_to_blame),
		cmocka_unit_test(test_sink_that_dies_of_a_chunk_ends_the_waiting),
		cmocka_unit_test(test_group_leaves_something_of_the_turn_to_others),
		cmocka_unit_test(test_room_of_a_burst_without_end_is_no_small_number),
		cmocka_unit_test(test_rate_of_a_group_may_change_while_it_serves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
