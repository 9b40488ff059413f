/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TRANSPORT_STREAM_H
#define WEIR_TRANSPORT_STREAM_H
/*
 * stream.h -- the transport of every descriptor that can be polled: sockets, pipes,
 * FIFOs, terminals, a child's pipes.  TCP, UNIX, pipe, stdio and process are this, with
 * a name and a way to open.
 *
 * Reads go into the loop's scratch buffer and are written on at once; the sink is a
 * valve whose drain is sendmsg(2) or writev(2).  Interest in writability exists only
 * after EAGAIN.
 *
 * An end is what the system has for that: a descriptor, or on Windows the address of a
 * uv_stream_t that is one block of the heap.
 */
#include <stdint.h>

#include "weir/impl/transport.h"

struct weir_loop;
struct weir__stream;

/* What an owner may want to decide itself.  NULL members have the default. */
struct weir__stream_hooks {
	/* The descriptor read gave its end.  Default: the source ends with 0.  The hook
	 * calls weir__stream_source_end(), now or later. */
	void (*on_eof)(struct weir__stream *s);

	/* The sink was finished: every byte went, and the descriptor has been shut down or
	 * closed.  Default: weir_valve_done(valve, 0).  The hook calls that, now or later. */
	void (*on_finished)(struct weir__stream *s);

	/* The sink was failed by its producer (`why` is negative), before it is let go; perhaps
	 * after on_finished, when that has not called weir_valve_done() yet. */
	void (*on_failed)(struct weir__stream *s, int why);

	/* The source was stopped by its consumer, before its descriptor is let go. */
	void (*on_stopped)(struct weir__stream *s, int why);

	/* The transport is closing: descriptors are closed next.  The stream's memory is
	 * released in a later turn; after this no hook is called. */
	void (*on_close)(struct weir__stream *s);
};

/* Embedded by an owner. */
struct weir__stream_owner {
	const struct weir__stream_hooks *hooks;
};

#define WEIR__NO_END ((intptr_t)-1)

struct weir__stream_config {
	const struct weir_transport_ops *ops; /* NULL: the stream's own, named "stream" */
	intptr_t in, out;     /* ends, WEIR__NO_END for none; equal for a socket */
	bool is_socket;       /* recv/send with flags; shutdown(2) ends the writing */
	bool resets;          /* a failed sink resets the connection (TCP) */
	bool keep_in, keep_out; /* do not close the end: it is not ours */
	bool nonblocking;     /* the descriptors are so already */
	struct weir__stream_owner *owner; /* NULL without hooks */
};

/*
 * Make a stream transport.  Descriptors are set non-blocking.
 * Owns     on success the stream closes the ends (unless kept); on failure the caller
 *          keeps them.
 */
WEIR_MUST_USE int weir__stream_create(struct weir_loop *loop,
				      const struct weir__stream_config *config,
				      struct weir_transport **out);

/* The stream of a transport that weir__stream_create() made, and back. */
struct weir__stream *weir__stream_from_transport(struct weir_transport *t);
struct weir_transport *weir__stream_transport(struct weir__stream *s);

/* The descriptor that is read, or else the one that is written; -1 once it is closed. */
int weir__stream_fd(const struct weir_transport *t);
struct weir__stream_owner *weir__stream_owner(const struct weir__stream *s);

/* End the source, from an on_eof hook or after it. */
void weir__stream_source_end(struct weir__stream *s, int why);

/* weir_transport_ops.close for ops of the owner's: what the stream's own does. */
void weir__stream_close(struct weir_transport *t);

#endif
