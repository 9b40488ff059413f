/* SPDX-License-Identifier: MIT */
/* A source whose every byte is known, and whose habits are given. */
#include <errno.h>
#include <stdlib.h>

#include "sim_priv.h"
#include "weir/impl/producer.h"

#define CHUNK_DEFAULT 4096

struct weir_sim_source {
	struct weir_producer base;
	struct weir_sim *sim;
	unsigned number;
	struct weir_sim_source_options is;
	struct weir_sim_random random;
	struct weir_task task;
	struct weir_timer timer;
	unsigned char *bytes; /* one chunk */
	uint64_t given;
	size_t refused;   /* the length of the last chunk, if that failed */
	size_t pending;   /* the length drawn for the next chunk; 0: not yet */
	size_t overshoot; /* bytes that it still writes though it is paused */
	uint64_t next_at; /* not before: the pace */
	bool paused, ended;
	int why;
};

static struct weir_sim_source *source_from_producer(struct weir_producer *p)
{
	return (struct weir_sim_source *)p;
}

static void note(const struct weir_sim_source *s, const char *what, int64_t value)
{
	weir_sim_note(s->sim, "source", s->number, what, value);
}

static bool fails_here(const struct weir_sim_source *s)
{
	return s->is.fail_why < 0 && s->given == s->is.fail_at;
}

/* Whether the end was reached; then it has been told. */
static bool try_end(struct weir_sim_source *s)
{
	if (!s->base.consumer || (s->given < s->is.size && !fails_here(s)))
		return false;
	s->ended = true;
	s->why = fails_here(s) ? s->is.fail_why : 0;
	note(s, "ends", s->why);
	weir_producer_end(&s->base, s->why);
	return true;
}

/* The length of the next chunk, which stays the same until it is written. */
static size_t next_len(struct weir_sim_source *s)
{
	uint64_t left = (s->is.fail_why < 0 ? s->is.fail_at : s->is.size) - s->given;
	size_t len;

	if (!s->pending)
		s->pending = s->is.random_chunks ? 1 + weir_sim_random_below(&s->random, s->is.chunk)
						 : s->is.chunk;
	len = s->pending < left ? s->pending : (size_t)left;
	if (s->paused && len > s->overshoot)
		len = s->overshoot;
	if (s->is.asks && !s->paused) {
		size_t room = weir_consumer_room(s->base.consumer);

		len = len < room ? len : room;
	}
	return len;
}

static int write_chunk(struct weir_sim_source *s, size_t len)
{
	struct weir_block *block = NULL;
	struct weir_chunk chunk;
	int rc;

	if (!s->is.gives || weir_pool_take(&s->sim->ctx.pool, len, &block) < 0 ||
	    block->cap < len) {
		weir_block_unref(block);
		weir__sim_fill(s->is.key, s->given, s->bytes, len);
		return weir_consumer_write(s->base.consumer, s->bytes, len);
	}
	weir__sim_fill(s->is.key, s->given, block->data, len);
	block->used = (uint32_t)len;
	chunk = weir_chunk_from_block(block);
	rc = weir_consumer_give(s->base.consumer, &chunk);
	if (rc < 0)
		weir_chunk_unref(&chunk);
	return rc;
}

/* Write one chunk.  Returns its length, 0 if it could not be written now. */
static size_t write_next(struct weir_sim_source *s)
{
	size_t len = next_len(s);
	bool was_paused = s->paused;
	int rc;

	if (len == 0 || !s->base.consumer)
		return 0;
	rc = write_chunk(s, len);
	note(s, rc < 0 ? "is refused" : "writes", rc < 0 ? rc : (int64_t)len);
	if (rc == WEIR_EFULL && (s->paused || s->base.mode == WEIR_PULL))
		return 0;
	if (rc < 0) {
		if (rc == WEIR_EFULL)
			weir_sim_break(s->sim, "MEM-3", "source %u was refused, unpaused", s->number);
		s->refused = len;
		/* Bytes are missing; who refused them knows why. */
		if (s->base.consumer) {
			s->ended = true;
			s->why = rc;
			weir_producer_end(&s->base, rc);
		}
		return 0;
	}
	s->given += len;
	s->pending = 0;
	if (was_paused)
		s->overshoot -= len;
	s->next_at = s->sim->now + s->is.pace_ns;
	return len;
}

static bool may_write(const struct weir_sim_source *s)
{
	return s->base.consumer && !s->ended && (!s->paused || s->overshoot);
}

