/* SPDX-License-Identifier: MIT */
/* The simulator: its links, sources and sinks do what they say, to the nanosecond, and what
 * happens depends on the seed alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "weir/join.h"
#include "weir/sim.h"

#define MS WEIR_NS_PER_MS
#define S WEIR_NS_PER_S
#define NOTES_MAX 4096

/* A world, a link in it, and what was noted. */
struct rig {
	struct weir_sim *sim;
	struct weir_transport *t[2];
	struct weir_sim_sink *sink[2]; /* gets what t[i]'s source gives */
	struct weir_sim_note notes[NOTES_MAX];
	unsigned noted;
};

static void on_note(void *arg, const struct weir_sim_note *note)
{
	struct rig *r = arg;

	if (r->noted < NOTES_MAX)
		r->notes[r->noted++] = *note;
}

static void rig_open(struct rig *r, const struct weir_sim_link_options *link)
{
	struct weir_sim_options options = {.seed = 7, .on_note = on_note, .arg = r};

	*r = (struct rig){.noted = 0};
	assert_int_equal(weir_sim_create(&options, &r->sim), 0);
	assert_int_equal(weir_sim_link_create(r->sim, link, &r->t[0], &r->t[1]), 0);
	for (int i = 0; i < 2; i++) {
		struct weir_sim_sink_options sink = {.key = 0};

		assert_int_equal(weir_sim_sink_create(r->sim, &sink, &r->sink[i]), 0);
		assert_int_equal(weir_consumer_register(weir_sim_sink_consumer(r->sink[i]),
							weir_transport_source(r->t[i]), WEIR_PUSH),
				 0);
	}
}

static void rig_close(struct rig *r)
{
	const char *how;

	weir_transport_close(r->t[0]);
	weir_transport_close(r->t[1]);
	for (int i = 0; i < 2; i++)
		weir_sim_sink_destroy(r->sink[i]);
	assert_true(weir_sim_run(r->sim, WEIR_NEVER));
	weir_sim_check_empty(r->sim);
	assert_null(weir_sim_broken(r->sim, &how));
	weir_sim_destroy(r->sim);
}

/* Write the pattern's bytes from `offset` to side `i`. */
static int put(struct rig *r, int i, uint64_t offset, size_t len)
{
	unsigned char *bytes = malloc(len);
	int rc;

	assert_non_null(bytes);
	for (size_t k = 0; k < len; k++)
		bytes[k] = weir_sim_byte(0, offset + k);
	rc = weir_consumer_write(weir_transport_sink(r->t[i]), bytes, len);
	free(bytes);
	return rc;
}

static struct weir_sim_sink_state got(const struct rig *r, int i)
{
	struct weir_sim_sink_state s;

	weir_sim_sink_state(r->sink[i], &s);
	return s;
}

static struct weir_consumer_state sink_of(const struct rig *r, int i)
{
	struct weir_consumer_state s;

	weir_consumer_state(weir_transport_sink(r->t[i]), &s);
	return s;
}

/* The n-th note that says this; NULL if there are fewer. */
static const struct weir_sim_note *nth(const struct rig *r, const char *who, const char *what,
				       unsigned n)
{
	for (unsigned i = 0; i < r->noted; i++) {
		if (strcmp(r->notes[i].who, who) == 0 && strcmp(r->notes[i].what, what) == 0 &&
		    n-- == 0)
			return &r->notes[i];
	}
	return NULL;
}

static void assert_note(const struct rig *r, const char *who, const char *what, unsigned n,
			uint64_t at, int64_t value)
{
	const struct weir_sim_note *note = nth(r, who, what, n);

	assert_non_null(note);
	assert_int_equal(note->at, at);
	assert_int_equal(note->value, value);
}

/* ---- links: when bytes arrive ---- */

