/* SPDX-License-Identifier: MIT */
/* Digests by the system's own library, bcrypt.dll ("CNG"), which every Windows has. */
#include "adapter/digest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include <bcrypt.h>

struct weir__digest {
	BCRYPT_ALG_HANDLE provider;
	BCRYPT_HASH_HANDLE hash;
	int len; /* of the digest, in bytes */
};

/* Those that both know, by the names of OpenSSL's. */
static const struct {
	const char *name;
	const wchar_t *id;
	int len;
} digests[] = {
	{"md5", BCRYPT_MD5_ALGORITHM, 16},        {"sha1", BCRYPT_SHA1_ALGORITHM, 20},
	{"sha256", BCRYPT_SHA256_ALGORITHM, 32},  {"sha384", BCRYPT_SHA384_ALGORITHM, 48},
	{"sha512", BCRYPT_SHA512_ALGORITHM, 64},  {"sha-1", BCRYPT_SHA1_ALGORITHM, 20},
	{"sha-256", BCRYPT_SHA256_ALGORITHM, 32}, {"sha2-256", BCRYPT_SHA256_ALGORITHM, 32},
	{"sha-384", BCRYPT_SHA384_ALGORITHM, 48}, {"sha2-384", BCRYPT_SHA384_ALGORITHM, 48},
	{"sha-512", BCRYPT_SHA512_ALGORITHM, 64}, {"sha2-512", BCRYPT_SHA512_ALGORITHM, 64},
};

#define DIGESTS (sizeof(digests) / sizeof(digests[0]))

static int begin(struct weir__digest *d, const wchar_t *id)
{
	NTSTATUS status = BCryptOpenAlgorithmProvider(&d->provider, id, NULL, 0);

	if (BCRYPT_SUCCESS(status))
		status = BCryptCreateHash(d->provider, &d->hash, NULL, 0, NULL, 0, 0);
	if (BCRYPT_SUCCESS(status))
		return 0;
	return status == (NTSTATUS)STATUS_NO_MEMORY ? -ENOMEM : WEIR_ENOTSUP;
}

int weir__digest_create(const char *name, struct weir__digest **out)
{
	struct weir__digest *d;
	size_t i = 0;
	int rc;

	while (i < DIGESTS && _stricmp(digests[i].name, name) != 0)
		i++;
	if (i == DIGESTS)
		return WEIR_ENOTSUP;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->len = digests[i].len;
	rc = begin(d, digests[i].id);
	if (rc < 0) {
		weir__digest_destroy(d);
		return rc;
	}
	*out = d;
	return 0;
}

bool weir__digest_add(struct weir__digest *d, const void *data, size_t len)
{
	const unsigned char *at = data;
	NTSTATUS status = 0;

	while (len > 0 && BCRYPT_SUCCESS(status)) {
		ULONG n = len < ULONG_MAX ? (ULONG)len : ULONG_MAX;

		status = BCryptHashData(d->hash, (PUCHAR)(uintptr_t)at, n, 0);
		at += n;
		len -= n;
	}
	return BCRYPT_SUCCESS(status);
}

int weir__digest_value(const struct weir__digest *d, unsigned char value[WEIR__DIGEST_MAX])
{
	BCRYPT_HASH_HANDLE copy;
	NTSTATUS status = BCryptDuplicateHash(d->hash, &copy, NULL, 0, 0);

	if (!BCRYPT_SUCCESS(status))
		return status == (NTSTATUS)STATUS_NO_MEMORY ? -ENOMEM : -EIO;
	status = BCryptFinishHash(copy, value, (ULONG)d->len, 0);
	BCryptDestroyHash(copy);
	return BCRYPT_SUCCESS(status) ? d->len : -EIO;
}

void weir__digest_destroy(struct weir__digest *d)
{
	if (d->hash)
		BCryptDestroyHash(d->hash);
	if (d->provider)
		BCryptCloseAlgorithmProvider(d->provider, 0);
	free(d);
}
