/* SPDX-License-Identifier: MIT */
/*
 * A limit that flows share: a bucket, and a line of those who want more than is in it.
 *
 * Fair queueing by a virtual clock of bytes: each flow has a tag, which grows by what it
 * takes in its turns, and the line is ordered by tags.  The clock is the tag of the last
 * one served.  A flow that left the line goes on where it was, or where the clock is, if
 * that is later: it neither loses its place by being away for a moment, nor saves up.
 *
 * One who comes to the line and has not had its share of late (min_share, a tenth of a
 * second's worth at most) is served before the others, up to that.  While the shares of
 * all fit into the rate, this leaves the others theirs.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "adapter/throttle_priv.h"

/* Not less than this is passed in a turn, where a step allows. */
#define QUOTA_MIN 512

struct weir_throttle_group {
	struct weir_context *ctx;
	struct weir__bucket bucket;
	struct weir__place urgent, line; /* heads; `line` by tags */
	uint64_t clock;                  /* bytes; the tag of the last one served in `line` */
	struct weir_throttle *serving;   /* whose turn it is */
	struct weir_timer timer;
	struct weir_task task;
	uint64_t min_share;
	size_t members, waiting;
};

static struct weir_throttle *throttle_from_place(struct weir__place *place)
{
	return (struct weir_throttle *)((char *)place - offsetof(struct weir_throttle, place));
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- the line ---- */

static void put_before(struct weir__place *next, struct weir__place *place)
{
	place->next = next;
	place->prev = next->prev;
	place->prev->next = place;
	next->prev = place;
}

static struct weir_throttle *first(struct weir_throttle_group *g)
{
	struct weir__place *head = g->urgent.next != &g->urgent ? &g->urgent : &g->line;

