/* SPDX-License-Identifier: MIT */
/*
 * Every sequence of calls on a valve up to a depth, against the model, in three ways:
 *
 *   1. every sequence, none left out, with a passive source and sink;
 *   2. every sequence, shorter, for every script: each call from inside each event;
 *   3. much longer sequences, in which those that lead to the same state are gone on
 *      with once only.
 *
 * "The same state" in 3 is: the model's fields, which were just found to agree with
 * the valve's, and each private field of the valve that its code looks at, the run of
 * its chunks included.  Left out are sums that are only added to (in, out, dropped),
 * the time, where in memory things are, and how much of a block is used (the
 * sequences hold a few bytes, and never come near a block's end).  So from two equal
 * states every call does the same.
 */
#include "core/queue.h"
#include "valve_rig.h"

#define DEPTH_MAX 24
#define SEEN_MAX (1u << 17)

static const struct scale tiny = {
	.small = 1,
	.mid = 3,
	.high = 5,
	.low = 2,
	.limit = 9,
	.some = 2,
	.tight_high = 3,
	.tight_low = 0,
	.wide_high = 8,
	.wide_low = 4,
	.quantum = 2,
	.finish_wait = 100,
};

static const enum call first_call = CALL_WRITE_0;

static struct world world;
static struct rig rig;
static unsigned long sequences, steps, states;
static unsigned deepest;

static void report(const unsigned char *path, unsigned length, const struct script *script)
{
	print_error("the valve differs from the model after\n");
	for (unsigned i = 0; i < length; i++)
		print_error("  %s\n", call_name((enum call)path[i]));
	print_error("where\n");
	rig_print_script(script);
	print_error("%s\n", rig.fault);
}

/* Replay `path`, of which all but the last call are known to agree. */
static bool replay(const unsigned char *path, unsigned length, const struct script *script)
{
	bool ok = true;

	rig_open(&rig, &world, &tiny, script);
	for (unsigned i = 0; ok && i < length; i++)
		ok = rig_step(&rig, (enum call)path[i]);
	steps += length;
	return ok;
}

static void check(const unsigned char *path, unsigned length, const struct script *script)
{
	bool ok = replay(path, length, script);

	ok = rig_close(&rig) && ok;
	sequences++;
	if (!ok) {
		report(path, length, script);
		fail();
	}
}

/* All sequences of exactly `depth` calls; their prefixes are seen on the way. */
static void every_sequence(unsigned depth, const struct script *script)
{
	unsigned char path[DEPTH_MAX];
	unsigned i;

	memset(path, (int)first_call, sizeof(path));
	do {
		check(path, depth, script);
		for (i = depth; i > 0; i--) {
			if (++path[i - 1] < CALLS_COUNT)
				break;
			path[i - 1] = (unsigned char)first_call;
		}
	} while (i > 0);
}

/* ---- 3: states ------------------------------------------------------------------ */

static uint64_t *seen; /* hashes, open addressing; 0 is empty */
static unsigned seen_count;

static uint64_t mix(uint64_t h, uint64_t x)
{
	h ^= x;
	h *= 0x9e3779b97f4a7c15u;
	return h ^ (h >> 29);
}

static uint64_t hash_model(uint64_t h, const struct model *m)
{
	h = mix(h, m->held | m->high << 8 | m->low << 16 | (uint64_t)m->life << 24);
	h = mix(h, (uint64_t)m->producer | m->holds << 8 | (unsigned)m->paused << 16 |
			   (unsigned)m->parked << 17 | (unsigned)m->wrote << 18 |
			   (unsigned)m->blocked << 19 | (unsigned)m->waits << 20);
	h = mix(h, (uint64_t)(int64_t)m->why);
	return mix(h, (m->side.window < 255 ? m->side.window : 255) |
			      (unsigned)m->side.drain_fails << 8);
}

