/* SPDX-License-Identifier: MIT */
/* Draws plans: everything that is legal should come up, and small trouble more often than
 * large, so that a run is short. */
#include <errno.h>

#include "sim_plan.h"
#include "weir/chunk.h"

#define MS WEIR_NS_PER_MS
#define S WEIR_NS_PER_S

/* What a schedule may cost: of a stream cut into small pieces only so many are sent. */
#define PIECES_MAX 1000

static uint64_t below(struct weir_sim_random *r, uint64_t n)
{
	return weir_sim_random_below(r, n);
}

static bool chance(struct weir_sim_random *r, unsigned percent)
{
	return below(r, 100) < percent;
}

/* 1 to 2^bits, small ones as often as large ones. */
static uint64_t scaled(struct weir_sim_random *r, unsigned bits)
{
	return 1 + below(r, UINT64_C(1) << below(r, bits + 1));
}

/* A time, most often none. */
static uint64_t perhaps(struct weir_sim_random *r, unsigned percent, uint64_t ns)
{
	return chance(r, percent) ? 1 + below(r, ns) : 0;
}

static int failure(struct weir_sim_random *r)
{
	static const int codes[] = {-EIO, -EPIPE, -ECONNRESET, -ENOSPC, WEIR_ETRUNCATED};

	return codes[below(r, sizeof(codes) / sizeof(codes[0]))];
}

/* ---- ends ---- */

static void draw_marks(struct weir_sim_random *r, size_t *high, size_t *low)
{
	if (chance(r, 30))
		return;
	*high = (size_t)scaled(r, 16);
	*low = (size_t)below(r, *high);
}

static void draw_source(struct weir_sim_random *r, unsigned key,
			struct weir_sim_source_options *source)
{
	source->mode = chance(r, 50) ? WEIR_PUSH : WEIR_PULL;
	source->key = key;
	source->size = chance(r, 4) ? 0 : scaled(r, 18);
	source->chunk = (size_t)scaled(r, 14);
	source->random_chunks = chance(r, 50);
	source->asks = chance(r, 50);
	source->gives = chance(r, 40);
	source->pace_ns = perhaps(r, 30, 5 * MS);
	if (source->mode == WEIR_PUSH && chance(r, 15))
		source->overshoot = (size_t)scaled(r, 10);
	if (chance(r, 8)) {
		source->fail_at = below(r, source->size + 1);
		source->fail_why = failure(r);
	}
}

static void draw_sink(struct weir_sim_random *r, unsigned key, struct weir_sim_sink_options *sink)
{
	sink->key = key;
	if (chance(r, 40))
		sink->bytes_per_s = 1000 + scaled(r, 24);
	if (chance(r, 30))
		sink->take = (size_t)scaled(r, 14);
	draw_marks(r, &sink->high, &sink->low);
	sink->limit = 2 * sink->high;
	if (chance(r, 25)) {
		sink->rest_at = below(r, 20000);
		sink->rest_ns = 1 + below(r, 50 * S);
	}
	if (chance(r, 8)) {
		sink->die_at = below(r, 100000);
		sink->die_why = failure(r);
	}
	sink->end_ns = perhaps(r, 20, 100 * MS);
}

/* ---- stages ---- */

static void draw_way(struct weir_sim_random *r, struct weir_sim_way *way)
{
	way->latency_ns = perhaps(r, 70, 100 * MS);
	way->jitter_ns = perhaps(r, 30, 20 * MS);
	if (chance(r, 60))
		way->bytes_per_s = 1000 + scaled(r, 24);
	way->buffer = (size_t)scaled(r, 15);
	if (chance(r, 60))
		way->piece = (size_t)scaled(r, 12);
	way->random_pieces = chance(r, 50);
	if (chance(r, 3)) {
		way->break_after = scaled(r, 16);
		way->break_why = chance(r, 50) ? -ETIMEDOUT : -ECONNRESET;
	}
}

static void draw_rate(struct weir_sim_random *r, struct weir_rate *rate)
{
	rate->bytes_per_s = 100 + scaled(r, 22);
	if (chance(r, 50))
		rate->burst = scaled(r, 16);
}

static void draw_branch(struct weir_sim_random *r, struct branch_plan *branch, unsigned key)
{
	branch->policy = below(r, WEIR_TEE_SPILL + 1);
	branch->behind = (size_t)scaled(r, 14);
	if (branch->policy == WEIR_TEE_DETACH)
		branch->wait_ns = perhaps(r, 50, S);
	branch->spill = scaled(r, 16);
	draw_sink(r, key, &branch->sink);
	branch->sink.gaps = branch->policy == WEIR_TEE_DROP;
}

