/* SPDX-License-Identifier: MIT */
/*
 * One's own consumer, held against the contract: a store that keeps lines, whose disk takes
 * some bytes at a time, and its twin, which is wrong in one thing.  Uses libweir-tck.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir/impl/valve.h"
#include "weir/tck.h"

/* ---- the consumer: all that buffers, pauses and ends is the valve's ---- */

struct store {
	struct weir_valve valve; /* first */
	struct weir_tck *kit;    /* stands for the disk */
	size_t quota;            /* bytes that the disk still takes */
	bool loses;              /* the wrong one: what the disk left is forgotten */
};

static int64_t store_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct store *s = (struct store *)v;
	int64_t taken = 0;

	for (size_t i = 0; i < count && s->quota; i++) {
		size_t len = chunks[i].len < s->quota ? chunks[i].len : s->quota;

		if (s->quota != SIZE_MAX)
			s->quota -= len;
		weir_tck_out(s->kit, chunks[i].data, len);
		taken += (int64_t)(s->loses ? chunks[i].len : len);
	}
	return taken;
}

static void store_end(struct weir_valve *v, int why)
{
	weir_tck_out_end(((struct store *)v)->kit, why);
	if (why == 0)
		weir_valve_done(v, 0);
}

static const struct weir_valve_ops store_ops = {
	.name = "store",
	.drain = store_drain,
	.end = store_end,
};

/* ---- what the kit must know to make one, and to play the disk ---- */

static int make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	weir_valve_init(&s->valve, &store_ops, weir_tck_context(kit));
	s->kit = kit;
	s->quota = SIZE_MAX;
	s->loses = *(const bool *)arg;
	out->flow.sink = &s->valve.base;
	out->self = s;
	return 0;
}

static void destroy(void *self)
{
	weir_valve_fini(&((struct store *)self)->valve);
	free(self);
}

static void take(void *self, size_t max)
{
	struct store *s = self;

	s->quota = max;
	weir_valve_ready(&s->valve);
}

static void die(void *self, int why)
{
	weir_valve_die(&((struct store *)self)->valve, why);
}

static int check(const char *name, bool loses, const struct weir_tck_options *options)
{
	struct weir_tck_subject subject = {
		.name = name,
		.arg = &loses,
		.make = make,
		.destroy = destroy,
		.numbers = {.high = WEIR_HIGH_DEFAULT,
	                    .low = WEIR_LOW_DEFAULT,
	                    .limit = WEIR_LIMIT_DEFAULT,
	                    .finish_wait_ns = WEIR_FINISH_WAIT_DEFAULT},
		.take = take,
		.die = die,
	};
	int broken;

	printf("%s:\n", name);
	broken = weir_tck_run(&subject, options);
	printf("%d rules broken\n\n", broken);
	return broken;
}

/* Those that are kept are many: only what is broken is shown. */
static void show(void *arg, const struct weir_tck_line *line)
{
	if (line->verdict == WEIR_TCK_BROKEN)
		weir_tck_print(arg, line);
}

int main(void)
{
	const struct weir_tck_options options = {.seed = 1, .effort = 200, .report = show};
	int right = check("the store", false, &options);
	int wrong = check("the store that forgets", true, &options);

	return right == 0 && wrong > 0 ? 0 : 1;
}
