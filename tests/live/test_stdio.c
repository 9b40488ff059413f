/* SPDX-License-Identifier: MIT */
/*
 * Standard input and output of children, as whatever a shell, inetd or a terminal makes
 * of them.  The children are this program again, with the name of a part.
 */
#include "file_fixture.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

#include "weir/stdio.h"

#define BIG ((size_t)3 << 20)
#define GATE 9 /* descriptor that keeps a child waiting until it is closed */

/* ---- the children ---- */

static void wait_at_the_gate(void)
{
	char c;

	while (read(GATE, &c, 1) < 0 && errno == EINTR)
		;
}

/* Exit status: 0 finished, 1 the source failed, 2 the sink failed, 3 stopped. */
static int status_of(const struct weir_outcome *o)
{
	switch (o->end) {
	case WEIR_FINISHED:
		return 0;
	case WEIR_SOURCE_FAILED:
		return 1;
	case WEIR_SINK_FAILED:
		return o->cause == -EPIPE || o->cause == -ENOSPC ? 2 : 20;
	default:
		return 3;
	}
}

static int child_copy(bool in_one)
{
	struct weir_transport *in, *out;
	struct weir_outcome o;
	int fd;

	open_loop();
	if (in_one) {
		assert_int_equal(weir_stdio_open(loop, true, true, &in), 0);
		out = in;
	} else {
		assert_int_equal(weir_stdio_open(loop, true, false, &in), 0);
		assert_int_equal(weir_stdio_open(loop, false, true, &out), 0);
		assert_null(weir_transport_sink(in));
		assert_null(weir_transport_source(out));
	}
	o = join_run(weir_transport_source(in), weir_transport_sink(out));
	/* Both numbers stay in use, whatever has become of the files. */
	assert_true(fcntl(0, F_GETFD) >= 0);
	assert_true(fcntl(1, F_GETFD) >= 0);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(fd > 2);
	close(fd);
	wait_at_the_gate();
	weir_transport_close(in);
	if (!in_one)
		weir_transport_close(out);
	close_loop();
	return status_of(&o);
}

static int copy_both_in_one(void)
{
	return child_copy(true);
}

static int copy_one_by_one(void)
{
	return child_copy(false);
}

/* Some bytes, then silence. */
static int say_and_wait(void)
{
	struct weir_transport *out;
	struct weir_outcome o;
	struct gen g;

	open_loop();
	assert_int_equal(weir_stdio_open(loop, false, true, &out), 0);
	gen_init(&g, 10, 10);
	g.open_ended = true;
	o = join_run(&g.base, weir_transport_sink(out));
	assert_int_equal(g.stops, 1);
	weir_transport_close(out);
	gen_fini(&g);
	close_loop();
	return status_of(&o);
}

/* Leave in the midst of it, closing nothing. */
static int leave_at_once(void)
{
	static struct weir_transport *t;

	open_loop();
	assert_int_equal(weir_stdio_open(loop, true, true, &t), 0);
	for (int i = 0; i < 5; i++)
		uv_run(loop->uv, UV_RUN_NOWAIT);
	wait_at_the_gate();
	return 0;
}

/* The outcome of a failure is for the exit status: descriptor 1 stays. */
static int fail_the_sink(void)
{
	struct weir_transport *out;
	struct weir_outcome o;
	struct stat before, after;
	struct gen g;

	assert_int_equal(fstat(1, &before), 0);
	open_loop();
	assert_int_equal(weir_stdio_open(loop, false, true, &out), 0);
	gen_init(&g, 10, 10);
	g.why = -EPROTO;
	o = join_run(&g.base, weir_transport_sink(out));
	weir_transport_close(out);
	gen_fini(&g);
	close_loop();
	assert_int_equal(fstat(1, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	return status_of(&o);
}

static int refuse(void)
{
	struct weir_transport *t;
	int fds, in, both;

	open_loop();
	fds = weir_test_open_fds();
	in = weir_stdio_open(loop, true, false, &t);
	both = weir_stdio_open(loop, true, true, &t);
	assert_true(turn_until(objects_gone, NULL));
	assert_int_equal(weir_test_open_fds(), fds);
	assert_int_equal(weir_stdio_open(loop, false, false, &t), -EINVAL);
	close_loop();
	return in == both ? -in : 255;
}

static const struct {
	const char *name;
	int (*fn)(void);
} parts[] = {
	{"copy_both_in_one", copy_both_in_one}, {"copy_one_by_one", copy_one_by_one},
	{"say_and_wait", say_and_wait},         {"leave_at_once", leave_at_once},
	{"fail_the_sink", fail_the_sink},       {"refuse", refuse},
};

static int run_part(const char *name)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcmp(parts[i].name, name) == 0)
			return parts[i].fn();
	}
	return 255;
}

