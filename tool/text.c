/* SPDX-License-Identifier: MIT */
/* Numbers for people, and lines on standard error. */
#include "text.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"

#define NS_PER_S 1000000000ull

static atomic_uint progress_columns; /* lines come from several threads */

static const struct {
	const char *suffix;
	uint64_t ns;
} durations[] = {
	{"", NS_PER_S},
	{"ms", 1000000},
	{"s", NS_PER_S},
	{"m", 60 * NS_PER_S},
	{"h", 3600 * NS_PER_S},
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Up to nine decimals, as billionths. */
static const char *parse_decimals(const char *p, uint64_t *billionths)
{
	uint64_t scale = 100000000;

	*billionths = 0;
	if (*p != '.')
		return p;
	if (!is_digit(*++p))
		return NULL;
	for (; is_digit(*p); p++, scale /= 10)
		*billionths += (uint64_t)(*p - '0') * scale;
	return p;
}

int text_parse_duration(const char *text, uint64_t *ns)
{
	uint64_t whole = 0, billionths;
	const char *p = text;

	for (; is_digit(*p); p++) {
		/* Bounded so that hours cannot overflow below. */
		if (whole > 100000)
			return -1;
		whole = whole * 10 + (uint64_t)(*p - '0');
	}
	if (p == text)
		return -1;
	p = parse_decimals(p, &billionths);
	if (!p)
		return -1;
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		uint64_t unit = durations[i].ns;

		if (strcmp(p, durations[i].suffix) != 0)
			continue;
		*ns = whole * unit + billionths * (unit / 1000000) / 1000;
		return 0;
	}
	return -1;
}

const char *text_bytes(char buf[TEXT_MAX], double bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	size_t u = 0;

	while (bytes >= 999.95 && u + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1000;
		u++;
	}
	snprintf(buf, TEXT_MAX, u ? "%.1f %s" : "%.0f %s", bytes, units[u]);
	return buf;
}

const char *text_clock(char buf[TEXT_MAX], uint64_t ns)
{
	unsigned long long s = ns / NS_PER_S;

	if (s >= 3600)
		snprintf(buf, TEXT_MAX, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(buf, TEXT_MAX, "%llu:%02llu", s / 60, s % 60);
	return buf;
}

char *text_copy(const char *s, size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, s, len);
	copy[len] = 0;
	return copy;
}

/* ---- a text under way ---- */

void text_begin(struct text *t)
{
	t->data = t->small;
	t->len = 0;
	t->room = sizeof(t->small);
	t->is_line = t->broken = false;
}

void text_end(struct text *t)
{
	if (t->data != t->small)
		free(t->data);
}

/* What there is of a line goes out.  There is nobody left to tell if it cannot. */
static void flush(struct text *line)
{
	(void)sys_write(SYS_STDERR, line->data, line->len);
	line->len = 0;
}

/* Make room for `len` bytes more.  Returns whether there is. */
static bool reserve(struct text *t, size_t len)
{
	size_t room = t->room;
	char *data;

	if (len <= t->room - t->len)
		return true;
	while (room - t->len < len)
		room *= 2;
	data = realloc(t->data == t->small ? NULL : t->data, room);
	if (data) {
		if (t->data == t->small)
			memcpy(data, t->small, t->len);
		t->data = data;
		t->room = room;
		return true;
	}
	if (t->is_line)
		flush(t);
	if (len <= t->room - t->len)
		return true;
	t->broken = true;
	return false;
}

void text_add_bytes(struct text *t, const char *data, size_t len)
{
	if (reserve(t, len)) {
		memcpy(t->data + t->len, data, len);
		t->len += len;
	} else if (t->is_line) {
		(void)sys_write(SYS_STDERR, data, len);
	}
}

void text_add(struct text *t, const char *s)
{
	text_add_bytes(t, s, strlen(s));
}

void text_add_char(struct text *t, char c)
{
	text_add_bytes(t, &c, 1);
}

static void add_args(struct text *t, const char *format, va_list args)
{
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(t->data + t->len, t->room - t->len, format, args);
	/* The terminator, which is no part of it, needs room too. */
	if (len >= 0 && (size_t)len >= t->room - t->len) {
		if (reserve(t, (size_t)len + 1))
			vsnprintf(t->data + t->len, t->room - t->len, format, again);
		else
			len = -1;
	}
	va_end(again);
	if (len >= 0)
		t->len += (size_t)len;
	else
		t->broken = true;
}

void text_addf(struct text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_args(t, format, args);
	va_end(args);
}

void text_add_safe(struct text *t, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c == 0x7f)
			text_addf(t, "\\x%02x", c);
		else
			text_add_char(t, *s);
	}
}

/* How many columns a byte of UTF-8 begins: from U+1000 on letters may be wide. */
static unsigned columns_of(char byte)
{
	unsigned char c = (unsigned char)byte;

	if (c >= 0x80 && c < 0xc0)
		return 0;
	return c < 0xe1 ? 1 : 2;
}

unsigned text_cut(struct text *t, size_t from, unsigned columns)
{
	unsigned taken = 0;

	for (size_t i = from; i < t->len; i++) {
		unsigned more = columns_of(t->data[i]);

		if (more > columns - taken) {
			t->len = i;
			break;
		}
		taken += more;
	}
	return taken;
}

/* ---- lines ---- */

/* Without escape sequences, which not every console obeys. */
static void clear_progress(struct text *line)
{
	unsigned columns = atomic_exchange(&progress_columns, 0);

	if (!columns)
		return;
	text_add_char(line, '\r');
	while (columns-- > 0)
		text_add_char(line, ' ');
	text_add_char(line, '\r');
}

void line_begin(struct text *line)
{
	text_begin(line);
	line->is_line = true;
	clear_progress(line);
	text_add(line, "weir: ");
}

void line_end(struct text *line)
{
	text_add_char(line, '\n');
	flush(line);
	text_end(line);
}

void line_print(const char *format, ...)
{
	struct text line;
	va_list args;

	line_begin(&line);
	va_start(args, format);
	add_args(&line, format, args);
	va_end(args);
	line_end(&line);
}

int line_expected(const char *what, const char *expected)
{
	struct text line;

	line_begin(&line);
	if (what) {
		text_add_safe(&line, what);
		text_add(&line, ": ");
	}
	text_add(&line, "expected ");
	text_add_safe(&line, expected);
	line_end(&line);
	return -1;
}

void line_set_progress(unsigned columns)
{
	progress_columns = columns;
}
