/* SPDX-License-Identifier: MIT */
/* Each adapter by itself, held against the contract. */
#include "tck_claims.h"
#include "tck_stages.h"

#include "weir/feeder.h"
#include "weir/pattern.h"
#include "weir/receiver.h"

static const struct weir_tck_numbers valve_numbers = VALVE_NUMBERS;

/* ---- processors: the kit plays what is behind ---- */

static void test_a_throttle_keeps_the_contract(void **state)
{
	static const struct chain_plan open = {.kinds = {&open_throttle_kind}};
	static const struct chain_plan slow = {.kinds = {&throttle_kind}};
	static const struct chain_plan member = {.kinds = {&member_kind}};
	struct weir_tck_subject subjects[] = {
		open_chain("throttle without a rate", &open, valve_numbers),
		open_chain("throttle", &slow, valve_numbers),
		open_chain("throttle in a group", &member, valve_numbers),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i += tck_stride())
		assert_claims(&subjects[i], 1000,
		              &(struct claims){.rules = PROCESSOR_RULES, .without = ""});
}

static void test_a_proxy_keeps_the_contract(void **state)
{
	static const struct chain_plan plain = {.kinds = {&plain_proxy_kind}};
	static const struct chain_plan buffering = {.kinds = {&buffering_proxy_kind}};
	static const struct chain_plan small = {.kinds = {&small_proxy_kind}};
	const struct weir_tck_numbers plain_numbers = {
		.high = 1,
		.limit = WEIR_LIMIT_DEFAULT,
		.finish_wait_ns = WEIR_FINISH_WAIT_DEFAULT,
	};
	const struct weir_tck_numbers small_numbers = {
		.high = 3000,
		.low = 100,
		.limit = 70000,
		.finish_wait_ns = WEIR_FINISH_WAIT_DEFAULT,
	};
	struct weir_tck_subject subjects[] = {
		open_chain("proxy", &plain, plain_numbers),
		open_chain("buffering proxy", &buffering, valve_numbers),
		open_chain("small proxy", &small, small_numbers),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i += tck_stride())
		assert_claims(&subjects[i], 1000,
		              &(struct claims){.rules = PROCESSOR_RULES, .without = ""});
}

static void test_a_tap_keeps_the_contract(void **state)
{
	static const struct chain_plan tap = {.kinds = {&tap_kind, &box_kind}};
	static const struct chain_plan hash = {.kinds = {&hash_tap_kind, &box_kind}};
	struct weir_tck_subject plain = closed_chain("tap", &tap, valve_numbers);
	struct weir_tck_subject hashing = closed_chain("hash tap", &hash, valve_numbers);

	(void)state;
	assert_claims(&plain, 1000, &(struct claims){.rules = SINK_RULES, .without = ""});
	assert_claims(&hashing, 300, &(struct claims){.rules = SINK_RULES, .without = ""});
}

/* ---- the receiver ---- */

struct reader {
	struct weir_receiver *receiver;
	struct weir_tck *kit;
	size_t window;
};

static int on_data(void *arg, const void *bytes, size_t len)
{
	struct reader *r = arg;

	if (r->window != SIZE_MAX)
		r->window -= len < r->window ? len : r->window;
	if (r->window == 0)
		weir_receiver_pause(r->receiver);
	weir_tck_out(r->kit, bytes, len);
	return 0;
}

static void on_end(void *arg, int why)
{
	weir_tck_out_end(((struct reader *)arg)->kit, why);
}

static int reader_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct reader *r = calloc(1, sizeof(*r));
	struct weir_receiver_options options = {.on_data = on_data, .on_end = on_end, .arg = r};

	(void)arg;
	assert_non_null(r);
	r->kit = kit;
	r->window = SIZE_MAX;
	assert_int_equal(weir_receiver_create(weir_tck_context(kit), &options, &r->receiver), 0);
	out->flow.sink = weir_receiver_sink(r->receiver);
	out->self = r;
	return 0;
}

static void reader_destroy(void *self)
{
	weir_receiver_destroy(((struct reader *)self)->receiver);
	free(self);
}

static void reader_take(void *self, size_t max)
{
	struct reader *r = self;

	r->window = max;
	if (max)
		weir_receiver_resume(r->receiver);
	else
		weir_receiver_pause(r->receiver);
}

static void test_a_receiver_keeps_the_contract(void **state)
{
	struct weir_tck_subject subject = {
		.name = "receiver",
		.make = reader_make,
		.destroy = reader_destroy,
		.numbers = valve_numbers,
		.take = reader_take,
	};

	(void)state;
	/* A callback cannot go away: it fails the stream with what it returns. */
	assert_claims(&subject, 1000,
	              &(struct claims){.rules = SINK_RULES, .without = "END-2 END-8 "});
}

/* ---- the feeder ---- */

static int feeder_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct weir_feeder *f;

	(void)arg;
	assert_int_equal(weir_feeder_create(weir_tck_context(kit), NULL, &f), 0);
	out->flow.source = weir_feeder_source(f);
	out->self = f;
	return 0;
}

static void feeder_destroy(void *self)
{
	weir_feeder_destroy(self);
}

static size_t feeder_feed(void *self, const void *data, size_t len)
{
	return weir_feeder_feed(self, data, len) == 0 ? len : 0;
}

static void feeder_end(void *self, int why)
{
	weir_feeder_end(self, why);
}

