/* SPDX-License-Identifier: MIT */
/*
 * weir-sim runs random schedules.  It is linked so that malloc(), calloc() and realloc()
 * come here first (--wrap), and one of them can be made to fail.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fail_alloc.h"
#include "weir/sim.h"

/* The heap of glibc is given back to the system with each schedule, which takes half of the
 * time, until a large block was freed once. */
static void keep_heap(void)
{
	void *volatile large = malloc((size_t)16 << 20);

	free(large);
}

/* ---- arguments ---- */

static const char usage[] =
	"usage: weir-sim [-hv] [--seed N] [--count N] [--seconds N] [--no-shrink]\n"
	"\n"
	"Run random schedules of flows in a simulated world, and check the contract.\n"
	"\n"
	"  --seed N      begin with this seed (default: from the clock)\n"
	"  --count N     as many seeds, one after the other (default: 1 with --seed,\n"
	"                without end otherwise)\n"
	"  --seconds N   stop after so long\n"
	"  --no-shrink   do not look for a smaller schedule that fails\n"
	"  -v            print the schedule and all that happens\n"
	"  -h, --help    print this\n"
	"  --version     print the version\n"
	"\n"
	"Exit status: 0 all rules were kept, 1 one was broken, 3 bad usage.\n";

struct arguments {
	uint64_t seed, count, seconds;
	bool has_seed, has_count, no_shrink, verbose;
};

static bool number(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && errno == 0;
}

/* Returns 0 to go on, else the exit status plus one. */
static int parse(struct arguments *a, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		bool good = true;

		if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
			fputs(usage, stdout);
			return 1;
		} else if (strcmp(argv[i], "--version") == 0) {
			puts("weir-sim " WEIR_VERSION);
			return 1;
		} else if (strcmp(argv[i], "-v") == 0) {
			a->verbose = true;
		} else if (strcmp(argv[i], "--no-shrink") == 0) {
			a->no_shrink = true;
		} else if (strcmp(argv[i], "--seed") == 0) {
			good = a->has_seed = number(value, &a->seed);
			i++;
		} else if (strcmp(argv[i], "--count") == 0) {
			good = a->has_count = number(value, &a->count);
			i++;
		} else if (strcmp(argv[i], "--seconds") == 0) {
			good = number(value, &a->seconds);
			i++;
		} else {
			good = false;
		}
		if (!good) {
			fprintf(stderr, "weir-sim: bad argument: %s\n%s", argv[i < argc ? i : i - 1],
				usage);
			return 4;
		}
	}
	return 0;
}

/* ---- */

static void print(void *arg, const char *line)
{
	(void)arg;
	puts(line);
}

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	struct weir_sim_schedule_options options = {.fail_alloc = weir_test_fail_alloc_after, .print = print};
	struct weir_sim_result result;
	struct arguments a = {0};
	double began = seconds_now();
	uint64_t done = 0, bytes = 0;
	int status = parse(&a, argc, argv);
	bool good = true;

	if (status)
		return status - 1;
	keep_heap();
	if (!a.has_seed)
		a.seed = (uint64_t)time(NULL) * 1000000;
	if (!a.has_count)
		a.count = a.has_seed && !a.seconds ? 1 : UINT64_MAX;
	options.verbose = a.verbose;
	options.shrink = !a.no_shrink;
	while (good && done < a.count && (!a.seconds || seconds_now() - began < (double)a.seconds)) {
		options.seed = a.seed + done++;
		good = weir_sim_schedule(&options, &result);
		bytes += result.bytes;
		if (a.verbose)
			printf("hash %016" PRIx64 "\n", result.hash);
	}
	printf("%" PRIu64 " schedules from seed %" PRIu64 ", %" PRIu64 " bytes, %.0f a second\n",
	       done, a.seed, bytes, (double)done / (seconds_now() - began));
	return good ? 0 : 1;
}
