/* SPDX-License-Identifier: MIT */
/* What must hold at every instant, after a turn, and at the end. */
#include <stdio.h>

#include "tck_priv.h"

/* Room for blocks that are charged whole, for one that expands. */
#define BLOCKS (2 * WEIR_BLOCK_LARGE)

#define PATIENCE_DEFAULT 2000

/* A subject is looked at as one flow; it may be a few inside, a quantum and a chunk each. */
#define STAGES 4

typedef unsigned long long ull;

struct weir_consumer_state weir__tck_state(const struct weir_tck *t)
{
	struct weir_consumer_state st = {0};

	if (t->made.flow.sink && !t->destroyed && !t->trace)
		weir_consumer_state(t->made.flow.sink, &st);
	return st;
}

uint64_t weir__tck_own(const struct weir_tck *t, uint64_t held)
{
	uint64_t behind = weir_valve_held(&t->behind.valve);

	if (!t->subject->traits.counts_behind)
		return held;
	return held > behind ? held - behind : 0;
}

/* What lies behind from before it was detached is not among `held`. */
uint64_t weir__tck_own_most(const struct weir_tck *t, uint64_t held)
{
	return t->let_go ? held : weir__tck_own(t, held);
}

uint64_t weir__tck_handed(const struct weir_tck *t)
{
	if (t->subject->traits.counts_behind && !t->let_go)
		return t->got;
	return t->got + weir_valve_held(&t->behind.valve);
}

/* ---- at every instant ---- */

/* Bytes that the subject holds: by what came out, or, when they may be outside, by its word. */
static uint64_t held_by(const struct weir_tck *t, const struct weir_consumer_state *st)
{
	uint64_t due = weir__tck_due(t), behind = weir_valve_held(&t->behind.valve);

	if (!t->made.flow.sink && !t->subject->feed)
		return 0; /* what it has not given is not made yet */
	if (t->subject->traits.outside || due == WEIR_TCK_NO_LENGTH || t->front_ended || t->died)
		return st->held;
	return due > t->got + behind ? due - t->got - behind : 0;
}

/* What seems to be held may be lost: that is known when all should have come. */
static void suspect(struct weir_tck *t, enum rule rule, bool is, uint64_t held, uint64_t other)
{
	weir__tck_holds(t, rule, true, "%s", "");
	if (is || t->suspect != NO_RULE)
		return;
	t->suspect = rule;
	snprintf(t->hint, sizeof(t->hint), "%llu bytes held, %s %llu", (ull)held,
		 rule == MEM_1 ? "the bound is" : "charged are", (ull)other);
}

static void look_at_memory(struct weir_tck *t, const struct weir_consumer_state *st)
{
	const struct weir_budget *b = t->ctx->pool.budget;
	uint64_t held = held_by(t, st);
	uint64_t most = t->n.high > t->n.hold ? t->n.high : t->n.hold;
	uint64_t bound = most + t->biggest + t->excess;
	uint64_t used = b->used - t->base_used - t->hog;

	if (st->held == 0 && held == 0)
		t->excess = 0;
	if (t->part)
		return;
	if (t->subject->out_length) {
		bound += weir_valve_held(&t->behind.valve) + BLOCKS;
		if (most && t->subject->out_length(t->subject->arg, 1000) > 1000)
			weir__tck_holds(t, MEM_4, used <= bound + BLOCKS,
					"%llu bytes are charged, %llu are its share", (ull)used,
					(ull)bound);
		return;
	}
	if (held == 0)
		return;
	if (most)
		suspect(t, MEM_1, held <= bound, held, bound);
	suspect(t, MEM_2, used >= held && b->used <= b->limit, held, used);
}

/* What calls from inside callbacks leave behind. */
static void look_at_binding(struct weir_tck *t, const struct tck_source *s)
{
	struct weir_consumer *c = t->made.flow.sink;
	bool here = weir_consumer_producer(c) == &s->base;

	weir__tck_holds(t, REG_8, here == (s->base.consumer == c),
			"the consumer says that it has the producer: %d, the producer: %d", here,
			s->base.consumer == c);
	if (s->standing == REGISTERED && !t->front_ended)
		weir__tck_holds(t, REG_8, here, "the producer is gone without a stop");
}

static void look_at_producer(struct weir_tck *t, uint64_t held)
{
	struct tck_source *s = weir__tck_registered(t);

	if (!s || s->base.mode != WEIR_PUSH || t->front_ended || t->depth)
		return;
	if (t->n.high && held >= t->n.high)
		weir__tck_holds(t, FLOW_3, s->paused,
				"%llu bytes held, the high mark is %zu, and no pause", (ull)held,
				t->n.high);
	if (t->refused && t->hog)
		weir__tck_holds(t, MEM_3, s->paused || s->pauses > t->refused_pauses,
				"a write met a full budget, and no pause followed");
	t->refused = false;
}

