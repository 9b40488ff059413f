/* SPDX-License-Identifier: MIT */
/* Reading files: every byte once, in turns, and the end told truly. */
#include "file_fixture.h"

#include "weir/file.h"

#define BIG ((size_t)5 << 20)

static struct weir_transport *source_of(const char *path, const struct weir_file_range *range)
{
	struct weir_transport *t = NULL;

	assert_int_equal(weir_file_read(loop, path, range, &t), 0);
	assert_non_null(weir_transport_source(t));
	assert_null(weir_transport_sink(t));
	return t;
}

/* Read all of it into a bin; say how that ended. */
static struct weir_outcome read_into(struct bin *b, const char *path,
				     const struct weir_file_range *range)
{
	struct weir_transport *t = source_of(path, range);
	struct weir_outcome o = join_run(weir_transport_source(t), &b->valve.base);

	weir_transport_close(t);
	return o;
}

static void expect(const char *path, uint64_t offset, uint64_t length, int cause, size_t start,
		   size_t len)
{
	struct weir_file_range range = {.offset = offset, .length = length};
	struct weir_outcome o;
	struct bin b;

	open_loop();
	bin_init(&b);
	o = read_into(&b, path, &range);
	assert_int_equal(o.cause, cause);
	assert_int_equal(o.end, cause ? WEIR_SOURCE_FAILED : WEIR_FINISHED);
	assert_int_equal(b.finished, cause == 0);
	assert_true(bin_holds(&b, start, len));
	bin_fini(&b);
	close_loop();
}

static void test_a_file_gives_all_its_bytes(void **state)
{
	static const size_t sizes[] = {0, 1, 4095, 4096, 65536, 65537, 1 << 20, BIG + 3};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct weir_outcome o;
		struct bin b;

		put_file("a", 0, sizes[i]);
		open_loop();
		bin_init(&b);
		o = read_into(&b, "a", NULL);
		assert_int_equal(o.end, WEIR_FINISHED);
		assert_int_equal(o.in, sizes[i]);
		assert_true(bin_holds(&b, 0, sizes[i]));
		bin_fini(&b);
		close_loop();
	}
}

static void test_the_length_is_what_will_be_given(void **state)
{
	struct weir_file_range tail = {.offset = 40};
	struct weir_file_range part = {.offset = 10, .length = 20};
	struct weir_transport *t;

	(void)state;
	put_file("a", 0, 100);
	open_loop();
	t = source_of("a", NULL);
	assert_int_equal(weir_transport_length(t), 100);
	assert_string_equal(weir_transport_name(t), "file a");
	weir_transport_close(t);
	t = source_of("a", &tail);
	assert_int_equal(weir_transport_length(t), 60);
	weir_transport_close(t);
	t = source_of("a", &part);
	assert_int_equal(weir_transport_length(t), 20);
	weir_transport_close(t);
	t = source_of("/proc/self/status", NULL);
	assert_int_equal(weir_transport_length(t), -1);
	weir_transport_close(t);
	close_loop();
}

static void test_ranges(void **state)
{
	(void)state;
	put_file("a", 0, 300000);
	expect("a", 0, 0, 0, 0, 300000);
	expect("a", 0, 1, 0, 0, 1);
	expect("a", 299999, 0, 0, 299999, 1);
	expect("a", 299999, 1, 0, 299999, 1);
	expect("a", 1234, 200000, 0, 1234, 200000);
	expect("a", 300000, 0, 0, 300000, 0);
}

static void test_a_range_beyond_the_end_is_truncated(void **state)
{
	(void)state;
	put_file("a", 0, 1000);
	expect("a", 0, 1001, WEIR_ETRUNCATED, 0, 1000);
	expect("a", 500, 501, WEIR_ETRUNCATED, 500, 500);
	expect("a", 1000, 1, WEIR_ETRUNCATED, 1000, 0);
	expect("a", 1001, 0, WEIR_ETRUNCATED, 1001, 0);
	expect("a", (uint64_t)1 << 50, 0, WEIR_ETRUNCATED, 0, 0);
}

static void test_an_impossible_range_is_refused(void **state)
{
	struct weir_file_range far = {.offset = (uint64_t)INT64_MAX + 1};
	struct weir_file_range wraps = {.offset = 2, .length = UINT64_MAX};
	struct weir_transport *t;

	(void)state;
	put_file("a", 0, 10);
	open_loop();
	assert_int_equal(weir_file_read(loop, "a", &far, &t), -EINVAL);
	assert_int_equal(weir_file_read(loop, "a", &wraps, &t), -EINVAL);
	close_loop();
}

