/* SPDX-License-Identifier: MIT */
/* The kernel's ways of moving bytes: between each two kinds of descriptor they give the bytes
 * that copying gives, also when the way changes in mid-stream, and they tell the truth about
 * the end. */
#include "file_fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tcp_pair.h"
#include "weir/file.h"
#include "weir/pipe.h"

#define LENGTH (((size_t)3 << 20) + 123)

enum end { FILE_END, PIPE_END, UNIX_END, TCP_END, ENDS };

static const char *const end_names[ENDS] = {"file", "pipe", "unix", "tcp"};

/* ---- a pair of descriptors, one to be written to, one to be read ---- */

/* fds[1] is written to, fds[0] read. */
static void make_pair(enum end end, int fds[2])
{
	if (end == TCP_END)
		tcp_pair(fds);
	else if (end == UNIX_END)
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	else
		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
}

static struct weir_transport *adopt(enum end end, int fd, bool writes)
{
	struct weir_transport *t = NULL;
	bool both = end != PIPE_END;

	assert_int_equal(weir_pipe_adopt(loop, both || !writes ? fd : -1, both || writes ? fd : -1, &t),
			 0);
	return t;
}

/* ---- a flow from one end to another, with what feeds it and what collects ---- */

struct flow {
	enum end from, to;
	struct weir_transport *feed, *feeder; /* the file, and what it is written to */
	struct weir_transport *source, *sink;
	struct weir_transport *collector;     /* what the sink's bytes are read from */
	struct bin bin;
	struct joined fed, flows, collected;
};

static void open_flow(struct flow *f, enum end from, enum end to, size_t per_turn)
{
	int fds[2];

	*f = (struct flow){.from = from, .to = to};
	bin_init(&f->bin);
	f->bin.per_turn = per_turn;
	if (from == FILE_END) {
		assert_int_equal(weir_file_read(loop, "in", NULL, &f->source), 0);
	} else {
		make_pair(from, fds);
		assert_int_equal(weir_file_read(loop, "in", NULL, &f->feed), 0);
		f->feeder = adopt(from, fds[1], true);
		f->source = adopt(from, fds[0], false);
	}
	if (to == FILE_END) {
		assert_int_equal(weir_file_write(loop, "out", NULL, &f->sink), 0);
	} else {
		make_pair(to, fds);
		f->sink = adopt(to, fds[1], true);
		f->collector = adopt(to, fds[0], false);
	}
}

static void start_flow(struct flow *f, enum weir_paths paths)
{
	struct weir_join_options options = {.paths = paths, .on_done = on_joined, .arg = &f->flows};

	assert_int_equal(weir_join_create(&loop->ctx, weir_transport_source(f->source),
					  weir_transport_sink(f->sink), &options, &f->flows.join),
			 0);
	if (f->feeder)
		join_start(&f->fed, weir_transport_source(f->feed), weir_transport_sink(f->feeder));
	if (f->collector)
		join_start(&f->collected, weir_transport_source(f->collector), &f->bin.valve.base);
}

static void close_flow(struct flow *f)
{
	if (f->feeder)
		weir_join_destroy(f->fed.join);
	if (f->collector)
		weir_join_destroy(f->collected.join);
	weir_transport_close(f->feed);
	weir_transport_close(f->feeder);
	weir_transport_close(f->source);
	weir_transport_close(f->sink);
	weir_transport_close(f->collector);
	bin_fini(&f->bin);
}

static struct weir_path_state finish_flow(struct flow *f)
{
	struct weir_path_state path;

	assert_true(turn_until(join_is_done, &f->flows));
	weir_join_path(f->flows.join, &path);
	weir_join_destroy(f->flows.join);
	assert_int_equal(f->flows.outcome.end, WEIR_FINISHED);
	assert_int_equal(f->flows.outcome.offset, LENGTH);
	assert_int_equal(f->flows.outcome.in, LENGTH);
	if (f->collector) {
		assert_true(turn_until(join_is_done, &f->collected));
		assert_int_equal(f->collected.outcome.end, WEIR_FINISHED);
		assert_true(bin_holds(&f->bin, 0, LENGTH));
	} else {
		assert_true(file_holds("out", 0, LENGTH));
	}
	return path;
}

