/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_CORE_FIXTURE_H
#define WEIR_TESTS_CORE_FIXTURE_H
/*
 * core_fixture.h -- what the tests of src/core share: a world with a clock that
 * only moves when told, a sink whose drain takes what it is told to take, and a
 * source which counts what it is told and may do anything while being told.
 *
 * Every byte that goes in is pattern_at(its offset), so that a lost, repeated or
 * reordered one shows at the sink.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "weir/budget.h"
#include "weir/chunk.h"
#include "weir/consumer.h"
#include "weir/context.h"
#include "weir/impl/consumer.h"
#include "weir/impl/producer.h"
#include "weir/impl/valve.h"
#include "weir/producer.h"

static inline unsigned char pattern_at(uint64_t offset)
{
	return (unsigned char)(offset * 131 + (offset >> 8) * 17 + (offset >> 16) * 29);
}

static inline void pattern_fill(unsigned char *out, size_t len, uint64_t offset)
{
	for (size_t i = 0; i < len; i++)
		out[i] = pattern_at(offset + i);
}

/* --- the world ------------------------------------------------------------ */

struct world {
	struct weir_budget budget;
	struct weir_context ctx;
	uint64_t now;
	unsigned wakes;
};

static inline uint64_t world_now(void *arg)
{
	return ((struct world *)arg)->now;
}

static inline void world_on_wake(void *arg)
{
	((struct world *)arg)->wakes++;
}

static inline void world_open(struct world *w, size_t limit)
{
	*w = (struct world){.now = 1000};
	weir_budget_init(&w->budget, limit);
	weir_context_init(&w->ctx, &w->budget, world_now, world_on_wake, w);
}

/* Nothing may be held, charged, queued or armed any more (MEM-6, END-7). */
static inline void world_close(struct world *w)
{
	assert_int_equal(w->ctx.pool.taken, 0);
	assert_int_equal(w->budget.used, 0);
	assert_int_equal(weir_context_next(&w->ctx), WEIR_NEVER);
	weir_context_fini(&w->ctx);
}

/* Turns until there is no task; fails if there is no end to them. */
static inline unsigned world_run(struct world *w)
{
	unsigned turns = 0;

	while (weir_context_next(&w->ctx) == 0) {
		weir_context_run(&w->ctx);
		assert_true(++turns < 1000000);
	}
	return turns;
}

static inline void world_advance(struct world *w, uint64_t ns)
{
	w->now += ns;
	weir_context_run(&w->ctx);
	world_run(w);
}

/* Let time pass, with a stop at each deadline. */
static inline void world_pass(struct world *w, uint64_t ns)
{
	uint64_t until = w->now + ns;

	while (weir_context_next(&w->ctx) <= until) {
		uint64_t at = weir_context_next(&w->ctx);

		world_advance(w, at > w->now ? at - w->now : 0);
	}
	w->now = until;
}

/* --- the sink --------------------------------------------------------------- */

struct sink {
	struct weir_valve v;
	struct world *world;
	size_t window;   /* bytes that the drain will take; SIZE_MAX: all */
	int drain_fails; /* negative: the drain's answer */
	bool holds_end;  /* weir_valve_done() is not called from `end` */
	uint64_t got;    /* bytes taken */
	uint64_t base;   /* offset of the pattern's start: got + base */
	bool garbled;    /* a byte was not the one expected */
	size_t most;     /* the most that was held at any drain */
	unsigned drains, ends, on_ends;
	int end_why, on_end_why;
	void (*on_drain)(struct sink *s); /* NULL: nothing */
	void *arg;
	struct weir_end_watch watch;
};

static inline int64_t sink_drain(struct weir_valve *v, const struct weir_chunk *chunks,
				 size_t count)
{
	struct sink *s = (struct sink *)v;
	int64_t taken = 0;

	s->drains++;
	assert_in_range(count, 1, WEIR_DRAIN_MAX);
	assert_int_equal(s->on_ends, 0);
	if (weir_valve_held(v) > s->most)
		s->most = weir_valve_held(v);
	if (s->on_drain)
		s->on_drain(s);
	if (s->drain_fails)
		return s->drain_fails;
	for (size_t i = 0; i < count; i++) {
		assert_true(chunks[i].len > 0);
		for (size_t k = 0; k < chunks[i].len && s->window > 0; k++) {
			if (chunks[i].data[k] != pattern_at(s->base + s->got))
				s->garbled = true;
			s->got++;
			taken++;
			if (s->window != SIZE_MAX)
				s->window--;
		}
	}
	return taken;
}

static inline void sink_end(struct weir_valve *v, int why)
{
	struct sink *s = (struct sink *)v;

	s->ends++;
	s->end_why = why;
	if (why == 0 && !s->holds_end)
		weir_valve_done(v, 0);
}

static const struct weir_valve_ops sink_ops = {
	.name = "test sink",
	.drain = sink_drain,
	.end = sink_end,
};

static inline void sink_on_end(void *arg, int why)
{
	struct sink *s = arg;

	s->on_ends++;
	s->on_end_why = why;
}

