/* SPDX-License-Identifier: MIT */
/*
 * The loop: libuv's, driving a context.  Tasks run after each poll; while any wait, an
 * idle handle keeps the poll from sleeping.  One uv timer stands for all of ours.
 */
#include "engine/error.h"
#include "engine/loop_priv.h"
#include "engine/pages.h"
#include "engine/path.h"
#include "engine/ring.h"
#include "engine/shared_budget.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct weir__signal {
	uv_signal_t handle;
	struct weir__signal *next;
	void (*fn)(void *arg, int signum);
	void *arg;
};

static uint64_t now(void *arg)
{
	(void)arg;
	return uv_hrtime();
}

static void on_idle(uv_idle_t *handle)
{
	(void)handle;
}

static void on_timer(uv_timer_t *handle)
{
	struct weir_loop *loop = handle->data;

	loop->timer_at = WEIR_NEVER;
	weir__loop_turn(loop);
}

void weir__loop_stay_awake(struct weir_loop *loop)
{
	uv_idle_start(&loop->idle, on_idle);
}

/* Make uv wake us when the context wants it. */
static void schedule(struct weir_loop *loop)
{
	uint64_t next = weir_context_next(&loop->ctx);
	uint64_t time;

	if (loop->member)
		weir__member_attend(loop->member);
	if (next == 0) {
		weir__loop_stay_awake(loop);
		return;
	}
	uv_idle_stop(&loop->idle);
	if (next == loop->timer_at)
		return;
	loop->timer_at = next;
	if (next == WEIR_NEVER) {
		uv_timer_stop(&loop->timer);
		return;
	}
	/* Milliseconds, rounded up: never early. */
	uv_update_time(loop->uv);
	time = uv_hrtime();
	time = next > time ? (next - time + WEIR_NS_PER_MS - 1) / WEIR_NS_PER_MS : 0;
	uv_timer_start(&loop->timer, on_timer, time, 0);
}

void weir__loop_turn(struct weir_loop *loop)
{
	loop->crowd = loop->crowding;
	loop->crowding = 0;
	weir_context_run(&loop->ctx);
	schedule(loop);
}

static void on_check(uv_check_t *handle)
{
	weir__loop_turn(handle->data);
}

static void on_wake(void *arg)
{
	schedule(arg);
}

static void init_handles(struct weir_loop *loop)
{
	uv_idle_init(loop->uv, &loop->idle);
	uv_check_init(loop->uv, &loop->check);
	uv_timer_init(loop->uv, &loop->timer);
	loop->idle.data = loop->check.data = loop->timer.data = loop;
	uv_check_start(&loop->check, on_check);
	uv_unref((uv_handle_t *)&loop->check);
	loop->timer_at = WEIR_NEVER;
}

/* Without a member of the shared one the budget is there too, for the loop's destruction. */
static int init_budget(struct weir_loop *loop, size_t limit, struct weir_shared_budget *shared)
{
	int rc = 0;

	if (shared)
		rc = weir__member_join(shared, loop->uv, &loop->budget, &loop->member);
	if (!loop->member)
		weir_budget_init(&loop->budget, limit);
	return rc;
}

/* What the options and the environment say. */
static int choose_engine(const struct weir_loop_options *options, uint8_t *out)
{
	static const char *const names[] = {"auto", "poll", "ring"};
	const char *name = getenv("WEIR_ENGINE");
	enum weir_engine engine = options ? options->engine : WEIR_ENGINE_AUTO;

	for (unsigned i = 0; engine == WEIR_ENGINE_AUTO && name && *name; i++) {
		if (i == sizeof(names) / sizeof(*names))
			return -EINVAL;
		if (strcmp(name, names[i]) == 0) {
			engine = (enum weir_engine)i;
			break;
		}
	}
	*out = (uint8_t)engine;
	return 0;
}

