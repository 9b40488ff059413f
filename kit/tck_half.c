/* SPDX-License-Identifier: MIT */
/*
 * HALF: a connection's two ways, each with a source and a sink of the kit's.  "The one way" is
 * the subject's `flow`, then its `back`.
 */
#include <errno.h>

#include "tck_check.h"

typedef unsigned long long ull;

/* Both ways of one instance; `first` ends first. */
struct ways {
	struct tck_group group;
	struct weir_tck back;
	struct weir_tck *first, *second;
};

/* ---- what it needs ---- */

const char *weir__tck_no_back(const struct facts *f)
{
	return f->back ? NULL : "it has one way";
}

const char *weir__tck_no_half(const struct facts *f)
{
	if (!f->back)
		return weir__tck_no_back(f);
	return f->s->traits.half_closes ? NULL : "it declares that it does not half-close";
}

const char *weir__tck_no_linger(const struct facts *f)
{
	if (weir__tck_no_half(f))
		return weir__tck_no_half(f);
	if (f->o->turn)
		return "the clock of a real loop is not the kit's to move";
	return f->s->numbers.linger_ns ? NULL : "it has no linger time";
}

const char *weir__tck_no_between(const struct facts *f)
{
	if (f->s->traits.overtakes)
		return "a failure overtakes what lies inside";
	return f->sink && f->source ? NULL : "it has one side";
}

const char *weir__tck_no_close(const struct facts *f)
{
	if (weir__tck_no_half(f))
		return weir__tck_no_half(f);
	return f->s->traits.tells_close ? NULL : "it does not say when it is closed";
}

/* ---- the ways ---- */

static int open_ways(struct ways *w, struct weir_tck *t, const struct facts *f, bool back_first)
{
	int rc = weir__tck_group_open(&w->group, t, f);

	if (rc < 0)
		return rc;
	rc = weir__tck_group_add(&w->group, &w->back, &t->made.back);
	if (rc < 0) {
		t->moot = true;
		weir__tck_close(t);
		return rc;
	}
	w->first = back_first ? &w->back : t;
	w->second = back_first ? t : &w->back;
	t->limited = w->back.limited = true;
	return 0;
}

/* False once something is broken. */
static bool close_ways(struct ways *w)
{
	weir__tck_group_close(&w->group);
	return w->group.kits[0]->broken == NO_RULE;
}

static void write_both(struct ways *w)
{
	weir__tck_call(w->first, CALL_WRITE, 100);
	weir__tck_call(w->second, CALL_WRITE, 100);
	weir__tck_settle(&w->group);
}

static bool has_ended(const struct weir_tck *t)
{
	return t->front_ended || t->far_ended;
}

static int why_of(const struct weir_tck *t)
{
	return t->front_why ? t->front_why : t->far_why;
}

/* ---- HALF-1 ---- */

/* With `held`, bytes of the second way wait when the first one ends. */
static void half_1(struct ways *w, bool held)
{
	struct weir_tck *t = w->group.kits[0], *a = w->first, *b = w->second;

	write_both(w);
	if (held)
		weir__tck_call(b, CALL_TAKE, 0);
	if (held)
		weir__tck_call(b, CALL_WRITE, 500);
	weir__tck_call(a, CALL_FINISH, 0);
	weir__tck_settle(&w->group);
	weir__tck_holds(t, HALF_1, a->far_ended && a->far_why == 0 && a->got == a->in,
	                "one way was finished, and its far side %s, with %llu of %llu bytes",
	                a->far_ended ? "is told a failure" : "is not told", (ull)a->got,
	                (ull)a->in);
	weir__tck_holds(t, HALF_1, !has_ended(b),
	                "one way was finished, and the other ends with %s",
	                why_of(b) ? weir_err_name(why_of(b)) : "0");
	weir__tck_call(b, CALL_TAKE, ALL);
	weir__tck_call(b, CALL_WRITE, 2000);
	weir__tck_settle(&w->group);
	weir__tck_holds(t, HALF_1, b->got == b->in && b->in >= 2100,
	                "after the end of one way, %llu of the other's %llu bytes come out",
	                (ull)b->got, (ull)b->in);
	weir__tck_call(b, CALL_FINISH, 0);
	weir__tck_settle(&w->group);
	weir__tck_holds(t, HALF_1, b->far_ended && b->far_why == 0,
	                "the second way was finished, and its far side %s",
	                b->far_ended ? "is told a failure" : "is not told");
}

