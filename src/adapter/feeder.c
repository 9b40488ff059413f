/* SPDX-License-Identifier: MIT */
/* A push producer that says to its user what it is told, and holds no bytes. */
#include "weir/feeder.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "weir/consumer.h"
#include "weir/context.h"
#include "weir/impl/producer.h"

struct weir_feeder {
	struct weir_producer source;
	struct weir_feeder_options options;
	struct weir_context *ctx;
	struct weir_task task; /* registered: go on, or tell the end */
	int why;               /* of the end */
	bool paused;
	bool over;
};

static struct weir_feeder *feeder_from_source(struct weir_producer *p)
{
	return (struct weir_feeder *)p;
}

static void resumed(struct weir_feeder *f)
{
	f->paused = false;
	if (f->options.on_resume)
		f->options.on_resume(f->options.arg);
}

static void run_task(struct weir_task *task)
{
	struct weir_feeder *f = (struct weir_feeder *)((char *)task -
						       offsetof(struct weir_feeder, task));

	if (f->over)
		weir_producer_end(&f->source, f->why);
	else if (f->source.consumer && !f->paused)
		resumed(f);
}

static void source_start(struct weir_producer *p)
{
	struct weir_feeder *f = feeder_from_source(p);

	f->paused = false;
	weir_task_queue(f->ctx, &f->task);
}

static void source_pause(struct weir_producer *p)
{
	struct weir_feeder *f = feeder_from_source(p);

	f->paused = true;
	if (f->options.on_pause)
		f->options.on_pause(f->options.arg);
}

static void source_resume(struct weir_producer *p)
{
	struct weir_feeder *f = feeder_from_source(p);

	if (f->over)
		return;
	weir_task_cancel(&f->task);
	resumed(f);
}

static void source_stop(struct weir_producer *p, int why)
{
	struct weir_feeder *f = feeder_from_source(p);

	if (f->over)
		return;
	f->over = true;
	f->why = why;
	if (f->options.on_stop)
		f->options.on_stop(f->options.arg, why);
}

static const struct weir_producer_ops source_ops = {
	.name = "feeder",
	.start = source_start,
	.pause = source_pause,
	.resume = source_resume,
	.stop = source_stop,
};

int weir_feeder_create(struct weir_context *ctx, const struct weir_feeder_options *options,
		       struct weir_feeder **out)
{
	struct weir_feeder *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	weir_producer_init(&f->source, &source_ops, WEIR_PUSH);
	if (options)
		f->options = *options;
	f->ctx = ctx;
	f->task.run = run_task;
	*out = f;
	return 0;
}

struct weir_producer *weir_feeder_source(struct weir_feeder *f)
{
	return &f->source;
}

int weir_feeder_feed(struct weir_feeder *f, const void *data, size_t len)
{
	if (f->over)
		return WEIR_ECLOSED;
	if (!f->source.consumer || f->paused)
		return WEIR_EFULL;
	return weir_consumer_write(f->source.consumer, data, len);
}

size_t weir_feeder_room(struct weir_feeder *f)
{
	if (f->over || !f->source.consumer || f->paused)
		return 0;
	return weir_consumer_room(f->source.consumer);
}

void weir_feeder_end(struct weir_feeder *f, int why)
{
	assert(why <= 0);
	if (f->over)
		return;
	f->over = true;
	f->why = why;
	weir_producer_end(&f->source, why);
}

void weir_feeder_destroy(struct weir_feeder *f)
{
	if (!f)
		return;
	weir_feeder_end(f, WEIR_ECLOSED);
	weir_producer_end(&f->source, f->why); /* an end that waited to be told */
	weir_task_cancel(&f->task);
	free(f);
}
