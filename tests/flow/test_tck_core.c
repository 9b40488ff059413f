/* SPDX-License-Identifier: MIT */
/* What the core and the transports in memory are made of, held against the contract. */
#include "tck_chain.h"
#include "tck_claims.h"

#include "weir/impl/wrap.h"
#include "weir/memory.h"

/* ---- the valve ---- */

struct marks {
	size_t high, low, limit;
};

static int marked_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	const struct marks *marks = arg;
	int rc = box_make(NULL, kit, out);

	assert_int_equal(rc, 0);
	return box_set_marks(out->self, marks->high, marks->low, marks->limit);
}

static void test_a_valve_keeps_the_contract_with_any_marks(void **state)
{
	static const struct marks table[] = {
		{WEIR_HIGH_DEFAULT, WEIR_LOW_DEFAULT, WEIR_LIMIT_DEFAULT},
		{1, 0, 1},
		{2, 1, 2},
		{2, 0, 100000},
		{1000, 999, 1000},
		{1000, 0, 1001},
		{100000, 1, 5000000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i += tck_stride()) {
		struct marks marks = table[i];
		struct weir_tck_subject subject = box_subject;
		struct claims claims = {.rules = SINK_RULES,
		                        .without = marks.limit < 8192 ? "MEM-5" : ""};

		subject.name = "valve";
		subject.arg = &marks;
		subject.make = marked_make;
		subject.numbers.high = marks.high;
		subject.numbers.low = marks.low;
		subject.numbers.limit = marks.limit;
		assert_claims(&subject, i ? 300 : 1000, &claims);
	}
}

/* ---- what stands between ---- */

static void wrap_make(struct stage *s, struct weir_tck *kit, struct weir_consumer *behind)
{
	struct weir_wrap *w = malloc(sizeof(*w));

	(void)kit;
	assert_non_null(w);
	weir_wrap_init(w, behind, &weir_wrap_consumer_ops, &weir_wrap_producer_ops);
	s->self = w;
	s->sink = &w->front;
}

static void wrap_destroy(struct stage *s)
{
	weir_wrap_fini(s->self);
	free(s->self);
}

static const struct stage_kind wrap_kind = {
	.name = "wrap",
	.wraps = true,
	.make = wrap_make,
	.destroy = wrap_destroy,
};

static const struct weir_processor_ops bare_ops = {
	.name = "bare",
	.process = weir_processor_pass_on,
	.flush = weir_processor_said_all,
	.room = weir_processor_any_room,
	.over = weir_processor_pass_over,
};

static void bare_make(struct stage *s, struct weir_tck *kit, struct weir_consumer *behind)
{
	struct weir_processor *p = malloc(sizeof(*p));

	(void)behind;
	assert_non_null(p);
	weir_processor_init(p, &bare_ops, weir_tck_context(kit));
	s->self = p;
	s->sink = &p->front.base;
	s->source = &p->back;
}

static void bare_destroy(struct stage *s)
{
	weir_processor_fini(s->self);
	free(s->self);
}

static const struct stage_kind bare_kind = {
	.name = "bare processor",
	.make = bare_make,
	.destroy = bare_destroy,
};

static const struct weir_tck_numbers valve_numbers = VALVE_NUMBERS;

static void test_a_wrap_keeps_the_contract(void **state)
{
	static const struct chain_plan one = {.kinds = {&wrap_kind, &box_kind}};
	static const struct chain_plan two = {.kinds = {&wrap_kind, &wrap_kind, &box_kind}};
	struct weir_tck_subject subject = closed_chain("wrap", &one, valve_numbers);
	struct weir_tck_subject twice = closed_chain("two wraps", &two, valve_numbers);

	(void)state;
	assert_claims(&subject, 1000, &(struct claims){.rules = SINK_RULES, .without = ""});
	assert_claims(&twice, 300, &(struct claims){.rules = SINK_RULES, .without = ""});
}

static int bare_set_marks(void *self, size_t high, size_t low, size_t limit)
{
	struct weir_processor *p = ((struct chain *)self)->stages[0].self;

	return weir_valve_set_marks(&p->front, high, low, limit);
}

static void test_a_bare_processor_keeps_the_contract(void **state)
{
	static const struct chain_plan plan = {.kinds = {&bare_kind}};
	struct weir_tck_subject subject = open_chain("processor", &plan, valve_numbers);

	(void)state;
	subject.set_marks = bare_set_marks;
	assert_claims(&subject, 1000, &(struct claims){.rules = PROCESSOR_RULES, .without = ""});
}

/* ---- a join, as a flow from the memory transport to a box ---- */

struct joined {
	struct weir_memory *memory;
	struct box *box;
	struct weir_join *join;
	struct weir_outcome outcome;
	bool done;
};

static void on_done(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	struct joined *j = arg;

	(void)join;
	assert_false(j->done);
	j->outcome = *outcome;
	j->done = true;
}

static int joined_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct joined *j = calloc(1, sizeof(*j));
	struct weir_join_options options = {.on_done = on_done, .arg = j};
	struct weir_context *ctx = weir_tck_context(kit);
	struct weir_tck_made made = {0};

	(void)arg;
	assert_non_null(j);
	assert_int_equal(weir_memory_create(ctx, NULL, &j->memory), 0);
	assert_int_equal(box_make(NULL, kit, &made), 0);
	j->box = made.self;
	assert_int_equal(weir_join_create(ctx,
	                                  weir_transport_source(weir_memory_transport(j->memory)),
	                                  made.flow.sink, &options, &j->join),
	                 0);
	out->self = j;
	return 0;
}

static void joined_destroy(void *self)
{
	struct joined *j = self;

	weir_join_destroy(j->join);
	weir_memory_destroy(j->memory);
	box_destroy(j->box);
	free(j);
}

static void joined_take(void *self, size_t max)
{
	box_take(((struct joined *)self)->box, max);
}

static void joined_die(void *self, int why)
{
	box_die(((struct joined *)self)->box, why);
}

static size_t joined_feed(void *self, const void *data, size_t len)
{
	return weir_memory_inject(((struct joined *)self)->memory, data, len) == 0 ? len : 0;
}

static void joined_feed_end(void *self, int why)
{
	weir_memory_end(((struct joined *)self)->memory, why);
}

static bool joined_outcome(void *self, int *why)
{
	const struct joined *j = self;

	*why = j->outcome.cause;
	return j->done;
}

static void test_a_join_keeps_the_contract(void **state)
{
	struct weir_tck_subject subject = {
		.name = "join",
		.make = joined_make,
		.destroy = joined_destroy,
		.take = joined_take,
		.die = joined_die,
		.feed = joined_feed,
		.feed_end = joined_feed_end,
		.outcome = joined_outcome,
	};

	(void)state;
	assert_claims(&subject, 1000, &(struct claims){.rules = FLOW_RULES, .without = ""});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_valve_keeps_the_contract_with_any_marks),
		cmocka_unit_test(test_a_join_keeps_the_contract),
		cmocka_unit_test(test_a_wrap_keeps_the_contract),
		cmocka_unit_test(test_a_bare_processor_keeps_the_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
