/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of a token bucket.  Products that would pass 64 bits are split: whole
 * seconds apart from nanoseconds, and whole tokens a nanosecond apart from the rest.
 */
#include "adapter/bucket.h"

#include "weir/context.h"

#define BILLION ((uint64_t)1000000000)
#define STEPS_PER_S 500
#define STEP_MAX ((uint64_t)1 << 30)

static uint64_t burst_of(struct weir_rate rate)
{
	if (rate.burst)
		return rate.burst;
	return rate.bytes_per_s >= 10 ? rate.bytes_per_s / 10 : 1;
}

static bool full(const struct weir__bucket *b)
{
	return b->tokens >= b->burst;
}

static void fill_up(struct weir__bucket *b)
{
	b->tokens = b->burst;
	b->billionths = 0;
}

static void gain(struct weir__bucket *b, uint64_t n)
{
	if (n >= b->burst - b->tokens)
		fill_up(b);
	else
		b->tokens += n;
}

void weir__bucket_init(struct weir__bucket *b, struct weir_rate rate, uint64_t now)
{
	*b = (struct weir__bucket){
		.rate = rate.bytes_per_s,
		.burst = burst_of(rate),
		.seen = now,
	};
	if (b->rate)
		b->tokens = b->burst;
}

void weir__bucket_fill(struct weir__bucket *b, uint64_t now)
{
	uint64_t seconds, ns, parts;

	if (now <= b->seen)
		return;
	seconds = (now - b->seen) / BILLION;
	ns = (now - b->seen) % BILLION;
	b->seen = now;
	if (!b->rate || full(b))
		return;
	if (seconds && b->rate > (b->burst - b->tokens) / seconds) {
		fill_up(b);
		return;
	}
	/* Up to 10^9 x 10^9: the billionths of the last second that make no whole rate. */
	parts = (b->rate % BILLION) * ns + b->billionths;
	b->billionths = parts % BILLION;
	b->tokens += b->rate * seconds;
	gain(b, b->rate / BILLION * ns);
	if (!full(b))
		gain(b, parts / BILLION);
	if (full(b))
		b->billionths = 0;
}

void weir__bucket_set_rate(struct weir__bucket *b, struct weir_rate rate, uint64_t now)
{
	weir__bucket_fill(b, now);
	b->rate = rate.bytes_per_s;
	b->burst = burst_of(rate);
	if (!b->rate)
		b->tokens = b->billionths = 0;
	else if (full(b))
		fill_up(b);
}

uint64_t weir__bucket_tokens(const struct weir__bucket *b)
{
	return b->rate ? b->tokens : UINT64_MAX;
}

uint64_t weir__bucket_take(struct weir__bucket *b, uint64_t want)
{
	if (!b->rate)
		return want;
	if (want > b->tokens)
		want = b->tokens;
	b->tokens -= want;
	return want;
}

void weir__bucket_put(struct weir__bucket *b, uint64_t n)
{
	if (b->rate)
		gain(b, n);
}

uint64_t weir__bucket_step(const struct weir__bucket *b)
{
	uint64_t step = b->rate / STEPS_PER_S;

	if (!b->rate || step > STEP_MAX)
		step = STEP_MAX;
	if (step > b->burst / 2 && b->rate)
		step = b->burst / 2;
	return step ? step : 1;
}

uint64_t weir__bucket_when(const struct weir__bucket *b, uint64_t want)
{
	uint64_t parts;

	if (!b->rate || want <= b->tokens)
		return b->seen;
	/* Up to 2^30 x 10^9: a step is what is asked for at most. */
	parts = (want - b->tokens) * BILLION - b->billionths;
	return b->seen + parts / b->rate + (parts % b->rate ? 1 : 0);
}
