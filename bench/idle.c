/* SPDX-License-Identifier: MIT */
/*
 * What an idle TCP connection costs in this process's memory.
 *
 *   idle transport|joined|relay FIRST TOTAL
 *
 * A child opens TOTAL connections to a weir listener here and says nothing on them.
 *   transport  each is accepted, and that is all;
 *   joined     its source is joined to its own sink (an echo server), so it is read from;
 *   relay      each two are the ends of a relay, so a pair is two transports and two joins.
 * Memory is taken when FIRST and when TOTAL are there: the difference is theirs alone.
 * The kernel's memory for sockets is not in it.
 */
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <uv.h>

#include "weir/join.h"
#include "weir/listener.h"
#include "weir/loop.h"
#include "weir/impl/transport.h"
#include "weir/relay.h"
#include "weir/tcp.h"

#include "bench.h"

enum mode { TRANSPORT, JOINED, RELAY };

struct memory {
	size_t heap, resident; /* bytes */
};

struct bench {
	struct weir_loop *loop;
	struct weir_listener *listener;
	enum mode mode;
	struct weir_transport *left; /* waits for the other end of its relay */
	long count, first, total;
	struct memory at_first, at_total;
};

static struct memory measure(void)
{
	struct mallinfo2 info = mallinfo2();
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size, resident;

	if (!f || fscanf(f, "%lu %lu", &size, &resident) != 2)
		give_up("/proc/self/statm");
	fclose(f);
	return (struct memory){
		.heap = info.uordblks + info.hblkhd,
		.resident = resident * (size_t)sysconf(_SC_PAGESIZE),
	};
}

static void require(int rc)
{
	if (rc == 0)
		return;
	fprintf(stderr, "idle: %s\n", weir_err_text(rc));
	exit(1);
}

static struct weir_relay_side side(struct weir_transport *t)
{
	return (struct weir_relay_side){weir_transport_source(t), weir_transport_sink(t)};
}

static void put_to_use(struct bench *b, struct weir_transport *t)
{
	struct weir_context *ctx = weir_loop_context(b->loop);
	struct weir_relay *relay;
	struct weir_join *join;

	if (b->mode == JOINED) {
		require(weir_join_create(ctx, weir_transport_source(t), weir_transport_sink(t),
					 NULL, &join));
	} else if (b->mode == RELAY && !b->left) {
		b->left = t;
	} else if (b->mode == RELAY) {
		require(weir_relay_create(ctx, side(b->left), side(t), NULL, &relay));
		b->left = NULL;
	}
}

static void on_accept(void *arg, struct weir_transport *t)
{
	struct bench *b = arg;

	put_to_use(b, t);
	b->count++;
	if (b->count == b->first)
		b->at_first = measure();
	if (b->count == b->total) {
		b->at_total = measure();
		weir_loop_stop(b->loop);
	}
}

/* The other ends: in a process of their own, so that they are not counted. */
static pid_t fork_peers(int port, long total)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (long i = 0; i < total; i++)
		connect_to_port(port);
	for (;;)
		pause();
}

static void allow_descriptors(long total)
{
	struct rlimit limit;
	rlim_t wanted = (rlim_t)total + 64;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		give_up("getrlimit");
	if (limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	if (limit.rlim_cur < wanted || setrlimit(RLIMIT_NOFILE, &limit) < 0) {
		fprintf(stderr, "idle: the limit of descriptors is %lu, %lu are needed\n",
			(unsigned long)limit.rlim_max, (unsigned long)wanted);
		exit(1);
	}
}

static enum mode parse_mode(const char *text)
{
	static const char *const names[] = {"transport", "joined", "relay"};

	for (int i = 0; i < 3; i++) {
		if (strcmp(text, names[i]) == 0)
			return (enum mode)i;
	}
	fprintf(stderr, "idle: %s: expected transport, joined or relay\n", text);
	exit(2);
}

int main(int argc, char **argv)
{
	struct bench b = {0};
	double each;
	pid_t peers;

	if (argc != 4) {
		fprintf(stderr, "usage: idle transport|joined|relay FIRST TOTAL\n");
		return 2;
	}
	b.mode = parse_mode(argv[1]);
	b.first = number(argv[2]);
	b.total = number(argv[3]);
	if (b.first < 1 || b.first >= b.total)
		return 2;
	allow_descriptors(b.total);
	require(weir_loop_create(NULL, &b.loop));
	require(weir_tcp_listen(b.loop, "127.0.0.1", "0", NULL, &b.listener));
	peers = fork_peers(weir_listener_port(b.listener), b.total);
	if (peers < 0)
		give_up("fork");
	weir_listener_start(b.listener, on_accept, &b);
	weir_loop_run(b.loop);
	kill(peers, SIGKILL);
	waitpid(peers, NULL, 0);
	each = (double)(b.total - b.first);
	printf("{\"connections\": %ld, \"heap\": %.1f, \"resident\": %.1f, \"valve\": %zu, "
	       "\"transport\": %zu, \"uv_poll\": %zu}\n",
	       b.total - b.first, ((double)b.at_total.heap - (double)b.at_first.heap) / each,
	       ((double)b.at_total.resident - (double)b.at_first.resident) / each,
	       sizeof(struct weir_valve), sizeof(struct weir_transport), sizeof(uv_poll_t));
	return 0;
}
