/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_TCK_TEE_H
#define WEIR_TESTS_TCK_TEE_H
/*
 * tck_tee.h -- the tee as a subject of the contract kit, and what is wrong in one thing each.
 * Its own far side is a branch that blocks, to a box.
 */
#include "tck_subjects.h"

#include <errno.h>

#include "weir/impl/spill.h"
#include "weir/tee.h"

/* What is wrong, and the rule that it breaks. */
#define TEE_FLAWS(X)                                                                         \
	X(NONE, "")                                                                          \
	X(BLOCK_HOLDS_ALL, "FAN-1 ")        /* in memory */                                  \
	X(BLOCK_LOSES, "FAN-1 ")            /* bytes, when it is slow */                     \
	X(BLOCK_FOR_EVER, "FAN-1 ")         /* once it was paused */                         \
	X(DROP_BLOCKS, "FAN-2 ")                                                             \
	X(DROP_UNCOUNTED, "FAN-2 ")                                                          \
	X(DROP_EARLY, "FAN-2 ")                                                              \
	X(DROP_HALVES, "FAN-2 ")            /* of chunks */                                  \
	X(DROP_RECORDS_HALVES, "FAN-2 ")    /* of records */                                 \
	X(DROP_FROM_ALL, "FAN-2 ")          /* branches */                                   \
	X(DETACH_NEVER, "FAN-3 ")                                                            \
	X(DETACH_EARLY, "FAN-3 ")                                                            \
	X(DETACH_FINISHES, "FAN-3 ")        /* in place of failing */                        \
	X(DETACH_LATE_NEVER, "FAN-3 ")                                                       \
	X(DETACH_LATE_EARLY, "FAN-3 ")                                                       \
	X(DETACH_LATE_TOTAL, "FAN-3 ")      /* though it has caught up meanwhile */          \
	X(SPILL_BLOCKS, "FAN-4 ")                                                            \
	X(SPILL_IN_MEMORY, "FAN-4 ")                                                         \
	X(SPILL_REORDERS, "FAN-4 ")                                                          \
	X(SPILL_LOSES_OVERFLOW, "FAN-4 ")   /* what the store has no room for */             \
	X(FAILURE_SPREADS, "FAN-3 FAN-5 ")                                                   \
	X(FAILURE_HIDDEN, "FAN-3 FAN-5 ")   /* from the state of the branch */               \
	X(LAST_LEAVES_PRODUCER, "FAN-5 ")   /* with nobody to write to */

enum tee_flaw {
#define TEE_FLAW_ENUM(name, id) name,
	TEE_FLAWS(TEE_FLAW_ENUM)
#undef TEE_FLAW_ENUM
	TEE_FLAW_COUNT,
};

#define TEE_STORE ((uint64_t)200000)
#define TEE_BRANCHES 6

struct teed;

/* Between a branch and its consumer, so that what goes by can be changed. */
struct shim {
	struct weir_wrap wrap; /* first */
	struct teed *u;
	struct weir_branch *branch;
	enum weir_tck_policy policy;
	struct weir_timer timer;
	unsigned gives;
	uint64_t eaten;
};

struct teed {
	struct weir_tee *tee;
	struct weir_context *ctx;
	enum tee_flaw flaw;
	struct box box, idle;
	struct shim shims[TEE_BRANCHES];
	unsigned count;
};

/* A store with something wrong in front of the real one. */
struct bad_store {
	struct weir_spill base; /* first */
	struct weir_spill *real;
	enum tee_flaw flaw;
};

static inline int64_t bad_store(struct weir_spill *s, const void *data, size_t len)
{
	struct bad_store *b = (struct bad_store *)s;
	int64_t n = b->real->ops->store(b->real, data, len);

	return b->flaw == SPILL_LOSES_OVERFLOW && n >= 0 && n < (int64_t)len ? (int64_t)len : n;
}

static inline int64_t bad_fetch(struct weir_spill *s, void *data, size_t len)
{
	struct bad_store *b = (struct bad_store *)s;
	int64_t n = b->real->ops->fetch(b->real, data, len);
	unsigned char *bytes = data, first = bytes[0];

	if (b->flaw == SPILL_REORDERS && n > 1) {
		bytes[0] = bytes[n - 1];
		bytes[n - 1] = first;
	}
	return n == 0 ? 1 : n; /* what was lost must be something */
}

static inline void bad_destroy(struct weir_spill *s)
{
	weir_spill_destroy(((struct bad_store *)s)->real);
	free(s);
}

static const struct weir_spill_ops bad_store_ops = {
	.name = "bad",
	.store = bad_store,
	.fetch = bad_fetch,
	.destroy = bad_destroy,
};

static inline struct weir_spill *tee_store(enum tee_flaw flaw)
{
	struct bad_store *b = calloc(1, sizeof(*b));
	struct weir_spill *real;

	assert_non_null(b);
	assert_int_equal(weir_spill_file(NULL, TEE_STORE, &real), 0);
	if (flaw != SPILL_REORDERS && flaw != SPILL_LOSES_OVERFLOW) {
		free(b);
		return real;
	}
	b->base.ops = &bad_store_ops;
	b->real = real;
	b->flaw = flaw;
	return &b->base;
}

