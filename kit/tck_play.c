/* SPDX-License-Identifier: MIT */
/* One play: the world, the calls, the winding up, the release. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tck_priv.h"

/* Turns in which nothing moves, after which what is still at work never comes to rest. */
#define TURNS_MAX 20000

/* Turns, and bytes in each, of a stream that has no end. */
#define ENDLESS_TURNS 3
#define ENDLESS_QUANTUM 65536

/* Those that Twisted's profile does not keep. */
static bool strict_only(enum rule rule)
{
	return weir__tck_rule(rule).strict_only;
}

bool weir__tck_holds(struct weir_tck *t, enum rule rule, bool is, const char *format, ...)
{
	va_list args;

	if (t->quiet || t->trace || (t->subject->traits.twisted && strict_only(rule)))
		return true;
	t->seen |= UINT64_C(1) << rule;
	if (is)
		return true;
	t->quiet = true;
	t->broken = rule;
	va_start(args, format);
	vsnprintf(t->why, sizeof(t->why), format, args);
	va_end(args);
	return false;
}

uint64_t weir__tck_due(const struct weir_tck *t)
{
	const struct weir_tck_subject *s = t->subject;

	return s->out_length ? s->out_length(s->arg, t->in) : t->in;
}

/* ---- the world ---- */

static uint64_t now(void *arg)
{
	return ((struct weir_tck *)arg)->now;
}

static void open_world(struct weir_tck *t, struct weir_context *ctx)
{
	t->ctx = ctx ? ctx : t->options->ctx;
	if (!t->ctx) {
		t->now = WEIR_NS_PER_S;
		weir_budget_init(&t->own_budget, WEIR_BUDGET_DEFAULT);
		weir_context_init(&t->own_ctx, &t->own_budget, now, NULL, t);
		t->ctx = &t->own_ctx;
	}
	t->base_used = t->ctx->pool.budget->used;
	t->base_taken = t->ctx->pool.taken;
	t->quantum = t->ctx->quantum;
}

static void close_world(struct weir_tck *t)
{
	t->ctx->quantum = t->quantum;
	/* A pool whose blocks are still held cannot be released. */
	if (t->ctx == &t->own_ctx && t->ctx->pool.taken == 0)
		weir_context_fini(&t->own_ctx);
}

struct weir_context *weir_tck_context(struct weir_tck *kit)
{
	return kit->ctx;
}

static void relax(struct weir_tck *t)
{
	size_t hog = t->hog;

	t->hog = 0;
	if (hog)
		weir_budget_credit(t->ctx->pool.budget, hog);
}

static void squeeze(struct weir_tck *t, uint64_t left)
{
	size_t room;

	relax(t);
	room = weir_budget_room(t->ctx->pool.budget);
	t->squeezed = true;
	t->reserved = weir__tck_registered(t) != NULL;
	if (room > left && weir_budget_charge(t->ctx->pool.budget, room - (size_t)left))
		t->hog = room - (size_t)left;
}

static void set_clock(struct weir_tck *t, uint64_t time)
{
	uint64_t wait = t->n.finish_wait_ns;

	t->now = time;
	if (t->finished && wait && wait != WEIR_NEVER && time >= t->finish_at + wait)
		t->late = true;
}

/* One who had its reserve before the budget was full can go on, if slowly. */
static void look_at_budget(struct weir_tck *t)
{
	struct tck_source *s = weir__tck_registered(t);

	if (!t->hog || !t->reserved || !s || t->chunk > WEIR_FLOW_RESERVE || t->died || t->failed ||
	    t->depth || t->destroyed)
		return;
	if (weir__tck_waits(t))
		weir__tck_holds(t, MEM_3, false, "it stands still while the budget is full");
}

