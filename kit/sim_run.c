/* SPDX-License-Identifier: MIT */
/* Runs a plan to its end, holds it against the rules, and tells what went wrong. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim_run.h"

#define LINE_MAX 240

static void print(const struct weir_sim_schedule_options *options, const char *line)
{
	if (options->print)
		options->print(options->arg, line);
}

static void print_note(const struct weir_sim_schedule_options *options,
		       const struct weir_sim_note *note)
{
	char line[LINE_MAX];

	weir__sim_note_text(note, line, sizeof(line));
	print(options, line);
}

static void on_note(void *arg, const struct weir_sim_note *note)
{
	struct run *run = arg;

	if (run->options->verbose)
		print_note(run->options, note);
}

static void on_turn(void *arg)
{
	weir__check_now(arg);
}

/* ---- setting up ---- */

static void run_begin(struct weir_timer *timer)
{
	weir__unit_begin((struct unit *)((char *)timer - offsetof(struct unit, begin)));
}

static void run_event(struct weir_timer *timer)
{
	weir__event_fire((struct event *)((char *)timer - offsetof(struct event, timer)));
}

/* What the plan itself has that may make a unit fail. */
static bool is_troubled(const struct unit_plan *plan)
{
	bool troubled = plan->idle_ns || plan->linger_ns;

	for (int i = 0; i < 2; i++)
		troubled |= plan->source[i].fail_why < 0 || plan->sink[i].die_why < 0;
	for (unsigned i = 0; i < plan->stages; i++)
		troubled |= plan->stage[i].link.to_right.break_after ||
			    plan->stage[i].link.to_left.break_after;
	return troubled;
}

static void set_timers(struct run *run)
{
	struct weir_context *ctx = &run->sim->ctx;

	for (unsigned i = 0; i < run->plan->units; i++) {
		struct unit *u = &run->unit[i];

		u->run = run;
		u->plan = &run->plan->unit[i];
		u->number = i;
		u->disturbed = is_troubled(u->plan);
		u->begin.run = run_begin;
		if (!u->plan->absent)
			weir_timer_set(ctx, &u->begin, u->plan->begins);
	}
	for (unsigned i = 0; i < run->plan->events; i++) {
		struct event *e = &run->event[i];

		e->run = run;
		e->plan = &run->plan->event[i];
		e->timer.run = run_event;
		if (e->plan->kind != EVENT_NONE)
			weir_timer_set(ctx, &e->timer, e->plan->at);
	}
}

static int set_up(struct run *run)
{
	struct weir_sim_options options = {
		.seed = run->plan->seed,
		.budget = run->plan->budget,
		.quantum = run->plan->quantum,
		.on_note = on_note,
		.on_turn = on_turn,
		.arg = run,
	};
	struct weir_sim_source_options intruder = {.size = 1};
	int rc = weir_sim_create(&options, &run->sim);

	if (rc == 0)
		rc = weir_sim_source_create(run->sim, &intruder, &run->intruder);
	if (rc == 0)
		rc = weir_throttle_group_create(&run->sim->ctx, run->plan->group,
						run->plan->group_share, &run->group);
	if (rc < 0)
		return rc;
	weir__leak_set(&run->group_leak, run->plan->group, 0);
	set_timers(run);
	return 0;
}

/* ---- taking down ---- */

static uint64_t bytes_got(const struct run *run)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < 2 * run->plan->units; i++) {
		struct weir_sim_sink *sink = run->unit[i / 2].sink[i % 2];
		struct weir_sim_sink_state s = {0};

		if (sink)
			weir_sim_sink_state(sink, &s);
		sum += s.got;
	}
	return sum;
}

/* What closing has to do must be done, whatever rule was broken.  A world in which even
 * that does not come to an end is left as it is. */
