/* SPDX-License-Identifier: MIT */
/* A processor that passes everything on.  What the proxy adds is the choice of who holds. */
#include <errno.h>
#include <stdlib.h>

#include "adapter/proxy_priv.h"
#include "weir/impl/processor.h"

struct strict {
	struct weir_proxy base;
	struct weir_processor processor;
};

static const struct weir_processor_ops plain_ops = {
	.name = "proxy",
	.plain = true,
	.process = weir_processor_pass_on,
	.flush = weir_processor_said_all,
	.room = weir_processor_any_room,
	.over = weir_processor_pass_over,
};

static const struct weir_processor_ops buffering_ops = {
	.name = "buffering proxy",
	.process = weir_processor_pass_on,
	.flush = weir_processor_said_all,
	.room = weir_processor_any_room,
	.over = weir_processor_pass_over,
};

static void destroy(struct weir_proxy *proxy)
{
	struct strict *s = (struct strict *)proxy;

	weir_processor_fini(&s->processor);
	free(s);
}

static int create_strict(struct weir_context *ctx, const struct weir_proxy_options *o,
			 struct weir_proxy **out)
{
	struct strict *s = calloc(1, sizeof(*s));
	struct weir_valve *v;

	if (!s)
		return -ENOMEM;
	v = &s->processor.front;
	weir_processor_init(&s->processor, o->buffering ? &buffering_ops : &plain_ops, ctx);
	if (o->buffering && weir_valve_set_marks(v, o->high, o->low, o->limit) < 0) {
		destroy(&s->base);
		return -EINVAL;
	}
	s->base.sink = &v->base;
	s->base.source = &s->processor.back;
	s->base.destroy = destroy;
	*out = &s->base;
	return 0;
}

int weir_proxy_create(struct weir_context *ctx, const struct weir_proxy_options *options,
		      struct weir_proxy **out)
{
	struct weir_proxy_options o = {0};

	if (options)
		o = *options;
	if (!o.high)
		o.high = WEIR_HIGH_DEFAULT;
	if (!o.low)
		o.low = o.high / 4;
	if (!o.limit)
		o.limit = o.high + WEIR_LIMIT_DEFAULT - WEIR_HIGH_DEFAULT;
	return o.twisted ? weir__proxy_create_twisted(ctx, &o, out) : create_strict(ctx, &o, out);
}

struct weir_consumer *weir_proxy_sink(struct weir_proxy *proxy)
{
	return proxy->sink;
}

struct weir_producer *weir_proxy_source(struct weir_proxy *proxy)
{
	return proxy->source;
}

void weir_proxy_destroy(struct weir_proxy *proxy)
{
	if (proxy)
		proxy->destroy(proxy);
}
