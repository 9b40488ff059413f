/* SPDX-License-Identifier: MIT */
/*
 * HALF and lingering in the contract kit: loopbacks and relays keep it; a relay that is wrong in
 * one thing is found out.
 */
#include "tck_joined.h"
#include "tck_pair.h"

#include <errno.h>

#include "weir/loopback.h"
#include "weir/relay.h"

#define S WEIR_NS_PER_S

#define LINGER (100 * S)

/* ---- a loopback ---- */

static int pair_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct weir_transport **sides = calloc(2, sizeof(*sides));
	int rc;

	(void)arg;
	assert_non_null(sides);
	rc = weir_loopback_create(weir_tck_context(kit), &sides[0], &sides[1]);
	if (rc < 0)
		return rc;
	describe_pair(sides, out);
	return 0;
}

static struct weir_tck_subject pair_subject(void)
{
	return (struct weir_tck_subject){
		.name = "loopback",
		.make = pair_make,
		.destroy = pair_destroy,
		.numbers = VALVE_NUMBERS,
		.traits = {.push_only = true, .half_closes = true},
	};
}

static void test_a_loopback_half_closes(void **state)
{
	struct weir_tck_subject subject = pair_subject();
	struct tally tally;

	(void)state;
	assert_kept(&subject, "HALF-1 HALF-2 OBS-3 ");
	tck_broken(&subject, "HALF", &tally);
	assert_string_equal(tally.missing, "HALF-3 HALF-4 HALF-5 ");
}

static void test_one_that_half_closes_and_declares_that_it_does_not_is_found_out(void **state)
{
	struct weir_tck_subject subject = pair_subject();
	struct tally tally;

	(void)state;
	subject.traits.half_closes = false;
	tck_broken(&subject, "HALF", &tally);
	assert_string_equal(tally.broken, "HALF-2 ");
	assert_string_equal(tally.missing, "HALF-1 HALF-3 HALF-4 HALF-5 ");
}

static void test_one_way_has_no_halves(void **state)
{
	struct tally tally;

	(void)state;
	tck_broken(&box_subject, "HALF", &tally);
	assert_string_equal(tally.broken, "");
	assert_string_equal(tally.missing, "HALF-1 HALF-2 HALF-3 HALF-4 HALF-5 ");
}

/* ---- relays between two loopbacks ---- */

#define FLAWS(X)                                                                                   \
	X(NONE, "")                                                                                \
	X(LOSES_A_BYTE, "HALF-1 TIME-1 ")                                                          \
	X(PAUSES_THE_OTHER, "HALF-1 HALF-2 HALF-3 ")                                               \
	X(CUTS_THE_OTHER, "HALF-1 HALF-2 HALF-3 HALF-5 TIME-1 ")                                   \
	X(FINISHES_THE_OTHER, "HALF-1 HALF-2 HALF-3 HALF-5 TIME-1 ")                               \
	X(KEEPS_THE_END, "HALF-1 ")                                                                \
	X(NEVER_LINGERS, "HALF-3 ")                                                                \
	X(LINGERS_FROM_THE_START, "HALF-3 ")                                                       \
	X(LINGER_NOT_RESTARTED, "HALF-3 TIME-1 ")                                                  \
	X(LINGERS_WHILE_HELD, "TIME-1 ")                                                           \
	X(NEVER_CLOSES, "HALF-5 ")                                                                 \
	X(CLOSES_TWICE, "HALF-5 ")                                                                 \
	X(CLOSES_AFTER_ONE, "HALF-5 ")                                                             \
	X(CLOSES_LATER_AGAIN, "HALF-5 ")

enum flaw {
#define FLAW_ENUM(name, ids) name,
	FLAWS(FLAW_ENUM)
#undef FLAW_ENUM
		FLAW_COUNT,
};

static const struct {
	const char *name, *ids;
} flaws[] = {
#define FLAW_NAME(name, ids) {#name, ids},
	FLAWS(FLAW_NAME)
#undef FLAW_NAME
};