static void draw_stage(struct weir_sim_random *r, enum stage_kind kind, unsigned key,
		       struct stage_plan *stage)
{
	stage->kind = kind;
	draw_marks(r, &stage->high, &stage->low);
	draw_way(r, &stage->link.to_right);
	draw_way(r, &stage->link.to_left);
	if (chance(r, 80))
		draw_rate(r, &stage->rate);
	stage->grouped = chance(r, 40);
	stage->buffering = chance(r, 50);
	stage->pulled = chance(r, 50);
	stage->joined = chance(r, 50);
	stage->tapped = chance(r, 20);
	if (kind == STAGE_TEE)
		stage->branches = (unsigned)below(r, BRANCHES_MAX + 1);
	for (unsigned i = 0; i < stage->branches; i++)
		draw_branch(r, &stage->branch[i], key);
}

/* ---- units ---- */

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t way_grain(const struct weir_sim_way *way)
{
	return least(way->piece ? way->piece : SIZE_MAX, way->buffer);
}

static void measure_sink(const struct weir_sim_sink_options *sink, size_t *grain, size_t *high)
{
	if (sink->take)
		*grain = least(*grain, sink->take);
	if (sink->high)
		*high = least(*high, sink->high);
}

/* The smallest piece that the bytes of the unit are cut into, and the lowest high mark. */
static void measure(const struct unit_plan *u, size_t *grain, size_t *high)
{
	*grain = *high = SIZE_MAX;
	for (unsigned i = 0; i < u->stages; i++) {
		const struct stage_plan *stage = &u->stage[i];

		if (stage->kind == STAGE_THROTTLE && stage->rate.bytes_per_s)
			*grain = least(*grain, stage->rate.bytes_per_s / 16 + 1);
		if (stage->kind == STAGE_LINK) {
			*grain = least(*grain, way_grain(&stage->link.to_right));
			*grain = least(*grain, way_grain(&stage->link.to_left));
		}
		if (stage->high)
			*high = least(*high, stage->high);
		for (unsigned k = 0; k < stage->branches; k++)
			measure_sink(&stage->branch[k].sink, grain, high);
	}
	for (int i = 0; i < 2; i++)
		measure_sink(&u->sink[i], grain, high);
	*grain = least(*grain, *high);
}

/* Keep it short; and who does not ask for room writes no more at once than every sink takes
 * above its mark, since a refusal would be its own fault. */
static void fit(struct unit_plan *u)
{
	size_t grain, high;

	measure(u, &grain, &high);
	for (int i = 0; i < 2; i++) {
		struct weir_sim_source_options *source = &u->source[i];
		uint64_t most;

		source->chunk = least(source->chunk, high);
		most = (uint64_t)least(grain, source->chunk) * PIECES_MAX;
		if (source->size > most)
			source->size = most;
		if (source->fail_at > source->size)
			source->fail_at = source->size;
	}
}

/* Beside a link stands a join: who is told that the link broke must close its side. */
void weir__unit_plan_mend(struct unit_plan *u)
{
	for (unsigned i = 0; i < u->stages; i++) {
		if (u->stage[i].kind != STAGE_LINK)
			continue;
		u->stage[i].joined = true;
		if (i + 1 < u->stages)
			u->stage[i + 1].joined = true;
		else
			u->joined_end = true;
	}
}

static void draw_line(struct weir_sim_random *r, struct unit_plan *u, bool subject)
{
	u->stages = (unsigned)below(r, STAGES_MAX + 1);
	for (unsigned i = 0; i < u->stages; i++) {
		enum stage_kind kind = below(r, STAGE_KIND_COUNT);

		if (kind == STAGE_SUBJECT && !subject)
			kind = STAGE_THROTTLE;
		draw_stage(r, kind, u->source[0].key, &u->stage[i]);
	}
	if (subject && u->stages)
		u->stage[below(r, u->stages)].kind = STAGE_SUBJECT;
	u->joined_end = chance(r, 50);
	u->tapped_end = chance(r, 20);
	u->backwards = chance(r, 50);
	weir__unit_plan_mend(u);
}

/* All of one kind: where a direction that failed ends the other one, too, all must, or two
 * relays could wait for each other for ever. */
static void draw_duplex(struct weir_sim_random *r, struct unit_plan *u)
{
	enum stage_kind kind = chance(r, 60) ? STAGE_LINK : STAGE_LOOPBACK;

	u->duplex = true;
	u->stages = 1 + (unsigned)below(r, 3);
	for (unsigned i = 0; i < u->stages; i++)
		draw_stage(r, kind, 0, &u->stage[i]);
	u->linger_ns = perhaps(r, 10, 20 * S);
	u->idle_ns = perhaps(r, 10, 100 * S);
}

