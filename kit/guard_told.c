/* SPDX-License-Identifier: MIT */
/* What a consumer may tell its producer, and when. */
#include "guard_priv.h"

typedef unsigned long long ull;

/* Resumes inside each other; a loop has no use for them. */
#define NESTED_MAX 64

#define BY_CONSUMER(g, rule, before, is, ...)                                                      \
	weir__guard_holds(g, rule, WEIR_GUARD_CONSUMER, before, is, __VA_ARGS__)

/* Whether it may be told anything at all now. */
static void told(struct weir_guard *g)
{
	const char *what = g->call->what;

	g->signals++;
	if (g->call->outer)
		BY_CONSUMER(g, FLOW_9, AT_WRITE, !g->call->outer->empty,
		            "an empty write was answered by a %s", what);
	switch (g->standing) {
	case UNUSED:
		BY_CONSUMER(g, REG_1, AT_REGISTER, false,
		            "a %s for a producer that is not registered", what);
		break;
	case LET_GO:
		if (g->gave_up)
			BY_CONSUMER(g, END_2, AT_END, false, "a %s after the producer's own end",
			            what);
		BY_CONSUMER(g, REG_5, AT_UNREGISTER, false,
		            "a %s after the producer was unregistered", what);
		break;
	case STOPPED:
		BY_CONSUMER(g, g->registering ? REG_2 : END_2, AT_STOP, false,
		            "a %s after the stop", what);
		break;
	case REGISTERED:
		break;
	}
}

void weir__guard_starts(struct weir_guard *g)
{
	told(g);
	BY_CONSUMER(g, REG_1, AT_REGISTER, g->wrap.coming,
	            "a start for a producer that is registered already");
	g->signals--; /* it belongs to the registration */
}

/* A reason to pause which is not how much it holds. */
static bool has_other_reason(const struct weir_consumer_state *st)
{
	return st->holds & ~(unsigned)WEIR_HOLD_FULL;
}

void weir__guard_pauses(struct weir_guard *g)
{
	size_t high = g->options.high;
	struct weir_consumer_state st;

	told(g);
	BY_CONSUMER(g, FLOW_1, AT_REGISTER, g->mode == WEIR_PUSH, "a pull producer is paused");
	BY_CONSUMER(g, FLOW_1, AT_PAUSE, !g->paused, "a second pause without a resume between");
	if (g->broken)
		return;
	st = weir__guard_state(g);
	BY_CONSUMER(g, g->registering ? REG_3 : FLOW_3, AT_REGISTER, st.holds,
	            "a pause, and it says that it holds nobody");
	if (high && !g->registering && !has_other_reason(&st))
		BY_CONSUMER(g, FLOW_3, AT_RESUME, st.held >= high,
		            "a pause with %llu bytes held, below the high mark of %zu",
		            (ull)st.held, high);
	weir__guard_mark(g, AT_PAUSE);
	g->paused = true;
	g->full = st.holds & WEIR_HOLD_FULL && st.held >= high;
	g->over = 0;
	g->pauses++;
	weir__guard_expect(g);
}

static void look_at_push(struct weir_guard *g)
{
	if (!g->paused && g->pauses == 0 && g->left_paused)
		BY_CONSUMER(g, REG_6, AT_LAST_PAUSE, false,
		            "a resume without a pause: the producer before was paused");
	BY_CONSUMER(g, g->registering ? REG_3 : FLOW_1, g->resumes ? AT_RESUME : AT_REGISTER,
	            g->paused || g->options.twisted, "a resume without a pause");
}

/* Bytes that came to the consumer by another way are an answer too. */
static void look_at_pull(struct weir_guard *g)
{
	bool asked_again = g->parked && !g->woken && !g->turned_away && !g->options.twisted;

	if (asked_again && weir__guard_state(g).in == g->parked_in)
		BY_CONSUMER(g, g->registering ? REG_3 : FLOW_5, AT_RESUME, false,
		            "asked again, though it had said \"nothing yet\"");
}

void weir__guard_resumes(struct weir_guard *g)
{
	struct weir_consumer_state st;

	told(g);
	if (g->mode == WEIR_PUSH)
		look_at_push(g);
	else
		look_at_pull(g);
	BY_CONSUMER(g, FLOW_7, AT_RESUME, g->resuming < NESTED_MAX, "%u resumes inside each other",
	            g->resuming);
	if (g->broken)
		return;
	if (g->options.high && (g->mode == WEIR_PULL || g->full)) {
		st = weir__guard_state(g);
		BY_CONSUMER(g, FLOW_3, g->mode == WEIR_PULL ? AT_WRITE : AT_PAUSE,
		            st.held <= g->options.low,
		            "a resume with %llu bytes held, above the low mark of %zu",
		            (ull)st.held, g->options.low);
	}
	weir__guard_mark(g, AT_RESUME);
	g->paused = g->full = g->parked = g->woken = g->turned_away = false;
	g->marks[AT_WRITE].what = NULL;
	g->asked = true;
	g->resumes++;
}

void weir__guard_pulled(struct weir_guard *g, uint64_t epoch, unsigned resume)
{
	if (g->broken || g->mode == WEIR_PUSH || g->epoch != epoch || g->resumes != resume)
		return;
	if (g->asked) {
		g->parked = true;
		g->parked_in = weir__guard_state(g).in;
	}
	g->asked = false;
	weir__guard_expect(g);
}

/* The consumer has let it go, some time before this. */
void weir__guard_is_cut(struct weir_guard *g)
{
	g->standing = LET_GO;
	g->cut = true;
	g->left_paused = g->paused;
	g->marks[AT_LAST_PAUSE] = g->marks[AT_PAUSE];
	g->marks[AT_UNREGISTER].what = NULL;
	g->paused = g->parked = g->woken = g->asked = false;
	g->epoch++;
}

/* In place of a producer it may be registered with a consumer that has ended, and be told so
 * without a start. */
static bool comes_too_late(const struct weir_guard *g)
{
	return g->source && (g->standing == UNUSED || (g->standing == LET_GO && !g->gave_up));
}

void weir__guard_stops(struct weir_guard *g, int why)
{
	if (!comes_too_late(g))
		told(g);
	BY_CONSUMER(g, END_2, AT_REGISTER, why < 0, "a stop without a reason: %d", why);
	BY_CONSUMER(g, REG_8, AT_REGISTER, !g->wrap.back.consumer, "stopped, and still registered");
	weir__guard_mark(g, AT_STOP);
	g->standing = STOPPED;
	g->paused = g->parked = g->woken = g->asked = false;
	g->epoch++;
	g->stops++;
}
