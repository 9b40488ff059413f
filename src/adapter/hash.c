/* SPDX-License-Identifier: MIT */
/* Message digests, whoever computes them: what has failed stays so, and how they are written. */
#include "weir/hash.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "adapter/digest.h"

struct weir_hash {
	struct weir__digest *digest;
	bool failed;
};

int weir_hash_create(const char *name, struct weir_hash **out)
{
	struct weir__digest *digest;
	struct weir_hash *h;
	int rc = weir__digest_create(name, &digest);

	if (rc < 0)
		return rc;
	h = calloc(1, sizeof(*h));
	if (!h) {
		weir__digest_destroy(digest);
		return -ENOMEM;
	}
	h->digest = digest;
	*out = h;
	return 0;
}

int weir_hash_add(struct weir_hash *h, const void *data, size_t len)
{
	if (!h->failed && !weir__digest_add(h->digest, data, len))
		h->failed = true;
	return h->failed ? -EIO : 0;
}

int weir_hash_text(const struct weir_hash *h, char text[WEIR_HASH_TEXT_MAX])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char value[WEIR__DIGEST_MAX];
	int len;

	if (h->failed)
		return -EIO;
	len = weir__digest_value(h->digest, value);
	if (len < 0)
		return len;
	for (int i = 0; i < len; i++) {
		*text++ = digits[value[i] >> 4];
		*text++ = digits[value[i] & 15];
	}
	*text = '\0';
	return 0;
}

void weir_hash_destroy(struct weir_hash *h)
{
	if (!h)
		return;
	weir__digest_destroy(h->digest);
	free(h);
}
