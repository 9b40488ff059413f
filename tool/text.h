/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOL_TEXT_H
#define WEIR_TOOL_TEXT_H
/*
 * text.h -- texts, numbers for people, and lines on standard error.
 *
 * All that is printed is composed in memory and leaves in one write, so that it stays whole
 * among what children and other threads print; what came from outside is made harmless for a
 * terminal.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/err.h"

/* Room for what the functions below write, terminator included. */
#define TEXT_MAX 32

/* Parse a duration: 30, 1.5s, 500ms, 5m, 2h, in seconds without a unit.
 * Returns 0 and nanoseconds in *ns, or -1. */
int text_parse_duration(const char *text, uint64_t *ns);

/* "12.3 MB", powers of 1000.  Returns `buf`. */
const char *text_bytes(char buf[TEXT_MAX], double bytes);

/* "0:07", "1:02:03".  Returns `buf`. */
const char *text_clock(char buf[TEXT_MAX], uint64_t ns);

/* A copy of the first `len` bytes of `s` as a string, which is the caller's to free, or NULL
 * without memory. */
char *text_copy(const char *s, size_t len);

/* ---- a text under way ---- */

/* Not to be moved: `data` is `small` until that is full.  It has no terminator. */
struct text {
	char *data;
	size_t len, room;
	bool is_line; /* without memory it goes out in pieces, but it goes */
	bool broken;  /* a part of it is missing for want of memory */
	char small[256];
};

void text_begin(struct text *t);

/* Release it. */
void text_end(struct text *t);

void text_add(struct text *t, const char *s);
void text_add_bytes(struct text *t, const char *data, size_t len);
void text_add_char(struct text *t, char c);
void text_addf(struct text *t, const char *format, ...) WEIR_PRINTF(2, 3);

/* Add `s` with control bytes shown as \xHH. */
void text_add_safe(struct text *t, const char *s);

/* Cut off what does not fit into so many columns of a terminal, of what is there from byte
 * `from` on.  Returns how many the rest takes, or a few more: letters that may be wide are
 * taken for that. */
unsigned text_cut(struct text *t, size_t from, unsigned columns);

/* ---- lines ---- */

/* Begin a line with "weir: ". */
void line_begin(struct text *line);

/* End it with a newline, send it to standard error, and release it. */
void line_end(struct text *line);

/* A whole line, printf-like; no argument may be from outside. */
void line_print(const char *format, ...) WEIR_PRINTF(1, 2);

/* A whole line, "WHAT: expected EXPECTED"; `what` may be NULL.  Returns -1. */
int line_expected(const char *what, const char *expected);

/* Say that the line on the terminal is a progress line, so many columns wide, which the next
 * message must clear first; 0: it is none. */
void line_set_progress(unsigned columns);

#endif
