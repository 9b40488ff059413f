/* SPDX-License-Identifier: MIT */
/*
 * HALF-4 in the contract kit: a simulated link, and a pipe with a buffer between its sides, give
 * what can be read before they tell of a reset; one that drops it is found out.
 */
#include "tck_joined.h"
#include "tck_pair.h"

#include "weir/sim.h"

/* ---- a simulated link, in its own world ---- */

static struct weir_sim *sim;

static void sim_turn(void *arg)
{
	(void)arg;
	(void)weir_sim_run(sim, weir_context_now(weir_sim_context(sim)) + WEIR_NS_PER_MS);
}

static int link_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct weir_transport **sides = calloc(2, sizeof(*sides));
	const struct weir_sim_link_options options = {
		.to_right = {.latency_ns = WEIR_NS_PER_MS, .buffer = 32768},
		.to_left = {.latency_ns = WEIR_NS_PER_MS, .buffer = 32768},
	};

	(void)arg;
	(void)kit;
	assert_non_null(sides);
	assert_int_equal(weir_sim_link_create(sim, &options, &sides[0], &sides[1]), 0);
	describe_pair(sides, out);
	return 0;
}

static void test_a_link_gives_what_can_be_read_before_a_reset(void **state)
{
	const struct weir_tck_subject subject = {
		.name = "link",
		.make = link_make,
		.destroy = pair_destroy,
		.numbers = VALVE_NUMBERS,
		.traits = {.push_only = true,
	                   .half_closes = true,
	                   .outside = true,
	                   .loses_cause = true},
	};
	struct tally tally = {.prints = true};
	struct weir_tck_options options = {.effort = 1, .ids = "HALF", .report = tally_report};

	(void)state;
	assert_int_equal(weir_sim_create(NULL, &sim), 0);
	options.ctx = weir_sim_context(sim);
	options.turn = sim_turn;
	options.arg = &tally;
	assert_int_equal(weir_tck_run(&subject, &options), 0);
	assert_string_equal(tally.missing, "HALF-3 HALF-5 ");
	(void)weir_sim_run(sim, WEIR_NEVER);
	weir_sim_destroy(sim);
}

/* ---- a pipe with a buffer between its sides ---- */

struct duct {
	struct weir_valve valve; /* first */
	struct weir_producer source;
	struct weir_context *ctx;
	struct weir_task task;
	unsigned char buffer[4096];
	size_t held;
	bool paused, over, unwanted, drops;
	int why;
};

static int64_t duct_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct duct *d = (struct duct *)v;
	size_t taken = 0;

	for (size_t i = 0; i < count && d->held < sizeof(d->buffer); i++) {
		size_t n = sizeof(d->buffer) - d->held;

		if (n > chunks[i].len)
			n = chunks[i].len;
		memcpy(d->buffer + d->held, chunks[i].data, n);
		d->held += n;
		taken += n;
		if (n < chunks[i].len)
			break;
	}
	weir_task_queue(d->ctx, &d->task);
	return (int64_t)taken;
}

static void duct_end(struct weir_valve *v, int why)
{
	struct duct *d = (struct duct *)v;

	d->over = true;
	d->why = why;
	if (why < 0 && d->drops)
		d->held = 0;
	weir_task_queue(d->ctx, &d->task);
}

static const struct weir_valve_ops duct_ops = {
	.name = "duct",
	.drain = duct_drain,
	.end = duct_end,
};

static void duct_run(struct weir_task *task)
{
	struct duct *d = (struct duct *)((char *)task - offsetof(struct duct, task));

	if (d->unwanted) {
		weir_valve_die(&d->valve, d->why);
		return;
	}
	if (d->paused || !d->source.consumer)
		return;
	if (d->held && weir_consumer_write(d->source.consumer, d->buffer, d->held) == 0)
		d->held = 0;
	if (d->held || d->unwanted)
		return;
	if (!d->over) {
		weir_valve_ready(&d->valve);
	} else {
		if (d->source.consumer)
			weir_producer_end(&d->source, d->why);
		if (d->why == 0)
			weir_valve_done(&d->valve, 0);
	}
}

static struct duct *duct_from(struct weir_producer *p)
{
	return (struct duct *)((char *)p - offsetof(struct duct, source));
}

static void duct_go_on(struct weir_producer *p)
{
	duct_from(p)->paused = false;
	weir_task_queue(duct_from(p)->ctx, &duct_from(p)->task);
}

static void duct_pause(struct weir_producer *p)
{
	duct_from(p)->paused = true;
}

static void duct_stop(struct weir_producer *p, int why)
{
	duct_from(p)->unwanted = true;
	duct_from(p)->why = why;
	weir_task_queue(duct_from(p)->ctx, &duct_from(p)->task);
}

static const struct weir_producer_ops duct_source_ops = {
	.name = "duct",
	.start = duct_go_on,
	.pause = duct_pause,
	.resume = duct_go_on,
	.stop = duct_stop,
};

static int duct_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct duct *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	d->ctx = weir_tck_context(kit);
	d->task.run = duct_run;
	d->drops = arg != NULL;
	weir_valve_init(&d->valve, &duct_ops, d->ctx);
	weir_producer_init(&d->source, &duct_source_ops, WEIR_PUSH);
	out->flow = (struct weir_tck_flow){&d->valve.base, &d->source};
	out->self = d;
	return 0;
}

static void duct_destroy(void *self)
{
	struct duct *d = self;

	weir_task_cancel(&d->task);
	weir_valve_fini(&d->valve);
	weir_task_cancel(&d->task);
	free(d);
}

static void test_one_that_drops_what_can_be_read_at_a_reset_is_found_out(void **state)
{
	static char drops;
	struct weir_tck_subject subject = {
		.name = "duct",
		.make = duct_make,
		.destroy = duct_destroy,
		.numbers = VALVE_NUMBERS,
		.traits = {.push_only = true, .outside = true},
	};
	struct tally tally;

	(void)state;
	tck_broken(&subject, "HALF", &tally);
	assert_string_equal(tally.broken, "");
	assert_null(strstr(tally.missing, "HALF-4 "));
	subject.arg = &drops;
	tck_broken(&subject, "HALF", &tally);
	assert_string_equal(tally.broken, "HALF-4 ");
	assert_non_null(strstr(tally.calls, "hold"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_link_gives_what_can_be_read_before_a_reset),
		cmocka_unit_test(test_one_that_drops_what_can_be_read_at_a_reset_is_found_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
