/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TRANSPORT_H
#define WEIR_TRANSPORT_H
/*
 * transport.h -- what bytes come from and go to: a consumer for what goes out,
 * a producer of what comes in, or both.
 *
 * The two directions of a transport are independent: the end of one never cuts
 * the other.  Nothing is read before the source is registered with a consumer, or
 * while it is paused, and an idle transport holds no buffer.
 *
 * Threads   A transport is used from its loop's thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/consumer.h"
#include "weir/producer.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_loop;
struct weir_transport;
struct weir_opening;

/* Where to write, or NULL if the transport only gives bytes.  Until: it is closed. */
WEIR_API struct weir_consumer *weir_transport_sink(struct weir_transport *t);

/* What to register with a consumer, or NULL if the transport only takes bytes.
 * Until: it is closed. */
WEIR_API struct weir_producer *weir_transport_source(struct weir_transport *t);

/* A name for messages: "tcp 127.0.0.1:80", "file data.bin".  Until: it is closed. */
WEIR_API const char *weir_transport_name(struct weir_transport *t);

/* The number of bytes that the source will give, or -1 if that is unknown. */
WEIR_API int64_t weir_transport_length(const struct weir_transport *t);

/* Whether finishing the sink is seen by the other side while the source goes on. */
WEIR_API bool weir_transport_half_closes(const struct weir_transport *t);

/* Set the sink's marks in bytes, as weir_valve_set_marks() with a limit of twice
 * `high`.  Returns 0, -EINVAL, or WEIR_ENOTSUP if the sink has none. */
WEIR_API WEIR_MUST_USE int weir_transport_set_marks(struct weir_transport *t, size_t high,
						    size_t low);

/*
 * Close a transport, now, in both directions.  A sink that has not ended is failed
 * with WEIR_ECLOSED; a registered source is unregistered and its consumer failed
 * likewise.  `t` must not be used afterwards; the loop releases its memory, legal
 * from inside any callback.  NULL is allowed.
 */
WEIR_API void weir_transport_close(struct weir_transport *t);

/* How an opening ends: `rc` 0 and the transport, which now is the callee's to
 * close, or a negative code and NULL.  Called once, from the loop, never before
 * the call that began the opening has returned. */
typedef void weir_open_fn(void *arg, int rc, struct weir_transport *t);

/* Give an opening up; its callback will not come.  Legal until the callback.
 * NULL is allowed. */
WEIR_API void weir_opening_cancel(struct weir_opening *opening);

#ifdef __cplusplus
}
#endif
#endif
