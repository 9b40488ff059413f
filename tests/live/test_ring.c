/* SPDX-License-Identifier: MIT */
/* Sockets of the ring: messages that it receives and sends, and what happens to those that are
 * under way. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>

#include "net_fixture.h"
#include "transport/stream.h"
#include "transport/stream_priv.h"
#include "weir/err.h"
#include "weir/tcp.h"

/* More than a stream needs to see before the ring has its messages. */
#define ENOUGH 16

static int set_up(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	return warm_up(state);
}

static const struct weir_loop_options with_ring = {.engine = WEIR_ENGINE_RING};

/* Whatever the environment says. */
static int set_up_ring(void **state)
{
	struct bench *b;

	bench_set_up(state);
	b = *state;
	weir_loop_destroy(b->loop);
	assert_int_equal(weir_loop_create(&with_ring, &b->loop), 0);
	assert_int_equal(weir_loop_engine(b->loop), WEIR_ENGINE_RING);
	return 0;
}

/* A stream, and the end of its peer. */
static struct weir_transport *stream_pair(struct bench *b, int *peer)
{
	struct weir__stream_config config = {.is_socket = true};
	struct weir_transport *t = NULL;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	config.in = config.out = fds[0];
	assert_int_equal(weir__stream_create(b->loop, &config, &t), 0);
	*peer = fds[1];
	return t;
}

static void say(int fd, uint64_t *at, size_t len)
{
	unsigned char data[8192];

	assert_true(len <= sizeof(data));
	fill(data, len, *at);
	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
	*at += len;
}

static void turn(struct bench *b)
{
	for (int i = 0; i < 3; i++)
		uv_run(b->loop->uv, UV_RUN_NOWAIT);
}

/* So many short ones that the ring receives the next. */
static void talk(struct bench *b, int peer, uint64_t *at)
{
	for (int i = 0; i < ENOUGH; i++) {
		say(peer, at, 100);
		turn(b);
	}
}

struct goal {
	const struct taker *k;
	uint64_t at;
};

static bool has_all(void *arg)
{
	const struct goal *g = arg;

	return g->k->at >= g->at;
}

static bool is_receiving(struct weir_transport *t)
{
	return weir__stream_from_transport(t)->shorts >= ENOUGH / 2; /* which is the measure */
}

/* How many operations the kernel has been asked for. */
static unsigned long operations(void)
{
	char path[64], link[64], line[128];
	unsigned long tail = 0;
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	FILE *info = NULL;

	assert_non_null(dir);
	while (!info && (entry = readdir(dir)) != NULL) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%.16s", entry->d_name);
		n = readlink(path, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = '\0';
		if (!strstr(link, "io_uring"))
			continue;
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%.16s", entry->d_name);
		info = fopen(path, "re");
		assert_non_null(info);
	}
	closedir(dir);
	assert_non_null(info);
	while (fgets(line, sizeof(line), info) && sscanf(line, "SqTail: %lu", &tail) != 1)
		;
	fclose(info);
	assert_true(tail > 0);
	return tail;
}

/* Made, joined, paused and resumed in one turn: that is one operation.  After the peer's end there
 * is one more, for its death. */
static void test_what_is_wanted_is_asked_for_once_a_turn(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t;
	unsigned long before, made, ended;
	struct taker k;
	int peer;

	t = stream_pair(b, &peer);
	turn(b); /* the ring is there, and has been asked */
	weir_transport_close(t);
	close(peer);
	turn(b);
	before = operations();
	t = stream_pair(b, &peer);
	taker_start(&k, b, t);
	weir_valve_hold(&k.valve, WEIR_HOLD_USER);
	weir_valve_release(&k.valve, WEIR_HOLD_USER);
	turn(b);
	made = operations() - before;
	shutdown(peer, SHUT_WR);
	wait_for(b, has_taker_ended, &k);
	turn(b);
	ended = operations() - before;
	weir_transport_close(t);
	close(peer);
	assert_int_equal(made, 1);
	assert_int_equal(ended, 2);
}

