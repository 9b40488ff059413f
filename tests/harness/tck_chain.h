/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_TCK_CHAIN_H
#define WEIR_TESTS_TCK_CHAIN_H
/*
 * tck_chain.h -- subjects of the contract kit made of stages, one behind the other.
 *
 * A stage is a kind of processor, of wrap, or of consumer.  Each is registered with the next,
 * as push or pull producer, or joined to it.  When the last one is a processor, the kit plays
 * what is behind; when it is a box (tck_subjects.h), that is the far side.
 */
#include "tck_subjects.h"

#include "weir/impl/processor.h"
#include "weir/join.h"

struct stage {
	const struct stage_kind *kind;
	struct weir_consumer *sink;
	struct weir_producer *source; /* NULL for one that has none */
	struct weir_join *join;       /* to the next */
	void *self, *more;            /* the kind's own */
};

struct stage_kind {
	const char *name;
	bool wraps; /* it is made around the consumer behind */

	/* Make one; the kit's context is weir_tck_context(kit).  `behind` is there if it wraps. */
	void (*make)(struct stage *s, struct weir_tck *kit, struct weir_consumer *behind);
	void (*destroy)(struct stage *s);
};

#define CHAIN_MAX 5

/* What a chain is made of, with NULL behind the last; `arg` of its subject. */
struct chain_plan {
	const struct stage_kind *kinds[CHAIN_MAX + 1];
	bool pulls; /* each is registered with the next as a pull producer */
	bool joins; /* and by a join */
};

struct chain {
	struct stage stages[CHAIN_MAX];
	unsigned count;
};

/* ---- the far side ---- */

static inline void box_stage_make(struct stage *s, struct weir_tck *kit,
                                  struct weir_consumer *behind)
{
	struct weir_tck_made made = {0};

	(void)behind;
	assert_int_equal(box_make(NULL, kit, &made), 0);
	s->self = made.self;
	s->sink = made.flow.sink;
}

static inline void box_stage_destroy(struct stage *s)
{
	box_destroy(s->self);
}

static const struct stage_kind box_kind = {
	.name = "box",
	.make = box_stage_make,
	.destroy = box_stage_destroy,
};

/* ---- the subject ---- */

static inline void chain_link(const struct chain_plan *plan, struct weir_context *ctx,
                              struct stage *s, struct stage *next)
{
	if (plan->joins)
		assert_int_equal(weir_join_create(ctx, s->source, next->sink, NULL, &s->join), 0);
	else
		assert_int_equal(weir_consumer_register(next->sink, s->source,
		                                        plan->pulls ? WEIR_PULL : WEIR_PUSH),
		                 0);
}

/* From the last to the first, for the sake of those that are made around the next. */
static inline int chain_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	const struct chain_plan *plan = arg;
	struct chain *chain = calloc(1, sizeof(*chain));

	assert_non_null(chain);
	while (plan->kinds[chain->count])
		chain->count++;
	for (unsigned i = chain->count; i-- > 0;) {
		struct stage *s = &chain->stages[i];
		struct stage *next = i + 1 < chain->count ? s + 1 : NULL;

		s->kind = plan->kinds[i];
		s->kind->make(s, kit, s->kind->wraps ? next->sink : NULL);
		if (next && !s->kind->wraps)
			chain_link(plan, weir_tck_context(kit), s, next);
	}
	out->flow.sink = chain->stages[0].sink;
	out->flow.source = chain->stages[chain->count - 1].source;
	out->self = chain;
	return 0;
}

static inline void chain_destroy(void *self)
{
	struct chain *chain = self;

	for (unsigned i = 0; i < chain->count; i++)
		weir_join_destroy(chain->stages[i].join);
	for (unsigned i = 0; i < chain->count; i++)
		chain->stages[i].kind->destroy(&chain->stages[i]);
	free(chain);
}

static inline void *chain_last(void *self)
{
	struct chain *chain = self;

	return chain->stages[chain->count - 1].self;
}

static inline void chain_take(void *self, size_t max)
{
	box_take(chain_last(self), max);
}

static inline void chain_die(void *self, int why)
{
	box_die(chain_last(self), why);
}

/* `name` of static storage; the last stage is a processor. */
static inline struct weir_tck_subject open_chain(const char *name, const struct chain_plan *plan,
                                                 struct weir_tck_numbers numbers)
{
	return (struct weir_tck_subject){
		.name = name,
		.arg = (void *)plan,
		.make = chain_make,
		.destroy = chain_destroy,
		.numbers = numbers,
		.traits.counts_behind = true,
	};
}

/* The last stage is a box. */
static inline struct weir_tck_subject closed_chain(const char *name, const struct chain_plan *plan,
                                                   struct weir_tck_numbers numbers)
{
	return (struct weir_tck_subject){
		.name = name,
		.arg = (void *)plan,
		.make = chain_make,
		.destroy = chain_destroy,
		.numbers = numbers,
		.take = chain_take,
		.die = chain_die,
	};
}

#endif
