/* SPDX-License-Identifier: MIT */
/* The rules (design, 4.5), seen from outside: what holds at every instant, and in the end. */
#include <inttypes.h>

#include "sim_run.h"
#include "weir/impl/valve.h"

/* ---- at every instant ---- */

void weir__check_tapped(void *arg, const void *data, size_t len)
{
	struct joint *joint = arg;
	struct unit *u = joint->unit;
	uint64_t offset = joint->tapped;

	joint->tapped += len;
	if (weir__sim_match(u->plan->source[0].key, offset, data, len) < len)
		weir_sim_break(u->run->sim, "OBS-3", "the tap at joint %u of unit %u saw a wrong byte",
			       joint->number, u->number);
}

static size_t most(size_t a, size_t b)
{
	return a > b ? a : b;
}

static void check_consumer(struct run *run, const struct weir_consumer *c, size_t bound)
{
	struct weir_consumer_state s;

	weir_consumer_state(c, &s);
	if (s.in != s.out + s.held + s.dropped)
		weir_sim_break(run->sim, "OBS-1",
			       "%" PRIu64 " in, %" PRIu64 " out, %" PRIu64 " held, %" PRIu64
			       " dropped", s.in, s.out, s.held, s.dropped);
	if (s.held > bound)
		weir_sim_break(run->sim, "MEM-1", "%" PRIu64 " bytes are held, the most is %zu",
			       s.held, bound);
}

/* A mark and one chunk of who does not ask for room; the link that feeds one asks. */
static size_t bound_of(const struct unit *u, size_t high, bool is_default)
{
	size_t chunk = most(u->plan->source[0].chunk, u->plan->source[1].chunk) +
		       most(u->plan->source[0].overshoot, u->plan->source[1].overshoot);

	return most(high + chunk, is_default ? WEIR_LIMIT_DEFAULT - WEIR_HIGH_DEFAULT : 2 * high);
}

static void check_unit_now(struct unit *u)
{
	for (unsigned i = 0; i < u->plan->stages; i++) {
		struct stage *stage = &u->stage[i];

		for (int k = 0; k < 2; k++) {
			if (stage->side[k])
				check_consumer(u->run, weir_transport_sink(stage->side[k]),
					       bound_of(u, stage->most_high, !stage->plan->high));
		}
		if (stage->throttle)
			check_consumer(u->run, weir_throttle_sink(stage->throttle), SIZE_MAX);
		if (stage->proxy)
			check_consumer(u->run, weir_proxy_sink(stage->proxy), SIZE_MAX);
		if (stage->tee)
			check_consumer(u->run, weir_tee_sink(stage->tee), SIZE_MAX);
		weir__tee_check_now(stage);
	}
	for (int i = 0; i < 2; i++) {
		size_t high = u->plan->sink[i].high;

		if (u->sink[i])
			check_consumer(u->run, weir_sim_sink_consumer(u->sink[i]),
				       bound_of(u, high ? high : WEIR_HIGH_DEFAULT, !high));
	}
}

static uint64_t held_in_all(const struct weir_progress *p)
{
	uint64_t sum = 0;

	for (int i = 0; i < WEIR_CAUSES; i++)
		sum += p->held_ns[i];
	return sum;
}

/* Where there was no change between two looks, all of the time between was held, or none. */
static void check_blame(struct joint *joint)
{
	struct weir_sim *sim = joint->unit->run->sim;
	struct weir_progress p, *seen = &joint->seen;
	uint64_t passed_ns = sim->now - joint->seen_at;
	uint64_t charged;

	weir_join_progress(joint->join, &p);
	charged = held_in_all(&p) - held_in_all(seen);
	if (p.in != p.out + p.held + p.dropped)
		weir_sim_break(sim, "OBS-1", "joint %u of unit %u", joint->number,
			       joint->unit->number);
	if (held_in_all(&p) > p.elapsed_ns || charged > passed_ns)
		weir_sim_break(sim, "OBS-2", "more than the time is charged");
	if (p.pauses == seen->pauses && p.paused && seen->paused && charged != passed_ns)
		weir_sim_break(sim, "OBS-2", "a pause is not charged");
	if (p.pauses == seen->pauses && !p.paused && !seen->paused && charged)
		weir_sim_break(sim, "OBS-2", "time is charged without a pause");
	*seen = p;
	joint->seen_at = sim->now;
}

static bool is_over(const struct unit *u)
{
	for (int i = 0; i <= u->plan->duplex; i++) {
		struct weir_sim_source_state from;
		struct weir_sim_sink_state to;

		weir_sim_source_state(u->source[i], &from);
		weir_sim_sink_state(u->sink[i], &to);
		if (!from.ended || !to.ended)
			return false;
	}
	return true;
}

void weir__check_now(struct run *run)
{
	for (unsigned i = 0; i < run->plan->units; i++) {
		struct unit *u = &run->unit[i];

		if (!u->begun || u->failed || is_over(u))
			continue;
		check_unit_now(u);
		for (unsigned k = 0; k <= STAGES_MAX; k++) {
			if (u->joint[k].join && !u->joint[k].over)
				check_blame(&u->joint[k]);
		}
	}
}

/* ---- in the end ---- */

static void note_state(struct weir_sim *sim, const char *who, unsigned number,
		       const struct weir_consumer *c)
{
	struct weir_consumer_state s;

	weir_consumer_state(c, &s);
	weir_sim_note(sim, who, number, "has bytes:", (int64_t)s.held);
	weir_sim_note(sim, who, number, "has reasons to hold:", (int64_t)s.holds);
}

