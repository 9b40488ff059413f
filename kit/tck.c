/* SPDX-License-Identifier: MIT */
/*
 * A run.  First the schedules of every rule that make plain calls, then those that call from
 * inside resume, with a full budget, or on another path, then random ones.
 *
 * What breaks only in such surroundings is the breach of the rule about them: a byte that is
 * lost only when the budget is full breaks MEM-3 and not DATA-1.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tck_priv.h"

#define EFFORT_DEFAULT 1000
#define CALLS_TEXT_MAX 4096

/* What was found out about one rule. */
struct finding {
	bool broken;
	const char *lacks; /* said by its check; or NULL */
	char why[sizeof(((struct weir_tck *)0)->why) + 16];
	char calls[CALLS_TEXT_MAX];
};

struct run {
	struct facts facts;
	struct weir_tck_options options;
	struct weir_tck t;
	uint64_t seen;
	struct finding findings[RULE_COUNT];
};

/* ---- which rules ---- */

static bool is_wanted(const char *ids, const char *id)
{
	size_t family = strcspn(id, "-");

	if (!ids)
		return true;
	for (const char *at = ids + strspn(ids, " ,"); *at; at += strspn(at, " ,")) {
		size_t len = strcspn(at, " ,");

		if ((len == strlen(id) || len == family) && !strncmp(at, id, len))
			return true;
		at += len;
	}
	return false;
}

/* ---- whose breach it is ---- */

static bool has(const struct schedule *schedule, enum call call)
{
	for (unsigned i = 0; i < schedule->count; i++)
		if (schedule->steps[i].call == call)
			return true;
	return false;
}

static bool has_inside_resume(const struct schedule *schedule)
{
	for (unsigned i = 0; i < schedule->count; i++)
		if (schedule->steps[i].event == EVENT_RESUME)
			return true;
	return false;
}

static bool has_path_in_the_middle(const struct schedule *schedule)
{
	bool begun = false;

	for (unsigned i = 0; i < schedule->count; i++) {
		enum call call = schedule->steps[i].call;

		begun = begun || call == CALL_WRITE || call == CALL_GIVE || call == CALL_SUPPLY;
		if (call == CALL_PATH && begun)
			return true;
	}
	return false;
}

static bool is_plain(const struct schedule *schedule)
{
	return !has(schedule, CALL_SQUEEZE) && !has(schedule, CALL_PATH) &&
	       !has_inside_resume(schedule);
}

/* What is broken, whatever the surroundings: bytes lost only after an unregister are its loss. */
static enum rule rule_of_plain(enum rule broken, const struct schedule *schedule)
{
	if (has(schedule, CALL_UNREGISTER) &&
	    (broken == DATA_1 || broken == END_3 || broken == END_6 || broken == FLOW_4))
		return REG_7;
	return broken;
}

/* The rule that a schedule breaks, which has no call too many. */
static enum rule rule_of(enum rule broken, const struct schedule *schedule)
{
	if (has(schedule, CALL_PATH))
		return has_path_in_the_middle(schedule) ? DATA_3 : DATA_5;
	if (has(schedule, CALL_SQUEEZE))
		return MEM_3;
	if (has_inside_resume(schedule))
		return FLOW_6;
	return rule_of_plain(broken, schedule);
}

static void found(struct run *r, enum rule broken, struct schedule *schedule)
{
	struct finding *f;
	enum rule rule;

	if (r->findings[broken].broken)
		return;
	weir__tck_shrink(&r->t, schedule, broken, r->facts.s, &r->options);
	rule = rule_of(broken, schedule);
	f = &r->findings[rule];
	if (f->broken || r->t.broken != broken ||
	    r->findings[rule_of_plain(broken, schedule)].broken)
		return;
	f->broken = true;
	if (rule == broken)
		snprintf(f->why, sizeof(f->why), "%s", r->t.why);
	else
		snprintf(f->why, sizeof(f->why), "%s: %s", weir__tck_rule(broken).id, r->t.why);
	weir__tck_print(schedule, f->calls, sizeof(f->calls));
}

/* ---- playing ---- */

static int play(struct run *r, struct schedule *schedule)
{
	int rc;

	r->t.seen = r->seen;
	rc = weir__tck_play(&r->t, r->facts.s, &r->options, schedule);
	if (rc < 0)
		return rc;
	r->seen = r->t.seen;
	if (r->t.broken != NO_RULE)
		found(r, r->t.broken, schedule);
	return 0;
}

static int play_check(struct run *r, enum rule rule, const struct rule_info *info)
{
	struct finding *f = &r->findings[rule];
	const char *calls = "";
	int rc;

	r->t.seen = r->seen;
	r->t.broken = NO_RULE;
	r->t.lacks = NULL;
	rc = info->check(&r->t, &r->facts, &calls);
	if (rc < 0)
		return rc;
	r->seen = r->t.seen;
	f->lacks = r->t.lacks;
	if (r->t.broken == NO_RULE || f->broken || r->findings[r->t.broken].broken)
		return 0;
	f->broken = true;
	if (rule == r->t.broken)
		snprintf(f->why, sizeof(f->why), "%s", r->t.why);
	else
		snprintf(f->why, sizeof(f->why), "%s: %s", weir__tck_rule(r->t.broken).id,
			 r->t.why);
	snprintf(f->calls, sizeof(f->calls), "%s", calls);
	return 0;
}