static void test_segment_arrives_after_its_own_time_and_the_latency(void **state)
{
	struct weir_sim_link_options link = {
		.to_right = {.latency_ns = 5 * MS, .bytes_per_s = 1000000},
	};
	struct rig r;

	(void)state;
	rig_open(&r, &link);
	assert_int_equal(put(&r, 0, 0, 1000), 0);
	assert_int_equal(put(&r, 0, 1000, 500), 0); /* waits for the wire */
	weir_sim_run(r.sim, 20 * MS);
	assert_int_equal(put(&r, 0, 1500, 1), 0);   /* finds it idle */
	weir_sim_run(r.sim, WEIR_NEVER);
	assert_note(&r, "sink", "takes", 0, 6 * MS, 1000);
	assert_note(&r, "sink", "takes", 1, 6 * MS + MS / 2, 500);
	assert_note(&r, "sink", "takes", 2, 25 * MS + 1000, 1);
	rig_close(&r);
}

/* The time of a byte is no whole number of nanoseconds; nothing is lost by that. */
static void test_rate_does_not_drift(void **state)
{
	struct weir_sim_link_options link = {.to_right = {.bytes_per_s = 7, .piece = 1}};
	struct rig r;

	(void)state;
	rig_open(&r, &link);
	assert_int_equal(put(&r, 0, 0, 70), 0);
	weir_sim_run(r.sim, WEIR_NEVER);
	assert_note(&r, "sink", "takes", 0, S / 7 + 1, 1);
	assert_note(&r, "sink", "takes", 69, 10 * S, 1);
	rig_close(&r);
}

static void test_the_two_ways_are_independent(void **state)
{
	struct weir_sim_link_options link = {
		.to_right = {.latency_ns = 3},
		.to_left = {.latency_ns = 1000},
	};
	struct rig r;

	(void)state;
	rig_open(&r, &link);
	assert_int_equal(put(&r, 1, 0, 20), 0);
	assert_int_equal(put(&r, 0, 0, 10), 0);
	weir_sim_run(r.sim, WEIR_NEVER);
	assert_note(&r, "sink", "takes", 0, 3, 10);
	assert_note(&r, "sink", "takes", 1, 1000, 20);
	rig_close(&r);
}

static void test_jitter_is_bounded_and_keeps_the_order(void **state)
{
	struct weir_sim_link_options link = {
		.to_right = {.latency_ns = MS, .jitter_ns = MS, .piece = 1},
	};
	uint64_t before = 0;
	bool varies = false;
	struct rig r;

	(void)state;
	rig_open(&r, &link);
	assert_int_equal(put(&r, 0, 0, 200), 0);
	weir_sim_run(r.sim, WEIR_NEVER);
	for (unsigned i = 0; i < 200; i++) {
		const struct weir_sim_note *note = nth(&r, "sink", "takes", i);

		assert_non_null(note);
		assert_in_range(note->at, MS, 2 * MS);
		assert_true(note->at >= before);
		varies |= i > 0 && note->at > before;
		before = note->at;
	}
	assert_true(varies);
	rig_close(&r);
}

static void test_a_stalled_link_delivers_all_when_that_is_over(void **state)
{
	struct weir_sim_link_options link = {.to_right = {.latency_ns = MS}};
	struct rig r;

	(void)state;
	rig_open(&r, &link);
	assert_int_equal(put(&r, 0, 0, 10), 0);
	weir_sim_link_stall(r.t[1], 30 * MS);
	weir_sim_run(r.sim, 10 * MS);
	assert_int_equal(put(&r, 0, 10, 10), 0);
	weir_sim_run(r.sim, WEIR_NEVER);
	assert_note(&r, "sink", "takes", 0, 30 * MS, 20);
	rig_close(&r);
}

/* ---- links: how much, and in what pieces ---- */

static void test_buffer_bounds_what_is_taken_from_the_writer(void **state)
{
	struct weir_sim_link_options link = {.to_right = {.latency_ns = MS, .buffer = 1000}};
	struct rig r;

	(void)state;
	rig_open(&r, &link);
	assert_int_equal(put(&r, 0, 0, 5000), 0);
	assert_int_equal(weir_sim_link_under_way(r.t[0]), 1000);
	assert_int_equal(sink_of(&r, 0).held, 4000);
	weir_sim_run(r.sim, WEIR_NEVER);
	for (unsigned i = 0; i < 5; i++)
		assert_note(&r, "sink", "takes", i, (i + 1) * MS, 1000);
	assert_int_equal(weir_sim_link_under_way(r.t[0]), 0);
	rig_close(&r);
}

