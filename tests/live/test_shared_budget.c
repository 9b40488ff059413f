/* SPDX-License-Identifier: MIT */
/*
 * A shared budget, with a loop in each of several threads: never over the limit, nobody asleep
 * for ever, all given back.
 */
#include "net_fixture.h"

#include <stdatomic.h>

#include "weir/impl/lender.h"
#include "weir/shared_budget.h"

#define KIB ((size_t)1 << 10)
#define THREADS_MAX 8
#define FLOWS 8

struct hammer;

/* Takes blocks until it has its fill, waiting where there are none, then frees them. */
struct flow {
	struct weir_budget_waiter w; /* first */
	struct weir_task task;
	struct hammer *h;
	struct weir_block *held[32];
	size_t count, fill, rounds;
};

/* One thread. */
struct hammer {
	pthread_t thread;
	struct weir_shared_budget *shared;
	size_t limit, most; /* bytes; blocks that a flow takes, which fit a loop's share */
	struct weir_loop *loop;
	struct flow flow[FLOWS];
	size_t left; /* flows at work */
	unsigned seed;
	unsigned waits;
	bool over;
};

static atomic_size_t held;

static unsigned next(struct hammer *h)
{
	h->seed = h->seed * 1103515245 + 12345;
	return h->seed >> 16;
}

static void hold(struct flow *f, struct weir_block *block)
{
	f->held[f->count++] = block;
	if (atomic_fetch_add(&held, block->cap) + block->cap > f->h->limit)
		f->h->over = true;
}

static void release(struct flow *f)
{
	while (f->count > 0) {
		struct weir_block *block = f->held[--f->count];

		/* First, so that the sum is never more than what is charged. */
		atomic_fetch_sub(&held, block->cap);
		weir_block_unref(block);
	}
}

static void flow_on_room(struct weir_budget_waiter *w)
{
	struct flow *f = (struct flow *)w;

	weir_task_queue(weir_loop_context(f->h->loop), &f->task);
}

static void flow_run(struct weir_task *task)
{
	struct flow *f = (void *)((char *)task - offsetof(struct flow, task));
	struct weir_context *ctx = weir_loop_context(f->h->loop);
	struct weir_block *block;

	/* What was filled is held for a turn. */
	if (f->count == f->fill) {
		release(f);
		f->fill = 1 + next(f->h) % f->h->most;
		if (--f->rounds > 0)
			weir_task_queue(ctx, &f->task);
		else
			f->h->left--;
		return;
	}
	while (f->count < f->fill) {
		if (weir_pool_take(&ctx->pool, next(f->h) % WEIR_BLOCK_LARGE, &block) < 0) {
			/* Who holds what all others wait for must not wait himself. */
			f->w.need = WEIR_BLOCK_LARGE;
			f->h->waits++;
			weir_budget_wait(weir_loop_budget(f->h->loop), &f->w);
			release(f);
			return;
		}
		hold(f, block);
	}
	weir_task_queue(ctx, &f->task);
}

static void *run_hammer(void *arg)
{
	struct weir_loop_options options = {0};
	struct hammer *h = arg;

	options.shared_budget = h->shared;
	if (weir_loop_create(&options, &h->loop) < 0)
		return NULL;
	for (size_t i = 0; i < FLOWS; i++) {
		struct flow *f = &h->flow[i];

		f->h = h;
		f->w.on_room = flow_on_room;
		f->task.run = flow_run;
		f->fill = 1 + next(h) % h->most;
		f->rounds = getenv("WEIR_TEST_QUICK") ? 300 : 2000;
		h->left++;
		weir_task_queue(weir_loop_context(h->loop), &f->task);
	}
	/* It must go on running while somebody waits for what only other threads have. */
	weir_loop_run(h->loop);
	if (weir_loop_budget(h->loop)->used != h->loop->scratch_size)
		h->over = true;
	weir_loop_destroy(h->loop);
	return h;
}

static void hammer(unsigned threads, size_t limit, size_t most)
{
	struct hammer *h = calloc(threads, sizeof(*h));
	struct weir_shared_budget *shared;
	unsigned waits = 0;
	void *done;

	alarm(100);
	assert_non_null(h);
	assert_int_equal(weir_shared_budget_create(limit, threads, &shared), 0);
	for (unsigned i = 0; i < threads; i++) {
		h[i].shared = shared;
		h[i].limit = limit;
		h[i].most = most;
		h[i].seed = i;
		assert_int_equal(pthread_create(&h[i].thread, NULL, run_hammer, &h[i]), 0);
	}
	for (unsigned i = 0; i < threads; i++) {
		assert_int_equal(pthread_join(h[i].thread, &done), 0);
		assert_ptr_equal(done, &h[i]);
		assert_int_equal(h[i].left, 0);
		assert_false(h[i].over);
		waits += h[i].waits;
	}
	assert_true(waits > 0); /* else it was no test */
	assert_int_equal(atomic_load(&held), 0);
	assert_true(weir_shared_budget_peak(shared) <= limit);
	assert_int_equal(weir_shared_budget_lent(shared), threads * WEIR_LOOP_BUDGET_MIN);
	weir_shared_budget_destroy(shared);
	free(h);
	alarm(0);
}

