/* SPDX-License-Identifier: MIT */
/* The transports in memory, the patterns, and a simulated link, held against the contract. */
#include <errno.h>

#include "tck_chain.h"
#include "tck_claims.h"
#include "tck_memory.h"

#include "weir/loopback.h"
#include "weir/pattern.h"
#include "weir/sim.h"
#include "weir/tap.h"

static const struct weir_tck_numbers valve_numbers = VALVE_NUMBERS;

/* ---- the memory transport ---- */

static int memory_set_marks(void *self, size_t high, size_t low, size_t limit)
{
	struct weir_transport *t = weir_memory_transport(((struct recorder *)self)->memory);

	return limit == 2 * high ? weir_transport_set_marks(t, high, low) : -EINVAL;
}

static void test_the_memory_transports_sink_keeps_the_contract(void **state)
{
	struct weir_tck_subject subject = {
		.name = "memory sink",
		.make = memory_make,
		.destroy = memory_destroy,
		.numbers = valve_numbers,
		.take = memory_take,
		.die = memory_die,
		.set_marks = memory_set_marks,
	};

	(void)state;
	assert_claims(&subject, 1000, &(struct claims){.rules = SINK_RULES, .without = ""});
}

/* ---- its source ---- */

static int memory_source_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct weir_memory *m;

	(void)arg;
	assert_int_equal(weir_memory_create(weir_tck_context(kit), NULL, &m), 0);
	out->flow.source = weir_transport_source(weir_memory_transport(m));
	out->self = m;
	return 0;
}

static void memory_source_destroy(void *self)
{
	weir_memory_destroy(self);
}

static size_t memory_feed(void *self, const void *data, size_t len)
{
	return weir_memory_inject(self, data, len) == 0 ? len : 0;
}

static void memory_feed_end(void *self, int why)
{
	weir_memory_end(self, why);
}

static void test_the_memory_transports_source_keeps_the_contract(void **state)
{
	struct weir_tck_subject subject = {
		.name = "memory source",
		.make = memory_source_make,
		.destroy = memory_source_destroy,
		.feed = memory_feed,
		.feed_end = memory_feed_end,
	};

	(void)state;
	assert_claims(&subject, 1000, &(struct claims){.rules = SOURCE_RULES, .without = ""});
}

/* ---- loopback ---- */

struct pair {
	struct weir_transport *left, *right;
};

static void give_pair(struct pair *pair, struct weir_tck_made *out)
{
	out->flow.sink = weir_transport_sink(pair->left);
	out->flow.source = weir_transport_source(pair->right);
	out->back.sink = weir_transport_sink(pair->right);
	out->back.source = weir_transport_source(pair->left);
	out->self = pair;
}

static int loopback_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	(void)arg;
	assert_non_null(pair);
	assert_int_equal(weir_loopback_create(weir_tck_context(kit), &pair->left, &pair->right), 0);
	give_pair(pair, out);
	return 0;
}

static void pair_destroy(void *self)
{
	struct pair *pair = self;

	weir_transport_close(pair->left);
	weir_transport_close(pair->right);
	free(pair);
}

static void test_loopback_keeps_the_contract(void **state)
{
	struct weir_tck_subject subject = {
		.name = "loopback",
		.make = loopback_make,
		.destroy = pair_destroy,
		.numbers = valve_numbers,
		.traits = {.push_only = true, .half_closes = true},
	};

	(void)state;
	assert_claims(&subject, 1000, &(struct claims){.rules = PROCESSOR_RULES, .without = ""});
}

/* ---- a simulated link, in its own world ---- */

struct world {
	struct weir_sim *sim;
	struct weir_sim_link_options options;
	uint64_t now;
};

static void sim_turn(void *arg)
{
	struct world *w = arg;

	w->now += WEIR_NS_PER_MS;
	weir_sim_run(w->sim, w->now);
}

struct link {
	struct world *world;
	struct weir_transport *left, *right;
	struct box *box; /* what reads it */
};

static struct link *link_new(void *arg)
{
	struct link *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	l->world = arg;
	assert_int_equal(
		weir_sim_link_create(l->world->sim, &l->world->options, &l->left, &l->right), 0);
	return l;
}

static void link_destroy(void *self)
{
	struct link *l = self;

	weir_transport_close(l->left);
	weir_transport_close(l->right);
	if (l->box)
		box_destroy(l->box);
	free(l);
}

/* A sink: the left one, with a box behind the right source. */
static int link_sink_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct link *l = link_new(arg);

	assert_int_equal(box_make(NULL, kit, out), 0);
	l->box = out->self;
	assert_int_equal(weir_consumer_register(&l->box->valve.base,
	                                        weir_transport_source(l->right), WEIR_PUSH),
	                 0);
	out->flow.sink = weir_transport_sink(l->left);
	out->self = l;
	return 0;
}

