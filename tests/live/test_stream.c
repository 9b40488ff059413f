/* SPDX-License-Identifier: MIT */
/* The stream beneath sockets, pipes and children: what the kernel may do to it. */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/time.h>

#include "fail_alloc.h"
#include "net_fixture.h"
#include "tcp_pair.h"
#include "transport/stream.h"

static struct weir_transport *stream_on(struct bench *b, int in, int out, bool resets)
{
	const struct weir__stream_config config = {
		.in = in,
		.out = out,
		.is_socket = in == out,
		.resets = resets,
	};
	struct weir_transport *t = NULL;

	assert_int_equal(weir__stream_create(b->loop, &config, &t), 0);
	return t;
}

static void unix_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void reset(int fd)
{
	const struct linger abort = {.l_onoff = 1};

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)), 0);
	close(fd);
}

/* Send `size` known bytes, which must fit the kernel's buffers. */
static void send_known(int fd, size_t size)
{
	unsigned char *data = malloc(size);

	assert_non_null(data);
	fill(data, size, 0);
	assert_int_equal(send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL), size);
	free(data);
}

/* Until the other end's kernel has them. */
static void wait_readable(int fd, int events)
{
	struct pollfd p = {.fd = fd, .events = (short)events};

	assert_int_equal(poll(&p, 1, 5000), 1);
}

static void watch_sink(struct weir_transport *t, struct ending *e)
{
	*e = (struct ending){0};
	weir_consumer_watch_end(weir_transport_sink(t), &e->watch, on_ending, e);
}

static uint64_t cpu_while_running_for(struct bench *b, uint64_t ns)
{
	uint64_t start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	run_for(b, ns);
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start;
}

/* --- HALF-4: bytes before the reset -------------------------------------------- */

#define BEFORE_RESET ((size_t)60000)

static void assert_reset_after_all_bytes(const struct taker *k)
{
	assert_int_equal(k->at, BEFORE_RESET);
	assert_int_equal(k->wrong, 0);
	assert_int_equal(k->why, -ECONNRESET);
}

static void test_paused_source_gives_all_bytes_before_a_reset(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t;
	struct ending e;
	struct taker k;
	int fds[2];

	tcp_pair(fds);
	t = stream_on(b, fds[0], fds[0], true);
	watch_sink(t, &e);
	taker_start(&k, b, t);
	weir_valve_hold(&k.valve, WEIR_HOLD_USER);
	send_known(fds[1], BEFORE_RESET);
	wait_readable(fds[0], POLLIN);
	run_for(b, 10 * MS);
	reset(fds[1]);
	/* The sink learns of it although nobody reads or writes (END-8). */
	wait_for(b, has_ended, &e);
	assert_int_equal(e.why, -ECONNRESET);
	assert_false(k.ended);
	assert_int_equal(k.at, 0);
	assert_true(cpu_while_running_for(b, 100 * MS) < 60 * MS);
	weir_valve_release(&k.valve, WEIR_HOLD_USER);
	wait_for(b, has_taker_ended, &k);
	assert_reset_after_all_bytes(&k);
	weir_transport_close(t);
}

static void test_unregistered_source_gives_all_bytes_before_a_reset(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t;
	struct taker k;
	int fds[2];

	tcp_pair(fds);
	t = stream_on(b, fds[0], fds[0], true);
	send_known(fds[1], BEFORE_RESET);
	wait_readable(fds[0], POLLIN);
	reset(fds[1]);
	run_for(b, 20 * MS);
	taker_start(&k, b, t);
	wait_for(b, has_taker_ended, &k);
	assert_reset_after_all_bytes(&k);
	weir_transport_close(t);
}