void weir__tck_look(struct weir_tck *t)
{
	struct weir_consumer_state st;

	if (t->quiet || t->destroyed || t->trace)
		return;
	st = weir__tck_state(t);
	if (t->made.flow.sink) {
		weir__tck_holds(t, OBS_1, st.in == st.out + st.held + st.dropped,
				"%llu in, %llu out, %llu held, %llu dropped", (ull)st.in, (ull)st.out,
				(ull)st.held, (ull)st.dropped);
		for (unsigned i = 0; i < 2; i++)
			/* In Twisted's profile the place is taken until the stop has been told. */
			if (t->source[i].standing != UNUSED && t->reacted &&
			    !(t->subject->traits.twisted && t->depth))
				look_at_binding(t, &t->source[i]);
		look_at_producer(t, weir__tck_own(t, st.held));
	}
	if (t->depth)
		return;
	if (t->made.flow.sink && !t->failed && !t->died && !t->torn)
		weir__tck_holds(t, OBS_1, st.in == t->in, "it accepted %llu bytes and says %llu",
				(ull)t->in, (ull)st.in);
	look_at_memory(t, &st);
}

/* ---- a turn ---- */

/* A producer that has nothing more to wait for. */
struct due {
	struct tck_source *s;
	unsigned pauses, resumes, registrations;
};

static struct due due_now(struct weir_tck *t)
{
	struct tck_source *s = weir__tck_registered(t);
	struct weir_consumer_state st = weir__tck_state(t);
	struct due due = {0};
	bool asks = s && (s->base.mode == WEIR_PUSH ? s->paused : !s->parked || s->woken);

	if (!asks || t->destroyed || t->front_ended || weir__tck_own_most(t, st.held) > t->n.low || t->finished || t->hog || t->failed ||
	    t->died)
		return due;
	if (st.holds & ~(unsigned)WEIR_HOLD_FULL)
		return due;
	due.s = s;
	due.pauses = s->pauses;
	due.resumes = s->resumes;
	due.registrations = t->registrations;
	return due;
}

static void look_at_due(struct weir_tck *t, const struct due *due)
{
	struct weir_consumer_state st = weir__tck_state(t);
	struct tck_source *s = due->s;

	if (!s || s->standing != REGISTERED || t->front_ended || s->pauses != due->pauses ||
	    t->registrations != due->registrations)
		return;
	if (weir__tck_own_most(t, st.held) > t->n.low || st.holds & ~(unsigned)WEIR_HOLD_FULL || t->finished)
		return;
	weir__tck_holds(t, s->woken ? FLOW_5 : FLOW_4, s->resumes > due->resumes,
			"a turn, %llu bytes held, and a producer that %s is not resumed",
			(ull)st.held, s->woken ? "woke it" : "waits");
}

bool weir__tck_has_supply(struct weir_tck *t)
{
	if (t->made.flow.sink)
		return t->supply && weir__tck_registered(t);
	return t->supply && t->subject->feed && !t->finished;
}

/* Bytes that are out, but for the end, are not seen. */
static bool comes_later(struct weir_tck *t)
{
	return t->subject->traits.comes_whole && (!t->finished || weir__tck_registered(t));
}

/* A producer that waits for the budget, and had no reserve when that was filled. */
static bool is_starved(const struct weir_tck *t, const struct tck_source *s)
{
	return t->hog && !t->reserved && s && s->paused;
}

bool weir__tck_waits(struct weir_tck *t)
{
	const struct tck_source *s = weir__tck_registered(t);
	bool open = t->made.flow.source ? t->behind.window && !t->behind.held : t->window;
	bool sink = t->made.flow.sink != NULL;
	int why;

	if (t->quiet || t->destroyed)
		return false;
	if (t->died && t->subject->outcome)
		return !t->subject->outcome(t->made.self, &why);
	if (sink && (t->died || t->failed))
		return !t->front_ended || (s && !s->stops);
	if (t->died || !open)
		return false;
	if (t->failed)
		return !t->far_ended;
	if (t->made.flow.source && !t->made.flow.source->consumer && !t->behind.ended)
		return false;
	if (t->got < weir__tck_due(t) && !comes_later(t))
		return true;
	if (weir__tck_has_supply(t) && !is_starved(t, s))
		return true;
	if (s && s->paused && !t->hog)
		return true;
	if (!t->finished || s)
		return false;
	if (t->subject->outcome && !t->subject->outcome(t->made.self, &why))
		return true;
	return (sink && !t->front_ended) || ((t->made.flow.source || !sink) && !t->far_ended);
}

