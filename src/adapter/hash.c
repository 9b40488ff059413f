/* SPDX-License-Identifier: MIT */
/* Digests by libcrypto's EVP interface; see EVP_DigestInit(3). */
#include "weir/hash.h"

#include "adapter/crypto.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

struct weir_hash {
	struct weir__crypto crypto;
	EVP_MD_CTX *ctx;
	bool failed;
};

int weir_hash_create(const char *name, struct weir_hash **out)
{
	struct weir__crypto crypto;
	const EVP_MD *md;
	struct weir_hash *h;

	if (!weir__crypto_load(&crypto))
		return WEIR_ELIBRARY;
	md = crypto.EVP_get_digestbyname(name);
	if (!md || (crypto.EVP_MD_get_flags(md) & EVP_MD_FLAG_XOF))
		return WEIR_ENOTSUP;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->crypto = crypto;
	h->ctx = crypto.EVP_MD_CTX_new();
	if (!h->ctx || crypto.EVP_DigestInit_ex(h->ctx, md, NULL) != 1) {
		int rc = h->ctx ? WEIR_ENOTSUP : -ENOMEM;

		weir_hash_destroy(h);
		return rc;
	}
	*out = h;
	return 0;
}

int weir_hash_add(struct weir_hash *h, const void *data, size_t len)
{
	if (!h->failed && h->crypto.EVP_DigestUpdate(h->ctx, data, len) != 1)
		h->failed = true;
	return h->failed ? -EIO : 0;
}

int weir_hash_text(const struct weir_hash *h, char text[WEIR_HASH_TEXT_MAX])
{
	const struct weir__crypto *crypto = &h->crypto;
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	EVP_MD_CTX *copy;
	int ok;

	if (h->failed)
		return -EIO;
	copy = crypto->EVP_MD_CTX_new();
	if (!copy)
		return -ENOMEM;
	ok = crypto->EVP_MD_CTX_copy_ex(copy, h->ctx) == 1 &&
	     crypto->EVP_DigestFinal_ex(copy, digest, &len) == 1;
	crypto->EVP_MD_CTX_free(copy);
	if (!ok)
		return -EIO;
	for (unsigned int i = 0; i < len; i++) {
		*text++ = digits[digest[i] >> 4];
		*text++ = digits[digest[i] & 15];
	}
	*text = '\0';
	return 0;
}

void weir_hash_destroy(struct weir_hash *h)
{
	if (!h)
		return;
	h->crypto.EVP_MD_CTX_free(h->ctx);
	free(h);
}
