/* SPDX-License-Identifier: MIT */
/* Numbers for people, and lines on standard error. */
#include "text.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_S 1000000000ull

static atomic_bool progress_shown; /* lines come from several threads */

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

void text_safe(FILE *out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
}

void line_begin(struct line *line)
{
	line->data = NULL;
	line->len = 0;
	line->out = open_memstream(&line->data, &line->len);
	/* Without memory the line goes out in pieces, but it goes. */
	if (!line->out)
		line->out = stderr;
	if (atomic_exchange(&progress_shown, false))
		fputs("\r\033[K", line->out);
	fputs("weir: ", line->out);
}

void line_end(struct line *line)
{
	fputc('\n', line->out);
	if (line->out == stderr) {
		fflush(stderr);
		return;
	}
	if (fclose(line->out) == 0) {
		ssize_t n = write(STDERR_FILENO, line->data, line->len);

		(void)n; /* there is nobody left to tell */
	}
	free(line->data);
}

void line_print(const char *format, ...)
{
	struct line line;
	va_list args;

	line_begin(&line);
	va_start(args, format);
	vfprintf(line.out, format, args);
	va_end(args);
	line_end(&line);
}

int line_expected(const char *what, const char *expected)
{
	struct line line;

	line_begin(&line);
	if (what) {
		text_safe(line.out, what);
		fputs(": ", line.out);
	}
	fputs("expected ", line.out);
	text_safe(line.out, expected);
	line_end(&line);
	return -1;
}

void line_set_progress(bool shown)
{
	progress_shown = shown;
}
