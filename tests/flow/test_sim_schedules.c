/* SPDX-License-Identifier: MIT */
/* Random schedules: the library keeps every rule in all of them, a stage that keeps one not
 * is found, and what happens depends on the seed alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "fail_alloc.h"
#include "weir/impl/valve.h"
#include "weir/sim.h"

#define SCHEDULES 20000
#define SCHEDULES_QUICK 150

/* Seeds in which a wrong stage must have been found. */
#define SEEDS_TO_FIND 40

static unsigned schedules(void)
{
	return getenv("WEIR_TEST_QUICK") ? SCHEDULES_QUICK : SCHEDULES;
}

static void print(void *arg, const char *line)
{
	(void)arg;
	print_message("%s\n", line);
}

/* ---- a stage that holds bytes and gives them on, well or badly ---- */

enum fault {
	NO_FAULT,
	IGNORES_PAUSE,
	LOSES_A_BYTE,
	CHANGES_A_BYTE,
	ENDS_TWICE,
	FINISHES_WHEN_IT_FAILED,
	STALLS,
	FAULTS,
};

static const char *const fault_rules[FAULTS] = {
	[IGNORES_PAUSE] = "FLOW-2",
	[LOSES_A_BYTE] = "DATA-1",
	[CHANGES_A_BYTE] = "DATA-1",
	[ENDS_TWICE] = "END-1",
	[FINISHES_WHEN_IT_FAILED] = "END-5",
	[STALLS] = "FLOW-4",
};

struct leg {
	struct weir_valve valve;
	struct weir_producer back;
	struct weir_task task; /* to look again */
	struct weir_context *ctx;
	const enum fault *fault;
	uint64_t passed;
	bool paused, over;
	int why;
};

static struct leg *leg_from_back(struct weir_producer *p)
{
	return (struct leg *)((char *)p - offsetof(struct leg, back));
}

/* What may be written now. */
static size_t leg_room(struct leg *leg, size_t len)
{
	size_t room;

	if (*leg->fault == IGNORES_PAUSE)
		return leg->back.consumer ? len : 0;
	if (!leg->back.consumer || leg->paused)
		return 0;
	if (*leg->fault == STALLS && leg->passed > 500)
		return 0;
	room = weir_consumer_room(leg->back.consumer);
	if (!leg->back.consumer || leg->paused)
		return 0;
	return len < room ? len : room;
}

static int leg_write(struct leg *leg, const unsigned char *data, size_t len)
{
	unsigned char wrong[1] = {(unsigned char)(data[0] + 1)};
	/* The same in a long chunk and in single bytes. */
	bool once = leg->passed <= 100 && leg->passed + len > 100;

	if (once && *leg->fault == LOSES_A_BYTE)
		return len == 1 ? 0 : weir_consumer_write(leg->back.consumer, data + 1, len - 1);
	if (once && *leg->fault == CHANGES_A_BYTE && len == 1)
		return weir_consumer_write(leg->back.consumer, wrong, 1);
	return weir_consumer_write(leg->back.consumer, data, len);
}

static int64_t leg_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct leg *leg = (struct leg *)v;
	size_t len = leg->over ? 0 : leg_room(leg, chunks[0].len);
	int rc;

	(void)count;
	if (len == 0)
		return 0;
	/* One that changes a byte goes byte by byte around it. */
	if (*leg->fault == CHANGES_A_BYTE && leg->passed < 200)
		len = 1;
	rc = leg_write(leg, chunks[0].data, len);
	if (rc == WEIR_EFULL)
		return 0;
	if (rc < 0) {
		leg->over = true;
		weir_producer_end(&leg->back, rc);
		return rc;
	}
	leg->passed += len;
	if (len < chunks[0].len || count > 1)
		weir_task_queue(leg->ctx, &leg->task);
	return (int64_t)len;
}

static void leg_tell_end(struct leg *leg)
{
	struct weir_consumer *behind = leg->back.consumer;

	if (!behind)
		return;
	if (*leg->fault == FINISHES_WHEN_IT_FAILED)
		leg->why = 0;
	weir_producer_end(&leg->back, leg->why);
	if (*leg->fault == ENDS_TWICE)
		weir_consumer_finish(behind);
}