static uint64_t hash_valve(uint64_t h, const struct rig *r)
{
	const struct weir_valve *v = &r->v;
	const struct weir_queue *q = &v->queue;
	bool waits = (v->life == WEIR_FINISHING || v->life == WEIR_FLUSHING) && v->patience;

	h = mix(h, v->life | (unsigned)v->holds << 8 | (unsigned)v->told_paused << 16 |
			   (unsigned)v->settling << 17 | (unsigned)v->draining << 18 |
			   (unsigned)v->blocked << 19 | (unsigned)v->parked << 20 |
			   (unsigned)v->wrote << 21 | (unsigned)v->waiter.reserved << 22 |
			   (unsigned)v->dying << 23 | (unsigned)v->failing << 24 |
			   (unsigned)v->again << 25);
	h = mix(h, v->high | v->low << 8 | v->limit << 16 |
			   (uint64_t)(v->task.next != NULL) << 24 |
			   (uint64_t)waits << 25 |
			   (uint64_t)(v->waiter.next != NULL) << 26 |
			   (uint64_t)(v->base.watches != NULL) << 27);
	h = mix(h, (uint64_t)(int64_t)v->why);
	/* Its first member is the timer. */
	if (waits)
		h = mix(h, ((const struct weir_timer *)v->patience)->deadline - r->world->now);
	for (uint32_t i = 0; i < weir__queue_count(q); i++) {
		const struct weir_chunk *c = weir__queue_at(q, i);

		h = mix(h, c->len << 1 | (c->data + c->len == c->owner->data + c->owner->used));
	}
	return h ? h : 1;
}

/* True the first time for each state. */
static bool is_new(uint64_t hash)
{
	size_t i = hash % SEEN_MAX;

	for (; seen[i]; i = (i + 1) % SEEN_MAX)
		if (seen[i] == hash)
			return false;
	assert_true(++seen_count < SEEN_MAX / 4 * 3);
	seen[i] = hash;
	return true;
}

struct layer {
	unsigned char (*paths)[DEPTH_MAX];
	size_t count, cap;
};

static void layer_add(struct layer *l, const unsigned char *path, unsigned length)
{
	if (l->count == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 256;
		l->paths = realloc(l->paths, l->cap * sizeof(*l->paths));
		assert_non_null(l->paths);
	}
	memcpy(l->paths[l->count++], path, length);
}

/* From each state of the last layer, each call.  Returns the depth reached: less than
 * asked for when there are no further states. */
static unsigned every_state(unsigned depth, const struct script *script)
{
	struct layer now = {0}, next = {0};
	unsigned char path[DEPTH_MAX] = {0};
	unsigned reached = 0;

	memset(seen, 0, SEEN_MAX * sizeof(*seen));
	seen_count = 0;
	layer_add(&now, path, 0);
	while (reached < depth && now.count > 0) {
		next.count = 0;
		for (size_t i = 0; i < now.count; i++) {
			memcpy(path, now.paths[i], reached);
			for (enum call c = first_call; c < CALLS_COUNT; c++) {
				uint64_t hash;

				path[reached] = (unsigned char)c;
				if (!replay(path, reached + 1, script)) {
					report(path, reached + 1, script);
					fail();
				}
				hash = hash_valve(hash_model(0, &rig.model), &rig);
				if (!rig_close(&rig)) {
					report(path, reached + 1, script);
					fail();
				}
				sequences++;
				if (is_new(hash))
					layer_add(&next, path, reached + 1);
			}
		}
		reached++;
		struct layer t = now;
		now = next;
		next = t;
	}
	free(now.paths);
	free(next.paths);
	return reached;
}

/* ---- the tests --------------------------------------------------------------------- */

static bool quick(void)
{
	const char *env = getenv("WEIR_TEST_QUICK");

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
	return true;
#endif
#endif
	return env && *env && strcmp(env, "0") != 0;
}

static int setup(void **state)
{
	(void)state;
	world_open(&world, (size_t)1 << 24);
	seen = malloc(SEEN_MAX * sizeof(*seen));
	sequences = steps = states = deepest = 0;
	return seen ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(seen);
	if (world.ctx.pool.taken == 0) /* not after a failure */
		weir_context_fini(&world.ctx);
	print_message("    %lu sequences, %lu calls compared", sequences, steps);
	if (states)
		print_message(", %lu states, the farthest after %u calls", states, deepest);
	print_message("\n");
	return 0;
}

static void test_every_sequence_of_calls_agrees_with_the_model(void **state)
{
	struct script script = {.fuel = 0};

	(void)state;
	for (unsigned variant = 0; variant < 4; variant++) {
		script.holds_end = variant & 1;
		script.starts_full = variant & 2;
		every_sequence(quick() ? 3 : 4, &script);
	}
	if (!quick()) {
		script.holds_end = script.starts_full = true;
		every_sequence(5, &script);
	}
}

