/* SPDX-License-Identifier: MIT */
#ifndef WEIR_UNIX_H
#define WEIR_UNIX_H
/*
 * unix.h -- stream sockets in the file system, or with a leading '@' in Linux's
 * abstract name space.
 *
 * Finishing the sink shuts down writing.  A UNIX socket has no reset: failing the sink
 * closes it in both directions.
 */
#include "weir/listener.h"
#include "weir/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The longest path that the system's address has room for, in bytes. */
WEIR_API size_t weir_unix_path_max(void);

/* Connect to the socket at `path`.  As weir_tcp_connect(). */
WEIR_API WEIR_MUST_USE int weir_unix_connect(struct weir_loop *loop, const char *path,
					     weir_open_fn *fn, void *arg,
					     struct weir_opening **out);

/*
 * Listen at `path`.  A socket that is there and that nobody listens on any more is
 * replaced; anything else there is -EADDRINUSE.  The path is removed on close.
 *
 * Returns  0 and the listener in *out, not yet accepting; or a negative code.
 */
WEIR_API WEIR_MUST_USE int weir_unix_listen(struct weir_loop *loop, const char *path,
					    struct weir_listener **out);

#ifdef __cplusplus
}
#endif
#endif
