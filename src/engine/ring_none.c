/* SPDX-License-Identifier: MIT */
/* A system without io_uring, or a build without liburing. */
#include "engine/ring.h"

#include <errno.h>

int weir__ring_create(struct weir_loop *loop, struct weir__ring **out)
{
	(void)loop;
	(void)out;
	return -ENOSYS;
}

void weir__ring_destroy(struct weir__ring *ring)
{
	(void)ring;
}

/* ---- nobody has a ring to call these with ---- */

void weir__ring_accept(struct weir__ring *ring, struct weir__ring_target *t, unsigned op, int fd)
{
	(void)ring;
	(void)t;
	(void)op;
	(void)fd;
}

void weir__ring_nothing(struct weir__ring *ring, struct weir__ring_target *t, unsigned op)
{
	(void)ring;
	(void)t;
	(void)op;
}

void weir__ring_cancel(struct weir__ring *ring, struct weir__ring_target *t, unsigned op)
{
	(void)ring;
	(void)t;
	(void)op;
}

void weir__ring_flush(struct weir__ring *ring)
{
	(void)ring;
}
