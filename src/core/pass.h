/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CORE_PASS_H
#define WEIR_CORE_PASS_H
/* pass.h -- from a drain in front to the consumer behind, for whatever is both. */
#include "weir/impl/consumer.h"

/*
 * Give `p`'s consumer bytes from the front of the chunks, at most `max` and at most what
 * it has room for, until it pauses `p`, which sets *paused, or lets it go.  A chunk with
 * an owner goes by reference.
 *
 * Returns  the bytes given.  *rc is 0, or the code with which a write was refused for good.
 */
size_t weir__pass(struct weir_producer *p, const bool *paused, const struct weir_chunk *chunks,
		  size_t count, uint64_t max, int *rc);

#endif