/* Done at once: nobody asks this stage what its consumer has handed on. */
static void leg_end(struct weir_valve *v, int why)
{
	struct leg *leg = (struct leg *)v;

	leg->over = true;
	leg->why = why;
	leg_tell_end(leg);
	if (why == 0)
		weir_valve_done(v, 0);
}

static const struct weir_valve_ops leg_valve_ops = {
	.name = "leg",
	.drain = leg_drain,
	.end = leg_end,
};

static void leg_run(struct weir_task *task)
{
	struct leg *leg = (struct leg *)((char *)task - offsetof(struct leg, task));

	if (leg->over)
		leg_tell_end(leg);
	else
		weir_valve_ready(&leg->valve);
}

static void leg_go_on(struct weir_producer *p)
{
	struct leg *leg = leg_from_back(p);

	leg->paused = false;
	weir_task_queue(leg->ctx, &leg->task);
}

static void leg_pause(struct weir_producer *p)
{
	leg_from_back(p)->paused = true;
}

static void leg_stop(struct weir_producer *p, int why)
{
	struct leg *leg = leg_from_back(p);

	leg->over = true;
	leg->why = why;
	weir_valve_die(&leg->valve, why);
}

static const struct weir_producer_ops leg_back_ops = {
	.name = "leg",
	.start = leg_go_on,
	.pause = leg_pause,
	.resume = leg_go_on,
	.stop = leg_stop,
};

static int leg_make(void *arg, struct weir_sim *sim, struct weir_sim_stage *out)
{
	struct leg *leg = calloc(1, sizeof(*leg));

	if (!leg)
		return -ENOMEM;
	leg->fault = arg;
	leg->ctx = weir_sim_context(sim);
	leg->task.run = leg_run;
	weir_valve_init(&leg->valve, &leg_valve_ops, leg->ctx);
	weir_producer_init(&leg->back, &leg_back_ops, WEIR_PUSH);
	*out = (struct weir_sim_stage){&leg->valve.base, &leg->back, leg};
	return 0;
}

static void leg_destroy(void *arg, struct weir_sim_stage *stage)
{
	struct leg *leg = stage->self;

	(void)arg;
	if (!leg->over) {
		leg->over = true;
		leg->why = WEIR_ECLOSED;
	}
	weir_producer_end(&leg->back, WEIR_ECLOSED);
	weir_valve_die(&leg->valve, WEIR_ECLOSED);
	weir_task_cancel(&leg->task);
	free(leg);
}

/* ---- tests ---- */

/* The heap of glibc is given back to the system with each schedule, which takes half of the
 * time, until a large block was freed once. */
static int keep_heap(void **state)
{
	void *volatile large = malloc((size_t)16 << 20);

	(void)state;
	free(large);
	return 0;
}

static void test_library_keeps_every_rule_in_every_schedule(void **state)
{
	struct weir_sim_schedule_options options = {
		.fail_alloc = weir_test_fail_alloc_after,
		.shrink = true,
		.print = print,
	};
	struct weir_sim_result result;
	uint64_t bytes = 0;

	(void)state;
	for (unsigned i = 0; i < schedules(); i++) {
		options.seed = 1 + i;
		assert_true(weir_sim_schedule(&options, &result));
		bytes += result.bytes;
	}
	/* They do move something. */
	assert_true(bytes > schedules() * UINT64_C(1000));
}

static void test_right_stage_is_not_blamed(void **state)
{
	enum fault fault = NO_FAULT;
	struct weir_sim_schedule_options options = {
		.fail_alloc = weir_test_fail_alloc_after,
		.make = leg_make,
		.destroy = leg_destroy,
		.shrink = true,
		.print = print,
		.arg = &fault,
	};
	struct weir_sim_result result;

	(void)state;
	for (options.seed = 1; options.seed <= schedules() / 10; options.seed++)
		assert_true(weir_sim_schedule(&options, &result));
}

