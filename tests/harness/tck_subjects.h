/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_TCK_SUBJECTS_H
#define WEIR_TESTS_TCK_SUBJECTS_H
/*
 * tck_subjects.h -- a run of the contract kit as a test, and the simplest subject: a valve
 * whose drain takes what it is told to take.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "weir/impl/valve.h"
#include "weir/impl/wrap.h"
#include "weir/tck.h"

/* ---- what a run says ---- */

struct tally {
	char broken[400];  /* ids, with a blank behind each */
	char missing[800]; /* those that are not applicable */
	char calls[1000];  /* of the first breach */
	bool prints;
};

static inline void tally_add(char *list, size_t size, const char *id)
{
	size_t used = strlen(list);

	snprintf(list + used, size - used, "%s ", id);
}

static inline void tally_report(void *arg, const struct weir_tck_line *line)
{
	struct tally *tally = arg;

	if (line->verdict == WEIR_TCK_BROKEN) {
		if (!*tally->broken)
			snprintf(tally->calls, sizeof(tally->calls), "%s", line->calls);
		tally_add(tally->broken, sizeof(tally->broken), line->id);
		if (tally->prints)
			weir_tck_print(NULL, line);
	} else if (line->verdict == WEIR_TCK_NOT_APPLICABLE) {
		tally_add(tally->missing, sizeof(tally->missing), line->id);
	}
}

/* A debugger's or a sanitizer's run has less time ... */
static inline bool tck_is_quick(void)
{
	return getenv("WEIR_TEST_QUICK") != NULL;
}

/* ... for random sequences of a run, and for subjects that are wrong in one thing. */
static inline unsigned tck_effort(unsigned effort)
{
	return tck_is_quick() ? effort / 25 + 1 : effort;
}

static inline unsigned tck_stride(void)
{
	return tck_is_quick() ? 12 : 1;
}

static inline int tck_run(const struct weir_tck_subject *subject, unsigned effort,
			  struct tally *tally)
{
	const char *seed = getenv("WEIR_SEED");
	struct weir_tck_options options = {
		.seed = seed ? strtoull(seed, NULL, 10) : 1,
		.effort = tck_effort(effort),
		.report = tally_report,
		.arg = tally,
	};

	return weir_tck_run(subject, &options);
}

/* Every rule is kept, and those of `must` do apply: ids with a blank behind each. */
static inline void assert_kept(const struct weir_tck_subject *subject, const char *must)
{
	struct tally tally = {.prints = true};
	char ids[400], id[16];

	assert_int_equal(tck_run(subject, 1000, &tally), 0);
	snprintf(ids, sizeof(ids), "%s", must);
	for (char *at = strtok(ids, " "); at; at = strtok(NULL, " ")) {
		snprintf(id, sizeof(id), "%s ", at);
		if (strstr(tally.missing, id))
			fail_msg("%s: %sdoes not apply", subject->name, id);
	}
}

/* What every consumer whose far side can stand still and die must be held against. */
#define SINK_RULES                                                                           \
	"REG-1 REG-2 REG-3 REG-4 REG-5 REG-6 REG-7 REG-8 FLOW-1 FLOW-3 FLOW-4 FLOW-5 FLOW-6 " \
	"FLOW-7 FLOW-8 FLOW-9 FLOW-10 MEM-1 MEM-2 MEM-3 MEM-5 MEM-6 DATA-1 DATA-2 DATA-4 "     \
	"END-1 END-2 END-3 END-4 END-5 END-6 END-7 END-8 END-9 END-10 OBS-1 "

/* ---- the simplest subject ---- */

struct box {
	struct weir_valve valve; /* first */
	struct weir_tck *kit;
	size_t window;           /* bytes that the far side takes */
};

static inline int64_t box_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct box *b = (struct box *)v;
	int64_t taken = 0;

	for (size_t i = 0; i < count && b->window; i++) {
		size_t n = chunks[i].len < b->window ? chunks[i].len : b->window;

		if (b->window != SIZE_MAX)
			b->window -= n;
		weir_tck_out(b->kit, chunks[i].data, n);
		taken += (int64_t)n;
		if (n < chunks[i].len)
			break;
	}
	return taken;
}

static inline void box_end(struct weir_valve *v, int why)
{
	weir_tck_out_end(((struct box *)v)->kit, why);
	if (why == 0)
		weir_valve_done(v, 0);
}

static const struct weir_valve_ops box_ops = {
	.name = "box",
	.drain = box_drain,
	.end = box_end,
};

/* `arg`: NULL, or anything for the Twisted profile. */
static inline int box_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct box *b = calloc(1, sizeof(*b));

	if (!b)
		return -1;
	b->kit = kit;
	b->window = SIZE_MAX;
	weir_valve_init(&b->valve, &box_ops, weir_tck_context(kit));
	if (arg)
		weir_valve_set_profile(&b->valve, WEIR_TWISTED);
	out->flow.sink = &b->valve.base;
	out->self = b;
	return 0;
}

static inline void box_destroy(void *self)
{
	weir_valve_fini(&((struct box *)self)->valve);
	free(self);
}

static inline void box_take(void *self, size_t max)
{
	struct box *b = self;

	b->window = max;
	weir_valve_ready(&b->valve);
}

static inline void box_die(void *self, int why)
{
	weir_valve_die(&((struct box *)self)->valve, why);
}

static inline int box_set_marks(void *self, size_t high, size_t low, size_t limit)
{
	return weir_valve_set_marks(&((struct box *)self)->valve, high, low, limit);
}

/* The numbers of a valve as it is made. */
#define VALVE_NUMBERS                                                                        \
	{                                                                                    \
		.high = WEIR_HIGH_DEFAULT, .low = WEIR_LOW_DEFAULT, .limit = WEIR_LIMIT_DEFAULT, \
		.finish_wait_ns = WEIR_FINISH_WAIT_DEFAULT,                                  \
	}

static const struct weir_tck_subject box_subject = {
	.name = "box",
	.make = box_make,
	.destroy = box_destroy,
	.numbers = VALVE_NUMBERS,
	.take = box_take,
	.die = box_die,
	.set_marks = box_set_marks,
};

#endif
