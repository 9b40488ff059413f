/* SPDX-License-Identifier: MIT */
/*
 * A relay server with a loop in each of several threads: each listens on the same address, has
 * the peers that the system gives it, and shares nothing with the others but a limit of memory.
 *
 *   threads                  relays a few connections to itself, and ends
 *   threads HOST PORT TO     listens on HOST, PORT and relays every peer to the endpoint TO
 */
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "weir/weir.h"

#define THREADS 4
#define LIMIT ((size_t)64 << 20) /* bytes, of all threads together */
#define PEERS 8                  /* of the run without arguments */

/* All that a thread has.  No other thread touches it while that runs. */
struct thread {
	pthread_t id;
	struct weir_loop *loop;
	struct weir_listener *listener;
	struct weir_endpoint *to;
	struct peer *peers;
	unsigned served;
};

struct peer {
	struct thread *thread;
	struct peer *next, **at; /* in the thread's list */
	struct weir_transport *left, *right;
	struct weir_opening *opening;
	struct weir_relay *relay;
};

static void end_peer(struct peer *p)
{
	*p->at = p->next;
	if (p->next)
		p->next->at = p->at;
	weir_opening_cancel(p->opening);
	weir_relay_destroy(p->relay);
	weir_transport_close(p->left);
	weir_transport_close(p->right);
	free(p);
}

static void on_done(struct weir_relay *relay, const struct weir_outcome *to_right,
		    const struct weir_outcome *to_left, void *arg)
{
	struct peer *p = arg;

	(void)relay;
	if (to_right->end == WEIR_FINISHED && to_left->end == WEIR_FINISHED)
		p->thread->served++;
	end_peer(p);
}

static struct weir_relay_side side_of(struct weir_transport *t)
{
	return (struct weir_relay_side){weir_transport_source(t), weir_transport_sink(t)};
}

static void on_open(void *arg, int rc, struct weir_transport *right)
{
	struct peer *p = arg;
	const struct weir_relay_options options = {.on_done = on_done, .arg = p};

	p->opening = NULL;
	p->right = right;
	if (rc == 0)
		rc = weir_relay_create(weir_loop_context(p->thread->loop), side_of(p->left),
				       side_of(right), &options, &p->relay);
	if (rc < 0)
		end_peer(p);
}

static void on_accept(void *arg, struct weir_transport *left)
{
	struct thread *t = arg;
	struct peer *p = calloc(1, sizeof(*p));

	if (!p) {
		weir_transport_close(left);
		return;
	}
	p->thread = t;
	p->left = left;
	p->next = t->peers;
	p->at = &t->peers;
	if (p->next)
		p->next->at = &p->next;
	t->peers = p;
	if (weir_endpoint_open(t->loop, t->to, WEIR_ROLE_BOTH, NULL, on_open, p, &p->opening) < 0)
		end_peer(p);
}

/* Every loop hears of a signal, in its own thread. */
static void on_signal(void *arg, int signum)
{
	struct thread *t = arg;

	(void)signum;
	weir_loop_stop(t->loop);
}

static void *run(void *arg)
{
	struct thread *t = arg;

	weir_listener_start(t->listener, on_accept, t);
	weir_loop_run(t->loop);
	while (t->peers)
		end_peer(t->peers);
	return NULL;
}

/* Make a thread's loop and listener, on the address of `first` if there is one. */
static int begin(struct thread *t, struct weir_shared_budget *shared,
		 const struct weir_listener *first, const char *host, const char *port)
{
	const struct weir_loop_options options = {.shared_budget = shared};
	const struct weir_tcp_options tcp = {.reuse_port = true};
	int rc = weir_loop_create(&options, &t->loop);

	if (rc == 0)
		rc = weir_loop_on_signal(t->loop, SIGTERM, on_signal, t);
	if (rc < 0)
		return rc;
	return first ? weir_listener_share(t->loop, first, &t->listener)
		     : weir_tcp_listen(t->loop, host, port, &tcp, &t->listener);
}

/* ---- something to do ---- */

/* A peer that sends a line and wants it back. */
static void *visit(void *arg)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	struct addrinfo *to;
	char port[8], text[64], *back = NULL;
	size_t got = 0;
	ssize_t n = 0;
	int fd;

	snprintf(port, sizeof(port), "%d", *(const int *)arg);
	if (getaddrinfo("127.0.0.1", port, &hints, &to))
		return NULL;
	fd = socket(to->ai_family, SOCK_STREAM, 0);
	if (connect(fd, to->ai_addr, to->ai_addrlen) == 0 && write(fd, "hello\n", 6) == 6 &&
	    shutdown(fd, SHUT_WR) == 0) {
		while (got < sizeof(text) && (n = read(fd, text + got, sizeof(text) - got)) > 0)
			got += (size_t)n;
		if (n == 0 && got == 6 && memcmp(text, "hello\n", 6) == 0)
			back = arg;
	}
	close(fd);
	freeaddrinfo(to);
	return back;
}

/* Returns how many got their line back. */
static int visit_all(int port)
{
	pthread_t peer[PEERS];
	int begun = 0, served = 0;
	void *back;

	while (begun < PEERS && pthread_create(&peer[begun], NULL, visit, &port) == 0)
		begun++;
	for (int i = 0; i < begun; i++)
		if (pthread_join(peer[i], &back) == 0 && back)
			served++;
	return served;
}

/* ---- all threads ---- */

static int serve(struct thread *thread, bool demonstrate)
{
	int begun = 1, served = 0;

	while (begun < THREADS &&
	       pthread_create(&thread[begun].id, NULL, run, &thread[begun]) == 0)
		begun++;
	if (demonstrate) {
		pthread_create(&thread[0].id, NULL, run, &thread[0]);
		served = visit_all(weir_listener_port(thread[0].listener));
		printf("%d of %d got their line back\n", served, PEERS);
		kill(getpid(), SIGTERM);
		pthread_join(thread[0].id, NULL);
	} else {
		run(&thread[0]);
	}
	for (int i = 1; i < begun; i++)
		pthread_join(thread[i].id, NULL);
	return demonstrate && served < PEERS ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct thread thread[THREADS] = {0};
	struct weir_shared_budget *shared = NULL;
	struct weir_endpoint *to = NULL;
	bool demonstrate = argc < 4;
	unsigned served = 0;
	int status = 1, rc;

	signal(SIGPIPE, SIG_IGN);
	rc = weir_endpoint_parse(demonstrate ? "exec:cat" : argv[3], &to, NULL);
	if (rc == 0)
		rc = weir_shared_budget_create(LIMIT, THREADS, &shared);
	for (int i = 0; i < THREADS && rc == 0; i++) {
		thread[i].to = to;
		rc = begin(&thread[i], shared, i ? thread[0].listener : NULL,
			   demonstrate ? "127.0.0.1" : argv[1], demonstrate ? "0" : argv[2]);
	}
	if (rc == 0)
		status = serve(thread, demonstrate);
	else
		fprintf(stderr, "threads: %s\n", weir_err_text(rc));
	/* The threads are over: what they had may be used here. */
	for (int i = 0; i < THREADS; i++) {
		served += thread[i].served;
		weir_listener_close(thread[i].listener);
		weir_loop_destroy(thread[i].loop);
	}
	if (status == 0)
		printf("%u peers served by %d threads, with at most %zu bytes\n", served, THREADS,
		       weir_shared_budget_peak(shared));
	weir_shared_budget_destroy(shared);
	weir_endpoint_destroy(to);
	return status;
}
