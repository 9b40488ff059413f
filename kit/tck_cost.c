/* SPDX-License-Identifier: MIT */
/*
 * MEM-5.  Many bytes are written and taken one by one, and then sixteen times as many: what one
 * of them costs must not grow with how many are held.  The processor's time is the measure,
 * the least of several rounds, so that only what is really quadratic is found: it costs
 * sixteen times as much, and the bound is five.
 */
#include <time.h>

#include "tck_priv.h"

#define TIMES 16
#define BOUND 5.0
#define ROUNDS 4
#define TRIES 3
#define BYTES_MAX ((size_t)32768)
#define BYTES_MIN ((size_t)8192)

static void take_one(struct weir_tck *t)
{
	if (t->made.flow.source)
		weir__tck_sink_take(&t->behind, 1);
	else
		t->subject->take(t->made.self, 1);
}

/* The seconds that one byte costs, or a negative number if they are not accepted. */
static double cost(struct weir_tck *t, const struct facts *f, size_t bytes)
{
	static const char byte = 'x';
	clock_t begin;
	double spent;
	size_t i;

	if (weir__tck_open(t, f->s, f->o, NULL) < 0)
		return -1;
	weir__tck_call(t, f->s->traits.pull_only ? CALL_ATTACH_PULL : CALL_ATTACH_PUSH, 0);
	weir__tck_call(t, CALL_TAKE, 0);
	t->quiet = true;
	begin = clock();
	for (i = 0; i < bytes; i++)
		if (weir_consumer_write(t->made.flow.sink, &byte, 1) < 0)
			break;
	for (size_t k = 0; k < i; k++)
		take_one(t);
	spent = (double)(clock() - begin) / CLOCKS_PER_SEC;
	t->moot = true;
	weir__tck_close(t);
	return i == bytes ? spent / (double)bytes : -1;
}

static double least_cost(struct weir_tck *t, const struct facts *f, size_t bytes)
{
	double least = -1;

	for (int i = 0; i < ROUNDS; i++) {
		double c = cost(t, f, bytes);

		if (c < 0)
			return c;
		if (least < 0 || c < least)
			least = c;
	}
	return least;
}

int weir__tck_check_cost(struct weir_tck *t, const struct facts *f, const char **calls)
{
	size_t limit = f->s->numbers.limit;
	size_t many = limit && limit < BYTES_MAX ? limit : BYTES_MAX;
	double few_cost = -1, many_cost = -1;

	*calls = "take 0\nwrite 1, again and again\ntake 1, again and again\n";
	if (many < BYTES_MIN)
		return 0;
	for (int i = 0; i < TRIES; i++) {
		few_cost = least_cost(t, f, many / TIMES);
		many_cost = least_cost(t, f, many);
		if (few_cost < 0 || many_cost < 0)
			return 0;
		if (many_cost <= few_cost * BOUND || few_cost <= 0)
			break;
	}
	t->quiet = false;
	weir__tck_holds(t, MEM_5, many_cost <= few_cost * BOUND || few_cost <= 0,
			"a byte costs %.0f ns with %zu held and %.0f ns with %zu", few_cost * 1e9,
			many / TIMES, many_cost * 1e9, many);
	return 0;
}