	return throttle_from_place(head->next);
}

/* Wake up when the first in line can have what it waits for, or a step. */
static void arm(struct weir_throttle_group *g)
{
	uint64_t want;

	if (g->waiting == 0) {
		weir_timer_cancel(g->ctx, &g->timer);
		return;
	}
	want = least(first(g)->need, weir__bucket_step(&g->bucket));
	weir_timer_set(g->ctx, &g->timer, weir__bucket_when(&g->bucket, want));
}

static uint64_t share_due(struct weir_throttle_group *g, struct weir_throttle *t)
{
	if (!g->min_share || g->members > g->bucket.rate / g->min_share)
		return 0;
	weir__bucket_fill(&t->share, weir_context_now(g->ctx));
	return weir__bucket_tokens(&t->share);
}

static bool is_before(const struct weir_throttle_group *g, struct weir__place *place, uint64_t tag)
{
	return place != &g->line && throttle_from_place(place)->tag <= tag;
}

/* By its tag, after its equals.  Most belong at the end; who was away, near the front. */
static void put_in_line(struct weir_throttle_group *g, struct weir_throttle *t)
{
	struct weir__place *at = &g->line;

	if (t->tag == g->clock && !is_before(g, at->prev, t->tag)) {
		for (at = at->next; is_before(g, at, t->tag); at = at->next)
			;
	} else {
		while (at->prev != &g->line && !is_before(g, at->prev, t->tag))
			at = at->prev;
	}
	put_before(at, &t->place);
}

void weir__group_wait(struct weir_throttle *t, uint64_t need)
{
	struct weir_throttle_group *g = t->group;
	uint64_t due;

	t->need = need;
	if (t->place.next)
		return;
	if (t->tag < g->clock)
		t->tag = g->clock;
	if (g->serving == t) {
		t->urgent = t->urgent && t->quota > 0;
	} else {
		due = share_due(g, t);
		t->urgent = due > 0;
		t->quota = due;
	}
	if (!t->urgent)
		put_in_line(g, t);
	else if (g->serving == t)
		put_before(g->urgent.next, &t->place);
	else
		put_before(&g->urgent, &t->place);
	g->waiting++;
	if (!g->serving)
		arm(g);
}

void weir__group_unwait(struct weir_throttle *t)
{
	if (!t->place.next)
		return;
	t->place.next->prev = t->place.prev;
	t->place.prev->next = t->place.next;
	t->place.next = t->place.prev = NULL;
	t->group->waiting--;
	if (!t->group->serving)
		arm(t->group);
}

/* ---- turns ---- */

/* A step goes once round the line if that gives nobody too small a piece. */
static uint64_t quota_of(const struct weir_throttle_group *g)
{
	uint64_t step = weir__bucket_step(&g->bucket);
	uint64_t part = step / (g->waiting + 1);
	uint64_t floor = least(step, QUOTA_MIN);

	return part > floor ? part : floor;
}

static uint64_t serve(struct weir_throttle_group *g, struct weir_throttle *t)
{
	uint64_t before;

	if (!t->urgent) {
		t->quota = quota_of(g);
		g->clock = t->tag;
	}
	before = t->quota;
	g->serving = t;
	weir__group_unwait(t);
	weir__throttle_go_on(t);
	g->serving = NULL;
	return before - least(t->quota, before);
}

/*
 * Serve the line while there are tokens, but once round only, and leave something of the
 * loop's turn to others: those who answer a resume in the next one are in line again then.
 */
static void run(struct weir_throttle_group *g)
{
	uint64_t left = g->ctx->quantum;
	size_t turns = g->waiting;

	weir__bucket_fill(&g->bucket, weir_context_now(g->ctx));
	for (; g->waiting > 0 && weir__bucket_tokens(&g->bucket) > 0; turns--) {
		if (turns == 0 || left == 0) {
			weir_task_queue(g->ctx, &g->task);
			return;
		}
		left -= least(left, serve(g, first(g)));
	}
	arm(g);
}

static void run_timer(struct weir_timer *timer)
{
	run((struct weir_throttle_group *)((char *)timer -
					   offsetof(struct weir_throttle_group, timer)));
}

static void run_task(struct weir_task *task)
{
	run((struct weir_throttle_group *)((char *)task -
					   offsetof(struct weir_throttle_group, task)));
}

/* ---- tokens ---- */

uint64_t weir__group_take(struct weir_throttle *t, uint64_t want)
{
	struct weir_throttle_group *g = t->group;

	if (!g)
		return want;
	if (g->serving == t) {
		want = weir__bucket_take(&g->bucket, least(want, t->quota));
		t->quota -= want;
		t->tag += want;
	} else if (g->waiting > 0) {
		return 0;
	} else {
		weir__bucket_fill(&g->bucket, weir_context_now(g->ctx));
		want = weir__bucket_take(&g->bucket, want);
	}
	if (g->min_share) {
		weir__bucket_fill(&t->share, weir_context_now(g->ctx));
		weir__bucket_take(&t->share, want);
	}
	return want;
}

void weir__group_put(struct weir_throttle *t, uint64_t n)
{
	struct weir_throttle_group *g = t->group;

	if (!g || n == 0)
		return;
	weir__bucket_put(&g->bucket, n);
	if (g->serving == t) {
		t->quota += n;
		t->tag -= n;
	}
	if (g->min_share)
		weir__bucket_put(&t->share, n);
}

uint64_t weir__group_room(const struct weir_throttle *t)
{
	struct weir_throttle_group *g = t->group;
	uint64_t step, tokens = 0;

	if (!g)
		return UINT64_MAX;
	step = weir__bucket_step(&g->bucket);
	if (g->waiting == 0) {
		weir__bucket_fill(&g->bucket, weir_context_now(g->ctx));
		tokens = weir__bucket_tokens(&g->bucket);
	}
	return tokens < UINT64_MAX - step ? tokens + step : UINT64_MAX;
}

/* ---- members, and for the caller ---- */

void weir__group_join(struct weir_throttle_group *g, struct weir_throttle *t)
{
	struct weir_rate share = {.bytes_per_s = g->min_share};

	t->group = g;
	g->members++;
	weir__bucket_init(&t->share, share, weir_context_now(g->ctx));
}

void weir__group_leave(struct weir_throttle *t)
{
	weir__group_unwait(t);
	t->group->members--;
}

int weir_throttle_group_create(struct weir_context *ctx, struct weir_rate rate, uint64_t min_share,
			       struct weir_throttle_group **out)
{
	struct weir_throttle_group *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->ctx = ctx;
	g->urgent.next = g->urgent.prev = &g->urgent;
	g->line.next = g->line.prev = &g->line;
	g->timer.run = run_timer;
	g->task.run = run_task;
	g->min_share = min_share;
	weir__bucket_init(&g->bucket, rate, weir_context_now(ctx));
	*out = g;
	return 0;
}

void weir_throttle_group_set_rate(struct weir_throttle_group *g, struct weir_rate rate)
{
	weir__bucket_set_rate(&g->bucket, rate, weir_context_now(g->ctx));
	if (!g->serving)
		arm(g);
}

void weir_throttle_group_destroy(struct weir_throttle_group *g)
{
	if (!g)
		return;
	assert(g->members == 0);
	weir_timer_cancel(g->ctx, &g->timer);
	weir_task_cancel(&g->task);
	free(g);
}
