/* SPDX-License-Identifier: MIT */
/*
 * One operation of the contract, COUNT times.  bench/run.py runs this under callgrind with
 * two counts: the difference is what the operations cost, without the start.
 *
 *   micro OPERATION COUNT
 *   micro --list
 *
 * The sinks are valves whose drain takes everything and does nothing else, so what is
 * counted is the contract alone.  `nothing` is the cost of the loop around the others.  A
 * `hop-` gives one chunk of 16 KiB by what its name says to such a sink; what `give` costs,
 * which is the same without anything between, is to be taken off.
 */
#include <stdbool.h>

#include "bench.h"
#include "weir/feeder.h"
#include "weir/hash.h"
#include "weir/impl/processor.h"
#include "weir/impl/wrap.h"
#include "weir/join.h"
#include "weir/proxy.h"
#include "weir/receiver.h"
#include "weir/relay.h"
#include "weir/tap.h"
#include "weir/tee.h"
#include "weir/throttle.h"

#define LARGE 16384
#define SINKS 8

/* What stands between the source and the sinks; NULL or unused but for one. */
struct between {
	struct weir_join *join;
	struct weir_relay *relay;
	struct weir_throttle *throttle;
	struct weir_proxy *proxy;
	struct weir_tap *tap;
	struct weir_hash *hash;
	struct weir_tee *tee;
	struct weir_receiver *receiver;
	struct weir_feeder *feeder;
	struct weir_processor processor;
	struct weir_wrap wrap;
	bool has_processor, has_wrap;
};

struct rig {
	struct weir_budget budget;
	struct weir_context ctx;
	struct weir_producer source;
	struct weir_producer other; /* of a relay: what gives nothing */
	struct weir_valve sinks[SINKS];
	struct weir_valve front; /* only for the chain: hands on to the first sink */
	struct between between;
	struct weir_block *block;
	uint64_t received;
	unsigned pauses, resumes;
};

static unsigned char bytes[LARGE];
static bool full; /* the sinks take nothing */

/* ---- a source that counts, a sink that takes all ---- */

static struct rig *rig_from_source(struct weir_producer *p)
{
	return (struct rig *)((char *)p - offsetof(struct rig, source));
}

static void source_pause(struct weir_producer *p)
{
	rig_from_source(p)->pauses++;
}

static void source_resume(struct weir_producer *p)
{
	rig_from_source(p)->resumes++;
}

static void source_stop(struct weir_producer *p, int why)
{
	(void)p;
	(void)why;
}

static const struct weir_producer_ops source_ops = {
	.name = "bench",
	.start = weir_producer_pass_start,
	.pause = source_pause,
	.resume = source_resume,
	.stop = source_stop,
};

static int64_t sink_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	int64_t n = 0;

	(void)v;
	if (full)
		return 0;
	for (size_t i = 0; i < count; i++)
		n += (int64_t)chunks[i].len;
	return n;
}

static int64_t front_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct rig *r = (struct rig *)((char *)v - offsetof(struct rig, front));
	int64_t n = 0;

	for (size_t i = 0; i < count; i++) {
		struct weir_chunk chunk = weir_chunk_ref(&chunks[i]);

		n += (int64_t)chunks[i].len;
		if (weir_consumer_give(&r->sinks[0].base, &chunk) < 0)
			abort();
	}
	return n;
}

static void sink_end(struct weir_valve *v, int why)
{
	if (why == 0)
		weir_valve_done(v, 0);
}

static const struct weir_valve_ops sink_ops = {
	.name = "bench",
	.drain = sink_drain,
	.end = sink_end,
};

static const struct weir_valve_ops front_ops = {
	.name = "bench front",
	.drain = front_drain,
	.end = sink_end,
};

static uint64_t fixed_clock(void *arg)
{
	(void)arg;
	return 1;
}

static void on_wake(void *arg)
{
	(void)arg;
}

/* ---- the operations ---- */

static void require(int rc)
{
	if (rc < 0)
		abort();
}

static void give(struct rig *r, struct weir_consumer *c)
{
	struct weir_chunk chunk = {r->block->data, r->block->used, weir_block_ref(r->block)};

	require(weir_consumer_give(c, &chunk));
}

static void op_nothing(struct rig *r)
{
	(void)r;
}

static void op_write_64(struct rig *r)
{
	require(weir_consumer_write(&r->sinks[0].base, bytes, 64));
}

static void op_write_16k(struct rig *r)
{
	require(weir_consumer_write(&r->sinks[0].base, bytes, LARGE));
}

static void op_give(struct rig *r)
{
	give(r, &r->sinks[0].base);
}

/* By way of whatever the source is registered with. */
static void op_hop(struct rig *r)
{
	give(r, r->source.consumer);
}

static void op_give_chain(struct rig *r)
{
	give(r, &r->front.base);
}

static void op_register(struct rig *r)
{
	require(weir_consumer_register(&r->sinks[0].base, &r->source, WEIR_PUSH));
	weir_consumer_unregister(&r->sinks[0].base);
}

