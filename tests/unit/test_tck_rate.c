/* SPDX-License-Identifier: MIT */
/* RATE-1 to RATE-3 of the contract kit: throttles and their groups keep them, and a limit that
 * is wrong in one thing breaks the rule that this is about, and no other. */
#include "tck_limit.h"

#include "weir/throttle.h"

/* ---- the throttle, alone or in a group ---- */

#define THROTTLES 6

struct rates {
	struct weir_rate own, group; /* 0: none */
	uint64_t min_share;
};

struct throttles {
	const struct rates *rates;
	struct weir_context *ctx;
	struct weir_throttle_group *group; /* or NULL */
	struct weir_throttle *member[THROTTLES];
	unsigned count;
};

static int throttle_more(void *self, struct weir_tck_flow *out)
{
	struct throttles *u = self;
	struct weir_throttle **t = &u->member[u->count];
	int rc;

	assert_true(u->count < THROTTLES);
	rc = weir_throttle_create(u->ctx, u->rates->own, u->group, t);
	if (rc < 0)
		return rc;
	u->count++;
	out->sink = weir_throttle_sink(*t);
	out->source = weir_throttle_source(*t);
	return 0;
}

static int throttle_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct throttles *u = calloc(1, sizeof(*u));

	assert_non_null(u);
	u->rates = arg;
	u->ctx = weir_tck_context(kit);
	if (u->rates->group.bytes_per_s)
		assert_int_equal(weir_throttle_group_create(u->ctx, u->rates->group,
							    u->rates->min_share, &u->group), 0);
	out->self = u;
	return throttle_more(u, &out->flow);
}

static void throttle_destroy(void *self)
{
	struct throttles *u = self;

	for (unsigned i = 0; i < u->count; i++)
		weir_throttle_destroy(u->member[i]);
	weir_throttle_group_destroy(u->group);
	free(u);
}

static void throttle_set_rate(void *self, uint64_t bytes_per_s, uint64_t burst)
{
	struct throttles *u = self;
	struct weir_rate rate = {.bytes_per_s = bytes_per_s, .burst = burst};

	if (u->group)
		weir_throttle_group_set_rate(u->group, rate);
	else
		weir_throttle_set_rate(u->member[0], rate);
}

static struct weir_tck_subject throttle_subject(struct rates *rates)
{
	const struct weir_rate *limit = rates->group.bytes_per_s ? &rates->group : &rates->own;
	struct weir_tck_subject s = {
		.name = "throttle",
		.arg = rates,
		.make = throttle_make,
		.destroy = throttle_destroy,
		.numbers = VALVE_NUMBERS,
		.traits = {.counts_behind = true},
		.set_rate = throttle_set_rate,
		.more = rates->group.bytes_per_s ? throttle_more : NULL,
	};

	s.numbers.bytes_per_s = limit->bytes_per_s;
	s.numbers.burst = limit->burst;
	s.numbers.min_share = rates->min_share;
	return s;
}

/* ---- the tests ---- */

static const struct {
	const char *name, *ids;
} flaws[] = {
#define LIMIT_FLAW_NAME(name, ids) {#name, ids},
	LIMIT_FLAWS(LIMIT_FLAW_NAME)
#undef LIMIT_FLAW_NAME
};

static int run_rate(const struct weir_tck_subject *subject, struct tally *tally)
{
	struct weir_tck_options options = {
		.effort = 1,
		.ids = "RATE MEM-6 END-7",
		.report = tally_report,
		.arg = tally,
	};

	return weir_tck_run(subject, &options);
}

static void test_a_throttle_keeps_its_rate_at_any_rate(void **state)
{
	static const struct weir_rate rates[] = {
		{1, 1}, {7, 20}, {1000, 1}, {1000, 100000}, {1000000, 3000}, {1000000, 1000000},
		{123456789, 1000000}, {1000000000, 1 << 20},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct rates own = {.own = rates[i]};
		struct weir_tck_subject subject = throttle_subject(&own);
		struct tally tally = {.prints = true};

		assert_int_equal(run_rate(&subject, &tally), 0);
		assert_string_equal(tally.missing, "RATE-2 ");
	}
}

static void test_a_group_keeps_its_sum_and_its_shares(void **state)
{
	static const struct rates rates[] = {
		{.group = {1000000, 50000}, .min_share = 100000},
		{.group = {1000000, 50000}, .min_share = 250000},
		{.group = {1000000, 50000}, .min_share = 400000},
		{.group = {50000, 5000}, .min_share = 10000},
		{.group = {20000000, 2000000}},
		{.group = {1000000, 50000}, .own = {10000000, 1000000}, .min_share = 100000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct rates group = rates[i];
		struct weir_tck_subject subject = throttle_subject(&group);
		struct tally tally = {.prints = true};

		assert_int_equal(run_rate(&subject, &tally), 0);
		assert_string_equal(tally.missing, "");
	}
}

static void test_each_flaw_breaks_its_rule_and_no_other(void **state)
{
	int differ = 0;

	(void)state;
	for (enum limit_flaw flaw = NONE; flaw < LIMIT_FLAW_COUNT; flaw += tck_stride()) {
		enum limit_flaw now = flaw;
		struct weir_tck_subject subject = limit_subject(&now);
		struct tally tally = {.prints = getenv("WEIR_TCK_VERBOSE") != NULL};
		bool group = flaw == NONE || strstr(flaws[flaw].ids, "RATE-2");

		if (!group)
			subject.more = NULL;
		if (getenv("WEIR_FLAW") && strcmp(getenv("WEIR_FLAW"), flaws[flaw].name))
			continue;
		assert_true(run_rate(&subject, &tally) >= 0);
		if (!strcmp(tally.broken, flaws[flaw].ids) &&
		    !strcmp(tally.missing, group ? "" : "RATE-2 ") && (flaw == NONE || *tally.calls))
			continue;
		differ++;
		print_error("%s: broken are %s, missing are %s\n%s", flaws[flaw].name, tally.broken,
			    tally.missing, tally.calls);
	}
	assert_int_equal(differ, 0);
}

static void test_the_throttle_keeps_every_rule(void **state)
{
	struct rates own = {.own = {1000000, 100000}};
	struct weir_tck_subject subject = throttle_subject(&own);

	(void)state;
	assert_kept(&subject, "RATE-1 RATE-3 REG-1 FLOW-1 MEM-1 MEM-6 DATA-1 END-3 END-7 ");
}

static void test_what_has_no_limit_is_not_held_to_one(void **state)
{
	struct tally tally = {.prints = true};

	(void)state;
	assert_int_equal(run_rate(&box_subject, &tally), 0);
	assert_string_equal(tally.missing, "RATE-1 RATE-2 RATE-3 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_throttle_keeps_its_rate_at_any_rate),
		cmocka_unit_test(test_a_group_keeps_its_sum_and_its_shares),
		cmocka_unit_test(test_each_flaw_breaks_its_rule_and_no_other),
		cmocka_unit_test(test_the_throttle_keeps_every_rule),
		cmocka_unit_test(test_what_has_no_limit_is_not_held_to_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