/* ---- the shim ---- */

static inline bool anybody_drops(const struct teed *u)
{
	struct weir_branch_state st;

	for (unsigned i = 0; i < u->count; i++) {
		weir_branch_state(u->shims[i].branch, &st);
		if (u->shims[i].policy == WEIR_TCK_DROP && st.dropped)
			return true;
	}
	return false;
}

static inline int shim_give(struct weir_consumer *c, struct weir_chunk *chunk)
{
	struct shim *m = (struct shim *)c;
	struct weir_chunk half = *chunk;
	int rc;

	if (m->u->flaw == DROP_FROM_ALL && m->policy == WEIR_TCK_BLOCK && anybody_drops(m->u)) {
		weir_block_unref(chunk->owner);
		*chunk = (struct weir_chunk){0};
		return 0;
	}
	if (m->u->flaw != DROP_HALVES || m->policy != WEIR_TCK_DROP || ++m->gives != 10)
		return weir_wrap_consumer_ops.give(c, chunk);
	half.len /= 2;
	rc = weir_wrap_consumer_ops.give(c, &half);
	if (rc < 0)
		return rc;
	m->eaten += chunk->len - chunk->len / 2;
	*chunk = half;
	return 0;
}

static inline void shim_fail(struct weir_consumer *c, int why)
{
	struct shim *m = (struct shim *)c;

	if (m->u->flaw == DETACH_FINISHES && m->policy == WEIR_TCK_DETACH)
		weir_wrap_consumer_ops.finish(c);
	else
		(weir_wrap_consumer_ops.fail)(c, why);
}

static inline void shim_too_late(struct weir_timer *timer)
{
	struct shim *m = (struct shim *)((char *)timer - offsetof(struct shim, timer));

	weir_valve_die((struct weir_valve *)m->wrap.inner, WEIR_ESLOW);
}

static inline void shim_pause(struct weir_producer *p)
{
	struct shim *m = (struct shim *)weir_wrap_from_back(p);

	if (m->u->flaw == DETACH_LATE_TOTAL && m->policy == WEIR_TCK_DETACH_LATE && !m->gives++)
		weir_timer_set(m->u->ctx, &m->timer,
			       weir_context_now(m->u->ctx) + WEIR_NS_PER_S);
	weir_wrap_producer_ops.pause(p);
}

static inline void shim_resume(struct weir_producer *p)
{
	const struct shim *m = (struct shim *)weir_wrap_from_back(p);

	if (m->u->flaw != BLOCK_FOR_EVER || m->policy != WEIR_TCK_BLOCK)
		weir_wrap_producer_ops.resume(p);
}

/* ---- the subject ---- */

static inline int tee_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct teed *u = calloc(1, sizeof(*u));

	assert_non_null(u);
	u->flaw = *(const enum tee_flaw *)arg;
	u->ctx = weir_tck_context(kit);
	u->box.kit = u->idle.kit = kit;
	u->box.window = SIZE_MAX;
	weir_valve_init(&u->box.valve, &box_ops, u->ctx);
	weir_valve_init(&u->idle.valve, &box_ops, u->ctx);
	assert_int_equal(weir_tee_create(u->ctx, &u->tee), 0);
	assert_int_equal(weir_tee_add(u->tee, &u->box.valve.base, NULL, NULL), 0);
	if (u->flaw == LAST_LEAVES_PRODUCER)
		assert_int_equal(weir_tee_add(u->tee, &u->idle.valve.base,
					      &(struct weir_branch_options){
						      .policy = WEIR_TEE_DROP}, NULL), 0);
	out->flow.sink = weir_tee_sink(u->tee);
	out->self = u;
	return 0;
}

static inline void tee_destroy(void *self)
{
	struct teed *u = self;

	weir_tee_destroy(u->tee);
	for (unsigned i = 0; i < u->count; i++) {
		weir_timer_cancel(u->ctx, &u->shims[i].timer);
		weir_wrap_fini(&u->shims[i].wrap);
	}
	weir_valve_fini(&u->idle.valve);
	weir_valve_fini(&u->box.valve);
	free(u);
}

static inline void tee_take(void *self, size_t max)
{
	box_take(&((struct teed *)self)->box, max);
}

static inline void tee_die(void *self, int why)
{
	box_die(&((struct teed *)self)->box, why);
}

static inline void tee_branch_end(struct weir_branch *b, int why, void *arg)
{
	struct teed *u = arg;

	(void)b;
	if (u->flaw == FAILURE_SPREADS && why < 0)
		weir_consumer_fail(weir_tee_sink(u->tee), why);
}

static inline enum weir_tee_policy tee_policy(enum weir_tck_policy policy)
{
	switch (policy) {
	case WEIR_TCK_DROP:
	case WEIR_TCK_DROP_RECORDS: return WEIR_TEE_DROP;
	case WEIR_TCK_DETACH:
	case WEIR_TCK_DETACH_LATE: return WEIR_TEE_DETACH;
	case WEIR_TCK_SPILL: return WEIR_TEE_SPILL;
	default: return WEIR_TEE_BLOCK;
	}
}

