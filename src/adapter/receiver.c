/* SPDX-License-Identifier: MIT */
/* A valve whose drain is a callback. */
#include "weir/receiver.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "weir/impl/valve.h"

struct weir_receiver {
	struct weir_valve valve;
	struct weir_receiver_options options;
	struct weir_end_watch end; /* our own: however it ends, it is told in one place */
	bool paused;
};

static int64_t drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct weir_receiver *r = (struct weir_receiver *)v;
	int64_t taken = 0;

	for (size_t i = 0; i < count && !r->paused && !v->dying; i++) {
		int rc = r->options.on_data(r->options.arg, chunks[i].data, chunks[i].len);

		if (rc < 0) {
			weir_valve_die(v, rc);
			return taken;
		}
		taken += (int64_t)chunks[i].len;
	}
	return taken;
}

static const struct weir_valve_ops valve_ops = {
	.name = "receiver",
	.drain = drain,
	.end = weir_valve_pass_end,
};

static void on_end(void *arg, int why)
{
	struct weir_receiver *r = arg;

	if (r->options.on_end)
		r->options.on_end(r->options.arg, why);
}

int weir_receiver_create(struct weir_context *ctx, const struct weir_receiver_options *options,
			 struct weir_receiver **out)
{
	struct weir_receiver *r = calloc(1, sizeof(*r));

	assert(options->on_data);
	if (!r)
		return -ENOMEM;
	weir_valve_init(&r->valve, &valve_ops, ctx);
	r->options = *options;
	weir_consumer_watch_end(&r->valve.base, &r->end, on_end, r);
	*out = r;
	return 0;
}

struct weir_consumer *weir_receiver_sink(struct weir_receiver *r)
{
	return &r->valve.base;
}

void weir_receiver_pause(struct weir_receiver *r)
{
	r->paused = true;
	weir_valve_hold(&r->valve, WEIR_HOLD_USER);
}

void weir_receiver_resume(struct weir_receiver *r)
{
	r->paused = false;
	weir_valve_ready(&r->valve);
	if (!r->paused)
		weir_valve_release(&r->valve, WEIR_HOLD_USER);
}

void weir_receiver_destroy(struct weir_receiver *r)
{
	if (!r)
		return;
	weir_valve_fini(&r->valve);
	free(r);
}
