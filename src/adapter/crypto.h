/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ADAPTER_CRYPTO_H
#define WEIR_ADAPTER_CRYPTO_H
/*
 * crypto.h -- what is used of libcrypto, which is loaded when it is first asked for: few
 * flows have a digest, and to relocate it takes longer than all else that a start does.
 */
#include <stdbool.h>

#include <openssl/evp.h>

#define WEIR__CRYPTO_MAP(X)       \
	X(EVP_get_digestbyname)   \
	X(EVP_MD_get_flags)       \
	X(EVP_MD_CTX_new)         \
	X(EVP_MD_CTX_free)        \
	X(EVP_MD_CTX_copy_ex)     \
	X(EVP_DigestInit_ex)      \
	X(EVP_DigestUpdate)       \
	X(EVP_DigestFinal_ex)

/* Each function, by its own name. */
struct weir__crypto {
#define WEIR__CRYPTO_MEMBER(name) __typeof__(name) *name;
	WEIR__CRYPTO_MAP(WEIR__CRYPTO_MEMBER)
#undef WEIR__CRYPTO_MEMBER
};

/* Find them.  False if there is no libcrypto that has them all.  Only the first of a process
 * takes time.  From any thread. */
bool weir__crypto_load(struct weir__crypto *crypto);

#endif
