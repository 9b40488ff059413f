/* SPDX-License-Identifier: MIT */
/*
 * OBS-2 and OBS-3 in the contract kit: what a join says of its pauses, and a tap in front of a
 * consumer, keep them; ones that are wrong in one thing are found out.
 */
#include "tck_joined.h"

#include "weir/tap.h"

/* ---- OBS-2: who held the source ---- */

#define LIES(X)                                                                                    \
	X(HONEST)                                                                                  \
	X(CHARGES_TWO)                                                                             \
	X(OPEN_NOT_COUNTED)                                                                        \
	X(OPEN_COUNTED_TWICE)                                                                      \
	X(FREE_TIME_CHARGED)                                                                       \
	X(ANOTHER_CAUSE)                                                                           \
	X(NEVER_PAUSED)                                                                            \
	X(ALWAYS_PAUSED)                                                                           \
	X(PAUSES_NOT_COUNTED)                                                                      \
	X(PAUSES_COUNTED_BY_TIME)                                                                  \
	X(CHARGED_AFTER_END)                                                                       \
	X(SUM_DOES_NOT_ADD_UP)

enum lie {
#define LIE_ENUM(name) name,
	LIES(LIE_ENUM)
#undef LIE_ENUM
		LIE_COUNT,
};

static const char *const lie_names[] = {
#define LIE_NAME(name) #name,
	LIES(LIE_NAME)
#undef LIE_NAME
};

static enum lie lie;
static uint64_t seen_ns, closed_ns;

/* A join's progress, with a change. */
static void lying_progress(void *self, struct weir_progress *p)
{
	struct joined *j = self;
	uint64_t *full = &p->held_ns[WEIR_CAUSE_FULL];

	weir_join_progress(j->join, p);
	switch (lie) {
	case CHARGES_TWO:
		p->held_ns[WEIR_CAUSE_BUDGET] = *full;
		break;
	case OPEN_NOT_COUNTED:
		if (!p->paused)
			closed_ns = *full;
		*full = closed_ns;
		break;
	case OPEN_COUNTED_TWICE:
		*full *= 2;
		break;
	case FREE_TIME_CHARGED:
		*full = p->elapsed_ns;
		break;
	case ANOTHER_CAUSE:
		p->held_ns[WEIR_CAUSE_RATE] = *full;
		*full = 0;
		p->cause = WEIR_CAUSE_RATE;
		break;
	case NEVER_PAUSED:
		p->paused = false;
		break;
	case ALWAYS_PAUSED:
		p->paused = true;
		break;
	case PAUSES_NOT_COUNTED:
		p->pauses = 0;
		break;
	case PAUSES_COUNTED_BY_TIME:
		p->pauses += *full / WEIR_NS_PER_MS;
		break;
	case SUM_DOES_NOT_ADD_UP: /* OBS-1, of a progress */
		p->out += p->paused;
		break;
	case CHARGED_AFTER_END:
		if (j->done)
			*full += seen_ns++;
		break;
	default:
		break;
	}
}

static struct weir_tck_subject lying_subject(enum lie which)
{
	struct weir_tck_subject subject = joined_subject;

	lie = which;
	seen_ns = closed_ns = 0;
	subject.progress = lying_progress;
	return subject;
}

static void test_a_join_charges_each_pause_to_its_cause(void **state)
{
	(void)state;
	assert_kept(&joined_subject, "OBS-2 OBS-3 ");
}

static void test_each_lie_about_a_pause_is_found_out(void **state)
{
	(void)state;
	for (enum lie which = HONEST; which < LIE_COUNT; which++) {
		struct weir_tck_subject subject = lying_subject(which);
		struct tally tally;

		tck_broken(&subject, "OBS-2", &tally);
		if (strcmp(tally.broken, which == HONEST ? "" : "OBS-2 "))
			fail_msg("%s: broken are %s\n%s", lie_names[which], tally.broken,
			         tally.calls);
		assert_string_equal(tally.missing, "");
	}
}

static void test_obs2_does_not_apply_to_one_who_says_nothing(void **state)
{
	struct weir_tck_subject subject = joined_subject;
	struct tally tally;

	(void)state;
	subject.progress = NULL;
	tck_broken(&subject, "OBS-2 OBS-3", &tally);
	assert_string_equal(tally.missing, "OBS-2 OBS-3 ");
}

/* ---- OBS-3: watching ---- */

#define WATCHERS(X)                                                                                \
	X(TAP)                                                                                     \
	X(SPLITS)                                                                                  \
	X(DELAYS)                                                                                  \
	X(STATE_DRAINS)                                                                            \
	X(STATE_WAKES)                                                                             \
	X(WATCHING_PAUSES)

enum watcher {
#define WATCHER_ENUM(name) name,
	WATCHERS(WATCHER_ENUM)
#undef WATCHER_ENUM
		WATCHER_COUNT,
};