static void link_take(void *self, size_t max)
{
	box_take(((struct link *)self)->box, max);
}

/* One whose reader is gone closes the connection. */
static void link_die(void *self, int why)
{
	struct link *l = self;

	box_die(l->box, why);
	weir_transport_close(l->right);
	l->right = NULL;
}

/* A source: the right one, fed through the left sink. */
static int link_source_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct link *l = link_new(arg);

	(void)kit;
	out->flow.source = weir_transport_source(l->right);
	out->self = l;
	return 0;
}

static size_t link_feed(void *self, const void *data, size_t len)
{
	struct weir_consumer *sink = weir_transport_sink(((struct link *)self)->left);

	return weir_consumer_write(sink, data, len) == 0 ? len : 0;
}

static void link_feed_end(void *self, int why)
{
	struct weir_consumer *sink = weir_transport_sink(((struct link *)self)->left);

	if (why)
		(weir_consumer_fail)(sink, why);
	else
		weir_consumer_finish(sink);
}

/* As it is by default; and slow, in pieces. */
static const struct weir_sim_link_options links[] = {
	{.to_right = {.buffer = 65536}},
	{.to_right = {.latency_ns = 3 * WEIR_NS_PER_MS,
                      .jitter_ns = WEIR_NS_PER_MS,
                      .buffer = 10000,
                      .piece = 700,
                      .random_pieces = true,
                      .bytes_per_s = 50000000}},
};

static void assert_link_claims(struct weir_tck_subject *subject, const struct claims *claims)
{
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		struct world w = {.options = links[i]};
		struct weir_tck_options options = kit_options(300);

		assert_int_equal(weir_sim_create(&(struct weir_sim_options){.seed = 1}, &w.sim), 0);
		options.ctx = weir_sim_context(w.sim);
		options.turn = sim_turn;
		options.arg = &w;
		options.patience = 50;
		subject->arg = &w;
		subject->numbers.outside = links[i].to_right.buffer + WEIR_HIGH_DEFAULT;
		assert_int_equal(claims_broken(subject, &options, claims), 0);
		weir_sim_destroy(w.sim);
	}
}

/* What takes a clock of the kit's own, or a far side that holds nothing. */
#define NOT_OUTSIDE "FLOW-7 FLOW-10 MEM-5 "

static void test_a_simulated_links_sink_keeps_the_contract(void **state)
{
	struct weir_tck_subject subject = {
		.name = "simulated link, sink",
		.make = link_sink_make,
		.destroy = link_destroy,
		.numbers = valve_numbers,
		.traits = {.outside = true, .loses_cause = true},
		.take = link_take,
		.die = link_die,
	};

	(void)state;
	assert_link_claims(&subject, &(struct claims){.rules = SINK_RULES, .without = NOT_OUTSIDE});
}

static void test_a_simulated_links_source_keeps_the_contract(void **state)
{
	struct weir_tck_subject subject = {
		.name = "simulated link, source",
		.make = link_source_make,
		.destroy = link_destroy,
		.traits = {.outside = true, .loses_cause = true, .push_only = true},
		.feed = link_feed,
		.feed_end = link_feed_end,
	};

	(void)state;
	assert_link_claims(&subject, &(struct claims){
					     .rules = SOURCE_RULES,
					     .without = "FLOW-5 FLOW-7 FLOW-10 END-7 END-10 ",
				     });
}

/* ---- patterns ---- */

static unsigned char zero_at(void *arg, uint64_t offset)
{
	(void)arg;
	(void)offset;
	return 0;
}

static unsigned char random_bytes[100000];

static unsigned char random_at(void *arg, uint64_t offset)
{
	(void)arg;
	return offset < sizeof(random_bytes) ? random_bytes[offset] : 0;
}

static int zero_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct weir_transport *t;

	assert_int_equal(weir_pattern_zero(weir_tck_context(kit), *(const uint64_t *)arg, &t), 0);
	out->flow.source = weir_transport_source(t);
	out->self = t;
	return 0;
}

static int random_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct weir_transport *t;

	assert_int_equal(weir_pattern_random(weir_tck_context(kit), *(const uint64_t *)arg, 7, &t),
	                 0);
	out->flow.source = weir_transport_source(t);
	out->self = t;
	return 0;
}

static void pattern_destroy(void *self)
{
	weir_transport_close(self);
}

/* Nothing of a source of its own bytes depends on what the kit gives. */
#define PATTERN_RULES "REG-5 FLOW-4 FLOW-8 FLOW-10 MEM-6 DATA-1 END-1 END-2 END-7 "

