/* SPDX-License-Identifier: MIT */
/*
 * The calls that pass through a guard: each is written down, looked at, passed on, and looked
 * at again.  What is looked at may be changed by calls from inside, so whoever compares with
 * the time before compares the epoch first.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "guard_priv.h"

#if defined(__GNUC__)
#define CALLER __builtin_return_address(0)
#else
#define CALLER NULL
#endif

static void look_at_thread(struct weir_guard *g)
{
	const char *here = weir__tck_this_thread();

	if (!g->thread) {
		g->thread = here;
		weir__guard_mark(g, AT_FIRST);
		return;
	}
	if (g->thread != here)
		weir__guard_holds(g, FLOW_8, g->call->by, AT_FIRST, false,
		                  "a %s from another thread", g->call->what);
}

static void enter(struct weir_guard *g, struct passing *call, enum weir_guard_party by,
                  const char *what, const void *caller)
{
	*call = (struct passing){.outer = g->call, .by = by, .what = what, .caller = caller};
	g->call = call;
	if (!g->broken)
		look_at_thread(g);
}

static void leave(struct weir_guard *g)
{
	g->call = g->call->outer;
}

/* ---- in place of a producer: the consumer comes with the registration ---- */

/* Whether there is a consumer.  One that lets a producer go tells nobody. */
static bool passes(struct weir_guard *g)
{
	if (g->source && g->standing == REGISTERED && !g->wrap.back.consumer) {
		weir_consumer_unbind(&g->wrap.front);
		weir__guard_is_cut(g);
	}
	return !g->cut;
}

static void forget_consumer(struct weir_guard *g)
{
	if (g->wrap.inner && !g->wrap.ended)
		weir_consumer_unwatch_end(g->wrap.inner, &g->end_watch);
	g->wrap.ended = true;
}

static void on_end(void *arg, int why);

static void follow_consumer(struct weir_guard *g, struct weir_consumer *consumer)
{
	g->wrap.inner = consumer;
	g->wrap.ended = false;
	/* Behind a watch of the wrap's, so it is told first. */
	weir_consumer_watch_end(consumer, &g->end_watch, on_end, g);
	g->consumer_name = consumer->ops->name;
	g->base_in = weir__guard_state(g).in;
	g->in = g->excess = 0;
	g->finished = g->failed = g->cut = false;
	g->marks[AT_END].what = g->marks[AT_ENDED].what = NULL;
}

/* It is started: the producer behind is registered with the front. */
static void take_place(struct weir_guard *g, struct weir_producer *back)
{
	passes(g);
	forget_consumer(g);
	follow_consumer(g, back->consumer);
	weir__guard_registers(g, g->source, back->mode);
	g->registering = false;
	g->wrap.coming = g->source;
}

/* ---- from the producer ---- */

static int front_register(struct weir_consumer *c, struct weir_producer *p, enum weir_mode mode)
{
	struct weir_guard *g = weir__guard_from_front(c);
	struct weir_consumer_state before = weir__guard_state(g);
	struct passing call;
	int rc;

	enter(g, &call, WEIR_GUARD_PRODUCER, "register", CALLER);
	weir__guard_registers(g, p, mode);
	rc = weir_wrap_consumer_ops.register_producer(c, p, mode);
	weir__guard_registered(g, p, rc, &before);
	leave(g);
	return rc;
}

static void front_unregister(struct weir_consumer *c)
{
	struct weir_guard *g = weir__guard_from_front(c);
	struct weir_consumer_state before;
	struct passing call;
	uint64_t epoch;

	if (!passes(g))
		return;
	before = weir__guard_state(g);
	enter(g, &call, WEIR_GUARD_PRODUCER, "unregister", CALLER);
	weir__guard_unregisters(g);
	epoch = g->epoch;
	weir_wrap_consumer_ops.unregister_producer(c);
	weir__guard_unregistered(g, epoch, &before);
	leave(g);
}

static int front_write(struct weir_consumer *c, const void *data, size_t len)
{
	struct weir_guard *g = weir__guard_from_front(c);
	uint64_t epoch = g->epoch;
	struct passing call;
	int rc;

	if (!passes(g))
		return WEIR_ECLOSED;
	enter(g, &call, WEIR_GUARD_PRODUCER, "write", CALLER);
	weir__guard_writes(g, len);
	weir__guard_lend(g, data, len);
	rc = weir_wrap_consumer_ops.write(c, data, len);
	weir__guard_look_at_lent(g, WEIR_GUARD_CONSUMER);
	weir__guard_wrote(g, len, rc, epoch);
	leave(g);
	return rc;
}

