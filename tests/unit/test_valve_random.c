/* SPDX-License-Identifier: MIT */
/*
 * Long random sequences of calls against the model, with sizes up to many blocks.
 * Each sequence has a seed of its own, printed when it fails: WEIR_SEED=n runs that
 * one alone, and prints its calls.
 */
#include "valve_rig.h"

#define LENGTH 2000
#define TAIL 24 /* calls printed of a sequence that fails */

static uint64_t rng;

static uint32_t rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 24);
}

static size_t between(size_t a, size_t b)
{
	return a + rnd() % (b - a + 1);
}

static bool one_in(uint32_t n)
{
	return rnd() % n == 0;
}

static size_t draw(void *arg, size_t a, size_t z)
{
	(void)arg;
	return between(a, z);
}

static struct script random_script(void)
{
	struct script s = {
		.fuel = (unsigned)between(0, 4),
		.holds_end = one_in(2),
		.starts_full = one_in(2),
	};

	for (enum event e = EVENT_PAUSE; e < EVENTS; e++)
		if (e != EVENT_DRAIN && one_in(3))
			s.on[e] = (enum call)between(CALL_WRITE_0, CALL_DONE_BADLY);
	/* What most sources do. */
	if (one_in(2))
		s.on[EVENT_RESUME] = one_in(3) ? CALL_GIVE : CALL_WRITE_1;
	s.coarse = true;
	return s;
}

/* The calls that end a valve are rare, so that sequences are long. */
static enum call random_call(void)
{
	enum call call = (enum call)between(CALL_WRITE_0, CALLS_COUNT - 1);

	switch (call) {
	case CALL_FINISH:
	case CALL_FAIL:
	case CALL_DRAIN_FAILS:
	case CALL_DIE:
		return one_in(40) ? call : CALL_WRITE_1;
	case CALL_WRITE_HIGH:
	case CALL_WRITE_OVER:
	case CALL_UNREGISTER:
		return one_in(5) ? call : CALL_DRAIN_SOME;
	case CALL_DEADLINE:
		return one_in(20) ? call : CALL_TURN;
	default:
		return call;
	}
}

static struct world world;
static struct rig rig;
static unsigned char path[LENGTH];

static bool sequence(uint64_t seed, bool print)
{
	struct scale scale;
	struct script script;
	unsigned length = 0, after_end = 0;
	bool ok = true;

	rng = seed * 0x9e3779b97f4a7c15u + 0x1234567;
	scale = draw_scale(draw, NULL);
	script = random_script();
	rig_open(&rig, &world, &scale, &script);
	while (ok && length < LENGTH && after_end < 10) {
		draw_sizes(&scale, draw, NULL);
		path[length] = (unsigned char)random_call();
		if (print)
			print_message("  %s\n", call_name((enum call)path[length]));
		ok = rig_step(&rig, (enum call)path[length++]);
		after_end += rig.model.life == WEIR_ENDED;
	}
	ok = rig_close(&rig) && ok;
	if (ok)
		return true;
	print_error("WEIR_SEED=%" PRIu64 ": the valve differs from the model after %u calls, "
		    "the last of which are\n",
		    seed, length);
	for (unsigned i = length > TAIL ? length - TAIL : 0; i < length; i++)
		print_error("  %s\n", call_name((enum call)path[i]));
	rig_print_script(&script);
	print_error("%s\n", rig.fault);
	return false;
}

static void test_long_random_sequences_agree_with_the_model(void **state)
{
	const char *env = getenv("WEIR_SEED");
	unsigned long count = getenv("WEIR_TEST_QUICK") ? 200 : 4000;

	(void)state;
	world_open(&world, (size_t)1 << 26);
	if (env) {
		assert_true(sequence(strtoull(env, NULL, 10), true));
	} else {
		for (uint64_t seed = 1; seed <= count; seed++)
			assert_true(sequence(seed, false));
	}
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_random_sequences_agree_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