/* Turns until nothing is due any more; the kit's clock jumps to the deadlines. */
static void play_on(struct weir_tck *t)
{
	unsigned turns = 0;

	if (!weir__tck_fake(t)) {
		weir__tck_turn(t);
		return;
	}
	while (!t->quiet || t->destroyed) {
		uint64_t next = weir_context_next(t->ctx);
		bool waits = !t->destroyed && weir__tck_waits(t);
		uint64_t before = t->in + t->got;

		/* Time passes when there is nothing else to do. */
		if (next > t->now) {
			weir__tck_pump(t);
			if (t->in + t->got != before || weir_context_next(t->ctx) != next)
				continue;
			if (next == WEIR_NEVER || !waits)
				return;
			set_clock(t, next);
		}
		if (!weir__tck_holds(t, FLOW_10, ++turns < TURNS_MAX, "it does not come to rest") ||
		    turns > TURNS_MAX)
			return;
		weir__tck_turn(t);
		if (weir__tck_is_endless(t) && turns == ENDLESS_TURNS)
			return;
		if (t->in + t->got != before && !weir__tck_is_endless(t))
			turns = 0;
	}
}

/* ---- the calls ---- */

static void advance(struct weir_tck *t, uint64_t ns)
{
	if (!weir__tck_fake(t) || ns > WEIR_NEVER / 2)
		return;
	set_clock(t, t->now + ns);
	weir__tck_turn(t);
}

static void set_marks(struct weir_tck *t, uint64_t high)
{
	struct weir_tck_numbers old = t->n;

	if (!t->subject->set_marks || !high || high > ((uint64_t)1 << 30))
		return;
	t->excess += weir__tck_state(t).held;
	t->n.high = (size_t)high;
	t->n.low = t->subject->traits.twisted ? 0 : (size_t)high / 4; /* that profile has none */
	t->n.limit = (size_t)high * 2 + 1000;
	if (t->subject->set_marks(t->made.self, t->n.high, t->n.low, t->n.limit) < 0)
		t->n = old;
}

static void take(struct weir_tck *t, uint64_t max)
{
	if (t->made.flow.source) {
		weir__tck_sink_take(&t->behind, max);
	} else if (t->subject->take) {
		t->window = max;
		t->subject->take(t->made.self, max < SIZE_MAX ? (size_t)max : SIZE_MAX);
	}
}

static void die(struct weir_tck *t)
{
	bool sink_dies = t->made.flow.source != NULL;
	int why;

	if (sink_dies && !t->behind.wrap.front.producer && !t->behind.ended)
		return; /* nobody is there who would see it */
	if (t->died || t->failed || t->far_ended || t->front_ended || (!sink_dies && !t->subject->die))
		return;
	if (t->subject->outcome && t->subject->outcome(t->made.self, &why))
		return;
	t->died = true;
	t->torn = t->torn || t->inside_out;
	t->cause = -ECONNRESET;
	t->was_held = weir__tck_due(t) > t->got;
	if (sink_dies)
		weir_valve_die(&t->behind.valve, t->cause);
	else
		t->subject->die(t->made.self, t->cause);
}

static void hold(struct weir_tck *t, bool on)
{
	if (!t->made.flow.source)
		return;
	t->behind.held = on;
	if (on)
		weir_valve_hold(&t->behind.valve, WEIR_HOLD_USER);
	else
		weir_valve_release(&t->behind.valve, WEIR_HOLD_USER);
}

static void release(struct weir_tck *t)
{
	if (t->destroyed)
		return;
	t->destroyed = true;
	t->quiet = true;
	if (t->made.flow.sink && !t->front_ended)
		weir_consumer_unwatch_end(t->made.flow.sink, &t->watch);
	if (t->made.flow.sink && weir_consumer_producer(t->made.flow.sink))
		weir_consumer_unregister(t->made.flow.sink);
	weir__tck_sink_fini(&t->behind);
	t->subject->destroy(t->made.self);
}

static void cut(struct weir_tck *t)
{
	const struct tck_source *s = weir__tck_registered(t);

	if (t->destroyed)
		return;
	t->destroyed = true;
	t->cause = 0; /* that of the release is as good */
	t->subject->destroy(t->made.self);
	if (s && weir__tck_fake(t))
		play_on(t);
	if (s)
		weir__tck_holds(t, END_7, !s->base.consumer,
				"it was released, and its producer still has it for a consumer");
	t->quiet = true;
	weir__tck_sink_fini(&t->behind);
}

static void wake(struct weir_tck *t)
{
	struct tck_source *s = weir__tck_registered(t);

	if (!t->made.flow.sink)
		return;
	if (s && s->parked)
		s->woken = true;
	weir_consumer_wake(t->made.flow.sink);
}

