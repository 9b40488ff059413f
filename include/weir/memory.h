/* SPDX-License-Identifier: MIT */
#ifndef WEIR_MEMORY_H
#define WEIR_MEMORY_H
/*
 * memory.h -- a transport for unit tests, whose other side is the test.
 *
 * Give its transport to the code that is to be tested, in place of a connection.  What
 * that code writes is recorded; what it does to the transport can be looked at; and the
 * test plays the peer: it reads slowly, sends bytes, ends, breaks.
 *
 *	struct weir_memory *m;
 *	struct weir_memory_state s;
 *	size_t len;
 *
 *	weir_memory_create(&ctx, NULL, &m);
 *	weir_memory_take(m, 0);                        // the peer does not read yet
 *	my_server_accepted(&server, weir_memory_transport(m));
 *	weir_memory_inject(m, "GET big\n", 8);
 *	weir_memory_state(m, &s);
 *	assert(s.sink.held >= WEIR_HIGH_DEFAULT);      // it waits with the rest,
 *	weir_memory_take(m, SIZE_MAX);                 // until the peer reads
 *	weir_context_run(&ctx);
 *	assert(memcmp(weir_memory_value(m, &len), "big:", 4) == 0);
 *	weir_memory_state(m, &s);
 *	assert(s.life == WEIR_MEMORY_FINISHED);
 *	weir_memory_destroy(m);
 *
 * It keeps the contract as any transport does, with the marks of a valve.  In the Twisted
 * profile it drives nothing, as Twisted's StringTransport does not: see the options.
 *
 * Needs a context only (context.h), no loop and no descriptor.  examples/unit_test.c is a
 * whole program.
 */
#include "weir/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_context;
struct weir_memory;

struct weir_memory_options {
	/*
	 * As StringTransport: a producer that is registered is not resumed, paused or
	 * stopped, whatever happens; every write is recorded at once, also after the end;
	 * a finish is noted and completes nothing.  To pause or resume the source after a
	 * finish, or after it was stopped, is refused and counted.
	 */
	bool twisted;
	bool lenient; /* with `twisted`: refuse it after the stop only */
};

/* How far what goes out has come. */
enum weir_memory_life {
	WEIR_MEMORY_OPEN,
	WEIR_MEMORY_FINISHING, /* asked to; a producer or held bytes are waited for.
	                          In the Twisted profile it stays at that. */
	WEIR_MEMORY_FINISHED,  /* the peer has every byte */
	WEIR_MEMORY_FAILED,    /* for the reason sink.why */
};

struct weir_memory_state {
	struct weir_consumer_state sink;
	enum weir_memory_life life;
	struct weir_producer *producer; /* registered with the sink, or NULL; its mode is
	                                   weir_producer_mode() */
	bool closed;                    /* by weir_transport_close() */

	/* What the source was told. */
	bool paused;
	bool stopped;
	int stop_why;
	unsigned pauses, resumes, stops;
	unsigned refused; /* calls that the Twisted profile refused */
};

/*
 * Make a memory transport; `options` may be NULL.
 *
 * Owns     `ctx` is borrowed.  The transport may be closed by the code under test; what
 *          it did can be looked at until weir_memory_destroy().
 * Returns  0, or -ENOMEM.
 */
WEIR_API WEIR_MUST_USE int weir_memory_create(struct weir_context *ctx,
					      const struct weir_memory_options *options,
					      struct weir_memory **out);

/* Close the transport, if that has not been done, and release everything.  Not from
 * inside a call on it.  NULL is allowed. */
WEIR_API void weir_memory_destroy(struct weir_memory *m);

WEIR_API struct weir_transport *weir_memory_transport(struct weir_memory *m);

/* Fill *out.  Changes nothing. */
WEIR_API void weir_memory_state(const struct weir_memory *m, struct weir_memory_state *out);

/* What the peer has got since the last clear, and how much in *len.  Never NULL.
 * Until: the next write, clear or destroy. */
WEIR_API const unsigned char *weir_memory_value(const struct weir_memory *m, size_t *len);

/* Forget what the peer has got so far. */
WEIR_API void weir_memory_clear(struct weir_memory *m);

/* Have the peer take at most `max` bytes more, of those that are held now and of those to
 * come; what is beyond that is held.  SIZE_MAX, as at first: all. */
WEIR_API void weir_memory_take(struct weir_memory *m, size_t max);

/*
 * Send `len` bytes to the code under test: its consumer gets them at once, or when it is
 * registered and not paused, in order.
 *
 * Owns     nothing: what is not given at once is copied.
 * Returns  0; WEIR_ECLOSED after weir_memory_end(), or when the source was stopped;
 *          WEIR_EFULL when more than 4 GiB wait, or the budget is spent; -ENOMEM.
 */
WEIR_API WEIR_MUST_USE int weir_memory_inject(struct weir_memory *m, const void *data, size_t len);

/* End what comes in, behind the bytes injected: well (`why` 0), or for the reason `why`
 * (negative).  What goes out goes on. */
WEIR_API void weir_memory_end(struct weir_memory *m, int why);

/* Lose the peer: what is held for it is dropped, the producer registered with the sink
 * stopped, and what comes in ends, all for the reason `why` (negative).  The Twisted
 * profile tells the producer nothing. */
WEIR_API void weir_memory_lose(struct weir_memory *m, int why);

#ifdef __cplusplus
}
#endif
#endif
