/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KIT_TCK_CHECK_H
#define WEIR_KIT_TCK_CHECK_H
/*
 * tck_check.h -- the checks that no schedule can make: of both ways of a connection, of several
 * flows, of time that passes, of what is watched and of what was killed.
 *
 *   tck_group.c   several kits at work on one thing
 *   tck_half.c    HALF
 *   tck_time.c    TIME-1
 *   tck_shut.c    SHUT-1
 *   tck_obs.c     OBS-2, OBS-3
 *   tck_dur.c     DUR-1
 */
#include "tck_priv.h"

#define GROUP_MAX 4

/* Another flow of the subject, as a subject: its instance has been made. */
struct adopted {
	struct weir_tck_subject subject; /* first */
	const struct weir_tck_subject *of;
	struct weir_tck_flow flow;
};

/* The first made the subject and has the clock; the others have more flows of it. */
struct tck_group {
	struct weir_tck *kits[GROUP_MAX];
	struct adopted adopted[GROUP_MAX];
	unsigned count;
};

/* Make one, with its source attached.  Returns 0, or the code with which it failed. */
int weir__tck_group_open(struct tck_group *g, struct weir_tck *t, const struct facts *f);

/* Have `child` work on another flow of it, likewise. */
int weir__tck_group_add(struct tck_group *g, struct weir_tck *child,
                        const struct weir_tck_flow *flow);

/* Release it. */
void weir__tck_group_close(struct tck_group *g);

/* Turns until nothing is due any more, without the clock; in a real loop, until nobody waits. */
void weir__tck_settle(struct tck_group *g);

/* Let so much time pass, with a stop at each deadline, and settle.  The kit's own clock only. */
void weir__tck_pass(struct tck_group *g, uint64_t ns);

/* What is broken in another way is broken; false if anything is. */
bool weir__tck_group_whole(struct tck_group *g);

/* Whether it has ended, as far as anybody can see. */
bool weir__tck_is_over(struct weir_tck *t);

/* ---- the checks, and why they do not apply ---- */

const char *weir__tck_no_back(const struct facts *f);
const char *weir__tck_no_half(const struct facts *f);
const char *weir__tck_no_linger(const struct facts *f);
const char *weir__tck_no_between(const struct facts *f);
const char *weir__tck_no_close(const struct facts *f);
const char *weir__tck_no_limits(const struct facts *f);
const char *weir__tck_no_shut(const struct facts *f);
const char *weir__tck_no_blame(const struct facts *f);
const char *weir__tck_no_watch(const struct facts *f);
const char *weir__tck_no_crash(const struct facts *f);

int weir__tck_check_half_1(struct weir_tck *t, const struct facts *f, const char **calls);
int weir__tck_check_half_2(struct weir_tck *t, const struct facts *f, const char **calls);
int weir__tck_check_half_3(struct weir_tck *t, const struct facts *f, const char **calls);
int weir__tck_check_half_4(struct weir_tck *t, const struct facts *f, const char **calls);
int weir__tck_check_half_5(struct weir_tck *t, const struct facts *f, const char **calls);
int weir__tck_check_time(struct weir_tck *t, const struct facts *f, const char **calls);
int weir__tck_check_shut(struct weir_tck *t, const struct facts *f, const char **calls);
int weir__tck_check_blame(struct weir_tck *t, const struct facts *f, const char **calls);
int weir__tck_check_watch(struct weir_tck *t, const struct facts *f, const char **calls);
int weir__tck_check_crash(struct weir_tck *t, const struct facts *f, const char **calls);

#endif
