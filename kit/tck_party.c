/* SPDX-License-Identifier: MIT */
/* Several producers and consumers at once, and the turns in which they move. */
#include "tck_party.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As the kit's other sink. */
#define LEG_HIGH 4096
#define LEG_LOW 1024
#define LEG_ROOM ((size_t)64 << 10)

/* Writes of one producer in a turn. */
#define WRITES_A_TURN 8

/* Turns of a real loop in which nothing moves, and of the kit's own. */
#define STILL_OUTSIDE 30
#define STILL_MAX 20000

/* Jumps of the clock in which nothing moves. */
#define JUMPS_MAX 1000

bool weir__tck_judge(struct tck_party *p, enum rule rule, bool is, const char *format, ...)
{
	struct weir_tck *t = p->t;
	char why[sizeof(t->why)];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	t->quiet = t->broken != NO_RULE;
	weir__tck_holds(t, rule, is, "%s", why);
	t->quiet = true;
	return t->broken == NO_RULE;
}

/* ---- the producer ---- */

static void feed_pause(struct weir_producer *b)
{
	struct tck_feed *feed = (struct tck_feed *)b;

	feed->paused = true;
	feed->pauses++;
}

static void feed_resume(struct weir_producer *b)
{
	((struct tck_feed *)b)->paused = false;
}

static void feed_stop(struct weir_producer *b, int why)
{
	struct tck_feed *feed = (struct tck_feed *)b;

	feed->stops++;
	feed->why = why;
}

static const struct weir_producer_ops feed_ops = {
	.name = "the kit's source",
	.start = weir_producer_pass_start,
	.pause = feed_pause,
	.resume = feed_resume,
	.stop = feed_stop,
};

static int offer(struct tck_feed *feed, size_t len)
{
	struct weir_block *block;
	struct weir_chunk chunk;
	int rc = weir_pool_take(&feed->t->ctx->pool, len, &block);

	if (rc < 0)
		return rc;
	weir__tck_fill(feed->t, block->data, len, feed->next);
	block->used = (uint32_t)len;
	chunk = weir_chunk_from_block(block);
	rc = feed->gives ? weir_consumer_give(feed->base.consumer, &chunk)
			 : weir_consumer_write(feed->base.consumer, block->data, len);
	if (rc < 0 || !feed->gives)
		weir_block_unref(block);
	return rc;
}

/* Returns whether bytes were accepted. */
static bool write_some(struct tck_feed *feed)
{
	size_t len = feed->supply < feed->chunk ? (size_t)feed->supply : feed->chunk;
	int rc;

	if (!feed->base.consumer || feed->paused || len == 0)
		return false;
	if (len > WEIR_BLOCK_LARGE)
		len = WEIR_BLOCK_LARGE;
	rc = offer(feed, len);
	if (rc < 0 && rc != WEIR_EFULL && !feed->why)
		feed->why = rc;
	if (rc < 0)
		return false;
	feed->next += len;
	feed->supply -= len;
	return true;
}

/* A subject without a sink is given its bytes, as many as it takes. */
static bool pour(struct tck_party *p, struct tck_feed *feed)
{
	size_t len = feed->supply < feed->chunk ? (size_t)feed->supply : feed->chunk, taken;
	unsigned char *bytes;

	if (len == 0 || !p->f->s->feed)
		return false;
	bytes = malloc(len);
	if (!bytes)
		return false;
	weir__tck_fill(p->t, bytes, len, feed->next);
	taken = p->f->s->feed(p->t->made.self, bytes, len);
	free(bytes);
	feed->next += taken;
	feed->supply -= taken;
	return taken > 0;
}

static void end(struct tck_party *p, struct tck_feed *feed)
{
	feed->ends = false;
	weir_producer_end(&feed->base, 0);
	if (!p->t->made.flow.sink && p->f->s->feed_end)
		p->f->s->feed_end(p->t->made.self, 0);
}

