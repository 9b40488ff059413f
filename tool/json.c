/* SPDX-License-Identifier: MIT */
/* One JSON value on one line. */
#include "json.h"

#include <stddef.h>

/* The length of the well-formed UTF-8 sequence at `s`, or 0; RFC 3629, section 4. */
static size_t sequence(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (n == 0 || s[0] > 0xf4)
		return 0;
	/* The terminator is no continuation, so this never reads past it. */
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))
		return 0;
	return n;
}

static void quote(struct text *out, const char *value)
{
	const unsigned char *s = (const unsigned char *)value;

	text_add_char(out, '"');
	while (*s) {
		size_t n = sequence(s);

		if (n == 0) {
			text_add(out, "\\ufffd");
			n = 1;
		} else if (*s == '"' || *s == '\\') {
			text_addf(out, "\\%c", *s);
		} else if (*s < 0x20 || *s == 0x7f) {
			text_addf(out, "\\u%04x", (unsigned)*s);
		} else if (*s == 0xc2 && s[1] < 0xa0) {
			text_addf(out, "\\u%04x", (unsigned)s[1]); /* C1 controls */
		} else {
			text_add_bytes(out, (const char *)s, n);
		}
		s += n;
	}
	text_add_char(out, '"');
}

static void put_key(struct json *j, const char *key)
{
	if (!j->first)
		text_add_char(j->out, ',');
	j->first = false;
	if (key) {
		quote(j->out, key);
		text_add_char(j->out, ':');
	}
}

void json_begin(struct json *j, struct text *out)
{
	j->out = out;
	j->first = true;
}

void json_open(struct json *j, const char *key)
{
	put_key(j, key);
	text_add_char(j->out, '{');
	j->first = true;
}

void json_close(struct json *j)
{
	text_add_char(j->out, '}');
	j->first = false;
}

void json_open_list(struct json *j, const char *key)
{
	put_key(j, key);
	text_add_char(j->out, '[');
	j->first = true;
}

void json_close_list(struct json *j)
{
	text_add_char(j->out, ']');
	j->first = false;
}

void json_string(struct json *j, const char *key, const char *value)
{
	put_key(j, key);
	if (value)
		quote(j->out, value);
	else
		text_add(j->out, "null");
}

void json_count(struct json *j, const char *key, uint64_t value)
{
	put_key(j, key);
	text_addf(j->out, "%llu", (unsigned long long)value);
}

void json_int(struct json *j, const char *key, int value)
{
	put_key(j, key);
	text_addf(j->out, "%d", value);
}

void json_number(struct json *j, const char *key, double value)
{
	put_key(j, key);
	text_addf(j->out, "%.6f", value);
}