static inline void tee_spoil(enum tee_flaw flaw, enum weir_tck_policy policy,
			     struct weir_branch_options *o)
{
	bool block = policy == WEIR_TCK_BLOCK, drop = policy == WEIR_TCK_DROP;
	bool detach = policy == WEIR_TCK_DETACH, late = policy == WEIR_TCK_DETACH_LATE;
	bool spill = policy == WEIR_TCK_SPILL;

	if ((flaw == BLOCK_HOLDS_ALL && block) || (flaw == SPILL_IN_MEMORY && spill)) {
		o->policy = WEIR_TEE_DETACH;
		o->behind = SIZE_MAX;
	}
	if (flaw == BLOCK_LOSES && block)
		o->policy = WEIR_TEE_DROP;
	if ((flaw == DROP_BLOCKS && drop) || (flaw == SPILL_BLOCKS && spill) ||
	    ((flaw == DETACH_LATE_NEVER || flaw == DETACH_LATE_TOTAL) && late))
		o->policy = WEIR_TEE_BLOCK;
	if ((flaw == DROP_EARLY && drop) || (flaw == DETACH_EARLY && detach))
		o->behind /= 4;
	if (flaw == DETACH_NEVER && detach)
		o->behind *= 100;
	if (flaw == DETACH_LATE_EARLY && late)
		o->wait_ns /= 2;
	if (flaw == DROP_RECORDS_HALVES)
		o->separator = WEIR_NO_SEPARATOR;
}

/* The members that are the wrap's are copied when the first is made. */
static inline void shim_init(struct shim *m, struct weir_consumer *c)
{
	static struct weir_consumer_ops front_ops;
	static struct weir_producer_ops back_ops;

	front_ops = weir_wrap_consumer_ops;
	front_ops.give = shim_give;
	front_ops.fail = shim_fail;
	back_ops = weir_wrap_producer_ops;
	back_ops.pause = shim_pause;
	back_ops.resume = shim_resume;
	m->timer.run = shim_too_late;
	weir_wrap_init(&m->wrap, c, &front_ops, &back_ops);
}

static inline int tee_branch(void *self, struct weir_consumer *c, enum weir_tck_policy policy,
			     size_t behind, void **out)
{
	struct teed *u = self;
	struct shim *m = &u->shims[u->count];
	struct weir_branch_options o = {
		.policy = tee_policy(policy),
		.behind = behind,
		.separator = policy == WEIR_TCK_DROP_RECORDS ? '\n' : WEIR_NO_SEPARATOR,
		.on_end = tee_branch_end,
		.arg = u,
	};
	int rc;

	assert_true(u->count < TEE_BRANCHES);
	if (policy == WEIR_TCK_DETACH_LATE)
		o.wait_ns = WEIR_NS_PER_S;
	tee_spoil(u->flaw, policy, &o);
	if (o.policy == WEIR_TEE_SPILL)
		o.spill = tee_store(u->flaw);
	m->u = u;
	m->policy = policy;
	if (u->flaw == NONE) {
		rc = weir_tee_add(u->tee, c, &o, &m->branch);
		m->wrap.ended = true;
	} else {
		shim_init(m, c);
		rc = weir_tee_add(u->tee, &m->wrap.front, &o, &m->branch);
	}
	if (rc < 0) {
		weir_spill_destroy(o.spill);
		return rc;
	}
	u->count++;
	*out = m;
	return 0;
}

static inline uint64_t tee_dropped(void *self, void *branch)
{
	const struct shim *m = branch;
	struct weir_branch_state st;

	weir_branch_state(m->branch, &st);
	return ((struct teed *)self)->flaw == DROP_UNCOUNTED ? 0 : st.dropped + m->eaten;
}

static inline bool tee_ended(void *self, void *branch, int *why)
{
	struct weir_branch_state st;

	weir_branch_state(((struct shim *)branch)->branch, &st);
	*why = ((struct teed *)self)->flaw == FAILURE_HIDDEN ? 0 : st.why;
	return st.ended;
}

static inline struct weir_tck_subject tee_subject(enum tee_flaw *flaw)
{
	struct weir_tck_subject s = {
		.name = "tee",
		.arg = flaw,
		.make = tee_make,
		.destroy = tee_destroy,
		.take = tee_take,
		.die = tee_die,
		.branch = tee_branch,
		.branch_dropped = tee_dropped,
		.branch_ended = tee_ended,
	};

	/* What it says that it holds is in several places, each of which has marks: the valve,
	 * the last offer, which a branch that blocks has in part, and the box. */
	s.numbers.hold = 3 * (WEIR_HIGH_DEFAULT + (size_t)WEIR_BLOCK_LARGE);
	s.numbers.finish_wait_ns = WEIR_FINISH_WAIT_DEFAULT;
	s.numbers.policies = (1u << (WEIR_TCK_SPILL + 1)) - 1;
	s.numbers.detach_ns = WEIR_NS_PER_S;
	s.numbers.store = TEE_STORE;
	return s;
}

#endif
