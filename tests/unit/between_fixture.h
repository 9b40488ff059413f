/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_BETWEEN_FIXTURE_H
#define WEIR_TESTS_BETWEEN_FIXTURE_H
/*
 * between_fixture.h -- for tests of what stands between a source and a sink: dice, a source
 * that gives a number of bytes whenever it may, and the sum that must be right at all times.
 */
#include "core_fixture.h"

static uint64_t dice_state;

/* A number below `below`. */
static inline uint64_t dice(uint64_t below)
{
	dice_state = dice_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (dice_state >> 33) % below;
}

/* Its state, of which in == out + held + dropped (OBS-1). */
static inline struct weir_consumer_state state_of(const struct weir_consumer *c)
{
	struct weir_consumer_state s;

	weir_consumer_state(c, &s);
	assert_true(s.out <= s.in && s.held <= s.in && s.dropped <= s.in);
	assert_true(s.in == s.out + s.held + s.dropped);
	assert_true(!s.ended || s.held == 0);
	return s;
}

/* ---- a source with so many bytes ---- */

struct tap {
	struct source base; /* first */
	uint64_t left;      /* bytes to give */
	size_t chunk;       /* at a time; with `random`, at most */
	bool random, lazy;  /* `lazy`: has nothing until it is woken by tap_open_up() */
	bool given_owned;   /* as chunks with an owner */
	struct weir_pool *pool;
};

/* One chunk; nothing when there is none. */
static inline void tap_give(struct tap *t)
{
	struct source *p = &t->base;
	uint64_t before = p->given;
	size_t len = t->random ? 1 + dice(t->chunk) : t->chunk;

	if (len > t->left)
		len = t->left;
	if (len == 0 || t->lazy || !p->base.consumer)
		return;
	if (t->given_owned)
		source_give(p, t->pool, len);
	else
		source_write(p, len);
	t->left -= p->given - before;
}

static inline void tap_on_resume(struct source *p)
{
	struct tap *t = (struct tap *)p;

	if (p->base.mode == WEIR_PULL) {
		tap_give(t);
		return;
	}
	while (p->base.consumer && !p->paused && t->left > 0 && !t->lazy) {
		tap_give(t);
		if (p->last_rc < 0)
			return;
	}
}

static inline void tap_open(struct tap *t, struct world *w, enum weir_mode mode, uint64_t left,
			    size_t chunk)
{
	*t = (struct tap){.left = left, .chunk = chunk, .pool = &w->ctx.pool};
	source_open(&t->base, mode);
	t->base.on_resume = tap_on_resume;
}

/* Register it; a push one that is not paused begins. */
static inline void tap_join(struct tap *t, struct weir_consumer *c)
{
	assert_int_equal(weir_consumer_register(c, &t->base.base, t->base.base.mode), 0);
	if (t->base.base.mode == WEIR_PUSH)
		tap_on_resume(&t->base);
}

static inline void tap_wake(struct tap *t)
{
	t->lazy = false;
	if (t->base.base.mode == WEIR_PULL && t->base.base.consumer)
		weir_consumer_wake(t->base.base.consumer);
	else
		tap_on_resume(&t->base);
}

#endif
