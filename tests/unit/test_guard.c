/* SPDX-License-Identifier: MIT */
/*
 * A guard changes nothing and raises no false alarm: the contract kit says of each of the
 * library's own consumers the same with a guard before it, and the guard accuses none of them.
 * (The kit itself writes after the end and the like; that it is accused is right.)
 */
#include "tck_subjects.h"

#include <errno.h>

#include "fail_alloc.h"
#include "shut_valve.h"
#include "weir/guard.h"
#include "weir/loopback.h"
#include "weir/memory.h"
#include "weir/proxy.h"
#include "weir/throttle.h"

/* ---- a subject behind a guard ---- */

struct guarded {
	const struct weir_tck_subject *inside;
	struct weir_guard *guard, *behind;
	void *self;
};

static unsigned guards, alarms, accusations;

static void on_broken(void *arg, const struct weir_guard_report *r)
{
	(void)arg;
	if (r->party == WEIR_GUARD_PRODUCER) {
		accusations++;
		return;
	}
	if (alarms++ == 0)
		weir_guard_print(NULL, r);
}

/* Behind the subject the kit is right in all that it does. */
static void on_broken_behind(void *arg, const struct weir_guard_report *r)
{
	(void)arg;
	if (alarms++ == 0)
		weir_guard_print(NULL, r);
}

static int guard_behind(struct guarded *g, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct weir_guard_options options = {
		.on_broken = on_broken_behind,
		.ctx = weir_tck_context(kit),
	};
	int rc;

	if (!out->flow.source)
		return 0;
	rc = weir_guard_create_source(out->flow.source, &options, &g->behind);
	if (rc == 0)
		out->flow.source = weir_guard_source(g->behind);
	return rc;
}

static int guarded_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	const struct weir_tck_subject *inside = arg;
	struct weir_guard_options options = {
		.on_broken = on_broken,
		.ctx = weir_tck_context(kit),
		.twisted = inside->traits.twisted,
	};
	struct guarded *g = calloc(1, sizeof(*g));
	int rc = g ? inside->make(inside->arg, kit, out) : -ENOMEM;

	if (rc == 0)
		rc = weir_guard_create(out->flow.sink, &options, &g->guard);
	if (rc == 0)
		rc = guard_behind(g, kit, out);
	if (rc < 0) {
		free(g);
		return rc;
	}
	guards++;
	g->inside = inside;
	g->self = out->self;
	out->flow.sink = weir_guard_sink(g->guard);
	out->self = g;
	return 0;
}

static void guarded_destroy(void *self)
{
	struct guarded *g = self;

	weir_guard_destroy(g->guard);
	weir_guard_destroy(g->behind);
	g->inside->destroy(g->self);
	free(g);
}

static void guarded_take(void *self, size_t max)
{
	struct guarded *g = self;

	g->inside->take(g->self, max);
}

static void guarded_die(void *self, int why)
{
	struct guarded *g = self;

	g->inside->die(g->self, why);
}

static int guarded_set_marks(void *self, size_t high, size_t low, size_t limit)
{
	struct guarded *g = self;

	return g->inside->set_marks(g->self, high, low, limit);
}

/* All rules but those that take a million calls. */
static void run_kit(const struct weir_tck_subject *subject, struct tally *tally)
{
	struct weir_tck_options options = {
		.seed = 1,
		.effort = tck_effort(300),
		.ids = "REG FLOW-1 FLOW-2 FLOW-3 FLOW-4 FLOW-5 FLOW-6 FLOW-8 FLOW-9 FLOW-10 MEM-1 "
		       "MEM-2 MEM-3 MEM-6 DATA END OBS",
		.report = tally_report,
		.arg = tally,
	};

	assert_true(weir_tck_run(subject, &options) >= 0);
}

static void assert_same(const struct weir_tck_subject *inside)
{
	struct weir_tck_subject with = *inside;
	struct tally bare = {0}, guarded = {0};

	with.arg = (void *)(uintptr_t)inside;
	with.make = guarded_make;
	with.destroy = guarded_destroy;
	with.take = inside->take ? guarded_take : NULL;
	with.die = inside->die ? guarded_die : NULL;
	with.set_marks = inside->set_marks ? guarded_set_marks : NULL;
	guards = alarms = accusations = 0;
	run_kit(inside, &bare);
	run_kit(&with, &guarded);
	assert_string_equal(guarded.broken, bare.broken);
	assert_string_equal(guarded.missing, bare.missing);
	assert_int_equal(alarms, 0);
	assert_true(guards > 100 && accusations < guards);
	print_message("%s: %u guards, %u accuse the kit\n", inside->name, guards, accusations);
}

static void test_a_valve_is_not_accused(void **state)
{
	(void)state;
	assert_same(&box_subject);
}

static void test_a_valve_of_the_twisted_profile_is_not_accused(void **state)
{
	struct weir_tck_subject twisted = box_subject;

	(void)state;
	twisted.arg = &twisted;
	twisted.traits.twisted = true;
	twisted.numbers = (struct weir_tck_numbers){.high = WEIR_TWISTED_HIGH, .low = 0};
	assert_same(&twisted);
}