/* ---- DATA-5 ---- */

/* Between sockets a flow is spliced only among others, and what feeds it and collects from
 * it here are others. */
static bool is_by_crowd(enum end from, enum end to)
{
	return from >= UNIX_END && to >= UNIX_END;
}

/* What is taken by itself between these two; see the table in engine/path_linux.c. */
static enum weir_path fastest(enum end from, enum end to)
{
	static const enum weir_path table[ENDS][ENDS] = {
		[FILE_END] = {WEIR_PATH_COPY_RANGE, WEIR_PATH_COPY, WEIR_PATH_SENDFILE,
			      WEIR_PATH_SENDFILE},
		[PIPE_END] = {WEIR_PATH_SPLICE, WEIR_PATH_SPLICE, WEIR_PATH_SPLICE,
			      WEIR_PATH_SPLICE},
		[UNIX_END] = {WEIR_PATH_SPLICE, WEIR_PATH_SPLICE, WEIR_PATH_COPY, WEIR_PATH_COPY},
		[TCP_END] = {WEIR_PATH_SPLICE, WEIR_PATH_SPLICE, WEIR_PATH_COPY, WEIR_PATH_COPY},
	};

	return table[from][to];
}

static void check_path(enum end from, enum end to, enum weir_paths paths,
		       const struct weir_path_state *path)
{
	enum weir_path expected = fastest(from, to);

	if (paths == WEIR_PATHS_COPY)
		expected = WEIR_PATH_COPY;
	else if (paths == WEIR_PATHS_KERNEL && expected == WEIR_PATH_COPY)
		expected = WEIR_PATH_SPLICE;
	if (expected == WEIR_PATH_COPY && paths == WEIR_PATHS_FASTEST && is_by_crowd(from, to)) {
		assert_true(path->carried == 0 || path->path == WEIR_PATH_SPLICE);
	} else if (expected == WEIR_PATH_COPY) {
		assert_int_equal(path->carried, 0);
		assert_non_null(path->who);
		assert_non_null(path->why);
	} else if (from == FILE_END && path->carried == 0) {
		/* The folder's file system may not say what it has in memory. */
		print_message("%s to %s: copied\n", end_names[from], end_names[to]);
	} else {
		assert_int_equal(path->path, expected);
		assert_in_range(path->carried, 1, LENGTH);
	}
}

static void test_data5_every_path_between_every_two_ends_gives_the_bytes_of_the_copy(void **state)
{
	static const size_t speeds[] = {SIZE_MAX, 50000};

	(void)state;
	put_file("in", 0, LENGTH);
	for (unsigned i = 0; i < ENDS * ENDS * 3 * 2; i++) {
		enum end from = i % ENDS, to = i / ENDS % ENDS;
		enum weir_paths paths = (enum weir_paths)(i / (ENDS * ENDS) % 3);
		struct weir_path_state path;
		struct flow f;

		open_loop();
		open_flow(&f, from, to, speeds[i / (ENDS * ENDS * 3)]);
		start_flow(&f, paths);
		path = finish_flow(&f);
		check_path(from, to, paths, &path);
		close_flow(&f);
		close_loop();
	}
}

/* ---- one flow, and several ---- */

#define BULK ((size_t)48 << 20)

/* A process that writes that many bytes to the socket, or reads them. */
static pid_t start_peer(int fd, bool writes)
{
	static unsigned char some[256 << 10];
	pid_t pid = fork();

	if (pid != 0) {
		assert_true(pid > 0);
		close(fd);
		return pid;
	}
	for (size_t left = BULK; left > 0; ) {
		size_t len = left < sizeof(some) ? left : sizeof(some);
		ssize_t n = writes ? write(fd, some, len) : read(fd, some, len);

		if (n <= 0)
			_exit(1);
		left -= (size_t)n;
	}
	_exit(0);
}

