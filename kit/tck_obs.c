/* SPDX-License-Identifier: MIT */
/*
 * OBS-2: a source is held and let go in turn, and what is said of it is compared with the clock.
 *
 * OBS-3: the same calls are played twice, once unseen and once watched, and all that happened
 * must be the same: which bytes came out when, in which pieces, and who was told what.
 */
#include <stdio.h>
#include <string.h>

#include "tck_check.h"
#include "weir/join.h"

typedef unsigned long long ull;

/* ---- OBS-2 ---- */

/* Held for so long, so often. */
#define HELD      (3 * WEIR_NS_PER_MS)
#define FREE      WEIR_NS_PER_MS
#define INTERVALS 4

/* More than it can hold. */
#define FILL     ((uint64_t)1 << 20)
#define FILL_MAX ((uint64_t)64 << 20)

const char *weir__tck_no_blame(const struct facts *f)
{
	if (!f->s->progress)
		return "it does not say what holds its source";
	if (f->o->turn)
		return "the clock of a real loop is not the kit's to move";
	return f->source || f->s->take ? NULL : "its far side cannot stand still";
}

static struct weir_progress progress_of(struct weir_tck *t)
{
	struct weir_progress p;

	memset(&p, 0xff, sizeof(p));
	t->subject->progress(t->made.self, &p);
	weir__tck_holds(t, OBS_1, p.in == p.out + p.held + p.dropped,
	                "%llu in, %llu out, %llu held, %llu dropped", (ull)p.in, (ull)p.out,
	                (ull)p.held, (ull)p.dropped);
	return p;
}

/* What was charged between two looks, to how many causes; *cause is the last of them. */
static uint64_t charged(const struct weir_progress *before, const struct weir_progress *after,
                        unsigned *causes, int *cause)
{
	uint64_t sum = 0;

	*causes = 0;
	*cause = -1;
	for (int i = 0; i < WEIR_CAUSES; i++) {
		if (after->held_ns[i] == before->held_ns[i])
			continue;
		sum += after->held_ns[i] - before->held_ns[i];
		*cause = i;
		++*causes;
	}
	return sum;
}

/* `ns` pass, in which the source is held or not. */
static void look_at_interval(struct tck_group *g, uint64_t ns, bool held)
{
	struct weir_tck *t = g->kits[0];
	struct weir_progress before = progress_of(t), after;
	uint64_t sum;
	unsigned causes;
	int cause;

	weir__tck_pass(g, ns);
	after = progress_of(t);
	sum = charged(&before, &after, &causes, &cause);
	weir__tck_holds(t, OBS_2, before.paused == held && after.paused == held,
	                "the source is %s, and it says otherwise", held ? "held" : "free");
	weir__tck_holds(t, OBS_2, sum == (held ? ns : 0) && causes == held,
	                "the source is %s for %llu ns, and %llu are charged, to %u causes",
	                held ? "held" : "free", (ull)ns, (ull)sum, causes);
	weir__tck_holds(t, OBS_2, !held || (cause == (int)after.cause && cause == WEIR_CAUSE_FULL),
	                "the sink is full, and it is charged to \"%s\"",
	                cause < 0 ? "nobody" : weir_cause_name((enum weir_cause)cause));
	weir__tck_holds(t, OBS_2, after.pauses == before.pauses, "a pause more in one interval");
}

static bool fill(struct tck_group *g)
{
	struct weir_tck *t = g->kits[0];

	weir__tck_call(t, CALL_TAKE, 0);
	weir__tck_call(t, CALL_REGISTER_PUSH, 0);
	for (uint64_t given = 0; given < FILL_MAX && !t->quiet; given += FILL) {
		weir__tck_call(t, CALL_SUPPLY, FILL);
		weir__tck_settle(g);
		if (t->supply >= FILL / 2)
			return true;
	}
	t->lacks = "its source cannot be held back";
	return false;
}

static void blame(struct tck_group *g)
{
	struct weir_tck *t = g->kits[0];
	struct weir_progress first, p;
	uint64_t pauses = 0;

	look_at_interval(g, FREE, false);
	for (int i = 0; i < INTERVALS && !t->quiet; i++) {
		if (!fill(g))
			return;
		/* Twice: what is open counts now, and only once. */
		look_at_interval(g, HELD, true);
		look_at_interval(g, HELD, true);
		p = progress_of(t);
		weir__tck_holds(t, OBS_2, p.pauses > pauses,
		                "the source was held once more, and %llu pauses are counted",
		                (ull)p.pauses);
		weir__tck_call(t, CALL_TAKE, ALL);
		weir__tck_settle(g);
		pauses = progress_of(t).pauses;
		look_at_interval(g, FREE, false);
	}
	if (weir__tck_registered(t))
		weir__tck_call(t, CALL_UNREGISTER, 0);
	weir__tck_call(t, CALL_FINISH, 0);
	weir__tck_settle(g);
	first = progress_of(t);
	weir__tck_pass(g, HELD);
	p = progress_of(t);
	weir__tck_holds(t, OBS_2, !memcmp(first.held_ns, p.held_ns, sizeof(p.held_ns)) && !p.paused,
	                "it has ended, and is charged for being held");
}

