/* SPDX-License-Identifier: MIT */
/* What a producer may do, and what must follow from it at once. */
#include <string.h>

#include "guard_priv.h"

typedef unsigned long long ull;

#define BY_CONSUMER(g, rule, before, is, ...)                                                      \
	weir__guard_holds(g, rule, WEIR_GUARD_CONSUMER, before, is, __VA_ARGS__)

#define BY_PRODUCER(g, rule, before, is, ...)                                                      \
	weir__guard_holds(g, rule, WEIR_GUARD_PRODUCER, before, is, __VA_ARGS__)

/* Whether nobody is inside another call, who would go on when this one returns. */
static bool is_outermost(const struct weir_guard *g)
{
	return !g->call->outer;
}

/* ---- bytes that are lent ---- */

static uint64_t sum(const void *data, size_t len)
{
	const unsigned char *bytes = data;
	uint64_t sum = len, word = 0;

	for (; len >= sizeof(word); len -= sizeof(word), bytes += sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
		sum ^= sum >> 32;
	}
	for (; len; len--)
		sum = (sum ^ *bytes++) * 0x9e3779b97f4a7c15u;
	return sum;
}

void weir__guard_lend(struct weir_guard *g, const void *data, size_t len)
{
	if (g->broken || g->options.skips_bytes || len == 0)
		return;
	g->call->data = data;
	g->call->len = len;
	g->call->sum = sum(data, len);
}

void weir__guard_look_at_lent(struct weir_guard *g, enum weir_guard_party party)
{
	for (struct passing *call = g->call; call && !g->broken; call = call->outer)
		if (call->data)
			weir__guard_holds(
				g, DATA_4, party, AT_NONE, sum(call->data, call->len) == call->sum,
				"a buffer was changed while it was lent for a %s", call->what);
}

void weir__guard_forget_lent(struct weir_guard *g)
{
	for (struct passing *call = g->call; call; call = call->outer)
		call->data = NULL;
}

/* ---- registering ---- */

void weir__guard_registers(struct weir_guard *g, const struct weir_producer *p, enum weir_mode mode)
{
	g->standing = REGISTERED;
	g->producer_name = p->ops->name;
	g->mode = mode;
	g->epoch++;
	g->registering = true;
	g->paused = g->full = g->gave_up = g->parked = g->woken = g->asked = false;
	g->pauses = g->resumes = g->stops = g->signals = 0;
	g->over = 0;
	weir__guard_mark(g, AT_REGISTER);
	g->marks[AT_PAUSE].what = g->marks[AT_RESUME].what = NULL;
	g->marks[AT_WRITE].what = g->marks[AT_STOP].what = NULL;
}

static void refused_closed(struct weir_guard *g, int rc)
{
	struct weir_producer *back = &g->wrap.back;

	BY_CONSUMER(g, REG_2, g->marks[AT_ENDED].what ? AT_ENDED : AT_END, rc == WEIR_ECLOSED,
	            "register after the end gives %s", rc ? weir_err_name(rc) : "0");
	BY_CONSUMER(g, REG_2, AT_STOP, g->stops == 1 && g->signals == 1,
	            "register after the end: %u stops in %u signals", g->stops, g->signals);
	BY_CONSUMER(g, REG_2, AT_REGISTER, !back->consumer,
	            "register after the end keeps the producer");
}

static void look_at_first_signals(struct weir_guard *g, const struct weir_consumer_state *before)
{
	if (g->mode == WEIR_PUSH && before->holds && weir__guard_state(g).holds)
		BY_CONSUMER(g, REG_4, AT_NONE, g->pauses >= 1,
		            "a push producer on a full consumer is not paused");
}

