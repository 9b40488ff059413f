/* SPDX-License-Identifier: MIT */
/*
 * TIME-1 in the contract kit: a join with time limits keeps it, and one whose limits are
 * measured wrongly in one thing is found out.
 */
#include "tck_joined.h"

#define S WEIR_NS_PER_S

/* A change of a right one. */
#define FLAWS(X)                                                                                   \
	X(NONE)                                                                                    \
	X(NEVER_IDLE)                                                                              \
	X(IDLE_EARLY)                                                                              \
	X(IDLE_LATE)                                                                               \
	X(IDLE_NOT_RESTARTED)                                                                      \
	X(IDLE_WHILE_HELD)                                                                         \
	X(IDLE_GOES_ON_AFTER_HOLD)                                                                 \
	X(NEVER_STALLS)                                                                            \
	X(STALL_NOT_RESTARTED)                                                                     \
	X(STALL_WHILE_SILENT)                                                                      \
	X(NEVER_TOTAL)                                                                             \
	X(TOTAL_RESTARTED)                                                                         \
	X(TOTAL_WITHOUT_HOLDS)

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

static const struct weir_tck_numbers limits[] = {
	{.idle_ns = 100 * S, .stall_ns = 150 * S, .total_ns = 2000 * S},
	{.idle_ns = 150 * S, .stall_ns = 100 * S, .total_ns = 2000 * S},
};

/* ---- a right one ---- */

static void test_a_join_keeps_its_time_limits(void **state)
{
	static const struct weir_tck_numbers each[] = {
		{.idle_ns = 100 * S},
		{.stall_ns = 100 * S},
		{.total_ns = 100 * S},
		{.idle_ns = 100 * S, .stall_ns = 150 * S, .total_ns = 2000 * S},
		{.idle_ns = 150 * S, .stall_ns = 100 * S, .total_ns = 2000 * S},
		{.idle_ns = 400 * S, .stall_ns = 40 * S},
		{.idle_ns = 40 * S, .stall_ns = 400 * S, .total_ns = 100 * S},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		struct weir_join_options options = {
			.idle_ns = each[i].idle_ns,
			.stall_ns = each[i].stall_ns,
			.total_ns = each[i].total_ns,
		};
		struct weir_tck_subject subject = joined_subject;
		struct tally tally;

		subject.arg = &options;
		subject.numbers = each[i];
		tck_broken(&subject, "TIME", &tally);
		assert_string_equal(tally.broken, "");
		assert_string_equal(tally.missing, "");
	}
}

static void test_a_join_with_time_limits_keeps_every_rule(void **state)
{
	struct weir_join_options options = {
		.idle_ns = limits[0].idle_ns,
		.stall_ns = limits[0].stall_ns,
		.total_ns = limits[0].total_ns,
	};
	struct weir_tck_subject subject = joined_subject;

	(void)state;
	subject.arg = &options;
	subject.numbers = limits[0];
	assert_kept(&subject, "TIME-1 OBS-2 OBS-3 DATA-1 END-3 ");
}

/* ---- one without limits, which looks at itself ---- */

struct wrong_clock {
	enum flaw flaw;
	const struct weir_tck_numbers *limits;
};

struct timed {
	struct joined joined; /* first */
	struct weir_timer clock;
	struct weir_context *ctx;
	const struct weir_tck_numbers *limits;
	enum flaw flaw;
	uint64_t began, active, moved, in, out, held_ns;
	uint64_t held; /* for so long, until now */
	bool on, paused;
};

static uint64_t sum_held(const struct weir_progress *p)
{
	uint64_t sum = 0;

	for (int i = 0; i < WEIR_CAUSES; i++)
		sum += p->held_ns[i];
	return sum;
}

/* Whether the sink has something to pass on. */
static bool stalls(const struct timed *t, const struct weir_progress *p)
{
	return t->flaw == STALL_WHILE_SILENT || p->held || p->paused;
}