static void test_what_a_reader_leaves_fills_the_buffer(void **state)
{
	struct weir_sim_link_options link = {.to_right = {.buffer = 1000}};
	struct rig r;

	(void)state;
	rig_open(&r, &link);
	weir_consumer_unregister(weir_sim_sink_consumer(r.sink[1]));
	assert_int_equal(put(&r, 0, 0, 1500), 0);
	weir_sim_run(r.sim, S);
	assert_int_equal(got(&r, 1).got, 0);
	assert_int_equal(weir_sim_link_under_way(r.t[0]), 1000);
	assert_int_equal(weir_consumer_register(weir_sim_sink_consumer(r.sink[1]),
						weir_transport_source(r.t[1]), WEIR_PUSH), 0);
	assert_int_equal(got(&r, 1).got, 0); /* from a turn of its own */
	weir_sim_run(r.sim, WEIR_NEVER);
	assert_int_equal(got(&r, 1).got, 1500);
	rig_close(&r);
}

static void test_pieces_are_of_the_size_that_was_asked_for(void **state)
{
	static const size_t pieces[] = {1, 7, 64};

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		struct weir_sim_link_options link = {.to_right = {.piece = pieces[k]}};
		struct rig r;

		rig_open(&r, &link);
		assert_int_equal(put(&r, 0, 0, 7 * 64), 0);
		weir_sim_run(r.sim, WEIR_NEVER);
		for (unsigned i = 0; i < 7 * 64 / pieces[k]; i++)
			assert_note(&r, "sink", "takes", i, 0, (int64_t)pieces[k]);
		rig_close(&r);
	}
}

static void test_random_pieces_are_of_all_sizes_up_to_the_largest(void **state)
{
	struct weir_sim_link_options link = {.to_right = {.piece = 4, .random_pieces = true}};
	unsigned seen[5] = {0};
	struct rig r;

	(void)state;
	rig_open(&r, &link);
	assert_int_equal(put(&r, 0, 0, 1000), 0);
	weir_sim_run(r.sim, WEIR_NEVER);
	for (unsigned i = 0; nth(&r, "sink", "takes", i); i++) {
		assert_in_range(nth(&r, "sink", "takes", i)->value, 1, 4);
		seen[nth(&r, "sink", "takes", i)->value]++;
	}
	for (int i = 1; i <= 4; i++)
		assert_true(seen[i] > 0);
	assert_int_equal(got(&r, 1).got, 1000);
	rig_close(&r);
}

static void test_without_pieces_what_has_arrived_comes_at_once(void **state)
{
	struct weir_sim_link_options link = {.to_right = {.latency_ns = MS}};
	struct rig r;

	(void)state;
	rig_open(&r, &link);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(put(&r, 0, 10 * i, 10), 0);
	weir_sim_run(r.sim, WEIR_NEVER);
	assert_note(&r, "sink", "takes", 0, MS, 100);
	rig_close(&r);
}

/* ---- links: ends ---- */

static void test_end_of_one_way_arrives_behind_its_bytes_and_leaves_the_other(void **state)
{
	struct weir_sim_link_options link = {.to_right = {.latency_ns = MS}};
	struct rig r;

	(void)state;
	rig_open(&r, &link);
	assert_true(weir_transport_half_closes(r.t[0]));
	assert_int_equal(put(&r, 0, 0, 10), 0);
	weir_consumer_finish(weir_transport_sink(r.t[0]));
	assert_true(sink_of(&r, 0).ended); /* the link has the bytes */
	assert_int_equal(sink_of(&r, 0).why, 0);
	weir_sim_run(r.sim, WEIR_NEVER);
	assert_int_equal(got(&r, 1).got, 10);
	assert_note(&r, "sink", "ends", 0, MS, 0);
	assert_false(got(&r, 0).ended);
	assert_int_equal(put(&r, 1, 0, 20), 0);
	weir_sim_run(r.sim, WEIR_NEVER);
	assert_int_equal(got(&r, 0).got, 20);
	rig_close(&r);
}

