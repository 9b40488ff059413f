/* SPDX-License-Identifier: MIT */
/* TCP over loopback: opening, listening, and how streams of bytes end. */
#include "net_fixture.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include <linux/sockios.h>

#include "fail_alloc.h"
#include "resolver.h"
#include "transport/net.h"
#include "weir/tcp.h"

/* --- addresses -------------------------------------------------------------- */

static struct sockaddr_in loopback4(int port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static int port_of(int fd)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	return ntohs(sa.sin_port);
}

static bool has_ipv6(void)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* A plain listening socket on a port that the system chooses. */
static int listen_raw(int backlog)
{
	struct sockaddr_in sa = loopback4(0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static int connect_raw(int port)
{
	struct sockaddr_in sa = loopback4(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* A port that refuses: bound, so that nobody else gets it, but not listened on. */
static int refusing(int *fd)
{
	struct sockaddr_in sa = loopback4(0);

	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(*fd >= 0);
	assert_int_equal(bind(*fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return port_of(*fd);
}

/* A port that never answers: its backlog of one is full, and the system drops what
 * else comes. */
struct black_hole {
	int listening, filling;
	int port;
};

static void dig(struct black_hole *h)
{
	h->listening = listen_raw(0);
	h->port = port_of(h->listening);
	h->filling = connect_raw(h->port);
}

static void fill_in(struct black_hole *h)
{
	close(h->filling);
	close(h->listening);
}

static void resolve_to(const int *ports, size_t count)
{
	resolver.count = count;
	for (size_t i = 0; i < count; i++) {
		struct sockaddr_in sa = loopback4(ports[i]);

		memcpy(&resolver.list[i], &sa, sizeof(sa));
		resolver.len[i] = sizeof(sa);
	}
}

static const char *port_text(int port)
{
	static char text[16];

	snprintf(text, sizeof(text), "%d", port);
	return text;
}

/* --- pairs ------------------------------------------------------------------ */

static struct weir_listener *listen_on(struct bench *b, const char *host)
{
	struct weir_listener *l;

	assert_int_equal(weir_tcp_listen(b->loop, host, "0", NULL, &l), 0);
	assert_true(weir_listener_port(l) > 0);
	return l;
}

/* Connect a transport to a listener of ours; both ends are the caller's. */
static void make_pair(struct bench *b, const char *host, struct weir_transport **client,
                      struct weir_transport **server)
{
	struct accepted a = {.l = listen_on(b, host)};
	struct opened o = {0};

	weir_listener_start(a.l, on_accept, &a);
	assert_int_equal(weir_tcp_connect(b->loop, host, port_text(weir_listener_port(a.l)), NULL,
	                                  on_open, &o, NULL),
	                 0);
	assert_int_equal(o.calls, 0);
	wait_for(b, is_opened, &o);
	wait_for(b, has_accepted_1, &a);
	assert_int_equal(o.rc, 0);
	*client = o.t;
	*server = a.t[0];
	weir_listener_close(a.l);
}

/* Connect a transport to a plain socket. */
static struct weir_transport *make_raw_pair(struct bench *b, int *peer)
{
	int listening = listen_raw(1);
	struct opened o = {0};

	assert_int_equal(weir_tcp_connect(b->loop, "127.0.0.1", port_text(port_of(listening)), NULL,
	                                  on_open, &o, NULL),
	                 0);
	wait_for(b, is_opened, &o);
	assert_int_equal(o.rc, 0);
	*peer = accept(listening, NULL, NULL);
	assert_true(*peer >= 0);
	close(listening);
	return o.t;
}

/* Connect by name; returns how long that took, in ns. */
static uint64_t open_fake(struct bench *b, struct opened *o, const struct weir_tcp_options *options)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC);

	*o = (struct opened){0};
	assert_int_equal(weir_tcp_connect(b->loop, FAKE_HOST, "80", options, on_open, o, NULL), 0);
	assert_int_equal(o->calls, 0);
	wait_for(b, is_opened, o);
	return clock_ns(CLOCK_MONOTONIC) - start;
}

/* --- bytes ------------------------------------------------------------------ */

static void test_echo_returns_every_byte_in_order(void **state)
{
	struct weir_transport *client, *server;

	make_pair(*state, "127.0.0.1", &client, &server);
	echo_between(*state, client, server, 8 << 20);
}

static void test_echo_over_ipv6(void **state)
{
	struct weir_transport *client, *server;
	const char *name;

	if (!has_ipv6())
		skip();
	make_pair(*state, "::1", &client, &server);
	name = weir_transport_name(client);
	assert_int_equal(strncmp(name, "tcp [::1]:", 10), 0);
	echo_between(*state, client, server, 1 << 20);
}

static void test_empty_stream_is_echoed_as_an_end(void **state)
{
	struct weir_transport *client, *server;

	make_pair(*state, "127.0.0.1", &client, &server);
	echo_between(*state, client, server, 0);
}

struct early {
	struct taker k;
	struct bench *b;
	struct opened o;
};

static void pause_as_it_opens(void *arg, int rc, struct weir_transport *t)
{
	struct early *early = arg;

	on_open(&early->o, rc, t);
	taker_start(&early->k, early->b, t);
	weir_valve_hold(&early->k.valve, WEIR_HOLD_USER);
}

/* Twisted's #1780: a pause in connectionMade was ignored. */
static void test_pause_as_it_connects_is_kept(void **state)
{
	struct early early = {.b = *state};
	int listening = listen_raw(1);
	unsigned char bytes[5];
	int peer;

	assert_int_equal(weir_tcp_connect(early.b->loop, "127.0.0.1", port_text(port_of(listening)),
					  NULL, pause_as_it_opens, &early, NULL), 0);
	wait_for(early.b, is_opened, &early.o);
	assert_int_equal(early.o.rc, 0);
	peer = accept(listening, NULL, NULL);
	close(listening);
	fill(bytes, 5, 0);
	assert_int_equal(send(peer, bytes, 5, 0), 5);
	run_for(early.b, 20 * MS);
	assert_int_equal(early.k.at, 0);
	weir_valve_release(&early.k.valve, WEIR_HOLD_USER);
	close(peer);
	wait_for(early.b, has_taker_ended, &early.k);
	assert_int_equal(early.k.at, 5);
	assert_int_equal(early.k.wrong, 0);
	weir_transport_close(early.o.t);
}

static void test_peer_sends_after_our_end(void **state)
{
	struct bench *b = *state;
	struct late_peer p = {.size = 3 << 20};
	struct weir_transport *t = make_raw_pair(b, &p.fd);
	struct giver g;
	struct taker k;

	assert_true(weir_transport_half_closes(t));
	assert_int_equal(pthread_create(&p.thread, NULL, late_peer_run, &p), 0);
	taker_start(&k, b, t);
	giver_start(&g, 1 << 20, t);
	wait_for(b, has_taker_ended, &k);
	pthread_join(p.thread, NULL);
	assert_int_equal(p.error, 0);
	assert_int_equal(p.wrong, 0);
	assert_int_equal(p.got, 1 << 20);
	assert_int_equal(k.why, 0);
	assert_int_equal(k.wrong, 0);
	assert_int_equal(k.at, p.size);
	weir_transport_close(t);
}

/* Wait until the peer of `fd` has all that was sent. */
static void wait_until_sent(int fd)
{
	uint64_t until = clock_ns(CLOCK_MONOTONIC) + PATIENCE;
	const struct timespec pause = {.tv_nsec = 1000000};
	int left;

	do {
		assert_int_equal(ioctl(fd, SIOCOUTQ, &left), 0);
		assert_true(clock_ns(CLOCK_MONOTONIC) < until);
		nanosleep(&pause, NULL);
	} while (left > 0);
}

static void reset(int fd)
{
	const struct linger hard = {.l_onoff = 1, .l_linger = 0};

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
	close(fd);
}

static void test_bytes_before_a_reset_are_delivered_then_the_reset(void **state)
{
	struct bench *b = *state;
	unsigned char data[20000];
	int peer;
	struct weir_transport *t = make_raw_pair(b, &peer);
	struct taker k;

	fill(data, sizeof(data), 0);
	assert_int_equal(send(peer, data, sizeof(data), MSG_NOSIGNAL), sizeof(data));
	wait_until_sent(peer);
	reset(peer);
	taker_start(&k, b, t);
	wait_for(b, has_taker_ended, &k);
	assert_int_equal(k.why, -ECONNRESET);
	assert_int_equal(k.at, sizeof(data));
	assert_int_equal(k.wrong, 0);
	weir_transport_close(t);
}

static void test_failed_sink_resets_the_peer(void **state)
{
	struct bench *b = *state;
	int peer;
	struct weir_transport *t = make_raw_pair(b, &peer);
	struct ending e = {0};
	ssize_t n;
	char byte;

	weir_consumer_watch_end(weir_transport_sink(t), &e.watch, on_ending, &e);
	weir_consumer_fail(weir_transport_sink(t), WEIR_ETRUNCATED);
	wait_for(b, has_ended, &e);
	assert_int_equal(e.why, WEIR_ETRUNCATED);
	run_for(b, 1 * MS);
	n = recv(peer, &byte, 1, 0);
	assert_int_equal(n, -1);
	assert_int_equal(errno, ECONNRESET);
	close(peer);
	weir_transport_close(t);
}

/* --- opening ---------------------------------------------------------------- */

static void test_connection_has_the_address_for_a_name(void **state)
{
	struct weir_transport *client, *server;
	char name[64];
	int port;

	make_pair(*state, "127.0.0.1", &client, &server);
	assert_int_equal(sscanf(weir_transport_name(client), "tcp 127.0.0.1:%d", &port), 1);
	snprintf(name, sizeof(name), "tcp 127.0.0.1:%d", port);
	assert_string_equal(weir_transport_name(client), name);
	assert_int_equal(strncmp(weir_transport_name(server), "tcp 127.0.0.1:", 14), 0);
	assert_string_not_equal(weir_transport_name(server), name);
	weir_transport_close(client);
	weir_transport_close(server);
}

static void test_refusal_is_told_once_and_later(void **state)
{
	struct bench *b = *state;
	struct opened o = {0};
	int fd;
	int port = refusing(&fd);

	assert_int_equal(
		weir_tcp_connect(b->loop, "127.0.0.1", port_text(port), NULL, on_open, &o, NULL),
		0);
	assert_int_equal(o.calls, 0);
	wait_for(b, is_opened, &o);
	run_for(b, 5 * MS);
	assert_int_equal(o.calls, 1);
	assert_int_equal(o.rc, -ECONNREFUSED);
	close(fd);
}

static void test_unknown_name_is_a_resolve_error(void **state)
{
	struct bench *b = *state;
	struct opened o = {0};

	assert_int_equal(weir_tcp_connect(b->loop, "name.invalid", "80", NULL, on_open, &o, NULL),
	                 0);
	assert_int_equal(o.calls, 0);
	wait_for(b, is_opened, &o);
	assert_int_equal(o.rc, WEIR_ERESOLVE);
	resolver.count = 0;
	open_fake(b, &o, NULL);
	assert_int_equal(o.rc, WEIR_ERESOLVE);
}

static void test_bad_arguments_are_refused_at_once(void **state)
{
	struct bench *b = *state;
	const struct weir_tcp_options long_idle = {.keepalive_s = 40000};
	static const char *const ports[] = {"", "65536", "99999999999", "-1", " 80", "+80"};
	struct weir_opening *o = NULL;
	struct weir_listener *l = NULL;
	char host[300];

	for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++) {
		assert_int_equal(
			weir_tcp_connect(b->loop, "127.0.0.1", ports[i], NULL, on_open, NULL, &o),
			-EINVAL);
		assert_int_equal(weir_tcp_listen(b->loop, "127.0.0.1", ports[i], NULL, &l),
		                 -EINVAL);
	}
	assert_int_equal(weir_tcp_connect(b->loop, "", "80", NULL, on_open, NULL, &o), -EINVAL);
	assert_int_equal(
		weir_tcp_connect(b->loop, "127.0.0.1", "80", &long_idle, on_open, NULL, &o),
		-EINVAL);
	assert_int_equal(weir_tcp_listen(b->loop, "127.0.0.1", "0", &long_idle, &l), -EINVAL);
	assert_int_equal(weir_tcp_listen(b->loop, "name.invalid", "0", NULL, &l), WEIR_ERESOLVE);
	assert_int_equal(weir_tcp_listen(b->loop, "127.0.0.1", "no-such-service", NULL, &l),
	                 WEIR_ERESOLVE);
	memset(host, 'a', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	assert_int_equal(weir_tcp_connect(b->loop, host, "80", NULL, on_open, NULL, &o),
	                 WEIR_ERESOLVE);
	assert_null(o);
	assert_null(l);
}

/* Connect by name to the last of `ports`, and see that this took no less than
 * `least`, and less than `most` at least once: a busy machine may need several tries. */
static void check_opening_time(struct bench *b, const int *ports, size_t count, uint64_t least,
                               uint64_t most)
{
	struct opened o;
	char name[64];
	uint64_t took = most;

	resolve_to(ports, count);
	snprintf(name, sizeof(name), "tcp 127.0.0.1:%d", ports[count - 1]);
	for (int i = 0; i < 8 && took >= most; i++) {
		took = open_fake(b, &o, NULL);
		assert_int_equal(o.rc, 0);
		assert_string_equal(weir_transport_name(o.t), name);
		assert_true(took >= least);
		weir_transport_close(o.t);
	}
	assert_true(took < most);
}

static void test_dead_addresses_are_left_at_once(void **state)
{
	int live = listen_raw(16), fds[3], ports[4];

	for (int i = 0; i < 3; i++)
		ports[i] = refusing(&fds[i]);
	ports[3] = port_of(live);
	check_opening_time(*state, ports, 4, 0, WEIR__STAGGER_NS);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	close(live);
}

static void test_silent_address_delays_by_one_stagger(void **state)
{
	struct black_hole h;
	int live = listen_raw(16);

	dig(&h);
	check_opening_time(*state, (const int[]){h.port, port_of(live)}, 2,
	                   WEIR__STAGGER_NS - 2 * MS, WEIR__STAGGER_NS + 150 * MS);
	close(live);
	fill_in(&h);
}

static void test_refusal_after_a_silent_address_starts_the_next_at_once(void **state)
{
	struct black_hole h;
	int live = listen_raw(16), fd;

	dig(&h);
	check_opening_time(*state, (const int[]){h.port, refusing(&fd), port_of(live)}, 3,
	                   WEIR__STAGGER_NS - 2 * MS, 2 * WEIR__STAGGER_NS - 10 * MS);
	close(fd);
	close(live);
	fill_in(&h);
}

static void test_other_family_is_tried_second(void **state)
{
	struct bench *b = *state;
	struct accepted a = {0};
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct black_hole h;
	struct opened o;
	uint64_t took = PATIENCE;

	if (!has_ipv6())
		skip();
	a.l = listen_on(b, "::1");
	weir_listener_start(a.l, on_accept, &a);
	dig(&h);
	resolve_to((const int[]){h.port, h.port, h.port}, 3);
	sa.sin6_port = htons((uint16_t)weir_listener_port(a.l));
	memcpy(&resolver.list[2], &sa, sizeof(sa));
	resolver.len[2] = sizeof(sa);
	for (int i = 0; i < 8 && took >= 2 * WEIR__STAGGER_NS - 10 * MS; i++) {
		took = open_fake(b, &o, NULL);
		assert_int_equal(o.rc, 0);
		weir_transport_close(o.t);
	}
	assert_true(took < 2 * WEIR__STAGGER_NS - 10 * MS);
	close_accepted(&a);
	weir_listener_close(a.l);
	fill_in(&h);
}

static bool is_room_made(void *arg)
{
	struct black_hole *h = arg;
	int fd = accept4(h->listening, NULL, NULL, SOCK_NONBLOCK);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void test_late_answer_of_an_early_address_still_wins(void **state)
{
	struct bench *b = *state;
	struct black_hole h, other;
	struct opened o = {0};
	char name[64];

	dig(&h);
	dig(&other);
	resolve_to((const int[]){h.port, other.port}, 2);
	assert_int_equal(weir_tcp_connect(b->loop, FAKE_HOST, "80", NULL, on_open, &o, NULL), 0);
	run_for(b, WEIR__STAGGER_NS + 50 * MS);
	assert_int_equal(o.calls, 0);
	/* Its next SYN, within seconds, finds room. */
	wait_for(b, is_room_made, &h);
	wait_for(b, is_opened, &o);
	assert_int_equal(o.rc, 0);
	snprintf(name, sizeof(name), "tcp 127.0.0.1:%d", h.port);
	assert_string_equal(weir_transport_name(o.t), name);
	weir_transport_close(o.t);
	fill_in(&other);
	fill_in(&h);
}

static void test_last_failure_is_the_one_told(void **state)
{
	struct bench *b = *state;
	struct opened o;
	int fds[2];

	resolve_to((const int[]){refusing(&fds[0]), refusing(&fds[1])}, 2);
	/* A family that no system connects to. */
	resolver.list[0].ss_family = AF_UNSPEC;
	resolver.len[0] = 0;
	open_fake(b, &o, NULL);
	assert_int_equal(o.calls, 1);
	assert_int_equal(o.rc, -ECONNREFUSED);
	close(fds[0]);
	close(fds[1]);
}

static void test_socket_connected_to_itself_is_refused(void **state)
{
	struct bench *b = *state;
	struct opened o = {0};
	int fd;
	int port = refusing(&fd);

	close(fd);
	connect_to_itself = true;
	assert_int_equal(
		weir_tcp_connect(b->loop, "127.0.0.1", port_text(port), NULL, on_open, &o, NULL),
		0);
	wait_for(b, is_opened, &o);
	connect_to_itself = false;
	assert_int_equal(o.rc, -ECONNREFUSED);
}

static void test_connecting_gives_up_in_time(void **state)
{
	struct bench *b = *state;
	const struct weir_tcp_options options = {.connect_ns = 60 * MS};
	struct black_hole h;
	struct opened o;
	uint64_t took;

	dig(&h);
	resolve_to(&h.port, 1);
	took = open_fake(b, &o, &options);
	assert_int_equal(o.rc, -ETIMEDOUT);
	assert_true(took >= 58 * MS && took < WEIR_NS_PER_S);
	run_for(b, 5 * MS);
	assert_int_equal(o.calls, 1);
	fill_in(&h);
}

static void test_resolving_gives_up_in_time(void **state)
{
	struct bench *b = *state;
	const struct weir_tcp_options options = {.connect_ns = 60 * MS};
	struct opened o;
	uint64_t took;

	resolver.blocks = true;
	took = open_fake(b, &o, &options);
	assert_int_equal(o.rc, -ETIMEDOUT);
	assert_true(took >= 58 * MS);
	sem_post(&resolver.go);
	run_for(b, 5 * MS);
	assert_int_equal(o.calls, 1);
}

static void test_addresses_alternate_between_families(void **state)
{
	static const char before[] = "666644", after[] = "646466";
	struct weir__address list[6] = {0};

	(void)state;
	for (int i = 0; i < 6; i++) {
		list[i].sa.ss_family = before[i] == '6' ? AF_INET6 : AF_INET;
		list[i].len = (socklen_t)i;
	}
	weir__address_interleave(list, 6);
	for (int i = 0; i < 6; i++)
		assert_int_equal(list[i].sa.ss_family, after[i] == '6' ? AF_INET6 : AF_INET);
	/* Within a family the order stays. */
	assert_int_equal(list[1].len, 4);
	assert_int_equal(list[3].len, 5);
	assert_int_equal(list[4].len, 2);
	assert_int_equal(list[5].len, 3);
	/* One family only, or one address, is left as it is. */
	weir__address_interleave(list + 4, 2);
	weir__address_interleave(list, 1);
	assert_int_equal(list[4].len, 2);
	assert_int_equal(list[5].len, 3);
}

static void test_attempts_take_addresses_from_the_caller(void **state)
{
	struct bench *b = *state;
	struct weir__address list[2];
	struct opened o = {0};
	int live = listen_raw(1), fd;
	struct sockaddr_in dead = loopback4(refusing(&fd)), good = loopback4(port_of(live));

	weir__address_set(&list[0], (struct sockaddr *)&dead, sizeof(dead));
	weir__address_set(&list[1], (struct sockaddr *)&good, sizeof(good));
	assert_int_equal(weir__connect_addresses(b->loop, list, 2, NULL, on_open, &o, NULL), 0);
	assert_int_equal(o.calls, 0);
	memset(list, 0, sizeof(list));
	wait_for(b, is_opened, &o);
	assert_int_equal(o.rc, 0);
	weir_transport_close(o.t);
	close(fd);
	close(live);
}

/* --- cancelling ------------------------------------------------------------- */

static void test_cancel_before_the_first_turn(void **state)
{
	struct bench *b = *state;
	struct weir_opening *opening;
	struct opened o = {0};
	int live = listen_raw(1);

	assert_int_equal(weir_tcp_connect(b->loop, "127.0.0.1", port_text(port_of(live)), NULL,
	                                  on_open, &o, &opening),
	                 0);
	weir_opening_cancel(opening);
	run_for(b, 5 * MS);
	assert_int_equal(o.calls, 0);
	close(live);
}

static bool has_resolver_entered(void *arg)
{
	(void)arg;
	return atomic_load(&resolver.entered) > 0;
}

static void test_cancel_while_a_worker_resolves(void **state)
{
	struct bench *b = *state;
	struct weir_opening *opening;
	struct opened o = {0};
	int live = listen_raw(1), port = port_of(live);

	resolve_to(&port, 1);
	resolver.blocks = true;
	assert_int_equal(weir_tcp_connect(b->loop, FAKE_HOST, "80", NULL, on_open, &o, &opening),
	                 0);
	wait_for(b, has_resolver_entered, NULL);
	weir_opening_cancel(opening);
	run_for(b, 5 * MS);
	sem_post(&resolver.go);
	weir_loop_run(b->loop); /* until the worker is done */
	assert_int_equal(o.calls, 0);
	close(live);
}

/* More than libuv has workers, so that some are still in its queue. */
#define CROWD 16

static void test_cancel_before_a_worker_resolves(void **state)
{
	struct bench *b = *state;
	struct weir_opening *openings[CROWD];
	struct opened o = {0};

	resolver.count = 0;
	resolver.blocks = true;
	for (int i = 0; i < CROWD; i++)
		assert_int_equal(
			weir_tcp_connect(b->loop, FAKE_HOST, "80", NULL, on_open, &o, &openings[i]),
			0);
	wait_for(b, has_resolver_entered, NULL);
	for (int i = 0; i < CROWD; i++)
		weir_opening_cancel(openings[i]);
	for (int i = 0; i < CROWD; i++)
		sem_post(&resolver.go);
	weir_loop_run(b->loop);
	assert_int_equal(o.calls, 0);
	assert_true(atomic_load(&resolver.entered) < CROWD);
}

static void test_cancel_while_connecting(void **state)
{
	struct bench *b = *state;
	struct weir_opening *opening;
	struct black_hole h[2];
	struct opened o = {0};

	dig(&h[0]);
	dig(&h[1]);
	resolve_to((const int[]){h[0].port, h[1].port, h[0].port}, 3);
	assert_int_equal(weir_tcp_connect(b->loop, FAKE_HOST, "80", NULL, on_open, &o, &opening),
	                 0);
	/* Two attempts are under way then, and the third is waited for. */
	run_for(b, WEIR__STAGGER_NS + 50 * MS);
	weir_opening_cancel(opening);
	run_for(b, 5 * MS);
	assert_int_equal(o.calls, 0);
	weir_opening_cancel(NULL);
	fill_in(&h[0]);
	fill_in(&h[1]);
}

/* --- listening -------------------------------------------------------------- */

static void test_listener_knows_its_address(void **state)
{
	struct bench *b = *state;
	struct weir_listener *l = listen_on(b, "127.0.0.1"), *other = NULL;
	char text[64];

	snprintf(text, sizeof(text), "127.0.0.1:%d", weir_listener_port(l));
	assert_string_equal(weir_listener_address(l), text);
	assert_int_equal(weir_tcp_listen(b->loop, "127.0.0.1", port_text(weir_listener_port(l)),
	                                 NULL, &other),
	                 -EADDRINUSE);
	assert_null(other);
	weir_listener_close(l);
	weir_listener_close(NULL);
}

/* Of two listeners, what comes to either. */
static bool have_accepted_24(void *arg)
{
	const struct accepted *a = arg;

	return a[0].count + a[1].count >= 24;
}

static void test_listeners_share_an_address(void **state)
{
	const struct weir_tcp_options options = {.reuse_port = true};
	static const char *const hosts[] = {"127.0.0.1", "*"};
	struct bench *b = *state;
	struct weir_listener *other = NULL;
	int peers[24];

	for (int i = 0; i < 2; i++) {
		struct accepted a[2] = {{0}};
		const char *port;

		assert_int_equal(weir_tcp_listen(b->loop, hosts[i], "0", &options, &a[0].l), 0);
		assert_int_equal(weir_listener_share(b->loop, a[0].l, &a[1].l), 0);
		assert_string_equal(weir_listener_address(a[1].l), weir_listener_address(a[0].l));
		/* It is ours, all the same: also for one who would share it. */
		port = port_text(weir_listener_port(a[0].l));
		assert_int_equal(weir_tcp_listen(b->loop, hosts[i], port, NULL, &other),
		                 -EADDRINUSE);
		assert_int_equal(weir_tcp_listen(b->loop, hosts[i], port, &options, &other),
		                 -EADDRINUSE);
		for (int k = 0; k < 2; k++)
			weir_listener_start(a[k].l, on_accept, &a[k]);
		for (int k = 0; k < 24; k++)
			peers[k] = connect_raw(weir_listener_port(a[0].l));
		wait_for(b, have_accepted_24, a);
		/* By chance; that all come to one is once in eight million. */
		assert_true(a[0].count > 0 && a[1].count > 0);
		for (int k = 0; k < 24; k++)
			close(peers[k]);
		for (int k = 0; k < 2; k++) {
			close_accepted(&a[k]);
			weir_listener_close(a[k].l);
		}
	}
}

static void test_a_listener_that_is_not_to_be_shared_is_not(void **state)
{
	struct bench *b = *state;
	struct weir_listener *l = listen_on(b, "127.0.0.1"), *other = NULL;

	assert_int_equal(weir_listener_share(b->loop, l, &other), WEIR_ENOTSUP);
	assert_null(other);
	weir_listener_close(l);
}

static void test_any_address_takes_both_families(void **state)
{
	struct bench *b = *state;
	static const char *const hosts[] = {"", "*"};
	struct opened o4, o6;

	for (int i = 0; i < 2; i++) {
		struct accepted a = {.l = listen_on(b, hosts[i])};
		const char *port = port_text(weir_listener_port(a.l));

		weir_listener_start(a.l, on_accept, &a);
		o4 = o6 = (struct opened){0};
		assert_int_equal(
			weir_tcp_connect(b->loop, "127.0.0.1", port, NULL, on_open, &o4, NULL), 0);
		wait_for(b, is_opened, &o4);
		wait_for(b, has_accepted_1, &a);
		assert_int_equal(o4.rc, 0);
		assert_int_equal(strncmp(weir_transport_name(a.t[0]), "tcp 127.0.0.1:", 14), 0);
		weir_transport_close(o4.t);
		close_accepted(&a);
		if (has_ipv6()) {
			assert_int_equal(
				weir_tcp_connect(b->loop, "::1", port, NULL, on_open, &o6, NULL),
				0);
			wait_for(b, is_opened, &o6);
			wait_for(b, has_accepted_1, &a);
			assert_int_equal(o6.rc, 0);
			assert_int_equal(strncmp(weir_transport_name(a.t[0]), "tcp [::1]:", 10), 0);
			weir_transport_close(o6.t);
			close_accepted(&a);
		}
		weir_listener_close(a.l);
	}
}

static void test_paused_listener_leaves_peers_in_the_backlog(void **state)
{
	struct bench *b = *state;
	struct accepted a = {.l = listen_on(b, "127.0.0.1"), .pause_at = 1};
	int peers[3];

	for (int i = 0; i < 3; i++)
		peers[i] = connect_raw(weir_listener_port(a.l));
	run_for(b, 20 * MS);
	assert_int_equal(a.count, 0); /* not started */
	weir_listener_start(a.l, on_accept, &a);
	wait_for(b, has_accepted_1, &a);
	run_for(b, 20 * MS);
	assert_int_equal(a.count, 1);
	weir_listener_start(a.l, on_accept, &a);
	wait_for(b, has_accepted_3, &a);
	weir_listener_pause(a.l);
	weir_listener_pause(a.l);
	close_accepted(&a);
	weir_loop_run(b->loop); /* a paused listener does not keep it running */
	weir_listener_close(a.l);
	for (int i = 0; i < 3; i++)
		close(peers[i]);
}

static void test_listener_closes_inside_its_callback(void **state)
{
	struct bench *b = *state;
	struct accepted a = {.l = listen_on(b, "127.0.0.1"), .close_at = 2};
	int peers[4];

	for (int i = 0; i < 4; i++)
		peers[i] = connect_raw(weir_listener_port(a.l));
	weir_listener_start(a.l, on_accept, &a);
	run_for(b, 20 * MS);
	assert_int_equal(a.count, 2);
	assert_null(a.l);
	close_accepted(&a);
	for (int i = 0; i < 4; i++)
		close(peers[i]);
}

static bool has_accepted_100(void *arg)
{
	return ((struct accepted *)arg)->count >= 100;
}

static void test_more_peers_than_a_batch_all_come(void **state)
{
	struct bench *b = *state;
	struct accepted a = {.l = listen_on(b, "127.0.0.1")};
	int peers[100];

	for (int i = 0; i < 100; i++)
		peers[i] = connect_raw(weir_listener_port(a.l));
	weir_listener_start(a.l, on_accept, &a);
	wait_for(b, has_accepted_100, &a);
	run_for(b, 5 * MS);
	assert_int_equal(a.count, 100);
	close_accepted(&a);
	weir_listener_close(a.l);
	for (int i = 0; i < 100; i++)
		close(peers[i]);
}

static void test_errors_about_a_peer_are_no_rest(void **state)
{
	static const int about_peer[] = {
		ECONNABORTED, EINTR,       EPROTO,    EPERM,        ENOPROTOOPT, EOPNOTSUPP,
		ENETDOWN,     ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ENONET,      ETIMEDOUT,
	};
	struct bench *b = *state;
	struct accepted a = {.l = listen_on(b, "127.0.0.1")};

	weir_listener_start(a.l, on_accept, &a);
	for (size_t i = 0; i < sizeof(about_peer) / sizeof(*about_peer); i++) {
		const int e = about_peer[i], errors[] = {e, e, e, e, e, e, e, e, 0};
		uint64_t start = clock_ns(CLOCK_MONOTONIC);
		int peer = connect_raw(weir_listener_port(a.l));

		accepting.errors = errors;
		wait_for(b, has_accepted_1, &a);
		assert_int_equal(*accepting.errors, 0);
		accepting.errors = NULL;
		/* Rests would take eight times as long. */
		assert_true(clock_ns(CLOCK_MONOTONIC) - start < 7 * WEIR_ACCEPT_REST_MS * MS);
		close_accepted(&a);
		close(peer);
	}
	weir_listener_close(a.l);
}

static void test_errors_without_end_are_no_spin(void **state)
{
	static int errors[20000];
	struct bench *b = *state;
	struct accepted a = {.l = listen_on(b, "127.0.0.1")};
	int peer = connect_raw(weir_listener_port(a.l));

	for (int i = 0; i < 19999; i++)
		errors[i] = ENETDOWN;
	accepting.errors = errors;
	weir_listener_start(a.l, on_accept, &a);
	run_for(b, 200 * MS);
	assert_in_range(accepting.calls, 2 * WEIR__ACCEPT_BATCH, 6 * WEIR__ACCEPT_BATCH);
	accepting.errors = NULL;
	wait_for(b, has_accepted_1, &a);
	close_accepted(&a);
	weir_listener_close(a.l);
	close(peer);
}

static void test_lack_of_memory_is_a_rest(void **state)
{
	static const int errors[] = {ENOBUFS, ENOMEM, ENFILE, 0};
	struct bench *b = *state;
	struct accepted a = {.l = listen_on(b, "127.0.0.1")};
	int peer = connect_raw(weir_listener_port(a.l));
	uint64_t start = clock_ns(CLOCK_MONOTONIC);

	accepting.errors = errors;
	weir_listener_start(a.l, on_accept, &a);
	wait_for(b, has_accepted_1, &a);
	assert_true(clock_ns(CLOCK_MONOTONIC) - start >= 3 * (WEIR_ACCEPT_REST_MS - 2) * MS);
	close_accepted(&a);
	weir_listener_close(a.l);
	close(peer);
}

static void test_listener_without_descriptors_rests_and_then_serves(void **state)
{
	struct bench *b = *state;
	struct accepted a = {.l = listen_on(b, "127.0.0.1")};
	int peer = connect_raw(weir_listener_port(a.l));
	int top = dup(peer);
	struct rlimit old, none;
	uint64_t cpu;

	/* Every descriptor below the limit is taken, and dup() takes the lowest. */
	assert_true(top >= 0);
	close(top);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = (rlim_t)top;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	accepting.calls = 0;
	weir_listener_start(a.l, on_accept, &a);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	run_for(b, 500 * MS);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(a.count, 0);
	assert_in_range(accepting.calls, 3, 500 / WEIR_ACCEPT_REST_MS + 1);
	assert_true(cpu < 250 * MS);
	wait_for(b, has_accepted_1, &a);
	close_accepted(&a);
	weir_listener_close(a.l);
	close(peer);
}

static void test_resting_listener_can_be_paused_and_closed(void **state)
{
	static const int errors[] = {EMFILE, EMFILE, EMFILE, 0};
	struct bench *b = *state;
	struct accepted a = {.l = listen_on(b, "127.0.0.1")};
	int peer = connect_raw(weir_listener_port(a.l));

	accepting.errors = errors;
	weir_listener_start(a.l, on_accept, &a);
	run_for(b, 10 * MS);
	assert_ptr_equal(accepting.errors, errors + 1);
	weir_listener_pause(a.l);
	run_for(b, 80 * MS);
	assert_ptr_equal(accepting.errors, errors + 1);
	weir_listener_start(a.l, on_accept, &a);
	run_for(b, 10 * MS);
	assert_ptr_equal(accepting.errors, errors + 2);
	weir_listener_close(a.l);
	run_for(b, 80 * MS);
	assert_ptr_equal(accepting.errors, errors + 2);
	assert_int_equal(a.count, 0);
	close(peer);
}

/* --- options, memory -------------------------------------------------------- */

static int option_of(int fd, int level, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, level, option, &value, &len), 0);
	return value;
}

/* Count the connected TCP sockets of this process that have these options. */
static int count_with(int nodelay, int keepalive, int idle)
{
	struct sockaddr_storage sa;
	int count = 0;

	for (int fd = 0; fd < 1024; fd++) {
		socklen_t len = sizeof(sa);

		if (getpeername(fd, (struct sockaddr *)&sa, &len) || sa.ss_family != AF_INET)
			continue;
		count += option_of(fd, IPPROTO_TCP, TCP_NODELAY) == nodelay &&
		         option_of(fd, SOL_SOCKET, SO_KEEPALIVE) == keepalive &&
		         option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE) == idle;
	}
	return count;
}

static void test_options_reach_both_ends(void **state)
{
	static const struct weir_tcp_options odd = {.delay = true, .keepalive_s = 77};
	static const struct {
		const struct weir_tcp_options *options;
		int nodelay, keepalive, idle;
	} cases[] = {{NULL, 1, 1, 60}, {&odd, 0, 1, 77}};
	struct bench *b = *state;

	for (int i = 0; i < 2; i++) {
		struct accepted a = {0};
		struct opened o = {0};

		assert_int_equal(weir_tcp_listen(b->loop, "127.0.0.1", "0", cases[i].options, &a.l),
		                 0);
		weir_listener_start(a.l, on_accept, &a);
		assert_int_equal(weir_tcp_connect(b->loop, "127.0.0.1",
		                                  port_text(weir_listener_port(a.l)),
		                                  cases[i].options, on_open, &o, NULL),
		                 0);
		wait_for(b, is_opened, &o);
		wait_for(b, has_accepted_1, &a);
		assert_int_equal(count_with(cases[i].nodelay, cases[i].keepalive, cases[i].idle),
		                 2);
		weir_transport_close(o.t);
		close_accepted(&a);
		weir_listener_close(a.l);
	}
}

struct failing {
	struct accepted a;
	struct opened o;
};

static bool is_over(void *arg)
{
	struct failing *f = arg;

	return f->o.calls && (f->o.rc || f->a.count);
}

/* One listener and one connection, with some allocation failing.  Either call fails,
 * or the opening does, or the listener has to give its peer up, or all is well. */
static void open_with_failure(struct bench *b, long n)
{
	struct failing f = {0};
	int rc;

	weir_test_fail_alloc_after(n);
	rc = weir_tcp_listen(b->loop, "127.0.0.1", "0", NULL, &f.a.l);
	if (rc == 0) {
		weir_listener_start(f.a.l, on_accept, &f.a);
		rc = weir_tcp_connect(b->loop, "127.0.0.1", port_text(weir_listener_port(f.a.l)),
		                      NULL, on_open, &f.o, NULL);
		if (rc == 0)
			wait_at_most(b, 50 * MS, is_over, &f);
	}
	if (rc == 0 && f.o.rc == 0) {
		assert_int_equal(f.o.calls, 1);
		assert_true(f.a.count == 1 || weir_test_alloc_failed());
	} else {
		assert_int_equal(rc ? rc : f.o.rc, -ENOMEM);
		assert_true(weir_test_alloc_failed());
	}
	if (f.o.t)
		weir_transport_close(f.o.t);
	close_accepted(&f.a);
	weir_listener_close(f.a.l);
}

static void test_every_failed_allocation_is_told(void **state)
{
	bool failed = true;

	for (long n = 1; failed; n++) {
		open_with_failure(*state, n);
		failed = weir_test_alloc_failed();
		weir_test_fail_alloc_after(-1);
		assert_true(n < 100);
		if (!failed)
			assert_true(n > 4); /* two for each end at least, and all of them failed */
	}
}

/* --- */

static int set_up(void **state)
{
	accepting.calls = 0;
	accepting.errors = NULL;
	resolver.count = 0;
	resolver.blocks = false;
	atomic_store(&resolver.entered, 0);
	sem_init(&resolver.go, 0, 0);
	return bench_set_up(state);
}

static int tear_down(void **state)
{
	int rc = bench_tear_down(state);

	sem_destroy(&resolver.go);
	return rc;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_echo_returns_every_byte_in_order),
		TEST(test_echo_over_ipv6),
		TEST(test_empty_stream_is_echoed_as_an_end),
		TEST(test_pause_as_it_connects_is_kept),
		TEST(test_peer_sends_after_our_end),
		TEST(test_bytes_before_a_reset_are_delivered_then_the_reset),
		TEST(test_failed_sink_resets_the_peer),
		TEST(test_connection_has_the_address_for_a_name),
		TEST(test_refusal_is_told_once_and_later),
		TEST(test_unknown_name_is_a_resolve_error),
		TEST(test_bad_arguments_are_refused_at_once),
		TEST(test_dead_addresses_are_left_at_once),
		TEST(test_silent_address_delays_by_one_stagger),
		TEST(test_refusal_after_a_silent_address_starts_the_next_at_once),
		TEST(test_other_family_is_tried_second),
		TEST(test_late_answer_of_an_early_address_still_wins),
		TEST(test_last_failure_is_the_one_told),
		TEST(test_socket_connected_to_itself_is_refused),
		TEST(test_connecting_gives_up_in_time),
		TEST(test_resolving_gives_up_in_time),
		TEST(test_addresses_alternate_between_families),
		TEST(test_attempts_take_addresses_from_the_caller),
		TEST(test_cancel_before_the_first_turn),
		TEST(test_cancel_while_a_worker_resolves),
		TEST(test_cancel_before_a_worker_resolves),
		TEST(test_cancel_while_connecting),
		TEST(test_listener_knows_its_address),
		TEST(test_listeners_share_an_address),
		TEST(test_a_listener_that_is_not_to_be_shared_is_not),
		TEST(test_any_address_takes_both_families),
		TEST(test_paused_listener_leaves_peers_in_the_backlog),
		TEST(test_listener_closes_inside_its_callback),
		TEST(test_more_peers_than_a_batch_all_come),
		TEST(test_errors_about_a_peer_are_no_rest),
		TEST(test_errors_without_end_are_no_spin),
		TEST(test_lack_of_memory_is_a_rest),
		TEST(test_listener_without_descriptors_rests_and_then_serves),
		TEST(test_resting_listener_can_be_paused_and_closed),
		TEST(test_options_reach_both_ends),
		TEST(test_every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests(tests, warm_up, NULL);
}