struct relayed {
	struct weir_tck *kit;
	struct weir_context *ctx;
	struct weir_transport *left[2], *right[2]; /* outer and inner */
	struct weir_relay *relay;                  /* the library's; or, of our own: */
	struct weir_join *ways[2];
	struct weir_wrap taps[2]; /* in front of the outer sinks */
	struct weir_consumer_ops tap_ops;
	struct weir_timer clock, again;
	enum flaw flaw;
	unsigned ended;
	bool is_over[2];
	uint64_t since, seen;
};

static void on_relay_done(struct weir_relay *relay, const struct weir_outcome *to_right,
                          const struct weir_outcome *to_left, void *arg)
{
	(void)relay;
	(void)to_right;
	(void)to_left;
	weir_tck_closed(((struct relayed *)arg)->kit);
}

static struct weir_relay_side side_of(struct weir_transport *t)
{
	return (struct weir_relay_side){weir_transport_source(t), weir_transport_sink(t)};
}

static struct relayed *relayed_open(struct weir_tck *kit, struct weir_tck_made *out)
{
	struct relayed *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->kit = kit;
	r->ctx = weir_tck_context(kit);
	assert_int_equal(weir_loopback_create(r->ctx, &r->left[0], &r->left[1]), 0);
	assert_int_equal(weir_loopback_create(r->ctx, &r->right[0], &r->right[1]), 0);
	out->flow = (struct weir_tck_flow){weir_transport_sink(r->left[0]),
	                                   weir_transport_source(r->right[0])};
	out->back = (struct weir_tck_flow){weir_transport_sink(r->right[0]),
	                                   weir_transport_source(r->left[0])};
	out->self = r;
	return r;
}

/* `arg`: the relay's options, or NULL. */
static int relayed_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct relayed *r = relayed_open(kit, out);
	struct weir_relay_options options =
		arg ? *(const struct weir_relay_options *)arg : (struct weir_relay_options){0};

	options.on_done = on_relay_done;
	options.arg = r;
	return weir_relay_create(r->ctx, side_of(r->left[1]), side_of(r->right[1]), &options,
	                         &r->relay);
}

static void relayed_destroy(void *self)
{
	struct relayed *r = self;

	weir_timer_cancel(r->ctx, &r->clock);
	weir_timer_cancel(r->ctx, &r->again);
	weir_relay_destroy(r->relay);
	for (int i = 0; i < 2; i++) {
		weir_join_destroy(r->ways[i]);
		weir_transport_close(r->left[i]);
		weir_transport_close(r->right[i]);
		if (r->taps[i].front.ops)
			weir_wrap_fini(&r->taps[i]);
	}
	free(r);
}

static struct weir_tck_subject relayed_subject(const struct weir_relay_options *options)
{
	return (struct weir_tck_subject){
		.name = "relay",
		.arg = (void *)(uintptr_t)options,
		.make = relayed_make,
		.destroy = relayed_destroy,
		.numbers =
			{
				.high = WEIR_HIGH_DEFAULT,
				.low = WEIR_LOW_DEFAULT,
				.limit = WEIR_LIMIT_DEFAULT,
				.hold = 4 * WEIR_LIMIT_DEFAULT,
				.finish_wait_ns = WEIR_FINISH_WAIT_DEFAULT,
				.idle_ns = options ? options->idle_ns : 0,
				.stall_ns = options ? options->stall_ns : 0,
				.linger_ns = options ? options->linger_ns : 0,
				.total_ns = options ? options->total_ns : 0,
			},
		.traits = {.push_only = true,
	                   .half_closes = true,
	                   .tells_close = true,
	                   .outside = true,
	                   .overtakes = true},
	};
}