struct relayed {
	struct weir_transport *source, *sink;
	struct joined flows;
	pid_t peers[2];
};

static void start_relayed(struct relayed *r, int in[2], int out[2])
{
	struct weir_join_options options = {.on_done = on_joined, .arg = &r->flows};

	r->source = adopt(TCP_END, in[0], false);
	r->sink = adopt(TCP_END, out[1], true);
	assert_int_equal(weir_join_create(&loop->ctx, weir_transport_source(r->source),
					  weir_transport_sink(r->sink), &options, &r->flows.join),
			 0);
}

/* Returns the bytes that the kernel moved. */
static uint64_t finish_relayed(struct relayed *r)
{
	struct weir_path_state path;

	assert_true(turn_until(join_is_done, &r->flows));
	weir_join_path(r->flows.join, &path);
	weir_join_destroy(r->flows.join);
	assert_int_equal(r->flows.outcome.end, WEIR_FINISHED);
	assert_int_equal(r->flows.outcome.offset, BULK);
	weir_transport_close(r->source);
	weir_transport_close(r->sink);
	for (int i = 0; i < 2; i++) {
		int status;

		assert_int_equal(waitpid(r->peers[i], &status, 0), r->peers[i]);
		assert_int_equal(status, 0);
	}
	return path.carried;
}

static void check_relayed(unsigned count, uint64_t carried[])
{
	struct relayed r[4] = {0};
	int in[4][2], out[4][2];

	for (unsigned i = 0; i < count; i++) {
		tcp_pair(in[i]);
		tcp_pair(out[i]);
	}
	/* Before the loop, whose threads and descriptors a child should not have. */
	for (unsigned i = 0; i < count; i++) {
		r[i].peers[0] = start_peer(in[i][1], true);
		r[i].peers[1] = start_peer(out[i][0], false);
	}
	open_loop();
	fds_before -= 2 * (int)count; /* the flows' own, which they close */
	for (unsigned i = 0; i < count; i++)
		start_relayed(&r[i], in[i], out[i]);
	for (unsigned i = 0; i < count; i++)
		carried[i] = finish_relayed(&r[i]);
	close_loop();
}

static void test_sockets_are_spliced_among_others_and_copied_alone(void **state)
{
	uint64_t carried[4], sum = 0;

	(void)state;
	check_relayed(1, carried);
	assert_int_equal(carried[0], 0);
	check_relayed(4, carried);
	for (unsigned i = 0; i < 4; i++)
		sum += carried[i];
	assert_in_range(sum, BULK * 3 / 2, 4 * BULK);
}

/* ---- DATA-3 ---- */

struct changer {
	struct weir_task task;
	struct weir_join *join;
	unsigned seed, changes;
};

static void change(struct weir_task *task)
{
	struct changer *c = (struct changer *)task;
	struct weir_outcome outcome;

	weir_join_outcome(c->join, &outcome);
	if (outcome.end != WEIR_RUNNING)
		return;
	c->seed = c->seed * 1103515245 + 12345;
	if (c->seed >> 16 & 1) {
		weir_join_set_paths(c->join, (enum weir_paths)((c->seed >> 17) % 3));
		c->changes++;
	}
	if ((c->seed >> 20) % 8 == 0) /* whoever is resumed begins anew with its offers */
		weir_join_pause(c->join);
	else
		weir_join_resume(c->join);
	weir_task_queue(&loop->ctx, task);
}