static void call_front(struct weir_tck *t, enum call call, uint64_t value)
{
	switch (call) {
	case CALL_REGISTER_PUSH: weir__tck_register(t, &t->source[0], WEIR_PUSH); break;
	case CALL_REGISTER_PULL: weir__tck_register(t, &t->source[0], WEIR_PULL); break;
	case CALL_OTHER_PUSH: weir__tck_register(t, &t->source[1], WEIR_PUSH); break;
	case CALL_OTHER_PULL: weir__tck_register(t, &t->source[1], WEIR_PULL); break;
	case CALL_UNREGISTER: weir__tck_unregister(t); break;
	case CALL_WRITE: weir__tck_write(t, value, false); break;
	case CALL_GIVE: weir__tck_write(t, value, true); break;
	case CALL_SUPPLY:
		t->supply += value;
		wake(t);
		break;
	case CALL_CHUNK: t->chunk = value; break;
	case CALL_FINISH: weir__tck_end(t, 0); break;
	case CALL_FAIL: weir__tck_end(t, -EIO); break;
	case CALL_MARKS: set_marks(t, value); break;
	case CALL_ROOM:
		if (t->made.flow.sink)
			weir_consumer_room(t->made.flow.sink);
		break;
	case CALL_WAKE: wake(t); break;
	default: break;
	}
}

static void call_behind(struct weir_tck *t, enum call call, uint64_t value)
{
	switch (call) {
	case CALL_TAKE: take(t, value); break;
	case CALL_DIE: die(t); break;
	case CALL_HOLD: hold(t, true); break;
	case CALL_RELEASE: hold(t, false); break;
	case CALL_ATTACH_PUSH: weir__tck_sink_attach(&t->behind, WEIR_PUSH); break;
	case CALL_ATTACH_PULL: weir__tck_sink_attach(&t->behind, WEIR_PULL); break;
	case CALL_DETACH:
		t->let_go = true;
		weir__tck_sink_detach(&t->behind);
		break;
	case CALL_QUANTUM: t->ctx->quantum = value ? (size_t)value : t->quantum; break;
	case CALL_SQUEEZE: squeeze(t, value); break;
	case CALL_RELAX: relax(t); break;
	case CALL_PATH:
		if (t->subject->set_path && t->subject->set_path(t->made.self, (unsigned)value))
			t->paths |= t->next ? 2 : 1;
		break;
	default: break;
	}
}

/* What moves the loop is not done from inside it. */
static void call_world(struct weir_tck *t, enum call call, uint64_t value)
{
	if (t->depth)
		return;
	if (call == CALL_TURN) {
		weir__tck_turn(t);
	} else if (call == CALL_PLAY) {
		play_on(t);
		look_at_budget(t);
	} else if (call == CALL_ADVANCE) {
		advance(t, value);
	} else if (call == CALL_DESTROY) {
		cut(t);
	}
}

void weir__tck_call(struct weir_tck *t, enum call call, uint64_t value)
{
	if (t->quiet || t->destroyed)
		return;
	call_world(t, call, value);
	t->depth++;
	call_front(t, call, value);
	call_behind(t, call, value);
	t->depth--;
	weir__tck_watch(t);
	weir__tck_look(t);
}

void weir__tck_react(struct weir_tck *t, enum event event)
{
	weir__tck_note(t, event);
	for (unsigned i = 0; i < t->inside_count && !t->quiet; i++) {
		struct step step = t->inside[i];

		if (step.event != event)
			continue;
		t->inside_count--;
		t->reacted = true;
		if (event == EVENT_RESUME)
			weir__tck_holds(t, FLOW_6, true, "%s", "");
		memmove(&t->inside[i], &t->inside[i + 1],
			(t->inside_count - i) * sizeof(t->inside[0]));
		weir__tck_call(t, step.call, step.value);
		return;
	}
}

/* ---- the play ---- */