int weir__tck_check_half_1(struct weir_tck *t, const struct facts *f, const char **calls)
{
	struct ways w;
	int rc;

	*calls = "write 100, both ways\nthe other way: take 0, write 500, or not\n"
		 "finish one way\nplay\nthe other way: take all, write 2000, play, finish\nplay\n";
	for (int i = 0; i < 4; i++) {
		rc = open_ways(&w, t, f, i & 1);
		if (rc < 0)
			return rc;
		half_1(&w, i & 2);
		if (!close_ways(&w))
			break;
	}
	return 0;
}

/* ---- HALF-2 ---- */

int weir__tck_check_half_2(struct weir_tck *t, const struct facts *f, const char **calls)
{
	bool declared = f->s->traits.half_closes, is;
	struct ways w;
	int rc;

	*calls = "write 100, both ways\nfinish one way\nplay\nthe other way: write 1\nplay\n";
	for (int i = 0; i < 2; i++) {
		rc = open_ways(&w, t, f, i);
		if (rc < 0)
			return rc;
		write_both(&w);
		weir__tck_call(w.first, CALL_FINISH, 0);
		weir__tck_settle(&w.group);
		is = !has_ended(w.second);
		if (is)
			weir__tck_call(w.second, CALL_WRITE, 1);
		weir__tck_settle(&w.group);
		is = is && !has_ended(w.second) && w.second->got == 101;
		weir__tck_holds(t, HALF_2, is == declared,
		                "it declares that it %s, and the end of one way %s the other",
		                declared ? "half-closes" : "does not half-close",
		                is ? "leaves" : "cuts");
		if (!close_ways(&w))
			break;
	}
	return 0;
}

/* ---- HALF-3 ---- */

/* Silence of both ways, but for what is needed against an idle time. */
static void silence(struct ways *w, uint64_t ns)
{
	uint64_t idle = w->group.kits[0]->n.idle_ns, step;

	for (; ns; ns -= step) {
		step = idle && idle / 2 < ns ? idle / 2 + 1 : ns;
		if (step > ns)
			step = ns;
		weir__tck_pass(&w->group, step);
		if (idle)
			weir__tck_call(w->first, CALL_WRITE, 1);
		weir__tck_settle(&w->group);
	}
}

static void half_3(struct ways *w)
{
	struct weir_tck *t = w->group.kits[0], *a = w->first, *b = w->second;
	uint64_t linger = t->n.linger_ns;

	write_both(w);
	silence(w, 3 * linger);
	weir__tck_holds(t, HALF_3, !has_ended(a) && !has_ended(b),
	                "no way has ended, and the linger time runs");
	weir__tck_call(a, CALL_FINISH, 0);
	weir__tck_settle(&w->group);
	weir__tck_pass(&w->group, linger - 1);
	weir__tck_holds(t, HALF_3, !has_ended(b),
	                "the other way ends before the linger time after the first one's end");
	for (int i = 0; i < 4; i++) {
		weir__tck_call(b, CALL_WRITE, 1);
		weir__tck_settle(&w->group);
		weir__tck_pass(&w->group, linger - linger / 4);
		weir__tck_holds(t, HALF_3, !has_ended(b),
		                "the other way ends though it gave a byte within the linger time");
	}
	weir__tck_pass(&w->group, linger - (linger - linger / 4) + linger / 8 + 1);
	weir__tck_holds(t, HALF_3, has_ended(b) && why_of(b) < 0,
	                "the linger time is over, and the other way %s",
	                has_ended(b) ? "has finished" : "goes on");
}