static void turn_outside(struct weir_tck *t)
{
	unsigned patience = t->options->patience ? t->options->patience : PATIENCE_DEFAULT;
	bool moved = false;

	t->depth++;
	for (unsigned i = 0; i < patience && (i < 2 || moved || weir__tck_waits(t)); i++) {
		uint64_t before = t->in + t->got;

		t->options->turn(t->options->arg);
		t->depth--;
		weir__tck_pump(t);
		t->depth++;
		moved = t->in + t->got != before && !weir__tck_is_endless(t);
		if (moved && i > 2)
			i = 2;
	}
	t->depth--;
}

/* What was held before the turn may go on in it too. */
static void look_at_quantum(struct weir_tck *t, uint64_t held)
{
	size_t quantum = t->ctx->quantum;
	uint64_t moved = t->made.flow.sink ? t->turn_in : t->turn_out;
	uint64_t chunk = t->made.flow.sink ? t->biggest : t->behind.biggest;
	uint64_t most = STAGES * (quantum + chunk) + (t->made.flow.sink ? 0 : held);

	if (moved && weir__tck_fake(t))
		weir__tck_holds(t, FLOW_10, moved <= most,
				"%llu bytes moved in a turn, the quantum is %zu", (ull)moved, quantum);
}

void weir__tck_turn(struct weir_tck *t)
{
	struct due due = due_now(t);
	uint64_t held = weir_valve_held(&t->behind.valve);

	t->turn_in = t->turn_out = 0;
	if (weir__tck_fake(t)) {
		t->depth++;
		weir_context_run(t->ctx);
		t->depth--;
	} else {
		turn_outside(t);
	}
	look_at_quantum(t, held);
	look_at_due(t, &due);
	weir__tck_look(t);
	weir__tck_pump(t);
}

/* ---- the end ---- */

static void look_at_failure(struct weir_tck *t)
{
	struct weir_consumer_state st = weir__tck_state(t);
	const struct weir_tck_traits *is = &t->subject->traits;
	bool sink = t->made.flow.sink != NULL;

	/* Its end was told when what lies outside had all. */
	if (is->outside && t->died && t->finished && t->front_ended && t->front_why == 0)
		t->whole = true;
	if (sink) {
		weir__tck_holds(t, END_1, st.ended && (t->whole || (st.why < 0 && t->front_why < 0)),
				"it was cut, and says that it %s with %d", st.ended ? "ended" : "goes on",
				st.why);
		if (t->was_held)
			weir__tck_holds(t, END_4, st.held == 0 && st.dropped == st.in - st.out,
					"%llu in, %llu out, %llu dropped", (ull)st.in, (ull)st.out,
					(ull)st.dropped);
		if (t->cause && !t->whole && (!is->loses_cause || t->failed))
			weir__tck_holds(t, END_10, t->front_why == t->cause,
					"it ends with %s in place of %s", weir_err_name(t->front_why),
					weir_err_name(t->cause));
		if (!is->outside && !t->subject->out_length && !t->torn && !t->let_go &&
		    (is->counts_behind || !t->made.flow.source))
			weir__tck_holds(t, END_10, st.out == t->got,
					"it says that %llu bytes were handed on, and %llu were",
					(ull)st.out, (ull)t->got);
	}
	if (t->failed && !t->whole && !is->sink_cannot_fail && (t->made.flow.source || t->far_ended))
		weir__tck_holds(t, END_5, t->far_ended && t->far_why < 0,
				"it was failed, and its far side is told %s",
				t->far_ended ? "nothing of it" : "nothing");
}

/* Who was registered when the consumer died must have been told. */
static void look_at_death(struct weir_tck *t)
{
	struct tck_source *s = weir__tck_registered(t);

	int why = 0;

	if (!t->made.flow.sink) {
		weir__tck_holds(t, END_2, true, "%s", ""); /* it is silent: see tck_sink.c */
		if (t->subject->outcome)
			/* All may have been handed on before. */
			weir__tck_holds(t, END_8,
					t->subject->outcome(t->made.self, &why) &&
						(why < 0 || (t->finished && t->subject->traits.outside)),
					"its far side is gone, and its outcome is %d", why);
		return;
	}
	if (!t->front_ended || s) {
		if (s)
			s->parked = false; /* that byte is as good as one of its own */
		if (weir_consumer_write(t->made.flow.sink, "x", 1) == 0)
			weir__tck_turn(t);
		weir__tck_holds(t, t->front_ended && !weir__tck_registered(t) ? END_8 : END_2, false,
				"its far side is gone, and %s%s",
				s ? "the producer is not stopped" : "it does not end",
				t->front_ended ? " before a write" : "");
		return;
	}
	weir__tck_holds(t, END_8, true, "%s", "");
	weir__tck_holds(t, END_2, true, "%s", "");
}

