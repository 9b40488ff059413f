/* SPDX-License-Identifier: MIT */
#ifndef WEIR_HASH_H
#define WEIR_HASH_H
/*
 * hash.h -- message digests of a stream, computed by OpenSSL's libcrypto, which the first
 * one loads, and on Windows by the system.  Goes well with a tap (tap.h).
 */
#include <stddef.h>

#include "weir/err.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_hash;

/* Room for the text of any digest, with its terminating zero. */
#define WEIR_HASH_TEXT_MAX 129

/*
 * Begin a digest.  `name` is one of OpenSSL's (`openssl list -digest-algorithms` prints
 * them): "sha256", "sha512", "sha1", "sha3-256", "blake2b512", "md5", ...; case does not
 * matter, and those without a fixed length are not among them.  On Windows there are "md5",
 * "sha1", "sha256", "sha384" and "sha512".
 *
 * Returns  0 and the hash in *out; WEIR_ENOTSUP for a name that is not known;
 *          WEIR_ELIBRARY if there is no libcrypto; -ENOMEM.
 */
WEIR_API WEIR_MUST_USE int weir_hash_create(const char *name, struct weir_hash **out);

/* Add `len` bytes.  Returns 0, or -EIO if that fails; the digest is then lost. */
WEIR_API int weir_hash_add(struct weir_hash *h, const void *data, size_t len);

/* Write the digest of what was added so far as lower-case hexadecimal digits; more may be
 * added after.  Returns 0, -EIO after a failure, or -ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_hash_text(const struct weir_hash *h,
					  char text[WEIR_HASH_TEXT_MAX]);

/* NULL is allowed. */
WEIR_API void weir_hash_destroy(struct weir_hash *h);

#ifdef __cplusplus
}
#endif
#endif
