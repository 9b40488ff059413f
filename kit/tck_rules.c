/* SPDX-License-Identifier: MIT */
/*
 * The rules: when they apply, and schedules that are sure to exercise them.  Every monitor is
 * on in every play; a schedule stands with the rule that it is made for.
 */
#include "tck_check.h"

/* ---- when a rule does not apply ---- */

static const char *no_sink(const struct facts *f)
{
	return f->sink ? NULL : "it takes no bytes";
}

static const char *no_account(const struct facts *f)
{
	return f->sink || f->s->progress ? NULL : "it keeps no account";
}

static const char *no_source(const struct facts *f)
{
	return f->source ? NULL : "it gives no bytes";
}

static const char *no_pause(const struct facts *f)
{
	return no_source(f) ? no_source(f) : f->s->traits.pull_only ? "it only pulls" : NULL;
}

static const char *no_pull(const struct facts *f)
{
	if (f->sink)
		return NULL;
	return no_source(f) ? no_source(f) : f->s->traits.push_only ? "it only pushes" : NULL;
}

static const char *no_million(const struct facts *f)
{
	return f->o->turn ? "a million pulls through a real loop take too long" : no_pull(f);
}

static const char *no_clock(const struct facts *f)
{
	return f->o->turn ? "the turns of a real loop are not the kit's to count" : NULL;
}

static const char *no_bound(const struct facts *f)
{
	if (!f->sink)
		return "it takes no bytes";
	return f->s->numbers.high || f->s->numbers.hold ? NULL : "it declares no bound";
}

static const char *no_stall(const struct facts *f)
{
	if (!f->sink)
		return "it takes no bytes";
	if (f->s->traits.outside)
		return "what lies outside holds bytes too";
	if (!f->source && !f->s->take)
		return "its far side cannot stand still";
	return !f->s->numbers.limit || f->s->numbers.limit >= 65536
		       ? NULL
		       : "it takes too few bytes to measure";
}

static const char *no_expansion(const struct facts *f)
{
	return f->s->out_length && f->s->out_length(f->s->arg, 1000) > 1000
		       ? NULL
		       : "it makes no more bytes than it takes";
}

static const char *one_path(const struct facts *f)
{
	return f->s->set_path ? NULL : "it has one path";
}

static const char *no_failure(const struct facts *f)
{
	return f->s->traits.sink_cannot_fail ? "its far side sees no difference" : NULL;
}

static const char *no_death(const struct facts *f)
{
	if (f->source || f->s->die)
		return NULL;
	return "its far side cannot go away";
}

static const char *no_failing(const struct facts *f)
{
	return f->sink || f->s->feed_end ? NULL : "it cannot be failed";
}

/* ---- schedules ---- */

#define SCHEDULES(...) (const char *const[]){__VA_ARGS__, NULL}

