/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_VALVE_MODEL_H
#define WEIR_TESTS_VALVE_MODEL_H
/*
 * valve_model.h -- what consumer.h and impl/valve.h promise, said again in counters:
 * no queue, no chunks, no tasks, no heap.  test_valve_exhaustive.c and
 * test_valve_random.c hold the real valve against it.
 *
 * A valve and its model are two "sides", which understand the same calls.  What the
 * world does while it is told something (the source while it is paused, the sink
 * while it drains) is a script, that is one call for each event; it is run on both
 * sides, and both log what they were told.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/consumer.h"
#include "weir/err.h"
#include "weir/impl/valve.h"

/* A verb, its name in a printed sequence. */
#define CALLS(X)                                                                              \
	X(NOTHING, "nothing")                                                                 \
	X(WRITE_0, "write(0)")                                                                \
	X(WRITE_1, "write(small)")                                                            \
	X(WRITE_HIGH, "write(high)")                                                          \
	X(WRITE_OVER, "write(over the limit)")                                                \
	X(GIVE, "give(mid)")                                                                  \
	X(REGISTER_PUSH, "register(push)")                                                    \
	X(REGISTER_PULL, "register(pull)")                                                    \
	X(UNREGISTER, "unregister")                                                           \
	X(FINISH, "finish")                                                                   \
	X(FAIL, "fail")                                                                       \
	X(DRAIN_SOME, "ready, which takes some")                                              \
	X(DRAIN_ALL, "ready, which takes all")                                                \
	X(DRAIN_FAILS, "ready, which fails")                                                  \
	X(DIE, "die")                                                                         \
	X(WAKE, "wake")                                                                       \
	X(HOLD, "hold(user)")                                                                 \
	X(RELEASE, "release(user)")                                                           \
	X(MARKS_LOW, "set_marks(low)")                                                        \
	X(MARKS_HIGH, "set_marks(high)")                                                      \
	X(DONE, "done(0)")                                                                    \
	X(DONE_BADLY, "done(-EIO)")                                                           \
	X(TURN, "turn")                                                                       \
	X(DEADLINE, "deadline")

enum call {
#define CALL_ENUM(name, text) CALL_##name,
	CALLS(CALL_ENUM)
#undef CALL_ENUM
	CALLS_COUNT,
};

/* What a side is told. */
enum event {
	EVENT_START,  /* by the valve to the source, as the next three */
	EVENT_PAUSE,
	EVENT_RESUME,
	EVENT_STOP,
	EVENT_DRAIN,  /* to the sink, as the next */
	EVENT_END,
	EVENT_ON_END, /* to the listener */
	EVENTS,
	EVENT_RETURN, /* in a log: what a call from inside an event returned */
};

/* Sizes in bytes; the marks that a sequence begins with, and the two others. */
struct scale {
	size_t small, mid, high, low, limit, some;
	size_t tight_high, tight_low, wide_high, wide_low;
	size_t quantum;
	uint64_t finish_wait;
};

struct script {
	enum call on[EVENTS];
	unsigned fuel;    /* calls from inside events, for each outer call */
	bool holds_end;   /* `end` does not complete at once */
	bool starts_full; /* the sink takes nothing until it is told to */
	bool coarse;      /* drains are not counted: the model has no chunks, and so does
	                     not know that many are offered in several drains */
};

#define LOG_MAX 256

struct side {
	int (*call)(struct side *s, enum call call);
	const struct scale *scale;
	const struct script *script;
	unsigned fuel;
	size_t window;   /* what the sink will take; SIZE_MAX: all */
	bool drain_fails;
	unsigned logged;
	struct {
		int what, arg;
	} log[LOG_MAX];
};

static inline void side_log(struct side *s, int what, int arg)
{
	if (s->logged < LOG_MAX) {
		s->log[s->logged].what = what;
		s->log[s->logged].arg = arg;
	}
	s->logged++;
}

/* Something happens on this side: log it, and do what the script says. */
static inline void side_event(struct side *s, enum event event, int arg)
{
	side_log(s, (int)event, arg);
	if (s->script->on[event] == CALL_NOTHING || s->fuel == 0)
		return;
	s->fuel--;
	side_log(s, EVENT_RETURN, s->call(s, s->script->on[event]));
}

/* The sink is offered bytes: how many it takes, or its failure. */
static inline int64_t side_drain(struct side *s, size_t offered)
{
	size_t taken;

	if (!s->script->coarse)
		side_event(s, EVENT_DRAIN, 0);
	if (s->drain_fails)
		return -EPIPE;
	taken = offered < s->window ? offered : s->window;
	if (s->window != SIZE_MAX)
		s->window -= taken;
	return (int64_t)taken;
}

/* ---- the model --------------------------------------------------------------- */

