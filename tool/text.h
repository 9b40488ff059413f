/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOL_TEXT_H
#define WEIR_TOOL_TEXT_H
/*
 * text.h -- numbers for people, and lines on standard error.
 *
 * A line is composed in memory and leaves in one write, so that it stays whole among
 * those of children; what came from outside is made harmless for a terminal.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

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

/* Write `s` with control bytes shown as \xHH. */
void text_safe(FILE *out, const char *s);

/* A line under way; `out` is where to print, never NULL. */
struct line {
	FILE *out;
	char *data;
	size_t len;
};

/* Begin a line with "weir: ". */
void line_begin(struct line *line);

/* End it with a newline and send it to standard error. */
void line_end(struct line *line);

/* A whole line, printf-like; no argument may be from outside. */
void line_print(const char *format, ...) WEIR_PRINTF(1, 2);

/* A whole line, "WHAT: expected EXPECTED"; `what` may be NULL.  Returns -1. */
int line_expected(const char *what, const char *expected);

/* Say that the line on the terminal is a progress line, which the next message must
 * clear first. */
void line_set_progress(bool shown);

#endif
