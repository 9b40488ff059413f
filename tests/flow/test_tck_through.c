/* SPDX-License-Identifier: MIT */
/* Two and three adapters, one behind the other, held against the contract as one. */
#include "tck_claims.h"
#include "tck_stages.h"

#include "weir/memory.h"

/* The marks of the first are not those of the whole, which is known to hold so much. */
static struct weir_tck_numbers whole(const struct chain_plan *plan)
{
	struct weir_tck_numbers n = {
		.limit = WEIR_LIMIT_DEFAULT,
		.finish_wait_ns = WEIR_FINISH_WAIT_DEFAULT,
	};

	if (plan->kinds[0] == &small_proxy_kind)
		n.limit = 70000;
	for (unsigned i = 0; plan->kinds[i]; i++)
		n.hold += WEIR_HIGH_DEFAULT + WEIR_BLOCK_LARGE;
	return n;
}

struct composition {
	const char *name;
	struct chain_plan plan;
	const char *without;
};

static bool is_closed(const struct chain_plan *plan)
{
	unsigned last = 0;

	while (plan->kinds[last + 1])
		last++;
	return plan->kinds[last] == &box_kind;
}

static void assert_compositions(const struct composition *table, size_t count)
{
	for (size_t i = 0; i < count; i += tck_stride()) {
		const struct chain_plan *plan = &table[i].plan;
		struct weir_tck_subject subject =
			is_closed(plan) ? closed_chain(table[i].name, plan, whole(plan))
					: open_chain(table[i].name, plan, whole(plan));

		assert_claims(&subject, 300,
		              &(struct claims){
				      .rules = is_closed(plan) ? SINK_RULES : PROCESSOR_RULES,
				      .without = table[i].without,
			      });
	}
}

#define COMPOSITIONS(...)                                                                          \
	static const struct composition table[] = {__VA_ARGS__};                                   \
	assert_compositions(table, sizeof(table) / sizeof(table[0]))

static void test_processors_behind_each_other_keep_the_contract(void **state)
{
	(void)state;
	COMPOSITIONS(
		{"throttle, proxy", {.kinds = {&throttle_kind, &plain_proxy_kind}}, ""},
		{"proxy, throttle", {.kinds = {&plain_proxy_kind, &throttle_kind}}, ""},
		{"proxy, proxy", {.kinds = {&plain_proxy_kind, &plain_proxy_kind}}, ""},
		{"small proxy, buffering proxy",
	         {.kinds = {&small_proxy_kind, &buffering_proxy_kind}},
	         ""},
		{"buffering proxy, small proxy, throttle",
	         {.kinds = {&buffering_proxy_kind, &small_proxy_kind, &throttle_kind}},
	         ""},
		{"throttle, throttle in a group", {.kinds = {&throttle_kind, &member_kind}}, ""});
}

static void test_processors_that_pull_keep_the_contract(void **state)
{
	(void)state;
	COMPOSITIONS({"proxy pulled by a proxy",
	              {.kinds = {&plain_proxy_kind, &plain_proxy_kind}, .pulls = true},
	              ""},
	             {"small proxy pulled by a throttle",
	              {.kinds = {&small_proxy_kind, &throttle_kind}, .pulls = true},
	              ""},
	             {"throttle pulled by a proxy, pulled by a box",
	              {.kinds = {&throttle_kind, &plain_proxy_kind, &box_kind}, .pulls = true},
	              ""});
}

static void test_wraps_between_processors_keep_the_contract(void **state)
{
	(void)state;
	COMPOSITIONS({"throttle, proxy, tap",
	              {.kinds = {&throttle_kind, &plain_proxy_kind, &tap_kind, &box_kind}},
	              ""},
	             {"tap, throttle, hash tap, small proxy",
	              {.kinds = {&tap_kind, &throttle_kind, &hash_tap_kind, &small_proxy_kind}},
	              ""},
	             {"tap, tap, proxy", {.kinds = {&tap_kind, &tap_kind, &plain_proxy_kind}}, ""});
}

static void test_processors_that_are_joined_keep_the_contract(void **state)
{
	(void)state;
	COMPOSITIONS(
		{"proxy, join, throttle",
	         {.kinds = {&plain_proxy_kind, &throttle_kind}, .joins = true},
	         ""},
		{"throttle, join, proxy, join, box",
	         {.kinds = {&throttle_kind, &plain_proxy_kind, &box_kind}, .joins = true},
	         ""},
		{"small proxy, join, tap, buffering proxy",
	         {.kinds = {&small_proxy_kind, &tap_kind, &buffering_proxy_kind}, .joins = true},
	         ""});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_processors_behind_each_other_keep_the_contract),
		cmocka_unit_test(test_processors_that_pull_keep_the_contract),
		cmocka_unit_test(test_wraps_between_processors_keep_the_contract),
		cmocka_unit_test(test_processors_that_are_joined_keep_the_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
