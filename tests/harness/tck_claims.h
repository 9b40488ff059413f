/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_TCK_CLAIMS_H
#define WEIR_TESTS_TCK_CLAIMS_H
/*
 * tck_claims.h -- what a test claims of a subject, rule by rule: those of a list apply and are
 * kept, but for some that do not apply, and some that are broken on purpose.  A rule that
 * ceases to apply is as much a failure as one that is broken.
 */
#include "tck_subjects.h"

/* Ids, with a blank between. */
struct claims {
	const char *rules;   /* that are looked at */
	const char *without; /* of these: do not apply; NULL: none */
	const char *broken;  /* and are not kept; NULL: none */
	const char *varies;  /* of these it is not said whether they apply: that is the machine's */
	const char *perhaps; /* of these nothing is said: random calls may come to it, or not */
};

/* What a producer must be held against: `feed` and `feed_end` are there. */
#define SOURCE_RULES                                                                               \
	"REG-5 FLOW-2 FLOW-4 FLOW-5 FLOW-7 FLOW-8 FLOW-10 MEM-6 DATA-1 DATA-4 END-1 END-2 END-3 "  \
	"END-5 END-6 END-7 END-10 "

/* What is a sink in front and a source behind. */
#define PROCESSOR_RULES SINK_RULES "FLOW-2 "

/* A flow that is joined already. */
#define FLOW_RULES                                                                                 \
	"FLOW-4 FLOW-8 FLOW-10 MEM-6 DATA-1 DATA-4 END-1 END-2 END-3 END-5 END-6 END-7 END-8 "     \
	"END-10 "

/* The rules that the Twisted profile does not keep. */
#define NOT_TWISTED "REG-4 REG-6 FLOW-1 FLOW-3 DATA-2 END-9 "

static inline bool has_id(const char *list, const char *id)
{
	size_t len = strlen(id);

	for (const char *at = list; at && *at; at += strcspn(at, " ")) {
		at += strspn(at, " ");
		if (!strncmp(at, id, len) && (at[len] == ' ' || at[len] == '\0'))
			return true;
	}
	return false;
}

/* Print each id of `list` which is not in `allowed`, and that is (`is`) or is not in `other`. */
static inline unsigned print_ids(const char *name, const char *list, const char *allowed,
                                 const char *other, bool is, const char *what)
{
	char ids[800], *next = ids;
	unsigned count = 0;

	snprintf(ids, sizeof(ids), "%s", list ? list : "");
	for (char *id = strtok_r(ids, " ", &next); id; id = strtok_r(NULL, " ", &next)) {
		if (has_id(allowed, id) || has_id(other, id) != is)
			continue;
		print_error("%s: %s %s\n", name, id, what);
		count++;
	}
	return count;
}

struct claims_run {
	struct tally tally;
	const struct weir_tck_subject *subject;
	const struct claims *claims;
	const struct weir_tck_options *options;
};

static inline void claims_turn(void *arg)
{
	const struct claims_run *run = arg;

	run->options->turn(run->options->arg);
}

static inline void claims_report(void *arg, const struct weir_tck_line *line)
{
	struct claims_run *run = arg;
	bool expected =
		has_id(run->claims->broken, line->id) || has_id(run->claims->perhaps, line->id);

	tally_report(&run->tally, line);
	if (line->verdict == WEIR_TCK_BROKEN && (!expected || getenv("WEIR_TCK_VERBOSE"))) {
		printf("%s: ", run->subject->name);
		weir_tck_print(NULL, line);
	}
}

/* How many claims do not hold, each of which is printed.  With WEIR_TCK_CALLS these calls are
 * made instead, and any breach counts. */
static inline unsigned claims_broken(const struct weir_tck_subject *subject,
                                     const struct weir_tck_options *options,
                                     const struct claims *claims)
{
	struct claims_run run = {.subject = subject, .claims = claims, .options = options};
	struct weir_tck_options o = *options;
	const struct tally *tally = &run.tally;
	const char *name = subject->name;
	char silent[400];
	int rc;

	o.turn = options->turn ? claims_turn : NULL;
	o.report = claims_report;
	o.arg = &run;
	if (getenv("WEIR_TCK_CALLS"))
		return (unsigned)weir_tck_replay(subject, &o, getenv("WEIR_TCK_CALLS"));
	rc = weir_tck_run(subject, &o);
	if (rc < 0) {
		print_error("%s: %s\n", name, weir_err_name(rc));
		return 1;
	}
	snprintf(silent, sizeof(silent), "%s %s %s", claims->without ? claims->without : "",
	         claims->varies ? claims->varies : "", claims->perhaps ? claims->perhaps : "");
	return print_ids(name, tally->broken, claims->broken, claims->perhaps, false, "is broken") +
	       print_ids(name, claims->broken, NULL, tally->broken, false, "is not broken") +
	       print_ids(name, claims->without, NULL, tally->missing, false, "does apply") +
	       print_ids(name, claims->rules, silent, tally->missing, true, "does not apply");
}

/* The options of a run with the kit's own clock. */
static inline struct weir_tck_options kit_options(unsigned effort)
{
	const char *seed = getenv("WEIR_SEED");

	return (struct weir_tck_options){
		.seed = seed ? strtoull(seed, NULL, 10) : 1,
		.effort = tck_effort(effort),
	};
}

static inline void assert_claims(const struct weir_tck_subject *subject, unsigned effort,
                                 const struct claims *claims)
{
	struct weir_tck_options options = kit_options(effort);

	assert_int_equal(claims_broken(subject, &options, claims), 0);
}

#endif
