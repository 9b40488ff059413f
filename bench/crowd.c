/* SPDX-License-Identifier: MIT */
/*
 * Many connections through a relay, of which few are busy, or whose readers never read.
 *
 *   crowd PORT LISTEN_FD TOTAL BUSY SECONDS   sources to PORT, sinks on LISTEN_FD
 *   crowd PORT LISTEN_FD TOTAL stall          every source writes, no sink reads
 *
 * It says "ready" when all are there, waits for a line, and does its work; then it prints the
 * result and keeps the connections until another line, or the end, so that they can be looked
 * at.  The sinks are a process of their own: the limit of descriptors is for each.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "bench.h"

#define WRITE_SIZE ((size_t)64 << 10)
#define DRAIN_SIZE ((size_t)1 << 20)
#define EVENTS     256

/* Stalled is who could write nothing for so long, in milliseconds. */
#define STALL_MS   300
#define PATIENCE_S 20

/* What the sinks' process tells. */
struct sinks {
	atomic_long accepted;
	atomic_ullong bytes;
	pid_t pid;
};

static unsigned char buffer[WRITE_SIZE];

static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		give_up("getrlimit");
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void watch(int set, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};

	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0)
		give_up("epoll_ctl");
}

static void accept_all(int set, int listener, bool reads, struct sinks *sinks)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (reads)
			watch(set, fd, EPOLLIN);
		sinks->accepted++;
	}
	if (errno != EAGAIN)
		give_up("accept");
}

_Noreturn static void run_sinks(int listener, bool reads, struct sinks *sinks)
{
	int set = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[EVENTS];

	fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK);
	watch(set, listener, EPOLLIN);
	for (;;) {
		int count = epoll_wait(set, events, EVENTS, -1);

		for (int i = 0; i < count; i++) {
			int fd = events[i].data.fd;
			ssize_t n;

			if (fd == listener) {
				accept_all(set, listener, reads, sinks);
				continue;
			}
			n = recv(fd, NULL, DRAIN_SIZE, MSG_TRUNC);
			if (n > 0)
				sinks->bytes += (unsigned long long)n;
			else if (n == 0 || errno != EAGAIN)
				close(fd);
		}
	}
}

static struct sinks *fork_sinks(int listener, bool reads)
{
	struct sinks *sinks = mmap(NULL, sizeof(*sinks), PROT_READ | PROT_WRITE,
	                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	if (sinks == MAP_FAILED)
		give_up("mmap");
	pid = fork();
	if (pid < 0)
		give_up("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_sinks(listener, reads, sinks);
	}
	sinks->pid = pid;
	close(listener);
	return sinks;
}

static void rest(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* One line, or the end, of standard input. */
static void wait_for_word(void)
{
	int c;

	do
		c = getchar();
	while (c != '\n' && c != EOF);
}

/* Write to those of the set that can take something, for so long; returns the bytes. */
static uint64_t write_to(int set, double duration, int stall_ms)
{
	double end = seconds() + duration;
	struct epoll_event events[EVENTS];
	uint64_t written = 0;

	while (seconds() < end) {
		int count = epoll_wait(set, events, EVENTS, stall_ms);

		if (count == 0)
			break;
		for (int i = 0; i < count; i++) {
			ssize_t n = send(events[i].data.fd, buffer, WRITE_SIZE, MSG_NOSIGNAL);

			if (n < 0 && errno != EAGAIN)
				give_up("send");
			written += n > 0 ? (uint64_t)n : 0;
		}
	}
	return written;
}

static void run(struct sinks *sinks, int set, double duration, bool stall)
{
	double start = seconds();
	uint64_t written =
		stall ? write_to(set, PATIENCE_S, STALL_MS) : write_to(set, duration, 1000);

	while (!stall && sinks->bytes < written && seconds() < start + PATIENCE_S)
		rest();
	if (!stall && sinks->bytes != written) {
		fprintf(stderr, "crowd: %llu bytes arrived of %llu\n",
		        (unsigned long long)sinks->bytes, (unsigned long long)written);
		exit(1);
	}
	printf("{\"bytes\": %llu, \"seconds\": %.6f}\n", (unsigned long long)written,
	       seconds() - start);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	bool stall = argc == 5 && strcmp(argv[4], "stall") == 0;
	int port, set = epoll_create1(EPOLL_CLOEXEC);
	struct sinks *sinks;
	long total, busy;
	double limit;

	if (!stall && argc != 6) {
		fprintf(stderr, "usage: crowd PORT LISTEN_FD TOTAL BUSY SECONDS\n"
		                "       crowd PORT LISTEN_FD TOTAL stall\n");
		return 2;
	}
	port = (int)number(argv[1]);
	total = number(argv[3]);
	busy = stall ? total : number(argv[4]);
	allow_descriptors();
	sinks = fork_sinks((int)number(argv[2]), !stall);
	for (long i = 0; i < total; i++) {
		int fd = connect_to_port(port);

		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		/* The busy ones are spread evenly. */
		if (busy && (i * busy) / total != ((i + 1) * busy) / total)
			watch(set, fd, EPOLLOUT);
	}
	limit = seconds() + PATIENCE_S;
	while (sinks->accepted < total && seconds() < limit)
		rest();
	if (sinks->accepted < total) {
		fprintf(stderr, "crowd: %ld connections came through of %ld\n",
		        (long)sinks->accepted, total);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	wait_for_word();
	run(sinks, set, stall ? 0 : atof(argv[5]), stall);
	wait_for_word();
	/* Waited for, so that its time is told as ours and not taken for somebody else's. */
	kill(sinks->pid, SIGKILL);
	waitpid(sinks->pid, NULL, 0);
	return 0;
}
