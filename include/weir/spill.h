/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SPILL_H
#define WEIR_SPILL_H
/*
 * spill.h -- a bounded store, outside of memory, for bytes that wait for a slow branch of
 * a tee (tee.h).
 */
#include <stdint.h>

#include "weir/err.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_spill;

/*
 * A store of at most `max` bytes in a file without a name in `folder` (NULL: $TMPDIR or
 * /tmp), written and read through the page cache; its space is used again and again.
 *
 * Returns  0 and the store in *out, -EINVAL for a `max` of 0, or a negated errno.
 */
WEIR_API WEIR_MUST_USE int weir_spill_file(const char *folder, uint64_t max,
					   struct weir_spill **out);

/* Release a store that no branch owns.  NULL is allowed. */
WEIR_API void weir_spill_destroy(struct weir_spill *s);

#ifdef __cplusplus
}
#endif
#endif
