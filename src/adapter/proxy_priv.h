/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ADAPTER_PROXY_PRIV_H
#define WEIR_ADAPTER_PROXY_PRIV_H
/* proxy_priv.h -- what the two kinds of proxy have in common: two ends, and a way to go. */
#include "weir/context.h"
#include "weir/proxy.h"

/* Embedded as `base`. */
struct weir_proxy {
	struct weir_consumer *sink;
	struct weir_producer *source;
	void (*destroy)(struct weir_proxy *proxy);
};

/* As weir_proxy_create(), of the Twisted profile. */
WEIR_MUST_USE int weir__proxy_create_twisted(struct weir_context *ctx,
					     const struct weir_proxy_options *options,
					     struct weir_proxy **out);

#endif
