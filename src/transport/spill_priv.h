/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TRANSPORT_SPILL_PRIV_H
#define WEIR_TRANSPORT_SPILL_PRIV_H
/*
 * spill_priv.h -- the file of a store, which nobody else can see.  Files are what the system
 * has: descriptors, or handles.
 */
#include <stddef.h>
#include <stdint.h>

#include "weir/err.h"

/* Make it in `folder` (NULL: where the system has such files).  Returns 0 or a negative code. */
WEIR_MUST_USE int weir__spill_open(const char *folder, intptr_t *out);

/* Move bytes.  Return how many there were, which may be less, or a negative code. */
WEIR_MUST_USE int64_t weir__spill_write(intptr_t file, uint64_t at, const void *data,
					size_t len);
WEIR_MUST_USE int64_t weir__spill_read(intptr_t file, uint64_t at, void *data, size_t len);

/* And it is gone. */
void weir__spill_close(intptr_t file);

#endif