/* Calls that make sense from inside an event. */
static bool is_inner(enum event event, enum call call)
{
	if (call >= CALL_TURN)
		return false;
	/* A start may not write. */
	return event != EVENT_START || call > CALL_GIVE;
}

static void for_each_script(unsigned fuel, unsigned depth,
			    void (*run)(unsigned depth, const struct script *script))
{
	for (enum event e = EVENT_START; e < EVENTS; e++) {
		for (enum call c = first_call; c < CALLS_COUNT; c++) {
			struct script script = {.fuel = fuel, .starts_full = true};

			if (!is_inner(e, c))
				continue;
			script.on[e] = c;
			script.holds_end = c != CALL_DONE;
			run(depth, &script);
		}
	}
}

static void test_every_call_from_inside_every_event_agrees_with_the_model(void **state)
{
	(void)state;
	for_each_script(1, quick() ? 2 : 3, every_sequence);
}

/* Without a limit to the depth there is an end all the same: no further states. */
static void close_over(unsigned depth, const struct script *script)
{
	unsigned reached = every_state(depth, script);

	if (depth == DEPTH_MAX)
		assert_true(reached < DEPTH_MAX);
	if (reached > deepest)
		deepest = reached;
	states += seen_count;
}

static void test_every_state_that_calls_can_reach_agrees_with_the_model(void **state)
{
	struct script script = {.fuel = 0, .holds_end = true, .starts_full = true};

	(void)state;
	close_over(quick() ? 6 : DEPTH_MAX, &script);
}

static void test_every_state_with_calls_from_inside_agrees_with_the_model(void **state)
{
	(void)state;
	for_each_script(2, quick() ? 3 : DEPTH_MAX, close_over);
}

/* Sources as they are: each event has an answer. */
static void test_every_state_with_a_busy_source_agrees_with_the_model(void **state)
{
	static const enum call answers[][EVENTS] = {
		{[EVENT_RESUME] = CALL_WRITE_1, [EVENT_PAUSE] = CALL_UNREGISTER},
		{[EVENT_RESUME] = CALL_WRITE_HIGH, [EVENT_STOP] = CALL_UNREGISTER},
		{[EVENT_RESUME] = CALL_FINISH, [EVENT_PAUSE] = CALL_WRITE_1},
		{[EVENT_RESUME] = CALL_GIVE, [EVENT_DRAIN] = CALL_WRITE_1},
		{[EVENT_RESUME] = CALL_WRITE_1, [EVENT_PAUSE] = CALL_FAIL},
		{[EVENT_RESUME] = CALL_UNREGISTER, [EVENT_PAUSE] = CALL_DRAIN_ALL},
		{[EVENT_RESUME] = CALL_WRITE_HIGH, [EVENT_DRAIN] = CALL_FINISH},
		{[EVENT_RESUME] = CALL_HOLD, [EVENT_PAUSE] = CALL_RELEASE},
		{[EVENT_RESUME] = CALL_WRITE_HIGH, [EVENT_DRAIN] = CALL_DIE},
		{[EVENT_RESUME] = CALL_WRITE_1, [EVENT_DRAIN] = CALL_UNREGISTER},
		{[EVENT_DRAIN] = CALL_GIVE, [EVENT_PAUSE] = CALL_DIE},
		{[EVENT_DRAIN] = CALL_DRAIN_SOME, [EVENT_PAUSE] = CALL_FINISH},
		{[EVENT_END] = CALL_FAIL, [EVENT_ON_END] = CALL_REGISTER_PUSH},
		{[EVENT_STOP] = CALL_REGISTER_PULL, [EVENT_END] = CALL_WRITE_1},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct script script = {.fuel = 3, .holds_end = i & 1, .starts_full = true};

		memcpy(script.on, answers[i], sizeof(script.on));
		close_over(quick() ? 3 : DEPTH_MAX, &script);
	}
}

int main(void)
{
#define EXHAUSTIVE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		EXHAUSTIVE(test_every_sequence_of_calls_agrees_with_the_model),
		EXHAUSTIVE(test_every_call_from_inside_every_event_agrees_with_the_model),
		EXHAUSTIVE(test_every_state_that_calls_can_reach_agrees_with_the_model),
		EXHAUSTIVE(test_every_state_with_calls_from_inside_agrees_with_the_model),
		EXHAUSTIVE(test_every_state_with_a_busy_source_agrees_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