struct weir__ring *weir__loop_ring(struct weir_loop *loop)
{
	if (loop->engine == WEIR_ENGINE_AUTO)
		loop->engine = weir__ring_create(loop, &loop->ring) == 0 ? WEIR_ENGINE_RING
									 : WEIR_ENGINE_POLL;
	return loop->ring;
}

enum weir_engine weir_loop_engine(struct weir_loop *loop)
{
	return weir__loop_ring(loop) ? WEIR_ENGINE_RING : WEIR_ENGINE_POLL;
}

int weir_loop_create(const struct weir_loop_options *options, struct weir_loop **out)
{
	struct weir_loop *loop;
	size_t budget = options && options->budget ? options->budget : WEIR_BUDGET_DEFAULT;
	struct weir_shared_budget *shared = options ? options->shared_budget : NULL;
	int rc;

	if (shared && options->budget)
		return -EINVAL;
	loop = calloc(1, sizeof(*loop));
	if (!loop)
		return -ENOMEM;
	rc = budget < WEIR_LOOP_BUDGET_MIN ? WEIR_EBUDGET : 0;
	if (rc == 0)
		rc = choose_engine(options, &loop->engine);
	loop->uv = options ? options->uv : NULL;
	if (rc == 0 && !loop->uv) {
		loop->is_own = true;
		loop->uv = &loop->own;
		rc = weir__error(uv_loop_init(&loop->own));
	}
	if (rc < 0) {
		free(loop);
		return rc;
	}
	rc = init_budget(loop, budget, shared);
	weir_context_init(&loop->ctx, &loop->budget, now, on_wake, loop);
	if (options && options->quantum)
		loop->ctx.quantum = options->quantum;
	init_handles(loop);
	loop->pipe[0] = loop->pipe[1] = -1;
	loop->scratch = rc == 0 ? weir__pages_alloc(WEIR__SCRATCH_MIN) : NULL;
	if (!loop->scratch || !weir_budget_charge(&loop->budget, WEIR__SCRATCH_MIN)) {
		weir__pages_free(loop->scratch);
		loop->scratch = NULL;
		weir_loop_destroy(loop);
		return rc < 0 ? rc : -ENOMEM;
	}
	loop->scratch_size = WEIR__SCRATCH_MIN;
	if (loop->engine == WEIR_ENGINE_RING) {
		rc = weir__ring_create(loop, &loop->ring);
		if (rc < 0) {
			weir_loop_destroy(loop);
			return rc;
		}
	}
	*out = loop;
	return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
	weir__loop_release(handle->data);
}

static void on_signal_closed(uv_handle_t *handle)
{
	struct weir__signal *s = (struct weir__signal *)handle;

	weir__loop_release(handle->data);
	free(s);
}

static void close_handle(struct weir_loop *loop, uv_handle_t *handle, uv_close_cb fn)
{
	weir__loop_retain(loop);
	uv_close(handle, fn);
}

/* Run what closing has left: libuv's callbacks, and tasks that release memory. */
static void settle_objects(struct weir_loop *loop)
{
	while (loop->objects > 0 && uv_run(loop->uv, UV_RUN_ONCE))
		;
	while (weir_context_next(&loop->ctx) == 0)
		weir_context_run(&loop->ctx);
}

static void on_left(void *arg)
{
	weir__loop_release(arg);
}

static void free_scratch(struct weir_loop *loop)
{
	if (loop->scratch)
		weir_budget_credit(&loop->budget, loop->scratch_size);
	weir__pages_free(loop->scratch);
	loop->scratch = NULL;
}

