/* SPDX-License-Identifier: MIT */
/* UNIX sockets: paths, abstract names, and what is left behind. */
#include "net_fixture.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "weir/unix.h"

static char dir[] = "/tmp/weir-unix-XXXXXX";
static char path[64];

static bool exists(const char *name)
{
	struct stat st;

	return lstat(name, &st) == 0;
}

/* A plain socket bound to `name`. */
static int bind_raw(const char *name)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(un.sun_path, name, strlen(name) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

static int listen_raw(const char *name, int backlog)
{
	int fd = bind_raw(name);

	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static struct weir_listener *listen_at(struct bench *b, const char *name)
{
	struct weir_listener *l;

	assert_int_equal(weir_unix_listen(b->loop, name, &l), 0);
	return l;
}

static void open_at(struct bench *b, const char *name, struct opened *o)
{
	*o = (struct opened){0};
	assert_int_equal(weir_unix_connect(b->loop, name, on_open, o, NULL), 0);
	assert_int_equal(o->calls, 0);
	wait_for(b, is_opened, o);
	assert_int_equal(o->calls, 1);
}

static void make_pair(struct bench *b, const char *at, struct weir_transport **client,
                      struct weir_transport **server)
{
	struct accepted a = {.l = listen_at(b, at)};
	struct opened o;

	assert_string_equal(weir_listener_address(a.l), at);
	assert_int_equal(weir_listener_port(a.l), 0);
	weir_listener_start(a.l, on_accept, &a);
	open_at(b, at, &o);
	wait_for(b, has_accepted_1, &a);
	assert_int_equal(o.rc, 0);
	*client = o.t;
	*server = a.t[0];
	weir_listener_close(a.l);
}

static void check_pair(struct bench *b, const char *at)
{
	struct weir_transport *client, *server;
	char name[WEIR_NAME_MAX];

	make_pair(b, at, &client, &server);
	snprintf(name, sizeof(name), "unix %s", at);
	assert_string_equal(weir_transport_name(client), name);
	assert_string_equal(weir_transport_name(server), name);
	assert_true(weir_transport_half_closes(client));
	echo_between(b, client, server, 4 << 20);
}

static void test_echo_returns_every_byte_in_order(void **state)
{
	check_pair(*state, path);
	assert_false(exists(path));
}

static void test_echo_over_an_abstract_name(void **state)
{
	char name[80];

	snprintf(name, sizeof(name), "@%s", path + 1);
	check_pair(*state, name);
	assert_false(exists(path));
}

static void test_peer_sends_after_our_end(void **state)
{
	struct bench *b = *state;
	struct late_peer p = {.size = 2 << 20};
	int listening = listen_raw(path, 1);
	struct opened o;
	struct giver g;
	struct taker k;

	open_at(b, path, &o);
	p.fd = accept(listening, NULL, NULL);
	assert_true(p.fd >= 0);
	assert_int_equal(pthread_create(&p.thread, NULL, late_peer_run, &p), 0);
	taker_start(&k, b, o.t);
	giver_start(&g, 1 << 20, o.t);
	wait_for(b, has_taker_ended, &k);
	pthread_join(p.thread, NULL);
	assert_int_equal(p.error, 0);
	assert_int_equal(p.wrong, 0);
	assert_int_equal(p.got, 1 << 20);
	assert_int_equal(k.why, 0);
	assert_int_equal(k.wrong, 0);
	assert_int_equal(k.at, p.size);
	weir_transport_close(o.t);
	close(listening);
	unlink(path);
}

static void test_failed_sink_closes_both_directions(void **state)
{
	struct bench *b = *state;
	struct ending e = {0};
	int listening = listen_raw(path, 1), peer;
	struct opened o;
	char byte;

	open_at(b, path, &o);
	peer = accept(listening, NULL, NULL);
	assert_true(peer >= 0);
	weir_consumer_watch_end(weir_transport_sink(o.t), &e.watch, on_ending, &e);
	weir_consumer_fail(weir_transport_sink(o.t), WEIR_ETRUNCATED);
	wait_for(b, has_ended, &e);
	run_for(b, 1 * MS);
	assert_int_equal(recv(peer, &byte, 1, MSG_DONTWAIT), 0);
	assert_int_equal(send(peer, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	weir_transport_close(o.t);
	close(peer);
	close(listening);
	unlink(path);
}

static void test_bad_paths_are_refused_at_once(void **state)
{
	struct bench *b = *state;
	static const char *const bad[] = {"", "@"};
	struct weir_listener *l = NULL;
	char longest[120];

	for (int i = 0; i < 2; i++) {
		assert_int_equal(weir_unix_connect(b->loop, bad[i], on_open, NULL, NULL), -EINVAL);
		assert_int_equal(weir_unix_listen(b->loop, bad[i], &l), -EINVAL);
	}
	memset(longest, 'x', sizeof(longest));
	longest[108] = '\0';
	assert_int_equal(weir_unix_connect(b->loop, longest, on_open, NULL, NULL), -ENAMETOOLONG);
	assert_int_equal(weir_unix_listen(b->loop, longest, &l), -ENAMETOOLONG);
	longest[108] = 'x';
	longest[109] = '\0';
	longest[0] = '@';
	assert_int_equal(weir_unix_listen(b->loop, longest, &l), -ENAMETOOLONG);
	assert_int_equal(weir_unix_listen(b->loop, "/nonexistent-directory/s", &l), -ENOENT);
	assert_null(l);
}

static void test_longest_names_work(void **state)
{
	char name[120];
	size_t len = strlen(path);

	memset(name, 'y', sizeof(name));
	memcpy(name, path, len);
	name[108] = '\0';
	name[0] = '@';
	check_pair(*state, name);
	memcpy(name, path, len);
	name[107] = '\0';
	check_pair(*state, name);
	assert_false(exists(name));
}

static void test_stale_socket_is_replaced(void **state)
{
	close(bind_raw(path));
	assert_true(exists(path));
	check_pair(*state, path);
	assert_false(exists(path));
}

/* In place of the C library's: a slow one, so that a socket is bound and not yet
 * listening for long enough to be taken for a stale one. */
int own_listen(int fd, int backlog) __asm__("listen");

static atomic_bool slow_listen;

int own_listen(int fd, int backlog)
{
	const struct timespec pause = {.tv_nsec = 300000};
	int (*real)(int, int);

	if (atomic_load(&slow_listen))
		nanosleep(&pause, NULL);
	*(void **)&real = dlsym(RTLD_NEXT, "listen");
	return real(fd, backlog);
}

#define RACERS 4
#define RACES  100

/* Threads that all want to listen at `path`, where a stale socket is. */
struct race {
	pthread_barrier_t line;
	atomic_int winners[RACES];
	atomic_int strange; /* errors that are not -EADDRINUSE; winners that are not reached */
};

static void run_one_race(struct race *r, struct weir_loop *loop, int n)
{
	struct weir_listener *l = NULL;
	int rc = weir_unix_listen(loop, path, &l);

	if (rc == 0)
		atomic_fetch_add(&r->winners[n], 1);
	else if (rc != -EADDRINUSE)
		atomic_fetch_add(&r->strange, 1);
	pthread_barrier_wait(&r->line); /* all have tried */
	if (l && !exists(path))
		atomic_fetch_add(&r->strange, 1);
	weir_listener_close(l);
	weir_loop_run(loop);
	if (pthread_barrier_wait(&r->line) == PTHREAD_BARRIER_SERIAL_THREAD)
		close(bind_raw(path)); /* for the next race */
	pthread_barrier_wait(&r->line);
}

static void *race(void *arg)
{
	struct race *r = arg;
	struct weir_loop *loop;

	if (weir_loop_create(NULL, &loop))
		abort();
	for (int n = 0; n < RACES; n++)
		run_one_race(r, loop, n);
	weir_loop_destroy(loop);
	return NULL;
}

static void test_one_of_many_replaces_a_stale_socket(void **state)
{
	pthread_t threads[RACERS];
	struct race r = {0};

	(void)state;
	close(bind_raw(path));
	atomic_store(&slow_listen, true);
	pthread_barrier_init(&r.line, NULL, RACERS);
	for (int i = 0; i < RACERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, &r), 0);
	for (int i = 0; i < RACERS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&r.line);
	atomic_store(&slow_listen, false);
	for (int n = 0; n < RACES; n++)
		assert_int_equal(atomic_load(&r.winners[n]), 1);
	assert_int_equal(atomic_load(&r.strange), 0);
	unlink(path);
}

static void test_live_socket_is_left_alone(void **state)
{
	struct bench *b = *state;
	struct weir_listener *first = listen_at(b, path), *second = NULL;
	struct accepted a = {.l = first};
	struct opened o;

	assert_int_equal(weir_unix_listen(b->loop, path, &second), -EADDRINUSE);
	assert_null(second);
	weir_listener_start(first, on_accept, &a);
	open_at(b, path, &o);
	assert_int_equal(o.rc, 0);
	run_for(b, 5 * MS);
	close_accepted(&a);
	weir_transport_close(o.t);
	weir_listener_close(first);
	assert_false(exists(path));
}

static void test_live_socket_with_a_full_backlog_is_left_alone(void **state)
{
	struct bench *b = *state;
	struct weir_listener *l = NULL;
	struct opened o;
	int listening = listen_raw(path, 0);

	open_at(b, path, &o);
	assert_int_equal(weir_unix_listen(b->loop, path, &l), -EADDRINUSE);
	assert_null(l);
	assert_true(exists(path));
	weir_transport_close(o.t);
	close(listening);
	unlink(path);
}

static void test_file_is_left_alone(void **state)
{
	struct bench *b = *state;
	struct weir_listener *l = NULL;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;

	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
	assert_int_equal(weir_unix_listen(b->loop, path, &l), -EADDRINUSE);
	assert_null(l);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_size, 8);
	unlink(path);
}

static void test_used_abstract_name_is_an_error(void **state)
{
	struct bench *b = *state;
	struct weir_listener *first, *second = NULL;
	char name[80];

	snprintf(name, sizeof(name), "@%s", path + 1);
	first = listen_at(b, name);
	assert_int_equal(weir_unix_listen(b->loop, name, &second), -EADDRINUSE);
	assert_null(second);
	weir_listener_close(first);
}

static void test_close_removes_only_its_own_socket(void **state)
{
	struct bench *b = *state;
	struct weir_listener *first = listen_at(b, path), *second;

	assert_int_equal(unlink(path), 0);
	second = listen_at(b, path);
	weir_listener_close(first);
	assert_true(exists(path));
	weir_listener_close(second);
	assert_false(exists(path));
}

static void test_failures_of_connecting_are_told(void **state)
{
	struct bench *b = *state;
	struct opened o;

	open_at(b, path, &o);
	assert_int_equal(o.rc, -ENOENT);
	close(bind_raw(path));
	open_at(b, path, &o);
	assert_int_equal(o.rc, -ECONNREFUSED);
	unlink(path);
}

static void test_full_backlog_is_waited_for(void **state)
{
	struct bench *b = *state;
	int listening = listen_raw(path, 0), peer;
	struct opened first, second = {0};

	open_at(b, path, &first);
	assert_int_equal(first.rc, 0);
	assert_int_equal(weir_unix_connect(b->loop, path, on_open, &second, NULL), 0);
	run_for(b, 50 * MS);
	assert_int_equal(second.calls, 0);
	peer = accept(listening, NULL, NULL);
	assert_true(peer >= 0);
	wait_for(b, is_opened, &second);
	assert_int_equal(second.rc, 0);
	weir_transport_close(first.t);
	weir_transport_close(second.t);
	close(peer);
	close(listening);
	unlink(path);
}

static void test_opening_can_be_cancelled(void **state)
{
	struct bench *b = *state;
	int listening = listen_raw(path, 0);
	struct weir_opening *opening;
	struct opened first, o = {0};

	/* Before its first turn, and then while it waits for the backlog. */
	assert_int_equal(weir_unix_connect(b->loop, path, on_open, &o, &opening), 0);
	weir_opening_cancel(opening);
	open_at(b, path, &first);
	assert_int_equal(weir_unix_connect(b->loop, path, on_open, &o, &opening), 0);
	run_for(b, 5 * MS);
	weir_opening_cancel(opening);
	run_for(b, 20 * MS);
	assert_int_equal(o.calls, 0);
	weir_transport_close(first.t);
	close(listening);
	unlink(path);
}

static int make_directory(void **state)
{
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	return warm_up(state);
}

/* Which also shows that nothing was left in it. */
static int remove_directory(void **state)
{
	(void)state;
	return rmdir(dir);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_set_up, bench_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_echo_returns_every_byte_in_order),
		TEST(test_echo_over_an_abstract_name),
		TEST(test_peer_sends_after_our_end),
		TEST(test_failed_sink_closes_both_directions),
		TEST(test_bad_paths_are_refused_at_once),
		TEST(test_longest_names_work),
		TEST(test_stale_socket_is_replaced),
		TEST(test_one_of_many_replaces_a_stale_socket),
		TEST(test_live_socket_is_left_alone),
		TEST(test_live_socket_with_a_full_backlog_is_left_alone),
		TEST(test_file_is_left_alone),
		TEST(test_used_abstract_name_is_an_error),
		TEST(test_close_removes_only_its_own_socket),
		TEST(test_failures_of_connecting_are_told),
		TEST(test_full_backlog_is_waited_for),
		TEST(test_opening_can_be_cancelled),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
