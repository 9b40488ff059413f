/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IMPL_WRAP_H
#define WEIR_IMPL_WRAP_H
/*
 * impl/wrap.h -- what stands between a producer and a consumer and holds no bytes: a tap,
 * a guard.  For those who write one.
 *
 *   the user's producer <-> front ...... back <-> inner consumer
 *
 * Embed a weir_wrap, and use `&w->front` in place of the inner consumer.  Every call on the
 * front goes on to the inner consumer, every call on the back to the producer that is
 * registered with the front.  To see or change some of them, copy the two tables and
 * override members, which call those of weir_wrap_consumer_ops and weir_wrap_producer_ops.
 */
#include "weir/impl/consumer.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_wrap {
	struct weir_consumer front;
	struct weir_producer back;
	struct weir_consumer *inner;
	struct weir_end_watch inner_end; /* the front's end is the inner one's */
	bool ended;                      /* and has come: `inner` may be gone */
	struct weir_producer *coming;    /* the producer that is being registered */
};

/* They pass every call on. */
WEIR_API extern const struct weir_consumer_ops weir_wrap_consumer_ops;
WEIR_API extern const struct weir_producer_ops weir_wrap_producer_ops;

/* Prepare caller-owned storage around `inner`, which must live until weir_wrap_fini()
 * or its end.  The tables must live as long as `w`. */
WEIR_API void weir_wrap_init(struct weir_wrap *w, struct weir_consumer *inner,
			     const struct weir_consumer_ops *front_ops,
			     const struct weir_producer_ops *back_ops);

/* Take `w` out: a producer that is still registered is unregistered from the inner
 * consumer and stopped with WEIR_ECLOSED.  The inner consumer stays as it is. */
WEIR_API void weir_wrap_fini(struct weir_wrap *w);

static inline struct weir_wrap *weir_wrap_from_front(struct weir_consumer *c)
{
	return (struct weir_wrap *)c;
}

static inline struct weir_wrap *weir_wrap_from_back(struct weir_producer *p)
{
	return (struct weir_wrap *)((char *)p - offsetof(struct weir_wrap, back));
}

#ifdef __cplusplus
}
#endif
#endif
