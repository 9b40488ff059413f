/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FUZZ_BYTES_H
#define WEIR_FUZZ_BYTES_H
/*
 * bytes.h -- a fuzzer's input as a sequence of choices.  An input that is used up goes on
 * with zeros, so every input is a schedule.
 */
#include <stddef.h>
#include <stdint.h>

struct bytes {
	const uint8_t *data;
	size_t left;
};

static inline uint8_t bytes_next(struct bytes *b)
{
	if (b->left == 0)
		return 0;
	b->left--;
	return *b->data++;
}

/* A number from `a` to `z`. */
static inline size_t bytes_between(struct bytes *b, size_t a, size_t z)
{
	size_t n = bytes_next(b);

	if (z - a > 255)
		n = n << 8 | bytes_next(b);
	return a + n % (z - a + 1);
}

/* libFuzzer's entry, which each target defines. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
