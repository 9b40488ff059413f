/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TRANSPORT_NET_H
#define WEIR_TRANSPORT_NET_H
/*
 * net.h -- what TCP and UNIX sockets share: addresses, opening by attempts, listening.
 *
 * Sockets that listen or connect are watched by uv_poll and driven by accept4(2) and
 * connect(2); once connected they are a stream (stream.h).
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "engine/ring.h"
#include "weir/impl/transport.h"
#include "weir/listener.h"
#include "weir/tcp.h"

/* RFC 8305, section 5: the Connection Attempt Delay. */
#define WEIR__STAGGER_NS (250 * WEIR_NS_PER_MS)

/* A full backlog of a UNIX socket cannot be waited for; ask again after so long. */
#define WEIR__BACKLOG_RETRY_NS (10 * WEIR_NS_PER_MS)

/* The most peers taken in one event, so that one listener does not hold up the loop. */
#define WEIR__ACCEPT_BATCH 64

/* "[" an IPv6 address "%" an interface "]:" a port, or a path. */
#define WEIR__ADDRESS_TEXT 128

struct weir__address {
	struct sockaddr_storage sa;
	socklen_t len;
};

/* Copy a system's address; one that does not fit becomes AF_UNSPEC. */
void weir__address_set(struct weir__address *address, const struct sockaddr *sa, socklen_t len);

/* Write "127.0.0.1:80", "[::1]:80", "/path" or "@name", cut to `size`. */
void weir__address_format(const struct weir__address *address, char *text, size_t size);

/* The port, or 0 for an address without one. */
int weir__address_port(const struct weir__address *address);

/* Order addresses for attempts: families in turn, the first one's family first, and
 * within a family as they were (RFC 8305, section 4). */
void weir__address_interleave(struct weir__address *list, size_t count);

/* Set a new TCP socket's options; peers inherit them from a listening one. */
WEIR_MUST_USE int weir__socket_set_options(int fd, const struct weir_tcp_options *options);

/*
 * Make the transport of a connected socket; a UNIX one is named after the address.
 * Owns  as weir__stream_create().
 */
WEIR_MUST_USE int weir__socket_transport(struct weir_loop *loop, int fd,
                                         const struct weir__address *name,
                                         struct weir_transport **out);

/*
 * Connect to the first of `count` addresses (at least one) that answers: in order,
 * the next one WEIR__STAGGER_NS after the last or at once after a failure.  `options`
 * are for TCP, and may be NULL.
 *
 * Owns     nothing: `list` and `options` are copied.
 * Returns  as weir_tcp_connect(); `fn` gets the last failure's code.
 */
WEIR_MUST_USE int weir__connect_addresses(struct weir_loop *loop, const struct weir__address *list,
                                          size_t count, const struct weir_tcp_options *options,
                                          weir_open_fn *fn, void *arg, struct weir_opening **out);

/*
 * A listening socket: idle, accepting (poll active, or the ring accepts) or resting (timer
 * set).  Resting and accepting only while `started`.  Kinds embed this as the first member,
 * named `base`.
 */
struct weir_listener {
	struct weir_loop *loop;
	uv_poll_t poll;
	struct weir__ring_target target;
	struct weir_timer rest;
	weir_accept_fn *fn;
	void *arg;
	void (*on_close)(struct weir_listener *l); /* the socket is closed next; or NULL */
	int fd;
	int *kept;         /* peers that the ring took after a pause, first come first */
	unsigned keeps;    /* how many */
	uint8_t under_way; /* set of operations of the ring */
	uint8_t handles;   /* what is still to be closed before the memory goes */
	bool polls;        /* the ring may not or cannot accept here */
	bool started;
	bool closed;
	bool dual;                   /* it takes IPv4 peers on an IPv6 socket */
	struct weir_tcp_options tcp; /* of a TCP listener */
	struct weir__address address;
	char text[WEIR__ADDRESS_TEXT];
};

/*
 * Begin to watch `fd`, a listening non-blocking socket, in zeroed heap storage.
 * Owns     on success `l` owns `fd`, and weir_listener_close() frees `l`; on failure
 *          the caller keeps both.
 */
WEIR_MUST_USE int weir__listener_init(struct weir_listener *l, struct weir_loop *loop, int fd,
                                      void (*on_close)(struct weir_listener *l));

#endif
