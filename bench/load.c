/* SPDX-License-Identifier: MIT */
/*
 * The load: what stands before and behind the program that is measured.
 *
 *   load relay PORT LISTEN_FD SECONDS FLOWS   sources to PORT, sinks on LISTEN_FD
 *   load send LISTEN_FD BYTES                 give one peer BYTES bytes
 *   load drain LISTEN_FD                      take all that one peer sends
 *   load get PORT PATH                        take an HTTP/1.0 answer, its header included
 *   load gen SECONDS                          write to standard output
 *   load sink                                 take standard input
 *   load call                                 tell what a system call costs
 *
 * As cheap as it can be, so that the middle is what limits: sources write 256 KiB that
 * stay in the cache, sinks have the kernel throw the bytes away (MSG_TRUNC, splice to
 * /dev/null).  A time begins with the first byte that arrives and ends with the end of
 * the stream.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "bench.h"

#define WRITE_SIZE ((size_t)256 << 10)
#define DRAIN_SIZE ((size_t)1 << 20)
#define FLOWS_MAX 64

/* How long a peer waits for the other's end, in seconds. */
#define PATIENCE 20

struct flow {
	uint64_t bytes;
	double first, last;
	bool broken;
};

static unsigned char buffer[WRITE_SIZE] __attribute__((aligned(4096)));

static void be_patient(int fd)
{
	struct timeval limit = {.tv_sec = PATIENCE};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static void take_socket(int fd, struct flow *flow)
{
	ssize_t n;

	while ((n = recv(fd, NULL, DRAIN_SIZE, MSG_TRUNC)) > 0) {
		if (!flow->bytes)
			flow->first = seconds();
		flow->bytes += (uint64_t)n;
	}
	flow->last = seconds();
	flow->broken = n < 0;
}

/* End our direction, and wait until the peer has ended the other. */
static void say_goodbye(int fd)
{
	shutdown(fd, SHUT_WR);
	while (recv(fd, NULL, DRAIN_SIZE, MSG_TRUNC) > 0)
		;
	close(fd);
}

static int accept_one(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		give_up("accept");
	be_patient(fd);
	return fd;
}

static int report(const struct flow *flows, long count)
{
	double first = flows[0].first, last = flows[0].last;
	uint64_t bytes = 0;

	for (long i = 0; i < count; i++) {
		if (flows[i].broken || !flows[i].bytes) {
			fprintf(stderr, "load: flow %ld was cut after %llu bytes\n", i,
				(unsigned long long)flows[i].bytes);
			return 1;
		}
		first = flows[i].first < first ? flows[i].first : first;
		last = flows[i].last > last ? flows[i].last : last;
		bytes += flows[i].bytes;
	}
	printf("{\"bytes\": %llu, \"seconds\": %.6f}\n", (unsigned long long)bytes, last - first);
	return 0;
}

/* The children must not outlive us, however we end. */
static bool fork_child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		give_up("fork");
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid == 0;
}

static void run_source(int port, double duration)
{
	int fd = connect_to_port(port);
	double end = seconds() + duration;

	be_patient(fd);
	while (seconds() < end) {
		if (write(fd, buffer, WRITE_SIZE) < 0)
			give_up("write");
	}
	say_goodbye(fd);
}

static int run_relay(int port, int listener, double duration, long count)
{
	struct flow *flows = mmap(NULL, sizeof(*flows) * FLOWS_MAX, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status, rc = 0;

	if (flows == MAP_FAILED)
		give_up("mmap");
	for (long i = 0; i < count; i++) {
		if (fork_child()) {
			int fd = accept_one(listener);

			take_socket(fd, &flows[i]);
			say_goodbye(fd);
			_exit(0);
		}
		if (fork_child()) {
			run_source(port, duration);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		rc |= status;
	return report(flows, count) || rc ? 1 : 0;
}

static int run_send(int listener, long bytes)
{
	int fd = accept_one(listener);

	for (long left = bytes; left > 0; ) {
		ssize_t n = write(fd, buffer, left < (long)WRITE_SIZE ? (size_t)left : WRITE_SIZE);

		if (n < 0)
			give_up("write");
		left -= n;
	}
	say_goodbye(fd);
	return 0;
}

static int run_drain(int listener)
{
	struct flow flow = {0};
	int fd = accept_one(listener);

	take_socket(fd, &flow);
	close(fd);
	return report(&flow, 1);
}

static int run_get(int port, const char *path)
{
	struct flow flow = {0};
	int fd = connect_to_port(port);

	be_patient(fd);
	if (dprintf(fd, "GET %s HTTP/1.0\r\n\r\n", path) < 0)
		give_up("write");
	take_socket(fd, &flow);
	close(fd);
	return report(&flow, 1);
}

/* Ends well when its reader goes away. */
static int run_gen(double duration)
{
	double end = seconds() + duration;

	while (seconds() < end) {
		if (write(STDOUT_FILENO, buffer, WRITE_SIZE) < 0)
			return 1;
	}
	return 0;
}

static int run_sink(void)
{
	struct flow flow = {0};
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (null < 0)
		give_up("/dev/null");
	while ((n = splice(STDIN_FILENO, NULL, null, NULL, DRAIN_SIZE, SPLICE_F_MOVE)) > 0) {
		if (!flow.bytes)
			flow.first = seconds();
		flow.bytes += (uint64_t)n;
	}
	flow.last = seconds();
	flow.broken = n < 0;
	return report(&flow, 1);
}

static int run_call(void)
{
	enum { CALLS = 300000 };
	double start = seconds();

	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
	printf("{\"ns\": %.0f}\n", (seconds() - start) / CALLS * 1e9);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	signal(SIGPIPE, SIG_IGN);
	memset(buffer, 'w', sizeof(buffer));
	if (strcmp(what, "relay") == 0 && argc == 6) {
		long flows = number(argv[5]);

		if (flows >= 1 && flows <= FLOWS_MAX)
			return run_relay((int)number(argv[2]), (int)number(argv[3]), atof(argv[4]),
					 flows);
	}
	if (strcmp(what, "send") == 0 && argc == 4)
		return run_send((int)number(argv[2]), number(argv[3]));
	if (strcmp(what, "drain") == 0 && argc == 3)
		return run_drain((int)number(argv[2]));
	if (strcmp(what, "get") == 0 && argc == 4)
		return run_get((int)number(argv[2]), argv[3]);
	if (strcmp(what, "gen") == 0 && argc == 3)
		return run_gen(atof(argv[2]));
	if (strcmp(what, "sink") == 0 && argc == 2)
		return run_sink();
	if (strcmp(what, "call") == 0 && argc == 2)
		return run_call();
	fprintf(stderr, "usage: load relay PORT LISTEN_FD SECONDS FLOWS | send LISTEN_FD BYTES |"
			" drain LISTEN_FD | get PORT PATH | gen SECONDS | sink | call\n");
	return 2;
}
