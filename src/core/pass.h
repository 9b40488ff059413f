/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CORE_PASS_H
#define WEIR_CORE_PASS_H
/* pass.h -- from a drain in front to the consumer behind, for whatever is both.  `*paused`
 * is whether that takes nothing now: it has paused the producer, or has not pulled. */
#include <stdbool.h>

#include "weir/impl/consumer.h"

/*
 * Give `p`'s consumer bytes from the front of the chunks, at most `max` and at most what
 * it has room for, until it pauses `p` or lets it go; one chunk if it pulls.  A chunk with
 * an owner goes by reference.
 *
 * Returns  the bytes given.  *rc is 0, or the code with which a write was refused for good.
 */
size_t weir__pass(struct weir_producer *p, bool *paused, const struct weir_chunk *chunks,
		  size_t count, uint64_t max, int *rc);

/* What the consumer takes in one write now: 0 when there is none, or it has paused `p`. */
size_t weir__pass_room(struct weir_producer *p, const bool *paused);

#endif
