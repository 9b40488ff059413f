/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IMPL_CONSUMER_H
#define WEIR_IMPL_CONSUMER_H
/*
 * impl/consumer.h -- for those who write a consumer that holds no bytes of its
 * own: a proxy, a tap.  One that holds bytes embeds a valve (impl/valve.h),
 * which has all of this already.
 */
#include "weir/chunk.h"
#include "weir/consumer.h"
#include "weir/impl/carry.h"
#include "weir/impl/producer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a kind of consumer does.  Every member but `carry` is mandatory; each is as the
 * function of the same name in consumer.h. */
struct weir_consumer_ops {
	const char *name;
	int (*register_producer)(struct weir_consumer *c, struct weir_producer *p,
				 enum weir_mode mode);
	void (*unregister_producer)(struct weir_consumer *c);
	int (*write)(struct weir_consumer *c, const void *data, size_t len);
	int (*give)(struct weir_consumer *c, struct weir_chunk *chunk);
	void (*finish)(struct weir_consumer *c);
	void (*fail)(struct weir_consumer *c, int why);
	size_t (*room)(struct weir_consumer *c);
	void (*wake)(struct weir_consumer *c);
	void (*state)(const struct weir_consumer *c, struct weir_consumer_state *out);

	/* As weir_consumer_carry(); NULL for who must see the bytes. */
	int64_t (*carry)(struct weir_consumer *c, struct weir_carry *carry);
};

/* Embed this as the first member, named `base`. */
struct weir_consumer {
	const struct weir_consumer_ops *ops;
	struct weir_producer *producer; /* borrowed; NULL without one */
	struct weir_end_watch *watches;
};

/* Prepare caller-owned storage.  There is nothing to release. */
WEIR_API void weir_consumer_init(struct weir_consumer *c, const struct weir_consumer_ops *ops);

/* Tell those who watch, once, that `c` has ended. */
WEIR_API void weir_consumer_ended(struct weir_consumer *c, int why);

/* Bind `p` to `c` and start it: the common half of register_producer.  The
 * caller has made sure that both are free and `c` is open. */
WEIR_API void weir_consumer_bind(struct weir_consumer *c, struct weir_producer *p,
				 enum weir_mode mode);

/* Undo the binding, telling nobody; returns the producer that was bound or NULL. */
WEIR_API struct weir_producer *weir_consumer_unbind(struct weir_consumer *c);

#ifdef __cplusplus
}
#endif
#endif
