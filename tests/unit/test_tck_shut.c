/* SPDX-License-Identifier: MIT */
/*
 * SHUT-1 in the contract kit: a house of several flows that is shut lets them finish and aborts,
 * at the deadline, what still runs; houses that are wrong in one thing are found out.
 */
#include "tck_subjects.h"

#include <errno.h>

#include "weir/loopback.h"

#define FLAWS(X)                                                                                   \
	X(NONE)                                                                                    \
	X(TAKES_MORE)                                                                              \
	X(ABORTS_AT_ONCE)                                                                          \
	X(ABORTS_EARLY)                                                                            \
	X(NEVER_ABORTS)                                                                            \
	X(ABORTED_LOOKS_WHOLE)                                                                     \
	X(ABORTS_THE_FINISHED_TOO)                                                                 \
	X(COUNTS_NOTHING)                                                                          \
	X(COUNTS_ALL)                                                                              \
	X(DROPS_WHAT_IS_HELD)

enum flaw {
#define FLAW_ENUM(name) name,
	FLAWS(FLAW_ENUM)
#undef FLAW_ENUM
		FLAW_COUNT,
};

static const char *const flaw_names[] = {
#define FLAW_NAME(name) #name,
	FLAWS(FLAW_NAME)
#undef FLAW_NAME
};

#define GUESTS 4

struct guest {
	struct weir_transport *in, *out;
};

struct house {
	struct weir_context *ctx;
	struct guest guests[GUESTS];
	unsigned count, aborted;
	bool shut;
	struct weir_timer deadline;
	enum flaw flaw;
};

static int admit(struct house *h, struct weir_tck_flow *flow)
{
	struct guest *g = &h->guests[h->count];
	int rc;

	if (h->count == GUESTS || (h->shut && h->flaw != TAKES_MORE))
		return WEIR_ECLOSED;
	rc = weir_loopback_create(h->ctx, &g->in, &g->out);
	if (rc < 0)
		return rc;
	h->count++;
	flow->sink = weir_transport_sink(g->in);
	flow->source = weir_transport_source(g->out);
	return 0;
}

static bool runs(const struct guest *g)
{
	struct weir_consumer_state s;

	weir_consumer_state(weir_transport_sink(g->in), &s);
	return !s.ended;
}

static void abort_all(struct weir_timer *timer)
{
	struct house *h = (struct house *)((char *)timer - offsetof(struct house, deadline));

	if (h->flaw == NEVER_ABORTS)
		return;
	for (unsigned i = 0; i < h->count; i++) {
		struct guest *g = &h->guests[i];

		if (!runs(g) && h->flaw != ABORTS_THE_FINISHED_TOO)
			continue;
		h->aborted++;
		if (h->flaw == ABORTED_LOOKS_WHOLE)
			weir_consumer_finish(weir_transport_sink(g->in));
		else
			weir_consumer_fail(weir_transport_sink(g->in), -ECANCELED);
	}
}

static unsigned house_shut(void *self, uint64_t deadline)
{
	struct house *h = self;

	if (h->flaw == ABORTS_EARLY)
		deadline -= WEIR_NS_PER_S;
	if (!h->shut) {
		h->shut = true;
		weir_timer_set(h->ctx, &h->deadline, deadline);
		if (h->flaw == ABORTS_AT_ONCE)
			abort_all(&h->deadline);
		if (h->flaw == DROPS_WHAT_IS_HELD)
			weir_consumer_fail(weir_transport_sink(h->guests[0].in), -ECANCELED);
	}
	if (h->flaw == COUNTS_NOTHING)
		return 0;
	return h->flaw == COUNTS_ALL ? h->count : h->aborted;
}

static int house_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct house *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	h->ctx = weir_tck_context(kit);
	h->deadline.run = abort_all;
	h->flaw = *(enum flaw *)arg;
	out->self = h;
	return admit(h, &out->flow);
}

static void house_destroy(void *self)
{
	struct house *h = self;

	weir_timer_cancel(h->ctx, &h->deadline);
	for (unsigned i = 0; i < h->count; i++) {
		weir_transport_close(h->guests[i].in);
		weir_transport_close(h->guests[i].out);
	}
	free(h);
}

static int house_more(void *self, struct weir_tck_flow *out)
{
	return admit(self, out);
}

static struct weir_tck_subject house_subject(enum flaw *flaw)
{
	return (struct weir_tck_subject){
		.name = "house",
		.arg = flaw,
		.make = house_make,
		.destroy = house_destroy,
		.numbers = VALVE_NUMBERS,
		.traits = {.push_only = true},
		.more = house_more,
		.shut = house_shut,
	};
}

static void test_a_house_that_is_shut_keeps_every_rule(void **state)
{
	enum flaw flaw = NONE;
	struct weir_tck_subject subject = house_subject(&flaw);

	(void)state;
	assert_kept(&subject, "SHUT-1 END-3 END-9 FLOW-4 ");
}

static void test_each_wrong_house_is_found_out(void **state)
{
	(void)state;
	for (enum flaw flaw = NONE; flaw < FLAW_COUNT; flaw++) {
		enum flaw now = flaw;
		struct weir_tck_subject subject = house_subject(&now);
		struct tally tally = {.prints = getenv("WEIR_TCK_VERBOSE") != NULL};

		assert_true(weir_tck_run(&subject, &(struct weir_tck_options){
							   .effort = 1,
							   .ids = "SHUT",
							   .report = tally_report,
							   .arg = &tally,
						   }) >= 0);
		/* Aborting once more what has finished changes nothing but the count. */
		if (strcmp(tally.broken, flaw == NONE ? "" : "SHUT-1 "))
			fail_msg("%s: broken are %s\n%s", flaw_names[flaw], tally.broken,
			         tally.calls);
	}
}

static void test_one_flow_is_not_held_to_it(void **state)
{
	struct tally tally = {.prints = false};

	(void)state;
	assert_int_equal(tck_run(&box_subject, 1, &tally), 0);
	assert_non_null(strstr(tally.missing, "SHUT-1 "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_house_that_is_shut_keeps_every_rule),
		cmocka_unit_test(test_each_wrong_house_is_found_out),
		cmocka_unit_test(test_one_flow_is_not_held_to_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
