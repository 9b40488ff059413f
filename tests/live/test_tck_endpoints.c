/* SPDX-License-Identifier: MIT */
/* Each endpoint as a sink and as a source, with the real loop, held against the contract. */
#include "tck_ends.h"

struct place {
	struct site *site;
	const struct end_kind *kind;
};

static int sink_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	const struct place *place = arg;
	struct near *n = malloc(sizeof(*n));

	assert_non_null(n);
	near_open(n, place->site, place->kind, kit, true);
	out->flow.sink = weir_transport_sink(n->t);
	out->self = n;
	return 0;
}

static int source_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	const struct place *place = arg;
	struct near *n = malloc(sizeof(*n));

	assert_non_null(n);
	near_open(n, place->site, place->kind, kit, false);
	out->flow.source = weir_transport_source(n->t);
	out->self = n;
	return 0;
}

static void end_destroy(void *self)
{
	near_close(self);
	free(self);
}

static void sink_take(void *self, size_t max)
{
	((struct near *)self)->window = max;
}

static void sink_die(void *self, int why)
{
	struct near *n = self;

	(void)why;
	n->kind->die(n);
}

static size_t source_feed(void *self, const void *data, size_t len)
{
	return near_feed(self, data, len);
}

static void source_feed_end(void *self, int why)
{
	near_feed_end(self, why);
}

static unsigned sink_claims(struct site *site, const struct end_kind *kind)
{
	struct place place = {site, kind};
	struct weir_tck_subject subject = {
		.name = kind->name,
		.arg = &place,
		.make = sink_make,
		.destroy = end_destroy,
		.numbers = VALVE_NUMBERS,
		.traits = {.outside = true,
	                   .loses_cause = true,
	                   .comes_whole = kind->comes_whole,
	                   .sink_cannot_fail = kind->cannot_fail},
		.take = kind->is_file ? NULL : sink_take,
		.die = kind->die ? sink_die : NULL,
	};
	struct weir_tck_options options = site_options(site, 30);

	char without[80];

	subject.numbers.outside = kind->outside;
	snprintf(without, sizeof(without), "FLOW-7 FLOW-10 MEM-5 %s%s",
	         kind->is_file ? "END-2 END-8 " : "", kind->cannot_fail ? "END-5 " : "");
	return claims_broken(
		&subject, &options,
		&(struct claims){
			.rules = SINK_RULES,
			.without = without,
			/* How much the kernel keeps, and how fast the disk is. */
			.varies = kind->is_file || kind->is_socket
	                                  ? "REG-4 REG-6 FLOW-1 FLOW-3 MEM-1 MEM-2 END-4 "
	                                  : "",
		});
}

static unsigned source_claims(struct site *site, const struct end_kind *kind)
{
	struct place place = {site, kind};
	struct weir_tck_subject subject = {
		.name = kind->name,
		.arg = &place,
		.make = source_make,
		.destroy = end_destroy,
		.numbers.length = kind->length,
		.traits = {.outside = true,
	                   .loses_cause = true,
	                   .sink_cannot_fail = !kind->cut,
	                   .push_only = !kind->pull_only,
	                   .pull_only = kind->pull_only},
		.feed = kind->length ? NULL : source_feed,
		.feed_end = kind->length ? NULL : source_feed_end,
	};
	struct weir_tck_options options = site_options(site, 30);

	char without[80];

	/* One that reads what is there cannot be cut, and is not empty. */
	snprintf(without, sizeof(without), "FLOW-7 FLOW-10 END-7 END-10 %s%s%s",
	         kind->pull_only ? "FLOW-2 " : "FLOW-5 ", kind->cut ? "" : "END-5 ",
	         kind->length ? "END-6 " : "");
	return claims_broken(&subject, &options,
	                     &(struct claims){
				     .rules = SOURCE_RULES,
				     .without = without,
				     .varies = kind->pull_only ? "REG-5 " : "",
			     });
}

static void test_each_sink_keeps_the_contract(void **state)
{
	struct site site;
	unsigned broken = 0;

	(void)state;
	site_open(&site);
	for (size_t i = 0; i < COUNT(sink_kinds); i++)
		if (is_asked_for(&sink_kinds[i]))
			broken += sink_claims(&site, &sink_kinds[i]);
	site_close(&site);
	assert_int_equal(broken, 0);
}

static void test_each_source_keeps_the_contract(void **state)
{
	struct site site;
	unsigned broken = 0;

	(void)state;
	site_open(&site);
	for (size_t i = 0; i < COUNT(source_kinds); i++)
		if (is_asked_for(&source_kinds[i]))
			broken += source_claims(&site, &source_kinds[i]);
	site_close(&site);
	assert_int_equal(broken, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_sink_keeps_the_contract),
		cmocka_unit_test(test_each_source_keeps_the_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
