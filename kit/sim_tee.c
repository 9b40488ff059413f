/* SPDX-License-Identifier: MIT */
/* A tee as a stage: the line goes on in one branch, which blocks; the others have policies
 * and sinks of their own. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim_run.h"
#include "weir/impl/spill.h"
#include "weir/impl/valve.h"

/* ---- a store in memory, for a branch that spills ---- */

struct store {
	struct weir_spill base;
	size_t max, held;
	unsigned char bytes[];
};

static int64_t store_store(struct weir_spill *base, const void *data, size_t len)
{
	struct store *s = (struct store *)base;
	size_t n = len < s->max - s->held ? len : s->max - s->held;

	if (n)
		memcpy(s->bytes + s->held, data, n);
	s->held += n;
	return (int64_t)n;
}

static int64_t store_fetch(struct weir_spill *base, void *data, size_t len)
{
	struct store *s = (struct store *)base;
	size_t n = len < s->held ? len : s->held;

	if (n)
		memcpy(data, s->bytes, n);
	s->held -= n;
	memmove(s->bytes, s->bytes + n, s->held);
	return (int64_t)n;
}

static void store_destroy(struct weir_spill *base)
{
	free(base);
}

static const struct weir_spill_ops store_ops = {
	.name = "memory",
	.store = store_store,
	.fetch = store_fetch,
	.destroy = store_destroy,
};

static struct weir_spill *store_create(size_t max)
{
	struct store *s = calloc(1, sizeof(*s) + max);

	if (!s)
		return NULL;
	s->base.ops = &store_ops;
	s->max = max;
	return &s->base;
}

/* ---- the stage ---- */

static int open_offshoot(struct stage *stage, unsigned i)
{
	const struct branch_plan *plan = &stage->plan->branch[i];
	struct offshoot *o = &stage->offshoot[i];
	struct weir_branch_options options = {
		.policy = plan->policy,
		.behind = plan->behind,
		.separator = WEIR_NO_SEPARATOR,
		.wait_ns = plan->wait_ns,
	};
	int rc = weir_sim_sink_create(stage->unit->run->sim, &plan->sink, &o->sink);

	if (rc == 0 && plan->policy == WEIR_TEE_SPILL) {
		options.spill = store_create((size_t)plan->spill);
		rc = options.spill ? 0 : -ENOMEM;
	}
	if (rc == 0)
		rc = weir_tee_add(stage->tee, weir_sim_sink_consumer(o->sink), &options,
				  &o->branch);
	if (rc < 0)
		weir_spill_destroy(options.spill);
	return rc;
}

int weir__tee_open(struct stage *stage)
{
	int rc = weir_tee_create(&stage->unit->run->sim->ctx, &stage->tee);

	if (rc < 0)
		return rc;
	stage->front = weir_tee_sink(stage->tee);
	for (unsigned i = 0; i < stage->plan->branches && rc == 0; i++)
		rc = open_offshoot(stage, i);
	return rc;
}

static void on_end(struct weir_branch *branch, int why, void *arg)
{
	struct joint *joint = arg;
	struct unit *u = joint->unit;

	(void)branch;
	weir_sim_note(u->run->sim, "unit", u->number, "has a branch that ends with", why);
	if (why < 0 || u->plan->closes_early)
		weir__side_close(joint->side[1]);
}

int weir__tee_join(struct stage *stage, struct joint *joint, struct weir_consumer *to)
{
	struct weir_branch_options options = {
		.separator = WEIR_NO_SEPARATOR, .on_end = on_end, .arg = joint,
	};

	return weir_tee_add(stage->tee, to, &options, &stage->line_on);
}

void weir__tee_cut(struct stage *stage)
{
	weir_tee_destroy(stage->tee);
	stage->tee = NULL;
	stage->line_on = NULL;
	for (unsigned i = 0; i < BRANCHES_MAX; i++) {
		stage->offshoot[i].cut = true;
		stage->offshoot[i].branch = NULL;
	}
}

bool weir__tee_remove(struct stage *stage, unsigned i, int why)
{
	struct offshoot *o = &stage->offshoot[i];
	struct weir_branch_state line = {.ended = true};

	/* A tee whose last branch is removed waits for another one: nobody adds one here. */
	if (stage->line_on)
		weir_branch_state(stage->line_on, &line);
	if (!o->branch || line.ended)
		return false;
	o->cut = true;
	weir_tee_remove(o->branch, why);
	o->branch = NULL;
	return true;
}

