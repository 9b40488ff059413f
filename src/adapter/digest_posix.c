/* SPDX-License-Identifier: MIT */
/* Digests by libcrypto's EVP interface; see EVP_DigestInit(3). */
#include "adapter/digest.h"

#include <errno.h>
#include <stdlib.h>

#include "adapter/crypto.h"

_Static_assert(WEIR__DIGEST_MAX == EVP_MAX_MD_SIZE, "every digest fits");

struct weir__digest {
	struct weir__crypto crypto;
	EVP_MD_CTX *ctx;
};

int weir__digest_create(const char *name, struct weir__digest **out)
{
	struct weir__crypto crypto;
	const EVP_MD *md;
	struct weir__digest *d;

	if (!weir__crypto_load(&crypto))
		return WEIR_ELIBRARY;
	md = crypto.EVP_get_digestbyname(name);
	if (!md || (crypto.EVP_MD_get_flags(md) & EVP_MD_FLAG_XOF))
		return WEIR_ENOTSUP;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->crypto = crypto;
	d->ctx = crypto.EVP_MD_CTX_new();
	if (!d->ctx || crypto.EVP_DigestInit_ex(d->ctx, md, NULL) != 1) {
		int rc = d->ctx ? WEIR_ENOTSUP : -ENOMEM;

		weir__digest_destroy(d);
		return rc;
	}
	*out = d;
	return 0;
}

bool weir__digest_add(struct weir__digest *d, const void *data, size_t len)
{
	return d->crypto.EVP_DigestUpdate(d->ctx, data, len) == 1;
}

int weir__digest_value(const struct weir__digest *d, unsigned char value[WEIR__DIGEST_MAX])
{
	const struct weir__crypto *crypto = &d->crypto;
	unsigned int len = 0;
	EVP_MD_CTX *copy;
	int ok;

	copy = crypto->EVP_MD_CTX_new();
	if (!copy)
		return -ENOMEM;
	ok = crypto->EVP_MD_CTX_copy_ex(copy, d->ctx) == 1 &&
	     crypto->EVP_DigestFinal_ex(copy, value, &len) == 1;
	crypto->EVP_MD_CTX_free(copy);
	return ok ? (int)len : -EIO;
}

void weir__digest_destroy(struct weir__digest *d)
{
	d->crypto.EVP_MD_CTX_free(d->ctx);
	free(d);
}