static void on_front_end(void *arg, int why)
{
	struct weir_tck *t = arg;

	weir__tck_look_at_thread(t);
	weir__tck_holds(t, END_1, !t->front_ended, "its end is told twice");
	t->front_ended = true;
	t->front_why = why;
	if (why == 0 && !t->subject->traits.outside)
		weir__tck_holds(t, END_3, t->finished && weir__tck_due(t) == weir__tck_handed(t),
				"it has finished, with %llu of %llu bytes out of its far side",
				(unsigned long long)weir__tck_handed(t),
				(unsigned long long)weir__tck_due(t));
	if (why == 0)
		weir__tck_holds(t, END_5, !t->failed || t->whole, "it was failed, and says that it has finished");
	weir__tck_react(t, EVENT_END);
}

static void own_bytes(struct weir_tck *t)
{
	if (t->made.flow.sink || t->subject->feed)
		return;
	t->in = t->subject->numbers.length;
	t->finished = !weir__tck_is_endless(t);
	if (weir__tck_is_endless(t))
		t->ctx->quantum = ENDLESS_QUANTUM;
}

int weir__tck_open(struct weir_tck *t, const struct weir_tck_subject *subject,
		   const struct weir_tck_options *options, struct weir_context *ctx)
{
	struct tck_trace *trace = t->trace;
	uint64_t seen = t->seen;
	int rc;

	memset(t, 0, sizeof(*t));
	t->seen = seen;
	t->trace = trace;
	t->subject = subject;
	t->options = options;
	t->n = subject->numbers;
	t->broken = t->suspect = NO_RULE;
	t->thread = weir__tck_this_thread();
	t->window = ALL;
	t->chunk = 1000;
	open_world(t, ctx);
	for (unsigned i = 0; i < 2; i++)
		weir__tck_source_init(&t->source[i], t);
	rc = weir__tck_sink_init(&t->behind, t);
	if (rc == 0)
		rc = subject->make(subject->arg, t, &t->made);
	if (rc < 0) {
		weir_valve_fini(&t->behind.valve);
		close_world(t);
		return rc;
	}
	t->is_made = true;
	rc = weir__tck_begin_watching(t);
	if (rc < 0) {
		t->quiet = t->moot = true;
		weir__tck_close(t);
		return rc;
	}
	if (t->made.flow.sink)
		weir_consumer_watch_end(t->made.flow.sink, &t->watch, on_front_end, t);
	own_bytes(t);
	return 0;
}

void weir__tck_wind_up(struct weir_tck *t)
{
	t->inside_count = 0;
	weir__tck_call(t, CALL_RELAX, 0);
	weir__tck_call(t, CALL_RELEASE, 0);
	if (t->made.flow.source && !t->made.flow.source->consumer)
		weir__tck_call(t, t->subject->traits.pull_only ? CALL_ATTACH_PULL : CALL_ATTACH_PUSH, 0);
	weir__tck_call(t, CALL_TAKE, ALL);
	weir__tck_call(t, CALL_PLAY, 0);
	if (!t->quiet)
		weir__tck_look_at_end(t);
}

void weir__tck_close(struct weir_tck *t)
{
	bool broken = t->broken != NO_RULE || t->moot;

	t->inside_count = 0;
	relax(t);
	if (t->is_made)
		release(t);
	t->quiet = broken;
	play_on(t);
	if (!broken)
		weir__tck_look_at_rest(t);
	close_world(t);
}

int weir__tck_play(struct weir_tck *t, const struct weir_tck_subject *subject,
		   const struct weir_tck_options *options, const struct schedule *schedule)
{
	char here;
	int rc = weir__tck_open(t, subject, options, NULL);
	bool attached = false;

	if (rc < 0)
		return rc;
	t->stack = &here;
	for (unsigned i = 0; i < schedule->count; i++)
		attached = attached || schedule->steps[i].call == CALL_ATTACH_PUSH ||
			   schedule->steps[i].call == CALL_ATTACH_PULL;
	if (!attached)
		weir__tck_call(t, subject->traits.pull_only ? CALL_ATTACH_PULL : CALL_ATTACH_PUSH, 0);
	for (unsigned i = 0; i < schedule->count && !t->quiet; i++) {
		const struct step *step = &schedule->steps[i];

		if (step->event != EVENT_NOW)
			t->inside[t->inside_count++] = *step;
		else
			weir__tck_call(t, step->call, step->value);
	}
	if (!t->destroyed)
		weir__tck_wind_up(t);
	weir__tck_close(t);
	return 0;
}