int weir__tck_check_half_3(struct weir_tck *t, const struct facts *f, const char **calls)
{
	const struct weir_tck_numbers *n = &f->s->numbers;
	struct ways w;
	int rc;

	*calls = "write 100, both ways\nadvance 3 linger times\nfinish one way\n"
		 "advance the linger time less 1\nthe other way, 4 times: write 1, advance 3/4 of "
	         "it\n"
		 "advance 3/8 of it\n";
	if (n->total_ns && n->total_ns / 8 < n->linger_ns)
		t->lacks = "its total time is too short to measure others in";
	if (n->idle_ns && n->idle_ns <= n->linger_ns + n->linger_ns / 8)
		t->lacks = "its idle time is not longer than its linger time";
	if (t->lacks)
		return 0;
	for (int i = 0; i < 2; i++) {
		rc = open_ways(&w, t, f, i);
		if (rc < 0)
			return rc;
		half_3(&w);
		if (!close_ways(&w))
			break;
	}
	return 0;
}

/* ---- HALF-4 ---- */

/* What has been handed on, and has not come out, can be read still. */
static void half_4(struct tck_group *g, uint64_t *readable)
{
	struct weir_tck *t = g->kits[0];
	uint64_t handed;

	weir__tck_call(t, CALL_WRITE, 10);
	weir__tck_settle(g);
	weir__tck_call(t, CALL_HOLD, 0);
	weir__tck_settle(g);
	weir__tck_call(t, CALL_WRITE, 700);
	weir__tck_settle(g);
	handed = weir__tck_state(t).out;
	*readable = handed > t->got ? handed - t->got : 0;
	weir__tck_call(t, CALL_FAIL, 0);
	weir__tck_settle(g);
	weir__tck_call(t, CALL_RELEASE, 0);
	weir__tck_settle(g);
	if (*readable)
		weir__tck_holds(t, HALF_4, t->got >= handed,
		                "%llu bytes could be read when it was reset, and %llu come out%s",
		                (ull)*readable, (ull)(t->got - (handed - *readable)),
		                t->far_ended ? " before that is told" : "");
}

int weir__tck_check_half_4(struct weir_tck *t, const struct facts *f, const char **calls)
{
	struct tck_group g;
	uint64_t readable = 0;
	int rc = weir__tck_group_open(&g, t, f);

	*calls = "write 10\nplay\nhold\nplay\nwrite 700\nplay\nfail\nplay\nrelease\nplay\n";
	if (rc < 0)
		return rc;
	half_4(&g, &readable);
	weir__tck_group_close(&g);
	if (!readable && t->broken == NO_RULE)
		t->lacks = "nothing lies between its two sides";
	return 0;
}

/* ---- HALF-5 ---- */

static void half_5(struct ways *w, int first, int second, bool at_once)
{
	struct weir_tck *t = w->group.kits[0];

	write_both(w);
	weir__tck_call(w->first, first ? CALL_FAIL : CALL_FINISH, 0);
	if (!at_once)
		weir__tck_settle(&w->group);
	if (!first && !at_once)
		weir__tck_holds(t, HALF_5, t->closes == 0, "one way has ended, and it is closed");
	weir__tck_call(w->second, second ? CALL_FAIL : CALL_FINISH, 0);
	weir__tck_settle(&w->group);
	weir__tck_holds(t, HALF_5, t->closes == 1,
	                "both ways have ended, and it is closed %u times", t->closes);
	if (weir__tck_fake(t))
		weir__tck_pass(&w->group, 100 * WEIR_NS_PER_S);
	weir__tck_holds(t, HALF_5, t->closes == 1, "it is closed %u times", t->closes);
}

int weir__tck_check_half_5(struct weir_tck *t, const struct facts *f, const char **calls)
{
	static const int ends[][2] = {{0, 0}, {0, -EIO}, {-EIO, 0}};
	struct ways w;
	int rc;

	*calls = "write 100, both ways\nfinish or fail one way, and then the other\nplay\n";
	for (int i = 0; i < 12; i++) {
		rc = open_ways(&w, t, f, i & 1);
		if (rc < 0)
			return rc;
		half_5(&w, ends[i / 4][0], ends[i / 4][1], i & 2);
		if (!close_ways(&w))
			break;
	}
	return 0;
}
