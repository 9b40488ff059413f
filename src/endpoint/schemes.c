/* SPDX-License-Identifier: MIT */
/*
 * How a text finds its row in the table of schemes, which is the system's.
 */
#include <string.h>

#include "endpoint_priv.h"

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

/* The row of the name that is `n` bytes long, or NULL. */
static const struct weir__scheme *row_of(const char *name, size_t n)
{
	for (const struct weir__scheme *const *at = weir__schemes; *at; at++) {
		if (strlen((*at)->name) == n && memcmp((*at)->name, name, n) == 0)
			return *at;
	}
	return NULL;
}

/* Whether it is the name of a scheme that other systems have. */
static bool is_elsewhere(const char *name, size_t n)
{
	static const char *const names[] = {"exec", "unix", "unix-listen"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0)
			return true;
	return false;
}

const struct weir__scheme *weir__scheme_find(const char *text, const char **rest)
{
	size_t n = name_length(text);
	const struct weir__scheme *row = n ? row_of(text, n) : NULL;

	*rest = text;
	if (strcmp(text, "-") == 0) {
		*rest = "";
		return row_of("-", 1);
	}
	if (row) {
		*rest = text + n + 1;
		return row;
	}
	/* A URL of a kind that we do not know, or do not have here, is a mistake, not a path:
	 * taking it for one would make a file of that name. */
	if (n && (strncmp(text + n, "://", 3) == 0 || is_elsewhere(text, n)))
		return NULL;
	return row_of("file", 4);
}
