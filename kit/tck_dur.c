/* SPDX-License-Identifier: MIT */
/*
 * DUR-1: it is killed at many places, once and then again, and each time the next one goes on.
 * The judge is the far side as it stands, not what was told of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tck_check.h"

typedef unsigned long long ull;

/* What is written in all, in pieces; it may be killed before each of them. */
#define TOTAL 5000
#define PIECE 700

const char *weir__tck_no_crash(const struct facts *f)
{
	if (!f->s->crash || !f->s->far_side)
		return "it cannot be killed, and then go on";
	return f->sink || f->s->feed ? NULL : "the kit does not write to it";
}

/* One life after another of the same far side. */
struct lives {
	struct weir_tck *t;
	const struct facts *f;
	unsigned char due[TOTAL], is[TOTAL + 1];
};

static size_t far_side(struct lives *l)
{
	const struct weir_tck_subject *s = l->f->s;
	size_t len = 0, n;

	do {
		n = s->far_side(s->arg, len, l->is + len, sizeof(l->is) - len);
		len += n;
	} while (n && len < sizeof(l->is));
	return len;
}

/* The far side has the first bytes of all, and no others. */
static size_t look_at_far_side(struct lives *l, const char *when)
{
	size_t len = far_side(l), same = 0;

	while (same < len && same < TOTAL && l->is[same] == l->due[same])
		same++;
	weir__tck_holds(l->t, DUR_1, len <= TOTAL, "%s the far side has more than was written",
	                when);
	weir__tck_holds(l->t, DUR_1, same == len || len > TOTAL,
	                "%s byte %zu at the far side is not the one that was written there", when,
	                same);
	return len;
}

static void die(struct weir_tck *t)
{
	t->inside_count = 0;
	t->quiet = true;
	if (t->made.flow.sink && !t->front_ended)
		weir_consumer_unwatch_end(t->made.flow.sink, &t->watch);
	if (t->made.flow.sink)
		weir_consumer_unbind(t->made.flow.sink);
	if (t->made.flow.source)
		weir_consumer_unbind(&t->behind.wrap.front);
	t->destroyed = true;
	t->is_made = false;
	t->subject->crash(t->made.self);
	weir__tck_sink_fini(&t->behind);
}

/* Write on from where the far side stands, `steps` pieces at most. */
static void write_on(struct weir_tck *t, size_t stands, unsigned steps)
{
	t->next = t->in = t->got = stands;
	t->torn = true; /* `in` counts those of its earlier lives, its own account does not */
	for (unsigned i = 0; i < steps && t->next < TOTAL; i++) {
		uint64_t left = TOTAL - t->next;

		weir__tck_call(t, CALL_WRITE, left < PIECE ? left : PIECE);
		if (i % 3 == 1) /* some lies at the far side, and some is held */
			weir__tck_call(t, CALL_TAKE, PIECE / 2);
		if (i % 3 == 0)
			weir__tck_call(t, CALL_TURN, 0);
	}
}

static int live(struct lives *l, unsigned steps, bool killed)
{
	struct weir_tck *t = l->t;
	int rc = weir__tck_open(t, l->f->s, l->f->o, NULL);
	size_t stands;

	if (rc < 0)
		return rc;
	t->part = true;
	weir__tck_call(t, l->f->s->traits.pull_only ? CALL_ATTACH_PULL : CALL_ATTACH_PUSH, 0);
	stands = look_at_far_side(l, "after a kill");
	if (t->broken == NO_RULE)
		write_on(t, stands, steps);
	if (killed && t->broken == NO_RULE) {
		die(t);
		weir__tck_close(t);
		t->quiet = false;
		return 0;
	}
	weir__tck_call(t, CALL_TAKE, ALL);
	weir__tck_call(t, CALL_PLAY, 0);
	weir__tck_call(t, CALL_FINISH, 0);
	weir__tck_call(t, CALL_PLAY, 0);
	weir__tck_holds(t, DUR_1, look_at_far_side(l, "in the end") == TOTAL,
	                "in the end %zu of %u bytes are at the far side", far_side(l), TOTAL);
	weir__tck_holds(t, DUR_1, !t->front_why && !t->far_why, "it went on, and fails in the end");
	weir__tck_close(t);
	return 0;
}

static void fill_due(struct lives *l)
{
	const struct weir_tck_subject *s = l->f->s;

	weir_tck_fill(l->due, TOTAL, 0);
	for (size_t i = 0; i < TOTAL && (s->out || s->in); i++)
		l->due[i] = s->out ? s->out(s->arg, i) : s->in(s->arg, i);
}

int weir__tck_check_crash(struct weir_tck *t, const struct facts *f, const char **calls)
{
	struct lives *l = calloc(1, sizeof(*l));
	int rc = 0;

	*calls = "write 700, some times, now and then: turn, take 350\nkill it, make the next, "
	         "once or "
		 "twice\ntake all, write the rest, finish\nplay\n";
	if (!l)
		return -ENOMEM;
	l->t = t;
	l->f = f;
	fill_due(l);
	t->broken = NO_RULE;
	for (unsigned first = 0; first <= TOTAL / PIECE + 1; first++) {
		for (unsigned second = 0; second < 4; second++) {
			rc = live(l, first, true);
			if (rc == 0 && t->broken == NO_RULE && second)
				rc = live(l, second, true);
			if (rc == 0 && t->broken == NO_RULE)
				rc = live(l, TOTAL, false);
			if (rc < 0 || t->broken != NO_RULE)
				goto out;
		}
	}
out:
	free(l);
	return rc;
}