static void test_break_loses_what_is_under_way_and_not_what_has_arrived(void **state)
{
	struct weir_sim_link_options link = {.to_right = {.latency_ns = MS}};
	struct rig r;

	(void)state;
	rig_open(&r, &link);
	assert_int_equal(put(&r, 0, 0, 10), 0);
	weir_consumer_unregister(weir_sim_sink_consumer(r.sink[1])); /* does not read */
	weir_sim_run(r.sim, 2 * MS);
	assert_int_equal(put(&r, 0, 10, 7), 0);
	weir_sim_link_break(r.t[0], -ECONNRESET);
	weir_sim_run(r.sim, 3 * MS);
	assert_int_equal(weir_sim_link_lost(r.t[0]), 7);
	assert_int_equal(sink_of(&r, 0).why, -ECONNRESET);
	assert_int_equal(sink_of(&r, 1).why, -ECONNRESET);
	assert_int_equal(got(&r, 0).why, -ECONNRESET);
	assert_int_equal(weir_consumer_register(weir_sim_sink_consumer(r.sink[1]),
						weir_transport_source(r.t[1]), WEIR_PUSH), 0);
	weir_sim_run(r.sim, WEIR_NEVER);
	assert_int_equal(got(&r, 1).got, 10);
	assert_int_equal(got(&r, 1).why, -ECONNRESET);
	rig_close(&r);
}

static void test_end_that_is_under_way_is_lost_with_a_break(void **state)
{
	struct weir_sim_link_options link = {.to_right = {.latency_ns = MS}};
	struct rig r;

	(void)state;
	rig_open(&r, &link);
	weir_consumer_finish(weir_transport_sink(r.t[0]));
	weir_sim_run(r.sim, MS / 2);
	weir_sim_link_break(r.t[0], -ETIMEDOUT);
	weir_sim_run(r.sim, WEIR_NEVER);
	assert_int_equal(got(&r, 1).why, -ETIMEDOUT);
	rig_close(&r);
}

static void test_link_breaks_behind_the_byte_that_was_named(void **state)
{
	struct weir_sim_link_options link = {
		.to_right = {.latency_ns = MS, .break_after = 1234, .break_why = -ETIMEDOUT},
	};
	struct rig r;

	(void)state;
	rig_open(&r, &link);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(put(&r, 0, 500 * i, 500), 0);
	weir_sim_run(r.sim, WEIR_NEVER);
	assert_int_equal(got(&r, 1).got, 1234);
	assert_int_equal(got(&r, 1).why, -ETIMEDOUT);
	assert_int_equal(got(&r, 0).why, -ETIMEDOUT);
	assert_int_equal(sink_of(&r, 0).why, -ETIMEDOUT);
	assert_int_equal(sink_of(&r, 0).dropped, 1500 - 1234);
	assert_note(&r, "sink", "takes", 0, MS, 1234);
	rig_close(&r);
}

static void test_failing_a_sink_resets_the_connection(void **state)
{
	struct weir_sim_link_options link = {
		.to_right = {.latency_ns = MS},
		.to_left = {.latency_ns = MS},
	};
	struct rig r;

	(void)state;
	rig_open(&r, &link);
	assert_int_equal(put(&r, 0, 0, 10), 0);
	assert_int_equal(put(&r, 1, 0, 5), 0);
	weir_consumer_fail(weir_transport_sink(r.t[0]), -EIO);
	weir_sim_run(r.sim, MS / 2);
	assert_int_equal(got(&r, 0).why, -ECONNABORTED);
	assert_false(sink_of(&r, 1).ended); /* it does not know yet */
	weir_sim_run(r.sim, WEIR_NEVER);
	assert_int_equal(got(&r, 1).got, 0);
	assert_int_equal(got(&r, 1).why, -ECONNRESET);
	assert_int_equal(sink_of(&r, 1).why, -ECONNRESET);
	assert_note(&r, "sink", "ends", 1, MS, -ECONNRESET);
	rig_close(&r);
}

static void test_closing_a_side_leaves_what_it_finished_under_way(void **state)
{
	struct weir_sim_link_options link = {.to_right = {.latency_ns = MS}};
	struct rig r;

	(void)state;
	rig_open(&r, &link);
	assert_int_equal(put(&r, 0, 0, 10), 0);
	weir_consumer_finish(weir_transport_sink(r.t[0]));
	weir_transport_close(r.t[0]);
	r.t[0] = NULL;
	weir_sim_run(r.sim, WEIR_NEVER);
	assert_int_equal(got(&r, 1).got, 10);
	assert_int_equal(got(&r, 1).why, 0);
	assert_int_equal(sink_of(&r, 1).why, -ECONNRESET);
	rig_close(&r);
}

