/* SPDX-License-Identifier: MIT */
/* A sink that knows every byte it should get, and takes them at its own pace. */
#include <errno.h>
#include <stdlib.h>

#include "sim_priv.h"
#include "weir/impl/valve.h"

#define REST_AFTER_TAKE_NS 1000

struct weir_sim_sink {
	struct weir_valve valve;
	struct weir_sim *sim;
	unsigned number;
	struct weir_sim_sink_options is;
	struct weir_sim_random random;
	struct weir_task task;
	struct weir_timer timer;
	struct weir_end_watch watch;
	uint64_t got;
	uint64_t offset;  /* of the next byte; more than `got` where some are missing */
	uint64_t busy_until;
	bool rested, dead, flushing, ended;
	int why;
};

static struct weir_sim_sink *sink_from_valve(struct weir_valve *v)
{
	return (struct weir_sim_sink *)v;
}

static void note(const struct weir_sim_sink *s, const char *what, int64_t value)
{
	weir_sim_note(s->sim, "sink", s->number, what, value);
}

/* ---- taking ---- */

/* Each byte must be found behind the last one.  That finds none out of place at once, but
 * too many of them soon run past the end of what was given. */
static void check_with_gaps(struct weir_sim_sink *s, const unsigned char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		while (weir_sim_byte(s->is.key, s->offset) != data[i])
			s->offset++;
		s->offset++;
	}
}

static void check(struct weir_sim_sink *s, const unsigned char *data, size_t len)
{
	size_t right;

	if (s->is.gaps) {
		check_with_gaps(s, data, len);
		return;
	}
	right = weir__sim_match(s->is.key, s->offset, data, len);
	if (right < len)
		weir_sim_break(s->sim, "DATA-1", "sink %u got a wrong byte at %llu", s->number,
			       (unsigned long long)(s->offset + right));
	s->offset += len;
}

/* How many of `len` bytes it takes now. */
static size_t appetite(struct weir_sim_sink *s, size_t len)
{
	if (s->dead || s->sim->now < s->busy_until)
		return 0;
	if (s->is.take) {
		size_t take = 1 + weir_sim_random_below(&s->random, s->is.take);

		len = len < take ? len : take;
	}
	if (!s->rested && s->is.rest_ns && len > s->is.rest_at - s->got)
		len = (size_t)(s->is.rest_at - s->got);
	if (s->is.die_why < 0 && len > s->is.die_at - s->got)
		len = (size_t)(s->is.die_at - s->got);
	return len;
}

/* What follows from having taken `len` bytes. */
static void took(struct weir_sim_sink *s, size_t len)
{
	uint64_t until = s->sim->now + weir__sim_time_of(len, s->is.bytes_per_s);

	if (s->is.take && len)
		until += REST_AFTER_TAKE_NS;
	if (!s->rested && s->is.rest_ns && s->got >= s->is.rest_at) {
		s->rested = true;
		until += s->is.rest_ns;
	}
	if (until > s->busy_until)
		s->busy_until = until;
	if (s->busy_until > s->sim->now)
		weir_timer_set(&s->sim->ctx, &s->timer, s->busy_until);
	if (s->is.die_why < 0 && s->got >= s->is.die_at) {
		s->dead = true;
		weir_task_queue(&s->sim->ctx, &s->task);
	}
}

static int64_t drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct weir_sim_sink *s = sink_from_valve(v);
	size_t offered = 0, left, total;

	if (s->ended || s->flushing)
		weir_sim_break(s->sim, "END-1", "sink %u was given bytes after the end", s->number);
	if (s->dead)
		return s->is.die_why;
	for (size_t i = 0; i < count; i++)
		offered += chunks[i].len;
	total = left = appetite(s, offered);
	for (size_t i = 0; i < count && left; i++) {
		size_t n = chunks[i].len < left ? chunks[i].len : left;

		check(s, chunks[i].data, n);
		left -= n;
	}
	s->got += total;
	if (total)
		note(s, "takes", (int64_t)total);
	if (s->sim->now >= s->busy_until)
		took(s, total);
	return (int64_t)total;
}

/* ---- the end ---- */

static void end(struct weir_valve *v, int why)
{
	struct weir_sim_sink *s = sink_from_valve(v);

	if (why < 0)
		return;
	if (s->flushing)
		weir_sim_break(s->sim, "END-1", "sink %u was finished twice", s->number);
	s->flushing = true;
	if (s->is.end_ns)
		weir_timer_set(&s->sim->ctx, &s->timer, s->sim->now + s->is.end_ns);
	else
		weir_valve_done(v, 0);
}

static void on_end(void *arg, int why)
{
	struct weir_sim_sink *s = arg;

	note(s, "ends", why);
	s->ended = true;
	s->why = why;
}

static const struct weir_valve_ops valve_ops = {
	.name = "simulated sink",
	.drain = drain,
	.end = end,
};

static void run_task(struct weir_task *task)
{
	struct weir_sim_sink *s = (struct weir_sim_sink *)((char *)task -
							   offsetof(struct weir_sim_sink, task));

	weir_valve_die(&s->valve, s->is.die_why);
}

static void run_timer(struct weir_timer *timer)
{
	struct weir_sim_sink *s = (struct weir_sim_sink *)((char *)timer -
							   offsetof(struct weir_sim_sink, timer));

	if (s->flushing)
		weir_valve_done(&s->valve, 0);
	else
		weir_valve_ready(&s->valve);
}

/* ---- for the caller ---- */

int weir_sim_sink_create(struct weir_sim *sim, const struct weir_sim_sink_options *options,
			 struct weir_sim_sink **out)
{
	struct weir_sim_sink *s = calloc(1, sizeof(*s));
	int rc = 0;

	if (!s)
		return -ENOMEM;
	s->is = *options;
	s->sim = sim;
	s->task.run = run_task;
	s->timer.run = run_timer;
	weir_valve_init(&s->valve, &valve_ops, &sim->ctx);
	if (s->is.high)
		rc = weir_valve_set_marks(&s->valve, s->is.high, s->is.low, s->is.limit);
	if (rc < 0) {
		free(s);
		return rc;
	}
	s->number = sim->sinks++;
	weir_sim_random_init(&s->random, sim->options.seed, "sink", s->number);
	weir_consumer_watch_end(&s->valve.base, &s->watch, on_end, s);
	*out = s;
	return 0;
}

struct weir_consumer *weir_sim_sink_consumer(struct weir_sim_sink *s)
{
	return &s->valve.base;
}

void weir_sim_sink_state(const struct weir_sim_sink *s, struct weir_sim_sink_state *out)
{
	*out = (struct weir_sim_sink_state){.got = s->got, .ended = s->ended, .why = s->why};
}

void weir_sim_sink_die(struct weir_sim_sink *s, int why)
{
	weir_valve_die(&s->valve, why);
}

void weir_sim_sink_destroy(struct weir_sim_sink *s)
{
	if (!s)
		return;
	weir_task_cancel(&s->task);
	weir_timer_cancel(&s->sim->ctx, &s->timer);
	weir_valve_fini(&s->valve);
	free(s);
}
