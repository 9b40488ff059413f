/* SPDX-License-Identifier: MIT */
/*
 * MEM-5.  Many bytes are written and taken one by one: what one of them costs must not grow
 * with how many are held.
 *
 * Work cannot be counted from outside, and a processor's instructions not everywhere, so its
 * time is the measure.  What makes that steady:
 *
 *   - the same calls are made in every round, so the same batch of them is the same work, and
 *     the least time that it ever took is the one that a noisy machine disturbed least;
 *   - all batches of the upper half are added up, so that what is dear only now and then, a
 *     growing array that is copied, counts with its share: it is the amortised cost;
 *   - few and many are far apart, 4 KiB and 128 to 256 KiB.  What copies, moves or walks
 *     through all that is held costs some fifty times as much there, what does not costs the
 *     same, and the bound is eight.
 *
 * So a cost that grows, but is with so much held not yet the greater part, is not seen.
 */
#include "tck_priv.h"
#include "ticks.h"

#define BATCH ((size_t)1024)
#define BATCHES_MAX 256
#define BATCHES_MIN 64
#define LOW 4 /* batches: few bytes are held in these */
#define BOUND 8.0
#define ROUNDS 3

/* So many times the cost in a row: it is known already, and might go on for hours. */
#define ENOUGH (3 * BOUND)
#define ENOUGH_BATCHES 4

/* The least time of a batch, by how many were held below it. */
struct costs {
	uint64_t in[BATCHES_MAX], out[BATCHES_MAX];
	size_t count; /* batches */
	bool is_second;
};

static void note(const struct costs *c, uint64_t *least, uint64_t begin)
{
	uint64_t spent = weir__ticks() - begin;

	if (!c->is_second || spent < *least)
		*least = spent;
}

/* Of a batch at `first` or behind it, before `end`. */
static double mean(const uint64_t *cost, size_t first, size_t end)
{
	double sum = 0;

	for (size_t i = first; i < end; i++)
		sum += (double)cost[i];
	return sum / (double)(end - first);
}

/* Whether the cost at hand is so high that no more need be measured. */
static bool is_enough(const uint64_t *cost, double low, size_t *in_a_row)
{
	*in_a_row = (double)*cost > ENOUGH * (low + 1) ? *in_a_row + 1 : 0;
	return *in_a_row == ENOUGH_BATCHES;
}

static bool write_all(struct weir_tck *t, struct costs *c)
{
	static const char byte = 'x';
	size_t in_a_row = 0;

	for (size_t i = 0; i < c->count; i++) {
		uint64_t begin = weir__ticks();

		for (size_t k = 0; k < BATCH; k++)
			if (weir_consumer_write(t->made.flow.sink, &byte, 1) < 0)
				return false;
		note(c, &c->in[i], begin);
		if (i >= LOW && is_enough(&c->in[i], mean(c->in, 0, LOW), &in_a_row))
			c->count = i + 1;
	}
	return true;
}

static void take(struct weir_tck *t, size_t n)
{
	if (t->made.flow.source)
		weir__tck_sink_take(&t->behind, n);
	else
		t->subject->take(t->made.self, n);
}

static void take_all(struct weir_tck *t, struct costs *c)
{
	size_t in_a_row = 0;

	for (size_t i = c->count; i-- > 0;) {
		uint64_t begin = weir__ticks();

		for (size_t k = 0; k < BATCH; k++)
			take(t, 1);
		note(c, &c->out[i], begin);
		if (i >= LOW && is_enough(&c->out[i], mean(c->in, 0, LOW), &in_a_row)) {
			take(t, (i - LOW) * BATCH);
			for (size_t k = LOW; k < i; k++)
				c->out[k] = c->out[i];
			i = LOW;
		}
	}
}

/* One round.  False if the bytes are not accepted. */
static bool measure(struct weir_tck *t, const struct facts *f, struct costs *c)
{
	bool accepted;

	if (weir__tck_open(t, f->s, f->o, NULL) < 0)
		return false;
	weir__tck_call(t, f->s->traits.pull_only ? CALL_ATTACH_PULL : CALL_ATTACH_PUSH, 0);
	weir__tck_call(t, CALL_TAKE, 0);
	t->quiet = true;
	accepted = write_all(t, c);
	if (accepted)
		take_all(t, c);
	t->moot = true;
	weir__tck_close(t);
	c->is_second = true;
	return accepted;
}

static void look_at(struct weir_tck *t, const uint64_t *cost, size_t count, const char *what)
{
	double few = mean(cost, 0, LOW), many = mean(cost, count / 2, count);
	double ns = 1e9 / TICKS_PER_S / (double)BATCH;

	/* One tick is not known for sure. */
	weir__tck_holds(t, MEM_5, many <= BOUND * (few + 1),
			"%s a byte costs %.0f ns with %zu held and %.0f ns with %zu", what, few * ns,
			LOW * BATCH / 2, many * ns, count * BATCH * 3 / 4);
}

int weir__tck_check_cost(struct weir_tck *t, const struct facts *f, const char **calls)
{
	size_t limit = f->s->numbers.limit;
	struct costs c = {.count = limit ? limit / BATCH : BATCHES_MAX};

	*calls = "take 0\nwrite 1, again and again\ntake 1, again and again\n";
	if (c.count > BATCHES_MAX)
		c.count = BATCHES_MAX;
	if (c.count < BATCHES_MIN)
		return 0;
	for (int i = 0; i < ROUNDS; i++)
		if (!measure(t, f, &c))
			return 0;
	t->quiet = false;
	look_at(t, c.in, c.count, "writing");
	look_at(t, c.out, c.count, "taking");
	return 0;
}