static void test_write_that_meets_a_reset_leaves_the_bytes_to_the_source(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t;
	struct taker k;
	int fds[2];

	tcp_pair(fds);
	t = stream_on(b, fds[0], fds[0], true);
	taker_start(&k, b, t);
	weir_valve_hold(&k.valve, WEIR_HOLD_USER);
	send_known(fds[1], BEFORE_RESET);
	reset(fds[1]);
	wait_readable(fds[0], POLLHUP);
	/* The loop has not run: the write is the first to know. */
	assert_int_equal(weir_consumer_write(weir_transport_sink(t), "x", 1), -ECONNRESET);
	assert_int_equal(weir_consumer_write(weir_transport_sink(t), "x", 1), WEIR_ECLOSED);
	weir_valve_release(&k.valve, WEIR_HOLD_USER);
	wait_for(b, has_taker_ended, &k);
	assert_reset_after_all_bytes(&k);
	weir_transport_close(t);
}

/* With and without someone who reads: the end that cannot be sent is the reset's doing. */
static void test_finish_that_meets_a_reset_leaves_the_bytes_to_the_source(void **state)
{
	struct bench *b = *state;

	for (int reads = 0; reads < 2; reads++) {
		struct weir_transport *t;
		struct ending e;
		struct taker k;
		int fds[2];

		tcp_pair(fds);
		t = stream_on(b, fds[0], fds[0], true);
		watch_sink(t, &e);
		if (reads)
			taker_start(&k, b, t);
		send_known(fds[1], BEFORE_RESET);
		reset(fds[1]);
		wait_readable(fds[0], POLLHUP);
		weir_consumer_finish(weir_transport_sink(t));
		assert_false(has_ended(&e));
		wait_for(b, has_ended, &e);
		assert_int_equal(e.why, -ECONNRESET);
		if (!reads)
			taker_start(&k, b, t);
		wait_for(b, has_taker_ended, &k);
		assert_reset_after_all_bytes(&k);
		weir_transport_close(t);
	}
}

static void test_flowing_source_gives_all_bytes_before_a_reset(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < 50; i++) {
		struct weir_transport *t;
		struct taker k;
		int fds[2];

		tcp_pair(fds);
		t = stream_on(b, fds[0], fds[0], true);
		taker_start(&k, b, t);
		send_known(fds[1], BEFORE_RESET);
		if (i % 2)
			run_for(b, MS);
		reset(fds[1]);
		wait_for(b, has_taker_ended, &k);
		assert_reset_after_all_bytes(&k);
		weir_transport_close(t);
	}
}

/* The peer had said that these were all. */
static void test_reset_after_the_peers_end_is_a_clean_end_of_the_source(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t;
	struct ending e;
	struct taker k;
	int fds[2];

	tcp_pair(fds);
	t = stream_on(b, fds[0], fds[0], true);
	watch_sink(t, &e);
	taker_start(&k, b, t);
	weir_valve_hold(&k.valve, WEIR_HOLD_USER);
	send_known(fds[1], BEFORE_RESET);
	shutdown(fds[1], SHUT_WR);
	run_for(b, 5 * MS);
	reset(fds[1]);
	wait_for(b, has_ended, &e);
	assert_int_equal(e.why, -EPIPE);
	weir_valve_release(&k.valve, WEIR_HOLD_USER);
	wait_for(b, has_taker_ended, &k);
	assert_int_equal(k.at, BEFORE_RESET);
	assert_int_equal(k.wrong, 0);
	assert_int_equal(k.why, 0);
	weir_transport_close(t);
}

/* --- END-8: death without a write ------------------------------------------------ */

