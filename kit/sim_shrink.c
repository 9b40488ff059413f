/* SPDX-License-Identifier: MIT */
/* Makes a plan smaller step by step, and keeps each step after which it still fails. */
#include "sim_plan.h"

#define TRIES_MAX 2000

/* The n-th thing that could be left out of a plan; false when there is none so high. */
typedef bool step_fn(struct plan *plan, unsigned n);

static bool drop_unit(struct plan *plan, unsigned n)
{
	if (n >= plan->units)
		return false;
	plan->unit[n].absent = true;
	return true;
}

static bool drop_event(struct plan *plan, unsigned n)
{
	if (n >= plan->events)
		return false;
	plan->event[n].kind = EVENT_NONE;
	return true;
}

static bool drop_stage(struct plan *plan, unsigned n)
{
	unsigned i = n % STAGES_MAX;
	struct unit_plan *u;

	if (n / STAGES_MAX >= plan->units)
		return false;
	u = &plan->unit[n / STAGES_MAX];
	if (i >= u->stages || (u->duplex && u->stages == 1))
		return true;
	for (u->stages--; i < u->stages; i++)
		u->stage[i] = u->stage[i + 1];
	if (!u->duplex)
		weir__unit_plan_mend(u);
	return true;
}

static bool halve_size(struct plan *plan, unsigned n)
{
	struct weir_sim_source_options *source;

	if (n / 2 >= plan->units)
		return false;
	source = &plan->unit[n / 2].source[n % 2];
	source->size /= 2;
	if (source->fail_at > source->size)
		source->fail_at = source->size;
	return true;
}

static bool calm_source(struct plan *plan, unsigned n)
{
	struct weir_sim_source_options *source;

	if (n / 2 >= plan->units)
		return false;
	source = &plan->unit[n / 2].source[n % 2];
	source->fail_why = 0;
	source->pace_ns = 0;
	source->overshoot = 0;
	source->gives = false;
	return true;
}

static bool calm_sink(struct plan *plan, unsigned n)
{
	struct weir_sim_sink_options *sink;

	if (n / 2 >= plan->units)
		return false;
	sink = &plan->unit[n / 2].sink[n % 2];
	sink->die_why = 0;
	sink->rest_ns = 0;
	sink->bytes_per_s = 0;
	sink->end_ns = 0;
	return true;
}

static bool differs(const struct plan *a, const struct plan *b)
{
	const unsigned char *x = (const unsigned char *)a;
	const unsigned char *y = (const unsigned char *)b;

	for (size_t i = 0; i < sizeof(*a); i++) {
		if (x[i] != y[i])
			return true;
	}
	return false;
}

void weir__plan_shrink(struct plan *plan, bool (*breaks)(void *arg, const struct plan *plan),
		       void *arg)
{
	static step_fn *const steps[] = {
		drop_unit, drop_event, drop_stage, halve_size, calm_source, calm_sink,
	};
	unsigned tries = 0;
	bool smaller = true;

	while (smaller) {
		smaller = false;
		for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
			for (unsigned n = 0; tries < TRIES_MAX; n++) {
				struct plan less = *plan;

				if (!steps[s](&less, n))
					break;
				if (!differs(&less, plan))
					continue;
				tries++;
				if (breaks(arg, &less)) {
					*plan = less;
					smaller = true;
				}
			}
		}
		smaller = smaller && tries < TRIES_MAX;
	}
}
