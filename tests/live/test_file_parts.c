/* SPDX-License-Identifier: MIT */
/* Parts of a file as a pull producer: every byte in its place, one chunk each time. */
#include "file_fixture.h"

#include "fail_alloc.h"
#include "weir/file.h"
#include "weir/impl/wrap.h"

#define BIG ((size_t)3 << 20)

static const struct weir_file_part two[] = {
	{.range = {.offset = 100, .length = 200000}, .before = "--a\r\n", .before_len = 5},
	{.range = {.offset = BIG - 7}, .before = "\r\n--a\r\n", .before_len = 7},
};

static const struct weir_file_parts multipart = {
	.parts = two, .count = 2, .after = "\r\n--a--", .after_len = 7};

static struct weir_transport *parts_of(const char *path, const struct weir_file_parts *what)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct weir_transport *t = NULL;

	assert_true(fd >= 0);
	assert_int_equal(weir_file_read_parts(loop, fd, what, &t), 0);
	assert_int_equal(weir_producer_mode(weir_transport_source(t)), WEIR_PULL);
	return t;
}

static struct weir_outcome read_into(struct bin *b, const char *path,
				     const struct weir_file_parts *what)
{
	struct weir_transport *t = parts_of(path, what);
	struct weir_outcome o = join_run(weir_transport_source(t), &b->valve.base);

	weir_transport_close(t);
	return o;
}

/* The bytes at *at are the text, or the file's from `offset` on; *at goes behind them. */
static bool is_text(const struct bin *b, size_t *at, const char *text)
{
	size_t len = strlen(text);
	bool same = b->len - *at >= len && memcmp(b->data + *at, text, len) == 0;

	*at += len;
	return same;
}

static bool is_part(const struct bin *b, size_t *at, uint64_t offset, size_t len)
{
	bool same = b->len - *at >= len;

	for (size_t i = 0; same && i < len; i++)
		same = b->data[*at + i] == byte_at(offset + i);
	*at += len;
	return same;
}

static bool is_multipart(const struct bin *b)
{
	size_t at = 0;

	return is_text(b, &at, "--a\r\n") && is_part(b, &at, 100, 200000) &&
	       is_text(b, &at, "\r\n--a\r\n") && is_part(b, &at, BIG - 7, 7) &&
	       is_text(b, &at, "\r\n--a--") && at == b->len;
}

static void test_the_whole_file_is_pulled(void **state)
{
	static const size_t sizes[] = {0, 1, 65536, 65537, BIG};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct bin b;

		put_file("a", 0, sizes[i]);
		open_loop();
		bin_init(&b);
		assert_int_equal(read_into(&b, "a", NULL).end, WEIR_FINISHED);
		assert_true(bin_holds(&b, 0, sizes[i]));
		bin_fini(&b);
		close_loop();
	}
}

static void test_parts_come_in_order_with_what_is_said_around_them(void **state)
{
	(void)state;
	put_file("a", 0, BIG);
	for (int cold = 0; cold < 2; cold++) {
		struct weir_outcome o;
		struct bin b;

		if (cold)
			make_cold("a");
		open_loop();
		bin_init(&b);
		o = read_into(&b, "a", &multipart);
		assert_int_equal(o.end, WEIR_FINISHED);
		assert_int_equal(o.in, b.len);
		assert_true(is_multipart(&b));
		bin_fini(&b);
		close_loop();
	}
}

static void test_parts_may_overlap_and_go_back(void **state)
{
	static const struct weir_file_part parts[] = {
		{.range = {.offset = 500, .length = 500}},
		{.range = {.offset = 0, .length = 1000}},
		{.range = {.offset = 999, .length = 1}, .before = "x", .before_len = 1},
	};
	static const struct weir_file_parts what = {.parts = parts, .count = 3};
	size_t at = 0;
	struct bin b;

	(void)state;
	put_file("a", 0, 1000);
	open_loop();
	bin_init(&b);
	assert_int_equal(read_into(&b, "a", &what).end, WEIR_FINISHED);
	assert_true(is_part(&b, &at, 500, 500) && is_part(&b, &at, 0, 1000));
	assert_true(is_text(&b, &at, "x") && is_part(&b, &at, 999, 1) && at == b.len);
	bin_fini(&b);
	close_loop();
}

static void test_empty_parts_are_nothing(void **state)
{
	static const struct weir_file_part parts[3] = {{.range = {.offset = 0}}};
	static const struct weir_file_parts nothing = {.parts = parts, .count = 3};
	static const struct weir_file_parts text = {
		.parts = parts, .count = 3, .after = "end", .after_len = 3};
	struct bin b;

	(void)state;
	put_file("a", 0, 0);
	open_loop();
	bin_init(&b);
	assert_int_equal(read_into(&b, "a", &nothing).end, WEIR_FINISHED);
	assert_true(b.finished && b.len == 0);
	bin_fini(&b);
	bin_init(&b);
	assert_int_equal(read_into(&b, "a", &text).end, WEIR_FINISHED);
	assert_true(b.len == 3 && memcmp(b.data, "end", 3) == 0);
	bin_fini(&b);
	close_loop();
}

