/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOL_JSON_H
#define WEIR_TOOL_JSON_H
/*
 * json.h -- writes one JSON value on one line.
 *
 * Any bytes make a valid string: what is not UTF-8 becomes U+FFFD, and nothing but
 * ASCII is left unescaped that a terminal might act on.
 */
#include <stdbool.h>
#include <stdint.h>

#include "text.h"

struct json {
	struct text *out;
	bool first; /* nothing has been written in the innermost object */
};

void json_begin(struct json *j, struct text *out);

/* Open an object: the outermost with `key` NULL.  Close the innermost. */
void json_open(struct json *j, const char *key);
void json_close(struct json *j);

/* Open a list, whose members have a `key` of NULL; close it. */
void json_open_list(struct json *j, const char *key);
void json_close_list(struct json *j);

/* A string; NULL becomes null. */
void json_string(struct json *j, const char *key, const char *value);
void json_count(struct json *j, const char *key, uint64_t value);
void json_int(struct json *j, const char *key, int value);
void json_number(struct json *j, const char *key, double value);

#endif