/* ---- a throttle ---- */

static int throttle_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct weir_rate rate = {.bytes_per_s = arg ? 1000000 : 0};
	struct weir_throttle *t;
	int rc = weir_throttle_create(weir_tck_context(kit), rate, NULL, &t);

	if (rc < 0)
		return rc;
	out->flow.sink = weir_throttle_sink(t);
	out->flow.source = weir_throttle_source(t);
	out->self = t;
	return 0;
}

static void throttle_destroy(void *self)
{
	weir_throttle_destroy(self);
}

static void test_a_throttle_is_not_accused(void **state)
{
	struct weir_tck_subject subject = {
		.name = "throttle",
		.make = throttle_make,
		.destroy = throttle_destroy,
		.traits = {.counts_behind = true},
	};

	(void)state;
	assert_same(&subject);
	subject.arg = &subject;
	assert_same(&subject);
}

/* ---- a proxy ---- */

static int proxy_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct weir_proxy_options options = {.buffering = arg != NULL};
	struct weir_proxy *p;
	int rc = weir_proxy_create(weir_tck_context(kit), &options, &p);

	if (rc < 0)
		return rc;
	out->flow.sink = weir_proxy_sink(p);
	out->flow.source = weir_proxy_source(p);
	out->self = p;
	return 0;
}

static void proxy_destroy(void *self)
{
	weir_proxy_destroy(self);
}

static void test_a_proxy_is_not_accused(void **state)
{
	struct weir_tck_subject subject = {
		.name = "proxy",
		.make = proxy_make,
		.destroy = proxy_destroy,
		.traits = {.counts_behind = true},
	};

	(void)state;
	assert_same(&subject);
	subject.arg = &subject;
	assert_same(&subject);
}

/* ---- a loopback ---- */

static int loopback_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct weir_transport **sides = calloc(2, sizeof(struct weir_transport *));
	int rc;

	(void)arg;
	if (!sides)
		return -ENOMEM;
	rc = weir_loopback_create(weir_tck_context(kit), &sides[0], &sides[1]);
	if (rc < 0) {
		free(sides);
		return rc;
	}
	out->flow.sink = weir_transport_sink(sides[0]);
	out->flow.source = weir_transport_source(sides[1]);
	out->self = sides;
	return 0;
}

static void loopback_destroy(void *self)
{
	struct weir_transport **sides = self;

	weir_transport_close(sides[0]);
	weir_transport_close(sides[1]);
	free(sides);
}

static void test_a_loopback_is_not_accused(void **state)
{
	struct weir_tck_subject subject = {
		.name = "loopback",
		.make = loopback_make,
		.destroy = loopback_destroy,
		.numbers = VALVE_NUMBERS,
		.traits = {.push_only = true},
	};

	(void)state;
	assert_same(&subject);
}

/* ---- a memory transport ---- */

static int memory_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct weir_memory *m;
	int rc = weir_memory_create(weir_tck_context(kit), NULL, &m);

	(void)arg;
	if (rc < 0)
		return rc;
	out->flow.sink = weir_transport_sink(weir_memory_transport(m));
	out->self = m;
	return 0;
}

static void memory_destroy(void *self)
{
	weir_memory_destroy(self);
}

static void memory_take(void *self, size_t max)
{
	weir_memory_take(self, max);
}

static void memory_die(void *self, int why)
{
	weir_memory_lose(self, why);
}

static void test_a_memory_transport_is_not_accused(void **state)
{
	struct weir_tck_subject subject = {
		.name = "memory",
		.make = memory_make,
		.destroy = memory_destroy,
		.take = memory_take,
		.die = memory_die,
	};

	(void)state;
	assert_same(&subject);
}

/* ---- what it does by itself ---- */

static void test_without_memory_there_is_no_guard(void **state)
{
	struct weir_guard *guard = NULL;
	struct weir_budget budget;
	struct weir_context ctx;
	struct weir_valve valve;

	(void)state;
	weir_budget_init(&budget, (size_t)1 << 20);
	weir_context_init(&ctx, &budget, NULL, NULL, NULL);
	weir_valve_init(&valve, &shut_ops, &ctx);
	weir_test_fail_alloc_after(1);
	assert_int_equal(weir_guard_create(&valve.base, NULL, &guard), -ENOMEM);
	weir_test_fail_alloc_after(-1);
	assert_null(guard);
	assert_null(valve.base.watches);
	weir_guard_destroy(NULL);
	weir_valve_fini(&valve);
	weir_context_fini(&ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_valve_is_not_accused),
		cmocka_unit_test(test_a_valve_of_the_twisted_profile_is_not_accused),
		cmocka_unit_test(test_a_throttle_is_not_accused),
		cmocka_unit_test(test_a_proxy_is_not_accused),
		cmocka_unit_test(test_a_loopback_is_not_accused),
		cmocka_unit_test(test_a_memory_transport_is_not_accused),
		cmocka_unit_test(test_without_memory_there_is_no_guard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