static void assert_pattern_claims(struct weir_tck_subject subject, uint64_t length)
{
	const char *without = length == WEIR_ENDLESS ? "FLOW-4 " : "";

	subject.arg = &length;
	subject.destroy = pattern_destroy;
	subject.numbers.length = length;
	subject.traits.push_only = true;
	assert_claims(&subject, 300, &(struct claims){.rules = PATTERN_RULES, .without = without});
}

static void test_zeros_keep_the_contract(void **state)
{
	struct weir_tck_subject subject = {.name = "zeros", .make = zero_make, .out = zero_at};

	(void)state;
	assert_pattern_claims(subject, 0);
	assert_pattern_claims(subject, 1);
	assert_pattern_claims(subject, 3000000);
	assert_pattern_claims(subject, WEIR_ENDLESS);
}

/* What the seed gives, in one piece: the kit's sink takes it in others. */
static void read_random_bytes(void)
{
	struct weir_sim *sim;
	struct weir_transport *t;
	struct weir_memory *m;
	const unsigned char *value;
	size_t len;

	assert_int_equal(weir_sim_create(NULL, &sim), 0);
	assert_int_equal(weir_pattern_random(weir_sim_context(sim), sizeof(random_bytes), 7, &t),
	                 0);
	assert_int_equal(weir_memory_create(weir_sim_context(sim), NULL, &m), 0);
	assert_int_equal(weir_consumer_register(weir_transport_sink(weir_memory_transport(m)),
	                                        weir_transport_source(t), WEIR_PUSH),
	                 0);
	assert_true(weir_sim_run(sim, WEIR_NEVER));
	value = weir_memory_value(m, &len);
	assert_int_equal(len, sizeof(random_bytes));
	memcpy(random_bytes, value, len);
	weir_transport_close(t);
	weir_memory_destroy(m);
	weir_sim_run(sim, WEIR_NEVER);
	weir_sim_destroy(sim);
}

static void test_random_bytes_keep_the_contract(void **state)
{
	struct weir_tck_subject subject = {.name = "random", .make = random_make, .out = random_at};

	(void)state;
	read_random_bytes();
	assert_pattern_claims(subject, sizeof(random_bytes));
}

/* ---- null ---- */

struct hole {
	struct weir_transport *null;
	struct weir_tap *tap;
	struct weir_tck *kit;
	struct weir_end_watch end;
};

static void on_hole_data(void *arg, const void *data, size_t len)
{
	weir_tck_out(((struct hole *)arg)->kit, data, len);
}

static void on_hole_end(void *arg, int why)
{
	weir_tck_out_end(((struct hole *)arg)->kit, why);
}

static int hole_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct hole *h = calloc(1, sizeof(*h));
	struct weir_consumer *sink;

	(void)arg;
	assert_non_null(h);
	h->kit = kit;
	assert_int_equal(weir_pattern_null(weir_tck_context(kit), &h->null), 0);
	sink = weir_transport_sink(h->null);
	assert_int_equal(weir_tap_create(sink, on_hole_data, h, &h->tap), 0);
	weir_consumer_watch_end(sink, &h->end, on_hole_end, h);
	out->flow.sink = weir_tap_sink(h->tap);
	out->self = h;
	return 0;
}

static void hole_destroy(void *self)
{
	struct hole *h = self;

	weir_consumer_unwatch_end(weir_transport_sink(h->null), &h->end);
	weir_tap_destroy(h->tap);
	weir_transport_close(h->null);
	free(h);
}

static void test_the_null_sink_keeps_the_contract(void **state)
{
	struct weir_tck_subject subject = {
		.name = "null",
		.make = hole_make,
		.destroy = hole_destroy,
		.numbers.finish_wait_ns = WEIR_FINISH_WAIT_DEFAULT,
	};

	(void)state;
	assert_claims(
		&subject, 1000,
		&(struct claims){
			.rules = SINK_RULES,
			.without = "REG-4 REG-6 FLOW-1 FLOW-3 MEM-1 MEM-2 MEM-5 END-2 END-4 END-8 ",
		});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_memory_transports_sink_keeps_the_contract),
		cmocka_unit_test(test_the_memory_transports_source_keeps_the_contract),
		cmocka_unit_test(test_loopback_keeps_the_contract),
		cmocka_unit_test(test_a_simulated_links_sink_keeps_the_contract),
		cmocka_unit_test(test_a_simulated_links_source_keeps_the_contract),
		cmocka_unit_test(test_zeros_keep_the_contract),
		cmocka_unit_test(test_random_bytes_keep_the_contract),
		cmocka_unit_test(test_the_null_sink_keeps_the_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
