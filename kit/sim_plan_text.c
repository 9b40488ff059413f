/* SPDX-License-Identifier: MIT */
/* A plan as text, a line a thing. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "sim_plan.h"

struct printer {
	void (*print)(void *arg, const char *line);
	void *arg;
};

static const char *const stage_texts[] = {
#define STAGE_TEXT(name, text) text,
	STAGE_KINDS(STAGE_TEXT)
#undef STAGE_TEXT
};

static const char *const event_texts[] = {
#define EVENT_TEXT(name, text) text,
	EVENT_KINDS(EVENT_TEXT)
#undef EVENT_TEXT
};

const char *weir__event_text(enum event_kind kind)
{
	return event_texts[kind];
}

static void say(const struct printer *to, const char *format, ...)
	WEIR_PRINTF(2, 3);

static void say(const struct printer *to, const char *format, ...)
{
	char line[400];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	to->print(to->arg, line);
}

static void print_source(const struct printer *to, const struct weir_sim_source_options *s)
{
	say(to, "    source: %s, %" PRIu64 " bytes in %s%zu%s%s, pace %" PRIu64
		" ns, overshoot %zu", s->mode == WEIR_PUSH ? "push" : "pull", s->size,
	    s->random_chunks ? "1 to " : "", s->chunk, s->asks ? ", asks" : "",
	    s->gives ? ", gives" : "", s->pace_ns, s->overshoot);
	if (s->fail_why < 0)
		say(to, "      fails at %" PRIu64 " with %s", s->fail_at,
		    weir_err_name(s->fail_why));
}

static void print_sink(const struct printer *to, const struct weir_sim_sink_options *s)
{
	say(to, "    sink: %" PRIu64 " bytes/s, at most %zu at once, marks %zu %zu, end %" PRIu64
		" ns", s->bytes_per_s, s->take, s->high, s->low, s->end_ns);
	if (s->rest_ns)
		say(to, "      rests at %" PRIu64 " for %" PRIu64 " ns", s->rest_at, s->rest_ns);
	if (s->die_why < 0)
		say(to, "      dies at %" PRIu64 " of %s", s->die_at, weir_err_name(s->die_why));
}

static void print_way(const struct printer *to, const char *name, const struct weir_sim_way *w)
{
	say(to, "      %s: latency %" PRIu64 " + %" PRIu64 " ns, %" PRIu64
		" bytes/s, buffer %zu, pieces %s%zu", name, w->latency_ns, w->jitter_ns,
	    w->bytes_per_s, w->buffer, w->random_pieces ? "1 to " : "", w->piece);
	if (w->break_after)
		say(to, "        breaks after %" PRIu64 " with %s", w->break_after,
		    weir_err_name(w->break_why));
}

static void print_branch(const struct printer *to, const struct branch_plan *b)
{
	static const char *const policies[] = {
		[WEIR_TEE_BLOCK] = "block",
		[WEIR_TEE_DROP] = "drop",
		[WEIR_TEE_DETACH] = "detach",
		[WEIR_TEE_SPILL] = "spill",
	};

	say(to, "      branch: %s, behind %zu, wait %" PRIu64 " ns, store %" PRIu64,
	    policies[b->policy], b->behind, b->wait_ns, b->spill);
	print_sink(to, &b->sink);
}

static void print_stage(const struct printer *to, const struct stage_plan *s)
{
	say(to, "    %s%s%s", s->joined ? "join, " : "", s->tapped ? "tap, " : "",
	    stage_texts[s->kind]);
	for (unsigned i = 0; i < s->branches; i++)
		print_branch(to, &s->branch[i]);
	if (s->kind == STAGE_LINK || s->kind == STAGE_LOOPBACK)
		say(to, "      marks %zu %zu", s->high, s->low);
	if (s->kind == STAGE_LINK) {
		print_way(to, "to the right", &s->link.to_right);
		print_way(to, "to the left", &s->link.to_left);
	}
	if (s->kind == STAGE_PROXY)
		say(to, "      %s%s, marks %zu %zu", s->buffering ? "buffering" : "plain",
		    s->pulled ? ", pulled" : "", s->high, s->low);
	if (s->kind == STAGE_THROTTLE)
		say(to, "      %" PRIu64 " bytes/s, burst %" PRIu64 "%s", s->rate.bytes_per_s,
		    s->rate.burst, s->grouped ? ", in the group" : "");
}

static void print_unit(const struct printer *to, const struct unit_plan *u, unsigned number)
{
	say(to, "  unit %u: %s, begins at %" PRIu64 " ns%s%s", number,
	    u->duplex ? "duplex" : "line", u->begins, u->closes_early ? ", closes early" : "",
	    u->backwards ? ", put together backwards" : "");
	if (u->duplex)
		say(to, "    relays: idle %" PRIu64 " ns, linger %" PRIu64 " ns", u->idle_ns,
		    u->linger_ns);
	for (int i = 0; i <= u->duplex; i++)
		print_source(to, &u->source[i]);
	for (unsigned i = 0; i < u->stages; i++)
		print_stage(to, &u->stage[i]);
	if (u->joined_end || u->tapped_end)
		say(to, "    %s%s", u->joined_end ? "join " : "", u->tapped_end ? "tap" : "");
	for (int i = 0; i <= u->duplex; i++)
		print_sink(to, &u->sink[i]);
}

void weir__plan_print(const struct plan *plan, void (*print)(void *arg, const char *line),
		      void *arg)
{
	struct printer to = {print, arg};

	say(&to, "seed %" PRIu64 ": budget %zu, at least %zu; quantum %zu; group %" PRIu64
		 " bytes/s, burst %" PRIu64 ", share %" PRIu64, plan->seed, plan->budget,
	    plan->budget_least, plan->quantum, plan->group.bytes_per_s, plan->group.burst,
	    plan->group_share);
	for (unsigned i = 0; i < plan->units; i++) {
		if (!plan->unit[i].absent)
			print_unit(&to, &plan->unit[i], i);
	}
	for (unsigned i = 0; i < plan->events; i++) {
		const struct event_plan *e = &plan->event[i];

		if (e->kind != EVENT_NONE)
			say(&to, "  event %u at %" PRIu64 " ns: unit %u, place %u: %s %" PRIu64 " (%s)",
			    i, e->at, e->unit, e->place, event_texts[e->kind], e->value,
			    weir_err_name(e->why));
	}
}
