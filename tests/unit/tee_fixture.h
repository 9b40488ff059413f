/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_TEE_FIXTURE_H
#define WEIR_TESTS_TEE_FIXTURE_H
/*
 * tee_fixture.h -- a tee with a source and a few sinks, and a store in memory that fails
 * when it is told to.
 */
#include <errno.h>

#include "core_fixture.h"

#include "weir/err.h"
#include "weir/impl/spill.h"
#include "weir/tee.h"

#define SINKS 4

/* A store in memory, for one that may fail. */
struct heap_spill {
	struct weir_spill base;
	unsigned char data[10000];
	size_t max, in, out;
	int fails;
	unsigned *destroyed;
};

static inline int64_t heap_store(struct weir_spill *s, const void *data, size_t len)
{
	struct heap_spill *h = (struct heap_spill *)s;
	size_t n = 0;

	if (h->fails)
		return h->fails;
	while (n < len && h->in - h->out < h->max)
		h->data[h->in++ % h->max] = ((const unsigned char *)data)[n++];
	return (int64_t)n;
}

static inline int64_t heap_fetch(struct weir_spill *s, void *data, size_t len)
{
	struct heap_spill *h = (struct heap_spill *)s;
	size_t n = 0;

	while (n < len && h->out < h->in)
		((unsigned char *)data)[n++] = h->data[h->out++ % h->max];
	return (int64_t)n;
}

static inline void heap_destroy(struct weir_spill *s)
{
	++*((struct heap_spill *)s)->destroyed;
	test_free(s);
}

static const struct weir_spill_ops heap_ops = {
	.name = "heap",
	.store = heap_store,
	.fetch = heap_fetch,
	.destroy = heap_destroy,
};

static inline struct weir_spill *heap_spill(size_t max, int fails, unsigned *destroyed)
{
	struct heap_spill *h = test_calloc(1, sizeof(*h));

	h->base.ops = &heap_ops;
	h->max = max;
	h->fails = fails;
	h->destroyed = destroyed;
	return &h->base;
}

struct rig {
	struct world w;
	struct sink sink[SINKS];
	struct weir_branch *branch[SINKS];
	struct source source;
	struct weir_tee *tee;
	unsigned spills; /* destroyed */
};

static inline void open_rig(struct rig *r)
{
	*r = (struct rig){.spills = 0};
	world_open(&r->w, (size_t)1 << 26);
	assert_int_equal(weir_tee_create(&r->w.ctx, &r->tee), 0);
	for (int i = 0; i < SINKS; i++)
		sink_open(&r->sink[i], &r->w);
	source_open(&r->source, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(weir_tee_sink(r->tee), &r->source.base, WEIR_PUSH),
			 0);
	assert_true(r->source.paused);
}

static inline void add(struct rig *r, int i, const struct weir_branch_options *options)
{
	assert_int_equal(weir_tee_add(r->tee, &r->sink[i].v.base, options, &r->branch[i]), 0);
	world_run(&r->w);
}

/* in == out + held + dropped, always (OBS-1). */
static inline struct weir_branch_state state_of(const struct rig *r, int i)
{
	struct weir_branch_state s;

	weir_branch_state(r->branch[i], &s);
	assert_int_equal(s.in, s.out + s.held + s.dropped);
	return s;
}

static inline struct weir_consumer_state front_of(const struct rig *r)
{
	struct weir_consumer_state s;

	weir_consumer_state(weir_tee_sink(r->tee), &s);
	assert_int_equal(s.in, s.out + s.held + s.dropped);
	return s;
}

static inline void close_rig(struct rig *r)
{
	front_of(r);
	weir_tee_destroy(r->tee);
	world_run(&r->w);
	for (int i = 0; i < SINKS; i++)
		weir_valve_fini(&r->sink[i].v);
	assert_false(r->source.broken);
	assert_null(r->source.base.consumer);
	world_close(&r->w);
}

/* Write chunks while the source is let to; returns the bytes. */
static inline uint64_t pour(struct rig *r, size_t len, int most)
{
	uint64_t before = r->source.given;

	for (int i = 0; i < most && !r->source.stops; i++) {
		if (r->source.paused)
			world_run(&r->w);
		if (r->source.paused)
			break;
		assert_int_equal(source_write(&r->source, len), 0);
		front_of(r);
	}
	return r->source.given - before;
}

#endif
