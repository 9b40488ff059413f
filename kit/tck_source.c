/* SPDX-License-Identifier: MIT */
/* The kit's source in front of the subject: what a consumer may tell its producer, and when. */
#include <stdio.h>

#include "tck_priv.h"

/* More than a loop needs, less than a million nested calls. */
#define STACK_MAX ((ptrdiff_t)256 << 10)

/* Writes of a push source in one turn. */
#define WRITES_A_TURN 8

static struct tck_source *source_from(struct weir_producer *p)
{
	return (struct tck_source *)p;
}

void weir__tck_look_at_stack(struct weir_tck *t)
{
	char here;
	ptrdiff_t used = (ptrdiff_t)((uintptr_t)t->stack - (uintptr_t)&here);

	if (!t->stack)
		return;
	if (used < 0)
		used = -used;
	if (used > STACK_MAX)
		weir__tck_holds(t, FLOW_7, false, "%td bytes of stack below the caller", used);
}

const char *weir__tck_this_thread(void)
{
	static _Thread_local char here; /* at another address in each thread */

	return &here;
}

void weir__tck_look_at_thread(struct weir_tck *t)
{
	weir__tck_holds(t, FLOW_8, t->thread == weir__tck_this_thread(), "a call from another thread");
}

/* Whether it may be told anything at all now. */
static void told(struct tck_source *s, enum event event)
{
	struct weir_tck *t = s->t;
	const char *what = weir__tck_event_names[event];

	weir__tck_look_at_thread(t);
	s->signals++;
	if (t->destroyed && s->standing != REGISTERED)
		weir__tck_holds(t, END_7, false, "a %s after it was released", what);
	if (t->empty_write)
		weir__tck_holds(t, FLOW_9, false, "an empty write was answered by a %s", what);
	if (s->standing == UNUSED)
		weir__tck_holds(t, REG_1, false, "a %s for a producer that is not registered", what);
	if (s->standing == LET_GO)
		weir__tck_holds(t, REG_5, false, "a %s after the producer was unregistered", what);
	if (s->standing == STOPPED)
		weir__tck_holds(t, t->registering == s ? REG_2 : END_2, false, "a %s after the stop", what);
}

static void on_start(struct weir_producer *p)
{
	struct tck_source *s = source_from(p);

	told(s, EVENT_START);
	weir__tck_react(s->t, EVENT_START);
}

static void on_pause(struct weir_producer *p)
{
	struct tck_source *s = source_from(p);
	struct weir_tck *t = s->t;
	struct weir_consumer_state st = weir__tck_state(t);

	told(s, EVENT_PAUSE);
	weir__tck_holds(t, FLOW_1, p->mode == WEIR_PUSH, "a pull producer was paused");
	weir__tck_holds(t, FLOW_1, !s->paused, "a second pause without a resume between");
	if (t->n.high && !t->hog && !s->starting && !(st.holds & ~(unsigned)WEIR_HOLD_FULL))
		weir__tck_holds(t, FLOW_3, weir__tck_own_most(t, st.held) >= t->n.high,
				"a pause with %llu bytes held, below the high mark of %zu",
				(unsigned long long)st.held, t->n.high);
	s->paused = true;
	s->full = st.holds & WEIR_HOLD_FULL && weir__tck_own(t, st.held) >= t->n.high;
	s->pauses++;
	weir__tck_react(t, EVENT_PAUSE);
}

/* The next bytes of the supply, one write. */
static bool write_some(struct tck_source *s)
{
	struct weir_tck *t = s->t;
	uint64_t len = t->supply < t->chunk ? t->supply : t->chunk;
	uint64_t before = t->in;

	/* A larger one might be refused for ever: one who is not paused finds less than the high
	 * mark held. */
	if (t->n.limit && len > t->n.limit - t->n.high + 1)
		len = t->n.limit - t->n.high + 1;
	if (len == 0 || t->quiet || t->destroyed || s->standing != REGISTERED)
		return false;
	s->put_off = t->writes && t->hog; /* see weir__tck_write() */
	t->supply -= len;
	weir__tck_write(t, len, false);
	if (t->in == before)
		t->supply += len;
	return t->in != before;
}

