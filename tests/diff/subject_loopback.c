/* SPDX-License-Identifier: MIT */
/*
 * The loopback transport, against loopbackAsync(); "s" is Twisted's server.  It has no Twisted
 * profile: compared is what both promise.  So each outer act is followed by as many turns
 * as there is work for, and what has come by then is looked at; and the low mark is 0,
 * since Twisted asks a pull producer again when everything has been delivered.
 */
#include <stdlib.h>

#include "stage.h"
#include "weir/impl/valve.h"
#include "weir/loopback.h"

/* One end: what it has read. */
struct end {
	struct weir_valve reader; /* first */
	struct weir_end_watch watch;
	struct weir_transport *transport;
	uint64_t len;
	uint32_t sum;
	const char *state;
};

static struct end ends[2];

static int64_t drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct end *e = (struct end *)v;
	size_t taken = 0;

	for (size_t i = 0; i < count; i++) {
		e->sum = sum_bytes(e->sum, chunks[i].data, chunks[i].len);
		taken += chunks[i].len;
	}
	e->len += taken;
	return (int64_t)taken;
}

static void end_reading(struct weir_valve *v, int why)
{
	if (why == 0)
		weir_valve_done(v, 0);
}

static const struct weir_valve_ops reader_ops = {
	.name = "reader",
	.drain = drain,
	.end = end_reading,
};

static void on_end(void *arg, int why)
{
	((struct end *)arg)->state = why == 0 ? "done" : "failed";
}

static void loopback_open(struct stage *s)
{
	struct weir_transport *transports[2];

	if (weir_loopback_create(&s->ctx, &transports[0], &transports[1]) < 0)
		abort();
	for (int i = 0; i < 2; i++) {
		struct end *e = &ends[i];

		if (weir_transport_set_marks(transports[i], WEIR_HIGH_DEFAULT, 0) < 0)
			abort();
		*e = (struct end){.transport = transports[i], .sum = 1, .state = "open"};
		weir_valve_init(&e->reader, &reader_ops, &s->ctx);
		weir_consumer_watch_end(&e->reader.base, &e->watch, on_end, e);
		if (weir_consumer_register(&e->reader.base, weir_transport_source(transports[i]),
					   WEIR_PUSH) < 0)
			abort();
	}
}

static struct end *end_of(const struct act *act, int arg)
{
	return &ends[*act->arg[arg] == 'c'];
}

static void run_turns(struct stage *s)
{
	while (weir_context_next(&s->ctx) == 0)
		weir_context_run(&s->ctx);
}

/* Twisted closes both ways; and never waits for a producer, so that is let go first. */
static void lose(struct stage *s, struct end *e)
{
	struct weir_consumer *both[2] = {weir_transport_sink(e->transport),
					 weir_transport_sink(ends[e == &ends[0]].transport)};

	weir_consumer_unregister(both[0]);
	weir_consumer_finish(both[0]);
	run_turns(s);
	weir_consumer_unregister(both[1]);
	weir_consumer_finish(both[1]);
}

static const char *loopback_act(struct stage *s, const struct act *act)
{
	struct end *e = end_of(act, 0);
	struct weir_consumer *c = weir_transport_sink(e->transport);

	if (act_is(act, "write"))
		return result(weir_consumer_write(c, stage_bytes(s, act_size(act, 1)),
						  act_size(act, 1)));
	if (act_is(act, "push") || act_is(act, "pull"))
		return result(weir_consumer_register(
			c, &stage_player(s, act->arg[1])->base,
			act_is(act, "push") ? WEIR_PUSH : WEIR_PULL));
	if (act_is(act, "unregister"))
		weir_consumer_unregister(c);
	else if (act_is(act, "lose"))
		lose(s, e);
	else
		return "unknown act";
	return "ok";
}

static void loopback_look(struct stage *s)
{
	run_turns(s);
	for (int i = 0; i < 2; i++)
		trace("%s has read %llu bytes %08x, %s", i ? "c" : "s",
		      (unsigned long long)ends[i].len, ends[i].sum, ends[i].state);
}

static void loopback_close(struct stage *s)
{
	for (int i = 0; i < 2; i++) {
		weir_transport_close(ends[i].transport);
		run_turns(s);
		weir_valve_fini(&ends[i].reader);
	}
	run_turns(s);
}

const struct subject loopback_subject = {
	.name = "loopback",
	.open = loopback_open,
	.act = loopback_act,
	.look = loopback_look,
	.close = loopback_close,
};