static void test_what_cannot_be_read_is_refused_at_once(void **state)
{
	struct weir_file_range range = {.offset = 1};
	struct weir_transport *t;

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	open_loop();
	assert_int_equal(weir_file_read(loop, ".", NULL, &t), -EISDIR);
	assert_int_equal(weir_file_read(loop, "none", NULL, &t), -ENOENT);
	assert_int_equal(weir_file_read(loop, "fifo", &range, &t), -ESPIPE);
	assert_int_equal(weir_file_read(loop, "/dev/zero", &range, &t), -ESPIPE);
	close_loop();
	unlink("fifo");
}

static void append_once(struct bin *b)
{
	int fd;
	unsigned char *more;

	if (b->len > 100000)
		return;
	b->on_bytes = NULL;
	more = make_bytes(100000, 50000);
	fd = open("a", O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, more, 50000), 50000);
	close(fd);
	free(more);
}

static void test_a_growing_file_is_read_to_its_new_end(void **state)
{
	struct weir_loop_options options = {.quantum = 4096};
	struct weir_outcome o;
	struct bin b;

	(void)state;
	put_file("a", 0, 100000);
	open_loop_with(&options);
	bin_init(&b);
	b.on_bytes = append_once;
	o = read_into(&b, "a", NULL);
	assert_int_equal(o.end, WEIR_FINISHED);
	assert_true(bin_holds(&b, 0, 150000));
	bin_fini(&b);
	close_loop();
}

static void shrink_once(struct bin *b)
{
	b->on_bytes = NULL;
	assert_int_equal(truncate("a", 50000), 0);
}

static void test_a_shrinking_file_is_truncated(void **state)
{
	struct weir_loop_options options = {.quantum = 4096};
	struct weir_outcome o;
	struct bin b;

	(void)state;
	put_file("a", 0, 100000);
	open_loop_with(&options);
	bin_init(&b);
	b.on_bytes = shrink_once;
	o = read_into(&b, "a", NULL);
	assert_int_equal(o.end, WEIR_SOURCE_FAILED);
	assert_int_equal(o.cause, WEIR_ETRUNCATED);
	assert_false(b.finished);
	assert_true(bin_holds(&b, 0, 50000));
	bin_fini(&b);
	close_loop();
}

static void test_generated_files_are_read(void **state)
{
	struct weir_outcome o;
	struct bin b;

	(void)state;
	open_loop();
	bin_init(&b);
	o = read_into(&b, "/proc/self/status", NULL);
	assert_int_equal(o.end, WEIR_FINISHED);
	assert_true(b.len > 5 && memcmp(b.data, "Name:", 5) == 0);
	bin_fini(&b);
	close_loop();
}

static void test_a_turn_gives_at_most_the_quantum(void **state)
{
	struct weir_loop_options options = {.quantum = 10000};
	struct bin b;

	(void)state;
	put_file("a", 0, BIG);
	for (int cold = 0; cold < 2; cold++) {
		if (cold)
			make_cold("a");
		open_loop_with(&options);
		bin_init(&b);
		assert_int_equal(read_into(&b, "a", NULL).end, WEIR_FINISHED);
		assert_true(bin_holds(&b, 0, BIG));
		assert_int_equal(b.most_a_turn, 10000);
		bin_fini(&b);
		close_loop();
	}
}

static void test_a_file_that_is_not_in_the_page_cache_is_read(void **state)
{
	struct bin b;

	(void)state;
	put_file("a", 0, BIG);
	make_cold("a");
	if (!is_cold("a", BIG))
		skip();
	open_loop();
	bin_init(&b);
	assert_int_equal(read_into(&b, "a", NULL).end, WEIR_FINISHED);
	assert_true(bin_holds(&b, 0, BIG));
	bin_fini(&b);
	close_loop();
}

/* Marks small enough to be reached all the time, a sink that takes little. */
static void test_a_slow_sink_is_never_overfilled(void **state)
{
	(void)state;
	put_file("a", 0, 1 << 20);
	for (int cold = 0; cold < 2; cold++) {
		struct weir_transport *t;
		struct joined j;
		struct bin b;

		if (cold)
			make_cold("a");
		open_loop();
		bin_init(&b);
		assert_int_equal(weir_valve_set_marks(&b.valve, 5000, 1000, 10000), 0);
		b.per_turn = 1500;
		t = source_of("a", NULL);
		join_start(&j, weir_transport_source(t), &b.valve.base);
		while (!j.done) {
			uv_run(loop->uv, UV_RUN_ONCE);
			assert_true(weir_valve_held(&b.valve) <= 5000);
		}
		assert_int_equal(j.outcome.end, WEIR_FINISHED);
		weir_join_destroy(j.join);
		assert_true(bin_holds(&b, 0, 1 << 20));
		weir_transport_close(t);
		bin_fini(&b);
		close_loop();
	}
}

static struct weir_transport *whole_file(void)
{
	return source_of("a", NULL);
}

