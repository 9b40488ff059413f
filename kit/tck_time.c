/* SPDX-License-Identifier: MIT */
/*
 * TIME-1: each limit ends the flow when its own time is over, and no other's; and time for which
 * we hold the source counts as neither idle nor lingering.
 *
 * A far side that takes a bite now and then keeps the sink from stalling while the source is
 * held.
 */
#include <errno.h>
#include <stdlib.h>

#include "tck_check.h"

/* More than it can hold; and what makes the sinks inside move on. */
#define FILL     ((uint64_t)1 << 20)
#define FILL_MAX ((uint64_t)64 << 20)
#define BITE     8192

/* Bites in a check, at most; so that what it was filled with is not eaten up. */
#define BITES_MAX 32

struct limit_check {
	struct tck_group group;
	struct weir_tck *t;
	struct weir_tck back;
	const struct weir_tck_numbers *n;
};

const char *weir__tck_no_limits(const struct facts *f)
{
	const struct weir_tck_numbers *n = &f->s->numbers;

	if (!n->idle_ns && !n->stall_ns && !n->total_ns && !n->linger_ns)
		return "it has no time limits";
	if (f->o->turn)
		return "the clock of a real loop is not the kit's to move";
	return !f->sink || f->source || f->s->take ? NULL : "its far side cannot stand still";
}

static uint64_t late(uint64_t ns)
{
	return ns / 8 + 1;
}

static void give(struct limit_check *c, uint64_t len)
{
	weir__tck_call(c->t, CALL_WRITE, len);
	weir__tck_settle(&c->group);
}

static void take(struct limit_check *c, uint64_t len)
{
	weir__tck_call(c->t, CALL_TAKE, len);
	weir__tck_settle(&c->group);
}

static void pass(struct limit_check *c, uint64_t ns)
{
	weir__tck_pass(&c->group, ns);
}

static bool is_over(struct limit_check *c)
{
	return weir__tck_is_over(c->t);
}

/* It holds its source back.  False if that cannot be done. */
static bool fill(struct limit_check *c)
{
	uint64_t given = 0;

	take(c, 0);
	weir__tck_call(c->t, CALL_REGISTER_PUSH, 0);
	for (; given < FILL_MAX && !c->t->quiet; given += FILL) {
		weir__tck_call(c->t, CALL_SUPPLY, FILL);
		weir__tck_settle(&c->group);
		if (c->t->supply >= FILL / 2)
			return true;
	}
	c->t->lacks = "its source cannot be held back";
	return false;
}

/* Let so much time pass in which the sink passes a bite on each `step`; 0: none. */
static void dribble(struct limit_check *c, uint64_t ns, uint64_t step)
{
	for (uint64_t done = 0; done < ns; done += step) {
		if (!step || step > ns - done)
			step = ns - done;
		pass(c, step);
		if (done + step < ns)
			take(c, c->t->made.flow.source ? BITE : 1);
	}
}

/* Hold the source for some times `ns`, without a stall. */
static void hold_for(struct limit_check *c, uint64_t ns)
{
	uint64_t stall = c->n->stall_ns, time = 3 * ns;

	if (!stall) {
		dribble(c, time, 0);
	} else if (stall > ns + ns / 2) {
		dribble(c, time < stall - stall / 8 ? time : stall - stall / 8, 0);
	} else {
		uint64_t step = stall / 2 + 1;

		dribble(c, time < BITES_MAX * step ? time : BITES_MAX * step, step);
	}
}

/* ---- idle ---- */

static void idle_is_kept(struct limit_check *c)
{
	uint64_t idle = c->n->idle_ns;

	give(c, 10);
	for (int i = 0; i < 3; i++) {
		pass(c, idle - idle / 4);
		weir__tck_holds(c->t, TIME_1, !is_over(c),
		                "it ends before the idle time after a byte");
		give(c, 1);
	}
	pass(c, idle - 1);
	weir__tck_holds(c->t, TIME_1, !is_over(c), "it ends before the idle time after a byte");
	pass(c, late(idle) + 1);
	weir__tck_holds(c->t, TIME_1, is_over(c), "the idle time is over, and it goes on");
}

static void held_is_not_idle(struct limit_check *c)
{
	uint64_t idle = c->n->idle_ns;

	if (!fill(c))
		return;
	hold_for(c, idle);
	weir__tck_holds(c->t, TIME_1, !is_over(c),
	                "time in which we hold the source counts as idle");
	take(c, ALL);
	pass(c, idle - idle / 8);
	weir__tck_holds(c->t, TIME_1, !is_over(c),
	                "the idle time does not begin anew when the source is let go");
}

/* ---- stall ---- */

static void stall_is_kept(struct limit_check *c)
{
	uint64_t stall = c->n->stall_ns;

	if (!fill(c))
		return;
	for (int i = 0; i < 3; i++) {
		pass(c, stall - stall / 4);
		weir__tck_holds(c->t, TIME_1, !is_over(c),
		                "it ends before the stall time after the sink passed a byte on");
		take(c, c->t->made.flow.source ? BITE : 1);
	}
	pass(c, stall - 1);
	weir__tck_holds(c->t, TIME_1, !is_over(c), "it ends before the stall time");
	pass(c, late(stall) + 1);
	weir__tck_holds(c->t, TIME_1, is_over(c), "the stall time is over, and it goes on");
}

