/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IMPL_SPILL_H
#define WEIR_IMPL_SPILL_H
/*
 * impl/spill.h -- for those who write a store for bytes that wait: first in, first out,
 * bounded.
 */
#include <stddef.h>

#include "weir/spill.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a kind of store does.  Every member is mandatory. */
struct weir_spill_ops {
	const char *name;

	/* Append bytes.  Returns how many were stored, from the front, 0 when it is full,
	 * which one that is empty never is (its branch fails with -EIO); or a negative code,
	 * with none stored. */
	int64_t (*store)(struct weir_spill *s, const void *data, size_t len);

	/* Take up to `len` bytes from the front.  Returns how many, 0 when it is empty; or a
	 * negative code: what is stored is lost. */
	int64_t (*fetch)(struct weir_spill *s, void *data, size_t len);

	/* Release the store and what is in it. */
	void (*destroy)(struct weir_spill *s);
};

/* Embed this as the first member, named `base`. */
struct weir_spill {
	const struct weir_spill_ops *ops;
};

#ifdef __cplusplus
}
#endif
#endif
