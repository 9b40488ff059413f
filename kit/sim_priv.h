/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KIT_SIM_PRIV_H
#define WEIR_KIT_SIM_PRIV_H
/* sim_priv.h -- what the files of the simulator share. */
#include "weir/sim.h"

/* Notes that are kept, to be printed after a failure. */
#define NOTES_KEPT 40

struct weir_sim {
	struct weir_budget budget;
	struct weir_context ctx;
	struct weir_sim_options options;
	uint64_t now;
	uint64_t hash;
	struct weir_sim_note notes[NOTES_KEPT]; /* a ring */
	uint64_t noted;
	unsigned links, sources, sinks; /* made so far: their numbers */
	const char *rule;               /* that was broken first, or NULL */
	char how[160];
};

/* Write the bytes of stream `key` from `offset` on. */
void weir__sim_fill(unsigned key, uint64_t offset, unsigned char *out, size_t len);

/* How many of the bytes are those of stream `key` from `offset` on, before the first that
 * is not. */
size_t weir__sim_match(unsigned key, uint64_t offset, const unsigned char *data, size_t len);

/* The nanoseconds that `len` bytes take at this rate, rounded up; 0 without one. */
uint64_t weir__sim_time_of(uint64_t len, uint64_t bytes_per_s);

/* A note as a line of text, without its end. */
void weir__sim_note_text(const struct weir_sim_note *note, char *text, size_t size);

#endif
