/* SPDX-License-Identifier: MIT */
/* "file:PATH" or a bare path: what is in the file system. */
#include <string.h>

#include "endpoint_priv.h"

/* A file URL's "//" and "//localhost" are taken off; another host cannot be reached. */
static const char *skip_authority(const char *rest)
{
	if (strncmp(rest, "//", 2) != 0)
		return rest;
	rest += 2;
	if (strncmp(rest, "localhost/", 10) == 0)
		rest += 9;
	return *rest == '/' ? rest : NULL;
}

static int parse_file(struct weir_endpoint *e, const char *rest, const char **expected)
{
	const char *path = rest;

	if (strncmp(e->text, "file:", 5) == 0)
		path = skip_authority(rest);
	if (!path) {
		*expected = "an absolute path after file://, as in file:///PATH, or file:PATH";
		return WEIR_EENDPOINT;
	}
	if (!*path) {
		*expected = "a path, as in file:PATH";
		return WEIR_EENDPOINT;
	}
	return weir__endpoint_copy(path, strlen(path), &e->path);
}

static int make_file(const struct weir__open *o, struct weir_transport **out)
{
	if (o->role == WEIR_ROLE_SOURCE)
		return weir_file_read(o->loop, o->e->path, NULL, out);
	return weir_file_write(o->loop, o->e->path, &o->options->file, out);
}

const struct weir__scheme weir__scheme_file = {
	.name = "file",
	.roles = WEIR_ROLE_BOTH,
	.parse = parse_file,
	.make = make_file,
};
