/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOL_DIGEST_H
#define WEIR_TOOL_DIGEST_H
/* digest.h -- the digests that --hash asks for, of one stream. */
#include "options.h"
#include "weir/hash.h"
#include "weir/tap.h"

struct digest {
	struct weir_hash *hash;
	char text[WEIR_HASH_TEXT_MAX]; /* once digests_finish() has succeeded */
};

struct digests {
	const struct options *o;
	struct weir_tap *tap;
	struct digest each[]; /* as o->hash */
};

/*
 * Have the bytes that go to `*front` seen, from now on, and set `*front` to what is to be
 * used in its place; without --hash nothing changes, and `*d`, which is NULL, stays so.
 *
 * Returns  0, or a negative code; digests_destroy() is due in any case.
 */
int digests_create(struct digests **d, const struct options *o, struct weir_consumer **front);

/* The stream is whole.  Returns 0, or the negative code with which o->hash[*which] failed. */
int digests_finish(struct digests *d, size_t *which);

/* Before the consumer that was behind is released.  NULL is allowed. */
void digests_destroy(struct digests *d);

#endif
