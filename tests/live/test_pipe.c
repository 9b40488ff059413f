/* SPDX-License-Identifier: MIT */
/* Pipes and adopted descriptors: bounds, and the ends of either side. */
#include "file_fixture.h"

#include <signal.h>
#include <sys/socket.h>

#include "weir/pipe.h"

#define BIG ((size_t)5 << 20)

static void open_pair(struct weir_transport **reader, struct weir_transport **writer)
{
	assert_int_equal(weir_pipe_pair(loop, reader, writer), 0);
	assert_non_null(weir_transport_source(*reader));
	assert_null(weir_transport_sink(*reader));
	assert_non_null(weir_transport_sink(*writer));
	assert_null(weir_transport_source(*writer));
}

static void test_a_pair_carries_every_byte_and_the_end(void **state)
{
	static const struct {
		size_t total, piece;
	} cases[] = {{0, 1}, {1, 1}, {5000, 1}, {BIG, 4096}, {BIG, 300000}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct weir_transport *r, *w;
		struct joined in, out;
		struct bin b;
		struct gen g;

		open_loop();
		open_pair(&r, &w);
		bin_init(&b);
		gen_init(&g, cases[i].total, cases[i].piece);
		join_start(&in, &g.base, weir_transport_sink(w));
		join_start(&out, weir_transport_source(r), &b.valve.base);
		assert_int_equal(join_wait(&in).end, WEIR_FINISHED);
		assert_int_equal(join_wait(&out).end, WEIR_FINISHED);
		assert_true(bin_holds(&b, 0, cases[i].total));
		assert_int_equal(in.outcome.offset, cases[i].total);
		weir_transport_close(r);
		weir_transport_close(w);
		bin_fini(&b);
		gen_fini(&g);
		close_loop();
	}
}

/* MEM-1 */
static void test_a_pipe_that_nobody_reads_holds_the_high_mark_and_one_chunk(void **state)
{
	static const struct {
		size_t high, low, piece;
	} cases[] = {
		{WEIR_HIGH_DEFAULT, WEIR_LOW_DEFAULT, 10000},
		{100000, 1000, 4096},
		{1, 0, 65536},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct weir_transport *w;
		struct joined j;
		struct gen g;
		int fds[2];

		open_loop();
		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		assert_int_equal(weir_pipe_adopt(loop, -1, fds[1], &w), 0);
		if (cases[i].piece <= 2 * cases[i].high)
			assert_int_equal(weir_transport_set_marks(w, cases[i].high, cases[i].low), 0);
		else
			assert_int_equal(weir_valve_set_marks((struct weir_valve *)weir_transport_sink(w),
							      cases[i].high, cases[i].low, 1 << 20), 0);
		gen_init(&g, UINT64_MAX, cases[i].piece);
		join_start(&j, &g.base, weir_transport_sink(w));
		for (int turn = 0; turn < 50; turn++) {
			struct weir_consumer_state s;

			uv_run(loop->uv, UV_RUN_NOWAIT);
			weir_consumer_state(weir_transport_sink(w), &s);
			assert_true(s.held <= cases[i].high + cases[i].piece);
			assert_int_equal(s.in, g.given);
			assert_int_equal(s.in, s.out + s.held + s.dropped);
		}
		assert_true(g.paused);
		/* Seen full, a pipe is enlarged once: one more pause, and no third. */
		assert_in_range(g.pauses, 1, 2);
		assert_int_equal(g.resumes, g.pauses - 1);
		assert_false(j.done);
		close(fds[0]);
		assert_int_equal(join_wait(&j).cause, -EPIPE);
		assert_int_equal(j.outcome.in, j.outcome.offset + j.outcome.dropped);
		assert_int_equal(g.stops, 1);
		weir_transport_close(w);
		gen_fini(&g);
		close_loop();
	}
}

static void expect_death(bool idle_before)
{
	struct weir_transport *w;
	struct joined j;
	struct gen g;
	int fds[2];

	open_loop();
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(weir_pipe_adopt(loop, -1, fds[1], &w), 0);
	gen_init(&g, idle_before ? 0 : 1000, 100);
	g.open_ended = true;
	join_start(&j, &g.base, weir_transport_sink(w));
	for (int i = 0; i < 20; i++)
		uv_run(loop->uv, UV_RUN_NOWAIT);
	assert_false(j.done);
	close(fds[0]);
	assert_int_equal(join_wait(&j).end, WEIR_SINK_FAILED);
	assert_int_equal(j.outcome.cause, -EPIPE);
	assert_int_equal(j.outcome.offset, idle_before ? 0 : 1000);
	assert_int_equal(g.stops, 1);
	assert_int_equal(g.stop_why, -EPIPE);
	for (int i = 0; i < 20; i++)
		uv_run(loop->uv, UV_RUN_NOWAIT);
	assert_int_equal(g.stops, 1);
	weir_transport_close(w);
	gen_fini(&g);
	close_loop();
}

