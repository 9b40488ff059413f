/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PROXY_H
#define WEIR_PROXY_H
/*
 * proxy.h -- between a producer and a consumer, changing no byte: a consumer in front, to
 * which the producer writes, and a producer behind, to be registered with the consumer.
 *
 * Each side may push or pull, whatever the other one does, so a proxy is also the adapter
 * from pull to push and from push to pull:
 *
 *   front  back
 *   push   push  a plain proxy passes pauses on; a buffering one keeps them until it is full
 *   pull   push  the producer is asked again and again while the consumer takes bytes, a
 *                quantum a turn
 *   push   pull  a plain proxy lets the producer go for each pull, and holds it from its
 *                first chunk on
 *   pull   pull  a plain proxy asks once for each pull; a buffering one asks ahead
 *
 * A pull that nothing answered is outstanding until the first bytes come; there is never
 * more than one.  Finish and failure are passed on behind all the data.
 *
 * They are Twisted's BasicProducerConsumerProxy and ProducerConsumerProxy, and its
 * _PullToPush.
 */
#include <stdbool.h>
#include <stddef.h>

#include "weir/consumer.h"
#include "weir/producer.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_context;
struct weir_proxy;

struct weir_proxy_options {
	/* Hold bytes up to the marks before pausing the producer.  Else, plain: hold only what
	 * comes while the consumer takes none. */
	bool buffering;

	/* Of a buffering one, in bytes; each 0 for the default (impl/valve.h). */
	size_t high, low, limit;

	/*
	 * Make every call as Twisted's class of the name makes it, instead of by the contract:
	 * repeated pauses, resumes that nothing earned, an end that overtakes the bytes.
	 * Bytes are kept where that class would lose them or raise an exception.  There is one
	 * mark, `high`, and no limit but the budget; what was passed on counts as handed on.
	 */
	bool twisted;
};

/*
 * Make a proxy; `options` may be NULL for a plain one.
 *
 * Returns  0 and the proxy in *out; -EINVAL for marks that weir_valve_set_marks() refuses;
 *          -ENOMEM.
 */
WEIR_API WEIR_MUST_USE int weir_proxy_create(struct weir_context *ctx,
					     const struct weir_proxy_options *options,
					     struct weir_proxy **out);

WEIR_API struct weir_consumer *weir_proxy_sink(struct weir_proxy *proxy);

/* The end of the proxy's sink is that of the consumer which this is registered with, and
 * so is what has been handed on.  That consumer must end before it is released. */
WEIR_API struct weir_producer *weir_proxy_source(struct weir_proxy *proxy);

/* Release a proxy.  One at work is cut: its producer is stopped, its consumer failed, with
 * WEIR_ECLOSED.  Not from inside a call that it makes to either of them.  NULL is allowed. */
WEIR_API void weir_proxy_destroy(struct weir_proxy *proxy);

#ifdef __cplusplus
}
#endif
#endif