static void test_a_small_budget_is_kept(void **state)
{
	(void)state;
	read_on_a_small_budget(whole_file, BIG);
}

static bool something_read(void *arg)
{
	return ((struct bin *)arg)->len > 0;
}

/* At each of the first turns, with and without a worker under way. */
static void test_it_can_be_closed_or_stopped_at_any_moment(void **state)
{
	(void)state;
	put_file("a", 0, BIG);
	for (int turns = 0; turns < 16; turns++) {
		struct weir_transport *t;
		struct joined j;
		struct bin b;

		make_cold("a");
		open_loop();
		bin_init(&b);
		b.per_turn = 100000;
		t = source_of("a", NULL);
		join_start(&j, weir_transport_source(t), &b.valve.base);
		for (int i = 0; i < turns / 2; i++)
			uv_run(loop->uv, UV_RUN_NOWAIT);
		if (turns % 2)
			weir_join_stop(j.join, WEIR_ESTOPPED);
		else
			weir_transport_close(t);
		assert_int_not_equal(join_wait(&j).end, WEIR_FINISHED);
		assert_true(b.failed < 0);
		if (turns % 2)
			weir_transport_close(t);
		bin_fini(&b);
		close_loop();
	}
}

static struct weir_transport *victim;

static void close_victim(struct bin *b)
{
	b->on_bytes = NULL;
	weir_transport_close(victim);
}

static void test_it_can_be_closed_from_inside_a_write(void **state)
{
	struct joined j;
	struct bin b;

	(void)state;
	put_file("a", 0, BIG);
	for (int cold = 0; cold < 2; cold++) {
		if (cold)
			make_cold("a");
		open_loop();
		bin_init(&b);
		b.stop_at = 1000; /* so that the rest is copied after the close */
		b.on_bytes = close_victim;
		victim = source_of("a", NULL);
		join_start(&j, weir_transport_source(victim), &b.valve.base);
		assert_int_equal(join_wait(&j).cause, WEIR_ECLOSED);
		assert_true(bin_holds(&b, 0, 1000));
		bin_fini(&b);
		close_loop();
	}
}

static void test_a_source_that_was_let_go_goes_on_with_another_sink(void **state)
{
	struct weir_transport *t;
	struct bin a, b;
	struct joined j;

	(void)state;
	put_file("a", 0, BIG);
	make_cold("a");
	open_loop();
	bin_init(&a);
	bin_init(&b);
	a.stop_at = 300000;
	t = source_of("a", NULL);
	assert_int_equal(weir_consumer_register(&a.valve.base, weir_transport_source(t), WEIR_PUSH),
			 0);
	assert_true(turn_until(something_read, &a));
	weir_consumer_unregister(&a.valve.base);
	a.stop_at = SIZE_MAX;
	weir_valve_ready(&a.valve);
	join_start(&j, weir_transport_source(t), &b.valve.base);
	assert_int_equal(join_wait(&j).end, WEIR_FINISHED);
	assert_true(bin_holds(&a, 0, a.len));
	assert_true(bin_holds(&b, a.len, BIG - a.len));
	weir_transport_close(t);
	bin_fini(&a);
	bin_fini(&b);
	close_loop();
}

static bool got_a_megabyte(void *arg)
{
	return ((struct bin *)arg)->len >= 1 << 20;
}

static void test_devices_without_readiness_are_read(void **state)
{
	static const char *const names[] = {"/dev/zero", "/dev/urandom"};
	struct weir_outcome o;
	struct bin b;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct weir_transport *t;
		struct joined j;

		open_loop();
		bin_init(&b);
		t = source_of(names[i], NULL);
		assert_int_equal(weir_transport_length(t), -1);
		join_start(&j, weir_transport_source(t), &b.valve.base);
		assert_true(turn_until(got_a_megabyte, &b));
		weir_transport_close(t);
		assert_int_equal(join_wait(&j).cause, WEIR_ECLOSED);
		for (size_t at = 0; i == 0 && at < b.len; at++)
			assert_int_equal(b.data[at], 0);
		bin_fini(&b);
		close_loop();
	}
	open_loop();
	bin_init(&b);
	o = read_into(&b, "/dev/null", NULL);
	assert_int_equal(o.end, WEIR_FINISHED);
	assert_int_equal(b.len, 0);
	bin_fini(&b);
	close_loop();
}