static inline void sink_open(struct sink *s, struct world *w)
{
	*s = (struct sink){.world = w, .window = SIZE_MAX};
	weir_valve_init(&s->v, &sink_ops, &w->ctx);
	weir_consumer_watch_end(&s->v.base, &s->watch, sink_on_end, s);
}

/* Let the sink take `n` bytes more, and say so. */
static inline void sink_take(struct sink *s, size_t n)
{
	s->window = n;
	weir_valve_ready(&s->v);
}

static inline struct weir_consumer_state sink_state(const struct sink *s)
{
	struct weir_consumer_state st;

	weir_consumer_state(&s->v.base, &st);
	assert_true(st.in == st.out + st.held + st.dropped);
	assert_int_equal(st.held, weir_valve_held(&s->v));
	assert_false(s->garbled);
	return st;
}

/* --- the source ----------------------------------------------------------- */

struct source {
	struct weir_producer base;
	unsigned starts, pauses, resumes, stops;
	int stop_why;
	bool paused;
	bool broken;      /* a signal came out of order */
	uint64_t given;   /* bytes written, the offset of the next */
	char log[64];     /* S start, p pause, r resume, x stop; the first ones */
	size_t logged;
	int last_rc;      /* of the last source_write() */
	void (*on_pause)(struct source *p); /* NULL: nothing, as the next two */
	void (*on_resume)(struct source *p);
	void (*on_stop)(struct source *p);
	void *arg;
};

static inline void source_note(struct source *p, char what)
{
	if (p->logged + 1 < sizeof(p->log))
		p->log[p->logged++] = what;
	if (p->stops > 0 && what != 'S')
		p->broken = true;
}

static inline void source_start(struct weir_producer *base)
{
	struct source *p = (struct source *)base;

	source_note(p, 'S');
	p->starts++;
	p->paused = false;
	if (!base->consumer)
		p->broken = true;
}

static inline void source_pause(struct weir_producer *base)
{
	struct source *p = (struct source *)base;

	source_note(p, 'p');
	p->pauses++;
	if (p->paused || base->mode == WEIR_PULL)
		p->broken = true;
	p->paused = true;
	if (p->on_pause)
		p->on_pause(p);
}

static inline void source_resume(struct weir_producer *base)
{
	struct source *p = (struct source *)base;

	source_note(p, 'r');
	p->resumes++;
	if (!p->paused && base->mode == WEIR_PUSH)
		p->broken = true;
	p->paused = false;
	if (p->on_resume)
		p->on_resume(p);
}

static inline void source_stop(struct weir_producer *base, int why)
{
	struct source *p = (struct source *)base;

	source_note(p, 'x');
	p->stops++;
	p->stop_why = why;
	if (base->consumer || why >= 0)
		p->broken = true;
	if (p->on_stop)
		p->on_stop(p);
}

static const struct weir_producer_ops source_ops = {
	.name = "test source",
	.start = source_start,
	.pause = source_pause,
	.resume = source_resume,
	.stop = source_stop,
};

static inline void source_open(struct source *p, enum weir_mode mode)
{
	*p = (struct source){.given = 0};
	weir_producer_init(&p->base, &source_ops, mode);
}

/* Write the next `len` bytes of the pattern to `c`; counts them if accepted. */
static inline int source_write_to(struct source *p, struct weir_consumer *c, size_t len)
{
	unsigned char small[4096] = {0};
	unsigned char *buf = len > sizeof(small) ? test_malloc(len) : small;
	/* The pattern position is fixed before the call: it may write re-entrantly,
	 * and then these bytes, which were offered first, must come out first. */
	uint64_t at = p->given;

	pattern_fill(buf, len, at);
	p->given += len;
	p->last_rc = weir_consumer_write(c, buf, len);
	if (p->last_rc < 0 && p->given == at + len)
		p->given = at;
	memset(buf, 0xee, len); /* borrowed: nobody may look at it any more */
	if (buf != small)
		test_free(buf);
	return p->last_rc;
}

static inline int source_write(struct source *p, size_t len)
{
	assert_non_null(p->base.consumer);
	return source_write_to(p, p->base.consumer, len);
}

/* Give the next bytes of the pattern, at most `len`, as a chunk with an owner. */
static inline int source_give(struct source *p, struct weir_pool *pool, size_t len)
{
	struct weir_chunk chunk;
	struct weir_block *block;
	uint64_t at = p->given;

	assert_non_null(p->base.consumer);
	p->last_rc = weir_pool_take(pool, len, &block);
	if (p->last_rc < 0)
		return p->last_rc;
	block->used = (uint32_t)(len < block->cap ? len : block->cap);
	pattern_fill(block->data, block->used, at);
	chunk = weir_chunk_from_block(block);
	p->given += chunk.len;
	p->last_rc = weir_consumer_give(p->base.consumer, &chunk);
	if (p->last_rc < 0) {
		weir_chunk_unref(&chunk);
		p->given = at;
	}
	return p->last_rc;
}

static inline void source_join(struct source *p, struct sink *s)
{
	assert_int_equal(weir_consumer_register(&s->v.base, &p->base, p->base.mode), 0);
}

#endif