static void silence_is_no_stall(struct limit_check *c)
{
	uint64_t stall = c->n->stall_ns, idle = c->n->idle_ns;
	uint64_t step = idle && idle / 2 < stall ? idle / 2 + 1 : stall;

	give(c, 10);
	for (uint64_t done = 0; done < 3 * stall; done += step) {
		pass(c, step);
		weir__tck_holds(c->t, TIME_1, !is_over(c),
		                "the sink has passed on all, and the stall time runs");
		if (idle)
			give(c, 1);
	}
}

/* ---- total ---- */

static void total_is_kept(struct limit_check *c)
{
	const struct weir_tck_numbers *n = c->n;
	uint64_t total = n->total_ns, step = total / 16 + 1, done = 0;

	if (n->idle_ns && n->idle_ns / 2 < step)
		step = n->idle_ns / 2 + 1;
	for (; done + step < total; done += step) {
		pass(c, step);
		weir__tck_holds(c->t, TIME_1, !is_over(c),
		                "it ends before its total time, and moves");
		give(c, 1);
	}
	pass(c, total - done - 1);
	weir__tck_holds(c->t, TIME_1, !is_over(c), "it ends before its total time");
	/* It still moves, lest another limit end it. */
	for (done = 0; done <= late(total) && !is_over(c); done += step) {
		give(c, 1);
		pass(c, step < late(total) ? step : late(total) + 1);
	}
	weir__tck_holds(c->t, TIME_1, is_over(c), "its total time is over, and it goes on");
}

static void total_counts_holds(struct limit_check *c)
{
	uint64_t total = c->n->total_ns, step = c->n->stall_ns ? c->n->stall_ns / 2 + 1 : total;

	/* Else what it was filled with is eaten up before. */
	if (total / step > 2 * BITES_MAX || !fill(c))
		return;
	dribble(c, total - 1, step);
	weir__tck_holds(c->t, TIME_1, !is_over(c), "it ends before its total time, and is held");
	dribble(c, late(total) + 1, step);
	weir__tck_holds(c->t, TIME_1, is_over(c),
	                "its total time is over, and it is held and goes on");
}

/* ---- linger ---- */

static void held_does_not_linger(struct limit_check *c)
{
	uint64_t linger = c->n->linger_ns;

	weir__tck_call(&c->back, CALL_FINISH, 0);
	weir__tck_settle(&c->group);
	if (!fill(c))
		return;
	hold_for(c, linger);
	weir__tck_holds(c->t, TIME_1, !is_over(c),
	                "time in which we hold the source counts as lingering");
	take(c, ALL);
	pass(c, linger - linger / 8);
	weir__tck_holds(c->t, TIME_1, !is_over(c),
	                "the linger time does not begin anew when the source is let go");
}

/* ---- all of them ---- */

static int run(struct weir_tck *t, const struct facts *f, void (*check)(struct limit_check *c))
{
	struct limit_check *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	c->t = t;
	c->n = &f->s->numbers;
	rc = weir__tck_group_open(&c->group, t, f);
	if (rc == 0) {
		t->limited = true;
		if (f->back)
			rc = weir__tck_group_add(&c->group, &c->back, &t->made.back);
		if (rc == 0)
			check(c);
		weir__tck_group_close(&c->group);
	}
	free(c);
	return rc;
}

int weir__tck_check_time(struct weir_tck *t, const struct facts *f, const char **calls)
{
	const struct weir_tck_numbers *n = &f->s->numbers;
	bool half = f->back && f->s->traits.half_closes;
	bool roomy = true;
	const struct {
		bool is;
		void (*check)(struct limit_check *c);
		const char *calls;
	} checks[] = {
		{n->total_ns, total_is_kept,
	         "write 1 and advance, again and again, to the total time\n"},
		{n->total_ns, total_counts_holds,
	         "take 0\nregister push, supply much\nadvance and take some, to the total time\n"},
		{n->idle_ns, idle_is_kept,
	         "3 times: write 1, advance 3/4 of the idle time\nadvance the idle time\n"},
		{n->idle_ns, held_is_not_idle,
	         "take 0\nregister push, supply much\nadvance 3 idle times, or less than it may "
	         "stall\n"
	         "take all\nadvance 7/8 of the idle time\n"},
		{n->stall_ns, stall_is_kept,
	         "take 0\nregister push, supply much\n3 times: advance 3/4 of the stall time, take "
	         "some\n"
	         "advance the stall time\n"},
		{n->stall_ns, silence_is_no_stall, "write 10\nadvance 3 stall times\n"},
		{n->linger_ns && half, held_does_not_linger,
	         "finish the other way\ntake 0\nregister push, supply much\nadvance 3 linger "
	         "times\n"
	         "take all\nadvance 7/8 of the linger time\n"},
	};
	const uint64_t others[] = {n->idle_ns, n->stall_ns, n->linger_ns};
	int rc = 0;

	for (size_t i = 0; i < 3; i++)
		roomy = roomy && (!n->total_ns || n->total_ns / 8 >= others[i]);
	t->broken = NO_RULE;
	for (size_t i = 0; rc == 0 && i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (!checks[i].is || (checks[i].check != total_is_kept && !roomy))
			continue;
		*calls = checks[i].calls;
		rc = run(t, f, checks[i].check);
		if (rc == 0 && t->broken != NO_RULE)
			break;
	}
	return rc;
}