static void test_an_adopted_descriptor_is_read_where_it_stands(void **state)
{
	struct weir_transport *t;
	struct joined j;
	struct bin b;
	int fd, mine;

	(void)state;
	put_file("a", 0, BIG);
	make_cold("a");
	open_loop();
	mine = open("a", O_RDONLY | O_CLOEXEC);
	assert_int_equal(lseek(mine, 1000, SEEK_SET), 1000);
	fd = dup(mine);
	assert_int_equal(weir_file_adopt(loop, fd, true, false, &t), 0);
	assert_int_equal(weir_transport_length(t), BIG - 1000);
	bin_init(&b);
	b.per_turn = 70000;
	assert_int_equal(weir_valve_set_marks(&b.valve, 100000, 1000, 200000), 0);
	join_start(&j, weir_transport_source(t), &b.valve.base);
	assert_true(turn_until(something_read, &b));
	/* Not with what was read ahead, but with what was given. */
	assert_int_equal(lseek(mine, 0, SEEK_CUR), 1000 + b.valve.in);
	weir_join_stop(j.join, WEIR_ESTOPPED);
	join_wait(&j);
	assert_int_equal(lseek(mine, 0, SEEK_CUR), 1000 + b.valve.in);
	weir_transport_close(t);
	bin_fini(&b);

	/* And whoever comes next has the rest. */
	assert_int_equal(lseek(mine, BIG - 5000, SEEK_SET), BIG - 5000);
	assert_int_equal(weir_file_adopt(loop, dup(mine), true, false, &t), 0);
	bin_init(&b);
	assert_int_equal(join_run(weir_transport_source(t), &b.valve.base).end, WEIR_FINISHED);
	assert_true(bin_holds(&b, BIG - 5000, 5000));
	assert_int_equal(lseek(mine, 0, SEEK_CUR), BIG);
	weir_transport_close(t);
	bin_fini(&b);
	close(mine);
	close_loop();
}

static void test_a_descriptor_that_does_not_fit_is_refused(void **state)
{
	struct weir_transport *t;
	int fd, pair[2];

	(void)state;
	put_file("a", 0, 10);
	open_loop();
	fd = open("a", O_WRONLY | O_CLOEXEC);
	assert_int_equal(weir_file_adopt(loop, fd, true, false, &t), -EBADF);
	close(fd);
	fd = open("a", O_RDONLY | O_CLOEXEC);
	assert_int_equal(weir_file_adopt(loop, fd, false, true, &t), -EBADF);
	close(fd);
	fd = open(".", O_RDONLY | O_CLOEXEC);
	assert_int_equal(weir_file_adopt(loop, fd, true, false, &t), -EISDIR);
	close(fd);
	assert_int_equal(weir_file_adopt(loop, 9999, true, false, &t), -EBADF);
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	assert_int_equal(weir_file_adopt(loop, pair[0], true, false, &t), WEIR_ENOTSUP);
	close(pair[0]);
	close(pair[1]);
	close_loop();
}

static void test_a_fifo_waits_for_its_first_writer(void **state)
{
	struct weir_transport *t;
	struct joined j;
	struct bin b;
	int fd;

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	open_loop();
	bin_init(&b);
	t = source_of("fifo", NULL);
	join_start(&j, weir_transport_source(t), &b.valve.base);
	for (int i = 0; i < 20; i++) {
		usleep(1000);
		uv_run(loop->uv, UV_RUN_NOWAIT);
		assert_false(j.done);
	}
	fd = open("fifo", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "\0\37", 2), 2);
	assert_true(turn_until(something_read, &b));
	assert_false(j.done);
	close(fd);
	assert_int_equal(join_wait(&j).end, WEIR_FINISHED);
	assert_true(bin_holds(&b, 0, 2));
	weir_transport_close(t);
	bin_fini(&b);
	close_loop();
	unlink("fifo");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file_gives_all_its_bytes),
		cmocka_unit_test(test_the_length_is_what_will_be_given),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_a_range_beyond_the_end_is_truncated),
		cmocka_unit_test(test_an_impossible_range_is_refused),
		cmocka_unit_test(test_what_cannot_be_read_is_refused_at_once),
		cmocka_unit_test(test_a_growing_file_is_read_to_its_new_end),
		cmocka_unit_test(test_a_shrinking_file_is_truncated),
		cmocka_unit_test(test_generated_files_are_read),
		cmocka_unit_test(test_a_turn_gives_at_most_the_quantum),
		cmocka_unit_test(test_a_file_that_is_not_in_the_page_cache_is_read),
		cmocka_unit_test(test_a_slow_sink_is_never_overfilled),
		cmocka_unit_test(test_a_small_budget_is_kept),
		cmocka_unit_test(test_it_can_be_closed_or_stopped_at_any_moment),
		cmocka_unit_test(test_it_can_be_closed_from_inside_a_write),
		cmocka_unit_test(test_a_source_that_was_let_go_goes_on_with_another_sink),
		cmocka_unit_test(test_devices_without_readiness_are_read),
		cmocka_unit_test(test_an_adopted_descriptor_is_read_where_it_stands),
		cmocka_unit_test(test_a_descriptor_that_does_not_fit_is_refused),
		cmocka_unit_test(test_a_fifo_waits_for_its_first_writer),
	};

	return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
