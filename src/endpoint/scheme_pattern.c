/* SPDX-License-Identifier: MIT */
/* "null:", "zero:[SIZE]" and "random:[SIZE][?seed=N]". */
#include <string.h>

#include "endpoint_priv.h"
#include "weir/loop.h"
#include "weir/pattern.h"

static int parse_null(struct weir_endpoint *e, const char *rest, const char **expected)
{
	(void)e;
	if (!*rest)
		return 0;
	*expected = "nothing after null:";
	return WEIR_EENDPOINT;
}

static int parse_size(const char *text, size_t len, uint64_t *out)
{
	if (len > 0)
		return weir__size_parse(text, len, out);
	*out = WEIR_ENDLESS;
	return 0;
}

static int parse_zero(struct weir_endpoint *e, const char *rest, const char **expected)
{
	*expected = "a size or nothing, as in zero:64Mi";
	return parse_size(rest, strlen(rest), &e->size);
}

static int parse_seed(const char *text, uint64_t *out)
{
	uint64_t n = 0;

	if (!*text)
		return WEIR_EENDPOINT;
	for (; *text; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (*text < '0' || *text > '9' || n > (UINT64_MAX - digit) / 10)
			return WEIR_EENDPOINT;
		n = n * 10 + digit;
	}
	*out = n;
	return 0;
}

static int parse_random(struct weir_endpoint *e, const char *rest, const char **expected)
{
	size_t len = strcspn(rest, "?");
	int rc;

	*expected = "a size or nothing, as in random:64Mi";
	rc = parse_size(rest, len, &e->size);
	if (rc < 0 || !rest[len])
		return rc;
	*expected = "a seed from 0 to 2^64-1, as in random:64Mi?seed=7";
	if (strncmp(rest + len, "?seed=", 6) != 0)
		return WEIR_EENDPOINT;
	return parse_seed(rest + len + 6, &e->seed);
}

static int make_null(const struct weir__open *o, struct weir_transport **out)
{
	struct weir_context *ctx = weir_loop_context(o->loop);

	if (o->role == WEIR_ROLE_SOURCE)
		return weir_pattern_zero(ctx, 0, out);
	return weir_pattern_null(ctx, out);
}

static int make_zero(const struct weir__open *o, struct weir_transport **out)
{
	return weir_pattern_zero(weir_loop_context(o->loop), o->e->size, out);
}

static int make_random(const struct weir__open *o, struct weir_transport **out)
{
	return weir_pattern_random(weir_loop_context(o->loop), o->e->size, o->e->seed, out);
}

const struct weir__scheme weir__scheme_null = {
	.name = "null",
	.roles = WEIR_ROLE_BOTH,
	.parse = parse_null,
	.make = make_null,
};

const struct weir__scheme weir__scheme_zero = {
	.name = "zero",
	.roles = WEIR_ROLE_SOURCE,
	.parse = parse_zero,
	.make = make_zero,
};

const struct weir__scheme weir__scheme_random = {
	.name = "random",
	.roles = WEIR_ROLE_SOURCE,
	.parse = parse_random,
	.make = make_random,
};