void weir__tee_close(struct stage *stage)
{
	weir__tee_cut(stage);
	for (unsigned i = 0; i < BRANCHES_MAX; i++) {
		weir_sim_sink_destroy(stage->offshoot[i].sink);
		stage->offshoot[i].sink = NULL;
	}
}

/* ---- its rules ---- */

/* How many bytes a branch may be behind, with what its sink holds and one chunk, which the
 * tee's front may have put together from many writes. */
static uint64_t most_behind(const struct branch_plan *plan)
{
	uint64_t sink = plan->sink.high ? plan->sink.limit : WEIR_LIMIT_DEFAULT;

	if (plan->policy == WEIR_TEE_BLOCK || (plan->policy == WEIR_TEE_DETACH && plan->wait_ns))
		return UINT64_MAX;
	return plan->behind + sink + WEIR_BLOCK_LARGE +
	       (plan->policy == WEIR_TEE_SPILL ? plan->spill : 0);
}

void weir__tee_check_now(struct stage *stage)
{
	for (unsigned i = 0; i < BRANCHES_MAX; i++) {
		struct weir_branch_state s;

		if (!stage->offshoot[i].branch)
			continue;
		weir_branch_state(stage->offshoot[i].branch, &s);
		if (s.held > most_behind(&stage->plan->branch[i]))
			weir_sim_break(stage->unit->run->sim, "FAN-3", "branch %u is %" PRIu64
				       " bytes behind", i, s.held);
		if (s.in != s.out + s.held + s.dropped)
			weir_sim_break(stage->unit->run->sim, "OBS-1", "branch %u: %" PRIu64
				       " in, %" PRIu64 " out, %" PRIu64 " held, %" PRIu64
				       " dropped", i, s.in, s.out, s.held, s.dropped);
	}
}

/* Whether an end that is a failure needs no other reason than the branch itself. */
static bool may_fail(const struct stage *stage, const struct branch_plan *plan, int why)
{
	return stage->unit->disturbed || plan->sink.die_why < 0 ||
	       (plan->policy == WEIR_TEE_DETACH && why == WEIR_ESLOW);
}

static void check_offshoot(struct stage *stage, unsigned i)
{
	const struct branch_plan *plan = &stage->plan->branch[i];
	struct offshoot *o = &stage->offshoot[i];
	struct weir_sim *sim = stage->unit->run->sim;
	uint64_t size = stage->unit->plan->source[0].size;
	struct weir_branch_state s = {0};
	struct weir_sim_sink_state got;

	weir_sim_sink_state(o->sink, &got);
	if (o->branch)
		weir_branch_state(o->branch, &s);
	if (!got.ended)
		weir_sim_break(sim, "FLOW-4", "branch %u stands still, %" PRIu64 " got", i,
			       got.got);
	else if (o->cut)
		return;
	else if (s.out != got.got)
		weir_sim_break(sim, "OBS-1", "branch %u: %" PRIu64 " got, %" PRIu64 " counted", i,
			       got.got, s.out);
	else if (got.why < 0 && !may_fail(stage, plan, got.why))
		weir_sim_break(sim, "FAN-5", "branch %u failed by itself: %s", i,
			       weir_err_name(got.why));
	else if (got.why == 0 && plan->policy == WEIR_TEE_DROP && got.got + s.dropped != size)
		weir_sim_break(sim, "FAN-2", "branch %u: %" PRIu64 " got and %" PRIu64
			       " dropped of %" PRIu64, i, got.got, s.dropped, size);
	else if (got.why == 0 && plan->policy != WEIR_TEE_DROP && got.got != size)
		weir_sim_break(sim, plan->policy == WEIR_TEE_SPILL ? "FAN-4" : "END-5",
			       "branch %u looks complete: %" PRIu64 " of %" PRIu64, i, got.got,
			       size);
}

void weir__tee_check_end(struct stage *stage)
{
	for (unsigned i = 0; i < BRANCHES_MAX; i++) {
		if (stage->offshoot[i].sink)
			check_offshoot(stage, i);
	}
}