/* Who holds what, and why: for the report of a flow that stands still. */
static void note_unit(struct unit *u)
{
	struct weir_sim *sim = u->run->sim;

	weir_sim_note(sim, "budget", 0, "has room:", (int64_t)weir_budget_room(&sim->budget));
	for (unsigned i = 0; i < u->plan->stages; i++) {
		struct stage *stage = &u->stage[i];

		if (stage->throttle)
			note_state(sim, "throttle", i, weir_throttle_sink(stage->throttle));
		if (stage->proxy)
			note_state(sim, "proxy", i, weir_proxy_sink(stage->proxy));
		if (stage->tee)
			note_state(sim, "tee", i, weir_tee_sink(stage->tee));
		for (int k = 0; k < 2; k++) {
			if (stage->side[k])
				note_state(sim, k ? "right side" : "left side", i,
					   weir_transport_sink(stage->side[k]));
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		if (u->sink[i])
			note_state(sim, "sink of flow", i, weir_sim_sink_consumer(u->sink[i]));
	}
}

static void check_flow_end(struct unit *u, int i)
{
	struct weir_sim *sim = u->run->sim;
	struct weir_sim_source_state from;
	struct weir_sim_sink_state to;

	weir_sim_source_state(u->source[i], &from);
	weir_sim_sink_state(u->sink[i], &to);
	if (!from.ended || !to.ended) {
		note_unit(u);
		weir_sim_break(sim, "FLOW-4", "flow %d of unit %u stands still: %" PRIu64
			       " given, %" PRIu64 " got", i, u->number, from.given, to.got);
	} else if (to.got > from.offered) {
		weir_sim_break(sim, "DATA-1", "unit %u: %" PRIu64 " given, %" PRIu64 " got",
			       u->number, from.given, to.got);
	} else if (to.why == 0 && (from.why != 0 || to.got != u->plan->source[i].size)) {
		weir_sim_break(sim, "END-5", "unit %u looks complete: %" PRIu64 " of %" PRIu64
			       ", source ended with %d", u->number, to.got,
			       u->plan->source[i].size, from.why);
	} else if (to.why != 0 && !u->disturbed) {
		weir_sim_break(sim, "END-3", "unit %u failed by itself: %s", u->number,
			       weir_err_name(to.why));
	}
}

static void check_outcome(struct joint *joint)
{
	struct weir_sim *sim = joint->unit->run->sim;
	const struct weir_outcome *o = &joint->outcome;

	if (!joint->over)
		weir_sim_break(sim, "END-1", "joint %u of unit %u has no outcome", joint->number,
			       joint->unit->number);
	else if (o->in != o->offset + o->dropped)
		weir_sim_break(sim, "OBS-1", "outcome of joint %u of unit %u", joint->number,
			       joint->unit->number);
	else if ((o->end == WEIR_FINISHED) != (o->cause == 0) ||
		 (o->end == WEIR_FINISHED && o->dropped))
		weir_sim_break(sim, "END-10", "joint %u of unit %u is %s with %d", joint->number,
			       joint->unit->number, weir_end_name(o->end), o->cause);
}

/* The first joint and the last know the truth about the source and the sink. */
static void check_truth(struct joint *first, struct joint *last, int i)
{
	struct unit *u = first->unit;
	struct weir_sim_source_state from;
	struct weir_sim_sink_state to;

	weir_sim_source_state(u->source[i], &from);
	weir_sim_sink_state(u->sink[i], &to);
	if (first->join && (first->outcome.in < from.given || first->outcome.in > from.offered))
		weir_sim_break(u->run->sim, "OBS-1", "unit %u: %" PRIu64 " given, %" PRIu64
			       " counted", u->number, from.given, first->outcome.in);
	if (first->join && first->outcome.end == WEIR_SOURCE_FAILED &&
	    first->outcome.cause != from.why)
		weir_sim_break(u->run->sim, "END-10", "unit %u: the source failed with %d, not %d",
			       u->number, from.why, first->outcome.cause);
	if (last->join && last->outcome.offset != to.got)
		weir_sim_break(u->run->sim, "OBS-1", "unit %u: %" PRIu64 " got, %" PRIu64
			       " counted", u->number, to.got, last->outcome.offset);
	if (last->join && (last->outcome.end == WEIR_FINISHED) != (to.why == 0))
		weir_sim_break(u->run->sim, "END-10", "unit %u: %s, but the sink ended with %d",
			       u->number, weir_end_name(last->outcome.end), to.why);
}

static void check_unit_end(struct unit *u)
{
	unsigned joints = u->plan->duplex ? 4 : u->plan->stages + 1;

	for (unsigned i = 0; i < u->plan->stages; i++)
		weir__tee_check_end(&u->stage[i]);
	check_flow_end(u, 0);
	if (u->plan->duplex)
		check_flow_end(u, 1);
	for (unsigned i = 0; i < joints; i++) {
		if (u->joint[i].join)
			check_outcome(&u->joint[i]);
	}
	if (!u->plan->duplex) {
		check_truth(&u->joint[0], &u->joint[joints - 1], 0);
		return;
	}
	check_truth(&u->joint[0], &u->joint[3], 0);
	check_truth(&u->joint[2], &u->joint[1], 1);
}

void weir__check_end(struct run *run)
{
	struct weir_sim_source_state intruder;

	for (unsigned i = 0; i < run->plan->units; i++) {
		if (run->unit[i].begun && !run->unit[i].failed)
			check_unit_end(&run->unit[i]);
	}
	weir_sim_source_state(run->intruder, &intruder);
	if (intruder.ended || intruder.given)
		weir_sim_break(run->sim, "REG-1", "the producer that was refused was told");
}
