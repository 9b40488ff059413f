/* SPDX-License-Identifier: MIT */
/* A tee whose branch spills to a file, held against the contract; the clock is the kit's. */
#include "tck_claims.h"

#include "weir/spill.h"
#include "weir/tee.h"

#define STORE  ((uint64_t)200000)
#define BEHIND ((size_t)10000)

struct spilling {
	struct weir_tee *tee;
	struct box *box;
};

static int spilling_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct weir_branch_options options = {.policy = WEIR_TEE_SPILL, .behind = BEHIND};
	struct spilling *s = calloc(1, sizeof(*s));

	(void)arg;
	assert_non_null(s);
	assert_int_equal(box_make(NULL, kit, out), 0);
	s->box = out->self;
	assert_int_equal(weir_tee_create(weir_tck_context(kit), &s->tee), 0);
	assert_int_equal(weir_spill_file(NULL, STORE, &options.spill), 0);
	assert_int_equal(weir_tee_add(s->tee, &s->box->valve.base, &options, NULL), 0);
	out->flow.sink = weir_tee_sink(s->tee);
	out->self = s;
	return 0;
}

static void spilling_destroy(void *self)
{
	struct spilling *s = self;

	weir_tee_destroy(s->tee);
	box_destroy(s->box);
	free(s);
}

static void spilling_take(void *self, size_t max)
{
	box_take(((struct spilling *)self)->box, max);
}

static void spilling_die(void *self, int why)
{
	box_die(((struct spilling *)self)->box, why);
}

static void test_a_tee_that_spills_keeps_the_contract(void **state)
{
	struct weir_tck_subject subject = {
		.name = "tee, a branch that spills",
		.make = spilling_make,
		.destroy = spilling_destroy,
		.numbers = {.limit = WEIR_LIMIT_DEFAULT,
	                    .hold = STORE + BEHIND + 3 * WEIR_HIGH_DEFAULT,
	                    .finish_wait_ns = WEIR_FINISH_WAIT_DEFAULT},
		.take = spilling_take,
		.die = spilling_die,
	};

	(void)state;
	assert_claims(&subject, 300,
	              &(struct claims){
			      .rules = SINK_RULES,
			      /* What is in the store is no memory, and not charged. */
			      .broken = "MEM-2 ",
		      });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_tee_that_spills_keeps_the_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
