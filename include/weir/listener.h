/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LISTENER_H
#define WEIR_LISTENER_H
/*
 * listener.h -- waits for peers and makes a transport of each.
 *
 * Peers that are not accepted wait in the kernel's backlog.  When the process runs
 * out of descriptors (EMFILE, ENFILE) or memory, the listener rests for
 * WEIR_ACCEPT_REST_MS and tries again: it neither spins nor stops.
 */
#include <stddef.h>

#include "weir/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_listener;

#define WEIR_ACCEPT_REST_MS 50

/* A peer came; `t` is the callee's to close.  Called from the loop. */
typedef void weir_accept_fn(void *arg, struct weir_transport *t);

/* Begin to accept, or go on after a pause. */
WEIR_API void weir_listener_start(struct weir_listener *l, weir_accept_fn *fn, void *arg);

/* Leave further peers in the backlog until the next start. */
WEIR_API void weir_listener_pause(struct weir_listener *l);

/*
 * Let the kernel accept peers before `fn` is asked to take them, which costs less: with the ring
 * (weir/loop.h) no system call for each.  A burst is then accepted whole, and those for whom a
 * pause comes too late hold a descriptor each until the listener is started again, or are closed
 * with it; so this is not for who pauses to keep within a number of descriptors.  Without the
 * ring it changes nothing.  Before weir_listener_start().
 */
WEIR_API void weir_listener_accept_ahead(struct weir_listener *l);

/* The address listened on, as "127.0.0.1:8080", "[::1]:8080" or a path; with the
 * port that the system chose, if 0 was asked for.  Until: `l` is closed. */
WEIR_API const char *weir_listener_address(const struct weir_listener *l);

/* The port of a TCP listener, else 0. */
WEIR_API int weir_listener_port(const struct weir_listener *l);

/*
 * Listen on the same address, and port, once more, for another loop: the system gives each
 * peer to one of the listeners (SO_REUSEPORT), by chance, and what waits for one no other one
 * takes.  `of` must be a TCP listener that was made with `reuse_port`.
 *
 * Whoever listens on that address already keeps the first listener from being made; any
 * process of the same user that asks for the same may join later.
 *
 * Threads  `of` may belong to another thread, as long as it is not closed meanwhile.
 * Returns  0 and the listener in *out, not yet accepting; WEIR_ENOTSUP if `of` cannot be
 *          shared; another negative code.
 */
WEIR_API WEIR_MUST_USE int weir_listener_share(struct weir_loop *loop,
					       const struct weir_listener *of,
					       struct weir_listener **out);

/* Stop listening.  A UNIX socket's path is removed.  `l` must not be used
 * afterwards.  NULL is allowed. */
WEIR_API void weir_listener_close(struct weir_listener *l);

#ifdef __cplusplus
}
#endif
#endif
