/* SPDX-License-Identifier: MIT */
/*
 * The table of schemes, and how a text finds its row.
 */
#include <string.h>

#include "endpoint_priv.h"

static const struct weir__scheme *const schemes[] = {
	&weir__scheme_file,
	&weir__scheme_tcp,
	&weir__scheme_tcp_listen,
	&weir__scheme_unix,
	&weir__scheme_unix_listen,
	&weir__scheme_exec,
	&weir__scheme_null,
	&weir__scheme_zero,
	&weir__scheme_random,
};

/* The length of a scheme-like name before the first colon, or 0. */
static size_t name_length(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789+.-";
	size_t n;

	if (strspn(text, letters) == 0)
		return 0;
	n = strspn(text, others);
	return text[n] == ':' ? n : 0;
}

const struct weir__scheme *weir__scheme_find(const char *text, const char **rest)
{
	size_t n = name_length(text);

	*rest = text;
	if (strcmp(text, "-") == 0) {
		*rest = "";
		return &weir__scheme_stdio;
	}
	if (n == 0)
		return &weir__scheme_file;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (strlen(schemes[i]->name) == n && memcmp(schemes[i]->name, text, n) == 0) {
			*rest = text + n + 1;
			return schemes[i];
		}
	}
	/* A URL of a kind that we do not know is a mistake, not a path: taking it for
	 * one would make a file of that name. */
	return strncmp(text + n, "://", 3) == 0 ? NULL : &weir__scheme_file;
}