static void test_a_relay_half_closes_lingers_and_closes_once(void **state)
{
	static const struct weir_relay_options options[] = {
		{.linger_ns = LINGER},
		{.linger_ns = LINGER, .idle_ns = 2 * LINGER, .total_ns = 20 * LINGER},
		{.linger_ns = LINGER, .stall_ns = LINGER / 2},
		{.linger_ns = LINGER,
	         .idle_ns = 2 * LINGER,
	         .stall_ns = 4 * LINGER,
	         .total_ns = 40 * LINGER},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		struct weir_tck_subject subject = relayed_subject(&options[i]);
		struct tally tally;

		tck_broken(&subject, "HALF TIME OBS-3", &tally);
		if (*tally.broken)
			fail_msg("options %zu: broken are %s\n%s", i, tally.broken, tally.calls);
		assert_string_equal(tally.missing, "HALF-4 ");
	}
}

static void test_a_relay_keeps_every_rule(void **state)
{
	struct weir_tck_subject subject = relayed_subject(NULL);

	(void)state;
	assert_kept(&subject, "HALF-1 HALF-2 HALF-5 DATA-1 END-3 OBS-3 ");
}

/* ---- a relay of our own, which may be wrong ---- */

static uint64_t moved(const struct relayed *r)
{
	struct weir_progress p;
	uint64_t sum = 0;

	for (int i = 0; i < 2; i++) {
		weir_join_progress(r->ways[i], &p);
		sum += p.in + p.out;
		if (p.paused && r->flaw != LINGERS_WHILE_HELD)
			sum += p.elapsed_ns;
	}
	return sum;
}

static void tick(struct weir_timer *timer)
{
	struct relayed *r = (struct relayed *)((char *)timer - offsetof(struct relayed, clock));
	uint64_t now = weir_context_now(r->ctx);

	if (moved(r) != r->seen && r->flaw != LINGER_NOT_RESTARTED)
		r->since = now;
	r->seen = moved(r);
	if (now - r->since >= LINGER)
		for (int i = 0; i < 2; i++)
			weir_join_stop(r->ways[i], WEIR_ELINGER);
	else
		weir_timer_set(r->ctx, timer, now + LINGER / 100);
}

static void begin_to_linger(struct relayed *r)
{
	if (r->flaw == NEVER_LINGERS || r->clock.armed)
		return;
	r->since = weir_context_now(r->ctx);
	r->seen = moved(r);
	weir_timer_set(r->ctx, &r->clock, r->since + LINGER / 100);
}

static void close_again(struct weir_timer *timer)
{
	weir_tck_closed(((struct relayed *)((char *)timer - offsetof(struct relayed, again)))->kit);
}

static void after_one(struct relayed *r, struct weir_join *other)
{
	begin_to_linger(r);
	if (r->flaw == CLOSES_AFTER_ONE)
		weir_tck_closed(r->kit);
	if (r->flaw == CUTS_THE_OTHER)
		weir_join_stop(other, WEIR_ECLOSED);
	if (r->flaw == PAUSES_THE_OTHER)
		weir_join_pause(other);
	if (r->flaw == FINISHES_THE_OTHER)
		weir_consumer_finish(
			weir_transport_sink(other == r->ways[1] ? r->left[1] : r->right[1]));
	if (r->flaw == FINISHES_THE_OTHER)
		weir_join_stop(other, WEIR_ECLOSED);
}

static void after_both(struct relayed *r)
{
	weir_timer_cancel(r->ctx, &r->clock);
	if (r->flaw != NEVER_CLOSES && r->flaw != CLOSES_AFTER_ONE)
		weir_tck_closed(r->kit);
	if (r->flaw == CLOSES_TWICE)
		weir_tck_closed(r->kit);
	if (r->flaw == CLOSES_LATER_AGAIN)
		weir_timer_set(r->ctx, &r->again, weir_context_now(r->ctx) + S);
}

static void on_way_done(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	struct relayed *r = arg;
	int way = join == r->ways[1];

	(void)outcome;
	r->is_over[way] = true;
	if (!r->is_over[!way])
		after_one(r, r->ways[!way]);
	else
		after_both(r);
}

