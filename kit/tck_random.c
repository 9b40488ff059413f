/* SPDX-License-Identifier: MIT */
/* Drawing a schedule from a seed, and making one that breaks a rule shorter. */
#include <string.h>

#include "tck_priv.h"

#define STEPS_RANDOM 24

/* splitmix64, by Vigna. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t below(uint64_t *state, uint64_t n)
{
	return next_random(state) % n;
}

/* How often each call is drawn, of all that may be; what ends a stream is rare. */
static unsigned weight(enum call call, const struct weir_tck_subject *s,
		       const struct weir_tck_options *o)
{
	switch (call) {
	case CALL_WRITE:
	case CALL_TURN:
	case CALL_TAKE: return 12;
	case CALL_REGISTER_PUSH:
	case CALL_REGISTER_PULL:
	case CALL_SUPPLY: return 8;
	case CALL_GIVE:
	case CALL_UNREGISTER:
	case CALL_WAKE: return 4;
	case CALL_HOLD:
	case CALL_RELEASE:
	case CALL_ATTACH_PUSH:
	case CALL_ATTACH_PULL:
	case CALL_DETACH: return 3;
	case CALL_OTHER_PUSH:
	case CALL_OTHER_PULL:
	case CALL_ROOM:
	case CALL_CHUNK:
	case CALL_FINISH: return 2;
	case CALL_FAIL:
	case CALL_DIE:
	case CALL_SQUEEZE:
	case CALL_RELAX:
	case CALL_QUANTUM: return 1;
	case CALL_MARKS: return s->set_marks ? 3 : 0;
	case CALL_PATH: return s->set_path ? 3 : 0;
	case CALL_ADVANCE:
	case CALL_DESTROY: return o->turn ? 0 : 1;
	default: return 0;
	}
}

static enum call draw_call(uint64_t *random, const struct weir_tck_subject *s,
			   const struct weir_tck_options *o)
{
	uint64_t sum = 0, at;

	for (enum call c = 0; c < CALL_COUNT; c++)
		sum += weight(c, s, o);
	at = below(random, sum);
	for (enum call c = 0;; c++) {
		if (at < weight(c, s, o))
			return c;
		at -= weight(c, s, o);
	}
}

/* Sizes around the marks, and a few others. */
static uint64_t draw_size(uint64_t *random, const struct weir_tck_numbers *n)
{
	uint64_t high = (n->high ? n->high : 1000) + n->outside;
	const uint64_t sizes[] = {0, 1, 2, n->low, n->low + 1, high - 1, high, high + 1, 2 * high,
				  1 + below(random, high), 1 + below(random, 5000)};

	return sizes[below(random, sizeof(sizes) / sizeof(sizes[0]))];
}

static uint64_t draw_value(uint64_t *random, enum call call, const struct weir_tck_numbers *n)
{
	switch (call) {
	case CALL_TAKE: return below(random, 3) ? draw_size(random, n) : ALL;
	case CALL_CHUNK: return 1 + below(random, below(random, 2) ? 10 : 5000);
	case CALL_SUPPLY: return 1 + below(random, 20000);
	case CALL_ADVANCE: return below(random, 2) ? n->finish_wait_ns : below(random, WEIR_NS_PER_S);
	case CALL_MARKS: return 2 + below(random, 5000);
	case CALL_QUANTUM: return 1 + below(random, 100000);
	case CALL_SQUEEZE: return below(random, 70000);
	case CALL_PATH: return below(random, 4);
	default: return draw_size(random, n);
	}
}

static bool may_be_inside(enum call call)
{
	return call != CALL_TURN && call != CALL_ADVANCE && call != CALL_DESTROY &&
	       call != CALL_SQUEEZE;
}

void weir__tck_draw(struct schedule *out, uint64_t seed, const struct weir_tck_subject *s,
		    const struct weir_tck_options *o)
{
	uint64_t random = seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
	bool nested = below(&random, 2);

	out->count = 2 + (unsigned)below(&random, STEPS_RANDOM);
	for (unsigned i = 0; i < out->count; i++) {
		struct step *step = &out->steps[i];
		enum call call = draw_call(&random, s, o);

		step->event = EVENT_NOW;
		step->call = (uint8_t)call;
		step->value = draw_value(&random, call, &s->numbers);
		if (nested && may_be_inside(call) && below(&random, 3) == 0)
			step->event = (uint8_t)(EVENT_PAUSE + below(&random, EVENT_COUNT - EVENT_PAUSE));
	}
}

/* ---- shrinking ---- */

static bool breaks(struct weir_tck *t, const struct schedule *schedule, enum rule rule,
		   const struct weir_tck_subject *s, const struct weir_tck_options *o)
{
	return weir__tck_play(t, s, o, schedule) == 0 && t->broken == rule;
}

static bool drop_steps(struct weir_tck *t, struct schedule *schedule, enum rule rule,
		       const struct weir_tck_subject *s, const struct weir_tck_options *o)
{
	bool any = false;

	for (unsigned i = schedule->count; i-- > 0;) {
		struct schedule less = *schedule;

		less.count--;
		memmove(&less.steps[i], &less.steps[i + 1],
			(less.count - i) * sizeof(less.steps[0]));
		if (!breaks(t, &less, rule, s, o))
			continue;
		*schedule = less;
		any = true;
	}
	return any;
}

static bool lower_values(struct weir_tck *t, struct schedule *schedule, enum rule rule,
			 const struct weir_tck_subject *s, const struct weir_tck_options *o)
{
	bool any = false;

	for (unsigned i = 0; i < schedule->count; i++) {
		struct schedule less = *schedule;
		uint64_t value = less.steps[i].value;

		if (value < 2 || value == ALL)
			continue;
		less.steps[i].value = 1;
		if (!breaks(t, &less, rule, s, o)) {
			less.steps[i].value = value / 2;
			if (!breaks(t, &less, rule, s, o))
				continue;
		}
		*schedule = less;
		any = true;
	}
	return any;
}

void weir__tck_shrink(struct weir_tck *t, struct schedule *schedule, enum rule rule,
		      const struct weir_tck_subject *s, const struct weir_tck_options *o)
{
	while (drop_steps(t, schedule, rule, s, o))
		;
	while (lower_values(t, schedule, rule, s, o))
		;
	/* What is left is played once more, for the words. */
	weir__tck_play(t, s, o, schedule);
}