static void see(struct timed *t, uint64_t now)
{
	struct weir_progress p;
	uint64_t held;
	bool was_held;

	weir_join_progress(t->joined.join, &p);
	held = sum_held(&p);
	was_held = held != t->held || p.paused;
	if (p.in != t->in && t->flaw != IDLE_NOT_RESTARTED)
		t->active = now;
	if (was_held && t->flaw != IDLE_WHILE_HELD && t->flaw != IDLE_GOES_ON_AFTER_HOLD)
		t->active = now;
	if (was_held && t->flaw == IDLE_GOES_ON_AFTER_HOLD)
		t->active += held - t->held; /* stopped for so long, not begun anew */
	if (p.in != t->in && t->flaw == TOTAL_RESTARTED)
		t->began = now;
	if (t->flaw == TOTAL_WITHOUT_HOLDS)
		t->began += held - t->held;
	if (!stalls(t, &p) || !t->on || (p.out != t->out && t->flaw != STALL_NOT_RESTARTED))
		t->moved = now;
	t->on = stalls(t, &p);
	t->in = p.in;
	t->out = p.out;
	t->held = held;
}

static void tick(struct weir_timer *timer)
{
	struct timed *t = (struct timed *)((char *)timer - offsetof(struct timed, clock));
	uint64_t now = weir_context_now(t->ctx);
	uint64_t idle = t->limits->idle_ns;

	if (t->joined.done)
		return;
	see(t, now);
	if (t->flaw == IDLE_EARLY)
		idle -= idle / 8;
	if (t->flaw == IDLE_LATE)
		idle += idle / 4;
	if (t->flaw != NEVER_IDLE && now - t->active >= idle)
		weir_join_stop(t->joined.join, WEIR_EIDLE);
	else if (t->flaw != NEVER_STALLS && now - t->moved >= t->limits->stall_ns)
		weir_join_stop(t->joined.join, WEIR_ESTALL);
	else if (t->flaw != NEVER_TOTAL && now - t->began >= t->limits->total_ns)
		weir_join_stop(t->joined.join, WEIR_ETIMELIMIT);
	else
		weir_timer_set(t->ctx, timer, now + S);
}

static int timed_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct timed *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->flaw = ((const struct wrong_clock *)arg)->flaw;
	t->limits = ((const struct wrong_clock *)arg)->limits;
	t->ctx = weir_tck_context(kit);
	t->began = t->active = t->moved = weir_context_now(t->ctx);
	t->clock.run = tick;
	weir_timer_set(t->ctx, &t->clock, t->began + S);
	out->self = t;
	return joined_open(&t->joined, kit, NULL);
}

static void timed_destroy(void *self)
{
	struct timed *t = self;

	weir_timer_cancel(t->ctx, &t->clock);
	joined_close(&t->joined);
	free(t);
}

/* Each of them under one of the limits at least: an idle time that is shorter hides a stall
 * that counts silence. */
static void test_each_wrong_clock_is_found_out(void **state)
{
	(void)state;
	for (enum flaw flaw = NONE; flaw < FLAW_COUNT; flaw++) {
		bool found = false;

		for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
			struct wrong_clock wrong = {flaw, &limits[i]};
			struct weir_tck_subject subject = joined_subject;
			struct tally tally;

			subject.arg = &wrong;
			subject.make = timed_make;
			subject.destroy = timed_destroy;
			subject.numbers = limits[i];
			tck_broken(&subject, "TIME", &tally);
			assert_string_equal(tally.missing, "");
			found = found || !strcmp(tally.broken, "TIME-1 ");
			assert_int_equal(*tally.broken == '\0', *tally.calls == '\0');
		}
		if (found == (flaw == NONE))
			fail_msg("%s: %s", flaw_names[flaw], found ? "found" : "not found");
	}
}

/* ---- when it does not apply ---- */

static void test_without_limits_it_does_not_apply(void **state)
{
	struct tally tally;

	(void)state;
	tck_broken(&joined_subject, "TIME", &tally);
	assert_string_equal(tally.missing, "TIME-1 ");
	tck_broken(&box_subject, "TIME", &tally);
	assert_string_equal(tally.missing, "TIME-1 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_join_keeps_its_time_limits),
		cmocka_unit_test(test_a_join_with_time_limits_keeps_every_rule),
		cmocka_unit_test(test_each_wrong_clock_is_found_out),
		cmocka_unit_test(test_without_limits_it_does_not_apply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