/* A push source's turn. */
static void produce(struct weir_sim_source *s)
{
	size_t left = s->sim->ctx.quantum;

	while (left && may_write(s)) {
		size_t n;

		if (!s->paused && try_end(s))
			return;
		if (s->sim->now < s->next_at) {
			weir_timer_set(&s->sim->ctx, &s->timer, s->next_at);
			return;
		}
		n = write_next(s);
		if (n == 0)
			return;
		left -= n < left ? n : left;
	}
	if (may_write(s))
		weir_task_queue(&s->sim->ctx, &s->task);
}

/* Sooner or later a push source goes on, and a pull source has some. */
static void go_on(struct weir_sim_source *s)
{
	if (s->base.mode == WEIR_PUSH)
		produce(s);
	else if (s->base.consumer)
		weir_consumer_wake(s->base.consumer);
}

static void run_task(struct weir_task *task)
{
	go_on((struct weir_sim_source *)((char *)task - offsetof(struct weir_sim_source, task)));
}

static void run_timer(struct weir_timer *timer)
{
	go_on((struct weir_sim_source *)((char *)timer - offsetof(struct weir_sim_source, timer)));
}

/* ---- what it is told ---- */

static void told(struct weir_sim_source *s, const char *what, int why)
{
	note(s, what, why);
	if (s->ended)
		weir_sim_break(s->sim, "END-1", "source %u %s after its end", s->number, what);
}

static void source_start(struct weir_producer *p)
{
	struct weir_sim_source *s = source_from_producer(p);

	told(s, "starts", 0);
	s->paused = false;
	s->overshoot = 0;
	if (p->mode == WEIR_PUSH)
		weir_task_queue(&s->sim->ctx, &s->task);
}

static void source_pause(struct weir_producer *p)
{
	struct weir_sim_source *s = source_from_producer(p);

	told(s, "is paused", 0);
	if (s->paused || p->mode == WEIR_PULL)
		weir_sim_break(s->sim, "FLOW-1", "source %u was paused twice", s->number);
	s->paused = true;
	s->overshoot = s->is.overshoot;
	if (s->overshoot)
		weir_task_queue(&s->sim->ctx, &s->task);
}

static void source_resume(struct weir_producer *p)
{
	struct weir_sim_source *s = source_from_producer(p);

	told(s, "is resumed", 0);
	if (p->mode == WEIR_PUSH) {
		if (!s->paused)
			weir_sim_break(s->sim, "FLOW-1", "source %u was resumed, unpaused",
				       s->number);
		s->paused = false;
		s->overshoot = 0;
		weir_task_queue(&s->sim->ctx, &s->task);
	} else if (s->sim->now < s->next_at) {
		weir_timer_set(&s->sim->ctx, &s->timer, s->next_at);
	} else {
		if (!try_end(s))
			write_next(s);
		try_end(s);
	}
}

static void source_stop(struct weir_producer *p, int why)
{
	struct weir_sim_source *s = source_from_producer(p);

	told(s, "is stopped", why);
	s->ended = true;
	s->why = why;
}

static const struct weir_producer_ops source_ops = {
	.name = "simulated source",
	.start = source_start,
	.pause = source_pause,
	.resume = source_resume,
	.stop = source_stop,
};

/* ---- for the caller ---- */

int weir_sim_source_create(struct weir_sim *sim, const struct weir_sim_source_options *options,
			   struct weir_sim_source **out)
{
	struct weir_sim_source *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->is = *options;
	if (!s->is.chunk)
		s->is.chunk = CHUNK_DEFAULT;
	if (s->is.fail_at > s->is.size)
		s->is.fail_at = s->is.size;
	s->bytes = malloc(s->is.chunk);
	if (!s->bytes) {
		free(s);
		return -ENOMEM;
	}
	weir_producer_init(&s->base, &source_ops, s->is.mode);
	s->sim = sim;
	s->number = sim->sources++;
	weir_sim_random_init(&s->random, sim->options.seed, "source", s->number);
	s->task.run = run_task;
	s->timer.run = run_timer;
	*out = s;
	return 0;
}

struct weir_producer *weir_sim_source_producer(struct weir_sim_source *s)
{
	return &s->base;
}

void weir_sim_source_state(const struct weir_sim_source *s, struct weir_sim_source_state *out)
{
	*out = (struct weir_sim_source_state){
		.given = s->given,
		.offered = s->given + s->refused,
		.paused = s->paused,
		.ended = s->ended,
		.why = s->why,
	};
}

void weir_sim_source_destroy(struct weir_sim_source *s)
{
	if (!s)
		return;
	weir_task_cancel(&s->task);
	weir_timer_cancel(&s->sim->ctx, &s->timer);
	free(s->bytes);
	free(s);
}
