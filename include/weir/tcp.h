/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_H
#define WEIR_TCP_H
/*
 * tcp.h -- TCP over IPv4 and IPv6.
 *
 * Finishing the sink shuts down writing once every byte has gone (a FIN); failing
 * it resets the connection (RST), so that a truncated stream does not look complete.
 * Bytes that had arrived before a reset are delivered before the reset is told.
 */
#include "weir/listener.h"
#include "weir/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_tcp_options {
	bool delay;           /* Nagle's algorithm on; off (TCP_NODELAY) by default */
	bool no_keepalive;    /* keep-alive probes are on by default */
	unsigned keepalive_s; /* idle seconds before the first probe; 0: 60 */
	uint64_t connect_ns;  /* give up connecting after so long; 0: the system's limits */
	bool reuse_port;      /* listening: weir_listener_share() will be asked for others */
};

/* Whether `host` is an IPv6 address, with or without an interface after '%'. */
WEIR_API bool weir_tcp_is_ipv6(const char *host);

/*
 * Connect to `host` (a name or an address, without brackets) and `port` (a number or
 * a service name).  A name is resolved by a worker thread, and its addresses are
 * tried as RFC 8305 says ("happy eyeballs"): families in turn, the next one after
 * 250 ms or at once after a failure, the first that answers wins.
 *
 * Returns  0, with the opening in *out if `out` is not NULL, and then `fn` is called;
 *          or a negative code, and it is not.
 * Errors   told to `fn`: WEIR_ERESOLVE, or the last attempt's negated errno.
 */
WEIR_API WEIR_MUST_USE int weir_tcp_connect(struct weir_loop *loop, const char *host,
					    const char *port,
					    const struct weir_tcp_options *options,
					    weir_open_fn *fn, void *arg,
					    struct weir_opening **out);

/*
 * Listen on `host` and `port`; host "" or "*" is every address (both families, where
 * the system has both), port "0" one that the system chooses.  A name is resolved
 * before this returns, and its first address is taken.  `options` apply to each peer.
 *
 * Returns  0 and the listener in *out, not yet accepting; or a negative code.
 */
WEIR_API WEIR_MUST_USE int weir_tcp_listen(struct weir_loop *loop, const char *host,
					   const char *port,
					   const struct weir_tcp_options *options,
					   struct weir_listener **out);

#ifdef __cplusplus
}
#endif
#endif
