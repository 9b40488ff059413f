/* SPDX-License-Identifier: MIT */
/* Offers of a descriptor: the valve's part, and the join's.  Nothing here is a descriptor. */
#include <errno.h>

#include "core_fixture.h"
#include "weir/join.h"

/* A valve that moves what it is told to move. */
struct mover {
	struct weir_valve valve; /* first */
	bool willing;
	size_t takes;            /* bytes that it still takes */
	size_t leaves;           /* bytes that it takes out and writes to itself, of each offer */
	size_t loses;
	enum weir_carry_next next;
	int fails;
	unsigned asked, moved;
	uint64_t drained;
	bool stuck;              /* its drain takes nothing */
	int end_why;
};

static int64_t mover_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct mover *m = (struct mover *)v;
	int64_t n = 0;

	for (size_t i = 0; i < count && !m->stuck; i++)
		n += (int64_t)chunks[i].len;
	m->drained += (uint64_t)n;
	return n;
}

static void mover_end(struct weir_valve *v, int why)
{
	((struct mover *)v)->end_why = why;
	weir_valve_pass_end(v, why);
}

static bool mover_carries(struct weir_valve *v, struct weir_carry *carry)
{
	struct mover *m = (struct mover *)v;

	m->asked++;
	if (!m->willing)
		weir_carry_refuse(carry, "mover", "does not want to");
	return m->willing;
}

static int64_t mover_carry(struct weir_valve *v, struct weir_carry *carry)
{
	struct mover *m = (struct mover *)v;
	size_t n = carry->max < m->takes ? carry->max : m->takes;

	m->moved++;
	if (m->fails)
		return m->fails;
	m->takes -= n;
	carry->path = WEIR_PATH_SPLICE;
	carry->next = n < carry->max ? WEIR_CARRY_FULL : m->next;
	carry->lost = m->loses;
	if (m->leaves) {
		unsigned char bytes[4096] = {0};

		assert_true(m->leaves <= carry->spare);
		assert_int_equal(weir_consumer_write(&v->base, bytes, m->leaves), 0);
	}
	return (int64_t)(n + m->leaves + m->loses);
}

static const struct weir_valve_ops mover_ops = {
	.name = "mover",
	.drain = mover_drain,
	.end = mover_end,
	.carries = mover_carries,
	.carry = mover_carry,
};

struct listener {
	struct weir_producer base; /* first */
	unsigned pauses, resumes, stops;
	int why;
};

static void on_pause(struct weir_producer *p)
{
	((struct listener *)p)->pauses++;
}

static void on_resume(struct weir_producer *p)
{
	((struct listener *)p)->resumes++;
}

static void on_stop(struct weir_producer *p, int why)
{
	((struct listener *)p)->stops++;
	((struct listener *)p)->why = why;
}

static const struct weir_producer_ops listener_ops = {
	.name = "listener",
	.start = weir_producer_pass_start,
	.pause = on_pause,
	.resume = on_resume,
	.stop = on_stop,
};

/* ---- the scene ---- */

static struct world world;
static struct mover mover;
static struct listener source;

