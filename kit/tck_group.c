/* SPDX-License-Identifier: MIT */
/* Several kits at work on one instance of a subject, each on a flow of its own. */
#include <string.h>

#include "tck_check.h"

/* Turns in which the time stands still, after which it never comes to rest. */
#define TURNS_MAX 20000

/* Turns of a real loop in which something that nobody waits for may still happen. */
#define TURNS_MORE 16

#define PATIENCE_DEFAULT 2000

/* ---- a flow as a subject ---- */

static int adopted_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	(void)kit;
	out->flow = ((struct adopted *)arg)->flow;
	return 0;
}

static void adopted_destroy(void *self)
{
	(void)self;
}

static unsigned char adopted_in(void *arg, uint64_t offset)
{
	const struct weir_tck_subject *of = ((struct adopted *)arg)->of;

	return of->in(of->arg, offset);
}

static unsigned char adopted_out(void *arg, uint64_t offset)
{
	const struct weir_tck_subject *of = ((struct adopted *)arg)->of;

	return of->out(of->arg, offset);
}

static uint64_t adopted_out_length(void *arg, uint64_t in_length)
{
	const struct weir_tck_subject *of = ((struct adopted *)arg)->of;

	return of->out_length(of->arg, in_length);
}

static void adopt(struct adopted *a, const struct weir_tck_subject *of,
                  const struct weir_tck_flow *flow)
{
	*a = (struct adopted){
		.of = of,
		.flow = *flow,
		.subject =
			{
				.name = of->name,
				.arg = a,
				.make = adopted_make,
				.destroy = adopted_destroy,
				.numbers = of->numbers,
				.traits = of->traits,
				.in = of->in ? adopted_in : NULL,
				.out = of->out ? adopted_out : NULL,
				.out_length = of->out_length ? adopted_out_length : NULL,
			},
	};
}

/* ---- the group ---- */

static void attach(struct weir_tck *t)
{
	weir__tck_call(t, t->subject->traits.pull_only ? CALL_ATTACH_PULL : CALL_ATTACH_PUSH, 0);
}

int weir__tck_group_open(struct tck_group *g, struct weir_tck *t, const struct facts *f)
{
	int rc = weir__tck_open(t, f->s, f->o, NULL);

	memset(g, 0, sizeof(*g));
	if (rc < 0)
		return rc;
	t->part = true;
	g->kits[g->count++] = t;
	attach(t);
	return 0;
}

int weir__tck_group_add(struct tck_group *g, struct weir_tck *child,
                        const struct weir_tck_flow *flow)
{
	struct weir_tck *t = g->kits[0];
	struct adopted *a = &g->adopted[g->count];
	int rc;

	adopt(a, t->subject, flow);
	child->seen = 0;
	child->trace = NULL;
	rc = weir__tck_open(child, &a->subject, t->options, t->ctx);
	if (rc < 0)
		return rc;
	child->part = true;
	child->limited = t->limited;
	child->now = t->now;
	g->kits[g->count++] = child;
	attach(child);
	return 0;
}

void weir__tck_group_close(struct tck_group *g)
{
	weir__tck_group_whole(g);
	for (unsigned i = g->count; i-- > 1;) {
		g->kits[i]->moot = g->kits[i]->quiet = true;
		weir__tck_close(g->kits[i]);
	}
	weir__tck_close(g->kits[0]);
}

bool weir__tck_group_whole(struct tck_group *g)
{
	for (unsigned i = 1; i < g->count; i++)
		if (g->kits[i]->broken != NO_RULE)
			weir__tck_holds(g->kits[0], g->kits[i]->broken, false, "the other way: %s",
			                g->kits[i]->why);
	return g->kits[0]->broken == NO_RULE;
}

/* ---- time ---- */

static void pump(struct tck_group *g)
{
	for (unsigned i = 0; i < g->count; i++) {
		weir__tck_pump(g->kits[i]);
		weir__tck_look(g->kits[i]);
	}
}

static uint64_t moved(const struct tck_group *g)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < g->count; i++)
		sum += g->kits[i]->in + g->kits[i]->got;
	return sum;
}

static bool waits(struct tck_group *g)
{
	bool any = false;

	for (unsigned i = 0; i < g->count; i++)
		any = any || weir__tck_waits(g->kits[i]);
	return any;
}

static void settle_outside(struct tck_group *g)
{
	struct weir_tck *t = g->kits[0];
	unsigned patience = t->options->patience ? t->options->patience : PATIENCE_DEFAULT;

	for (unsigned i = 0, more = 0; i < patience && more < TURNS_MORE; i++) {
		uint64_t before = moved(g);

		for (unsigned k = 0; k < g->count; k++)
			g->kits[k]->depth++;
		t->options->turn(t->options->arg);
		for (unsigned k = 0; k < g->count; k++)
			g->kits[k]->depth--;
		pump(g);
		more = waits(g) || moved(g) != before ? 0 : more + 1;
	}
}

void weir__tck_settle(struct tck_group *g)
{
	struct weir_tck *t = g->kits[0];

	if (!weir__tck_fake(t)) {
		settle_outside(g);
		return;
	}
	for (unsigned turns = 0; weir__tck_group_whole(g);) {
		uint64_t before = moved(g);

		if (weir_context_next(t->ctx) > t->now) {
			pump(g);
			if (moved(g) == before && weir_context_next(t->ctx) > t->now)
				return;
			continue;
		}
		for (unsigned k = 1; k < g->count; k++)
			g->kits[k]->depth++;
		weir__tck_turn(t);
		for (unsigned k = 1; k < g->count; k++)
			g->kits[k]->depth--;
		pump(g);
		turns = moved(g) == before ? turns + 1 : 0;
		if (!weir__tck_holds(t, FLOW_10, turns < TURNS_MAX, "it does not come to rest"))
			return;
	}
}

void weir__tck_pass(struct tck_group *g, uint64_t ns)
{
	struct weir_tck *t = g->kits[0];
	uint64_t until = t->now + ns;

	weir__tck_settle(g);
	while (weir__tck_group_whole(g)) {
		uint64_t next = weir_context_next(t->ctx);

		t->now = next < until ? next : until;
		for (unsigned i = 1; i < g->count; i++)
			g->kits[i]->now = t->now;
		weir__tck_settle(g);
		if (next >= until)
			return;
	}
}

bool weir__tck_is_over(struct weir_tck *t)
{
	int why;

	return t->front_ended || t->far_ended ||
	       (t->subject->outcome && t->subject->outcome(t->made.self, &why));
}