static void test_closing_a_side_in_the_midst_resets_the_other(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, NULL);
	assert_int_equal(put(&r, 0, 0, 10), 0);
	weir_transport_close(r.t[1]);
	r.t[1] = NULL;
	weir_sim_run(r.sim, WEIR_NEVER);
	assert_int_equal(sink_of(&r, 0).why, -ECONNRESET);
	assert_int_equal(got(&r, 0).why, -ECONNRESET);
	rig_close(&r);
}

static void test_write_fails_with_the_code_that_was_given(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, NULL);
	assert_int_equal(put(&r, 0, 0, 10), 0);
	weir_sim_link_fail_write(r.t[0], -ENOBUFS);
	assert_int_equal(put(&r, 0, 10, 10), -ENOBUFS);
	weir_sim_run(r.sim, WEIR_NEVER);
	assert_int_equal(got(&r, 1).got, 10);
	assert_int_equal(got(&r, 1).why, -ECONNRESET);
	assert_int_equal(got(&r, 0).why, -ENOBUFS);
	assert_int_equal(sink_of(&r, 1).why, -ECONNRESET);
	rig_close(&r);
}

/* ---- sources and sinks ---- */

struct pair {
	struct rig r;
	struct weir_sim_source *source;
	struct weir_sim_sink *sink;
};

static void pair_run(struct pair *p, const struct weir_sim_source_options *from,
		     const struct weir_sim_sink_options *to)
{
	struct weir_sim_options options = {.seed = 7, .on_note = on_note, .arg = &p->r};

	p->r.noted = 0;
	assert_int_equal(weir_sim_create(&options, &p->r.sim), 0);
	assert_int_equal(weir_sim_source_create(p->r.sim, from, &p->source), 0);
	assert_int_equal(weir_sim_sink_create(p->r.sim, to, &p->sink), 0);
	assert_int_equal(weir_consumer_register(weir_sim_sink_consumer(p->sink),
						weir_sim_source_producer(p->source), from->mode),
			 0);
	assert_true(weir_sim_run(p->r.sim, WEIR_NEVER));
}

static void pair_close(struct pair *p)
{
	weir_sim_sink_destroy(p->sink);
	weir_sim_source_destroy(p->source);
	weir_sim_check_empty(p->r.sim);
	assert_null(weir_sim_broken(p->r.sim, NULL));
	weir_sim_destroy(p->r.sim);
}

static void assert_ends(struct pair *p, uint64_t bytes, int source_why, int sink_why)
{
	struct weir_sim_source_state from;
	struct weir_sim_sink_state to;

	weir_sim_source_state(p->source, &from);
	weir_sim_sink_state(p->sink, &to);
	assert_true(from.ended && to.ended);
	assert_int_equal(to.got, bytes);
	assert_int_equal(from.why, source_why);
	assert_int_equal(to.why, sink_why);
}

static void test_source_of_either_mode_gives_all_at_its_pace(void **state)
{
	(void)state;
	for (int mode = WEIR_PUSH; mode <= WEIR_PULL; mode++) {
		struct weir_sim_source_options from = {
			.mode = mode, .size = 1001, .chunk = 100, .pace_ns = MS,
		};
		struct weir_sim_sink_options to = {.key = 0};
		struct pair p;

		pair_run(&p, &from, &to);
		assert_ends(&p, 1001, 0, 0);
		for (unsigned i = 0; i < 10; i++)
			assert_note(&p.r, "source", "writes", i, i * MS, 100);
		assert_note(&p.r, "source", "writes", 10, 10 * MS, 1);
		pair_close(&p);
	}
}

static void test_source_fails_at_the_byte_that_was_named(void **state)
{
	(void)state;
	for (int mode = WEIR_PUSH; mode <= WEIR_PULL; mode++) {
		struct weir_sim_source_options from = {
			.mode = mode, .size = 1000, .chunk = 70, .random_chunks = true,
			.gives = mode == WEIR_PUSH, .fail_at = 333, .fail_why = -EIO,
		};
		struct weir_sim_sink_options to = {.key = 0};
		struct pair p;

		pair_run(&p, &from, &to);
		assert_ends(&p, 333, -EIO, -EIO);
		pair_close(&p);
	}
}

