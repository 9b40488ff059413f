/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_TCK_MEMORY_H
#define WEIR_TESTS_TCK_MEMORY_H
/*
 * tck_memory.h -- the memory transport's sink as a subject.  Its peer's bytes are fetched after
 * each call, and in the turn after it, in which the transport may go on.
 */
#include "tck_subjects.h"

#include "weir/impl/wrap.h"
#include "weir/memory.h"

struct recorder {
	struct weir_wrap wrap; /* first */
	struct weir_tck *kit;
	struct weir_memory *memory;
	struct weir_end_watch end;
	struct weir_task task;
};

static inline void fetch(struct recorder *r)
{
	size_t len;
	const unsigned char *value = weir_memory_value(r->memory, &len);
	unsigned char *copy;

	if (len == 0)
		return;
	copy = malloc(len); /* the kit may write more from inside */
	assert_non_null(copy);
	memcpy(copy, value, len);
	weir_memory_clear(r->memory);
	weir_tck_out(r->kit, copy, len);
	free(copy);
}

/* Now, and once more in the next turn. */
static inline void fetch_on(struct recorder *r)
{
	weir_task_cancel(&r->task); /* behind what the transport has queued */
	weir_task_queue(weir_tck_context(r->kit), &r->task);
	fetch(r);
}

static inline void run_fetch(struct weir_task *task)
{
	fetch((struct recorder *)((char *)task - offsetof(struct recorder, task)));
}

static inline int recorder_write(struct weir_consumer *c, const void *data, size_t len)
{
	int rc = weir_wrap_consumer_ops.write(c, data, len);

	fetch_on((struct recorder *)c);
	return rc;
}

static inline int recorder_give(struct weir_consumer *c, struct weir_chunk *chunk)
{
	int rc = weir_wrap_consumer_ops.give(c, chunk);

	fetch_on((struct recorder *)c);
	return rc;
}

/* What came out before the end is told before it. */
static inline void on_recorder_end(void *arg, int why)
{
	struct recorder *r = arg;

	fetch(r);
	weir_tck_out_end(r->kit, why);
}

static inline const struct weir_consumer_ops *recorder_ops(void)
{
	static struct weir_consumer_ops ops;

	ops = weir_wrap_consumer_ops;
	ops.write = recorder_write;
	ops.give = recorder_give;
	return &ops;
}

/* `arg`: anything for the Twisted profile. */
static inline int memory_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct weir_memory_options options = {.twisted = arg != NULL};
	struct recorder *r = calloc(1, sizeof(*r));
	struct weir_consumer *sink;

	assert_non_null(r);
	r->kit = kit;
	r->task.run = run_fetch;
	assert_int_equal(weir_memory_create(weir_tck_context(kit), &options, &r->memory), 0);
	sink = weir_transport_sink(weir_memory_transport(r->memory));
	weir_wrap_init(&r->wrap, sink, recorder_ops(), &weir_wrap_producer_ops);
	weir_consumer_watch_end(sink, &r->end, on_recorder_end, r);
	out->flow.sink = &r->wrap.front;
	out->self = r;
	return 0;
}

static inline void memory_destroy(void *self)
{
	struct recorder *r = self;

	weir_consumer_unwatch_end(weir_transport_sink(weir_memory_transport(r->memory)), &r->end);
	weir_task_cancel(&r->task);
	weir_wrap_fini(&r->wrap);
	weir_memory_destroy(r->memory);
	free(r);
}

static inline void memory_take(void *self, size_t max)
{
	struct recorder *r = self;

	weir_memory_take(r->memory, max);
	fetch_on(r);
}

static inline void memory_die(void *self, int why)
{
	weir_memory_lose(((struct recorder *)self)->memory, why);
}

#endif
