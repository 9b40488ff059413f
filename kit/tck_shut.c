/* SPDX-License-Identifier: MIT */
/*
 * SHUT-1: three flows run when it is shut.  One is finished at once, one goes on and is finished
 * before the deadline, one never ends.
 */
#include <errno.h>

#include "tck_check.h"

typedef unsigned long long ull;

#define WAIT (10 * WEIR_NS_PER_S)

const char *weir__tck_no_shut(const struct facts *f)
{
	if (!f->s->shut || !f->s->more)
		return f->s->shut ? "it has one flow" : "it cannot be shut";
	if (!f->sink || !f->source)
		return "its flows have one side";
	return f->o->turn ? "the clock of a real loop is not the kit's to move" : NULL;
}

static bool is_whole(const struct weir_tck *t)
{
	return t->front_ended && t->far_ended && !t->front_why && !t->far_why && t->got == t->in;
}

static bool has_ended(const struct weir_tck *t)
{
	return t->front_ended || t->far_ended;
}

static void end_whole(struct tck_group *g, struct weir_tck *flow, const char *when)
{
	struct weir_tck *t = g->kits[0];

	weir__tck_call(flow, CALL_FINISH, 0);
	weir__tck_settle(g);
	weir__tck_holds(
		t, SHUT_1, is_whole(flow),
		"a flow that ends %s does not finish: %llu of %llu bytes come out, and it %s", when,
		(ull)flow->got, (ull)flow->in, has_ended(flow) ? "fails" : "goes on");
}

static void look_at_no_more(struct weir_tck *t)
{
	struct weir_tck_flow late = {0};
	int rc = t->subject->more(t->made.self, &late);

	weir__tck_holds(t, SHUT_1, rc < 0, "it was shut, and takes another flow");
}

static void look_at_count(struct weir_tck *t, uint64_t deadline, unsigned due)
{
	unsigned aborted = t->subject->shut(t->made.self, deadline);

	weir__tck_holds(t, SHUT_1, aborted == due, "%u flows were aborted, and it says %u", due,
	                aborted);
}

/* With `stubborn` the last one never ends. */
static void shut(struct tck_group *g, bool stubborn)
{
	struct weir_tck *t = g->kits[0], *last = g->kits[2];
	uint64_t deadline = t->now + WAIT;

	for (unsigned i = 0; i < 3; i++)
		weir__tck_call(g->kits[i], CALL_WRITE, 1000 + i);
	weir__tck_call(last, CALL_TAKE, 0);
	weir__tck_call(last, CALL_WRITE, 500);
	weir__tck_settle(g);
	look_at_count(t, deadline, 0);
	weir__tck_settle(g);
	look_at_no_more(t);
	for (unsigned i = 0; i < 3; i++)
		weir__tck_holds(t, SHUT_1, !has_ended(g->kits[i]),
		                "it was shut, and a flow ends at once");
	end_whole(g, g->kits[0], "after the shutting");
	weir__tck_pass(g, WAIT / 2);
	weir__tck_call(g->kits[1], CALL_WRITE, 3000);
	weir__tck_pass(g, WAIT / 4);
	end_whole(g, g->kits[1], "before the deadline");
	if (!stubborn) {
		weir__tck_call(last, CALL_TAKE, ALL);
		end_whole(g, last, "before the deadline");
	}
	weir__tck_pass(g, deadline - t->now - 1);
	look_at_count(t, deadline, 0);
	weir__tck_holds(t, SHUT_1, !stubborn || !has_ended(last),
	                "a flow is aborted before the deadline");
	weir__tck_pass(g, 1);
	weir__tck_settle(g);
	if (stubborn)
		weir__tck_holds(t, SHUT_1, last->front_ended && last->front_why < 0,
		                "the deadline is over, and a flow that runs %s",
		                last->front_ended ? "has finished" : "goes on");
	if (stubborn)
		weir__tck_holds(t, SHUT_1, !last->far_ended || last->far_why < 0,
		                "a flow that was aborted looks complete");
	look_at_count(t, deadline, stubborn ? 1 : 0);
}

static int run(struct weir_tck *t, const struct facts *f, bool stubborn)
{
	struct weir_tck others[2];
	struct tck_group g;
	int rc = weir__tck_group_open(&g, t, f);

	if (rc < 0)
		return rc;
	t->limited = true;
	for (int i = 0; rc == 0 && i < 2; i++) {
		struct weir_tck_flow flow = {0};

		rc = t->subject->more(t->made.self, &flow);
		if (rc == 0)
			rc = weir__tck_group_add(&g, &others[i], &flow);
	}
	if (rc == 0)
		shut(&g, stubborn);
	weir__tck_group_close(&g);
	return rc;
}

int weir__tck_check_shut(struct weir_tck *t, const struct facts *f, const char **calls)
{
	int rc;

	*calls = "three flows: write 1000 and more, the last one also: take 0, write 500\n"
		 "shut, with a deadline\na fourth flow\nfinish the first\nadvance 1/2 to the "
	         "deadline\n"
		 "the second: write 3000\nadvance 1/4, finish the second\n"
		 "the last one: take all, finish, or not\nadvance to the deadline\n";
	rc = run(t, f, false);
	if (rc == 0 && t->broken == NO_RULE)
		rc = run(t, f, true);
	return rc;
}