static int setup(void **state)
{
	(void)state;
	world_open(&world, (size_t)1 << 20);
	mover = (struct mover){.willing = true, .takes = SIZE_MAX};
	weir_valve_init(&mover.valve, &mover_ops, &world.ctx);
	source = (struct listener){0};
	weir_producer_init(&source.base, &listener_ops, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(&mover.valve.base, &source.base, WEIR_PUSH), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weir_valve_fini(&mover.valve);
	world_close(&world);
	return 0;
}

static int64_t offer(struct weir_consumer *c, size_t max, struct weir_carry *carry)
{
	*carry = (struct weir_carry){.fd = -1, .kind = WEIR_CARRY_PIPE, .max = max};
	return weir_consumer_carry(c, carry);
}

static struct weir_consumer_state state_of(struct weir_consumer *c)
{
	struct weir_consumer_state s;

	weir_consumer_state(c, &s);
	assert_int_equal(s.in, s.out + s.held + s.dropped);
	return s;
}

static void test_what_is_moved_has_been_handed_on(void **state)
{
	struct weir_carry carry;

	(void)state;
	assert_int_equal(offer(&mover.valve.base, 1000, &carry), 1000);
	assert_int_equal(carry.next, WEIR_CARRY_MORE);
	assert_int_equal(state_of(&mover.valve.base).out, 1000);
	assert_int_equal(source.pauses, 0);
}

static void test_one_without_a_descriptor_refuses_by_name(void **state)
{
	static const struct weir_valve_ops plain = {
		.name = "plain", .drain = mover_drain, .end = mover_end};
	struct weir_carry carry;

	(void)state;
	mover.valve.ops = &plain;
	assert_int_equal(offer(&mover.valve.base, 1000, &carry), 0);
	assert_int_equal(carry.next, WEIR_CARRY_WRITE);
	assert_string_equal(carry.who, "plain");
	mover.valve.ops = &mover_ops;
}

static void test_a_consumer_that_has_no_carry_refuses_by_name(void **state)
{
	struct weir_consumer_ops ops = weir_valve_consumer_ops;
	struct weir_consumer c;
	struct weir_carry carry;

	(void)state;
	ops.name = "blind";
	ops.carry = NULL;
	weir_consumer_init(&c, &ops);
	assert_int_equal(offer(&c, 1000, &carry), 0);
	assert_int_equal(carry.next, WEIR_CARRY_WRITE);
	assert_string_equal(carry.who, "blind");
}

static void test_one_who_takes_no_more_pauses_until_it_is_ready(void **state)
{
	struct weir_carry carry;

	(void)state;
	mover.takes = 600;
	assert_int_equal(offer(&mover.valve.base, 1000, &carry), 600);
	assert_int_equal(carry.next, WEIR_CARRY_FULL);
	assert_int_equal(source.pauses, 1);
	world_run(&world);
	assert_int_equal(source.resumes, 0);
	mover.takes = 1000;
	weir_valve_ready(&mover.valve);
	assert_int_equal(source.resumes, 1);
	assert_int_equal(offer(&mover.valve.base, 1000, &carry), 1000);
	assert_int_equal(state_of(&mover.valve.base).out, 1600);
}

/* DATA-1: nothing overtakes what is queued. */
static void test_it_waits_until_the_queue_is_empty(void **state)
{
	struct weir_carry carry;

	(void)state;
	mover.stuck = true;
	assert_int_equal(weir_consumer_write(&mover.valve.base, "0123456789", 10), 0);
	assert_int_equal(offer(&mover.valve.base, 1000, &carry), 0);
	assert_int_equal(carry.next, WEIR_CARRY_FULL);
	assert_int_equal(mover.moved, 0);
	assert_int_equal(source.pauses, 1);
	mover.stuck = false;
	weir_valve_ready(&mover.valve);
	assert_int_equal(source.resumes, 1);
	assert_int_equal(mover.drained, 10);
	assert_int_equal(offer(&mover.valve.base, 1000, &carry), 1000);
}

/* ... and who cannot carry does not wait for that. */
static void test_one_who_refuses_does_not_pause(void **state)
{
	struct weir_carry carry;

	(void)state;
	mover.stuck = true;
	mover.willing = false;
	assert_int_equal(weir_consumer_write(&mover.valve.base, "0123456789", 10), 0);
	assert_int_equal(offer(&mover.valve.base, 1000, &carry), 0);
	assert_int_equal(carry.next, WEIR_CARRY_WRITE);
	assert_string_equal(carry.why, "does not want to");
	assert_int_equal(source.pauses, 0);
}

/* The next producer owes nothing to a wait of the last one's: REG-6, FLOW-3. */
static void test_the_next_producer_is_resumed_at_the_low_mark_again(void **state)
{
	struct listener next = {0};
	static unsigned char bytes[WEIR_LOW_DEFAULT];
	struct weir_carry carry;

	(void)state;
	mover.stuck = true;
	assert_int_equal(weir_consumer_write(&mover.valve.base, bytes, sizeof(bytes)), 0);
	assert_int_equal(offer(&mover.valve.base, 1000, &carry), 0);
	weir_consumer_unregister(&mover.valve.base);
	weir_producer_init(&next.base, &listener_ops, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(&mover.valve.base, &next.base, WEIR_PUSH), 0);
	weir_valve_ready(&mover.valve);
	assert_int_equal(next.pauses, next.resumes);
	weir_consumer_unregister(&mover.valve.base);
}

static void test_what_was_taken_out_and_does_not_fit_is_queued_in_order(void **state)
{
	struct weir_carry carry;

	(void)state;
	mover.leaves = 100;
	assert_int_equal(offer(&mover.valve.base, 1000, &carry), 1100);
	assert_int_equal(state_of(&mover.valve.base).held, 100);
	world_run(&world);
	assert_int_equal(state_of(&mover.valve.base).out, 1100);
	assert_int_equal(mover.drained, 100);
}

/* END-4 */
static void test_what_cannot_be_kept_is_counted_and_the_end(void **state)
{
	struct weir_carry carry;

	(void)state;
	mover.loses = 300;
	assert_int_equal(offer(&mover.valve.base, 1000, &carry), -ENOMEM);
	assert_true(state_of(&mover.valve.base).ended);
	assert_int_equal(state_of(&mover.valve.base).in, 1300);
	assert_int_equal(state_of(&mover.valve.base).dropped, 300);
	assert_int_equal(source.stops, 1);
	assert_int_equal(source.why, -ENOMEM);
}

static void test_a_failure_of_the_sink_is_its_end(void **state)
{
	struct weir_carry carry;

	(void)state;
	mover.fails = -EPIPE;
	assert_int_equal(offer(&mover.valve.base, 1000, &carry), -EPIPE);
	assert_int_equal(source.stops, 1);
	assert_int_equal(offer(&mover.valve.base, 1000, &carry), WEIR_ECLOSED);
}

static void test_twisteds_profile_sees_the_bytes(void **state)
{
	struct weir_carry carry;

	(void)state;
	weir_consumer_unregister(&mover.valve.base);
	weir_valve_set_profile(&mover.valve, WEIR_TWISTED);
	assert_int_equal(offer(&mover.valve.base, 1000, &carry), 0);
	assert_int_equal(carry.next, WEIR_CARRY_WRITE);
}

/* A pull producer whose offer met a full sink has not said "nothing yet". */
static void test_flow5_a_full_sink_does_not_park_a_pull_producer(void **state)
{
	struct weir_carry carry;

	(void)state;
	weir_consumer_unregister(&mover.valve.base);
	weir_producer_init(&source.base, &listener_ops, WEIR_PULL);
	mover.takes = 0;
	assert_int_equal(weir_consumer_register(&mover.valve.base, &source.base, WEIR_PULL), 0);
	source.resumes = 0;
	mover.valve.parked = false;
	assert_int_equal(offer(&mover.valve.base, 1000, &carry), 0);
	weir_valve_ready(&mover.valve);
	assert_true(source.resumes > 0);
}

/* ---- through a join ---- */

static struct weir_join *join_with(enum weir_paths paths)
{
	struct weir_join_options options = {.paths = paths};
	struct weir_join *j;

	weir_consumer_unregister(&mover.valve.base);
	weir_producer_init(&source.base, &listener_ops, WEIR_PUSH);
	assert_int_equal(weir_join_create(&world.ctx, &source.base, &mover.valve.base, &options, &j),
			 0);
	return j;
}

static void test_a_join_passes_offers_on_and_counts(void **state)
{
	struct weir_path_state path;
	struct weir_progress progress;
	struct weir_carry carry;
	struct weir_join *j = join_with(WEIR_PATHS_FASTEST);

	(void)state;
	mover.takes = 1500;
	assert_int_equal(offer(source.base.consumer, 1000, &carry), 1000);
	assert_false(carry.any);
	assert_int_equal(offer(source.base.consumer, 1000, &carry), 500);
	weir_join_path(j, &path);
	assert_int_equal(path.path, WEIR_PATH_SPLICE);
	assert_int_equal(path.carried, 1500);
	assert_null(path.who);
	weir_join_progress(j, &progress);
	assert_int_equal(progress.in, 1500);
	assert_int_equal(progress.out, 1500);
	assert_true(progress.paused); /* OBS-2: and by whom */
	assert_int_equal(progress.cause, WEIR_CAUSE_FULL);
	weir_join_destroy(j);
}

static void test_a_join_copies_when_it_is_told_to_and_any_way_when_it_may(void **state)
{
	struct weir_path_state path;
	struct weir_carry carry;
	struct weir_join *j = join_with(WEIR_PATHS_COPY);

	(void)state;
	assert_int_equal(offer(source.base.consumer, 1000, &carry), 0);
	assert_int_equal(carry.next, WEIR_CARRY_WRITE);
	weir_join_path(j, &path);
	assert_string_equal(path.who, "join");
	assert_int_equal(path.path, WEIR_PATH_COPY);
	weir_join_set_paths(j, WEIR_PATHS_KERNEL);
	assert_int_equal(offer(source.base.consumer, 1000, &carry), 1000);
	assert_true(carry.any);
	weir_join_stop(j, WEIR_ESTOPPED);
	assert_int_equal(weir_consumer_carry(source.base.consumer ? source.base.consumer
								    : &mover.valve.base,
					     &carry),
			 WEIR_ECLOSED);
	weir_join_destroy(j);
}

static void test_every_path_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(weir_path_name(WEIR_PATH_COPY), "copy");
	assert_string_equal(weir_path_name(WEIR_PATH_SPLICE), "splice");
	assert_string_equal(weir_path_name(WEIR_PATH_SENDFILE), "sendfile");
	assert_string_equal(weir_path_name(WEIR_PATH_COPY_RANGE), "copy_file_range");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_moved_has_been_handed_on),
		TEST(test_one_without_a_descriptor_refuses_by_name),
		TEST(test_a_consumer_that_has_no_carry_refuses_by_name),
		TEST(test_one_who_takes_no_more_pauses_until_it_is_ready),
		TEST(test_it_waits_until_the_queue_is_empty),
		TEST(test_one_who_refuses_does_not_pause),
		TEST(test_the_next_producer_is_resumed_at_the_low_mark_again),
		TEST(test_what_was_taken_out_and_does_not_fit_is_queued_in_order),
		TEST(test_what_cannot_be_kept_is_counted_and_the_end),
		TEST(test_a_failure_of_the_sink_is_its_end),
		TEST(test_twisteds_profile_sees_the_bytes),
		TEST(test_flow5_a_full_sink_does_not_park_a_pull_producer),
		TEST(test_a_join_passes_offers_on_and_counts),
		TEST(test_a_join_copies_when_it_is_told_to_and_any_way_when_it_may),
		TEST(test_every_path_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
