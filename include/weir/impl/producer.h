/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IMPL_PRODUCER_H
#define WEIR_IMPL_PRODUCER_H
/*
 * impl/producer.h -- for those who write a producer.
 *
 * The life of a producer: it is registered (`start`), it is resumed and paused
 * any number of times, and it ends in one of three ways.
 *   - It has given all its bytes: weir_producer_end(p, 0).
 *   - It failed, bytes are missing: weir_producer_end(p, code).
 *   - It was told `stop`: it is no longer registered, and calls nothing.
 * After any of them `p->consumer` is NULL.  It may also be let go without an
 * end (weir_consumer_unregister): `p->consumer` becomes NULL without a call,
 * so look at it before each write.
 */
#include "weir/producer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a kind of producer does.  Every member is mandatory. */
struct weir_producer_ops {
	const char *name; /* for traces and tests */

	/*
	 * `p` has just been registered; `p->consumer` and `p->mode` are set.
	 * Must not write before it returns: a pause may follow at once, and a
	 * pull producer is resumed next.  It may end, if there is nothing to come.
	 */
	void (*start)(struct weir_producer *p);

	/* As weir_producer_pause().  Called for push producers only, and never
	 * twice without a resume between. */
	void (*pause)(struct weir_producer *p);

	/* As weir_producer_resume().  A push producer gets it only after a pause.
	 * A pull producer that returns from it without having written has said
	 * "nothing yet", and calls weir_consumer_wake() when it has some. */
	void (*resume)(struct weir_producer *p);

	/* As weir_producer_stop().  `p->consumer` is NULL already. */
	void (*stop)(struct weir_producer *p, int why);
};

/* Embed this as the first member, named `base`. */
struct weir_producer {
	const struct weir_producer_ops *ops;
	struct weir_consumer *consumer; /* set by the registration; NULL without one */
	enum weir_mode mode;
};

/* Prepare caller-owned storage.  There is nothing to release. */
WEIR_API void weir_producer_init(struct weir_producer *p, const struct weir_producer_ops *ops,
				 enum weir_mode mode);

/*
 * End the stream of `p`: unregister it, then finish its consumer (`why` zero)
 * or fail it (`why` a negative code).  Does nothing when `p` is not registered.
 */
WEIR_API void weir_producer_end(struct weir_producer *p, int why);

/* For tables: a `start` with nothing to do. */
WEIR_API void weir_producer_pass_start(struct weir_producer *p);

#ifdef __cplusplus
}
#endif
#endif