void weir__guard_registered(struct weir_guard *g, const struct weir_producer *p, int rc,
                            const struct weir_consumer_state *before)
{
	struct weir_producer *back = &g->wrap.back;

	g->registering = false;
	if (g->broken)
		return;
	/* Twisted's has not left its place while it is told to stop. */
	if (g->options.twisted && rc == WEIR_EBUSY) {
		g->standing = UNUSED;
	} else if (before->ended || rc == WEIR_ECLOSED) {
		refused_closed(g, rc);
	} else if (rc == 0 && g->standing == REGISTERED) {
		BY_CONSUMER(g, REG_8, AT_REGISTER,
		            back->consumer == g->wrap.inner && g->wrap.front.producer == p,
		            "register gives 0, and the producer is not registered");
		if (!g->wrap.ended)
			look_at_first_signals(g, before);
		weir__guard_expect(g);
	} else if (rc < 0) {
		BY_CONSUMER(g, REG_8, AT_NONE, !back->consumer,
		            "register gives %s and keeps the producer", weir_err_name(rc));
		if (g->standing == REGISTERED)
			g->standing = UNUSED;
	}
}

void weir__guard_unregisters(struct weir_guard *g)
{
	weir__guard_mark(g, AT_UNREGISTER);
	if (g->standing == REGISTERED)
		g->standing = LET_GO;
	g->left_paused = g->paused;
	g->marks[AT_LAST_PAUSE] = g->marks[AT_PAUSE];
	g->paused = g->parked = g->woken = g->asked = false;
	g->epoch++;
}

void weir__guard_unregistered(struct weir_guard *g, uint64_t epoch,
                              const struct weir_consumer_state *before)
{
	struct weir_consumer_state st;

	if (g->broken || g->epoch != epoch)
		return;
	BY_CONSUMER(g, REG_5, AT_REGISTER, !g->wrap.back.consumer,
	            "unregister leaves the producer registered");
	st = weir__guard_state(g);
	if (!st.ended)
		BY_CONSUMER(g, REG_7, AT_REGISTER,
		            st.dropped == before->dropped && st.in >= before->in,
		            "unregister drops %llu bytes", (ull)(st.dropped - before->dropped));
}

/* ---- writing ---- */

static void look_at_writer(struct weir_guard *g, size_t len)
{
	bool twisted = g->options.twisted; /* takes them even then, or drops them */

	if (weir__guard_over(g) && !twisted)
		BY_PRODUCER(g, END_1, AT_END, false, "a %s after its end", g->call->what);
	if (g->standing == STOPPED && !twisted)
		BY_PRODUCER(g, END_2, AT_STOP, false, "a %s after its stop", g->call->what);
	if (g->standing != REGISTERED)
		return;
	if (g->mode == WEIR_PULL) {
		bool second = g->marks[AT_WRITE].what && g->resuming;

		BY_PRODUCER(g, FLOW_5, second ? AT_WRITE : AT_RESUME, g->asked,
		            second ? "a second %s in one pull" : "a %s that was not asked for",
		            g->call->what);
		g->asked = false;
		weir__guard_mark(g, AT_WRITE);
	} else if (g->paused && !g->pausing) {
		g->call->late = true;
		BY_PRODUCER(g, FLOW_2, AT_PAUSE, g->over + len <= g->options.overshoot,
		            "%llu bytes are written after a pause, %zu are declared",
		            (ull)(g->over + len), g->options.overshoot);
	}
}

void weir__guard_writes(struct weir_guard *g, size_t len)
{
	if (g->broken)
		return;
	g->call->closed = g->wrap.ended;
	g->call->unasked = g->standing != REGISTERED || g->paused || g->call->outer;
	if (len) {
		look_at_writer(g, len);
		return;
	}
	g->call->empty = true;
	weir__guard_mark(g, AT_WRITE);
}

static void look_at_account(struct weir_guard *g, const struct weir_consumer_state *st)
{
	BY_CONSUMER(g, DATA_1, AT_NONE, st->out <= st->in,
	            "%llu bytes have come out, and %llu went in", (ull)st->out, (ull)st->in);
	BY_CONSUMER(g, OBS_1, AT_NONE, st->in == st->out + st->held + st->dropped,
	            "%llu in, %llu out, %llu held, %llu dropped", (ull)st->in, (ull)st->out,
	            (ull)st->held, (ull)st->dropped);
	if (!g->options.twisted)
		BY_CONSUMER(g, OBS_1, AT_NONE, st->in >= g->base_in + g->in,
		            "it accepted %llu bytes and says %llu", (ull)g->in,
		            (ull)(st->in - g->base_in));
}

