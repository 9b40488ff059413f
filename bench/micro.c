/* SPDX-License-Identifier: MIT */
/*
 * One operation of the contract, COUNT times.  bench/run.py runs this under callgrind with
 * two counts: the difference is what the operations cost, without the start.
 *
 *   micro OPERATION COUNT
 *
 * The sinks are valves whose drain takes everything and does nothing else, so what is
 * counted is the contract alone.  `nothing` is the cost of the loop around the others.
 */
#include "bench.h"
#include "weir/impl/producer.h"
#include "weir/impl/valve.h"
#include "weir/join.h"

#define LARGE 16384

struct rig {
	struct weir_budget budget;
	struct weir_context ctx;
	struct weir_producer source;
	struct weir_valve sink;
	struct weir_valve front; /* only for the chain: hands on to `sink` */
	struct weir_join *join;
	struct weir_block *block;
	bool full; /* the sink takes nothing */
	unsigned pauses, resumes;
};

static unsigned char bytes[LARGE];

/* ---- a source that counts, a sink that takes all ---- */

static struct rig *rig_from_source(struct weir_producer *p)
{
	return (struct rig *)((char *)p - offsetof(struct rig, source));
}

static struct rig *rig_from_sink(struct weir_valve *v)
{
	return (struct rig *)((char *)v - offsetof(struct rig, sink));
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

	if (rig_from_sink(v)->full)
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
		if (weir_consumer_give(&r->sink.base, &chunk) < 0)
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
	require(weir_consumer_write(&r->sink.base, bytes, 64));
}

static void op_write_16k(struct rig *r)
{
	require(weir_consumer_write(&r->sink.base, bytes, LARGE));
}

static void op_give(struct rig *r)
{
	give(r, &r->sink.base);
}

static void op_give_join(struct rig *r)
{
	give(r, r->source.consumer);
}

static void op_give_chain(struct rig *r)
{
	give(r, &r->front.base);
}

static void op_register(struct rig *r)
{
	require(weir_consumer_register(&r->sink.base, &r->source, WEIR_PUSH));
	weir_consumer_unregister(&r->sink.base);
}

/* Fill to the high mark, then drain to below the low one. */
static void op_pause(struct rig *r)
{
	r->full = true;
	give(r, &r->sink.base);
	r->full = false;
	weir_valve_ready(&r->sink);
}

enum setup { BARE, REGISTERED, JOINED };

static const struct operation {
	const char *name;
	void (*run)(struct rig *r);
	enum setup setup;
} operations[] = {
	{"nothing", op_nothing, REGISTERED},
	{"write-64", op_write_64, REGISTERED},
	{"write-16k", op_write_16k, REGISTERED},
	{"give", op_give, REGISTERED},
	{"give-join", op_give_join, JOINED},
	{"give-chain", op_give_chain, REGISTERED},
	{"register", op_register, BARE},
	{"pause", op_pause, REGISTERED},
};

static void rig_init(struct rig *r, enum setup setup)
{
	weir_budget_init(&r->budget, WEIR_BUDGET_DEFAULT);
	weir_context_init(&r->ctx, &r->budget, fixed_clock, on_wake, NULL);
	weir_producer_init(&r->source, &source_ops, WEIR_PUSH);
	weir_valve_init(&r->sink, &sink_ops, &r->ctx);
	weir_valve_init(&r->front, &front_ops, &r->ctx);
	require(weir_valve_set_marks(&r->sink, LARGE, LARGE / 4, (size_t)4 * LARGE));
	require(weir_pool_take(&r->ctx.pool, LARGE, &r->block));
	r->block->used = LARGE;
	if (setup == REGISTERED)
		require(weir_consumer_register(&r->sink.base, &r->source, WEIR_PUSH));
	else if (setup == JOINED)
		require(weir_join_create(&r->ctx, &r->source, &r->sink.base, NULL, &r->join));
}

/* Whether every operation did what its name says. */
static int check(const struct rig *r, const struct operation *op, long count)
{
	struct weir_consumer_state s;
	unsigned cycles = op->run == op_pause ? (unsigned)count : 0;
	uint64_t size = op->run == op_write_64 ? 64 : LARGE;
	bool moves = op->run != op_nothing && op->run != op_register;

	weir_consumer_state(&r->sink.base, &s);
	if (s.out == (moves ? (uint64_t)count * size : 0) && s.held == 0 &&
	    r->pauses == cycles && r->resumes == cycles)
		return 0;
	fprintf(stderr, "micro: %s: %llu bytes out, %llu held, %u pauses, %u resumes\n", op->name,
		(unsigned long long)s.out, (unsigned long long)s.held, r->pauses, r->resumes);
	return 1;
}

static void rig_fini(struct rig *r)
{
	weir_join_destroy(r->join);
	weir_valve_fini(&r->sink);
	weir_valve_fini(&r->front);
	weir_block_unref(r->block);
	weir_context_run(&r->ctx);
	weir_context_fini(&r->ctx);
}

int main(int argc, char **argv)
{
	const struct operation *op = NULL;
	struct rig r = {0};
	long count;
	int rc;

	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		if (argc == 3 && strcmp(argv[1], operations[i].name) == 0)
			op = &operations[i];
	}
	if (!op) {
		fprintf(stderr, "usage: micro OPERATION COUNT\n");
		return 2;
	}
	count = number(argv[2]);
	rig_init(&r, op->setup);
	for (long i = 0; i < count; i++)
		op->run(&r);
	rc = check(&r, op, count);
	rig_fini(&r);
	return rc;
}
