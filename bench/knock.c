/* SPDX-License-Identifier: MIT */
/*
 * The load of a server that accepts: connect, wait for the end, close, and again.
 *
 *   knock PORT SECONDS PEERS             the server closes first
 *   knock PORT SECONDS PEERS LISTEN_FD   we end first, and the end comes back through a relay
 *                                        from our sink on LISTEN_FD
 */
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "bench.h"

#define PEERS_MAX 256

static pid_t fork_child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		give_up("fork");
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* A reset is an end as well: a server that has nothing to say may end so. */
static void wait_for_end(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	if (n > 0 || (n < 0 && errno != ECONNRESET))
		give_up("recv");
}

_Noreturn static void run_peer(int port, double end, bool first, uint64_t *count)
{
	while (seconds() < end) {
		int fd = connect_to_port(port);

		if (first)
			shutdown(fd, SHUT_WR);
		wait_for_end(fd);
		close(fd);
		++*count;
	}
	exit(0);
}

_Noreturn static void run_sink(int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		wait_for_end(fd);
		close(fd);
	}
	give_up("accept");
}

int main(int argc, char **argv)
{
	bool relayed = argc == 5;
	pid_t peer[PEERS_MAX], sink[PEERS_MAX];
	uint64_t *counts, total = 0;
	double start, took;
	long peers;
	int status, rc = 0, port;

	if (argc != 4 && argc != 5) {
		fprintf(stderr, "usage: knock PORT SECONDS PEERS [LISTEN_FD]\n");
		return 2;
	}
	port = (int)number(argv[1]);
	peers = number(argv[3]);
	counts = mmap(NULL, sizeof(*counts) * PEERS_MAX, PROT_READ | PROT_WRITE,
	              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (peers < 1 || peers > PEERS_MAX || counts == MAP_FAILED)
		return 2;
	/* As many sinks as peers: one that waits for an end holds up no other. */
	for (long i = 0; relayed && i < peers; i++) {
		sink[i] = fork_child();
		if (sink[i] == 0)
			run_sink((int)number(argv[4]));
	}
	start = seconds();
	for (long i = 0; i < peers; i++) {
		peer[i] = fork_child();
		if (peer[i] == 0)
			run_peer(port, start + atof(argv[2]), relayed, &counts[i]);
	}
	for (long i = 0; i < peers; i++) {
		waitpid(peer[i], &status, 0);
		rc |= status;
	}
	took = seconds() - start;
	/* Waited for, so that their time is told as ours and not taken for somebody else's. */
	for (long i = 0; relayed && i < peers; i++) {
		kill(sink[i], SIGKILL);
		waitpid(sink[i], NULL, 0);
	}
	for (long i = 0; i < peers; i++)
		total += counts[i];
	printf("{\"connections\": %llu, \"seconds\": %.6f}\n", (unsigned long long)total, took);
	return rc ? 1 : 0;
}
