/* SPDX-License-Identifier: MIT */
/* FAN-1 to FAN-5 of the contract kit: the tee keeps them, and one that is wrong in one thing
 * breaks the rule that this is about, and no other. */
#include "tck_tee.h"

static const struct {
	const char *name, *ids;
} flaws[] = {
#define TEE_FLAW_NAME(name, ids) {#name, ids},
	TEE_FLAWS(TEE_FLAW_NAME)
#undef TEE_FLAW_NAME
};

static int run_fan(const struct weir_tck_subject *subject, struct tally *tally)
{
	struct weir_tck_options options = {
		.effort = 1,
		.ids = "FAN MEM-6 END-7",
		.report = tally_report,
		.arg = tally,
	};

	return weir_tck_run(subject, &options);
}

static void test_the_tee_keeps_every_rule(void **state)
{
	enum tee_flaw flaw = NONE;
	struct weir_tck_subject subject = tee_subject(&flaw);

	(void)state;
	assert_kept(&subject, "FAN-1 FAN-2 FAN-3 FAN-4 FAN-5 REG-1 MEM-1 MEM-6 DATA-1 END-7 ");
}

static void test_each_flaw_breaks_its_rule_and_no_other(void **state)
{
	int differ = 0;

	(void)state;
	for (enum tee_flaw flaw = NONE; flaw < TEE_FLAW_COUNT; flaw += tck_stride()) {
		enum tee_flaw now = flaw;
		struct weir_tck_subject subject = tee_subject(&now);
		struct tally tally = {.prints = getenv("WEIR_TCK_VERBOSE") != NULL};

		if (getenv("WEIR_FLAW") && strcmp(getenv("WEIR_FLAW"), flaws[flaw].name))
			continue;
		assert_true(run_fan(&subject, &tally) >= 0);
		if (!strcmp(tally.broken, flaws[flaw].ids) && !*tally.missing &&
		    (flaw == NONE || *tally.calls))
			continue;
		differ++;
		print_error("%s: broken are %s, missing are %s\n%s", flaws[flaw].name, tally.broken,
			    tally.missing, tally.calls);
	}
	assert_int_equal(differ, 0);
}

/* What the subject cannot do is said, and not held against it. */
static void test_what_is_missing_is_not_applicable(void **state)
{
	enum tee_flaw flaw = NONE;
	struct weir_tck_subject subject = tee_subject(&flaw);
	struct tally tally = {.prints = true}, without = {.prints = true};

	(void)state;
	subject.numbers.policies = 1u << WEIR_TCK_BLOCK;
	assert_int_equal(run_fan(&subject, &tally), 0);
	assert_string_equal(tally.missing, "FAN-2 FAN-3 FAN-4 ");
	assert_int_equal(run_fan(&box_subject, &without), 0);
	assert_string_equal(without.missing, "FAN-1 FAN-2 FAN-3 FAN-4 FAN-5 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_tee_keeps_every_rule),
		cmocka_unit_test(test_each_flaw_breaks_its_rule_and_no_other),
		cmocka_unit_test(test_what_is_missing_is_not_applicable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