static bool pump_one(struct tck_party *p, struct tck_feed *feed)
{
	bool any = false;

	for (int k = 0; k < WRITES_A_TURN; k++) {
		if (p->t->made.flow.sink ? !write_some(feed) : !pour(p, feed))
			break;
		any = true;
	}
	if (feed->ends && !feed->supply)
		end(p, feed);
	return any;
}

static bool pump(struct tck_party *p)
{
	bool any = false;

	for (unsigned i = 0; i < PARTY_MAX; i++)
		if (p->feed[i].here)
			any |= pump_one(p, &p->feed[i]);
	return any;
}

int weir__tck_feed_open(struct tck_party *p, unsigned i, struct weir_consumer *sink, size_t chunk)
{
	struct tck_feed *feed = &p->feed[i];

	*feed = (struct tck_feed){.t = p->t, .chunk = chunk, .here = true};
	weir_producer_init(&feed->base, &feed_ops, WEIR_PUSH);
	return sink ? weir_consumer_register(sink, &feed->base, WEIR_PUSH) : 0;
}

void weir__tck_feed_supply(struct tck_party *p, unsigned i, uint64_t n)
{
	p->feed[i].supply += n;
	pump(p);
}

/* ---- the consumer ---- */

static bool keep(struct tck_leg *leg, const void *data, size_t len)
{
	unsigned char *bytes = leg->bytes;

	if (leg->got + len > leg->cap) {
		leg->cap = 2 * (leg->got + len);
		bytes = realloc(leg->bytes, leg->cap);
	}
	if (!bytes)
		return false;
	memcpy(bytes + leg->got, data, len);
	leg->bytes = bytes;
	leg->got += len;
	return true;
}

static int64_t leg_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct tck_leg *leg = (struct tck_leg *)v;
	int64_t taken = 0;

	for (size_t i = 0; i < count && leg->window; i++) {
		size_t n = chunks[i].len < leg->window ? chunks[i].len : (size_t)leg->window;

		if (leg->got + n >= leg->breaks_at)
			return -EIO;
		if (!keep(leg, chunks[i].data, n))
			return -ENOMEM;
		if (leg->window != ALL)
			leg->window -= n;
		taken += (int64_t)n;
		if (n < chunks[i].len)
			break;
	}
	return taken;
}

static void leg_end(struct weir_valve *v, int why)
{
	struct tck_leg *leg = (struct tck_leg *)v;

	leg->ended = true;
	leg->why = why;
	if (why == 0)
		weir_valve_done(v, 0);
}

static const struct weir_valve_ops leg_ops = {
	.name = "the kit's sink",
	.drain = leg_drain,
	.end = leg_end,
};

void weir__tck_leg_open(struct tck_party *p, unsigned i)
{
	size_t room = p->f->s->numbers.chunk > LEG_ROOM ? p->f->s->numbers.chunk : LEG_ROOM;
	struct tck_leg *leg = &p->leg[i];

	*leg = (struct tck_leg){.t = p->t, .here = true, .window = ALL, .breaks_at = ALL};
	weir_valve_init(&leg->valve, &leg_ops, p->t->ctx);
	if (weir_valve_set_marks(&leg->valve, LEG_HIGH, LEG_LOW, LEG_HIGH + room) < 0)
		leg->window = 0;
}

int weir__tck_leg_attach(struct tck_party *p, unsigned i, struct weir_producer *source)
{
	weir__tck_leg_open(p, i);
	return weir_consumer_register(&p->leg[i].valve.base, source,
				      p->f->s->traits.pull_only ? WEIR_PULL : WEIR_PUSH);
}

void weir__tck_leg_take(struct tck_party *p, unsigned i, uint64_t n)
{
	p->leg[i].window = n;
	weir_valve_ready(&p->leg[i].valve);
}

void weir__tck_leg_die(struct tck_party *p, unsigned i, int why)
{
	weir_valve_die(&p->leg[i].valve, why);
}