static void test_a_feeder_keeps_the_contract(void **state)
{
	struct weir_tck_subject subject = {
		.name = "feeder",
		.make = feeder_make,
		.destroy = feeder_destroy,
		.traits.push_only = true,
		.feed = feeder_feed,
		.feed_end = feeder_end,
	};

	(void)state;
	assert_claims(&subject, 1000,
	              &(struct claims){.rules = SOURCE_RULES, .without = "FLOW-5 FLOW-7 "});
}

/* ---- the tee: the kit sees one branch; the other one is slow, at its policy's mercy ---- */

struct split_plan {
	const char *name;
	struct weir_branch_options seen, other;
	bool alone;
};

struct split {
	struct weir_tee *tee;
	struct box *seen;
	struct weir_throttle *throttle;
	struct weir_transport *null;
};

static void add_other(struct split *s, struct weir_tck *kit,
                      const struct weir_branch_options *options)
{
	struct weir_context *ctx = weir_tck_context(kit);

	assert_int_equal(weir_throttle_create(ctx, THROTTLE_RATE, NULL, &s->throttle), 0);
	assert_int_equal(weir_pattern_null(ctx, &s->null), 0);
	assert_int_equal(weir_consumer_register(weir_transport_sink(s->null),
	                                        weir_throttle_source(s->throttle), WEIR_PUSH),
	                 0);
	assert_int_equal(weir_tee_add(s->tee, weir_throttle_sink(s->throttle), options, NULL), 0);
}

static int split_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	const struct split_plan *plan = arg;
	struct split *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	assert_int_equal(box_make(NULL, kit, out), 0);
	s->seen = out->self;
	assert_int_equal(weir_tee_create(weir_tck_context(kit), &s->tee), 0);
	assert_int_equal(weir_tee_add(s->tee, &s->seen->valve.base, &plan->seen, NULL), 0);
	if (!plan->alone)
		add_other(s, kit, &plan->other);
	out->flow.sink = weir_tee_sink(s->tee);
	out->self = s;
	return 0;
}

static void split_destroy(void *self)
{
	struct split *s = self;

	weir_tee_destroy(s->tee);
	box_destroy(s->seen);
	weir_throttle_destroy(s->throttle);
	weir_transport_close(s->null);
	free(s);
}

static void split_take(void *self, size_t max)
{
	box_take(((struct split *)self)->seen, max);
}

/* The last branch's death is the tee's. */
static void split_die(void *self, int why)
{
	struct split *s = self;

	if (s->throttle)
		weir_consumer_fail(weir_throttle_sink(s->throttle), why);
	box_die(((struct split *)self)->seen, why);
}

#define MUCH ((size_t)64 << 20)

static const struct split_plan splits[] = {
	{"tee, one branch", {.policy = WEIR_TEE_BLOCK}, {0}, true},
	{"tee, one branch that drops",
         {.policy = WEIR_TEE_DROP, .behind = MUCH, .separator = -1},
         {0},
         true},
	{"tee, one branch that is detached",
         {.policy = WEIR_TEE_DETACH, .behind = MUCH},
         {0},
         true},
	{"tee, a slow branch", {.policy = WEIR_TEE_BLOCK}, {.policy = WEIR_TEE_BLOCK}, false},
	{"tee, a slow branch that drops",
         {.policy = WEIR_TEE_BLOCK},
         {.policy = WEIR_TEE_DROP, .behind = 1000, .separator = WEIR_NO_SEPARATOR},
         false},
	{"tee, a slow branch that is detached",
         {.policy = WEIR_TEE_BLOCK},
         {.policy = WEIR_TEE_DETACH, .behind = 1000},
         false},
	{"tee, a slow branch that is detached in time",
         {.policy = WEIR_TEE_BLOCK},
         {.policy = WEIR_TEE_DETACH, .wait_ns = WEIR_NS_PER_MS},
         false},
};

static void test_a_tee_keeps_the_contract(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(splits) / sizeof(splits[0]); i++) {
		struct split_plan plan = splits[i];
		struct weir_tck_subject subject = {
			.name = plan.name,
			.arg = &plan,
			.make = split_make,
			.destroy = split_destroy,
			.numbers = valve_numbers,
			.take = split_take,
			.die = split_die,
		};

		/* What it says to hold is held by the branches, each of which has its own marks. */
		subject.numbers.high = subject.numbers.low = 0;
		subject.numbers.hold = 3 * WEIR_HIGH_DEFAULT + plan.seen.behind;
		/* Handed on is what the slowest has got of those that must get all: the kit sees
		 * more of it, or, of one that may drop, less. */
		subject.traits.outside = plan.seen.policy == WEIR_TEE_DROP ||
		                         (!plan.alone && plan.other.policy != WEIR_TEE_DROP);
		assert_claims(&subject, 300,
		              &(struct claims){
				      .rules = SINK_RULES,
				      .without = subject.traits.outside ? "MEM-5 " : "",
			      });
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_throttle_keeps_the_contract),
		cmocka_unit_test(test_a_proxy_keeps_the_contract),
		cmocka_unit_test(test_a_tap_keeps_the_contract),
		cmocka_unit_test(test_a_receiver_keeps_the_contract),
		cmocka_unit_test(test_a_feeder_keeps_the_contract),
		cmocka_unit_test(test_a_tee_keeps_the_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