static void look_at_pull(struct tck_source *s)
{
	struct weir_tck *t = s->t;

	/* Twisted's are asked again whenever something was sent. */
	weir__tck_holds(t, s->starting ? REG_3 : FLOW_5, !s->parked || s->woken || t->subject->traits.twisted,
			"asked again, though it had said \"nothing yet\"");
	weir__tck_look_at_stack(t);
	if (s->resumes > 100000)
		weir__tck_holds(t, FLOW_7, true, "%s", "");
}

static void look_at_push(struct tck_source *s)
{
	struct weir_tck *t = s->t;
	bool owed = s->pauses == 0 && t->left_paused;

	weir__tck_holds(t, owed ? REG_6 : FLOW_1, s->paused, "a resume without a pause%s",
			owed ? ": the producer before was paused" : "");
}

static void on_resume(struct weir_producer *p)
{
	struct tck_source *s = source_from(p);
	struct weir_tck *t = s->t;
	struct weir_consumer_state st = weir__tck_state(t);

	told(s, EVENT_RESUME);
	if (p->mode == WEIR_PULL)
		look_at_pull(s);
	else
		look_at_push(s);
	if (t->n.high && (p->mode == WEIR_PULL || s->full))
		weir__tck_holds(t, FLOW_3, weir__tck_own(t, st.held) <= t->n.low,
				"a resume with %llu bytes held, above the low mark of %zu",
				(unsigned long long)st.held, t->n.low);
	s->paused = s->full = s->parked = s->woken = s->answered = false;
	s->resumes++;
	s->pulled = p->mode == WEIR_PULL;
	weir__tck_react(t, EVENT_RESUME);
	if (s->pulled && !s->answered)
		write_some(s);
	s->pulled = false;
	if (p->mode == WEIR_PULL && s->standing == REGISTERED && !s->answered)
		s->parked = true;
}

/* Whether a producer that is registered has to be stopped now or may be. */
static bool is_reason_to_stop(const struct weir_tck *t)
{
	return t->failed || t->died || t->destroyed || t->late || t->registering || t->limited;
}

static void on_stop(struct weir_producer *p, int why)
{
	struct tck_source *s = source_from(p);
	struct weir_tck *t = s->t;

	told(s, EVENT_STOP);
	weir__tck_holds(t, END_2, why < 0, "a stop without a reason: %d", why);
	weir__tck_holds(t, REG_8, !p->consumer, "stopped, and still registered");
	if (t->finished)
		weir__tck_holds(t, END_9, is_reason_to_stop(t),
				"a stop before the deadline of the finish");
	else
		weir__tck_holds(t, END_2, is_reason_to_stop(t), "a stop, though nothing has ended");
	if (t->died && t->cause && !t->registering && !t->subject->traits.loses_cause)
		weir__tck_holds(t, END_10, why == t->cause, "stopped with %s in place of %s",
				weir_err_name(why), weir_err_name(t->cause));
	s->standing = STOPPED;
	s->stops++;
	weir__tck_react(t, EVENT_STOP);
}

static const struct weir_producer_ops ops = {
	.name = "the kit's source",
	.start = on_start,
	.pause = on_pause,
	.resume = on_resume,
	.stop = on_stop,
};

void weir__tck_source_init(struct tck_source *s, struct weir_tck *t)
{
	*s = (struct tck_source){.t = t};
	weir_producer_init(&s->base, &ops, WEIR_PUSH);
}

void weir__tck_pump(struct weir_tck *t)
{
	struct tck_source *s = weir__tck_registered(t);

	if (t->destroyed)
		return;
	t->depth++;
	if (s && s->put_off && s->parked) {
		s->put_off = false;
		s->woken = true;
		weir_consumer_wake(t->made.flow.sink);
	}
	if (t->made.flow.sink)
		for (int i = 0; s && s->base.mode == WEIR_PUSH && !s->paused && i < WRITES_A_TURN; i++)
			if (!write_some(s))
				break;
	if (!t->made.flow.sink && t->supply && !t->quiet) {
		uint64_t len = t->supply < t->chunk ? t->supply : t->chunk, before = t->in;

		weir__tck_write(t, len, false);
		t->supply -= t->in - before < len ? t->in - before : len; /* more from inside */
	}
	t->depth--;
	weir__tck_look(t);
}
