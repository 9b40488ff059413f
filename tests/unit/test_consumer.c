/* SPDX-License-Identifier: MIT */
/* The shared halves of consumers and producers, under a consumer that holds nothing. */
#include "core_fixture.h"

#include <errno.h>

/* Counts what reaches it, and accepts all. */
struct bin {
	struct weir_consumer base; /* first */
	unsigned registers, unregisters, writes, gives, finishes, fails, rooms, wakes;
	int why;
	size_t bytes;
};

static int bin_register(struct weir_consumer *c, struct weir_producer *p, enum weir_mode mode)
{
	((struct bin *)c)->registers++;
	weir_consumer_bind(c, p, mode);
	return 0;
}

static void bin_unregister(struct weir_consumer *c)
{
	((struct bin *)c)->unregisters++;
	weir_consumer_unbind(c);
}

static int bin_write(struct weir_consumer *c, const void *data, size_t len)
{
	(void)data;
	((struct bin *)c)->writes++;
	((struct bin *)c)->bytes += len;
	return 0;
}

static int bin_give(struct weir_consumer *c, struct weir_chunk *chunk)
{
	((struct bin *)c)->gives++;
	((struct bin *)c)->bytes += chunk->len;
	weir_chunk_unref(chunk);
	return 0;
}

static void bin_finish(struct weir_consumer *c)
{
	((struct bin *)c)->finishes++;
}

static void bin_fail(struct weir_consumer *c, int why)
{
	((struct bin *)c)->fails++;
	((struct bin *)c)->why = why;
}

static size_t bin_room(struct weir_consumer *c)
{
	((struct bin *)c)->rooms++;
	return SIZE_MAX;
}

static void bin_wake(struct weir_consumer *c)
{
	((struct bin *)c)->wakes++;
}

static void bin_state(const struct weir_consumer *c, struct weir_consumer_state *out)
{
	*out = (struct weir_consumer_state){
		.in = ((const struct bin *)c)->bytes,
		.out = ((const struct bin *)c)->bytes,
	};
}

static const struct weir_consumer_ops bin_ops = {
	.name = "bin",
	.register_producer = bin_register,
	.unregister_producer = bin_unregister,
	.write = bin_write,
	.give = bin_give,
	.finish = bin_finish,
	.fail = bin_fail,
	.room = bin_room,
	.wake = bin_wake,
	.state = bin_state,
};

static struct bin bin(void)
{
	struct bin b = {.why = 0};

	weir_consumer_init(&b.base, &bin_ops);
	return b;
}

static void test_each_call_reaches_the_function_of_its_name(void **state)
{
	struct bin b = bin();
	struct source p;
	struct weir_consumer_state st;
	struct weir_chunk chunk = {.data = (const unsigned char *)"abc", .len = 3};

	(void)state;
	source_open(&p, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(&b.base, &p.base, WEIR_PUSH), 0);
	assert_int_equal(weir_consumer_write(&b.base, "ab", 2), 0);
	assert_int_equal(weir_consumer_give(&b.base, &chunk), 0);
	assert_int_equal(weir_consumer_room(&b.base), SIZE_MAX);
	weir_consumer_wake(&b.base);
	weir_consumer_state(&b.base, &st);
	weir_consumer_unregister(&b.base);
	weir_consumer_finish(&b.base);
	weir_consumer_fail(&b.base, -EIO);
	assert_int_equal(st.in, 5);
	assert_int_equal(b.registers, 1);
	assert_int_equal(b.writes, 1);
	assert_int_equal(b.gives, 1);
	assert_int_equal(b.rooms, 1);
	assert_int_equal(b.wakes, 1);
	assert_int_equal(b.unregisters, 1);
	assert_int_equal(b.finishes, 1);
	assert_int_equal(b.fails, 1);
	assert_int_equal(b.why, -EIO);
	assert_int_equal(chunk.len, 0);
}

static void test_reg1_a_second_register_is_busy_and_changes_nothing(void **state)
{
	struct bin b = bin();
	struct source first, second;

	(void)state;
	source_open(&first, WEIR_PUSH);
	source_open(&second, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(&b.base, &first.base, WEIR_PUSH), 0);
	assert_int_equal(weir_consumer_register(&b.base, &second.base, WEIR_PULL), WEIR_EBUSY);
	assert_int_equal(weir_consumer_register(&b.base, &first.base, WEIR_PUSH), WEIR_EBUSY);
	assert_ptr_equal(weir_consumer_producer(&b.base), &first.base);
	assert_null(weir_producer_consumer(&second.base));
	assert_string_equal(first.log, "S");
	assert_string_equal(second.log, "");
	assert_int_equal(b.registers, 1);
}

static void test_reg1_a_producer_has_one_consumer_at_most(void **state)
{
	struct bin a = bin(), b = bin();
	struct source p;

	(void)state;
	source_open(&p, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(&a.base, &p.base, WEIR_PUSH), 0);
	assert_int_equal(weir_consumer_register(&b.base, &p.base, WEIR_PUSH), WEIR_EBUSY);
	assert_ptr_equal(weir_producer_consumer(&p.base), &a.base);
	assert_null(weir_consumer_producer(&b.base));
	weir_consumer_unregister(&a.base);
	assert_int_equal(weir_consumer_register(&b.base, &p.base, WEIR_PUSH), 0);
	assert_ptr_equal(weir_producer_consumer(&p.base), &b.base);
}

