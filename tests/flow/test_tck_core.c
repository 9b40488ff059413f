/* SPDX-License-Identifier: MIT */
/* What the core and the transports in memory are made of, held against the contract. */
#include "tck_chain.h"
#include "tck_claims.h"

#include "weir/impl/wrap.h"

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
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct marks marks = table[i];
		struct weir_tck_subject subject = box_subject;
		struct claims claims = {SINK_RULES, marks.limit < 8192 ? "MEM-5" : "", ""};

		subject.name = "valve";
		subject.arg = &marks;
		subject.make = marked_make;
		subject.numbers.high = marks.high;
		subject.numbers.low = marks.low;
		subject.numbers.limit = marks.limit;
		assert_claims(&subject, i ? 300 : 1000, &claims);
	}
}

static void test_a_valve_in_the_twisted_profile_keeps_what_is_not_its_profiles(void **state)
{
	struct weir_tck_subject subject = box_subject;

	(void)state;
	subject.name = "valve, Twisted";
	subject.arg = &subject;
	subject.traits.twisted = true;
	subject.numbers = (struct weir_tck_numbers){
		.high = WEIR_TWISTED_HIGH,
		.finish_wait_ns = WEIR_NEVER,
	};
	assert_claims(&subject, 1000, &(struct claims){SINK_RULES, NOT_TWISTED, NULL});
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
	assert_claims(&subject, 1000, &(struct claims){SINK_RULES, "", ""});
	assert_claims(&twice, 300, &(struct claims){SINK_RULES, "", ""});
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
	assert_claims(&subject, 1000, &(struct claims){PROCESSOR_RULES, "", ""});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_valve_keeps_the_contract_with_any_marks),
		cmocka_unit_test(test_a_valve_in_the_twisted_profile_keeps_what_is_not_its_profiles),
		cmocka_unit_test(test_a_wrap_keeps_the_contract),
		cmocka_unit_test(test_a_bare_processor_keeps_the_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
