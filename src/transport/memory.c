/* SPDX-License-Identifier: MIT */
/*
 * `out` is the sink, a valve whose drain is the peer, who keeps what it takes.  `in` is a
 * processor that does nothing but count: the peer writes to its front, and its back is the
 * source.
 *
 * In the Twisted profile the sink has another table, under which nothing is held and
 * nobody told anything; `in` works as ever.
 */
#include "weir/memory.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "weir/impl/processor.h"
#include "weir/impl/transport.h"

struct weir_memory {
	struct weir_transport base;
	struct weir_memory_options options;

	struct weir_valve out;
	size_t credit; /* bytes that the peer still takes; SIZE_MAX: all */
	unsigned char *value;
	size_t len, cap;
	enum weir_memory_life life; /* in the Twisted profile */
	bool closed;

	struct weir_processor in;
	struct weir_producer_ops source_ops; /* the processor's, with those that count */
	const struct weir_producer_ops *in_ops;
	int in_why; /* of its end, once that is asked for */
	bool stopped;
	int stop_why;
	unsigned pauses, resumes, stops, refused;
};

static struct weir_memory *memory_from_out(struct weir_consumer *c)
{
	return (struct weir_memory *)((char *)c - offsetof(struct weir_memory, out));
}

static struct weir_memory *memory_from_in(struct weir_processor *p)
{
	return (struct weir_memory *)((char *)p - offsetof(struct weir_memory, in));
}

static struct weir_memory *memory_from_source(struct weir_producer *p)
{
	return (struct weir_memory *)((char *)p - offsetof(struct weir_memory, in.back));
}

/* ---- what goes out ---- */

static int record(struct weir_memory *m, const void *data, size_t len)
{
	size_t cap = m->cap ? m->cap : 256;
	unsigned char *value;

	while (cap - m->len < len)
		cap *= 2;
	if (cap != m->cap) {
		value = realloc(m->value, cap);
		if (!value)
			return -ENOMEM;
		m->value = value;
		m->cap = cap;
	}
	memcpy(m->value + m->len, data, len);
	m->len += len;
	return 0;
}

static int64_t drain_out(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct weir_memory *m = memory_from_out(&v->base);
	int64_t taken = 0;

	for (size_t i = 0; i < count && m->credit > 0; i++) {
		size_t n = chunks[i].len < m->credit ? chunks[i].len : m->credit;
		int rc = record(m, chunks[i].data, n);

		if (rc < 0)
			return rc;
		taken += (int64_t)n;
		if (m->credit != SIZE_MAX)
			m->credit -= n;
	}
	return taken;
}

static const struct weir_valve_ops out_ops = {
	.name = "memory",
	.drain = drain_out,
	.end = weir_valve_pass_end,
};

/* ---- what goes out in the Twisted profile ---- */

static int record_register(struct weir_consumer *c, struct weir_producer *p, enum weir_mode mode)
{
	weir_consumer_bind(c, p, mode);
	return 0;
}

static void record_unregister(struct weir_consumer *c)
{
	weir_consumer_unbind(c);
}

static int record_write(struct weir_consumer *c, const void *data, size_t len)
{
	struct weir_memory *m = memory_from_out(c);
	int rc = len ? record(m, data, len) : 0;

	if (rc == 0)
		m->out.in += len;
	return rc;
}

static int record_give(struct weir_consumer *c, struct weir_chunk *chunk)
{
	int rc = record_write(c, chunk->data, chunk->len);

	if (rc == 0)
		weir_chunk_unref(chunk);
	return rc;
}

static void record_finish(struct weir_consumer *c)
{
	struct weir_memory *m = memory_from_out(c);

	if (m->life == WEIR_MEMORY_OPEN)
		m->life = WEIR_MEMORY_FINISHING;
}

static void record_fail(struct weir_consumer *c, int why)
{
	struct weir_memory *m = memory_from_out(c);

	assert(why < 0);
	if (m->life == WEIR_MEMORY_FAILED)
		return;
	m->life = WEIR_MEMORY_FAILED;
	m->out.why = why;
}

static size_t record_room(struct weir_consumer *c)
{
	(void)c;
	return SIZE_MAX;
}

static void record_wake(struct weir_consumer *c)
{
	(void)c;
}

static void record_state(const struct weir_consumer *c, struct weir_consumer_state *out)
{
	const struct weir_valve *v = (const struct weir_valve *)c;

	*out = (struct weir_consumer_state){
		.in = v->in,
		.out = v->in,
		.ended = v->why < 0,
		.why = v->why,
	};
}

static const struct weir_consumer_ops record_ops = {
	.name = "memory",
	.register_producer = record_register,
	.unregister_producer = record_unregister,
	.write = record_write,
	.give = record_give,
	.finish = record_finish,
	.fail = record_fail,
	.room = record_room,
	.wake = record_wake,
	.state = record_state,
};

/* ---- what comes in ---- */

static bool flush(struct weir_processor *p)
{
	struct weir_memory *m = memory_from_in(p);

	if (m->in_why < 0)
		weir_processor_fail(p, m->in_why);
	return true;
}