int weir__tck_check_blame(struct weir_tck *t, const struct facts *f, const char **calls)
{
	struct tck_group g;
	const char *lacks;
	int rc = weir__tck_group_open(&g, t, f);

	*calls = "advance 1 ms\n4 times: take 0, register push, supply much, play, advance 3 ms, "
		 "advance 3 ms,\n  take all, play, advance 1 ms\nfinish\nadvance 3 ms\n";
	if (rc < 0)
		return rc;
	blame(&g);
	lacks = t->lacks;
	weir__tck_group_close(&g);
	t->lacks = lacks;
	return 0;
}

/* ---- OBS-3 ---- */

/* Random sequences that are compared, beside those below. */
#define DRAWN 60

static const char *const sequences[] = {
	"write 1000, turn, write 3000, play, finish, play",
	"take 0, register push, write high, turn, take 1, turn, take all, turn, turn, play",
	"chunk 700, register push, supply 100000, take 5000, play, take 5000, play, take all, play",
	"chunk 700, register pull, supply 50000, take 5000, play, take all, play, finish, play",
	"take 0, register push, write high, fail, play",
	"register push, write 1000, die, play",
	"hold, write 5000, turn, turn, release, play, write 5000, turn, finish, play",
};

const char *weir__tck_no_watch(const struct facts *f)
{
	if (f->o->turn)
		return "a real loop does not do the same twice";
	return f->sink || f->s->progress || f->s->watch ? NULL : "there is nothing to watch";
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ (hash >> 29);
}

void weir__tck_note(struct weir_tck *t, enum event event)
{
	struct tck_trace *trace = t->trace;

	if (!trace || t->destroyed)
		return;
	trace->count++;
	trace->hash = mix(trace->hash, event);
	trace->hash = mix(trace->hash, t->in);
	trace->hash = mix(trace->hash, t->got);
	trace->hash = mix(trace->hash, t->now);
	trace->hash = mix(trace->hash, (uint64_t)(int64_t)(t->front_why + 2 * t->far_why));
	weir__tck_watch(t);
}

int weir__tck_begin_watching(struct weir_tck *t)
{
	if (!t->trace || !t->trace->watched || !t->subject->watch)
		return 0;
	return t->subject->watch(t->made.self, &t->made);
}

void weir__tck_watch(struct weir_tck *t)
{
	struct weir_consumer_state state;
	struct weir_progress progress;

	if (!t->trace || !t->trace->watched || t->destroyed || !t->is_made)
		return;
	if (t->made.flow.sink)
		weir_consumer_state(t->made.flow.sink, &state);
	if (t->subject->progress)
		t->subject->progress(t->made.self, &progress);
}

/* Play it, and write down what happens. */
static int play(struct weir_tck *t, const struct facts *f, const struct schedule *schedule,
                struct tck_trace *trace)
{
	int rc;

	t->trace = trace;
	rc = weir__tck_play(t, f->s, f->o, schedule);
	t->trace = NULL;
	t->broken = NO_RULE;
	return rc;
}

struct traces {
	struct tck_trace unseen, watched;
};

static int play_both(struct weir_tck *t, const struct facts *f, const struct schedule *schedule,
                     struct traces *out)
{
	int rc;

	*out = (struct traces){.watched = {.watched = true}};
	rc = play(t, f, schedule, &out->unseen);
	return rc < 0 ? rc : play(t, f, schedule, &out->watched);
}

static bool differ(const struct traces *both)
{
	return both->unseen.count != both->watched.count || both->unseen.hash != both->watched.hash;
}

/* Leave out what is not needed for them to differ. */
static void shorten(struct weir_tck *t, const struct facts *f, struct schedule *schedule,
                    struct traces *both)
{
	for (unsigned i = schedule->count; i-- > 0;) {
		struct schedule less = *schedule;
		struct traces now;

		memmove(&less.steps[i], &less.steps[i + 1],
		        (less.count - i - 1) * sizeof(less.steps[0]));
		less.count--;
		if (play_both(t, f, &less, &now) < 0 || !differ(&now))
			continue;
		*schedule = less;
		*both = now;
	}
}

static int compare(struct weir_tck *t, const struct facts *f, struct schedule *schedule)
{
	struct traces both;
	int rc = play_both(t, f, schedule, &both);

	if (rc < 0)
		return rc;
	if (differ(&both))
		shorten(t, f, schedule, &both);
	t->quiet = false;
	weir__tck_holds(t, OBS_3, !differ(&both), "unseen %u things happen; watched %u, or others",
	                both.unseen.count, both.watched.count);
	return 0;
}

int weir__tck_check_watch(struct weir_tck *t, const struct facts *f, const char **calls)
{
	static char text[2048];
	struct schedule schedule;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(sequences) / sizeof(sequences[0]) + DRAWN; i++) {
		if (i >= sizeof(sequences) / sizeof(sequences[0]))
			weir__tck_draw(&schedule, f->o->seed * UINT64_C(7919) + i, f->s, f->o);
		else if (!weir__tck_parse(sequences[i], &f->s->numbers, &schedule))
			continue;
		rc = compare(t, f, &schedule);
		if (rc == 0 && t->broken != NO_RULE)
			break;
	}
	if (t->broken != NO_RULE) {
		weir__tck_print(&schedule, text, sizeof(text));
		*calls = text;
	}
	return rc;
}
