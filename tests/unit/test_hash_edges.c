/* SPDX-License-Identifier: MIT */
/* What a digest says when libcrypto fails; see EVP_MD_meth_new(3). */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/objects.h>

#include "weir/err.h"
#include "weir/hash.h"

/* A digest of one byte, whose steps fail when told to. */
#define NAME "weir-test-digest"

static struct {
	int init, update, copy, final;
} works;

static int fake_init(EVP_MD_CTX *ctx)
{
	(void)ctx;
	return works.init;
}

static int fake_update(EVP_MD_CTX *ctx, const void *data, size_t len)
{
	(void)ctx;
	(void)data;
	(void)len;
	return works.update;
}

static int fake_copy(EVP_MD_CTX *to, const EVP_MD_CTX *from)
{
	(void)to;
	(void)from;
	return works.copy;
}

static int fake_final(EVP_MD_CTX *ctx, unsigned char *out)
{
	(void)ctx;
	*out = 0xa5;
	return works.final;
}

static EVP_MD *fake;

static int add_fake(void **state)
{
	int nid = OBJ_create("1.3.6.1.4.1.32473.1", NAME, NAME);

	(void)state;
	fake = EVP_MD_meth_new(nid, NID_undef);
	if (nid == NID_undef || !fake)
		return -1;
	EVP_MD_meth_set_result_size(fake, 1);
	EVP_MD_meth_set_input_blocksize(fake, 1);
	EVP_MD_meth_set_app_datasize(fake, 1); /* without any, update is not called */
	EVP_MD_meth_set_init(fake, fake_init);
	EVP_MD_meth_set_update(fake, fake_update);
	EVP_MD_meth_set_copy(fake, fake_copy);
	EVP_MD_meth_set_final(fake, fake_final);
	return EVP_add_digest(fake) ? 0 : -1;
}

/* libcrypto's table of names goes first: it points to the digest. */
static int free_fake(void **state)
{
	(void)state;
	OPENSSL_cleanup();
	EVP_MD_meth_free(fake);
	return 0;
}

static struct weir_hash *create(void)
{
	struct weir_hash *h = NULL;

	works.init = works.update = works.copy = works.final = 1;
	assert_int_equal(weir_hash_create(NAME, &h), 0);
	return h;
}

static void test_a_digest_that_cannot_begin_is_not_supported(void **state)
{
	struct weir_hash *h = NULL;

	(void)state;
	works.init = 0;
	assert_int_equal(weir_hash_create(NAME, &h), WEIR_ENOTSUP);
	assert_null(h);
}

static void test_bytes_that_were_not_added_fail_the_digest_for_good(void **state)
{
	struct weir_hash *h = create();
	char text[WEIR_HASH_TEXT_MAX] = "as it was";

	(void)state;
	assert_int_equal(weir_hash_add(h, "a", 1), 0);
	works.update = 0;
	assert_int_equal(weir_hash_add(h, "b", 1), -EIO);
	works.update = 1;
	assert_int_equal(weir_hash_add(h, "c", 1), -EIO);
	assert_int_equal(weir_hash_text(h, text), -EIO);
	assert_string_equal(text, "as it was");
	weir_hash_destroy(h);
}

static void test_a_digest_that_cannot_be_told_now_may_be_told_later(void **state)
{
	struct weir_hash *h = create();
	char text[WEIR_HASH_TEXT_MAX] = "as it was";

	(void)state;
	assert_int_equal(weir_hash_add(h, "a", 1), 0);
	works.copy = 0;
	assert_int_equal(weir_hash_text(h, text), -EIO);
	works.copy = 1;
	works.final = 0;
	assert_int_equal(weir_hash_text(h, text), -EIO);
	assert_string_equal(text, "as it was");
	works.final = 1;
	assert_int_equal(weir_hash_text(h, text), 0);
	assert_string_equal(text, "a5");
	weir_hash_destroy(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_digest_that_cannot_begin_is_not_supported),
		cmocka_unit_test(test_bytes_that_were_not_added_fail_the_digest_for_good),
		cmocka_unit_test(test_a_digest_that_cannot_be_told_now_may_be_told_later),
	};

	return cmocka_run_group_tests(tests, add_fake, free_fake);
}