static void test_data3_changing_the_path_in_mid_stream_loses_and_repeats_nothing(void **state)
{
	(void)state;
	put_file("in", 0, LENGTH);
	for (unsigned i = 0; i < ENDS * ENDS * 3; i++) {
		struct changer c = {.task = {.run = change}, .seed = i};
		struct flow f;

		open_loop();
		open_flow(&f, i % ENDS, i / ENDS % ENDS, 100000 + i);
		start_flow(&f, WEIR_PATHS_KERNEL);
		c.join = f.flows.join;
		weir_task_queue(&loop->ctx, &c.task);
		finish_flow(&f);
		weir_task_cancel(&c.task);
		close_flow(&f);
		close_loop();
	}
}

/* ---- the end ---- */

static void fail_flow(struct flow *f)
{
	assert_true(turn_until(join_is_done, &f->flows));
	weir_join_destroy(f->flows.join);
}

static void test_end5_a_source_that_is_reset_under_way_has_failed(void **state)
{
	(void)state;
	for (enum end to = FILE_END; to < ENDS; to++) {
		struct linger abort = {.l_onoff = 1};
		struct joined j;
		struct weir_join_options options = {
			.paths = WEIR_PATHS_KERNEL, .on_done = on_joined, .arg = &j};
		unsigned char *data = make_bytes(0, 100000);
		struct flow f;
		int fds[2];

		put_file("in", 0, 1);
		unlink("out");
		open_loop();
		open_flow(&f, FILE_END, to, SIZE_MAX);
		weir_transport_close(f.source);
		tcp_pair(fds);
		f.source = adopt(TCP_END, fds[0], false);
		j = (struct joined){0};
		assert_int_equal(weir_join_create(&loop->ctx, weir_transport_source(f.source),
						  weir_transport_sink(f.sink), &options, &j.join),
				 0);
		if (f.collector)
			join_start(&f.collected, weir_transport_source(f.collector),
				   &f.bin.valve.base);
		assert_int_equal(send(fds[1], data, 100000, MSG_NOSIGNAL), 100000);
		setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
		uv_run(loop->uv, UV_RUN_ONCE);
		close(fds[1]);
		assert_true(turn_until(join_is_done, &j));
		weir_join_destroy(j.join);
		assert_int_equal(j.outcome.end, WEIR_SOURCE_FAILED);
		assert_int_equal(j.outcome.cause, -ECONNRESET);
		assert_false(exists("out"));
		close_flow(&f);
		close_loop();
		free(data);
	}
}

static void test_end2_a_sink_whose_reader_goes_under_way_has_failed(void **state)
{
	(void)state;
	put_file("in", 0, 1);
	assert_int_equal(truncate("in", (off_t)1 << 30), 0); /* more than all buffers hold */
	for (unsigned i = 0; i < ENDS * (ENDS - 1); i++) {
		struct flow f;

		open_loop();
		open_flow(&f, i % ENDS, PIPE_END + i / ENDS, 10000);
		start_flow(&f, WEIR_PATHS_KERNEL);
		for (int n = 0; n < 3; n++)
			uv_run(loop->uv, UV_RUN_ONCE);
		weir_join_destroy(f.collected.join);
		weir_transport_close(f.collector);
		f.collector = NULL;
		fail_flow(&f);
		assert_int_equal(f.flows.outcome.end, WEIR_SINK_FAILED);
		assert_true(f.flows.outcome.cause == -EPIPE || f.flows.outcome.cause == -ECONNRESET);
		assert_int_equal(f.flows.outcome.in, f.flows.outcome.offset + f.flows.outcome.dropped);
		close_flow(&f);
		close_loop();
	}
}

#define SIZE_LIMIT ((rlim_t)1 << 20)