static void test_source_that_does_not_stop_at_once_overshoots_by_what_it_declares(void **state)
{
	struct weir_sim_source_options from = {.size = 1000, .chunk = 10, .overshoot = 25};
	struct weir_sim_sink_options to = {
		.high = 100, .low = 50, .limit = 200, .rest_at = 0, .rest_ns = S,
	};
	uint64_t after = 0;
	struct pair p;
	unsigned i = 0;

	(void)state;
	pair_run(&p, &from, &to);
	assert_ends(&p, 1000, 0, 0);
	while (strcmp(p.r.notes[i].what, "is paused") != 0)
		i++;
	/* The write that brought the pause is noted behind it. */
	for (i += 2; strcmp(p.r.notes[i].what, "is resumed") != 0; i++) {
		if (strcmp(p.r.notes[i].what, "writes") == 0)
			after += (uint64_t)p.r.notes[i].value;
	}
	assert_int_equal(after, 25);
	pair_close(&p);
}

static void test_sink_takes_at_its_rate(void **state)
{
	struct weir_sim_source_options from = {.size = 5000, .chunk = 1000};
	struct weir_sim_sink_options to = {.bytes_per_s = 1000, .end_ns = MS};
	struct pair p;

	(void)state;
	pair_run(&p, &from, &to);
	assert_ends(&p, 5000, 0, 0);
	assert_note(&p.r, "sink", "takes", 0, 0, 1000);
	assert_note(&p.r, "sink", "takes", 1, S, 4000);
	assert_note(&p.r, "sink", "ends", 0, S + MS, 0);
	pair_close(&p);
}

static void test_sink_rests_and_dies_where_it_was_told_to(void **state)
{
	struct weir_sim_source_options from = {.size = 500000, .chunk = 1000};
	struct weir_sim_sink_options to = {
		.rest_at = 500, .rest_ns = S, .die_at = 2500, .die_why = -EPIPE,
	};
	struct pair p;

	(void)state;
	pair_run(&p, &from, &to);
	assert_ends(&p, 2500, -EPIPE, -EPIPE);
	assert_note(&p.r, "sink", "takes", 0, 0, 500);
	assert_note(&p.r, "sink", "takes", 1, S, 2000);
	assert_note(&p.r, "sink", "ends", 0, S, -EPIPE);
	pair_close(&p);
}

static void test_wrong_byte_is_found(void **state)
{
	(void)state;
	for (int gaps = 0; gaps <= 1; gaps++) {
		struct weir_sim_sink_options options = {.key = 0, .gaps = gaps};
		struct weir_sim_sink *sink;
		unsigned char bytes[300];
		struct weir_sim *sim;

		assert_int_equal(weir_sim_create(NULL, &sim), 0);
		assert_int_equal(weir_sim_sink_create(sim, &options, &sink), 0);
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = weir_sim_byte(0, i < 100 ? i : i + 1); /* one is missing */
		assert_int_equal(weir_consumer_write(weir_sim_sink_consumer(sink), bytes,
						     sizeof(bytes)), 0);
		if (gaps)
			assert_null(weir_sim_broken(sim, NULL));
		else
			assert_string_equal(weir_sim_broken(sim, NULL), "DATA-1");
		weir_sim_sink_destroy(sink);
		weir_sim_destroy(sim);
	}
}

/* ---- the world ---- */

static void test_time_stands_where_it_was_asked_to_stop(void **state)
{
	struct weir_sim *sim;

	(void)state;
	assert_int_equal(weir_sim_create(NULL, &sim), 0);
	assert_true(weir_sim_run(sim, 5 * S));
	assert_int_equal(weir_context_now(weir_sim_context(sim)), 5 * S);
	assert_true(weir_sim_run(sim, WEIR_NEVER));
	assert_int_equal(weir_context_now(weir_sim_context(sim)), 5 * S);
	weir_sim_destroy(sim);
}

static struct weir_context *spinning;

static void spin(struct weir_task *task)
{
	weir_task_queue(spinning, task);
}