void weir_loop_destroy(struct weir_loop *loop)
{
	if (!loop)
		return;
	while (loop->signals) {
		struct weir__signal *s = loop->signals;

		loop->signals = s->next;
		close_handle(loop, (uv_handle_t *)&s->handle, on_signal_closed);
	}
	settle_objects(loop);
	weir__ring_destroy(loop->ring);
	free_scratch(loop);
	if (loop->member) {
		weir__loop_retain(loop);
		loop->budget.lender = NULL;
		weir__member_leave(loop->member, on_left, loop);
		loop->member = NULL;
	}
	close_handle(loop, (uv_handle_t *)&loop->idle, on_handle_closed);
	close_handle(loop, (uv_handle_t *)&loop->check, on_handle_closed);
	close_handle(loop, (uv_handle_t *)&loop->timer, on_handle_closed);
	settle_objects(loop);
	weir__path_fini(loop);
	weir_context_fini(&loop->ctx);
	if (loop->is_own)
		uv_loop_close(&loop->own);
	free(loop);
}

void weir_loop_run(struct weir_loop *loop)
{
	if (loop->member)
		weir__member_attend(loop->member); /* of what was begun before */
	uv_run(loop->uv, UV_RUN_DEFAULT);
}

void weir_loop_stop(struct weir_loop *loop)
{
	uv_stop(loop->uv);
}

struct weir_context *weir_loop_context(struct weir_loop *loop)
{
	return &loop->ctx;
}

struct weir_budget *weir_loop_budget(struct weir_loop *loop)
{
	return &loop->budget;
}

struct uv_loop_s *weir_loop_uv(struct weir_loop *loop)
{
	return loop->uv;
}

void weir__loop_retain(struct weir_loop *loop)
{
	loop->objects++;
}

void weir__loop_release(struct weir_loop *loop)
{
	loop->objects--;
}

size_t weir__loop_part(const struct weir_loop *loop)
{
	return loop->member ? weir__member_part(loop->member) : loop->budget.limit;
}

unsigned char *weir__loop_scratch(struct weir_loop *loop, size_t want, size_t *size)
{
	size_t grown = loop->scratch_size, whole;

	if (want > WEIR__SCRATCH_MAX)
		want = WEIR__SCRATCH_MAX;
	while (grown < want)
		grown *= 2;
	/* A small budget is for the flows. */
	whole = weir__loop_part(loop);
	if (grown > loop->scratch_size && grown <= whole / 8 &&
	    weir_budget_charge(&loop->budget, grown - loop->scratch_size)) {
		unsigned char *bigger = weir__pages_alloc(grown);

		if (bigger) {
			weir__pages_free(loop->scratch);
			loop->scratch = bigger;
			loop->scratch_size = grown;
		} else {
			weir_budget_credit(&loop->budget, grown - loop->scratch_size);
		}
	}
	*size = loop->scratch_size;
	return loop->scratch;
}

static void on_signal(uv_signal_t *handle, int signum)
{
	struct weir__signal *s = (struct weir__signal *)handle;

	s->fn(s->arg, signum);
}

static void unwatch(struct weir_loop *loop, int signum)
{
	for (struct weir__signal **at = &loop->signals; *at; at = &(*at)->next) {
		struct weir__signal *s = *at;

		if (s->handle.signum != signum)
			continue;
		*at = s->next;
		close_handle(loop, (uv_handle_t *)&s->handle, on_signal_closed);
		return;
	}
}

int weir_loop_on_signal(struct weir_loop *loop, int signum, void (*fn)(void *arg, int signum),
			void *arg)
{
	struct weir__signal *s;
	int rc;

	unwatch(loop, signum);
	if (!fn)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->fn = fn;
	s->arg = arg;
	rc = weir__error(uv_signal_init(loop->uv, &s->handle));
	if (rc < 0) {
		free(s);
		return rc;
	}
	s->handle.data = loop;
	uv_unref((uv_handle_t *)&s->handle);
	rc = weir__error(uv_signal_start(&s->handle, on_signal, signum));
	if (rc < 0) {
		close_handle(loop, (uv_handle_t *)&s->handle, on_signal_closed);
		return rc;
	}
	s->next = loop->signals;
	loop->signals = s;
	return 0;
}