static int front_give(struct weir_consumer *c, struct weir_chunk *chunk)
{
	struct weir_guard *g = weir__guard_from_front(c);
	uint64_t epoch = g->epoch;
	size_t len = chunk->len;
	struct passing call;
	int rc;

	if (!passes(g))
		return WEIR_ECLOSED;
	enter(g, &call, WEIR_GUARD_PRODUCER, "give", CALLER);
	weir__guard_writes(g, len);
	if (!chunk->owner)
		weir__guard_lend(g, chunk->data, len);
	rc = weir_wrap_consumer_ops.give(c, chunk);
	weir__guard_look_at_lent(g, WEIR_GUARD_CONSUMER);
	weir__guard_wrote(g, len, rc, epoch);
	leave(g);
	return rc;
}

static void front_finish(struct weir_consumer *c)
{
	struct weir_guard *g = weir__guard_from_front(c);
	struct passing call;

	if (!passes(g))
		return;
	enter(g, &call, WEIR_GUARD_PRODUCER, "finish", CALLER);
	weir__guard_ends(g, 0);
	weir_wrap_consumer_ops.finish(c);
	leave(g);
}

static void front_fail(struct weir_consumer *c, int why)
{
	struct weir_guard *g = weir__guard_from_front(c);
	struct passing call;

	if (!passes(g))
		return;
	enter(g, &call, WEIR_GUARD_PRODUCER, "fail", CALLER);
	weir__guard_holds(g, END_10, WEIR_GUARD_PRODUCER, AT_REGISTER, why < 0,
	                  "a failure without a reason: %d", why);
	weir__guard_ends(g, why);
	weir_wrap_consumer_ops.fail(c, why);
	leave(g);
}

static size_t front_room(struct weir_consumer *c)
{
	struct weir_guard *g = weir__guard_from_front(c);
	struct passing call;
	size_t room;

	if (!passes(g))
		return 0;
	enter(g, &call, WEIR_GUARD_PRODUCER, "room", CALLER);
	room = weir_wrap_consumer_ops.room(c);
	g->turned_away |= room == 0 && g->asked;
	leave(g);
	return room;
}

static void front_wake(struct weir_consumer *c)
{
	struct weir_guard *g = weir__guard_from_front(c);
	struct passing call;

	if (!passes(g))
		return;
	enter(g, &call, WEIR_GUARD_PRODUCER, "wake", CALLER);
	weir__guard_wakes(g);
	weir_wrap_consumer_ops.wake(c);
	leave(g);
}

static void front_state(const struct weir_consumer *c, struct weir_consumer_state *out)
{
	if (((const struct weir_guard *)c)->cut)
		*out = (struct weir_consumer_state){.ended = true, .why = WEIR_ECLOSED};
	else
		weir_wrap_consumer_ops.state(c, out);
}

/* ---- from the consumer ---- */

static void back_start(struct weir_producer *p)
{
	struct weir_guard *g = weir__guard_from_back(p);
	struct passing call;

	enter(g, &call, WEIR_GUARD_CONSUMER, "start", CALLER);
	if (g->source)
		take_place(g, p);
	else
		weir__guard_starts(g);
	if (g->wrap.coming)
		weir_wrap_producer_ops.start(p);
	leave(g);
}

/* The producer is called.  It may not change what it has lent, but when it has been let go or
 * stopped meanwhile it may be gone, and the bytes with it. */
static void call_producer(struct weir_guard *g, void (*fn)(struct weir_producer *))
{
	uint64_t epoch = g->epoch;

	weir__guard_look_at_lent(g, WEIR_GUARD_CONSUMER);
	fn(&g->wrap.back);
	if (g->epoch == epoch)
		weir__guard_look_at_lent(g, WEIR_GUARD_PRODUCER);
	else
		weir__guard_forget_lent(g);
}

static void back_pause(struct weir_producer *p)
{
	struct weir_guard *g = weir__guard_from_back(p);
	struct passing call;

	enter(g, &call, WEIR_GUARD_CONSUMER, "pause", CALLER);
	weir__guard_pauses(g);
	g->pausing++;
	call_producer(g, weir_wrap_producer_ops.pause);
	g->pausing--;
	leave(g);
}