static const struct weir_processor_ops in_ops = {
	.name = "memory",
	.process = weir_processor_pass_on,
	.flush = flush,
	.room = weir_processor_any_room,
	.over = weir_processor_pass_over,
};

/* ---- the source ---- */

static bool refuses(struct weir_memory *m)
{
	bool over = m->life != WEIR_MEMORY_OPEN && !m->options.lenient;

	if (!m->options.twisted || (!over && !m->stopped))
		return false;
	m->refused++;
	return true;
}

static void source_pause(struct weir_producer *p)
{
	struct weir_memory *m = memory_from_source(p);

	if (refuses(m))
		return;
	m->pauses++;
	m->in_ops->pause(p);
}

static void source_resume(struct weir_producer *p)
{
	struct weir_memory *m = memory_from_source(p);

	if (refuses(m))
		return;
	m->resumes++;
	m->in_ops->resume(p);
}

static void source_stop(struct weir_producer *p, int why)
{
	struct weir_memory *m = memory_from_source(p);

	m->stops++;
	m->stopped = true;
	m->stop_why = why;
	m->in_ops->stop(p, why);
}

/* ---- the transport ---- */

static void memory_close(struct weir_transport *t)
{
	struct weir_memory *m = (struct weir_memory *)t;

	m->closed = true;
	if (!m->in.over)
		weir_processor_fail(&m->in, WEIR_ECLOSED);
}

static const struct weir_transport_ops memory_ops = {
	.name = "memory",
	.close = memory_close,
	.describe = weir_transport_describe_kind,
};

/* ---- for the test ---- */

int weir_memory_create(struct weir_context *ctx, const struct weir_memory_options *options,
		       struct weir_memory **out)
{
	struct weir_memory *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	if (options)
		m->options = *options;
	m->credit = SIZE_MAX;
	weir_valve_init(&m->out, &out_ops, ctx);
	weir_processor_init(&m->in, &in_ops, ctx);
	m->in.front.high = m->in.front.limit = UINT32_MAX;
	m->in_ops = m->in.back.ops;
	m->source_ops = *m->in_ops;
	m->source_ops.name = "memory";
	m->source_ops.pause = source_pause;
	m->source_ops.resume = source_resume;
	m->source_ops.stop = source_stop;
	m->in.back.ops = &m->source_ops;
	weir_transport_init(&m->base, &memory_ops);
	m->base.sink = &m->out.base;
	m->base.source = &m->in.back;
	m->base.half_closes = true;
	if (m->options.twisted)
		weir_consumer_init(&m->out.base, &record_ops);
	else
		m->base.has_valve = true;
	*out = m;
	return 0;
}

void weir_memory_destroy(struct weir_memory *m)
{
	if (!m)
		return;
	if (!m->closed)
		weir_transport_close(&m->base);
	weir_processor_fini(&m->in);
	weir_consumer_unregister(&m->out.base);
	free(m->value);
	free(m);
}

struct weir_transport *weir_memory_transport(struct weir_memory *m)
{
	return &m->base;
}

static enum weir_memory_life life_of(const struct weir_memory *m)
{
	if (m->options.twisted)
		return m->life;
	if (m->out.life == WEIR_OPEN)
		return WEIR_MEMORY_OPEN;
	if (m->out.life != WEIR_ENDED)
		return WEIR_MEMORY_FINISHING;
	return m->out.why < 0 ? WEIR_MEMORY_FAILED : WEIR_MEMORY_FINISHED;
}

void weir_memory_state(const struct weir_memory *m, struct weir_memory_state *out)
{
	*out = (struct weir_memory_state){
		.life = life_of(m),
		.producer = weir_consumer_producer(&m->out.base),
		.closed = m->closed,
		.paused = m->in.paused && m->in.back.mode == WEIR_PUSH,
		.stopped = m->stopped,
		.stop_why = m->stop_why,
		.pauses = m->pauses,
		.resumes = m->resumes,
		.stops = m->stops,
		.refused = m->refused,
	};
	weir_consumer_state(&m->out.base, &out->sink);
}

const unsigned char *weir_memory_value(const struct weir_memory *m, size_t *len)
{
	*len = m->len;
	return m->value ? m->value : (const unsigned char *)"";
}

void weir_memory_clear(struct weir_memory *m)
{
	m->len = 0;
}

void weir_memory_take(struct weir_memory *m, size_t max)
{
	m->credit = max;
	weir_valve_ready(&m->out);
}

int weir_memory_inject(struct weir_memory *m, const void *data, size_t len)
{
	return weir_consumer_write(&m->in.front.base, data, len);
}

void weir_memory_end(struct weir_memory *m, int why)
{
	if (m->in.front.life == WEIR_OPEN)
		m->in_why = why;
	weir_consumer_finish(&m->in.front.base);
}

void weir_memory_lose(struct weir_memory *m, int why)
{
	if (!m->options.twisted)
		weir_valve_die(&m->out, why);
	weir_memory_end(m, why);
}
