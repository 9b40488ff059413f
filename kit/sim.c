/* SPDX-License-Identifier: MIT */
/* The simulated world: time, chance, what is written down, and which rule broke. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>

#include "sim_priv.h"

#define SPIN_TURNS 100000

/* FNV-1a, but a number is one step, and its high bits are brought down to the low ones. */
#define HASH_BASIS UINT64_C(0xcbf29ce484222325)
#define HASH_PRIME UINT64_C(0x100000001b3)

static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * HASH_PRIME;
	return hash;
}

static uint64_t hash_number(uint64_t hash, uint64_t n)
{
	hash = (hash ^ n) * HASH_PRIME;
	return hash ^ (hash >> 32);
}

/* ---- random numbers: splitmix64, by Vigna ---- */

static uint64_t next_random(struct weir_sim_random *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void weir_sim_random_init(struct weir_sim_random *r, uint64_t seed, const char *name,
			  unsigned number)
{
	r->state = hash_number(hash_text(hash_number(HASH_BASIS, seed), name), number);
}

uint64_t weir_sim_random_below(struct weir_sim_random *r, uint64_t n)
{
	uint64_t x = next_random(r);

	return n ? x % n : 0;
}

/* ---- bytes and time ---- */

unsigned char weir_sim_byte(unsigned key, uint64_t offset)
{
	return (unsigned char)(offset * 131 + (offset >> 8) * 17 + (offset >> 16) * 29 + key * 101);
}

void weir__sim_fill(unsigned key, uint64_t offset, unsigned char *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = weir_sim_byte(key, offset + i);
}

size_t weir__sim_match(unsigned key, uint64_t offset, const unsigned char *data, size_t len)
{
	size_t i = 0;

	while (i < len && data[i] == weir_sim_byte(key, offset + i))
		i++;
	return i;
}

uint64_t weir__sim_time_of(uint64_t len, uint64_t bytes_per_s)
{
	uint64_t whole, rest;

	if (!bytes_per_s)
		return 0;
	whole = len / bytes_per_s;
	rest = len % bytes_per_s;
	if (rest > UINT64_MAX / WEIR_NS_PER_S)
		return (whole + 1) * WEIR_NS_PER_S;
	return whole * WEIR_NS_PER_S + (rest * WEIR_NS_PER_S + bytes_per_s - 1) / bytes_per_s;
}

/* ---- the world ---- */

static uint64_t now(void *arg)
{
	return ((struct weir_sim *)arg)->now;
}

/* Whoever runs the world looks at the context anyway. */
static void on_wake(void *arg)
{
	(void)arg;
}

int weir_sim_create(const struct weir_sim_options *options, struct weir_sim **out)
{
	struct weir_sim *sim = calloc(1, sizeof(*sim));

	if (!sim)
		return -ENOMEM;
	if (options)
		sim->options = *options;
	sim->hash = HASH_BASIS;
	weir_budget_init(&sim->budget,
			 sim->options.budget ? sim->options.budget : WEIR_BUDGET_DEFAULT);
	weir_context_init(&sim->ctx, &sim->budget, now, on_wake, sim);
	if (sim->options.quantum)
		sim->ctx.quantum = sim->options.quantum;
	*out = sim;
	return 0;
}

void weir_sim_destroy(struct weir_sim *sim)
{
	if (!sim)
		return;
	weir_context_fini(&sim->ctx);
	free(sim);
}

struct weir_context *weir_sim_context(struct weir_sim *sim)
{
	return &sim->ctx;
}

struct weir_budget *weir_sim_budget(struct weir_sim *sim)
{
	return &sim->budget;
}

bool weir_sim_run(struct weir_sim *sim, uint64_t until)
{
	unsigned still = 0;

	while (!sim->rule) {
		uint64_t next = weir_context_next(&sim->ctx);

		if (next == WEIR_NEVER || next > until)
			break;
		if (next > sim->now) {
			sim->now = next;
			still = 0;
		}
		if (++still > SPIN_TURNS) {
			weir_sim_break(sim, "SPIN", "%d turns in one nanosecond", SPIN_TURNS);
			break;
		}
		weir_context_run(&sim->ctx);
		if (sim->options.on_turn)
			sim->options.on_turn(sim->options.arg);
	}
	if (until != WEIR_NEVER && until > sim->now)
		sim->now = until;
	return !sim->rule && weir_context_next(&sim->ctx) == WEIR_NEVER;
}

/* ---- what happened ---- */

void weir_sim_note(struct weir_sim *sim, const char *who, unsigned number, const char *what,
		   int64_t value)
{
	struct weir_sim_note *note = &sim->notes[sim->noted++ % NOTES_KEPT];
	uint64_t hash = hash_number(sim->hash, sim->now);

	*note = (struct weir_sim_note){sim->now, who, number, what, value};
	hash = hash_number(hash_text(hash, who), number);
	sim->hash = hash_number(hash_text(hash, what), (uint64_t)value);
	if (sim->options.on_note)
		sim->options.on_note(sim->options.arg, note);
}

void weir__sim_note_text(const struct weir_sim_note *note, char *text, size_t size)
{
	snprintf(text, size, "%5" PRIu64 ".%09" PRIu64 " %s %u %s %" PRId64,
		 note->at / WEIR_NS_PER_S, note->at % WEIR_NS_PER_S, note->who, note->number,
		 note->what, note->value);
}

uint64_t weir_sim_hash(const struct weir_sim *sim)
{
	return sim->hash;
}

void weir_sim_break(struct weir_sim *sim, const char *rule, const char *format, ...)
{
	va_list args;

	if (sim->rule)
		return;
	sim->rule = rule;
	va_start(args, format);
	vsnprintf(sim->how, sizeof(sim->how), format, args);
	va_end(args);
}

const char *weir_sim_broken(const struct weir_sim *sim, const char **how)
{
	if (how)
		*how = sim->how;
	return sim->rule;
}

void weir_sim_check_empty(struct weir_sim *sim)
{
	if (sim->budget.used || sim->ctx.pool.taken)
		weir_sim_break(sim, "MEM-6", "%zu bytes are charged and %zu blocks held at the end",
			       sim->budget.used, sim->ctx.pool.taken);
	if (weir_context_next(&sim->ctx) != WEIR_NEVER)
		weir_sim_break(sim, "END-7", "a task or a timer is left at the end");
}