static void expect_length(const struct weir_file_parts *what, int64_t length)
{
	struct weir_transport *t = parts_of("a", what);

	assert_int_equal(weir_transport_length(t), length);
	weir_transport_close(t);
}

static void test_the_length_is_known_in_advance(void **state)
{
	static const struct weir_file_part tail = {.range = {.offset = 90}};
	static const struct weir_file_parts from_90 = {.parts = &tail, .count = 1};

	(void)state;
	put_file("a", 0, BIG);
	open_loop();
	expect_length(NULL, BIG);
	expect_length(&from_90, BIG - 90);
	expect_length(&multipart, 5 + 200000 + 7 + 7 + 7);
	close_loop();
}

/* ---- one chunk a resume ---- */

static unsigned writes, answers, empty_answers;
static bool ended_alone; /* by a resume that gave nothing */
static struct bin *watched;

static void count_write(struct bin *b)
{
	watched = b;
	writes++;
}

static void counted_resume(struct weir_producer *p)
{
	unsigned before = writes;
	size_t len = watched ? watched->len : 0;

	weir_wrap_producer_ops.resume(p);
	assert_in_range(writes - before, 0, 1);
	answers += writes - before;
	empty_answers += writes == before;
	ended_alone |= watched && watched->finished && watched->len == len;
}

/* Read all of "a" with a look at each resume. */
static void pull_counted(struct bin *b, const struct weir_file_parts *what)
{
	struct weir_producer_ops back = weir_wrap_producer_ops;
	struct weir_transport *t;
	struct weir_wrap w;

	back.resume = counted_resume;
	writes = answers = empty_answers = 0;
	ended_alone = false;
	watched = NULL;
	bin_init(b);
	b->on_bytes = count_write;
	weir_wrap_init(&w, &b->valve.base, &weir_wrap_consumer_ops, &back);
	t = parts_of("a", what);
	assert_int_equal(join_run(weir_transport_source(t), &w.front).end, WEIR_FINISHED);
	weir_transport_close(t);
	weir_wrap_fini(&w);
	assert_int_equal(writes, answers); /* none unasked */
}

static void test_each_resume_gives_one_chunk(void **state)
{
	struct bin b;

	(void)state;
	put_file("a", 0, BIG);
	open_loop();
	pull_counted(&b, &multipart);
	assert_true(is_multipart(&b));
	assert_true(writes >= 5);
	assert_false(ended_alone);
	bin_fini(&b);
	close_loop();
}

static void test_it_has_nothing_yet_while_a_worker_reads(void **state)
{
	struct bin b;

	(void)state;
	put_file("a", 0, BIG);
	make_cold("a");
	if (!is_cold("a", BIG))
		skip();
	open_loop();
	pull_counted(&b, NULL);
	assert_true(bin_holds(&b, 0, BIG));
	assert_true(empty_answers > 0);
	bin_fini(&b);
	close_loop();
}

static void test_it_is_not_asked_while_the_sink_is_full(void **state)
{
	struct weir_transport *t;
	struct joined j;
	struct bin b;

	(void)state;
	put_file("a", 0, BIG);
	make_cold("a");
	open_loop();
	bin_init(&b);
	assert_int_equal(weir_valve_set_marks(&b.valve, 5000, 1000, 10000), 0);
	b.per_turn = 50000;
	t = parts_of("a", &multipart);
	join_start(&j, weir_transport_source(t), &b.valve.base);
	while (!j.done) {
		uv_run(loop->uv, UV_RUN_ONCE);
		assert_true(weir_valve_held(&b.valve) <= 5000);
	}
	assert_int_equal(join_wait(&j).end, WEIR_FINISHED);
	assert_true(is_multipart(&b));
	weir_transport_close(t);
	bin_fini(&b);
	close_loop();
}

static void test_what_is_said_is_cut_where_the_sink_is_full(void **state)
{
	static const struct weir_file_part part = {
		.range = {.offset = 5, .length = 10}, .before = "before", .before_len = 6};
	static const struct weir_file_parts what = {
		.parts = &part, .count = 1, .after = "after", .after_len = 5};
	size_t at = 0;
	struct bin b;

	(void)state;
	put_file("a", 0, 100);
	open_loop();
	bin_init(&b);
	assert_int_equal(weir_valve_set_marks(&b.valve, 4, 1, 8), 0);
	b.per_turn = 3;
	assert_int_equal(read_into(&b, "a", &what).end, WEIR_FINISHED);
	assert_true(is_text(&b, &at, "before") && is_part(&b, &at, 5, 10));
	assert_true(is_text(&b, &at, "after") && at == b.len);
	bin_fini(&b);
	close_loop();
}

