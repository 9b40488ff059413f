/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_DIFF_STAGE_H
#define WEIR_TESTS_DIFF_STAGE_H
/*
 * stage.h -- a schedule, played on one of our subjects, and its trace.
 *
 * A schedule is a line of words:
 *
 *   SUBJECT[:OPTION] EVENT=ANSWER;ANSWER... ACT ACT ...
 *
 * An act is VERB[:ARG][:ARG], what each does is its subject's.  An answer is what is done
 * from inside an event: acts with commas between.  The first time that the event comes
 * the first answer is given, and so on, nothing once they are used up.
 *
 * The trace has a line for each act begun ("> act"), and ended ("< result"), and for each event.
 * test_differential.py has the same in Python, on Twisted's classes, and compares.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "weir/context.h"
#include "weir/impl/producer.h"

#define ACTS_MAX 64
#define ANSWERS_MAX 16
#define KINDS_MAX 8

struct stage;

struct act {
	const char *text; /* as it was given */
	char verb[16];
	char arg[2][16];
};

struct acts {
	struct act act[ACTS_MAX];
	size_t count;
};

/* The answers to one kind of event. */
struct answers {
	char kind[16];
	struct acts list[ANSWERS_MAX];
	size_t count, given;
};

/* A producer that traces what it is told. */
struct player {
	struct weir_producer base; /* first */
	struct stage *stage;
	const char *name;
};

struct subject {
	const char *name;
	void (*open)(struct stage *s);
	/* Do it; returns the result's text. */
	const char *(*act)(struct stage *s, const struct act *act);
	/* Trace what was put off, before anything else is; may be NULL. */
	void (*catch_up)(void);
	/* Trace what can be seen after an outer act. */
	void (*look)(struct stage *s);
	void (*close)(struct stage *s);
};

struct stage {
	const struct subject *subject;
	const char *option; /* "" without one */
	struct weir_budget budget;
	struct weir_context ctx;
	struct player players[3];
	struct answers kinds[KINDS_MAX];
	size_t kind_count;
	struct acts calls;
	unsigned writes; /* each is of a byte of its own, its number */
};

extern const struct subject fd_subject, memory_subject, loopback_subject, proxy_subject;

/* A line of the trace, printf-like. */
void trace(const char *format, ...) WEIR_PRINTF(1, 2);

/* Something has happened: trace "KIND WHO", and give the answer. */
void stage_event(struct stage *s, const char *kind, const char *who);

/* The player that the argument names. */
struct player *stage_player(struct stage *s, const char *name);

/* The bytes of the next write. */
const unsigned char *stage_bytes(struct stage *s, size_t len);

/* An argument that is a number of bytes; "all" is SIZE_MAX. */
size_t act_size(const struct act *act, int arg);

/* An argument that is "push" or "pull". */
enum weir_mode act_mode(const struct act *act, int arg);

bool act_is(const struct act *act, const char *verb);

/* "ok", or the code's name. */
const char *result(int rc);

/* A sum over the bytes, 1 to begin with; Adler-32, as Python's zlib.adler32(). */
uint32_t sum_bytes(uint32_t sum, const unsigned char *data, size_t len);

#endif