static void test_a_reader_that_goes_is_noticed_without_a_write(void **state)
{
	(void)state;
	expect_death(true);
	expect_death(false);
}

static void test_a_source_that_is_stopped_tells_the_pipes_writer(void **state)
{
	struct weir_transport *r;
	struct joined j;
	struct bin b;
	int fds[2];

	(void)state;
	open_loop();
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(weir_pipe_adopt(loop, fds[0], -1, &r), 0);
	bin_init(&b);
	join_start(&j, weir_transport_source(r), &b.valve.base);
	assert_int_equal(write(fds[1], "x", 1), 1);
	weir_join_stop(j.join, WEIR_ESTOPPED);
	join_wait(&j);
	assert_int_equal(write(fds[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	weir_transport_close(r);
	close(fds[1]);
	bin_fini(&b);
	close_loop();
}

static void test_a_paused_pipe_is_not_read(void **state)
{
	struct weir_transport *r;
	struct joined j;
	struct bin b;
	int fds[2];
	unsigned char *data = make_bytes(0, 60000);

	(void)state;
	open_loop();
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(weir_pipe_adopt(loop, fds[0], -1, &r), 0);
	bin_init(&b);
	b.stop_at = 1000;
	assert_int_equal(weir_valve_set_marks(&b.valve, 5000, 1000, 10000), 0);
	join_start(&j, weir_transport_source(r), &b.valve.base);
	assert_int_equal(write(fds[1], data, 60000), 60000);
	close(fds[1]);
	for (int i = 0; i < 20; i++) {
		uv_run(loop->uv, UV_RUN_NOWAIT);
		assert_true(weir_valve_held(&b.valve) <= 5000);
	}
	assert_false(j.done);
	b.stop_at = SIZE_MAX;
	weir_valve_ready(&b.valve);
	assert_int_equal(join_wait(&j).end, WEIR_FINISHED);
	assert_true(bin_holds(&b, 0, 60000));
	weir_transport_close(r);
	bin_fini(&b);
	free(data);
	close_loop();
}

static void test_a_socket_half_closes(void **state)
{
	struct weir_transport *t;
	struct joined in, out;
	struct bin b;
	struct gen g;
	char text[8];
	int pair[2];

	(void)state;
	open_loop();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(weir_pipe_adopt(loop, pair[0], pair[0], &t), 0);
	assert_true(weir_transport_half_closes(t));
	bin_init(&b);
	gen_init(&g, 3, 3);
	join_start(&in, weir_transport_source(t), &b.valve.base);
	join_start(&out, &g.base, weir_transport_sink(t));
	assert_int_equal(join_wait(&out).end, WEIR_FINISHED);
	assert_int_equal(recv(pair[1], text, sizeof(text), 0), 3);
	assert_int_equal(recv(pair[1], text, sizeof(text), 0), 0);
	assert_false(in.done);
	assert_int_equal(send(pair[1], "\0\37", 2, MSG_NOSIGNAL), 2);
	close(pair[1]);
	assert_int_equal(join_wait(&in).end, WEIR_FINISHED);
	assert_true(bin_holds(&b, 0, 2));
	weir_transport_close(t);
	bin_fini(&b);
	gen_fini(&g);
	close_loop();
}

static void test_what_cannot_be_adopted_stays_the_callers(void **state)
{
	struct weir_transport *t;
	int fds[2], file;

	(void)state;
	open_loop();
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	file = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (file < 0) /* a file system without nameless files */
		file = open("file", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_true(file >= 0);
	assert_int_equal(weir_pipe_adopt(loop, -1, -1, &t), -EBADF);
	assert_int_equal(weir_pipe_adopt(loop, 9999, -1, &t), -EBADF);
	assert_int_equal(weir_pipe_adopt(loop, fds[1], -1, &t), -EBADF);
	assert_int_equal(weir_pipe_adopt(loop, -1, fds[0], &t), -EBADF);
	assert_int_equal(weir_pipe_adopt(loop, file, -1, &t), -EPERM);
	assert_int_equal(weir_pipe_adopt(loop, fds[0], file, &t), -EPERM);
	assert_true(turn_until(objects_gone, NULL));
	assert_true(fcntl(fds[0], F_GETFD) >= 0);
	assert_true(fcntl(fds[1], F_GETFD) >= 0);
	assert_true(fcntl(file, F_GETFD) >= 0);
	close(fds[0]);
	close(fds[1]);
	close(file);
	close_loop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_pair_carries_every_byte_and_the_end),
		cmocka_unit_test(test_a_pipe_that_nobody_reads_holds_the_high_mark_and_one_chunk),
		cmocka_unit_test(test_a_reader_that_goes_is_noticed_without_a_write),
		cmocka_unit_test(test_a_source_that_is_stopped_tells_the_pipes_writer),
		cmocka_unit_test(test_a_paused_pipe_is_not_read),
		cmocka_unit_test(test_a_socket_half_closes),
		cmocka_unit_test(test_what_cannot_be_adopted_stays_the_callers),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
