/* SPDX-License-Identifier: MIT */
/* Each endpoint joined to each other one, with the real loop, held against the contract. */
#include "tck_ends.h"

#include "weir/join.h"

struct pair_plan {
	struct site *site;
	const struct end_kind *from, *to;
};

struct pair {
	struct near from, to;
	struct weir_join *join;
	struct weir_outcome outcome;
	bool done;
};

static void on_done(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	struct pair *p = arg;

	(void)join;
	assert_false(p->done);
	p->done = true;
	p->outcome = *outcome;
}

static int pair_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	const struct pair_plan *plan = arg;
	struct pair *p = calloc(1, sizeof(*p));
	struct weir_join_options options = {.on_done = on_done, .arg = p};

	assert_non_null(p);
	near_open(&p->from, plan->site, plan->from, kit, false);
	near_open(&p->to, plan->site, plan->to, kit, true);
	assert_int_equal(weir_join_create(weir_tck_context(kit), weir_transport_source(p->from.t),
	                                  weir_transport_sink(p->to.t), &options, &p->join),
	                 0);
	out->self = p;
	return 0;
}

static void pair_destroy(void *self)
{
	struct pair *p = self;

	weir_join_destroy(p->join);
	near_close(&p->from);
	near_close(&p->to);
	free(p);
}

static void pair_take(void *self, size_t max)
{
	((struct pair *)self)->to.window = max;
}

static void pair_die(void *self, int why)
{
	struct pair *p = self;

	(void)why;
	p->to.kind->die(&p->to);
}

static size_t pair_feed(void *self, const void *data, size_t len)
{
	return near_feed(&((struct pair *)self)->from, data, len);
}

static void pair_feed_end(void *self, int why)
{
	near_feed_end(&((struct pair *)self)->from, why);
}

static bool pair_outcome(void *self, int *why)
{
	const struct pair *p = self;

	*why = p->outcome.cause;
	return p->done;
}

/* What of FLOW_RULES does not apply to this pair. */
static void list_without(const struct pair_plan *plan, char *out, size_t size)
{
	const struct end_kind *from = plan->from, *to = plan->to;

	snprintf(out, size, "FLOW-10 END-7 END-10 %s%s%s", to->die ? "" : "END-2 END-8 ",
	         from->cut && !to->cannot_fail ? "" : "END-5 ", from->length ? "END-6 " : "");
}

static unsigned pair_claims(struct pair_plan *plan)
{
	const struct end_kind *from = plan->from, *to = plan->to;
	char name[64], without[80];
	struct weir_tck_subject subject = {
		.name = name,
		.arg = plan,
		.make = pair_make,
		.destroy = pair_destroy,
		.numbers = {.length = from->length, .outside = to->outside},
		.traits = {.outside = true,
	                   .loses_cause = true,
	                   .comes_whole = to->comes_whole,
	                   .sink_cannot_fail = !from->cut || to->cannot_fail},
		.take = to->is_file ? NULL : pair_take,
		.die = to->die ? pair_die : NULL,
		.feed = from->length ? NULL : pair_feed,
		.feed_end = from->length ? NULL : pair_feed_end,
		.outcome = pair_outcome,
	};
	struct weir_tck_options options = site_options(plan->site, 10);

	snprintf(name, sizeof(name), "%s to %s", from->name, to->name);
	list_without(plan, without, sizeof(without));
	return claims_broken(&subject, &options,
	                     &(struct claims){
				     .rules = FLOW_RULES,
				     .without = without,
			     });
}

static void assert_pairs_from(const char *source)
{
	struct site site;
	unsigned broken = 0;

	site_open(&site);
	for (size_t i = 0; i < COUNT(source_kinds); i++)
		for (size_t j = 0; j < COUNT(sink_kinds) && !strcmp(source_kinds[i].name, source);
		     j++) {
			struct pair_plan plan = {&site, &source_kinds[i], &sink_kinds[j]};

			if (getenv("WEIR_TEST_QUICK") && (i + j) % 3)
				continue;
			if (is_asked_for(plan.from) || is_asked_for(plan.to))
				broken += pair_claims(&plan);
		}
	site_close(&site);
	assert_int_equal(broken, 0);
}

#define FROM(test, source)                                                                         \
	static void test(void **state)                                                             \
	{                                                                                          \
		(void)state;                                                                       \
		assert_pairs_from(source);                                                         \
	}

FROM(test_from_a_pipe_to_each, "pipe")
FROM(test_from_a_fifo_to_each, "fifo")
FROM(test_from_a_unix_socket_to_each, "unix")
FROM(test_from_tcp_to_each, "tcp")
FROM(test_from_a_process_to_each, "process")
FROM(test_from_a_file_to_each, "file")
FROM(test_from_an_adopted_file_to_each, "adopted file")
FROM(test_from_parts_to_each, "parts")

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_a_pipe_to_each),
		cmocka_unit_test(test_from_a_fifo_to_each),
		cmocka_unit_test(test_from_a_unix_socket_to_each),
		cmocka_unit_test(test_from_tcp_to_each),
		cmocka_unit_test(test_from_a_process_to_each),
		cmocka_unit_test(test_from_a_file_to_each),
		cmocka_unit_test(test_from_an_adopted_file_to_each),
		cmocka_unit_test(test_from_parts_to_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
