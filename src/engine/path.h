/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ENGINE_PATH_H
#define WEIR_ENGINE_PATH_H
/*
 * path.h -- ways to move bytes from one descriptor to another inside the kernel; for the
 * transports, which answer offers of weir/impl/carry.h with them.
 *
 * Signals   A pipe or socket without a reader raises SIGPIPE where the program has not
 *           ignored that; the ways into them are not taken then.
 */
#include "weir/impl/carry.h"
#include "weir/impl/valve.h"

struct weir_loop;

/* After a refusal that is not for the moment only: so many reads before the next offer. */
#define WEIR__UNASKED 63

/* The most bytes of one step: long enough that its cost does not matter, and short enough
 * that the others' turns come. */
#define WEIR__PATH_STEP ((size_t)2 << 20)

/* Whether there is a way from `carry` into a descriptor of this kind that is worth while, or
 * any with carry->any.  If not, carry says why. */
bool weir__path_serves(struct weir_carry *carry, enum weir_carry_kind to);

/*
 * Move bytes into `fd`, which the valve `sink` is the consumer of: weir_valve_ops.carry.  Only
 * after weir__path_serves().  An error of the sink's is returned, negative.
 */
int64_t weir__path_move(struct weir_loop *loop, struct weir_carry *carry, struct weir_valve *sink,
			enum weir_carry_kind to, int fd);

/* Whether reading so many bytes of a file would not wait for a disk, as far as the system
 * tells. */
bool weir__path_in_cache(int fd, uint64_t offset, size_t len);

/* Release what the ways of a loop have needed. */
void weir__path_fini(struct weir_loop *loop);

#endif