static void look_at_stream(struct weir_tck *t)
{
	uint64_t due = weir__tck_due(t);

	if (due == WEIR_TCK_NO_LENGTH || weir__tck_is_endless(t))
		return;
	if (t->far_ended || t->front_ended)
		weir__tck_holds(t, DATA_1, t->got >= due, "%llu of %llu bytes came out", (ull)t->got,
				(ull)due);
	if (comes_later(t))
		due = t->got;
	weir__tck_holds(t, FLOW_4, t->got >= due && !weir__tck_has_supply(t),
			"it stands still, with %llu of %llu bytes out and %llu to come", (ull)t->got,
			(ull)due, (ull)t->supply);
	weir__tck_holds(t, DATA_1, t->got == due, "%llu bytes came out of %llu", (ull)t->got,
			(ull)due);
	if (t->suspect != NO_RULE)
		weir__tck_holds(t, t->suspect, false, "%s", t->hint);
	if (t->got)
		weir__tck_holds(t, DATA_4, true, "%s", "");
	if (t->squeezed)
		weir__tck_holds(t, MEM_3, true, "%s", "");
	if (t->paths & 1)
		weir__tck_holds(t, DATA_5, true, "%s", "");
	if (t->paths & 2)
		weir__tck_holds(t, DATA_3, true, "%s", "");
}

static void finish(struct weir_tck *t)
{
	if (weir__tck_registered(t)) {
		if (t->source[1].standing == REGISTERED && t->left_paused)
			weir__tck_holds(t, REG_6, true, "%s", "");
		weir__tck_call(t, CALL_UNREGISTER, 0);
		weir__tck_holds(t, REG_7, true, "%s", "");
	}
	weir__tck_call(t, CALL_FINISH, 0);
	weir__tck_call(t, CALL_PLAY, 0);
}

static void look_at_finish(struct weir_tck *t)
{
	bool far = t->made.flow.source || !t->made.flow.sink;
	int why = 1; /* none yet */

	if (weir__tck_due(t) == WEIR_TCK_NO_LENGTH) {
		if (!weir__tck_is_endless(t))
			weir__tck_holds(t, END_5, t->front_why < 0 || (far && t->far_why < 0),
					"a truncated stream has finished");
		return;
	}
	weir__tck_holds(t, t->in ? END_3 : END_6, !t->made.flow.sink || t->front_ended,
			"it was finished, and does not end");
	weir__tck_holds(t, t->in ? END_3 : END_6, !far || t->far_ended,
			"it was finished, and its far side is not told");
	if (t->subject->outcome)
		weir__tck_holds(t, t->in ? END_3 : END_6,
				t->subject->outcome(t->made.self, &why) && why == 0,
				"it was finished, and its outcome is %d", why);
	if (!t->subject->traits.twisted)
		weir__tck_holds(t, t->in ? END_3 : END_6, t->front_why == 0 && t->far_why == 0,
				"it was finished, and fails with %s",
				weir_err_name(t->front_why ? t->front_why : t->far_why));
}

void weir__tck_look_at_end(struct weir_tck *t)
{
	if (t->late && !t->died && !t->failed) {
		weir__tck_holds(t, END_9, t->front_ended, "the deadline of a finish, and no end");
		return;
	}
	if (t->died)
		look_at_death(t);
	if (t->died || t->failed) {
		look_at_failure(t);
		return;
	}
	look_at_stream(t);
	if (!t->quiet)
		finish(t);
	if (!t->quiet)
		look_at_stream(t);
	look_at_finish(t);
}

void weir__tck_look_at_rest(struct weir_tck *t)
{
	unsigned patience = t->options->patience ? t->options->patience : PATIENCE_DEFAULT;
	const struct weir_budget *b = t->ctx->pool.budget;

	for (unsigned i = 0; !weir__tck_fake(t) && i < patience &&
			     (b->used != t->base_used || t->ctx->pool.taken != t->base_taken);
	     i++)
		t->options->turn(t->options->arg);
	t->quiet = false;
	weir__tck_holds(t, MEM_6, b->used == t->base_used && t->ctx->pool.taken == t->base_taken,
			"it was released, and %zu bytes are charged, %zu blocks held",
			b->used - t->base_used, t->ctx->pool.taken - t->base_taken);
	if (t->ctx == &t->own_ctx)
		weir__tck_holds(t, END_7, weir_context_next(t->ctx) == WEIR_NEVER,
				"it was released, and a task or a timer is left");
	t->quiet = true;
}