/* Nothing has been asked for yet, and nothing is. */
static void test_closing_in_the_turn_of_making(void **state)
{
	struct bench *b = *state;
	size_t objects = b->loop->objects;
	struct weir_transport *t;
	int peer;

	t = stream_pair(b, &peer);
	weir_transport_close(t);
	turn(b);
	assert_int_equal(b->loop->objects, objects);
	close(peer);
}

static void test_messages_go_through_buffers_that_the_budget_knows(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t;
	struct taker k;
	uint64_t at = 0;
	int peer;

	t = stream_pair(b, &peer);
	assert_int_equal(b->loop->provided, 0);
	taker_start(&k, b, t);
	talk(b, peer, &at);
	assert_true(b->loop->provided > 0);
	assert_int_equal(weir_loop_budget(b->loop)->used - b->loop->scratch_size,
			 b->loop->provided + WEIR_FLOW_RESERVE);
	assert_int_equal(k.at, at);
	assert_int_equal(k.wrong, 0);
	close(peer);
	wait_for(b, has_taker_ended, &k);
	assert_int_equal(k.why, 0);
	weir_transport_close(t);
}

/* What has arrived when the producer is paused comes later, in order, and before the end. */
static void test_a_pause_keeps_what_has_arrived(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t;
	struct taker k;
	uint64_t at = 0, before;
	int peer;

	t = stream_pair(b, &peer);
	taker_start(&k, b, t);
	talk(b, peer, &at);
	before = at;
	weir_valve_hold(&k.valve, WEIR_HOLD_USER);
	for (size_t i = 1; i <= 40; i++)
		say(peer, &at, i * 7);
	close(peer);
	run_for(b, 5 * MS);
	assert_int_equal(k.at, before);
	assert_false(k.ended);
	weir_valve_release(&k.valve, WEIR_HOLD_USER);
	wait_for(b, has_taker_ended, &k);
	assert_int_equal(k.at, at);
	assert_int_equal(k.wrong, 0);
	assert_int_equal(k.why, 0);
	weir_transport_close(t);
}

/* Any mix of sizes, pauses and narrow room. */
static void test_no_mix_of_pauses_and_sizes_loses_a_byte(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t;
	struct taker k;
	uint64_t at = 0;
	uint32_t dice = 1;
	int peer;

	t = stream_pair(b, &peer);
	taker_start(&k, b, t);
	assert_int_equal(weir_valve_set_marks(&k.valve, 700, 100, 1000), 0);
	for (int i = 0; i < 3000; i++) {
		dice = dice * 1664525 + 1013904223;
		if (dice >> 28 == 0)
			weir_valve_hold(&k.valve, WEIR_HOLD_USER);
		if (dice >> 29 == 1)
			weir_valve_release(&k.valve, WEIR_HOLD_USER);
		if (at - k.at < 100000)
			say(peer, &at, (dice >> 8) % (i % 500 < 400 ? 300 : 6000) + 1);
		if (dice & 1)
			turn(b);
	}
	weir_valve_release(&k.valve, WEIR_HOLD_USER);
	close(peer);
	wait_for(b, has_taker_ended, &k);
	assert_int_equal(k.at, at);
	assert_int_equal(k.wrong, 0);
	weir_transport_close(t);
}

/* Closing and stopping give the buffers back that were kept: there are fewer than rounds. */
static void test_buffers_of_who_closes_or_stops_come_back(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t;
	struct taker k;
	uint64_t at;
	int peer;

	for (int i = 0; i < 300; i++) {
		t = stream_pair(b, &peer);
		taker_start(&k, b, t);
		at = 0;
		talk(b, peer, &at);
		assert_true(is_receiving(t));
		weir_valve_hold(&k.valve, WEIR_HOLD_USER);
		say(peer, &at, 50);
		say(peer, &at, 50);
		turn(b);
		if (i % 2)
			weir_consumer_fail(&k.valve.base, -EIO);
		turn(b);
		weir_transport_close(t);
		close(peer);
		turn(b);
	}
	at = 0;
	t = stream_pair(b, &peer);
	taker_start(&k, b, t);
	talk(b, peer, &at);
	talk(b, peer, &at);
	assert_true(is_receiving(t)); /* it is told when there is no buffer */
	assert_int_equal(k.at, at);
	weir_transport_close(t);
	close(peer);
}