/* ---- the parent ---- */

struct child {
	pid_t pid;
	int gate; /* close it, and the child goes on to its end */
};

static struct child spawn(const char *part, int in, int out)
{
	struct child c;
	int gate[2];

	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (c.pid == 0) {
		/* dup2 to itself would leave the flag that closes it. */
		in = in < 0 ? -1 : fcntl(in, F_DUPFD_CLOEXEC, 20);
		out = out < 0 ? -1 : fcntl(out, F_DUPFD_CLOEXEC, 20);
		close(0);
		close(1);
		/* libuv cannot live with a low number of its own: see weir/stdio.h. */
		dup2(in >= 0 ? in : open("/", O_PATH), 0);
		dup2(out >= 0 ? out : open("/", O_PATH), 1);
		dup2(gate[0], GATE);
		alarm(30);
		execl("/proc/self/exe", "child", part, (char *)NULL);
		_exit(127);
	}
	close(gate[0]);
	c.gate = gate[1];
	return c;
}

static int wait_for(struct child *c)
{
	int status;

	if (c->gate >= 0)
		close(c->gate);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool runs_still(const struct child *c)
{
	return waitpid(c->pid, NULL, WNOHANG) == 0;
}

static bool is_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	assert_true(flags >= 0);
	return flags & O_NONBLOCK;
}

/* Feed `total` bytes to `in` and expect them from `out`, and its end, with a deadline. */
static void pump(int in, int out, size_t total, bool is_socket)
{
	unsigned char *data = make_bytes(0, total);
	unsigned char part[65536];
	size_t fed = 0, got = 0;
	ssize_t n = 1;

	while (n != 0) {
		struct pollfd fds[] = {{.fd = out, .events = POLLIN},
				       {.fd = in, .events = POLLOUT}};

		assert_true(poll(fds, in >= 0 ? 2 : 1, DEADLINE_MS) > 0);
		if (in >= 0 && (fds[1].revents & (POLLOUT | POLLERR))) {
			size_t len = total - fed < 4096 ? total - fed : 4096;

			if (len)
				assert_true(write(in, data + fed, len) == (ssize_t)len);
			fed += len;
			if (fed == total) {
				if (is_socket)
					shutdown(in, SHUT_WR);
				else
					close(in);
				in = -1;
			}
		}
		if (!(fds[0].revents & (POLLIN | POLLHUP)))
			continue;
		n = read(out, part, sizeof(part));
		assert_true(n >= 0);
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(part[i], byte_at(got + (size_t)i));
		got += (size_t)n;
	}
	assert_int_equal(got, total);
	free(data);
}

static const char *const copies[] = {"copy_both_in_one", "copy_one_by_one"};

static void test_pipes_are_copied_and_end_before_the_program_does(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct child c;
		int in[2], out[2];

		assert_int_equal(pipe2(in, O_CLOEXEC), 0);
		assert_int_equal(pipe2(out, O_CLOEXEC), 0);
		c = spawn(copies[i], in[0], out[1]);
		close(out[1]);
		pump(in[1], out[0], BIG, false);
		assert_true(runs_still(&c)); /* the end was told, not caused by the exit */
		assert_int_equal(wait_for(&c), 0);
		close(in[0]);
		close(out[0]);
	}
}