static const char *const watcher_names[] = {
#define WATCHER_NAME(name) #name,
	WATCHERS(WATCHER_NAME)
#undef WATCHER_NAME
};

/* A box, with somebody in front who looks on. */
struct watched {
	struct weir_wrap wrap; /* first */
	struct box box;
	struct weir_tap *tap;
	enum watcher watcher;
	bool on;
	uint64_t seen; /* bytes */
};

static struct watched *watched_from(const struct weir_consumer *c)
{
	return (struct watched *)(uintptr_t)c;
}

static int watched_write(struct weir_consumer *c, const void *data, size_t len)
{
	struct watched *w = watched_from(c);
	const unsigned char *bytes = data;
	int rc = 0;

	if (w->watcher == SPLITS && w->on && len > 1) {
		rc = weir_wrap_consumer_ops.write(c, bytes, 1);
		bytes++;
		len--;
	}
	if (rc == 0)
		rc = weir_wrap_consumer_ops.write(c, bytes, len);
	return rc;
}

/* One who looks, and cannot leave it alone. */
static void watched_state(const struct weir_consumer *c, struct weir_consumer_state *out)
{
	struct watched *w = watched_from(c);

	weir_wrap_consumer_ops.state(c, out);
	if (w->watcher == STATE_DRAINS && w->box.window && w->box.window < 100) {
		w->box.window++;
		weir_valve_ready(&w->box.valve);
	}
	if (w->watcher == STATE_WAKES)
		weir_consumer_wake(&w->box.valve.base);
}

static int watched_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	static struct weir_consumer_ops ops;
	struct watched *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	ops = weir_wrap_consumer_ops;
	ops.write = watched_write;
	ops.state = watched_state;
	w->watcher = *(enum watcher *)arg;
	w->box.kit = kit;
	w->box.window = SIZE_MAX;
	weir_valve_init(&w->box.valve, &box_ops, weir_tck_context(kit));
	weir_wrap_init(&w->wrap, &w->box.valve.base, &ops, &weir_wrap_producer_ops);
	out->flow.sink = &w->wrap.front;
	out->self = w;
	return 0;
}

static void watched_destroy(void *self)
{
	struct watched *w = self;

	weir_tap_destroy(w->tap);
	weir_valve_die(&w->box.valve, WEIR_ECLOSED);
	weir_wrap_fini(&w->wrap);
	weir_valve_fini(&w->box.valve);
	free(w);
}

static void count(void *arg, const void *data, size_t len)
{
	(void)data;
	((struct watched *)arg)->seen += len;
}

static int watched_watch(void *self, struct weir_tck_made *made)
{
	struct watched *w = self;
	int rc;

	w->on = true;
	if (w->watcher == WATCHING_PAUSES)
		weir_valve_hold(&w->box.valve, WEIR_HOLD_USER);
	if (w->watcher == DELAYS)
		w->box.window = 0;
	rc = weir_tap_create(made->flow.sink, count, w, &w->tap);
	if (rc == 0)
		made->flow.sink = weir_tap_sink(w->tap);
	return rc;
}

static void watched_take(void *self, size_t max)
{
	box_take(&((struct watched *)self)->box, max);
}

static void watched_die(void *self, int why)
{
	box_die(&((struct watched *)self)->box, why);
}

static struct weir_tck_subject watched_subject(enum watcher *watcher)
{
	return (struct weir_tck_subject){
		.name = "watched",
		.arg = watcher,
		.make = watched_make,
		.destroy = watched_destroy,
		.numbers = VALVE_NUMBERS,
		.take = watched_take,
		.die = watched_die,
		.watch = watched_watch,
	};
}

static void test_a_tap_changes_nothing(void **state)
{
	enum watcher watcher = TAP;
	struct weir_tck_subject subject = watched_subject(&watcher);

	(void)state;
	assert_kept(&subject, "OBS-1 OBS-3 ");
}

static void test_each_watcher_who_meddles_is_found_out(void **state)
{
	(void)state;
	for (enum watcher which = TAP; which < WATCHER_COUNT; which++) {
		enum watcher now = which;
		struct weir_tck_subject subject = watched_subject(&now);
		struct tally tally;

		tck_broken(&subject, "OBS-3", &tally);
		if (strcmp(tally.broken, which == TAP ? "" : "OBS-3 "))
			fail_msg("%s: broken are %s\n%s", watcher_names[which], tally.broken,
			         tally.calls);
		assert_int_equal(which == TAP, *tally.calls == '\0');
		assert_string_equal(tally.missing, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_join_charges_each_pause_to_its_cause),
		cmocka_unit_test(test_each_lie_about_a_pause_is_found_out),
		cmocka_unit_test(test_obs2_does_not_apply_to_one_who_says_nothing),
		cmocka_unit_test(test_a_tap_changes_nothing),
		cmocka_unit_test(test_each_watcher_who_meddles_is_found_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