static struct weir_transport *whole_file(void)
{
	return parts_of("a", NULL);
}

static void test_a_small_budget_is_kept_and_stalls_nothing(void **state)
{
	(void)state;
	read_on_a_small_budget(whole_file, BIG);
}

/* ---- the end ---- */

static void shrink_once(struct bin *b)
{
	b->on_bytes = NULL;
	assert_int_equal(truncate("a", 50000), 0);
}

/* Twisted's range producers never end then, or spin (static.MultipleRangeStaticProducer). */
static void test_a_file_that_shrinks_is_truncated_and_no_endless_loop(void **state)
{
	struct weir_loop_options options = {.quantum = 4096};
	struct weir_outcome o;
	size_t at = 0;
	struct bin b;

	(void)state;
	put_file("a", 0, BIG);
	open_loop_with(&options);
	bin_init(&b);
	b.on_bytes = shrink_once;
	o = read_into(&b, "a", &multipart);
	assert_int_equal(o.end, WEIR_SOURCE_FAILED);
	assert_int_equal(o.cause, WEIR_ETRUNCATED);
	assert_false(b.finished);
	assert_true(is_text(&b, &at, "--a\r\n") && is_part(&b, &at, 100, 49900) && at == b.len);
	bin_fini(&b);
	close_loop();
}

static void refuse(int fd, struct weir_file_range range, int rc)
{
	struct weir_file_part part = {.range = range};
	struct weir_file_parts what = {.parts = &part, .count = 1};
	struct weir_transport *t;

	assert_int_equal(weir_file_read_parts(loop, fd, &what, &t), rc);
}

static void test_a_part_that_is_not_there_is_refused_at_once(void **state)
{
	static const struct weir_file_parts none = {.count = 0};
	struct weir_transport *t;
	int fd;

	(void)state;
	put_file("a", 0, 1000);
	open_loop();
	fd = open("a", O_RDONLY | O_CLOEXEC);
	refuse(fd, (struct weir_file_range){.offset = 1001}, WEIR_ETRUNCATED);
	refuse(fd, (struct weir_file_range){.offset = 1000, .length = 1}, WEIR_ETRUNCATED);
	refuse(fd, (struct weir_file_range){.length = 1001}, WEIR_ETRUNCATED);
	refuse(fd, (struct weir_file_range){.offset = UINT64_MAX}, -EINVAL);
	refuse(fd, (struct weir_file_range){.offset = 2, .length = UINT64_MAX}, -EINVAL);
	assert_int_equal(weir_file_read_parts(loop, fd, &none, &t), -EINVAL);
	close(fd); /* it is still ours */
	close_loop();
}

static void test_what_has_no_parts_is_refused(void **state)
{
	struct weir_transport *t;
	int fd, pair[2];

	(void)state;
	put_file("a", 0, 10);
	open_loop();
	assert_int_equal(weir_file_read_parts(loop, 9999, NULL, &t), -EBADF);
	fd = open("a", O_WRONLY | O_CLOEXEC);
	assert_int_equal(weir_file_read_parts(loop, fd, NULL, &t), -EBADF);
	close(fd);
	fd = open(".", O_RDONLY | O_CLOEXEC);
	assert_int_equal(weir_file_read_parts(loop, fd, NULL, &t), -EISDIR);
	close(fd);
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	assert_int_equal(weir_file_read_parts(loop, pair[0], NULL, &t), -ESPIPE);
	close(pair[0]);
	close(pair[1]);
	close_loop();
}

static void test_a_generated_file_has_no_length_and_is_read_whole(void **state)
{
	struct weir_transport *t;
	struct bin b;

	(void)state;
	open_loop();
	bin_init(&b);
	t = parts_of("/proc/self/status", NULL);
	assert_int_equal(weir_transport_length(t), -1);
	assert_int_equal(join_run(weir_transport_source(t), &b.valve.base).end, WEIR_FINISHED);
	assert_true(b.len > 5 && memcmp(b.data, "Name:", 5) == 0);
	weir_transport_close(t);
	bin_fini(&b);
	close_loop();
}

static void test_where_the_descriptor_stands_stays(void **state)
{
	struct weir_transport *t;
	struct bin b;
	int fd;

	(void)state;
	put_file("a", 0, BIG);
	open_loop();
	bin_init(&b);
	fd = open("a", O_RDONLY | O_CLOEXEC);
	assert_int_equal(lseek(fd, 17, SEEK_SET), 17);
	assert_int_equal(weir_file_read_parts(loop, dup(fd), NULL, &t), 0);
	assert_int_equal(join_run(weir_transport_source(t), &b.valve.base).end, WEIR_FINISHED);
	assert_true(bin_holds(&b, 0, BIG));
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 17);
	weir_transport_close(t);
	close(fd);
	bin_fini(&b);
	close_loop();
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
		b.per_turn = 30000;
		t = parts_of("a", &multipart);
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