/* Fill to the high mark, then drain to below the low one. */
static void op_pause(struct rig *r)
{
	full = true;
	give(r, &r->sinks[0].base);
	full = false;
	weir_valve_ready(&r->sinks[0]);
}

static void op_receive(struct rig *r)
{
	give(r, weir_receiver_sink(r->between.receiver));
}

static void op_feed(struct rig *r)
{
	require(weir_feeder_feed(r->between.feeder, bytes, LARGE));
}

/* ---- what they are done with ---- */

static void bare(struct rig *r)
{
	(void)r;
}

static void registered(struct rig *r)
{
	require(weir_consumer_register(&r->sinks[0].base, &r->source, WEIR_PUSH));
}

/* source -> front ... back -> sink */
static void put_between(struct rig *r, struct weir_consumer *front, struct weir_producer *back)
{
	require(weir_consumer_register(front, &r->source, WEIR_PUSH));
	require(weir_consumer_register(&r->sinks[0].base, back, WEIR_PUSH));
}

static void with_join(struct rig *r)
{
	require(weir_join_create(&r->ctx, &r->source, &r->sinks[0].base, NULL, &r->between.join));
}

static void with_relay(struct rig *r)
{
	struct weir_relay_side left = {&r->source, &r->sinks[1].base};
	struct weir_relay_side right = {&r->other, &r->sinks[0].base};

	require(weir_relay_create(&r->ctx, left, right, NULL, &r->between.relay));
}

/* A limit that is never reached. */
static void with_throttle(struct rig *r)
{
	struct weir_rate rate = {.bytes_per_s = (uint64_t)1 << 40, .burst = (uint64_t)1 << 40};

	require(weir_throttle_create(&r->ctx, rate, NULL, &r->between.throttle));
	put_between(r, weir_throttle_sink(r->between.throttle),
		    weir_throttle_source(r->between.throttle));
}

static void with_some_proxy(struct rig *r, bool buffering)
{
	struct weir_proxy_options options = {.buffering = buffering};

	require(weir_proxy_create(&r->ctx, &options, &r->between.proxy));
	put_between(r, weir_proxy_sink(r->between.proxy), weir_proxy_source(r->between.proxy));
}

static void with_proxy(struct rig *r)
{
	with_some_proxy(r, false);
}

static void with_buffering_proxy(struct rig *r)
{
	with_some_proxy(r, true);
}

static void with_some_tap(struct rig *r, weir_tap_fn *fn, void *arg)
{
	require(weir_tap_create(&r->sinks[0].base, fn, arg, &r->between.tap));
	require(weir_consumer_register(weir_tap_sink(r->between.tap), &r->source, WEIR_PUSH));
}

static void with_tap(struct rig *r)
{
	with_some_tap(r, NULL, NULL);
}

static void add_to_hash(void *arg, const void *data, size_t len)
{
	require(weir_hash_add(arg, data, len));
}

static void with_hash_tap(struct rig *r)
{
	require(weir_hash_create("sha256", &r->between.hash));
	with_some_tap(r, add_to_hash, r->between.hash);
}

static void with_tee(struct rig *r, int branches)
{
	require(weir_tee_create(&r->ctx, &r->between.tee));
	for (int i = 0; i < branches; i++)
		require(weir_tee_add(r->between.tee, &r->sinks[i].base, NULL, NULL));
	require(weir_consumer_register(weir_tee_sink(r->between.tee), &r->source, WEIR_PUSH));
}

static void with_tee_1(struct rig *r)
{
	with_tee(r, 1);
}

static void with_tee_2(struct rig *r)
{
	with_tee(r, 2);
}

static void with_tee_8(struct rig *r)
{
	with_tee(r, 8);
}

static int on_data(void *arg, const void *data, size_t len)
{
	(void)data;
	((struct rig *)arg)->received += len;
	return 0;
}

static void with_receiver(struct rig *r)
{
	struct weir_receiver_options options = {.on_data = on_data, .arg = r};

	require(weir_receiver_create(&r->ctx, &options, &r->between.receiver));
	require(weir_consumer_register(weir_receiver_sink(r->between.receiver), &r->source,
				       WEIR_PUSH));
}

static void with_feeder(struct rig *r)
{
	require(weir_feeder_create(&r->ctx, NULL, &r->between.feeder));
	require(weir_consumer_register(&r->sinks[0].base, weir_feeder_source(r->between.feeder),
				       WEIR_PUSH));
}

static const struct weir_processor_ops processor_ops = {
	.name = "bench processor",
	.process = weir_processor_pass_on,
	.flush = weir_processor_said_all,
	.room = weir_processor_any_room,
	.over = weir_processor_pass_over,
};

static void with_processor(struct rig *r)
{
	weir_processor_init(&r->between.processor, &processor_ops, &r->ctx);
	r->between.has_processor = true;
	put_between(r, &r->between.processor.front.base, &r->between.processor.back);
}

static void with_wrap(struct rig *r)
{
	weir_wrap_init(&r->between.wrap, &r->sinks[0].base, &weir_wrap_consumer_ops,
		       &weir_wrap_producer_ops);
	r->between.has_wrap = true;
	require(weir_consumer_register(&r->between.wrap.front, &r->source, WEIR_PUSH));
}

