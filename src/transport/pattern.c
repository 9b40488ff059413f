/* SPDX-License-Identifier: MIT */
/*
 * Sources made from nothing.  They produce from a task, a quantum a turn, never more at
 * once than the consumer has room for, and hold no buffer.
 */
#include "weir/pattern.h"

#include <errno.h>
#include <stdlib.h>

#include "weir/impl/transport.h"

/* What one write gives: enough to make its cost small, and within the first cache. */
#define ZERO_PIECE ((size_t)65536)
#define RANDOM_PIECE ((size_t)16384)

/* The state of xoshiro256**, by Blackman and Vigna, and the word that is partly given. */
struct random {
	uint64_t s[4];
	uint64_t word;
	unsigned word_left; /* bytes of `word` not yet given, from its high end */
};

struct pattern {
	struct weir_transport base;
	struct weir_producer source;
	struct weir_context *ctx;
	struct weir_task task; /* produces; releases, once closed */
	struct random random;
	uint64_t size, left;
	bool paused;

	/* Write the next bytes, at most `len`; *given says how many. */
	int (*write)(struct pattern *p, struct weir_consumer *c, size_t len, size_t *given);
};

/* ---- the bytes ---- */

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, int by)
{
	return (x << by) | (x >> (64 - by));
}

static inline uint64_t xoshiro256ss(uint64_t s[4])
{
	uint64_t result = rotate(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

/* Written out, so that compilers see one store in it. */
static inline void put_le64(unsigned char *out, uint64_t word)
{
	out[0] = (unsigned char)word;
	out[1] = (unsigned char)(word >> 8);
	out[2] = (unsigned char)(word >> 16);
	out[3] = (unsigned char)(word >> 24);
	out[4] = (unsigned char)(word >> 32);
	out[5] = (unsigned char)(word >> 40);
	out[6] = (unsigned char)(word >> 48);
	out[7] = (unsigned char)(word >> 56);
}

/* The stream's next `len` bytes, whatever the lengths before. */
static void random_fill(struct random *r, unsigned char *out, size_t len)
{
	uint64_t s[4] = {r->s[0], r->s[1], r->s[2], r->s[3]};
	size_t done = 0;

	for (; done < len && r->word_left > 0; r->word_left--)
		out[done++] = (unsigned char)(r->word >> (64 - 8 * r->word_left));
	for (; len - done >= 8; done += 8)
		put_le64(out + done, xoshiro256ss(s));
	if (done < len) {
		r->word = xoshiro256ss(s);
		for (r->word_left = 8; done < len; r->word_left--)
			out[done++] = (unsigned char)(r->word >> (64 - 8 * r->word_left));
	}
	for (int i = 0; i < 4; i++)
		r->s[i] = s[i];
}

static int write_zero(struct pattern *p, struct weir_consumer *c, size_t len, size_t *given)
{
	static const unsigned char zeros[ZERO_PIECE];

	(void)p;
	*given = len < ZERO_PIECE ? len : ZERO_PIECE;
	return weir_consumer_write(c, zeros, *given);
}

static int write_random(struct pattern *p, struct weir_consumer *c, size_t len, size_t *given)
{
	unsigned char piece[RANDOM_PIECE];
	struct random before = p->random;
	int rc;

	*given = len < sizeof(piece) ? len : sizeof(piece);
	random_fill(&p->random, piece, *given);
	rc = weir_consumer_write(c, piece, *given);
	if (rc < 0)
		p->random = before;
	return rc;
}

/* ---- the source ---- */

static struct pattern *pattern_from_transport(struct weir_transport *t)
{
	return (struct pattern *)t;
}

static struct pattern *pattern_from_source(struct weir_producer *p)
{
	return (struct pattern *)((char *)p - offsetof(struct pattern, source));
}

static struct pattern *pattern_from_task(struct weir_task *task)
{
	return (struct pattern *)((char *)task - offsetof(struct pattern, task));
}

/* What may be written now, of `want`: 0 when the consumer does not take more. */
static size_t allowed(struct pattern *p, size_t want)
{
	struct weir_consumer *c = p->source.consumer;
	size_t room;

	if (!c || p->paused)
		return 0;
	room = weir_consumer_room(c);
	if (!p->source.consumer || p->paused)
		return 0;
	return room < want ? room : want;
}

static void produce(struct weir_task *task)
{
	struct pattern *p = pattern_from_task(task);
	size_t turn = p->ctx->quantum;

	while (p->left > 0 && turn > 0) {
		size_t want = p->left < turn ? (size_t)p->left : turn;
		size_t given, len = allowed(p, want);
		int rc;

		if (len == 0)
			return;
		rc = p->write(p, p->source.consumer, len, &given);
		if (rc == WEIR_EFULL && p->paused)
			return;
		if (rc < 0) {
			weir_producer_end(&p->source, rc);
			return;
		}
		p->left -= given;
		turn -= given;
	}
	if (p->left == 0)
		weir_producer_end(&p->source, 0);
	else if (p->source.consumer && !p->paused)
		weir_task_queue(p->ctx, &p->task);
}

static void source_go_on(struct weir_producer *base)
{
	struct pattern *p = pattern_from_source(base);

	p->paused = false;
	weir_task_queue(p->ctx, &p->task);
}

static void source_pause(struct weir_producer *base)
{
	struct pattern *p = pattern_from_source(base);

	p->paused = true;
	weir_task_cancel(&p->task);
}

static void source_stop(struct weir_producer *base, int why)
{
	(void)why;
	source_pause(base);
}

static const struct weir_producer_ops source_ops = {
	.name = "pattern",
	.start = source_go_on,
	.pause = source_pause,
	.resume = source_go_on,
	.stop = source_stop,
};

static void release(struct weir_task *task)
{
	free(pattern_from_task(task));
}

static void source_close(struct weir_transport *t)
{
	struct pattern *p = pattern_from_transport(t);

	p->paused = true;
	p->task.run = release;
	weir_task_queue(p->ctx, &p->task);
}

static int64_t source_length(const struct weir_transport *t)
{
	uint64_t size = ((const struct pattern *)t)->size;

	return size <= INT64_MAX ? (int64_t)size : -1;
}

static const struct weir_transport_ops zero_ops = {
	.name = "zero",
	.close = source_close,
	.describe = weir_transport_describe_kind,
	.length = source_length,
};

static const struct weir_transport_ops random_ops = {
	.name = "random",
	.close = source_close,
	.describe = weir_transport_describe_kind,
	.length = source_length,
};

static int create(struct weir_context *ctx, uint64_t size, const struct weir_transport_ops *ops,
		  struct pattern **out)
{
	struct pattern *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	weir_transport_init(&p->base, ops);
	weir_producer_init(&p->source, &source_ops, WEIR_PUSH);
	p->base.source = &p->source;
	p->ctx = ctx;
	p->size = p->left = size;
	p->task.run = produce;
	*out = p;
	return 0;
}

int weir_pattern_zero(struct weir_context *ctx, uint64_t size, struct weir_transport **out)
{
	struct pattern *p;
	int rc = create(ctx, size, &zero_ops, &p);

	if (rc < 0)
		return rc;
	p->write = write_zero;
	*out = &p->base;
	return 0;
}

int weir_pattern_random(struct weir_context *ctx, uint64_t size, uint64_t seed,
			struct weir_transport **out)
{
	struct pattern *p;
	int rc = create(ctx, size, &random_ops, &p);

	if (rc < 0)
		return rc;
	p->write = write_random;
	for (int i = 0; i < 4; i++)
		p->random.s[i] = splitmix64(&seed);
	*out = &p->base;
	return 0;
}