static void test_death_of_an_idle_peer_is_noticed(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t[3];
	struct ending e[3];
	int fds[3][2];

	unix_pair(fds[0]);
	tcp_pair(fds[1]);
	assert_int_equal(pipe2(fds[2], O_CLOEXEC), 0);
	for (int i = 0; i < 3; i++) {
		t[i] = i < 2 ? stream_on(b, fds[i][1], fds[i][1], i == 1)
			     : stream_on(b, -1, fds[i][1], false);
		watch_sink(t[i], &e[i]);
	}
	run_for(b, 5 * MS);
	close(fds[0][0]);
	reset(fds[1][0]);
	close(fds[2][0]);
	for (int i = 0; i < 3; i++)
		wait_for(b, has_ended, &e[i]);
	assert_int_equal(e[0].why, -EPIPE);
	assert_int_equal(e[1].why, -ECONNRESET);
	assert_int_equal(e[2].why, -EPIPE);
	assert_true(cpu_while_running_for(b, 100 * MS) < 60 * MS);
	for (int i = 0; i < 3; i++)
		weir_transport_close(t[i]);
}

static void test_end_of_the_peers_writing_is_not_its_death(void **state)
{
	struct bench *b = *state;

	for (int kind = 0; kind < 2; kind++) {
		struct weir_transport *t;
		struct ending e;
		int fds[2];
		char got[8];

		if (kind == 0)
			unix_pair(fds);
		else
			tcp_pair(fds);
		t = stream_on(b, fds[0], fds[0], kind == 1);
		watch_sink(t, &e);
		run_for(b, 2 * MS);
		shutdown(fds[1], SHUT_WR);
		/* Told once, not for ever. */
		assert_true(cpu_while_running_for(b, 100 * MS) < 60 * MS);
		assert_false(e.ended);
		assert_int_equal(weir_consumer_write(weir_transport_sink(t), "still", 5), 0);
		run_for(b, 2 * MS);
		assert_int_equal(recv(fds[1], got, sizeof(got), 0), 5);
		if (kind == 0)
			close(fds[1]);
		else
			reset(fds[1]);
		wait_for(b, has_ended, &e);
		/* So Linux calls a reset that comes after the peer's end. */
		assert_int_equal(e.why, -EPIPE);
		weir_transport_close(t);
	}
}

/* --- closing ------------------------------------------------------------------------ */

#define LAST_WORDS ((uint64_t)1 << 20)

static void finish_with_unread_bytes(struct bench *b, int fds[2])
{
	struct weir_transport *t;
	struct ending e;
	struct giver g;

	tcp_pair(fds);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &(int){8 << 20}, sizeof(int));
	send_known(fds[1], 30000);
	wait_readable(fds[0], POLLIN);
	t = stream_on(b, fds[0], fds[0], true);
	watch_sink(t, &e);
	giver_start(&g, LAST_WORDS, t);
	wait_for(b, has_ended, &e);
	assert_int_equal(e.why, 0);
	weir_transport_close(t);
}

static bool is_peer_done(void *arg)
{
	return __atomic_load_n((bool *)arg, __ATOMIC_ACQUIRE);
}

struct slow_peer {
	struct late_peer late;
	bool done;
};