static const struct {
	const char *(*lacks)(const struct facts *f);
	const char *const *schedules;
	int (*check)(struct weir_tck *t, const struct facts *f, const char **calls);
	bool strict_only;
} cases[RULE_COUNT] = {
	[REG_1] = {.lacks = no_sink, .schedules = SCHEDULES("register push, register other push",
				      "register pull, register other push",
				      "register push, register push",
				      "take 0, register push, write high, register other pull")},
	[REG_2] = {.lacks = no_sink, .schedules = SCHEDULES("finish, play, register push", "fail, register push",
				      "fail, register pull", "write 10, finish, play, register pull",
				      "die, play, register push")},
	[REG_3] = {.lacks = no_sink, .schedules = SCHEDULES("register push, turn", "register pull, turn")},
	[REG_4] = {.lacks = no_sink,
		   .schedules = SCHEDULES("take 0, write high, register push",
			     "take 0, chunk 3000, register push, supply high+300000, play, unregister, "
			     "register other push",
			     "take 0, register push, write high, unregister, register other push"),
		   .strict_only = true},
	[REG_5] = {.lacks = NULL, .schedules = SCHEDULES("unregister, register push, unregister, unregister, turn",
			     "take 0, register push, write high, unregister, take all, turn, turn",
			     "register pull, unregister, wake, turn, turn",
			     "take 0, inside pause: unregister, register push, write high, take all, turn",
			     "take 0, inside resume: unregister, register push, write high, take all, turn",
			     "inside take: unregister, register push, write 10, turn, turn",
			     "inside stop: unregister, register push, fail, turn",
			     "detach, turn, write 1000, turn, play")},
	[REG_6] = {.lacks = no_sink,
		   .schedules = SCHEDULES("take 0, register push, write high, unregister, take all, turn, "
			     "register other push, play, write 1, play",
			     "take 0, register push, write high, unregister, take all, turn, "
			     "register other push, take 0, write high, take all, play",
			     "take 0, chunk 3000, register push, supply high+300000, play, unregister, "
			     "take all, play, register other push, play, write 1, play"),
		   .strict_only = true},
	[REG_7] = {.lacks = no_sink,
		   .schedules = SCHEDULES("take 0, register push, write high, unregister, take all, play",
			     "take 0, register push, write 10, finish, unregister, take all, play",
			     "take 0, register pull, supply 10, turn, unregister, turn, take all")},
	[REG_8] = {.lacks = no_sink,
		   .schedules = SCHEDULES("take 0, inside pause: unregister, register push, write high, turn",
			     "take 0, inside pause: fail, register push, write high, turn",
			     "take 0, inside resume: fail, register push, write high, take all, turn",
			     "inside start: unregister, register push, turn",
			     "inside start: fail, register push, turn",
			     "inside start: unregister, register pull, turn",
			     "inside end: unregister, register push, die, turn")},
	[FLOW_1] = {.lacks = no_sink,
		    .schedules = SCHEDULES("take 0, register push, write high, write 1, write 1, take all, turn, "
			      "take 0, write high, take all, play",
			      "chunk 3000, register push, supply 200000, take 1, turn, take high, "
			      "turn, take all, play",
			      "register push, hold, write high, turn, release, turn, turn, hold, release, play"),
		    .strict_only = true},
	[FLOW_2] = {.lacks = no_pause, .schedules = SCHEDULES("take 0, write 20000, turn, turn, take 1000, turn, take all, play",
					"take 0, register push, supply 100000, play, take all, play",
					"hold, write 10000, turn, turn, release, play",
					"take 100, turn, turn, take 5000, turn, take 5000, turn")},
	[FLOW_3] = {.lacks = no_sink,
		    .schedules = SCHEDULES("take 0, register push, write high-1, turn, write 1, take 1, turn, "
			      "take all, play",
			      "take 0, register push, write high-5, chunk 1, supply 5, play, take 1, play",
			      "take 0, register push, write 1000, marks 10, turn, marks 5000, "
			      "take all, play",
			      "take 0, register pull, supply high, play, take 1, play"),
		    .strict_only = true},
	[FLOW_4] = {.lacks = NULL, .schedules = SCHEDULES("take 0, register push, write high, take all, turn, turn, play",
			      "register pull, supply 50000, play, take 0, supply 100000, play, "
			      "take all, play",
			      "take 0, register push, write high, take 1, turn, take all, turn, play",
			      "register push, detach, write high, turn, attach push, play")},
	[FLOW_5] = {.lacks = no_pull,
		    .schedules = SCHEDULES("register pull, turn, turn, wake, turn, write 5, turn, play",
			      "register pull, wake, wake, turn, turn",
			      "chunk 100, register pull, supply 10000, play, supply 10000, play",
			      "attach pull, write 10000, play, take 0, write 10000, play",
			      "attach pull, play, write 100, play, write 100, play")},
	[FLOW_6] = {.lacks = no_sink,
		    .schedules = SCHEDULES("take 0, inside resume: write high, register push, write high, take all, play",
			      "take 0, inside resume: write high, register push, write high, "
			      "take high, turn, take all, play",
			      "take 0, inside resume: write 1, inside resume: write high, "
			      "register push, write high, take all, play, take 0, write high, take all",
			      "take 0, inside resume: take 0, inside resume: write high, "
			      "register push, write high, take all, turn, take all, play",
			      "take 0, inside resume: unregister, register push, write high, take all, play",
			      "take 0, inside resume: finish, register push, write high, take all, play",
			      "take 0, inside resume: fail, register push, write high, take all, play",
			      "take 0, inside resume: die, register push, write high, take all, play",
			      "inside resume: unregister, register pull, turn, register other push, play",
			      "inside resume: write high, inside resume: write 1, register pull, play",
			      "inside resume: write 5, inside resume: finish, register pull, play",
			      "take 0, inside resume: write high, inside pause: take all, "
			      "register push, write high, take all, play")},
	[FLOW_7] = {.lacks = no_million, .schedules = SCHEDULES("chunk 1, register pull, supply 1000000, play",
					  "attach pull, chunk 1, register pull, supply 200000, play",
					  "attach pull, write 1000000, play")},
	[FLOW_8] = {.lacks = NULL, .schedules = SCHEDULES("register push, write high, play, finish, play")},
	[FLOW_9] = {.lacks = no_sink, .schedules = SCHEDULES("register push, write 0, turn, give 0, turn",
				       "take 0, register push, write high, write 0, take all, play, write 0",
				       "register pull, write 0, turn, finish, write 0, play",
				       "fail, write 0")},
	[FLOW_10] = {.lacks = no_clock,
		     .schedules = SCHEDULES("quantum 10000, chunk 1000, register pull, supply 200000, play",
			       "quantum 10000, write 200000, turn, play")},
	[MEM_1] = {.lacks = no_bound,
		   .schedules = SCHEDULES("take 0, chunk 3000, register push, supply 300000, play",
			     "take 0, chunk 3000, register pull, supply 300000, play, take 10000, play",
			     "take 0, chunk 7, register push, supply mark+100, play",
			     "take 0, write high, turn")},
	[MEM_2] = {.lacks = no_sink,
		   .schedules = SCHEDULES("take 0, register push, write high, write 10, turn, take all, play",
			     "take 0, give 5000, give 10, turn, take 100, turn",
			     "take 0, write 1, turn, write 1, turn")},
	[MEM_3] = {.lacks = no_sink,
		   .schedules = SCHEDULES("take 0, register push, squeeze 0, write 3000, write 3000, write 3000, "
			     "take all, play, relax, play",
			     "register push, squeeze 0, chunk 1000, supply 50000, play",
			     "chunk 1000, squeeze 0, register push, supply 50000, play, relax, play",
			     "chunk 1000, squeeze 8192, take 0, register pull, supply 50000, play, "
			     "take all, play, relax, play")},
	[MEM_4] = {.lacks = no_expansion,
		   .schedules = SCHEDULES("take 0, chunk 100, register push, supply 100000, play, take 5000, play, "
			     "take all, play",
			     "take 0, write 20000, turn, take 10000, turn, turn, take all, play")},
	[MEM_5] = {.lacks = no_stall, .check = weir__tck_check_cost},
	[MEM_6] = {.lacks = NULL, .schedules = SCHEDULES("take 0, register push, write high, destroy",
				   "take 0, give 1000, take 10, give 1000, destroy",
				   "register pull, supply 100, play, destroy", "finish, destroy")},
	[DATA_1] = {.lacks = NULL, .schedules = SCHEDULES("chunk 777, register push, supply 100000, take 1, play, take 500, play, "
			      "take all, play",
			      "take 0, write 100, take 30, turn, write 50, take 60, turn, give 70, "
			      "take 3, write 1, take all, play",
			      "write 1, turn, write 2, take 0, give 5, write 100, take all, play",
			      "take 0, write 5000, take 1000, turn, write 70000, take all, play",
			      "attach pull, chunk 333, register pull, supply 20000, take 100, play, "
			      "take all, play")},
	[DATA_2] = {.lacks = no_sink,
		    .schedules = SCHEDULES("write 10, finish, write 10, play, write 10", "fail, write 1, turn",
			      "die, play, write 10", "finish, play, give 10",
			      "take 0, write 10, finish, write 10, take all, play"),
		    .strict_only = true},
	[DATA_3] = {.lacks = one_path,
		    .schedules = SCHEDULES("chunk 500, register push, supply 20000, take 3000, play, path 1, "
			      "take 3000, play, path 0, take all, play",
			      "take 0, write 100, path 1, write 100, take 50, path 0, write 100, take all",
			      "write 100, path 2, write 100, path 3, write 100, play")},
	[DATA_4] = {.lacks = NULL, .schedules = SCHEDULES("take 0, write 1000, take all, play",
				    "take 0, give 1000, give 1000, write 5, take 100, write 10, "
				    "take all, play")},
	[DATA_5] = {.lacks = one_path, .schedules = SCHEDULES("path 1, chunk 500, register push, supply 20000, take 3000, "
					"play, take all, play",
					"path 2, write 5000, take 10, write 5000, take all, play",
					"path 3, write 5000, play")},
	[END_1] = {.lacks = NULL, .schedules = SCHEDULES("write 10, finish, play, finish, fail, die, turn",
				   "fail, fail, finish, die, turn", "write 10, die, fail, finish, turn",
				   "inside end: fail, write 10, finish, play",
				   "register push, inside stop: fail, fail, turn")},
	[END_2] = {.lacks = no_death, .schedules = SCHEDULES("register push, write 10, die, turn, turn",
				       "take 0, register push, write high, die, turn",
				       "register push, write 10, unregister, finish, play, die, turn")},
	[END_3] = {.lacks = NULL, .schedules = SCHEDULES("take 0, write high, finish, turn, take 1, turn, take all, play",
				   "write 100, finish, play",
				   "take 0, register push, write 100, finish, unregister, turn, take 99, "
				   "turn, take all, play")},
	[END_4] = {.lacks = no_sink, .schedules = SCHEDULES("take 0, write high, fail, turn",
				      "take 100, write high, turn, die, turn",
				      "take 0, register push, write 10, fail, turn")},
	[END_5] = {.lacks = no_failure,
		   .schedules = SCHEDULES("write 100, fail, play", "take 0, write 100, fail, take all, play", "fail",
			     "take 0, write 100, finish, turn, fail, take all, play",
			     "write 100, finish, play", "write 100, play, fail, play")},
	[END_6] = {.lacks = NULL, .schedules = SCHEDULES("finish, play", "register push, unregister, finish, play",
				   "take 0, finish, turn, take all, play",
				   "detach, finish, turn, attach push, play")},
	[END_7] = {.lacks = NULL, .schedules = SCHEDULES("register push, destroy", "register pull, turn, destroy",
				   "take 0, register push, write high, destroy",
				   "take 0, write 10, finish, destroy", "write 10, fail, destroy",
				   "inside stop: unregister, register push, write 1, destroy")},
	[END_8] = {.lacks = no_death, .schedules = SCHEDULES("register push, turn, die, turn",
				       "register pull, turn, die, turn",
				       "take 0, register push, write high, turn, die, turn",
				       "inside stop: unregister, register push, die, turn", "die, turn")},
	[END_9] = {.lacks = no_sink,
		   .schedules = SCHEDULES("register push, write 10, finish, write 10, play, unregister, play",
			     "take 0, register push, write high, finish, turn, take all, play, write 5, "
			     "unregister, play",
			     "register pull, supply 3000, finish, play, supply 3000, play, unregister, play",
			     "register push, write 10, finish, advance wait, play",
			     "register push, finish, advance wait-1, write 5, unregister, play"),
		   .strict_only = true},
	[END_10] = {.lacks = no_failing, .schedules = SCHEDULES("take 0, write 100, die, turn", "take 50, write 100, fail, turn",
					  "register push, write 100, die, turn", "write 7, turn, fail, play")},
	[HALF_1] = {.lacks = weir__tck_no_half, .check = weir__tck_check_half_1},
	[HALF_2] = {.lacks = weir__tck_no_back, .check = weir__tck_check_half_2},
	[HALF_3] = {.lacks = weir__tck_no_linger, .check = weir__tck_check_half_3},
	[HALF_4] = {.lacks = weir__tck_no_between, .check = weir__tck_check_half_4},
	[HALF_5] = {.lacks = weir__tck_no_close, .check = weir__tck_check_half_5},
	[TIME_1] = {.lacks = weir__tck_no_limits, .check = weir__tck_check_time},
	[SHUT_1] = {.lacks = weir__tck_no_shut, .check = weir__tck_check_shut},
	[OBS_2] = {.lacks = weir__tck_no_blame, .check = weir__tck_check_blame},
	[OBS_3] = {.lacks = weir__tck_no_watch, .check = weir__tck_check_watch},
	[DUR_1] = {.lacks = weir__tck_no_crash, .check = weir__tck_check_crash},
	[FAN_1] = {.lacks = weir__tck_lacks_fan_1, .check = weir__tck_check_fan_1},
	[FAN_2] = {.lacks = weir__tck_lacks_fan_2, .check = weir__tck_check_fan_2},
	[FAN_3] = {.lacks = weir__tck_lacks_fan_3, .check = weir__tck_check_fan_3},
	[FAN_4] = {.lacks = weir__tck_lacks_fan_4, .check = weir__tck_check_fan_4},
	[FAN_5] = {.lacks = weir__tck_lacks_fan_5, .check = weir__tck_check_fan_5},
	[MUX_1] = {.lacks = weir__tck_lacks_mux_1, .check = weir__tck_check_mux_1},
	[MUX_2] = {.lacks = weir__tck_lacks_mux_2, .check = weir__tck_check_mux_2},
	[MUX_3] = {.lacks = weir__tck_lacks_mux_3, .check = weir__tck_check_mux_3},
	[MUX_4] = {.lacks = weir__tck_lacks_mux_4, .check = weir__tck_check_mux_4},
	[RATE_1] = {.lacks = weir__tck_lacks_rate_1, .check = weir__tck_check_rate_1},
	[RATE_2] = {.lacks = weir__tck_lacks_rate_2, .check = weir__tck_check_rate_2},
	[RATE_3] = {.lacks = weir__tck_lacks_rate_3, .check = weir__tck_check_rate_3},
	[OBS_1] = {.lacks = no_account, .schedules = SCHEDULES("take 0, register push, write high, take 1, turn, write 5, take all, play",
				      "take 10, give 100, turn, fail")},
};

struct rule_info weir__tck_rule(enum rule rule)
{
	static const struct {
		const char *id, *text;
		enum weir_tck_tag tag;
	} names[] = {
#define RULE_NAME(name, id, tag, text) {id, text, WEIR_TCK_##tag},
		RULES(RULE_NAME)
#undef RULE_NAME
	};

	return (struct rule_info){
		.id = names[rule].id,
		.text = names[rule].text,
		.tag = names[rule].tag,
		.strict_only = cases[rule].strict_only,
		.lacks = cases[rule].lacks,
		.schedules = cases[rule].schedules,
		.check = cases[rule].check,
	};
}
