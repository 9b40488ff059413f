/* SPDX-License-Identifier: MIT */
/*
 * A producer of one's own: it counts to a million, one line a chunk, when it is asked
 * (a pull producer), into a slow consumer at the far end of a loopback.  Memory stays at
 * the mark however slow that is.
 */
#include <stdio.h>

#include "weir/impl/producer.h"
#include "weir/weir.h"

struct counter {
	struct weir_producer base;
	unsigned next, last;
};

static void resume(struct weir_producer *p)
{
	struct counter *counter = (struct counter *)p;
	char line[16];
	int len;

	if (counter->next > counter->last) {
		weir_producer_end(p, 0);
		return;
	}
	len = snprintf(line, sizeof(line), "%u\n", counter->next++);
	if (weir_consumer_write(p->consumer, line, (size_t)len) < 0)
		counter->last = 0;
}

static void pause(struct weir_producer *p)
{
	(void)p; /* a pull producer is not paused, only not resumed */
}

static void stop(struct weir_producer *p, int why)
{
	(void)p;
	fprintf(stderr, "nobody wants it: %s\n", weir_err_text(why));
}

static const struct weir_producer_ops counter_ops = {
	.name = "counter",
	.start = weir_producer_pass_start,
	.pause = pause,
	.resume = resume,
	.stop = stop,
};

static void done(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	(void)arg;
	printf("%s: %llu bytes\n", weir_end_name(outcome->end),
	       (unsigned long long)outcome->offset);
	weir_join_destroy(join);
}

int main(void)
{
	struct counter counter = {.next = 1, .last = 1000000};
	struct weir_join_options options = {.on_done = done};
	struct weir_transport *near = NULL, *far = NULL, *sink = NULL;
	struct weir_join *in, *out;
	struct weir_context *ctx;
	struct weir_loop *loop;

	if (weir_loop_create(NULL, &loop) < 0)
		return 1;
	ctx = weir_loop_context(loop);
	weir_producer_init(&counter.base, &counter_ops, WEIR_PULL);
	if (weir_loopback_create(ctx, &near, &far) < 0 || weir_pattern_null(ctx, &sink) < 0 ||
	    weir_transport_set_marks(near, 65536, 16384) < 0 ||
	    weir_join_create(ctx, &counter.base, weir_transport_sink(near), &options, &in) < 0 ||
	    weir_join_create(ctx, weir_transport_source(far), weir_transport_sink(sink), &options,
			     &out) < 0)
		return 1;
	weir_loop_run(loop);
	printf("at most %zu bytes held\n", weir_loop_budget(loop)->peak);
	weir_transport_close(near);
	weir_transport_close(far);
	weir_transport_close(sink);
	weir_loop_destroy(loop);
	return 0;
}