static void test_threads_that_fight_for_a_budget_all_come_to_their_end(void **state)
{
	(void)state;
	hammer(2, 2 * WEIR_LOOP_BUDGET_MIN + 1024 * KIB, 8);
	hammer(THREADS_MAX, THREADS_MAX * WEIR_LOOP_BUDGET_MIN + 1536 * KIB, 4);
	hammer(3, 3 * WEIR_LOOP_BUDGET_MIN, 2);
}

/* ---- two loops, by hand ---- */

static struct weir_loop *loop_of(struct weir_shared_budget *shared)
{
	const struct weir_loop_options options = {.shared_budget = shared};
	struct weir_loop *loop;

	assert_int_equal(weir_loop_create(&options, &loop), 0);
	return loop;
}

#define WAS_CALLED (((uint64_t)1 << 56) - 1) /* that a need never is */

static void on_room(struct weir_budget_waiter *w)
{
	w->need = WAS_CALLED;
}

static void on_timer(struct weir_timer *timer)
{
	(void)timer;
}

/* A loop polls only while it has something to wait for. */
static void turn(struct weir_loop *loop)
{
	struct weir_timer later = {.run = on_timer};
	struct weir_context *ctx = weir_loop_context(loop);

	weir_timer_set(ctx, &later, weir_context_now(ctx) + PATIENCE);
	for (int i = 0; i < 4; i++)
		uv_run(weir_loop_uv(loop), UV_RUN_NOWAIT);
	weir_timer_cancel(ctx, &later);
}

static size_t take_all(struct weir_budget *b)
{
	size_t n = 0;

	for (; weir_budget_block_room(b) >= WEIR_BLOCK_SMALL; n += WEIR_BLOCK_SMALL)
		assert_true(weir_budget_charge(b, WEIR_BLOCK_SMALL));
	return n;
}

static void test_a_loop_in_need_gets_its_share_of_what_another_one_holds(void **state)
{
	struct weir_budget_waiter w = {.on_room = on_room, .need = 256 * KIB};
	struct weir_shared_budget *shared;
	struct weir_loop *a, *b;
	size_t most, took;

	(void)state;
	assert_int_equal(weir_shared_budget_create(4096 * KIB, 2, &shared), 0);
	a = loop_of(shared);
	b = loop_of(shared);
	most = take_all(weir_loop_budget(a));
	took = take_all(weir_loop_budget(b));
	assert_true(most > 2048 * KIB);
	assert_true(took > 64 * KIB); /* it lives, all the same */
	weir_budget_wait(weir_loop_budget(b), &w);
	turn(b);
	assert_true(w.need != WAS_CALLED);
	/* Without `a` being told it would use it again for itself. */
	turn(a);
	for (size_t n = most; n > 0; n -= WEIR_BLOCK_SMALL) {
		weir_budget_credit(weir_loop_budget(a), WEIR_BLOCK_SMALL);
		if (weir_budget_block_room(weir_loop_budget(a)) >= WEIR_BLOCK_SMALL &&
		    weir_budget_charge(weir_loop_budget(a), WEIR_BLOCK_SMALL))
			n += WEIR_BLOCK_SMALL;
		turn(b);
		if (w.need == WAS_CALLED) {
			most = n - WEIR_BLOCK_SMALL;
			break;
		}
	}
	assert_true(w.need == WAS_CALLED);
	weir_budget_credit(weir_loop_budget(a), most);
	weir_budget_credit(weir_loop_budget(b), took);
	turn(a);
	weir_loop_destroy(a);
	weir_loop_destroy(b);
	assert_int_equal(weir_shared_budget_lent(shared), 2 * WEIR_LOOP_BUDGET_MIN);
	weir_shared_budget_destroy(shared);
}

static void test_limits_are_checked(void **state)
{
	struct weir_loop_options options = {.budget = 1 << 20};
	struct weir_shared_budget *shared;
	struct weir_loop *loop, *more;

	(void)state;
	assert_int_equal(weir_shared_budget_create(1 << 20, 0, &shared), -EINVAL);
	assert_int_equal(weir_shared_budget_create(3 * WEIR_LOOP_BUDGET_MIN - 1, 3, &shared),
			 WEIR_EBUDGET);
	assert_int_equal(weir_shared_budget_create(WEIR_LOOP_BUDGET_MIN, 1, &shared), 0);
	assert_int_equal(weir_shared_budget_limit(shared), WEIR_LOOP_BUDGET_MIN);
	options.shared_budget = shared;
	assert_int_equal(weir_loop_create(&options, &loop), -EINVAL);
	options.budget = 0;
	assert_int_equal(weir_loop_create(&options, &loop), 0);
	assert_int_equal(weir_loop_create(&options, &more), WEIR_EBUDGET); /* one too many */
	weir_loop_destroy(loop);
	assert_int_equal(weir_loop_create(&options, &loop), 0);
	weir_loop_destroy(loop);
	weir_shared_budget_destroy(shared);
	weir_shared_budget_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits_are_checked),
		cmocka_unit_test(test_a_loop_in_need_gets_its_share_of_what_another_one_holds),
		cmocka_unit_test(test_threads_that_fight_for_a_budget_all_come_to_their_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