/* Every byte that a full disk took is counted, and no other. */
static void test_end4_a_file_that_takes_no_more_fails_at_the_exact_byte(void **state)
{
	struct rlimit before, limit;

	(void)state;
	put_file("in", 0, LENGTH);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = (struct rlimit){SIZE_LIMIT, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (enum end from = FILE_END; from < ENDS; from++) {
		struct flow f;

		unlink("out");
		open_loop();
		open_flow(&f, from, FILE_END, SIZE_MAX);
		start_flow(&f, WEIR_PATHS_KERNEL);
		fail_flow(&f);
		assert_int_equal(f.flows.outcome.end, WEIR_SINK_FAILED);
		assert_int_equal(f.flows.outcome.cause, -EFBIG);
		assert_int_equal(f.flows.outcome.offset, SIZE_LIMIT);
		assert_int_equal(f.flows.outcome.in, f.flows.outcome.offset + f.flows.outcome.dropped);
		assert_false(exists("out"));
		close_flow(&f);
		close_loop();
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
}

/* ---- who must not be surprised ---- */

static void test_a_program_that_has_not_ignored_sigpipe_is_not_killed(void **state)
{
	struct weir_path_state path;
	struct flow f;

	(void)state;
	put_file("in", 0, LENGTH);
	signal(SIGPIPE, SIG_DFL);
	open_loop();
	open_flow(&f, FILE_END, TCP_END, SIZE_MAX);
	start_flow(&f, WEIR_PATHS_KERNEL);
	path = finish_flow(&f);
	assert_int_equal(path.carried, 0);
	assert_string_equal(path.who, "program");
	close_flow(&f);
	close_loop();
	signal(SIGPIPE, SIG_IGN);
}

/* A disk is waited for by workers. */
static void test_a_cold_file_is_not_sent_by_the_loop(void **state)
{
	struct weir_path_state path;
	struct flow f;

	(void)state;
	put_file("in", 0, LENGTH);
	make_cold("in");
	if (!is_cold("in", LENGTH))
		skip();
	open_loop();
	open_flow(&f, FILE_END, TCP_END, SIZE_MAX);
	start_flow(&f, WEIR_PATHS_FASTEST);
	path = finish_flow(&f);
	assert_true(path.carried < LENGTH);
	close_flow(&f);
	close_loop();
}

/* MEM-1: what a full pipe's reader has not taken is in the kernel, and not with us. */
static void test_mem1_a_path_holds_nothing(void **state)
{
	(void)state;
	put_file("in", 0, LENGTH);
	for (unsigned i = 0; i < ENDS * ENDS; i++) {
		struct weir_consumer_state s;
		struct flow f;

		if (fastest(i % ENDS, i / ENDS) == WEIR_PATH_COPY || i / ENDS == FILE_END)
			continue;
		open_loop();
		open_flow(&f, i % ENDS, i / ENDS, SIZE_MAX);
		f.bin.stop_at = 1000;
		start_flow(&f, WEIR_PATHS_FASTEST);
		for (int n = 0; n < 200; n++)
			uv_run(loop->uv, UV_RUN_NOWAIT);
		weir_consumer_state(weir_transport_sink(f.sink), &s);
		assert_int_equal(s.held, 0);
		f.bin.stop_at = SIZE_MAX;
		weir_valve_ready(&f.bin.valve);
		finish_flow(&f);
		close_flow(&f);
		close_loop();
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, enter_folder, leave_folder)
	const struct CMUnitTest tests[] = {
		TEST(test_data5_every_path_between_every_two_ends_gives_the_bytes_of_the_copy),
		TEST(test_sockets_are_spliced_among_others_and_copied_alone),
		TEST(test_data3_changing_the_path_in_mid_stream_loses_and_repeats_nothing),
		TEST(test_end5_a_source_that_is_reset_under_way_has_failed),
		TEST(test_end2_a_sink_whose_reader_goes_under_way_has_failed),
		TEST(test_end4_a_file_that_takes_no_more_fails_at_the_exact_byte),
		TEST(test_a_program_that_has_not_ignored_sigpipe_is_not_killed),
		TEST(test_a_cold_file_is_not_sent_by_the_loop),
		TEST(test_mem1_a_path_holds_nothing),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
