/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PIPE_H
#define WEIR_PIPE_H
/*
 * pipe.h -- pipes, FIFOs and any other descriptor that can be polled.
 *
 * A pipe's sink cannot tell a failure: its reader sees an end of file either way.  That
 * its reader has gone is noticed without a write: the sink dies with -EPIPE.
 *
 * Memory    A pipe that is seen full is enlarged to 1 MiB, once, where the user may
 *           (fcntl(2), F_SETPIPE_SZ); that is the kernel's memory, and not charged.
 *
 * Signals   The program must ignore SIGPIPE: a write to a pipe without a reader raises
 *           it, and there is no way to ask for none.  The library leaves it alone.
 */
#include "weir/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Make a transport of descriptors that the caller has open: `in` to read and `out` to
 * write, either of them -1, or the same socket twice.  They are set non-blocking.
 *
 * Owns     on success the transport closes them; on failure the caller keeps them.
 * Returns  0 and the transport in *t; -EBADF for one that is not open, or not for
 *          that direction; -EPERM for one that cannot be polled (a regular file: use
 *          file.h); -ENOMEM.
 */
WEIR_API WEIR_MUST_USE int weir_pipe_adopt(struct weir_loop *loop, int in, int out,
					   struct weir_transport **t);

/* A pair of transports with an operating system pipe between them: *reader's source
 * gives what *writer's sink takes.  Returns 0 or a negated errno. */
WEIR_API WEIR_MUST_USE int weir_pipe_pair(struct weir_loop *loop, struct weir_transport **reader,
					  struct weir_transport **writer);

#ifdef __cplusplus
}
#endif
#endif