uint64_t weir__tck_leg_wrong(const struct tck_leg *leg)
{
	for (size_t i = 0; i < leg->got; i++)
		if (leg->bytes[i] != weir__tck_byte_due(leg->t, i))
			return i;
	return ALL;
}

/* ---- the world ---- */

int weir__tck_party_open(struct tck_party *p, struct weir_tck *t, const struct facts *f)
{
	int rc = weir__tck_open(t, f->s, f->o, NULL);

	memset(p, 0, sizeof(*p));
	p->t = t;
	p->f = f;
	t->quiet = true;
	return rc;
}

void weir__tck_party_leave(struct tck_party *p, unsigned i)
{
	struct tck_feed *feed = &p->feed[i];
	struct tck_leg *leg = &p->leg[i];

	if (feed->here && feed->base.consumer)
		weir_consumer_unregister(feed->base.consumer);
	if (leg->here)
		weir_valve_fini(&leg->valve);
	free(leg->bytes);
	feed->here = leg->here = false;
	leg->bytes = NULL;
}

void weir__tck_party_close(struct tck_party *p)
{
	p->t->quiet = true;
	for (unsigned i = 0; i < PARTY_MAX; i++)
		weir__tck_party_leave(p, i);
	weir__tck_close(p->t);
}

static uint64_t progress(const struct tck_party *p)
{
	uint64_t sum = p->t->all_out;

	for (unsigned i = 0; i < PARTY_MAX; i++)
		sum += p->feed[i].next + p->leg[i].got;
	return sum;
}

static void settle_outside(struct tck_party *p)
{
	const struct weir_tck_options *o = p->t->options;

	for (unsigned still = 0; still < STILL_OUTSIDE; still++) {
		uint64_t before = progress(p);

		o->turn(o->arg);
		pump(p);
		if (progress(p) != before)
			still = 0;
	}
}

void weir__tck_party_settle(struct tck_party *p)
{
	struct weir_tck *t = p->t;

	if (!weir__tck_fake(t)) {
		settle_outside(p);
		return;
	}
	for (unsigned still = 0; still < STILL_MAX; still++) {
		uint64_t before = progress(p);

		weir_context_run(t->ctx);
		if (!pump(p) && weir_context_next(t->ctx) > t->now)
			return;
		if (progress(p) != before)
			still = 0;
	}
}

static void move_clock(struct tck_party *p, uint64_t time)
{
	if (p->at_instant)
		p->at_instant(p);
	p->t->now = time;
}

void weir__tck_party_run(struct tck_party *p, uint64_t time)
{
	for (;;) {
		uint64_t next;

		weir__tck_party_settle(p);
		next = weir_context_next(p->t->ctx);
		if (next > time || !weir__tck_fake(p->t))
			break;
		move_clock(p, next);
	}
	if (weir__tck_fake(p->t) && time > p->t->now) {
		move_clock(p, time);
		weir__tck_party_settle(p);
	}
}

void weir__tck_party_jump(struct tck_party *p, uint64_t time)
{
	weir__tck_party_settle(p);
	move_clock(p, time);
	weir__tck_party_settle(p);
}

static bool waits(const struct tck_party *p)
{
	for (unsigned i = 0; i < PARTY_MAX; i++) {
		const struct tck_feed *feed = &p->feed[i];
		const struct tck_leg *leg = &p->leg[i];

		if (feed->here && leg->here && leg->window == ALL && leg->valve.life != WEIR_ENDED &&
		    (leg->got < feed->next || (feed->supply && feed->base.consumer)))
			return true;
	}
	return false;
}

void weir__tck_party_play(struct tck_party *p)
{
	weir__tck_party_settle(p);
	for (unsigned i = 0; waits(p) && weir__tck_fake(p->t) && i < JUMPS_MAX; i++) {
		uint64_t next = weir_context_next(p->t->ctx), before = progress(p);

		if (next == WEIR_NEVER)
			return;
		move_clock(p, next > p->t->now ? next : p->t->now);
		weir__tck_party_settle(p);
		if (progress(p) != before)
			i = 0;
	}
}