static void back_resume(struct weir_producer *p)
{
	struct weir_guard *g = weir__guard_from_back(p);
	struct passing call;
	uint64_t epoch = g->epoch;
	unsigned resume;

	enter(g, &call, WEIR_GUARD_CONSUMER, "resume", CALLER);
	weir__guard_resumes(g);
	resume = g->resumes;
	g->resuming++;
	call_producer(g, weir_wrap_producer_ops.resume);
	g->resuming--;
	weir__guard_pulled(g, epoch, resume);
	leave(g);
}

static void back_stop(struct weir_producer *p, int why)
{
	struct weir_guard *g = weir__guard_from_back(p);
	struct passing call;

	enter(g, &call, WEIR_GUARD_CONSUMER, "stop", CALLER);
	weir__guard_look_at_lent(g, WEIR_GUARD_CONSUMER);
	weir__guard_forget_lent(g);
	weir__guard_stops(g, why);
	if (g->source && !g->wrap.front.producer)
		g->wrap.coming = g->source; /* it came too late, and was not started */
	weir_wrap_producer_ops.stop(p, why);
	leave(g);
}

static void on_end(void *arg, int why)
{
	struct weir_guard *g = arg;
	struct passing call;

	enter(g, &call, WEIR_GUARD_CONSUMER, "end", CALLER);
	weir__guard_look_at_lent(g, WEIR_GUARD_CONSUMER);
	weir__guard_forget_lent(g);
	weir__guard_ended(g, why);
	leave(g);
	if (!g->source)
		return;
	g->wrap.ended = true;
	weir_consumer_ended(&g->wrap.front, why);
}

/* ---- making one ---- */

static void set_tables(struct weir_guard *g)
{
	g->front_ops = weir_wrap_consumer_ops;
	g->front_ops.name = "guard";
	g->front_ops.register_producer = front_register;
	g->front_ops.unregister_producer = front_unregister;
	g->front_ops.write = front_write;
	g->front_ops.give = front_give;
	g->front_ops.finish = front_finish;
	g->front_ops.fail = front_fail;
	g->front_ops.room = front_room;
	g->front_ops.wake = front_wake;
	g->front_ops.state = front_state;
	g->back_ops = (struct weir_producer_ops){
		.name = "guard",
		.start = back_start,
		.pause = back_pause,
		.resume = back_resume,
		.stop = back_stop,
	};
}

static struct weir_guard *make(const struct weir_guard_options *options)
{
	struct weir_guard *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	if (options)
		g->options = *options;
	set_tables(g);
	g->consumer_name = g->producer_name = "nobody";
	weir__guard_turn_init(g);
	return g;
}

int weir_guard_create(struct weir_consumer *consumer, const struct weir_guard_options *options,
                      struct weir_guard **out)
{
	struct weir_guard *g = make(options);

	if (!g)
		return -ENOMEM;
	weir_wrap_init(&g->wrap, consumer, &g->front_ops, &g->back_ops);
	follow_consumer(g, consumer);
	*out = g;
	return 0;
}

int weir_guard_create_source(struct weir_producer *producer,
                             const struct weir_guard_options *options, struct weir_guard **out)
{
	struct weir_guard *g = make(options);

	if (!g)
		return -ENOMEM;
	g->source = producer;
	g->producer_name = producer->ops->name;
	g->wrap.ended = g->cut = true;
	weir_consumer_init(&g->wrap.front, &g->front_ops);
	weir_producer_init(&g->wrap.back, &g->back_ops, producer->mode);
	*out = g;
	return 0;
}

struct weir_consumer *weir_guard_sink(struct weir_guard *g)
{
	assert(!g->source);
	return &g->wrap.front;
}

struct weir_producer *weir_guard_source(struct weir_guard *g)
{
	assert(g->source);
	return &g->wrap.back;
}

bool weir_guard_is_broken(const struct weir_guard *g)
{
	return g->broken;
}

void weir_guard_destroy(struct weir_guard *g)
{
	if (!g)
		return;
	passes(g);
	weir__guard_turn_fini(g);
	g->broken = true; /* it is silent from now on */
	if (!g->wrap.ended)
		weir_consumer_unwatch_end(g->wrap.inner, &g->end_watch);
	weir_wrap_fini(&g->wrap);
	/* A producer behind may be watching what it took for its consumer. */
	if (g->source)
		weir_consumer_ended(&g->wrap.front, WEIR_ECLOSED);
	free(g);
}