static void leave(struct bin *b)
{
	if (b->len > 100000)
		weir_consumer_unregister(&b->valve.base);
}

static bool has_none(void *arg)
{
	return weir_consumer_producer(&((struct bin *)arg)->valve.base) == NULL;
}

static void test_one_that_was_let_go_goes_on_with_another_sink(void **state)
{
	struct weir_transport *t;
	struct bin a, b;
	size_t at;

	(void)state;
	put_file("a", 0, BIG);
	make_cold("a");
	open_loop();
	bin_init(&a);
	bin_init(&b);
	a.on_bytes = leave;
	t = parts_of("a", &multipart);
	assert_int_equal(weir_consumer_register(&a.valve.base, weir_transport_source(t), WEIR_PULL),
			 0);
	assert_true(turn_until(has_none, &a));
	/* Pushed this time: the same bytes. */
	assert_int_equal(weir_consumer_register(&b.valve.base, weir_transport_source(t), WEIR_PUSH),
			 0);
	assert_true(turn_until(has_none, &b));
	assert_true(b.finished);
	at = 5;
	assert_true(is_part(&a, &at, 100, a.len - 5) && at == a.len);
	at = 0;
	assert_true(is_part(&b, &at, 100 + a.len - 5, 200005 - a.len));
	assert_true(is_text(&b, &at, "\r\n--a\r\n"));

	/* It tells whoever comes after its end. */
	weir_valve_fini(&a.valve);
	free(a.data);
	bin_init(&a);
	assert_int_equal(weir_consumer_register(&a.valve.base, weir_transport_source(t), WEIR_PULL),
			 0);
	assert_true(a.finished && a.len == 0);
	weir_transport_close(t);
	bin_fini(&a);
	bin_fini(&b);
	close_loop();
}

static void test_each_failing_allocation_is_told_and_leaves_nothing(void **state)
{
	bool failed = true;

	(void)state;
	put_file("a", 0, 1000);
	for (long n = 1; failed; n++) {
		static const struct weir_file_part part = {.before = "x", .before_len = 1};
		static const struct weir_file_parts what = {.parts = &part, .count = 1};
		struct weir_transport *t = NULL;
		struct bin b;
		int fd, rc;

		open_loop();
		bin_init(&b);
		fd = open("a", O_RDONLY | O_CLOEXEC);
		weir_test_fail_alloc_after(n);
		rc = weir_file_read_parts(loop, fd, &what, &t);
		failed = weir_test_alloc_failed();
		weir_test_fail_alloc_after(-1);
		if (rc < 0) {
			assert_int_equal(rc, -ENOMEM);
			close(fd);
		} else {
			assert_int_equal(join_run(weir_transport_source(t), &b.valve.base).end,
					 WEIR_FINISHED);
			assert_int_equal(b.len, 1001);
		}
		assert_int_equal(rc < 0, failed);
		weir_transport_close(t);
		bin_fini(&b);
		close_loop();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_whole_file_is_pulled),
		cmocka_unit_test(test_parts_come_in_order_with_what_is_said_around_them),
		cmocka_unit_test(test_parts_may_overlap_and_go_back),
		cmocka_unit_test(test_empty_parts_are_nothing),
		cmocka_unit_test(test_the_length_is_known_in_advance),
		cmocka_unit_test(test_each_resume_gives_one_chunk),
		cmocka_unit_test(test_it_has_nothing_yet_while_a_worker_reads),
		cmocka_unit_test(test_it_is_not_asked_while_the_sink_is_full),
		cmocka_unit_test(test_what_is_said_is_cut_where_the_sink_is_full),
		cmocka_unit_test(test_a_small_budget_is_kept_and_stalls_nothing),
		cmocka_unit_test(test_a_file_that_shrinks_is_truncated_and_no_endless_loop),
		cmocka_unit_test(test_a_part_that_is_not_there_is_refused_at_once),
		cmocka_unit_test(test_what_has_no_parts_is_refused),
		cmocka_unit_test(test_a_generated_file_has_no_length_and_is_read_whole),
		cmocka_unit_test(test_where_the_descriptor_stands_stays),
		cmocka_unit_test(test_it_can_be_closed_or_stopped_at_any_moment),
		cmocka_unit_test(test_one_that_was_let_go_goes_on_with_another_sink),
		cmocka_unit_test(test_each_failing_allocation_is_told_and_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
