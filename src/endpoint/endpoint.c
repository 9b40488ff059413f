/* SPDX-License-Identifier: MIT */
/*
 * What all endpoints have in common.  What differs is in their schemes' files.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint_priv.h"

int weir__endpoint_copy(const char *data, size_t len, char **out)
{
	char *s = malloc(len + 1);

	if (!s)
		return -ENOMEM;
	memcpy(s, data, len);
	s[len] = '\0';
	*out = s;
	return 0;
}

int weir_endpoint_parse(const char *text, struct weir_endpoint **out, const char **expected)
{
	const struct weir__scheme *scheme;
	const char *unused, *rest;
	struct weir_endpoint *e;
	int rc;

	if (!expected)
		expected = &unused;
	scheme = weir__scheme_find(text, &rest);
	if (!scheme) {
		*expected = weir__schemes_expected;
		return WEIR_EENDPOINT;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->scheme = scheme;
	rc = weir__endpoint_copy(text, strlen(text), &e->text);
	if (rc == 0)
		rc = scheme->parse(e, rest, expected);
	if (rc < 0) {
		weir_endpoint_destroy(e);
		return rc;
	}
	*out = e;
	return 0;
}

void weir_endpoint_destroy(struct weir_endpoint *e)
{
	if (!e)
		return;
	free(e->text);
	free(e->host);
	free(e->port);
	free(e->path);
	free(e);
}

const char *weir_endpoint_text(const struct weir_endpoint *e)
{
	return e->text;
}

const char *weir_endpoint_scheme(const struct weir_endpoint *e)
{
	return e->scheme->name;
}

const char *weir_endpoint_path(const struct weir_endpoint *e)
{
	return e->path;
}

bool weir_endpoint_can(const struct weir_endpoint *e, enum weir_role role)
{
	if (role == WEIR_ROLE_BOTH && !e->scheme->two_way)
		return false;
	return role != 0 && (e->scheme->roles & role) == (unsigned)role;
}

bool weir_endpoint_listens(const struct weir_endpoint *e)
{
	return e->scheme->listen != NULL;
}

bool weir_endpoint_is_stdio(const struct weir_endpoint *e)
{
	return strcmp(e->scheme->name, "-") == 0;
}

int weir_endpoint_open(struct weir_loop *loop, const struct weir_endpoint *e, enum weir_role role,
		       const struct weir_endpoint_options *options, weir_open_fn *fn, void *arg,
		       struct weir_opening **out)
{
	static const struct weir_endpoint_options none;
	const struct weir__open o = {
		.loop = loop,
		.e = e,
		.role = role,
		.options = options ? options : &none,
		.fn = fn,
		.arg = arg,
	};

	if (!weir_endpoint_can(e, role))
		return WEIR_ENOTSUP;
	if (e->scheme->connect)
		return e->scheme->connect(&o, out);
	return weir__open_made(&o, out);
}

int weir_endpoint_listen(struct weir_loop *loop, const struct weir_endpoint *e,
			 const struct weir_endpoint_options *options, struct weir_listener **out)
{
	static const struct weir_endpoint_options none;

	if (!e->scheme->listen)
		return WEIR_ENOTSUP;
	return e->scheme->listen(loop, e, options ? options : &none, out);
}