static void test_wrong_stage_is_found_within_few_seeds(void **state)
{
	(void)state;
	for (enum fault fault = NO_FAULT + 1; fault < FAULTS; fault++) {
		struct weir_sim_schedule_options options = {
			.make = leg_make,
			.destroy = leg_destroy,
			.arg = &fault,
		};
		struct weir_sim_result result;
		bool found = false;

		for (options.seed = 1; options.seed <= SEEDS_TO_FIND && !found; options.seed++) {
			weir_sim_schedule(&options, &result);
			found = result.rule && strcmp(result.rule, fault_rules[fault]) == 0;
		}
		if (!found)
			print_message("fault %d was not found\n", fault);
		assert_true(found);
	}
}

static void test_guard_finds_a_stage_that_ignores_pauses(void **state)
{
	enum fault fault = IGNORES_PAUSE;
	struct weir_sim_schedule_options options = {
		.make = leg_make,
		.destroy = leg_destroy,
		.guarded = true,
		.arg = &fault,
	};
	struct weir_sim_result result;
	bool found = false;

	(void)state;
	for (options.seed = 1; options.seed <= SEEDS_TO_FIND && !found; options.seed++)
		found = !weir_sim_schedule(&options, &result) &&
			strcmp(result.rule, "FLOW-2") == 0 && strstr(result.how, "the guard of joint");
	assert_true(found);
}

static void test_same_seed_has_the_same_events(void **state)
{
	struct weir_sim_schedule_options options = {.fail_alloc = weir_test_fail_alloc_after};
	unsigned differ = 0;
	uint64_t before = 0;

	(void)state;
	for (options.seed = 1; options.seed <= 300; options.seed++) {
		struct weir_sim_result one, two;

		weir_sim_schedule(&options, &one);
		weir_sim_schedule(&options, &two);
		assert_true(one.hash == two.hash);
		assert_true(one.bytes == two.bytes && one.ns == two.ns);
		differ += one.hash != before;
		before = one.hash;
	}
	assert_int_equal(differ, 300);
}

/* Lines of text, one after the other. */
struct text {
	char all[200000];
	size_t used;
	enum fault fault; /* of the stages, which get this struct as their argument */
};

static void collect(void *arg, const char *line)
{
	struct text *text = arg;
	int n = snprintf(text->all + text->used, sizeof(text->all) - text->used, "%s\n", line);

	assert_true(n > 0 && text->used + (size_t)n < sizeof(text->all));
	text->used += (size_t)n;
}

static int make_for_text(void *arg, struct weir_sim *sim, struct weir_sim_stage *out)
{
	return leg_make(&((struct text *)arg)->fault, sim, out);
}

static void test_failure_is_told_with_seed_rule_schedule_and_a_smaller_one(void **state)
{
	static struct text text;
	struct weir_sim_schedule_options options = {
		.make = make_for_text,
		.destroy = leg_destroy,
		.shrink = true,
		.print = collect,
		.arg = &text,
	};
	struct weir_sim_result result;
	const char *smaller;

	(void)state;
	text.fault = LOSES_A_BYTE;
	do {
		text.used = 0;
		options.seed++;
	} while (weir_sim_schedule(&options, &result) || strcmp(result.rule, "DATA-1") != 0);
	smaller = strstr(text.all, "smaller:\n");
	assert_non_null(smaller);
	assert_non_null(strstr(text.all, "breaks DATA-1: "));
	assert_non_null(strstr(text.all, " sink 0 "));
	assert_non_null(strstr(smaller, "breaks DATA-1: "));
	assert_non_null(strstr(smaller, "subject"));
	/* One flow is enough to lose a byte, and no event. */
	assert_non_null(strstr(smaller, "  unit "));
	assert_null(strstr(strstr(smaller, "  unit ") + 1, "  unit "));
	assert_null(strstr(smaller, "  event "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_library_keeps_every_rule_in_every_schedule),
		cmocka_unit_test(test_right_stage_is_not_blamed),
		cmocka_unit_test(test_wrong_stage_is_found_within_few_seeds),
		cmocka_unit_test(test_guard_finds_a_stage_that_ignores_pauses),
		cmocka_unit_test(test_same_seed_has_the_same_events),
		cmocka_unit_test(test_failure_is_told_with_seed_rule_schedule_and_a_smaller_one),
	};

	return cmocka_run_group_tests(tests, keep_heap, NULL);
}