static void *slow_peer_run(void *arg)
{
	struct slow_peer *p = arg;

	/* Time for a reset to arrive, were there one. */
	poll(NULL, 0, 50);
	late_peer_run(&p->late);
	__atomic_store_n(&p->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void test_closing_with_unread_bytes_takes_nothing_back(void **state)
{
	struct bench *b = *state;
	struct slow_peer p = {0};
	int fds[2];

	finish_with_unread_bytes(b, fds);
	/* What comes while we linger is no reason for a reset either. */
	send_known(fds[1], 20000);
	p.late.fd = fds[1];
	assert_int_equal(pthread_create(&p.late.thread, NULL, slow_peer_run, &p), 0);
	wait_for(b, is_peer_done, &p.done);
	pthread_join(p.late.thread, NULL);
	assert_int_equal(p.late.error, 0);
	assert_int_equal(p.late.got, LAST_WORDS);
	assert_int_equal(p.late.wrong, 0);
}

static void test_lingering_has_an_end(void **state)
{
	struct bench *b = *state;
	int fds[2];
	uint64_t start, took;

	finish_with_unread_bytes(b, fds);
	start = clock_ns(CLOCK_MONOTONIC);
	weir_loop_run(b->loop);
	took = clock_ns(CLOCK_MONOTONIC) - start;
	assert_in_range(took, 1000 * MS, 5000 * MS);
	close(fds[1]);
}

static void test_destroying_the_loop_waits_for_the_lingering(void **state)
{
	struct bench *b = *state;
	struct slow_peer p = {0};
	struct bench other = {0};
	int fds[2];

	(void)b;
	assert_int_equal(weir_loop_create(NULL, &other.loop), 0);
	finish_with_unread_bytes(&other, fds);
	p.late.fd = fds[1];
	assert_int_equal(pthread_create(&p.late.thread, NULL, slow_peer_run, &p), 0);
	weir_loop_destroy(other.loop);
	pthread_join(p.late.thread, NULL);
	assert_int_equal(p.late.error, 0);
	assert_int_equal(p.late.got, LAST_WORDS);
}

/* --- what the kernel may do to a call ------------------------------------------------- */

static volatile sig_atomic_t alarms;

static void on_alarm(int signum)
{
	(void)signum;
	alarms++;
}

static void test_interrupted_calls_lose_nothing(void **state)
{
	const struct itimerval each_ms = {.it_interval.tv_usec = 1000, .it_value.tv_usec = 1000};
	struct sigaction interrupt = {.sa_handler = on_alarm}, before;
	struct bench *b = *state;
	int fds[2];

	unix_pair(fds);
	alarms = 0;
	sigaction(SIGALRM, &interrupt, &before);
	setitimer(ITIMER_REAL, &each_ms, NULL);
	echo_between(b, stream_on(b, fds[0], fds[0], false), stream_on(b, fds[1], fds[1], false),
		     50 << 20);
	setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
	sigaction(SIGALRM, &before, NULL);
	assert_true(alarms > 5);
}

static void test_short_writes_lose_nothing(void **state)
{
	struct bench *b = *state;

	for (int kind = 0; kind < 2; kind++) {
		int fds[2];

		if (kind == 0)
			unix_pair(fds);
		else
			tcp_pair(fds);
		for (int i = 0; i < 2; i++) {
			setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &(int){1}, sizeof(int));
			setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		}
		echo_between(b, stream_on(b, fds[0], fds[0], kind == 1),
			     stream_on(b, fds[1], fds[1], kind == 1), kind ? 300000 : 3000000);
	}
}

static void test_pipes_carry_both_ways(void **state)
{
	struct bench *b = *state;
	int there[2], back[2];

	assert_int_equal(pipe2(there, O_CLOEXEC), 0);
	assert_int_equal(pipe2(back, O_CLOEXEC), 0);
	assert_true(fcntl(there[1], F_SETPIPE_SZ, 4096) > 0);
	echo_between(b, stream_on(b, back[0], there[1], false),
		     stream_on(b, there[0], back[1], false), 10 << 20);
}

/* A consumer with room for one byte has one byte read at a time. */
static void test_reads_of_one_byte_lose_nothing(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t;
	struct taker k;
	int fds[2];

	unix_pair(fds);
	t = stream_on(b, fds[0], fds[0], false);
	send_known(fds[1], 20000);
	close(fds[1]);
	memset(&k, 0, sizeof(k));
	weir_valve_init(&k.valve, &taker_ops, weir_loop_context(b->loop));
	weir_consumer_watch_end(&k.valve.base, &k.watch, taker_on_end, &k);
	assert_int_equal(weir_valve_set_marks(&k.valve, 1, 0, 1), 0);
	assert_int_equal(weir_consumer_register(&k.valve.base, weir_transport_source(t),
						WEIR_PUSH), 0);
	wait_for(b, has_taker_ended, &k);
	assert_int_equal(k.at, 20000);
	assert_int_equal(k.wrong, 0);
	assert_int_equal(k.why, 0);
	weir_transport_close(t);
}

static void test_bytes_that_come_one_by_one_are_all_given(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t;
	struct taker k;
	int fds[2];

	unix_pair(fds);
	t = stream_on(b, fds[0], fds[0], false);
	taker_start(&k, b, t);
	for (uint64_t i = 0; i < 1000; i++) {
		unsigned char byte = byte_at(i);

		assert_int_equal(send(fds[1], &byte, 1, MSG_NOSIGNAL), 1);
		uv_run(b->loop->uv, UV_RUN_NOWAIT);
	}
	close(fds[1]);
	wait_for(b, has_taker_ended, &k);
	assert_int_equal(k.at, 1000);
	assert_int_equal(k.wrong, 0);
	weir_transport_close(t);
}

/* Nothing is delivered between a pause and its resume. */
static void test_pause_holds_what_has_come(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t;
	struct taker k;
	int fds[2];

	unix_pair(fds);
	t = stream_on(b, fds[0], fds[0], false);
	taker_start(&k, b, t);
	for (int i = 1; i <= 20; i++) {
		weir_valve_hold(&k.valve, WEIR_HOLD_USER);
		send_known(fds[1], 1);
		run_for(b, 2 * MS);
		assert_int_equal(k.at, i - 1);
		weir_valve_release(&k.valve, WEIR_HOLD_USER);
		run_for(b, 2 * MS);
		assert_int_equal(k.at, i);
	}
	weir_transport_close(t);
	close(fds[1]);
	assert_int_equal(k.why, WEIR_ECLOSED);
}

/* --- a source that has ended, and a stream that cannot be made ------------------------ */

static void test_source_tells_its_end_to_whoever_comes_later(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t;
	struct taker k;
	int fds[2];

	unix_pair(fds);
	t = stream_on(b, fds[0], fds[0], false);
	shutdown(fds[1], SHUT_WR);
	for (int i = 0; i < 2; i++) {
		taker_start(&k, b, t);
		wait_for(b, has_taker_ended, &k);
		assert_int_equal(k.why, 0);
	}
	weir_transport_close(t);
	close(fds[1]);

	unix_pair(fds);
	t = stream_on(b, fds[0], fds[0], false);
	taker_start(&k, b, t);
	weir_consumer_fail(&k.valve.base, -EIO);
	taker_start(&k, b, t);
	wait_for(b, has_taker_ended, &k);
	assert_int_equal(k.why, -EIO);
	weir_transport_close(t);
	close(fds[1]);
}

static void test_what_cannot_be_polled_is_refused_and_kept(void **state)
{
	char name[] = "/tmp/weir-test-stream-XXXXXX";
	struct bench *b = *state;
	struct weir_transport *t = NULL;
	int file = mkstemp(name);
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	for (int i = 0; i < 2; i++) {
		struct weir__stream_config config = {.in = fds[0], .out = file};

		if (i == 1)
			config = (struct weir__stream_config){.in = file, .out = fds[1]};
		assert_int_equal(weir__stream_create(b->loop, &config, &t), -EPERM);
		assert_null(t);
	}
	weir_test_fail_alloc_after(1);
	assert_int_equal(weir__stream_create(
		b->loop, &(struct weir__stream_config){.in = fds[0], .out = -1}, &t), -ENOMEM);
	weir_test_fail_alloc_after(-1);
	assert_true(fcntl(file, F_GETFD) >= 0);
	assert_true(fcntl(fds[0], F_GETFD) >= 0 && fcntl(fds[1], F_GETFD) >= 0);
	weir_loop_run(b->loop);
	/* They still work. */
	t = stream_on(b, fds[0], fds[1], false);
	weir_transport_close(t);
	close(file);
	unlink(name);
}

/* --- Twisted's history (docs/history.md) --------------------------------------------- */

static void fill_sink(struct weir_transport *t, size_t len)
{
	unsigned char *data = malloc(len);

	assert_non_null(data);
	fill(data, len, 0);
	assert_int_equal(weir_consumer_write(weir_transport_sink(t), data, len), 0);
	free(data);
}

/* #7546, #9236: what was queued for standard output was dropped at the end of the input. */
static void test_output_survives_the_end_of_input(void **state)
{
	struct bench *b = *state;
	struct slow_peer p = {0};
	struct weir_transport *t;
	struct ending e;
	struct taker k;
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	unix_pair(out);
	t = stream_on(b, in[0], out[0], false);
	watch_sink(t, &e);
	taker_start(&k, b, t);
	fill_sink(t, 300000);
	close(in[1]);
	wait_for(b, has_taker_ended, &k);
	assert_int_equal(k.why, 0);
	assert_false(e.ended);
	weir_consumer_finish(weir_transport_sink(t));
	p.late.fd = out[1];
	assert_int_equal(pthread_create(&p.late.thread, NULL, slow_peer_run, &p), 0);
	wait_for(b, has_ended, &e);
	assert_int_equal(e.why, 0);
	wait_for(b, is_peer_done, &p.done);
	pthread_join(p.late.thread, NULL);
	assert_int_equal(p.late.got, 300000);
	assert_int_equal(p.late.wrong, 0);
	weir_transport_close(t);
}

/* Without a ticket: standard output was lost, then closed, and nobody was told any more. */
static void test_close_after_the_reader_has_gone_is_told(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t;
	struct ending e;
	struct taker k;
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	t = stream_on(b, in[0], out[1], false);
	watch_sink(t, &e);
	taker_start(&k, b, t);
	close(out[0]);
	wait_for(b, has_ended, &e);
	assert_int_equal(e.why, -EPIPE);
	assert_false(k.ended);
	weir_transport_close(t);
	assert_int_equal(k.why, WEIR_ECLOSED);
	close(in[1]);
}

/* #2789: the pipe's writer asked again and again, at full speed. */
static void test_full_pipe_that_nobody_reads_costs_no_cpu(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t;
	struct giver g;
	int out[2];

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	t = stream_on(b, -1, out[1], false);
	giver_start(&g, (uint64_t)1 << 30, t);
	run_for(b, 20 * MS);
	assert_true(g.at < 4 << 20);
	assert_true(cpu_while_running_for(b, 100 * MS) < 60 * MS);
	weir_transport_close(t);
	assert_int_equal(g.stopped, WEIR_ECLOSED);
	close(out[0]);
}

static int set_up(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	return warm_up(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_set_up, bench_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_paused_source_gives_all_bytes_before_a_reset),
		TEST(test_unregistered_source_gives_all_bytes_before_a_reset),
		TEST(test_write_that_meets_a_reset_leaves_the_bytes_to_the_source),
		TEST(test_finish_that_meets_a_reset_leaves_the_bytes_to_the_source),
		TEST(test_flowing_source_gives_all_bytes_before_a_reset),
		TEST(test_reset_after_the_peers_end_is_a_clean_end_of_the_source),
		TEST(test_death_of_an_idle_peer_is_noticed),
		TEST(test_end_of_the_peers_writing_is_not_its_death),
		TEST(test_closing_with_unread_bytes_takes_nothing_back),
		TEST(test_lingering_has_an_end),
		TEST(test_destroying_the_loop_waits_for_the_lingering),
		TEST(test_interrupted_calls_lose_nothing),
		TEST(test_short_writes_lose_nothing),
		TEST(test_pipes_carry_both_ways),
		TEST(test_reads_of_one_byte_lose_nothing),
		TEST(test_bytes_that_come_one_by_one_are_all_given),
		TEST(test_pause_holds_what_has_come),
		TEST(test_source_tells_its_end_to_whoever_comes_later),
		TEST(test_what_cannot_be_polled_is_refused_and_kept),
		TEST(test_output_survives_the_end_of_input),
		TEST(test_close_after_the_reader_has_gone_is_told),
		TEST(test_full_pipe_that_nobody_reads_costs_no_cpu),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
