/* SPDX-License-Identifier: MIT */
/* Standard input and output: each is a stream or a file of its own, and this transport stands
 * before the two. */
#include "weir/stdio.h"

#include <errno.h>
#include <stdlib.h>

#include "transport/stdio_priv.h"

static void run_release(struct weir_task *task)
{
	struct weir__stdio *s = (void *)((char *)task - offsetof(struct weir__stdio, release));
	struct weir_loop *loop = s->loop;

	free(s);
	weir__loop_release(loop);
}

static void stdio_close(struct weir_transport *t)
{
	struct weir__stdio *s = (struct weir__stdio *)t;

	weir_transport_close(s->in);
	weir_transport_close(s->out);
	weir__stdio_put_back(s);
	weir_task_queue(&s->loop->ctx, &s->release);
}

static int64_t stdio_length(const struct weir_transport *t)
{
	const struct weir__stdio *s = (const struct weir__stdio *)t;

	return s->in ? weir_transport_length(s->in) : -1;
}

static const struct weir_transport_ops stdio_ops = {
	.name = "stdio",
	.close = stdio_close,
	.describe = weir_transport_describe_kind,
	.length = stdio_length,
};

int weir_stdio_open(struct weir_loop *loop, bool in, bool out, struct weir_transport **t)
{
	struct weir__stdio *s = calloc(1, sizeof(*s));
	int rc = in || out ? 0 : -EINVAL;

	if (!s)
		return -ENOMEM;
	weir_transport_init(&s->base, &stdio_ops);
	s->loop = loop;
	s->release.run = run_release;
	if (rc == 0 && in)
		rc = weir__stdio_open_one(s, 0, &s->in);
	if (rc == 0 && out)
		rc = weir__stdio_open_one(s, 1, &s->out);
	weir__loop_retain(loop);
	if (rc < 0) {
		stdio_close(&s->base);
		return rc;
	}
	if (s->in)
		s->base.source = s->in->source;
	if (s->out) {
		s->base.sink = s->out->sink;
		s->base.has_valve = s->out->has_valve;
	}
	s->base.half_closes = true;
	weir_transport_set_name(&s->base, "%s", in && out ? "stdio" : in ? "stdin" : "stdout");
	*t = &s->base;
	return 0;
}
