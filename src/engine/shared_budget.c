/* SPDX-License-Identifier: MIT */
/*
 * A lender for loops in several threads.  One lock, taken when a loop borrows or gives back,
 * which is once for many blocks; a loop that must hear of something is sent a uv_async_t.
 *
 * No wake-up is lost: a member that is lent nothing is marked as waiting under the same lock
 * under which what comes back is added and those who wait are found.
 */
#include "engine/shared_budget.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "engine/error.h"
#include "weir/impl/lender.h"

/* Steps, and what a loop keeps ready: a few for each loop must fit. */
#define STEP_MIN WEIR_BLOCK_LARGE
#define STEP_MAX ((size_t)2 << 20)

/* Less than this is not worth a loop's waking up. */
#define GRANT_MIN WEIR_BLOCK_LARGE

/*
 * Invariants  under `lock`: blocks <= blocks_max, reserves <= reserves_max, and each is the
 *             sum of what the members have, with the least that a loop has for each that
 *             is still to come; `needy` counts the members that are.
 */
struct weir_shared_budget {
	uv_mutex_t lock;
	size_t limit, blocks_max, reserves_max; /* limit == blocks_max + reserves_max */
	size_t step, share;
	unsigned loops;
	struct weir__member *members;
	unsigned count, needy;
	size_t blocks, reserves; /* bytes lent */
	size_t peak;             /* the most of both */
};

/* `base` is used by the loop's thread only; what follows `shared` is under its lock, but for
 * the handle, which its own thread alone touches, except to send. */