struct model {
	struct side side; /* first */
	size_t held, high, low, limit;
	uint64_t in, out, dropped, pulled;
	enum weir_life life;
	int why;
	enum { NOBODY, PUSHER, PULLER } producer;
	unsigned holds;
	bool paused;   /* the push producer is */
	bool parked;   /* the pull producer said "nothing yet" */
	bool wrote;
	bool blocked;  /* the sink took less than it was offered */
	bool again;    /* and said meanwhile that it can take more */
	bool busy;     /* inside a resume or a pause: no other resume */
	bool draining; /* inside a drain: no end, no resume */
	bool doomed, doom_tells;
	bool waits;    /* a finish waits for the producer, with a deadline */
};

static inline void m_settle(struct model *m);

static inline bool m_accepts(const struct model *m)
{
	return !m->doomed &&
	       (m->life == WEIR_OPEN || (m->life == WEIR_FINISHING && m->producer != NOBODY));
}

/* A finish goes on once nobody is registered and nothing held. */
static inline void m_try_end(struct model *m)
{
	if (m->life != WEIR_FINISHING || m->producer != NOBODY || m->held || m->draining)
		return;
	m->life = WEIR_FLUSHING;
	side_event(&m->side, EVENT_END, 0);
	if (!m->side.script->holds_end)
		m->side.call(&m->side, CALL_DONE);
}

/* The sink hears of a failure unless it was its own; the producer; the listener. */
static inline void m_ended(struct model *m, int why, bool tell)
{
	bool registered = m->producer != NOBODY;

	m->life = WEIR_ENDED;
	m->why = why;
	m->dropped += m->held;
	m->held = m->holds = 0;
	m->producer = NOBODY;
	m->paused = m->parked = m->doomed = m->waits = false;
	if (tell)
		side_event(&m->side, EVENT_END, why);
	if (registered)
		side_event(&m->side, EVENT_STOP, why);
	side_event(&m->side, EVENT_ON_END, why);
}

static inline void m_end_badly(struct model *m, int why, bool tell)
{
	if (m->life == WEIR_ENDED || m->doomed)
		return;
	if (m->draining) {
		m->doomed = true;
		m->doom_tells = tell;
		m->why = why;
		return;
	}
	m_ended(m, why, tell);
}

static inline void m_hold(struct model *m, unsigned reason)
{
	bool outer = m->busy;

	if (m->life == WEIR_ENDED)
		return;
	m->holds |= reason;
	if (m->producer != PUSHER || m->paused || !m->holds)
		return;
	m->paused = m->busy = true;
	side_event(&m->side, EVENT_PAUSE, 0);
	m->busy = outer;
}

static inline void m_settle(struct model *m)
{
	if (m->busy || m->draining || m->holds || m->producer == NOBODY)
		return;
	m->busy = true;
	if (m->producer == PUSHER && m->paused) {
		m->paused = false;
		side_event(&m->side, EVENT_RESUME, 0);
	}
	m->pulled = m->in;
	while (m->producer == PULLER && !m->parked && !m->holds && m->held <= m->low &&
	       m_accepts(m) && m->in - m->pulled < m->side.scale->quantum) {
		m->wrote = false;
		side_event(&m->side, EVENT_RESUME, 0);
		m->parked = m->producer == PULLER && !m->wrote;
	}
	m->busy = false;
}

/* One drain of `offered` bytes, which `*from` loses, if it is not NULL. */
static inline int64_t m_drain(struct model *m, size_t offered, size_t *from)
{
	int64_t n;

	m->draining = true;
	m->again = false;
	n = side_drain(&m->side, offered);
	m->draining = false;
	if (n > 0 && from) {
		*from -= (size_t)n;
		m->out += (uint64_t)n;
	}
	if (m->doomed || n < 0) {
		int why = m->doomed ? m->why : (int)n;

		m_ended(m, why, m->doomed && m->doom_tells);
		return why;
	}
	m->blocked = (size_t)n < offered && !m->again;
	return n;
}

static inline void m_ready(struct model *m, bool unblock)
{
	if (m->draining) {
		m->again = true;
		return;
	}
	if (unblock)
		m->blocked = false;
	if (m->life != WEIR_OPEN && m->life != WEIR_FINISHING)
		return;
	while (m->held && !m->blocked)
		if (m_drain(m, m->held, &m->held) < 0)
			return;
	if (m->held <= m->low)
		m->holds &= ~(unsigned)WEIR_HOLD_FULL;
	m_try_end(m);
	m_settle(m);
}

static inline int m_write(struct model *m, size_t n)
{
	if (!m_accepts(m))
		return WEIR_ECLOSED;
	if (n == 0)
		return 0;
	if (m->held + n > m->limit)
		return WEIR_EFULL;
	if (m->held || m->blocked || m->draining) {
		m->held += n;
	} else {
		int64_t taken;

		taken = m_drain(m, n, NULL); /* not held meanwhile */
		if (taken < 0)
			return (int)taken;
		m->out += (uint64_t)taken;
		m->held += n - (size_t)taken;
	}
	m->in += n;
	m->wrote = true;
	m->parked = false;
	if (m->held >= m->high)
		m_hold(m, WEIR_HOLD_FULL);
	m_try_end(m);
	return 0;
}

