/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_TCK_LIMIT_H
#define WEIR_TESTS_TCK_LIMIT_H
/*
 * tck_limit.h -- a limit on the rate of up to six flows, as simple as it can be, and what can
 * be wrong with it.  A subject of the contract kit.
 */
#include "tck_subjects.h"

#include "weir/impl/processor.h"

/* What is wrong, and the rules that it breaks: as a group, if RATE-2 is among them. */
#define LIMIT_FLAWS(X)                                                                       \
	X(NONE, "")                                                                          \
	X(SAVES_UP, "RATE-1 ")         /* more than the burst, while idle */                 \
	X(REFILLS, "RATE-1 ")          /* at a change of the rate */                         \
	X(WHOLE_CHUNKS, "RATE-1 ")     /* pass if there is one token */                      \
	X(FIXED_WINDOWS, "RATE-1 RATE-3 ") /* of a second, each with its bytes */                \
	X(KEEPS_RATE, "RATE-1 ")       /* when it is to be lower */                          \
	X(SUM_APART, "RATE-2 ")        /* each flow has all of the group's */                \
	X(FIRST_FIRST, "RATE-2 ")      /* the others get what it leaves */                   \
	X(LAST_COME_NOTHING, "RATE-2 ") /* for one that was away */                          \
	X(TICKS, "RATE-3 ")            /* looks every tenth of a second */                   \
	X(FULL_STEPS, "RATE-3 ")       /* waits for more than the rest needs */              \
	X(OLD_TIMER, "RATE-3 ")        /* is kept when the rate changes */                   \
	X(SLOWER, "RATE-3 ")           /* than it says */

enum limit_flaw {
#define LIMIT_FLAW_ENUM(name, id) name,
	LIMIT_FLAWS(LIMIT_FLAW_ENUM)
#undef LIMIT_FLAW_ENUM
	LIMIT_FLAW_COUNT,
};

#define LIMIT_MEMBERS 6
#define LIMIT_RATE ((uint64_t)1000000)
#define LIMIT_BURST ((uint64_t)50000)
#define LIMIT_SHARE ((uint64_t)200000)

struct limited {
	struct weir_processor base; /* first */
	struct limit *limit;
	double own;    /* tokens: SUM_APART */
	bool waiting;
	uint64_t need; /* bytes that wait */
};

struct limit {
	struct weir_context *ctx;
	enum limit_flaw flaw;
	uint64_t rate, burst, at;
	double tokens;
	uint64_t quota; /* of the one that is served */
	struct limited *serving;
	struct weir_timer timer;
	struct weir_task task;
	struct limited *members[LIMIT_MEMBERS];
	unsigned count, next, favourite;
};

static inline double limit_gain(const struct limit *l, uint64_t from, uint64_t to)
{
	uint64_t second = WEIR_NS_PER_S;

	if (l->flaw == FIXED_WINDOWS)
		return (double)l->rate * (double)(to / second - from / second);
	return (double)l->rate * (double)(to - from) / 1e9 * (l->flaw == SLOWER ? 0.9 : 1);
}

static inline void limit_fill(struct limit *l)
{
	uint64_t now = weir_context_now(l->ctx);
	double most = (double)(l->flaw == FIXED_WINDOWS ? l->rate : l->burst);
	double more = limit_gain(l, l->at, now);

	if (l->flaw == SAVES_UP)
		most *= 10;
	l->at = now;
	l->tokens = l->tokens + more > most ? most : l->tokens + more;
	for (unsigned i = 0; i < l->count; i++)
		l->members[i]->own = l->members[i]->own + more > most ? most : l->members[i]->own + more;
}

/* When there will be tokens for one that waits: at most two milliseconds' worth. */
static inline void limit_arm(struct limit *l)
{
	uint64_t now = weir_context_now(l->ctx), tick = WEIR_NS_PER_S / 10;
	double want = (double)l->rate / 500;
	bool any = false;

	for (unsigned i = 0; i < l->count; i++) {
		const struct limited *m = l->members[i];

		any = any || m->waiting;
		if (m->waiting && (double)m->need < want && l->flaw != FULL_STEPS)
			want = (double)m->need;
	}
	if (!any)
		weir_timer_cancel(l->ctx, &l->timer);
	else if (l->flaw == TICKS)
		weir_timer_set(l->ctx, &l->timer, (now / tick + 1) * tick);
	else if (l->flaw == FULL_STEPS)
		weir_timer_set(l->ctx, &l->timer, now + WEIR_NS_PER_S / 50);
	else if (l->flaw == OLD_TIMER)
		weir_timer_set(l->ctx, &l->timer, now + WEIR_NS_PER_S / 10);
	else if (l->flaw == FIXED_WINDOWS)
		weir_timer_set(l->ctx, &l->timer, (now / WEIR_NS_PER_S + 1) * WEIR_NS_PER_S);
	else
		weir_timer_set(l->ctx, &l->timer,
			       now + 1 + (uint64_t)((want > l->tokens ? want - l->tokens : 0) *
						    1e9 / (double)l->rate));
}

static inline uint64_t limit_allows(struct limit *l, const struct limited *m)
{
	double tokens = l->flaw == SUM_APART ? m->own : l->tokens;

	limit_fill(l);
	tokens = l->flaw == SUM_APART ? m->own : l->tokens;
	if (tokens < 1)
		return 0;
	if (l->flaw == FIRST_FIRST && m != l->members[0] && l->members[0]->waiting)
		return 0;
	if (l->flaw == LAST_COME_NOTHING && m != l->members[l->favourite] &&
	    l->members[l->favourite]->waiting)
		return 0;
	if (l->serving == m)
		return (uint64_t)tokens < l->quota ? (uint64_t)tokens : l->quota;
	for (unsigned i = 0; i < l->count && l->flaw != SUM_APART; i++)
		if (l->members[i]->waiting && l->members[i] != m)
			return 0; /* those come first */
	return (uint64_t)tokens;
}