struct weir__member {
	struct weir_budget_lender base;
	uv_async_t async;
	void (*on_closed)(void *arg);
	void *arg;
	struct weir_shared_budget *shared;
	struct weir__member *next;
	size_t blocks, reserves;
	unsigned waits; /* set of enum weir_lend */
	bool woken;
	bool needy;     /* was lent nothing though it has less than its share */
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t whole(size_t n)
{
	return n - n % WEIR_FLOW_RESERVE;
}

/* ---- under the lock ---- */

/* So little is left that there is no use in telling anybody. */
static bool is_spent(const struct weir_shared_budget *s, enum weir_lend kind)
{
	if (kind == WEIR_LEND_RESERVES)
		return s->reserves_max - s->reserves < WEIR_FLOW_RESERVE;
	return s->blocks_max - s->blocks < GRANT_MIN;
}

/* Send a message to all who wait for such bytes, if there are some. */
static void wake(struct weir_shared_budget *s, enum weir_lend kind)
{
	if (is_spent(s, kind))
		return;
	for (struct weir__member *m = s->members; m; m = m->next) {
		/* Who has its share would be refused; set_needy() comes here again. */
		if (!(m->waits & kind) ||
		    (kind == WEIR_LEND_BLOCKS && s->needy && m->blocks >= s->share))
			continue;
		m->waits = 0;
		m->woken = true;
		uv_async_send(&m->async);
	}
}

static void tell_all(struct weir_shared_budget *s)
{
	for (struct weir__member *m = s->members; m; m = m->next)
		uv_async_send(&m->async);
}

static void set_needy(struct weir__member *m, bool needy)
{
	struct weir_shared_budget *s = m->shared;

	if (m->needy == needy)
		return;
	m->needy = needy;
	if (needy)
		s->needy++;
	else
		s->needy--;
	/* The first is there, or the last is gone. */
	if (s->needy == (needy ? 1 : 0))
		tell_all(s);
	/* Those who had more were refused in its favour. */
	if (s->needy == 0)
		wake(s, WEIR_LEND_BLOCKS);
}

/* One who has its share may not have more while another one has not. */
static size_t lend_blocks(struct weir__member *m, size_t want)
{
	struct weir_shared_budget *s = m->shared;
	bool poor = m->blocks < s->share;

	if (is_spent(s, WEIR_LEND_BLOCKS) || (!poor && s->needy)) {
		m->waits |= WEIR_LEND_BLOCKS;
		if (poor)
			set_needy(m, true);
		return 0;
	}
	want = whole(least(want, s->blocks_max - s->blocks));
	s->blocks += want;
	m->blocks += want;
	set_needy(m, false);
	return want;
}

static size_t lend_reserves(struct weir__member *m, size_t want)
{
	struct weir_shared_budget *s = m->shared;

	want = whole(least(want, s->reserves_max - s->reserves));
	if (!want)
		m->waits |= WEIR_LEND_RESERVES;
	s->reserves += want;
	m->reserves += want;
	return want;
}

static void take_back(struct weir__member *m, enum weir_lend kind, size_t n)
{
	struct weir_shared_budget *s = m->shared;

	if (kind == WEIR_LEND_BLOCKS) {
		assert(n <= m->blocks);
		m->blocks -= n;
		s->blocks -= n;
	} else {
		assert(n <= m->reserves);
		m->reserves -= n;
		s->reserves -= n;
	}
	wake(s, kind);
}

/* ---- the lender ---- */

static size_t borrow(struct weir_budget_lender *l, enum weir_lend kind, size_t want)
{
	struct weir__member *m = (struct weir__member *)l;
	struct weir_shared_budget *s = m->shared;
	size_t n;

	uv_mutex_lock(&s->lock);
	n = kind == WEIR_LEND_BLOCKS ? lend_blocks(m, want) : lend_reserves(m, want);
	if (s->blocks + s->reserves > s->peak)
		s->peak = s->blocks + s->reserves;
	uv_mutex_unlock(&s->lock);
	return n;
}

static void give_back(struct weir_budget_lender *l, enum weir_lend kind, size_t n)
{
	struct weir__member *m = (struct weir__member *)l;

	uv_mutex_lock(&m->shared->lock);
	take_back(m, kind, n);
	uv_mutex_unlock(&m->shared->lock);
}

static const struct weir_budget_lender_ops ops = {
	.borrow = borrow,
	.give_back = give_back,
};

static void on_async(uv_async_t *handle)
{
	struct weir__member *m = handle->data;
	struct weir_shared_budget *s = m->shared;
	bool woken, recalled;

	uv_mutex_lock(&s->lock);
	woken = m->woken;
	m->woken = false;
	recalled = s->needy > 0 && !m->needy;
	uv_mutex_unlock(&s->lock);
	if (m->base.recalled != recalled)
		weir_lender_recall(&m->base, recalled);
	if (!woken)
		return;
	weir_lender_ready(&m->base);
	if (m->base.waits)
		return;
	/* It has what it wants, perhaps without having borrowed it. */
	uv_mutex_lock(&s->lock);
	set_needy(m, false);
	uv_mutex_unlock(&s->lock);
}

/* ---- members ---- */

static int enter(struct weir__member *m)
{
	struct weir_shared_budget *s = m->shared;
	int rc = WEIR_EBUDGET;

	uv_mutex_lock(&s->lock);
	if (s->count < s->loops) {
		m->blocks = WEIR_LOOP_BUDGET_MIN;
		s->count++;
		m->next = s->members;
		s->members = m;
		rc = 0;
	}
	uv_mutex_unlock(&s->lock);
	return rc;
}

int weir__member_join(struct weir_shared_budget *shared, uv_loop_t *uv, struct weir_budget *b,
		      struct weir__member **out)
{
	struct weir__member *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return -ENOMEM;
	m->shared = shared;
	m->base = (struct weir_budget_lender){
		.ops = &ops,
		.base = WEIR_LOOP_BUDGET_MIN,
		.step = shared->step,
		.share = shared->share,
	};
	m->async.data = m;
	rc = weir__error(uv_async_init(uv, &m->async, on_async));
	if (rc < 0) {
		free(m);
		return rc;
	}
	uv_unref((uv_handle_t *)&m->async);
	weir_budget_init_lent(b, &m->base);
	*out = m;
	return enter(m);
}

static void on_async_closed(uv_handle_t *handle)
{
	struct weir__member *m = handle->data;
	void (*on_closed)(void *arg) = m->on_closed;
	void *arg = m->arg;

	free(m);
	on_closed(arg);
}

static void leave(struct weir__member *m)
{
	struct weir_shared_budget *s = m->shared;
	struct weir__member **at = &s->members;

	uv_mutex_lock(&s->lock);
	while (*at && *at != m)
		at = &(*at)->next;
	if (*at) {
		*at = m->next;
		s->count--;
		set_needy(m, false);
		take_back(m, WEIR_LEND_BLOCKS, m->blocks - WEIR_LOOP_BUDGET_MIN);
		take_back(m, WEIR_LEND_RESERVES, m->reserves);
	}
	uv_mutex_unlock(&s->lock);
}

void weir__member_leave(struct weir__member *m, void (*on_closed)(void *arg), void *arg)
{
	leave(m);
	m->on_closed = on_closed;
	m->arg = arg;
	uv_close((uv_handle_t *)&m->async, on_async_closed);
}

void weir__member_attend(struct weir__member *m)
{
	if (weir_budget_is_waited_for(m->base.budget))
		uv_ref((uv_handle_t *)&m->async);
	else
		uv_unref((uv_handle_t *)&m->async);
}

size_t weir__member_part(const struct weir__member *m)
{
	return m->shared->limit / m->shared->loops;
}

/* ---- the whole ---- */

int weir_shared_budget_create(size_t limit, unsigned loops, struct weir_shared_budget **out)
{
	struct weir_shared_budget *s;
	int rc;

	if (loops == 0)
		return -EINVAL;
	if (limit / loops < WEIR_LOOP_BUDGET_MIN)
		return WEIR_EBUDGET;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	rc = weir__error(uv_mutex_init(&s->lock));
	if (rc < 0) {
		free(s);
		return rc;
	}
	s->limit = limit;
	s->loops = loops;
	s->blocks = s->peak = loops * WEIR_LOOP_BUDGET_MIN;
	s->reserves_max = whole((limit - s->blocks) / 4);
	s->blocks_max = limit - s->reserves_max;
	s->share = whole(s->blocks_max / loops);
	s->step = whole(least(limit / loops / 16, STEP_MAX));
	if (s->step < STEP_MIN)
		s->step = STEP_MIN;
	*out = s;
	return 0;
}

void weir_shared_budget_destroy(struct weir_shared_budget *s)
{
	if (!s)
		return;
	assert(s->count == 0 && s->blocks == s->loops * WEIR_LOOP_BUDGET_MIN && s->reserves == 0);
	uv_mutex_destroy(&s->lock);
	free(s);
}

size_t weir_shared_budget_limit(const struct weir_shared_budget *s)
{
	return s->limit;
}

size_t weir_shared_budget_lent(struct weir_shared_budget *s)
{
	size_t n;

	uv_mutex_lock(&s->lock);
	n = s->blocks + s->reserves;
	uv_mutex_unlock(&s->lock);
	return n;
}

size_t weir_shared_budget_peak(struct weir_shared_budget *s)
{
	size_t n;

	uv_mutex_lock(&s->lock);
	n = s->peak;
	uv_mutex_unlock(&s->lock);
	return n;
}
