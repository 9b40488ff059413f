/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ADAPTER_THROTTLE_PRIV_H
#define WEIR_ADAPTER_THROTTLE_PRIV_H
/*
 * throttle_priv.h -- between a throttle and its group.
 *
 * A flow that wants more tokens than the group has stands in line.  While anybody
 * does, nobody else takes: those at the front are served first.
 */
#include "adapter/bucket.h"
#include "weir/impl/processor.h"

/* A place in a line; the line's head is one too. */
struct weir__place {
	struct weir__place *next, *prev; /* NULL when in no line */
};

struct weir_throttle {
	struct weir_processor base;
	struct weir__bucket bucket;
	struct weir_timer timer; /* armed: waits for tokens of its own */
	struct weir_task task;   /* the rate changed */

	struct weir_throttle_group *group; /* or NULL */
	struct weir__place place;          /* in line: waits for the group's tokens */
	struct weir__bucket share;         /* the part that is due to it before others */
	uint64_t tag;   /* bytes, of the group's clock: when its next turn is */
	uint64_t quota; /* what it may still take in its turn */
	uint64_t need;  /* in line: what it waits for */
	bool urgent;    /* in line: with those who have not had their share */
};

/* Let `t` pass what it may. */
void weir__throttle_go_on(struct weir_throttle *t);

void weir__group_join(struct weir_throttle_group *g, struct weir_throttle *t);
void weir__group_leave(struct weir_throttle *t);

/* Take up to `want` of the group's tokens for `t`; returns how many.  And put back, in
 * the same instant, what was not used. */
uint64_t weir__group_take(struct weir_throttle *t, uint64_t want);
void weir__group_put(struct weir_throttle *t, uint64_t n);

/* Stand in line for `need` more; and leave it. */
void weir__group_wait(struct weir_throttle *t, uint64_t need);
void weir__group_unwait(struct weir_throttle *t);

/* The most that `t` should be given now, so that little of it has to wait. */
uint64_t weir__group_room(const struct weir_throttle *t);

#endif