static void look_at_marks(struct weir_guard *g, const struct weir_consumer_state *st)
{
	uint64_t bound = g->options.high + g->biggest + g->excess;

	if (st->held == 0)
		g->excess = 0;
	if (!g->options.high || g->options.twisted)
		return;
	BY_CONSUMER(g, MEM_1, AT_PAUSE, st->held <= bound, "%llu bytes held, the bound is %llu",
	            (ull)st->held, (ull)bound);
	if (g->standing == REGISTERED && g->mode == WEIR_PUSH && st->held >= g->options.high)
		BY_CONSUMER(g, FLOW_3, AT_RESUME, g->paused,
		            "%llu bytes held, the high mark is %zu, and no pause", (ull)st->held,
		            g->options.high);
}

static void accepted(struct weir_guard *g, size_t len)
{
	g->in += len;
	g->parked = false;
	if (len > g->biggest)
		g->biggest = len;
	if (g->call->late)
		g->over += len;
	if (g->call->unasked)
		g->excess += len;
}

void weir__guard_wrote(struct weir_guard *g, size_t len, int rc, uint64_t epoch)
{
	struct weir_consumer_state st;

	if (g->broken)
		return;
	if (len == 0) {
		bool open = !g->wrap.ended && !weir__guard_over(g);

		BY_CONSUMER(g, FLOW_9, AT_WRITE, !open || rc == 0, "an empty write gives %s",
		            weir_err_name(rc));
		return;
	}
	BY_CONSUMER(g, DATA_2, AT_ENDED, rc < 0 || !g->call->closed,
	            "a %s after its end is accepted", g->call->what);
	if (rc == 0)
		accepted(g, len);
	else if (g->epoch == epoch && g->resuming)
		g->asked = g->turned_away = true; /* it may try a smaller one */
	if (!is_outermost(g))
		return;
	st = weir__guard_state(g);
	look_at_account(g, &st);
	if (!st.ended && !g->wrap.ended)
		look_at_marks(g, &st);
}

/* ---- ending ---- */

void weir__guard_ends(struct weir_guard *g, int why)
{
	if (g->broken || g->wrap.ended || g->failed || (why == 0 && g->finished))
		return;
	weir__guard_mark(g, AT_END);
	if (why)
		g->failed = true;
	else
		g->finished = true;
	g->gave_up = g->standing == LET_GO;
}

void weir__guard_ended(struct weir_guard *g, int why)
{
	struct weir_consumer_state st;

	if (g->broken)
		return;
	st = weir__guard_state(g);
	look_at_account(g, &st);
	if (why < 0) {
		BY_CONSUMER(g, END_4, AT_END, st.held == 0 && st.dropped == st.in - st.out,
		            "it failed: %llu in, %llu out, %llu held, %llu dropped", (ull)st.in,
		            (ull)st.out, (ull)st.held, (ull)st.dropped);
	} else {
		BY_CONSUMER(g, END_3, AT_END, st.held == 0 && st.out == st.in,
		            "it finished: %llu in, %llu out, %llu held", (ull)st.in, (ull)st.out,
		            (ull)st.held);
		BY_CONSUMER(g, END_9, AT_REGISTER, g->standing != REGISTERED,
		            "it finished, and a producer is registered");
	}
	weir__guard_mark(g, AT_ENDED);
	if (g->standing == REGISTERED)
		weir__guard_expect(g);
}

void weir__guard_wakes(struct weir_guard *g)
{
	if (g->broken || g->standing != REGISTERED || g->mode != WEIR_PULL)
		return;
	weir__guard_mark(g, AT_WAKE);
	g->woken = true;
	weir__guard_expect(g);
}