static void take_down(struct run *run)
{
	const char *rule;
	bool empty;

	for (unsigned i = 0; i < run->plan->units; i++) {
		weir_timer_cancel(&run->sim->ctx, &run->unit[i].begin);
		if (run->unit[i].begun)
			weir__unit_end(&run->unit[i]);
	}
	for (unsigned i = 0; i < run->plan->events; i++)
		weir_timer_cancel(&run->sim->ctx, &run->event[i].timer);
	weir_throttle_group_destroy(run->group);
	weir_sim_source_destroy(run->intruder);
	run->sim->options.on_turn = NULL;
	rule = run->sim->rule;
	run->sim->rule = NULL;
	empty = weir_sim_run(run->sim, WEIR_NEVER);
	if (rule)
		run->sim->rule = rule;
	else
		weir_sim_check_empty(run->sim);
	if (!empty || run->sim->budget.used || run->sim->ctx.pool.taken)
		run->sim->ctx.arg = NULL;
}

static void report(const struct run *run, struct weir_sim_result *result)
{
	const struct weir_sim *sim = run->sim;

	result->rule = sim->rule;
	memcpy(result->how, sim->how, sizeof(result->how));
	result->hash = sim->hash;
	result->ns = sim->now;
}

static void print_failure(const struct run *run)
{
	const struct weir_sim *sim = run->sim;
	uint64_t first = sim->noted > NOTES_KEPT ? sim->noted - NOTES_KEPT : 0;
	char line[LINE_MAX];

	snprintf(line, sizeof(line), "seed %" PRIu64 " breaks %s: %s", sim->options.seed, sim->rule,
		 sim->how);
	print(run->options, line);
	if (run->options->print)
		weir__plan_print(run->plan, run->options->print, run->options->arg);
	for (uint64_t i = first; i < sim->noted; i++)
		print_note(run->options, &sim->notes[i % NOTES_KEPT]);
}

static void run_plan(const struct plan *plan, const struct weir_sim_schedule_options *options,
		     struct weir_sim_result *result)
{
	struct run *run = calloc(1, sizeof(*run));

	*result = (struct weir_sim_result){.rule = "memory"};
	if (!run)
		return;
	run->options = options;
	run->plan = plan;
	if (set_up(run) < 0) {
		weir_sim_source_destroy(run->intruder);
		weir_sim_destroy(run->sim);
		free(run);
		return;
	}
	weir_sim_run(run->sim, WEIR_NEVER);
	if (options->fail_alloc)
		options->fail_alloc(-1);
	if (!run->sim->rule)
		weir__check_end(run);
	result->bytes = bytes_got(run);
	take_down(run);
	report(run, result);
	if (result->rule)
		print_failure(run);
	if (run->sim->ctx.arg)
		weir_sim_destroy(run->sim);
	free(run);
}

/* ---- shrinking ---- */

struct shrinking {
	struct weir_sim_schedule_options options; /* that print nothing */
	const char *rule;
};

static bool still_breaks(void *arg, const struct plan *plan)
{
	struct shrinking *s = arg;
	struct weir_sim_result result;

	run_plan(plan, &s->options, &result);
	return result.rule && strcmp(result.rule, s->rule) == 0;
}

bool weir_sim_schedule(const struct weir_sim_schedule_options *options,
		       struct weir_sim_result *result)
{
	struct weir_sim_schedule_options loud = *options;
	struct shrinking s = {.options = *options};
	struct weir_sim_result smaller;
	struct plan plan;

	weir__plan_draw(&plan, options->seed, options->make, options->fail_alloc);
	if (options->verbose && options->print)
		weir__plan_print(&plan, options->print, options->arg);
	run_plan(&plan, &loud, result);
	if (!result->rule || !options->shrink)
		return !result->rule;
	s.options.print = NULL;
	s.options.verbose = false;
	s.rule = result->rule;
	weir__plan_shrink(&plan, still_breaks, &s);
	print(options, "smaller:");
	run_plan(&plan, &loud, &smaller);
	return false;
}
