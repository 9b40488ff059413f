/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PRODUCER_H
#define WEIR_PRODUCER_H
/*
 * producer.h -- whatever gives bytes.
 *
 * A push producer produces by itself, from the moment it is registered with a
 * consumer, until it is paused.  A pull producer produces at most one chunk
 * for each resume.  Both are Twisted's: IPushProducer and IPullProducer.
 *
 * A producer is told what to do by the consumer that it is registered with;
 * user code registers it (consumer.h, join.h) and rarely calls what follows.
 * To write a producer, read impl/producer.h.
 *
 * Threads   A producer is used from one thread at a time, its loop's.
 */
#include "weir/err.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_producer;
struct weir_consumer;

enum weir_mode {
	WEIR_PUSH, /* produces by itself until paused ("streaming") */
	WEIR_PULL, /* produces one chunk per resume */
};

/* Ask `p` for no more bytes until it is resumed.  A push producer writes
 * nothing after this returns; a pull producer is not paused, just not resumed. */
WEIR_API void weir_producer_pause(struct weir_producer *p);

/* Let a paused push producer go on, or ask a pull producer for one chunk.
 * It may write, be paused, unregister or end before this returns. */
WEIR_API void weir_producer_resume(struct weir_producer *p);

/*
 * Tell `p` that nobody wants its bytes any more; `why` is the negative code of
 * the reason.  Final: `p` calls its consumer no more, and is told nothing else.
 */
WEIR_API void weir_producer_stop(struct weir_producer *p, int why);

/* The consumer that `p` is registered with, or NULL. */
WEIR_API struct weir_consumer *weir_producer_consumer(const struct weir_producer *p);

/* What kind of producer `p` is by nature. */
WEIR_API enum weir_mode weir_producer_mode(const struct weir_producer *p);

#ifdef __cplusplus
}
#endif
#endif
