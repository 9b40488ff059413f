/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ADAPTER_DIGEST_H
#define WEIR_ADAPTER_DIGEST_H
/*
 * digest.h -- who computes a message digest: libcrypto, or on Windows the system.
 */
#include <stdbool.h>
#include <stddef.h>

#include "weir/hash.h"

/* Bytes of the longest digest. */
#define WEIR__DIGEST_MAX 64

struct weir__digest;

/* As weir_hash_create(). */
WEIR_MUST_USE int weir__digest_create(const char *name, struct weir__digest **out);

/* False after a failure: the digest is lost. */
WEIR_MUST_USE bool weir__digest_add(struct weir__digest *d, const void *data, size_t len);

/* Of what was added so far; more may be added after.  Returns the bytes of the digest, -EIO or
 * -ENOMEM. */
WEIR_MUST_USE int weir__digest_value(const struct weir__digest *d,
				     unsigned char value[WEIR__DIGEST_MAX]);

void weir__digest_destroy(struct weir__digest *d);

#endif
