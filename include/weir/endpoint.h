/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ENDPOINT_H
#define WEIR_ENDPOINT_H
/*
 * endpoint.h -- something that a user names: parsed first, opened later.
 *
 *   -                       standard input, output, or both
 *   PATH, file:PATH         a file, FIFO or device
 *   tcp://HOST:PORT         a TCP connection; IPv6 addresses in brackets
 *   tcp-listen://HOST:PORT  a TCP peer that connects to us; HOST may be empty or *
 *   unix:PATH               a UNIX socket
 *   unix-listen:PATH        a peer of a UNIX socket of ours
 *   exec:COMMAND            a child, run by /bin/sh
 *   null:                   takes anything, gives nothing (an empty source)
 *   zero:[SIZE]             SIZE zero bytes, or no end of them
 *   random:[SIZE][?seed=N]  SIZE pseudo-random bytes, or no end of them; the seed is 0
 *                           unless given
 *
 * SIZE is a number with an optional k, M, G, T (powers of 1000) or Ki, Mi, Gi, Ti
 * (powers of 1024).  A bare path that begins with a scheme's name and a colon is
 * written ./NAME or file:NAME; NAME:// of an unknown scheme is an error, not a path.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/file.h"
#include "weir/listener.h"
#include "weir/tcp.h"
#include "weir/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_endpoint;

enum weir_role {
	WEIR_ROLE_SOURCE = 1,
	WEIR_ROLE_SINK = 2,
	WEIR_ROLE_BOTH = 3,
};

/*
 * Parse `text`.  Opens nothing.
 *
 * Returns  0 and the endpoint in *out; -ENOMEM; or WEIR_EENDPOINT, with what was
 *          expected instead in *expected (a phrase in static storage, such as "a port
 *          from 0 to 65535").  `expected` may be NULL.
 */
WEIR_API WEIR_MUST_USE int weir_endpoint_parse(const char *text, struct weir_endpoint **out,
					       const char **expected);

/* NULL is allowed. */
WEIR_API void weir_endpoint_destroy(struct weir_endpoint *e);

/* What it was parsed from. */
WEIR_API const char *weir_endpoint_text(const struct weir_endpoint *e);

/* The name of its scheme: "tcp", "unix-listen", "file" (also of a bare path), "-". */
WEIR_API const char *weir_endpoint_scheme(const struct weir_endpoint *e);

/* The path of a file or a UNIX socket, the command of exec:; else NULL. */
WEIR_API const char *weir_endpoint_path(const struct weir_endpoint *e);

/* Whether it can be opened in this role; whether it listens for peers. */
WEIR_API bool weir_endpoint_can(const struct weir_endpoint *e, enum weir_role role);
WEIR_API bool weir_endpoint_listens(const struct weir_endpoint *e);

/* Whether it is standard input or output ("-"). */
WEIR_API bool weir_endpoint_is_stdio(const struct weir_endpoint *e);

/* Parse a SIZE, as above, below 2^64-1 bytes.  Returns 0, or WEIR_EENDPOINT. */
WEIR_API WEIR_MUST_USE int weir_size_parse(const char *text, uint64_t *out);

struct weir_endpoint_options {
	struct weir_file_write_options file; /* for file sinks */
	struct weir_tcp_options tcp;
};

/*
 * Open an endpoint.  One that listens accepts a single peer, and stops listening.
 * `options` may be NULL.
 *
 * Returns  0, with the opening in *out if `out` is not NULL, and then `fn` is called
 *          from the loop; or a negative code, and it is not.
 */
WEIR_API WEIR_MUST_USE int weir_endpoint_open(struct weir_loop *loop,
					      const struct weir_endpoint *e, enum weir_role role,
					      const struct weir_endpoint_options *options,
					      weir_open_fn *fn, void *arg,
					      struct weir_opening **out);

/* Listen for many peers.  Returns 0 and the listener in *out; WEIR_ENOTSUP if the
 * endpoint does not listen; another negative code. */
WEIR_API WEIR_MUST_USE int weir_endpoint_listen(struct weir_loop *loop,
						const struct weir_endpoint *e,
						const struct weir_endpoint_options *options,
						struct weir_listener **out);

#ifdef __cplusplus
}
#endif
#endif
