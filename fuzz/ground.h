/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FUZZ_GROUND_H
#define WEIR_FUZZ_GROUND_H
/*
 * ground.h -- what the targets stand on: a context with a clock of its own, the story of
 * what was done, which is printed when something is wrong, a stream of which eight bytes
 * say where in it they are, and a source that holds its consumer to the contract.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "weir/consumer.h"
#include "weir/context.h"
#include "weir/err.h"
#include "weir/impl/producer.h"

/* ---- the story ---- */

static char story[1 << 16];
static size_t story_len;

WEIR_PRINTF(1, 2) static inline void tell(const char *format, ...)
{
	va_list args;

	if (story_len + 128 > sizeof(story))
		return;
	va_start(args, format);
	story_len += (size_t)vsnprintf(story + story_len, 127, format, args);
	va_end(args);
	story[story_len++] = '\n';
}

static inline _Noreturn void wrong(const char *file, int line, const char *what)
{
	fprintf(stderr, "%.*s%s:%d: not so: %s\n", (int)story_len, story, file, line, what);
	abort();
}

#define CHECK(what) ((what) ? (void)0 : wrong(__FILE__, __LINE__, #what))

/* ---- the surroundings ---- */

struct ground {
	struct bytes in;
	struct weir_budget budget;
	struct weir_context ctx;
	uint64_t now;
	unsigned inside; /* calls to be made from inside others, until the next step */
	void (*look)(struct ground *g); /* at each deadline, before and after it; may be NULL */
};

static inline uint64_t ground_now(void *arg)
{
	return ((struct ground *)arg)->now;
}

static inline void ground_open(struct ground *g, const uint8_t *data, size_t size, size_t budget)
{
	*g = (struct ground){.in = {data, size}, .now = 1000};
	story_len = 0;
	weir_budget_init(&g->budget, budget);
	weir_context_init(&g->ctx, &g->budget, ground_now, NULL, g);
}

static inline void ground_run(struct ground *g)
{
	for (unsigned turns = 0; weir_context_next(&g->ctx) == 0; turns++) {
		CHECK(turns < 100000);
		weir_context_run(&g->ctx);
	}
}

/* Let time pass, with a stop at each deadline. */
static inline void ground_pass(struct ground *g, uint64_t ns)
{
	uint64_t until = g->now + ns;

	ground_run(g);
	while (weir_context_next(&g->ctx) <= until) {
		g->now = weir_context_next(&g->ctx);
		if (g->look)
			g->look(g);
		weir_context_run(&g->ctx);
		ground_run(g);
		if (g->look)
			g->look(g);
	}
	g->now = until;
}

/* Nothing is held, charged, queued or armed any more (MEM-6, END-7). */
static inline void ground_close(struct ground *g)
{
	CHECK(g->ctx.pool.taken == 0);
	CHECK(g->budget.used == 0);
	CHECK(weir_context_next(&g->ctx) == WEIR_NEVER);
	weir_context_fini(&g->ctx);
}

/* In every snapshot (OBS-1). */
static inline void check_sum(const struct weir_consumer_state *s)
{
	CHECK(s->out <= s->in && s->held <= s->in && s->dropped <= s->in);
	CHECK(s->in == s->out + s->held + s->dropped);
	CHECK(!s->ended || s->held == 0);
}

/* ---- the stream ---- */

static inline unsigned char stream_at(uint64_t offset)
{
	uint64_t x = (offset / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x >>= offset % 8 * 8;
	return (unsigned char)x % 16 ? (unsigned char)x : '\n';
}

/* ---- the source ---- */

struct source {
	struct weir_producer base; /* first */
	struct ground *ground;
	uint64_t given;   /* bytes accepted: where the stream is */
	uint64_t offered; /* and how far it has ever been: some may have come by before a refusal */
	bool paused;      /* a push producer */
	bool asked;       /* a pull producer, which has not answered yet */
	bool over;        /* was stopped, or has ended */
	bool twisted;     /* its consumer repeats itself */
	unsigned stops;
	int why;          /* of the stop */
	void (*on_signal)(struct source *s); /* paused, resumed or stopped */
};

static inline void source_signal(struct source *s, const char *what)
{
	tell("    the source is told: %s", what);
	if (s->on_signal && s->ground->inside) {
		s->ground->inside--;
		s->on_signal(s);
	}
}

static inline void source_start(struct weir_producer *p)
{
	struct source *s = (struct source *)p;

	CHECK(p->consumer && !s->over);
	s->paused = s->asked = false;
}

static inline void source_pause(struct weir_producer *p)
{
	struct source *s = (struct source *)p;

	CHECK(p->consumer && !s->over && p->mode == WEIR_PUSH);
	CHECK(!s->paused || s->twisted);
	s->paused = true;
	source_signal(s, "pause");
}

static inline void source_resume(struct weir_producer *p)
{
	struct source *s = (struct source *)p;

	CHECK(p->consumer && !s->over);
	CHECK(p->mode == WEIR_PULL || s->paused || s->twisted);
	s->paused = false;
	s->asked = true;
	source_signal(s, "resume");
}

static inline void source_stop(struct weir_producer *p, int why)
{
	struct source *s = (struct source *)p;

	CHECK(!p->consumer && !s->over && why < 0);
	s->over = true;
	s->stops++;
	s->why = why;
	source_signal(s, "stop");
}

static const struct weir_producer_ops source_ops = {
	.name = "fuzz source",
	.start = source_start,
	.pause = source_pause,
	.resume = source_resume,
	.stop = source_stop,
};

static inline void source_open(struct source *s, struct ground *g, enum weir_mode mode)
{
	*s = (struct source){.ground = g};
	weir_producer_init(&s->base, &source_ops, mode);
}

static inline int source_give(struct source *s, const unsigned char *data, size_t len)
{
	struct weir_chunk chunk;
	struct weir_block *block;
	int rc = weir_pool_take(&s->ground->ctx.pool, len, &block);

	if (rc < 0)
		return rc;
	memcpy(block->data, data, len);
	block->used = (uint32_t)len;
	chunk = weir_chunk_from_block(block);
	rc = weir_consumer_give(s->base.consumer, &chunk);
	CHECK((rc == 0) == (chunk.owner == NULL));
	if (rc < 0)
		weir_chunk_unref(&chunk);
	return rc;
}

/* The next bytes of the stream.  More may be written from inside this; it comes behind. */
static inline int source_write(struct source *s, size_t len, bool owned)
{
	unsigned char *data = malloc(len ? len : 1);
	uint64_t at = s->given;
	int rc;

	for (size_t i = 0; i < len; i++)
		data[i] = stream_at(at + i);
	s->given += len;
	if (s->given > s->offered)
		s->offered = s->given;
	s->asked &= len == 0;
	rc = owned && len && len <= WEIR_BLOCK_LARGE ? source_give(s, data, len)
						     : weir_consumer_write(s->base.consumer, data, len);
	s->asked |= rc == WEIR_EFULL; /* it may try with less */
	if (rc < 0 && s->given == at + len)
		s->given = at;
	else if (rc < 0) /* and what was written from inside it was taken: the end alone does that */
		CHECK(s->over || !s->base.consumer);
	tell("    %s(%zu) at %llu returned %d", owned ? "give" : "write", len,
	     (unsigned long long)at, rc);
	memset(data, 0xee, len ? len : 1);
	free(data);
	return rc;
}

static inline void source_end(struct source *s, int why)
{
	s->over = true;
	weir_producer_end(&s->base, why);
}

#endif