/* In front of an outer sink: loses the first byte after the other way's end. */
static int tap_write(struct weir_consumer *c, const void *data, size_t len)
{
	struct weir_wrap *tap = (struct weir_wrap *)c;
	struct relayed *r =
		(struct relayed *)((char *)tap->front.ops - offsetof(struct relayed, tap_ops));
	unsigned char other;

	if (len <= 1 || r->flaw != LOSES_A_BYTE || r->is_over[0] == r->is_over[1])
		return weir_wrap_consumer_ops.write(c, data, len);
	memcpy(&other, data, 1);
	other ^= 1;
	if (weir_wrap_consumer_ops.write(c, &other, 1) < 0)
		return WEIR_EFULL;
	return weir_wrap_consumer_ops.write(c, (const unsigned char *)data + 1, len - 1);
}

static int wrong_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct relayed *r = relayed_open(kit, out);
	struct weir_join_options options = {.on_done = on_way_done, .arg = r};

	r->flaw = *(enum flaw *)arg;
	r->clock.run = tick;
	r->again.run = close_again;
	r->tap_ops = weir_wrap_consumer_ops;
	r->tap_ops.write = tap_write;
	weir_wrap_init(&r->taps[0], out->flow.sink, &r->tap_ops, &weir_wrap_producer_ops);
	weir_wrap_init(&r->taps[1], out->back.sink, &r->tap_ops, &weir_wrap_producer_ops);
	out->flow.sink = &r->taps[0].front;
	out->back.sink = &r->taps[1].front;
	options.keep_open = r->flaw == KEEPS_THE_END;
	assert_int_equal(weir_join_create(r->ctx, weir_transport_source(r->left[1]),
	                                  weir_transport_sink(r->right[1]), &options, &r->ways[0]),
	                 0);
	assert_int_equal(weir_join_create(r->ctx, weir_transport_source(r->right[1]),
	                                  weir_transport_sink(r->left[1]), &options, &r->ways[1]),
	                 0);
	if (r->flaw == LINGERS_FROM_THE_START)
		begin_to_linger(r);
	return 0;
}

static void test_each_wrong_relay_is_found_out(void **state)
{
	static const struct weir_relay_options options = {.linger_ns = LINGER};

	(void)state;
	for (enum flaw flaw = NONE; flaw < FLAW_COUNT; flaw++) {
		enum flaw now = flaw;
		struct weir_tck_subject subject = relayed_subject(&options);
		struct tally tally;

		if (getenv("WEIR_FLAW") && strcmp(getenv("WEIR_FLAW"), flaws[flaw].name))
			continue;
		subject.arg = &now;
		subject.make = wrong_make;
		tck_broken(&subject, "HALF TIME", &tally);
		if (strcmp(tally.broken, flaws[flaw].ids))
			fail_msg("%s: broken are %s\n%s", flaws[flaw].name, tally.broken,
			         tally.calls);
	}
}

static void test_one_that_cuts_and_declares_it_keeps_its_word(void **state)
{
	enum flaw flaw = CUTS_THE_OTHER;
	struct weir_tck_subject subject = relayed_subject(NULL);
	struct tally tally;

	(void)state;
	subject.arg = &flaw;
	subject.make = wrong_make;
	subject.traits.half_closes = false;
	tck_broken(&subject, "HALF", &tally);
	assert_string_equal(tally.broken, "");
	assert_string_equal(tally.missing, "HALF-1 HALF-3 HALF-4 HALF-5 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_loopback_half_closes),
		cmocka_unit_test(
			test_one_that_half_closes_and_declares_that_it_does_not_is_found_out),
		cmocka_unit_test(test_one_way_has_no_halves),
		cmocka_unit_test(test_a_relay_half_closes_lingers_and_closes_once),
		cmocka_unit_test(test_a_relay_keeps_every_rule),
		cmocka_unit_test(test_each_wrong_relay_is_found_out),
		cmocka_unit_test(test_one_that_cuts_and_declares_it_keeps_its_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