/* Many who are paused keep buffers, and none is left: the others go on without. */
static void test_without_a_buffer_messages_come_all_the_same(void **state)
{
	enum { MANY = 24 };
	struct bench *b = *state;
	struct weir_transport *t[MANY];
	struct taker k[MANY];
	uint64_t at[MANY] = {0};
	int peer[MANY];

	for (int i = 0; i < MANY; i++) {
		t[i] = stream_pair(b, &peer[i]);
		taker_start(&k[i], b, t[i]);
		talk(b, peer[i], &at[i]);
	}
	for (int i = 0; i < MANY - 1; i++) {
		weir_valve_hold(&k[i].valve, WEIR_HOLD_USER);
		for (int n = 0; n < 40; n++)
			say(peer[i], &at[i], 2048);
		turn(b);
	}
	talk(b, peer[MANY - 1], &at[MANY - 1]);
	assert_int_equal(k[MANY - 1].at, at[MANY - 1]);
	for (int i = 0; i < MANY; i++) {
		struct goal goal = {&k[i], at[i]};

		weir_valve_release(&k[i].valve, WEIR_HOLD_USER);
		wait_for(b, has_all, &goal);
		assert_int_equal(k[i].wrong, 0);
		weir_transport_close(t[i]);
		close(peer[i]);
	}
}

/* ---- sending ---- */