static void draw_unit(struct unit_plan *u, uint64_t seed, unsigned number, bool subject)
{
	struct weir_sim_random r;

	weir_sim_random_init(&r, seed, "unit", number);
	u->begins = perhaps(&r, 30, S);
	for (unsigned i = 0; i < 2; i++) {
		draw_source(&r, 2 * number + i, &u->source[i]);
		draw_sink(&r, 2 * number + i, &u->sink[i]);
	}
	u->closes_early = chance(&r, 50);
	if (chance(&r, 65))
		draw_line(&r, u, subject);
	else
		draw_duplex(&r, u);
	fit(u);
}

/* ---- events ---- */

static void draw_event(struct event_plan *e, const struct plan *plan, unsigned number, bool alloc)
{
	struct weir_sim_random r;

	weir_sim_random_init(&r, plan->seed, "event", number);
	e->kind = 1 + below(&r, EVENT_KIND_COUNT - 1);
	if (e->kind == EVENT_ALLOC && !alloc)
		e->kind = EVENT_SQUEEZE;
	e->at = scaled(&r, 33);
	e->unit = (unsigned)below(&r, plan->units);
	e->place = (unsigned)below(&r, STAGES_MAX + 1);
	e->why = failure(&r);
	if (e->kind == EVENT_BREAK)
		e->why = chance(&r, 50) ? -ETIMEDOUT : -ECONNRESET;
	switch (e->kind) {
	case EVENT_RATE:
	case EVENT_GROUP_RATE:
		e->value = 100 + scaled(&r, 22);
		break;
	case EVENT_MARKS:
		e->value = scaled(&r, 16);
		break;
	case EVENT_CLOSE:
		e->value = below(&r, 2);
		break;
	case EVENT_ALLOC:
		e->value = scaled(&r, 5);
		break;
	default:
		e->value = scaled(&r, 33);
	}
}

/* ---- the plan ---- */

static unsigned valves_of(const struct unit_plan *u)
{
	unsigned valves = 2 * u->stages + 2;

	for (unsigned i = 0; i < u->stages; i++)
		valves += u->stage[i].branches;
	return valves;
}

static unsigned spills_of(const struct unit_plan *u)
{
	unsigned spills = 0;

	for (unsigned i = 0; i < u->stages; i++) {
		for (unsigned k = 0; k < u->stage[i].branches; k++)
			spills += u->stage[i].branch[k].policy == WEIR_TEE_SPILL;
	}
	return spills;
}

/* Each flow has its reserve, and each valve of it may need one.  A valve that comes when
 * bytes move already has it from the quarter that is kept for such.  A branch that spills
 * has a block for as long as it lives. */
static size_t least_budget(const struct plan *plan)
{
	bool is_late = false;
	size_t reserves = 0, blocks = 0;

	for (unsigned i = 0; i < plan->units; i++) {
		const struct unit_plan *u = &plan->unit[i];

		reserves += valves_of(u) * WEIR_FLOW_RESERVE;
		blocks += spills_of(u) * WEIR_BLOCK_LARGE;
		is_late |= !u->backwards && !u->duplex;
	}
	return (is_late ? 4 * reserves : reserves) + blocks;
}

/* With little more than the reserves, larger chunks are for those who ask. */
static void make_tight(struct weir_sim_random *r, struct plan *plan)
{
	bool all_backwards = chance(r, 50);

	for (unsigned i = 0; i < plan->units; i++) {
		struct unit_plan *u = &plan->unit[i];

		u->backwards |= all_backwards;
		for (int k = 0; k < 2; k++) {
			if (!u->source[k].asks)
				u->source[k].chunk = least(u->source[k].chunk, WEIR_FLOW_RESERVE);
		}
		fit(u);
	}
	plan->budget_least = least_budget(plan);
	plan->budget = plan->budget_least + (size_t)scaled(r, 18);
}

void weir__plan_draw(struct plan *plan, uint64_t seed, bool subject, bool alloc)
{
	struct weir_sim_random r;

	*plan = (struct plan){.seed = seed};
	weir_sim_random_init(&r, seed, "plan", 0);
	plan->units = 1 + (unsigned)below(&r, UNITS_MAX);
	plan->events = chance(&r, 30) ? 0 : (unsigned)below(&r, EVENTS_MAX + 1);
	plan->quantum = chance(&r, 50) ? WEIR_QUANTUM_DEFAULT : 500 + (size_t)scaled(&r, 16);
	draw_rate(&r, &plan->group);
	plan->group_share = chance(&r, 50) ? plan->group.bytes_per_s / 20 : 0;
	for (unsigned i = 0; i < plan->units; i++)
		draw_unit(&plan->unit[i], seed, i, subject);
	plan->budget_least = least_budget(plan);
	plan->budget = WEIR_BUDGET_DEFAULT;
	if (chance(&r, 50))
		make_tight(&r, plan);
	for (unsigned i = 0; i < plan->events; i++)
		draw_event(&plan->event[i], plan, i, alloc);
}