static void test_a_pipes_flag_is_not_touched(void **state)
{
	struct child c;
	int in[2], out[2];
	char text[8];

	(void)state;
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	c = spawn("copy_both_in_one", in[0], out[1]);
	assert_int_equal(write(in[1], "x", 1), 1);
	assert_int_equal(read(out[0], text, sizeof(text)), 1);
	/* In the midst of it. */
	assert_false(is_nonblocking(in[0]));
	assert_false(is_nonblocking(out[1]));
	close(in[1]);
	assert_int_equal(wait_for(&c), 0);
	close(in[0]);
	close(out[0]);
	close(out[1]);
}

static void test_a_reader_that_goes_is_noticed_while_idle(void **state)
{
	struct child c;
	char text[16];
	int out[2];

	(void)state;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	c = spawn("say_and_wait", -1, out[1]);
	close(out[1]);
	assert_int_equal(read(out[0], text, sizeof(text)), 10);
	close(out[0]);
	assert_int_equal(wait_for(&c), 2);
}

static void test_a_failed_sink_leaves_descriptor_1(void **state)
{
	struct child c;
	char text[16];
	int out[2];

	(void)state;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	c = spawn("fail_the_sink", -1, out[1]);
	close(out[1]);
	assert_int_equal(wait_for(&c), 1);
	assert_true(read(out[0], text, sizeof(text)) <= 10);
	close(out[0]);
}

static void test_files_are_used_at_their_position(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct child c;
		int in, out;

		put_file("in", 0, BIG);
		put_file("out", 0, 2000);
		in = open("in", O_RDONLY | O_CLOEXEC);
		out = open("out", O_WRONLY | O_CLOEXEC);
		assert_int_equal(lseek(in, 1000, SEEK_SET), 1000);
		assert_int_equal(lseek(out, 1000, SEEK_SET), 1000);
		c = spawn(copies[i], in, out);
		assert_int_equal(wait_for(&c), 0);
		assert_true(file_holds("out", 0, BIG));
		assert_int_equal(lseek(in, 0, SEEK_CUR), BIG);
		assert_int_equal(lseek(out, 0, SEEK_CUR), BIG);
		close(in);
		close(out);
	}
}

static void test_a_file_opened_to_append_is_appended_to(void **state)
{
	struct child c;
	int in, out;

	(void)state;
	put_file("in", 1000, 500);
	put_file("out", 0, 1000);
	in = open("in", O_RDONLY | O_CLOEXEC);
	out = open("out", O_WRONLY | O_APPEND | O_CLOEXEC);
	c = spawn("copy_both_in_one", in, out);
	assert_int_equal(wait_for(&c), 0);
	assert_true(file_holds("out", 0, 1500));
	close(in);
	close(out);
}

static void test_a_terminal_is_copied_and_left_as_it_was(void **state)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios tio;
	struct child c;
	char text[64];
	int slave;

	(void)state;
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		skip();
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	assert_int_equal(tcgetattr(slave, &tio), 0);
	tio.c_lflag &= ~(tcflag_t)ECHO;
	tio.c_oflag &= ~(tcflag_t)OPOST;
	assert_int_equal(tcsetattr(slave, TCSANOW, &tio), 0);
	c = spawn("copy_both_in_one", slave, slave);
	assert_int_equal(write(master, "hello\n", 6), 6);
	assert_int_equal(read(master, text, sizeof(text)), 6);
	assert_memory_equal(text, "hello\n", 6);
	assert_false(is_nonblocking(slave));
	assert_int_equal(write(master, &tio.c_cc[VEOF], 1), 1);
	assert_int_equal(wait_for(&c), 0);
	assert_false(is_nonblocking(slave));
	close(slave);
	close(master);
}

static void test_a_socket_is_copied_and_its_flag_put_back(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct child c;
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		c = spawn(copies[i], pair[0], pair[0]);
		pump(pair[1], pair[1], BIG, true);
		assert_true(runs_still(&c));
		assert_int_equal(wait_for(&c), 0);
		assert_false(is_nonblocking(pair[0]));
		close(pair[0]);
		close(pair[1]);
	}
}