static int play_rule(struct run *r, enum rule rule, bool plain)
{
	struct rule_info info = weir__tck_rule(rule);
	struct schedule schedule;
	int rc = 0;

	if (!is_wanted(r->options.ids, info.id) || (info.lacks && info.lacks(&r->facts)))
		return 0;
	if (info.check && plain)
		rc = play_check(r, rule, &info);
	for (unsigned i = 0; rc == 0 && info.schedules && info.schedules[i]; i++) {
		if (!weir__tck_parse(info.schedules[i], &r->facts.s->numbers, &schedule))
			return -EINVAL;
		if (is_plain(&schedule) == plain)
			rc = play(r, &schedule);
	}
	return rc;
}

static int play_all(struct run *r)
{
	unsigned effort = r->options.effort ? r->options.effort : EFFORT_DEFAULT;
	struct schedule schedule;
	int rc = 0;

	for (enum rule rule = 0; rc == 0 && rule < RULE_COUNT; rule++)
		rc = play_rule(r, rule, true);
	for (enum rule rule = 0; rc == 0 && rule < RULE_COUNT; rule++)
		rc = play_rule(r, rule, false);
	for (unsigned i = 0; rc == 0 && i < effort; i++) {
		weir__tck_draw(&schedule, r->options.seed * UINT64_C(1000003) + i, r->facts.s,
			       &r->options);
		rc = play(r, &schedule);
	}
	return rc;
}

/* Make one, to see what it has. */
static int look_at_subject(struct run *r)
{
	int rc = weir__tck_open(&r->t, r->facts.s, &r->options, NULL);

	if (rc < 0)
		return rc;
	r->facts.sink = r->t.made.flow.sink != NULL;
	r->facts.source = r->t.made.flow.source != NULL;
	r->facts.back = r->facts.sink && r->facts.source && r->t.made.back.sink &&
			r->t.made.back.source;
	r->t.moot = r->t.quiet = true;
	weir__tck_close(&r->t);
	r->t.seen = 0;
	return 0;
}

/* ---- reporting ---- */

void weir_tck_print(void *arg, const struct weir_tck_line *line)
{
	static const char *const tags[] = {"required", "optional", "stochastic"};
	static const char *const verdicts[] = {"kept", "broken", "not applicable"};

	(void)arg;
	printf("%-8s %-10s %s%s%s\n", line->id, tags[line->tag], verdicts[line->verdict],
	       *line->why ? ": " : "", line->why);
	for (const char *at = line->calls; *at;) {
		int len = (int)strcspn(at, "\n");

		printf("             %.*s\n", len, at);
		at += at[len] ? len + 1 : len;
	}
}

static const char *why_not(const struct run *r, enum rule rule, const struct rule_info *info)
{
	const char *why = info->lacks ? info->lacks(&r->facts) : NULL;

	if (why)
		return why;
	if (info->strict_only && r->facts.s->traits.twisted)
		return "Twisted's profile differs";
	if (!(r->seen >> rule & 1) && r->findings[rule].lacks)
		return r->findings[rule].lacks;
	if (!(r->seen >> rule & 1))
		return "no sequence of calls came to it";
	return NULL;
}

static void say(const struct run *r, const struct weir_tck_line *line)
{
	if (r->options.report)
		r->options.report(r->options.arg, line);
	else
		weir_tck_print(NULL, line);
}

static int report(const struct run *r)
{
	int broken = 0;

	for (enum rule rule = 0; rule < RULE_COUNT; rule++) {
		const struct finding *f = &r->findings[rule];
		struct rule_info info = weir__tck_rule(rule);
		const char *not = why_not(r, rule, &info);
		struct weir_tck_line line = {info.id, info.text, info.tag, WEIR_TCK_KEPT, "", ""};

		if (!is_wanted(r->options.ids, info.id))
			continue;
		if (f->broken) {
			line.verdict = WEIR_TCK_BROKEN;
			line.why = f->why;
			line.calls = f->calls;
			broken++;
		} else if (not) {
			line.verdict = WEIR_TCK_NOT_APPLICABLE;
			line.why = not;
		}
		say(r, &line);
	}
	return broken;
}

/* ---- the entry ---- */

static struct run *begin(const struct weir_tck_subject *subject,
			 const struct weir_tck_options *options)
{
	struct run *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	if (options)
		r->options = *options;
	r->facts.s = subject;
	r->facts.o = &r->options;
	return r;
}

int weir_tck_run(const struct weir_tck_subject *subject, const struct weir_tck_options *options)
{
	struct run *r = begin(subject, options);
	int rc;

	if (!r)
		return -ENOMEM;
	rc = look_at_subject(r);
	if (rc == 0)
		rc = play_all(r);
	if (rc == 0)
		rc = report(r);
	free(r);
	return rc;
}

int weir_tck_replay(const struct weir_tck_subject *subject, const struct weir_tck_options *options,
		    const char *calls)
{
	struct run *r = begin(subject, options);
	struct schedule schedule;
	int rc;

	if (!r)
		return -ENOMEM;
	rc = weir__tck_parse(calls, &subject->numbers, &schedule) ? 0 : -EINVAL;
	if (rc == 0)
		rc = weir__tck_play(&r->t, subject, &r->options, &schedule);
	if (rc == 0 && r->t.broken != NO_RULE) {
		struct rule_info info = weir__tck_rule(r->t.broken);
		struct weir_tck_line line = {info.id,		info.text, info.tag,
					     WEIR_TCK_BROKEN, r->t.why,  calls};

		say(r, &line);
		rc = 1;
	}
	free(r);
	return rc;
}