static inline size_t limit_process(struct weir_processor *p, const struct weir_chunk *chunks,
				   size_t count)
{
	struct limited *m = (struct limited *)p;
	struct limit *l = m->limit;
	uint64_t offered = 0, most;
	size_t passed = 0;

	for (size_t i = 0; i < count; i++)
		offered += chunks[i].len;
	most = limit_allows(l, m);
	if (l->flaw == WHOLE_CHUNKS && count && most)
		most = most > chunks[0].len ? most : chunks[0].len;
	if (most > offered)
		most = offered;
	if (most)
		passed = weir_processor_pass(p, chunks, count, most);
	l->tokens -= (double)passed;
	if (l->flaw == WHOLE_CHUNKS && l->tokens < 0)
		l->tokens = 0;
	m->own -= (double)passed;
	if (l->serving == m)
		l->quota -= passed < l->quota ? passed : l->quota;
	m->waiting = !p->over && passed == most && passed < offered && !p->paused;
	m->need = offered - passed;
	if (m->waiting)
		weir_valve_hold(&p->front, WEIR_HOLD_RATE);
	else if (p->front.holds & WEIR_HOLD_RATE)
		weir_valve_release(&p->front, WEIR_HOLD_RATE);
	if (!l->serving && m->waiting && !l->timer.armed)
		limit_arm(l);
	return passed;
}

static inline void limit_over(struct weir_processor *p)
{
	((struct limited *)p)->waiting = false;
}

static const struct weir_processor_ops limit_ops = {
	.name = "limit",
	.process = limit_process,
	.flush = weir_processor_said_all,
	.room = weir_processor_any_room,
	.over = limit_over,
};

/* Each that waits has its turn, beginning with another one each time. */
static inline void limit_serve(struct limit *l)
{
	unsigned waiting = 0;

	limit_fill(l);
	for (unsigned i = 0; i < l->count; i++)
		waiting += l->members[i]->waiting;
	for (unsigned i = 0; i < l->count; i++) {
		struct limited *m = l->members[(l->next + i) % l->count];

		if (!m->waiting)
			continue;
		l->serving = m;
		l->quota = (uint64_t)(l->tokens > 0 ? l->tokens : 0) / waiting-- + 1;
		if (l->flaw == SUM_APART)
			l->quota = (uint64_t)m->own;
		weir_processor_go_on(&m->base);
	}
	l->serving = NULL;
	l->next = (l->next + 1) % l->count;
	limit_arm(l);
}

static inline void limit_run_timer(struct weir_timer *timer)
{
	limit_serve((struct limit *)((char *)timer - offsetof(struct limit, timer)));
}

static inline void limit_run_task(struct weir_task *task)
{
	limit_serve((struct limit *)((char *)task - offsetof(struct limit, task)));
}

/* ---- the subject ---- */

static inline int limit_more(void *self, struct weir_tck_flow *out)
{
	struct limit *l = self;
	struct limited *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	assert_true(l->count < LIMIT_MEMBERS);
	m->limit = l;
	m->own = (double)l->burst;
	weir_processor_init(&m->base, &limit_ops, l->ctx);
	l->members[l->count++] = m;
	out->sink = &m->base.front.base;
	out->source = &m->base.back;
	return 0;
}

static inline int limit_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct limit *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	l->ctx = weir_tck_context(kit);
	l->flaw = *(const enum limit_flaw *)arg;
	l->rate = LIMIT_RATE;
	l->burst = LIMIT_BURST;
	l->tokens = (double)l->burst;
	l->at = weir_context_now(l->ctx);
	l->timer.run = limit_run_timer;
	l->task.run = limit_run_task;
	out->self = l;
	return limit_more(l, &out->flow);
}

static inline void limit_destroy(void *self)
{
	struct limit *l = self;

	for (unsigned i = 0; i < l->count; i++) {
		weir_processor_fini(&l->members[i]->base);
		free(l->members[i]);
	}
	weir_timer_cancel(l->ctx, &l->timer);
	weir_task_cancel(&l->task);
	free(l);
}

static inline void limit_set_rate(void *self, uint64_t bytes_per_s, uint64_t burst)
{
	struct limit *l = self;

	limit_fill(l);
	if (l->flaw != KEEPS_RATE || bytes_per_s > l->rate)
		l->rate = bytes_per_s;
	l->burst = burst;
	if (l->tokens > (double)burst || l->flaw == REFILLS)
		l->tokens = (double)burst;
	if (l->flaw != OLD_TIMER)
		weir_task_queue(l->ctx, &l->task);
}

static inline struct weir_tck_subject limit_subject(enum limit_flaw *flaw)
{
	struct weir_tck_subject s = {
		.name = "limit",
		.arg = flaw,
		.make = limit_make,
		.destroy = limit_destroy,
		.numbers = VALVE_NUMBERS,
		.set_rate = limit_set_rate,
		.more = limit_more,
	};

	s.numbers.bytes_per_s = LIMIT_RATE;
	s.numbers.burst = LIMIT_BURST;
	s.numbers.min_share = LIMIT_SHARE;
	return s;
}

#endif
