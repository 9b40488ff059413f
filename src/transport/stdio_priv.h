/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TRANSPORT_STDIO_PRIV_H
#define WEIR_TRANSPORT_STDIO_PRIV_H
/* stdio_priv.h -- between what standard input and output are to their user, and what they are on
 * a system. */
#include "engine/loop_priv.h"
#include "transport/stream.h"
#include "weir/impl/transport.h"

struct weir__stdio {
	struct weir_transport base;
	struct weir_loop *loop;
	struct weir_transport *in, *out; /* or NULL */
	struct weir__stream_owner owner; /* of `out`, if it is a stream */
	struct weir_task release;
	bool borrowed[2]; /* the system's: something of descriptor 0, 1 is to be put back */
};

/* ---- of the system ---- */

/* Make a transport of descriptor 0, which is read, or 1, which is written; finishing that
 * closes the descriptor, and keeps its number in use. */
int weir__stdio_open_one(struct weir__stdio *s, int fd, struct weir_transport **t);

/* Put back what was borrowed.  The two transports have been closed. */
void weir__stdio_put_back(struct weir__stdio *s);

#endif