static inline int m_register(struct model *m, int kind)
{
	if (m->producer != NOBODY)
		return WEIR_EBUSY;
	if (m->life != WEIR_OPEN || m->doomed) {
		side_event(&m->side, EVENT_STOP, m->why < 0 ? m->why : WEIR_ECLOSED);
		return WEIR_ECLOSED;
	}
	m->producer = kind;
	m->paused = m->parked = false;
	m->wrote = true;
	side_event(&m->side, EVENT_START, 0);
	m_hold(m, 0);
	m_settle(m);
	return 0;
}

static inline int m_marks(struct model *m, size_t high, size_t low)
{
	m->high = high;
	m->low = low;
	if (m->life == WEIR_ENDED)
		return 0;
	if (m->held >= high) {
		m_hold(m, WEIR_HOLD_FULL);
	} else if (m->held <= low) {
		m->holds &= ~(unsigned)WEIR_HOLD_FULL;
		m_settle(m);
	}
	return 0;
}

static inline void m_finish(struct model *m)
{
	if (m->life != WEIR_OPEN || m->doomed)
		return;
	m->life = WEIR_FINISHING;
	m->waits = m->producer != NOBODY;
	m_try_end(m);
}

static inline void m_unregister(struct model *m)
{
	if (m->producer == NOBODY)
		return;
	m->producer = NOBODY;
	m->paused = m->parked = m->waits = false;
	m_try_end(m);
}

static inline void m_done(struct model *m, int why)
{
	if (m->life == WEIR_FLUSHING)
		m_ended(m, why, false);
}

/* The time of the deadline comes: a turn, and then what had waited for it. */
static inline void m_deadline(struct model *m)
{
	bool due = m->waits;

	m_ready(m, false);
	if (due && m->waits)
		m_end_badly(m, WEIR_EDEADLINE, true);
}

static inline int model_call(struct side *s, enum call call)
{
	struct model *m = (struct model *)s;
	const struct scale *scale = s->scale;

	switch (call) {
	case CALL_WRITE_0: return m_write(m, 0);
	case CALL_WRITE_1: return m_write(m, scale->small);
	case CALL_WRITE_HIGH: return m_write(m, scale->high);
	case CALL_WRITE_OVER: return m_write(m, scale->limit + 1);
	case CALL_GIVE: return m_write(m, scale->mid);
	case CALL_REGISTER_PUSH: return m_register(m, PUSHER);
	case CALL_REGISTER_PULL: return m_register(m, PULLER);
	case CALL_UNREGISTER: m_unregister(m); break;
	case CALL_FINISH: m_finish(m); break;
	case CALL_FAIL: m_end_badly(m, -EIO, true); break;
	case CALL_DRAIN_SOME: s->window = scale->some; m_ready(m, true); break;
	case CALL_DRAIN_ALL: s->window = SIZE_MAX; m_ready(m, true); break;
	case CALL_DRAIN_FAILS: s->drain_fails = true; m_ready(m, true); break;
	case CALL_DIE: m_end_badly(m, -ECONNRESET, false); break;
	case CALL_WAKE: m->parked = false; break; /* resumed in the next turn */
	case CALL_HOLD: m_hold(m, WEIR_HOLD_USER); break;
	case CALL_RELEASE:
		m->holds &= ~(unsigned)WEIR_HOLD_USER;
		m_settle(m);
		break;
	case CALL_MARKS_LOW: return m_marks(m, scale->tight_high, scale->tight_low);
	case CALL_MARKS_HIGH: return m_marks(m, scale->wide_high, scale->wide_low);
	case CALL_DONE: m_done(m, 0); break;
	case CALL_DONE_BADLY: m_done(m, -EIO); break;
	case CALL_TURN: m_ready(m, false); break;
	case CALL_DEADLINE: m_deadline(m); break;
	default: break;
	}
	return 0;
}

/* What one write may bring: the high mark's rest, or what the limit leaves to an empty
 * one beyond it.  (The tests that compare with this have an ample budget.) */
static inline size_t m_room(const struct model *m)
{
	if (m->holds || !m_accepts(m))
		return 0;
	if (m->held || m->limit - m->high < m->high)
		return m->high - m->held;
	return m->limit - m->high;
}

/* As weir_valve_fini(): silent but for the producer's stop. */
static inline void model_fini(struct model *m)
{
	if (m->life != WEIR_ENDED && m->producer != NOBODY)
		side_event(&m->side, EVENT_STOP, WEIR_ECLOSED);
}

static inline void model_init(struct model *m, const struct scale *scale,
			      const struct script *script)
{
	m->side.call = model_call;
	m->side.scale = scale;
	m->side.script = script;
	m->side.window = script->starts_full ? 0 : SIZE_MAX;
	m->side.drain_fails = false;
	m->side.logged = 0;
	m->held = 0;
	m->high = scale->high;
	m->low = scale->low;
	m->limit = scale->limit;
	m->in = m->out = m->dropped = 0;
	m->life = WEIR_OPEN;
	m->why = 0;
	m->producer = NOBODY;
	m->holds = 0;
	m->paused = m->parked = m->wrote = m->blocked = m->again = false;
	m->busy = m->draining = m->doomed = m->waits = false;
}

#endif
