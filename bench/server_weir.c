/* SPDX-License-Identifier: MIT */
/*
 * A server on the library.
 *
 *   server_weir echo|close PORT
 *
 *   echo   each peer's source is joined to its own sink
 *   close  each peer is accepted and closed
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir/join.h"
#include "weir/listener.h"
#include "weir/loop.h"
#include "weir/tcp.h"

struct peer {
	struct weir_transport *transport;
	struct weir_join *join;
};

static struct weir_loop *loop;

static void require(int rc)
{
	if (rc == 0)
		return;
	fprintf(stderr, "server_weir: %s\n", weir_err_text(rc));
	exit(1);
}

static void on_done(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	struct peer *peer = arg;

	(void)outcome;
	weir_join_destroy(join);
	weir_transport_close(peer->transport);
	free(peer);
}

static void on_accept(void *arg, struct weir_transport *t)
{
	struct weir_join_options options = {.on_done = on_done};
	struct peer *peer;

	(void)arg;
	peer = calloc(1, sizeof(*peer));
	if (!peer) {
		weir_transport_close(t);
		return;
	}
	peer->transport = t;
	options.arg = peer;
	require(weir_join_create(weir_loop_context(loop), weir_transport_source(t),
	                         weir_transport_sink(t), &options, &peer->join));
}

static void on_accept_close(void *arg, struct weir_transport *t)
{
	(void)arg;
	weir_transport_close(t);
}

int main(int argc, char **argv)
{
	bool echo = argc == 3 && strcmp(argv[1], "echo") == 0;
	struct weir_listener *listener;

	if (argc != 3 || (!echo && strcmp(argv[1], "close") != 0)) {
		fprintf(stderr, "usage: server_weir echo|close PORT\n");
		return 2;
	}
	require(weir_loop_create(NULL, &loop));
	require(weir_tcp_listen(loop, "127.0.0.1", argv[2], NULL, &listener));
	weir_listener_accept_ahead(listener);
	weir_listener_start(listener, echo ? on_accept : on_accept_close, NULL);
	weir_loop_run(loop);
	weir_listener_close(listener);
	weir_loop_destroy(loop);
	return 0;
}