static const struct operation {
	const char *name;
	void (*run)(struct rig *r);
	void (*setup)(struct rig *r);
	size_t size; /* bytes that must have arrived, of one operation */
} operations[] = {
	{"nothing", op_nothing, registered, 0},
	{"write-64", op_write_64, registered, 64},
	{"write-16k", op_write_16k, registered, LARGE},
	{"give", op_give, registered, LARGE},
	{"give-chain", op_give_chain, registered, LARGE},
	{"register", op_register, bare, 0},
	{"pause", op_pause, registered, LARGE},
	{"receive", op_receive, with_receiver, LARGE},
	{"feed", op_feed, with_feeder, LARGE},
	{"hop-join", op_hop, with_join, LARGE},
	{"hop-relay", op_hop, with_relay, LARGE},
	{"hop-wrap", op_hop, with_wrap, LARGE},
	{"hop-tap", op_hop, with_tap, LARGE},
	{"hop-hash", op_hop, with_hash_tap, LARGE},
	{"hop-processor", op_hop, with_processor, LARGE},
	{"hop-proxy", op_hop, with_proxy, LARGE},
	{"hop-buffering", op_hop, with_buffering_proxy, LARGE},
	{"hop-throttle", op_hop, with_throttle, LARGE},
	{"hop-tee-1", op_hop, with_tee_1, LARGE},
	{"hop-tee-2", op_hop, with_tee_2, (size_t)2 * LARGE},
	{"hop-tee-8", op_hop, with_tee_8, (size_t)8 * LARGE},
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static void rig_init(struct rig *r, const struct operation *op)
{
	weir_budget_init(&r->budget, WEIR_BUDGET_DEFAULT);
	weir_context_init(&r->ctx, &r->budget, fixed_clock, on_wake, NULL);
	weir_producer_init(&r->source, &source_ops, WEIR_PUSH);
	weir_producer_init(&r->other, &source_ops, WEIR_PUSH);
	for (int i = 0; i < SINKS; i++) {
		weir_valve_init(&r->sinks[i], &sink_ops, &r->ctx);
		require(weir_valve_set_marks(&r->sinks[i], LARGE, LARGE / 4, (size_t)4 * LARGE));
	}
	weir_valve_init(&r->front, &front_ops, &r->ctx);
	require(weir_pool_take(&r->ctx.pool, LARGE, &r->block));
	r->block->used = LARGE;
	op->setup(r);
	weir_context_run(&r->ctx);
	r->pauses = r->resumes = 0;
}

/* Whether every operation did what its name says. */
static int check(const struct rig *r, const struct operation *op, long count)
{
	unsigned cycles = op->run == op_pause ? (unsigned)count : 0;
	uint64_t out = r->received, held = 0;

	for (int i = 0; i < SINKS; i++) {
		struct weir_consumer_state s;

		weir_consumer_state(&r->sinks[i].base, &s);
		out += s.out;
		held += s.held;
	}
	if (out == (uint64_t)count * op->size && held == 0 && r->pauses == cycles &&
	    r->resumes == cycles)
		return 0;
	fprintf(stderr, "micro: %s: %llu bytes out, %llu held, %u pauses, %u resumes\n", op->name,
		(unsigned long long)out, (unsigned long long)held, r->pauses, r->resumes);
	return 1;
}

static void rig_fini(struct rig *r)
{
	struct between *b = &r->between;

	weir_join_destroy(b->join);
	weir_relay_destroy(b->relay);
	weir_throttle_destroy(b->throttle);
	weir_proxy_destroy(b->proxy);
	weir_tap_destroy(b->tap);
	weir_hash_destroy(b->hash);
	weir_tee_destroy(b->tee);
	weir_receiver_destroy(b->receiver);
	weir_feeder_destroy(b->feeder);
	if (b->has_processor)
		weir_processor_fini(&b->processor);
	if (b->has_wrap)
		weir_wrap_fini(&b->wrap);
	for (int i = 0; i < SINKS; i++)
		weir_valve_fini(&r->sinks[i]);
	weir_valve_fini(&r->front);
	weir_block_unref(r->block);
	weir_context_run(&r->ctx);
	weir_context_fini(&r->ctx);
}

static int list(void)
{
	for (size_t i = 0; i < OPERATIONS; i++)
		puts(operations[i].name);
	return 0;
}

int main(int argc, char **argv)
{
	const struct operation *op = NULL;
	static struct rig r;
	long count;
	int rc;

	if (argc == 2 && strcmp(argv[1], "--list") == 0)
		return list();
	for (size_t i = 0; i < OPERATIONS; i++) {
		if (argc == 3 && strcmp(argv[1], operations[i].name) == 0)
			op = &operations[i];
	}
	if (!op) {
		fprintf(stderr, "usage: micro OPERATION COUNT | --list\n");
		return 2;
	}
	count = number(argv[2]);
	rig_init(&r, op);
	for (long i = 0; i < count; i++)
		op->run(&r);
	rc = check(&r, op, count);
	rig_fini(&r);
	return rc;
}