static void test_task_without_an_end_and_what_is_left_are_found(void **state)
{
	struct weir_task task = {.run = spin};
	struct weir_block *block;
	struct weir_sim *sim;

	(void)state;
	assert_int_equal(weir_sim_create(NULL, &sim), 0);
	spinning = weir_sim_context(sim);
	weir_task_queue(spinning, &task);
	assert_false(weir_sim_run(sim, WEIR_NEVER));
	assert_string_equal(weir_sim_broken(sim, NULL), "SPIN");
	weir_task_cancel(&task);
	weir_sim_destroy(sim);

	assert_int_equal(weir_sim_create(NULL, &sim), 0);
	weir_task_queue(weir_sim_context(sim), &task);
	weir_sim_check_empty(sim);
	assert_string_equal(weir_sim_broken(sim, NULL), "END-7");
	weir_task_cancel(&task);
	weir_sim_destroy(sim);

	assert_int_equal(weir_sim_create(NULL, &sim), 0);
	assert_int_equal(weir_pool_take(&weir_sim_context(sim)->pool, 1, &block), 0);
	weir_sim_check_empty(sim);
	assert_string_equal(weir_sim_broken(sim, NULL), "MEM-6");
	weir_block_unref(block);
	weir_sim_destroy(sim);
}

/* These numbers are the same everywhere, for ever: seeds are quoted in reports. */
static void test_streams_of_numbers_depend_on_seed_name_and_number(void **state)
{
	static const struct {
		uint64_t seed;
		const char *name;
		unsigned number;
	} of[] = {{1, "a", 0}, {2, "a", 0}, {1, "b", 0}, {1, "a", 1}};
	uint64_t first[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct weir_sim_random r;

		weir_sim_random_init(&r, of[i].seed, of[i].name, of[i].number);
		first[i] = weir_sim_random_below(&r, UINT64_MAX);
		for (int k = 0; k < i; k++)
			assert_true(first[i] != first[k]);
		for (int k = 0; k < 1000; k++)
			assert_in_range(weir_sim_random_below(&r, 10), 0, 9);
		assert_int_equal(weir_sim_random_below(&r, 0), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segment_arrives_after_its_own_time_and_the_latency),
		cmocka_unit_test(test_rate_does_not_drift),
		cmocka_unit_test(test_the_two_ways_are_independent),
		cmocka_unit_test(test_jitter_is_bounded_and_keeps_the_order),
		cmocka_unit_test(test_a_stalled_link_delivers_all_when_that_is_over),
		cmocka_unit_test(test_buffer_bounds_what_is_taken_from_the_writer),
		cmocka_unit_test(test_what_a_reader_leaves_fills_the_buffer),
		cmocka_unit_test(test_pieces_are_of_the_size_that_was_asked_for),
		cmocka_unit_test(test_random_pieces_are_of_all_sizes_up_to_the_largest),
		cmocka_unit_test(test_without_pieces_what_has_arrived_comes_at_once),
		cmocka_unit_test(test_end_of_one_way_arrives_behind_its_bytes_and_leaves_the_other),
		cmocka_unit_test(test_break_loses_what_is_under_way_and_not_what_has_arrived),
		cmocka_unit_test(test_end_that_is_under_way_is_lost_with_a_break),
		cmocka_unit_test(test_link_breaks_behind_the_byte_that_was_named),
		cmocka_unit_test(test_failing_a_sink_resets_the_connection),
		cmocka_unit_test(test_closing_a_side_leaves_what_it_finished_under_way),
		cmocka_unit_test(test_closing_a_side_in_the_midst_resets_the_other),
		cmocka_unit_test(test_write_fails_with_the_code_that_was_given),
		cmocka_unit_test(test_source_of_either_mode_gives_all_at_its_pace),
		cmocka_unit_test(test_source_fails_at_the_byte_that_was_named),
		cmocka_unit_test(test_source_that_does_not_stop_at_once_overshoots_by_what_it_declares),
		cmocka_unit_test(test_sink_takes_at_its_rate),
		cmocka_unit_test(test_sink_rests_and_dies_where_it_was_told_to),
		cmocka_unit_test(test_wrong_byte_is_found),
		cmocka_unit_test(test_time_stands_where_it_was_asked_to_stop),
		cmocka_unit_test(test_task_without_an_end_and_what_is_left_are_found),
		cmocka_unit_test(test_streams_of_numbers_depend_on_seed_name_and_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