static void test_reg5_unregister_without_a_producer_does_nothing(void **state)
{
	struct bin b = bin();

	(void)state;
	weir_consumer_unregister(&b.base);
	weir_consumer_unregister(&b.base);
	assert_int_equal(b.unregisters, 0);
	assert_null(weir_consumer_unbind(&b.base));
}

static void test_a_registered_producer_has_the_mode_it_was_registered_with(void **state)
{
	struct bin b = bin();
	struct source p;

	(void)state;
	source_open(&p, WEIR_PULL);
	assert_int_equal(weir_producer_mode(&p.base), WEIR_PULL);
	assert_int_equal(weir_consumer_register(&b.base, &p.base, WEIR_PUSH), 0);
	assert_int_equal(p.base.mode, WEIR_PUSH);
	assert_int_equal(p.starts, 1);
}

static void test_a_producers_end_unregisters_and_finishes_or_fails(void **state)
{
	struct bin b = bin();
	struct source p;

	(void)state;
	source_open(&p, WEIR_PUSH);
	weir_producer_end(&p.base, 0); /* not registered: nothing */
	assert_int_equal(weir_consumer_register(&b.base, &p.base, WEIR_PUSH), 0);
	weir_producer_end(&p.base, 0);
	assert_int_equal(b.finishes, 1);
	assert_int_equal(b.fails, 0);
	assert_null(p.base.consumer);
	assert_int_equal(weir_consumer_register(&b.base, &p.base, WEIR_PUSH), 0);
	weir_producer_end(&p.base, -EPIPE);
	assert_int_equal(b.fails, 1);
	assert_int_equal(b.why, -EPIPE);
	assert_int_equal(b.unregisters, 2);
	weir_producer_end(&p.base, -EPIPE);
	assert_int_equal(b.fails, 1);
	assert_int_equal(p.stops, 0);
}

static unsigned told;
static int told_why;

static void on_end(void *arg, int why)
{
	assert_ptr_equal(arg, &told);
	told++;
	told_why = why;
}

static void test_end1_the_listener_is_told_once(void **state)
{
	struct weir_end_watch watch;
	struct bin b = bin();

	(void)state;
	told = 0;
	weir_consumer_ended(&b.base, 0); /* nobody listens */
	weir_consumer_watch_end(&b.base, &watch, on_end, &told);
	weir_consumer_ended(&b.base, -EIO);
	weir_consumer_ended(&b.base, -EPIPE);
	assert_int_equal(told, 1);
	assert_int_equal(told_why, -EIO);
	weir_consumer_watch_end(&b.base, &watch, on_end, &told);
	weir_consumer_unwatch_end(&b.base, &watch);
	weir_consumer_ended(&b.base, -EIO);
	assert_int_equal(told, 1);
}

static void count_end(void *arg, int why)
{
	assert_int_equal(why, -EIO);
	++*(unsigned *)arg;
}

static void test_a_watch_that_is_not_on_may_be_ended(void **state)
{
	struct weir_end_watch watches[3];
	unsigned times[3] = {0};
	struct bin b = {.registers = 0};

	(void)state;
	weir_consumer_init(&b.base, &bin_ops);
	weir_consumer_unwatch_end(&b.base, &watches[0]);
	for (int i = 0; i < 3; i++)
		weir_consumer_watch_end(&b.base, &watches[i], count_end, &times[i]);
	weir_consumer_unwatch_end(&b.base, &watches[1]);
	weir_consumer_unwatch_end(&b.base, &watches[1]);
	weir_consumer_ended(&b.base, -EIO);
	assert_int_equal(times[0], 1);
	assert_int_equal(times[1], 0);
	assert_int_equal(times[2], 1);
}

static void test_direct_signals_reach_the_producer(void **state)
{
	struct source p;

	(void)state;
	source_open(&p, WEIR_PUSH);
	weir_producer_pause(&p.base);
	weir_producer_resume(&p.base);
	weir_producer_stop(&p.base, WEIR_ESTOPPED);
	assert_string_equal(p.log, "prx");
	assert_int_equal(p.stop_why, WEIR_ESTOPPED);
	weir_producer_pass_start(&p.base);
	assert_string_equal(p.log, "prx");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_call_reaches_the_function_of_its_name),
		cmocka_unit_test(test_reg1_a_second_register_is_busy_and_changes_nothing),
		cmocka_unit_test(test_reg1_a_producer_has_one_consumer_at_most),
		cmocka_unit_test(test_reg5_unregister_without_a_producer_does_nothing),
		cmocka_unit_test(test_a_registered_producer_has_the_mode_it_was_registered_with),
		cmocka_unit_test(test_a_producers_end_unregisters_and_finishes_or_fails),
		cmocka_unit_test(test_end1_the_listener_is_told_once),
		cmocka_unit_test(test_a_watch_that_is_not_on_may_be_ended),
		cmocka_unit_test(test_direct_signals_reach_the_producer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