/* The flag of an open file that was non-blocking stays so. */
static void test_a_flag_that_was_set_stays_set(void **state)
{
	struct child c;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
	c = spawn("copy_both_in_one", pair[0], pair[0]);
	pump(pair[1], pair[1], 10, true);
	assert_int_equal(wait_for(&c), 0);
	assert_true(is_nonblocking(pair[0]));
	close(pair[0]);
	close(pair[1]);
}

static void test_a_flag_is_put_back_at_exit_too(void **state)
{
	struct child c;
	int pair[2];
	bool seen = false;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	c = spawn("leave_at_once", pair[0], pair[0]);
	for (int ms = 0; ms < DEADLINE_MS && !seen; ms++) {
		usleep(1000);
		seen = is_nonblocking(pair[0]);
	}
	assert_true(seen); /* it is borrowed, so there is something to put back */
	assert_int_equal(wait_for(&c), 0);
	assert_false(is_nonblocking(pair[0]));
	close(pair[0]);
	close(pair[1]);
}

/* Its writer has come and gone before the program starts; the bytes are there. */
static void test_a_named_fifo_ends_as_well(void **state)
{
	struct child c;
	int in, writer, out[2];

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	in = open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(in >= 0);
	writer = open("fifo", O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(writer, "\0\37", 2), 2);
	close(writer);
	assert_int_equal(fcntl(in, F_SETFL, 0), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	c = spawn("copy_one_by_one", in, out[1]);
	close(out[1]);
	pump(-1, out[0], 2, false);
	assert_int_equal(wait_for(&c), 0);
	assert_false(is_nonblocking(in));
	close(in);
	close(out[0]);
	unlink("fifo");
}

static void expect_copy(const char *in_name, const char *out_name, int status)
{
	int in = open(in_name, O_RDONLY | O_CLOEXEC);
	int out = open(out_name, O_WRONLY | O_CLOEXEC);
	struct child c = spawn("copy_both_in_one", in, out);

	assert_int_equal(wait_for(&c), status);
	close(in);
	close(out);
}

static void test_devices_without_readiness(void **state)
{
	(void)state;
	put_file("in", 0, 100000);
	expect_copy("/dev/null", "/dev/null", 0);
	expect_copy("in", "/dev/null", 0);
	expect_copy("in", "/dev/full", 2);
	expect_copy("/dev/zero", "/dev/full", 2);
}

static void expect_refusal(int in, int out, int status)
{
	struct child c = spawn("refuse", in, out);

	assert_int_equal(wait_for(&c), status);
}

static void test_what_is_no_input_is_refused(void **state)
{
	int dir = open(".", O_RDONLY | O_CLOEXEC);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)state;
	expect_refusal(-1, null, EBADF);
	expect_refusal(null, null, EBADF);
	expect_refusal(dir, null, EISDIR);
	close(dir);
	close(null);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipes_are_copied_and_end_before_the_program_does),
		cmocka_unit_test(test_a_pipes_flag_is_not_touched),
		cmocka_unit_test(test_a_reader_that_goes_is_noticed_while_idle),
		cmocka_unit_test(test_a_failed_sink_leaves_descriptor_1),
		cmocka_unit_test(test_files_are_used_at_their_position),
		cmocka_unit_test(test_a_file_opened_to_append_is_appended_to),
		cmocka_unit_test(test_a_terminal_is_copied_and_left_as_it_was),
		cmocka_unit_test(test_a_socket_is_copied_and_its_flag_put_back),
		cmocka_unit_test(test_a_flag_that_was_set_stays_set),
		cmocka_unit_test(test_a_flag_is_put_back_at_exit_too),
		cmocka_unit_test(test_a_named_fifo_ends_as_well),
		cmocka_unit_test(test_devices_without_readiness),
		cmocka_unit_test(test_what_is_no_input_is_refused),
	};

	signal(SIGPIPE, SIG_IGN);
	if (argc > 1)
		return run_part(argv[1]);
	return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