/* Read what there is, and check it. */
static void hear(int fd, uint64_t *at)
{
	unsigned char got[65536];
	ssize_t n;

	while ((n = recv(fd, got, sizeof(got), MSG_DONTWAIT)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(got[i], byte_at(*at + (uint64_t)i));
		*at += (uint64_t)n;
	}
}

static void write_known(struct weir_transport *t, uint64_t *at, size_t len)
{
	unsigned char data[40000];

	assert_true(len <= sizeof(data));
	fill(data, len, *at);
	assert_int_equal(weir_consumer_write(weir_transport_sink(t), data, len), 0);
	*at += len;
}

static void test_short_and_long_writes_stay_in_order(void **state)
{
	struct bench *b = *state;
	struct weir_consumer_state st;
	struct weir_transport *t;
	uint64_t wrote = 0, heard = 0;
	uint32_t dice = 7;
	int peer;

	t = stream_pair(b, &peer);
	for (int i = 0; i < 5000; i++) {
		dice = dice * 1664525 + 1013904223;
		if (weir_consumer_room(weir_transport_sink(t)) > 40000)
			write_known(t, &wrote, (dice >> 8) % (dice >> 28 ? 300 : 40000) + 1);
		if (dice & 4)
			turn(b);
		if (dice & 8)
			hear(peer, &heard);
	}
	while (heard < wrote) {
		turn(b);
		hear(peer, &heard);
	}
	turn(b);
	weir_consumer_state(weir_transport_sink(t), &st);
	assert_int_equal(st.out, wrote);
	assert_int_equal(st.held, 0);
	weir_transport_close(t);
	close(peer);
}

/* The peer is full: what was lent is let go when the ring has let go of it. */
static void test_closing_while_bytes_are_being_sent(void **state)
{
	struct bench *b = *state;

	for (int how = 0; how < 3; how++) {
		struct weir_transport *t;
		uint64_t wrote = 0;
		int peer;

		t = stream_pair(b, &peer);
		for (int i = 0; i < ENOUGH; i++) {
			write_known(t, &wrote, 100);
			turn(b);
		}
		for (int i = 0; i < 20000; i++) {
			if (weir_consumer_room(weir_transport_sink(t)) < 1000)
				break;
			write_known(t, &wrote, 1000);
			turn(b);
		}
		if (how == 0)
			weir_consumer_fail(weir_transport_sink(t), -EIO);
		if (how == 1)
			close(peer);
		weir_transport_close(t);
		if (how != 1)
			close(peer);
	}
}

static void test_a_peer_that_goes_is_told_to_who_sends(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t;
	struct ending e = {0};
	uint64_t wrote = 0;
	int peer;

	t = stream_pair(b, &peer);
	weir_consumer_watch_end(weir_transport_sink(t), &e.watch, on_ending, &e);
	for (int i = 0; i < ENOUGH; i++) {
		write_known(t, &wrote, 100);
		turn(b);
	}
	close(peer);
	write_known(t, &wrote, 100);
	wait_for(b, has_ended, &e);
	assert_true(e.why == -EPIPE || e.why == -ECONNRESET);
	weir_transport_close(t);
}

/* ---- accepting ---- */

static void test_who_is_accepted_after_a_pause_waits(void **state)
{
	struct bench *b = *state;
	struct accepted a = {.pause_at = 1};
	struct sockaddr_in at = {.sin_family = AF_INET};
	int fds[6];

	assert_int_equal(weir_tcp_listen(b->loop, "127.0.0.1", "0", NULL, &a.l), 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	at.sin_port = htons((uint16_t)weir_listener_port(a.l));
	for (int i = 0; i < 6; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(fds[i], (struct sockaddr *)&at, sizeof(at)), 0);
	}
	weir_listener_accept_ahead(a.l);
	weir_listener_start(a.l, on_accept, &a);
	wait_for(b, has_accepted_1, &a);
	run_for(b, 5 * MS);
	assert_int_equal(a.count, 1);
	a.pause_at = 3;
	weir_listener_start(a.l, on_accept, &a);
	wait_for(b, has_accepted_3, &a);
	run_for(b, 5 * MS);
	assert_int_equal(a.count, 3);
	weir_listener_close(a.l);
	close_accepted(&a);
	for (int i = 0; i < 6; i++)
		close(fds[i]);
}

static void test_an_engine_that_does_not_exist_is_refused(void **state)
{
	const struct weir_loop_options poll = {.engine = WEIR_ENGINE_POLL};
	struct weir_loop *loop = NULL;
	char *kept = getenv("WEIR_ENGINE");

	(void)state;
	kept = kept ? strdup(kept) : NULL;
	setenv("WEIR_ENGINE", "pol", 1);
	assert_int_equal(weir_loop_create(NULL, &loop), -EINVAL);
	assert_int_equal(weir_loop_create(&poll, &loop), 0); /* the program has chosen */
	assert_int_equal(weir_loop_engine(loop), WEIR_ENGINE_POLL);
	weir_loop_destroy(loop);
	unsetenv("WEIR_ENGINE");
	if (kept)
		setenv("WEIR_ENGINE", kept, 1);
	free(kept);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up_ring, bench_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_wanted_is_asked_for_once_a_turn),
		TEST(test_closing_in_the_turn_of_making),
		TEST(test_messages_go_through_buffers_that_the_budget_knows),
		TEST(test_a_pause_keeps_what_has_arrived),
		TEST(test_no_mix_of_pauses_and_sizes_loses_a_byte),
		TEST(test_buffers_of_who_closes_or_stops_come_back),
		TEST(test_without_a_buffer_messages_come_all_the_same),
		TEST(test_short_and_long_writes_stay_in_order),
		TEST(test_closing_while_bytes_are_being_sent),
		TEST(test_a_peer_that_goes_is_told_to_who_sends),
		TEST(test_who_is_accepted_after_a_pause_waits),
		cmocka_unit_test(test_an_engine_that_does_not_exist_is_refused),
	};

	struct weir_loop *loop;
	int rc = weir_loop_create(&with_ring, &loop);

	if (rc < 0) {
		printf("there is no ring here: %s\n", weir_err_text(rc));
		return 77;
	}
	weir_loop_destroy(loop);
	return cmocka_run_group_tests(tests, set_up, NULL);
}
