/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TRANSPORT_STREAM_PRIV_H
#define WEIR_TRANSPORT_STREAM_PRIV_H
/*
 * stream_priv.h -- between a stream and what moves its bytes.
 *
 *   stream.c             the ends and the closing, which are the same everywhere
 *   stream_sys_*         what it asks the system for, one file a system
 *   stream_move_posix.c  reading and writing a descriptor that is ready
 *   stream_poll_posix.c  descriptors that libuv polls
 *   stream_ring_*        sockets of an io_uring
 *
 * One port is one end; a socket has one for both directions, a pair of pipes two.
 */
#include <uv.h>

#include "engine/loop_priv.h"
#include "transport/stream.h"

/* Bytes to ask for in the first read. */
#define WEIR__STREAM_READ_MIN ((uint32_t)64 << 10)

struct port {
	int fd;
	uint8_t armed;  /* the engine's: what it watches */
	uint8_t kind;   /* enum weir_carry_kind; WEIR_CARRY_KINDS: none of them */
	bool keep : 1;  /* the descriptor is not ours */
	bool open : 1;
	bool grown : 1; /* enlarging the pipe was tried */
	bool nonblocking : 1; /* already, when it is opened */
};

struct weir__stream_io;

struct weir__stream {
	struct weir_transport base;
	struct weir_valve valve;
	struct weir_producer source;
	struct weir__stream_owner *owner; /* or NULL */
	uint32_t read_size;   /* bytes to ask for; grows while reads fill it */
	int end_why;          /* of the source, once it has ended */
	int16_t error;        /* of the socket, learnt elsewhere than in read; negative */
	int8_t rd_at, wr_at;  /* in `ports`; -1 without one; equal for a socket */
	uint8_t unasked;      /* reads until the descriptor is offered again */
	uint8_t shorts;       /* short reads, one after the other */
	uint8_t handles : 2;  /* of the engine's, not yet closed */
	uint8_t hung : 2;     /* how often a hang-up was told; see weir__stream_wanted() */
	bool has_two : 1;     /* ports */
	bool is_socket : 1;
	bool resets : 1;
	bool paused : 1;
	bool eof : 1;     /* there is no more to read, or nobody who wants it */
	bool drained : 1; /* the end was read, or reading failed */
	bool ended : 1;   /* and the source has ended with `end_why` */
	bool closing : 1;
	bool lingering : 1;
	bool corked : 1;  /* short segments wait for more */
	bool unshut : 1;  /* it could not be ended: the peer's reset is yet to be met */
	bool bulk : 1;    /* the last write was long */
	struct port ports[]; /* one or two, and behind them the engine's memory */
};

/* What moves the bytes. */
struct weir__stream_io {
	/* The valve's table, by which a stream knows its engine; `end` is
	 * weir__stream_sink_end(). */
	struct weir_valve_ops sink_ops;

	/* Of the engine's own memory for each port. */
	size_t size;

	/* Begin to use the port's end; counts in s->handles what weir__stream_handle_closed() tells. */
	int (*open)(struct weir__stream *s, struct port *port);

	/* What the port is wanted for may have changed: see weir__stream_wanted(). */
	void (*watch)(struct weir__stream *s, struct port *port);

	/* Use it no more, and close the end, unless port->keep.  What has nothing under
	 * way may count down s->handles at once. */
	void (*close)(struct weir__stream *s, struct port *port);
};

extern const struct weir__stream_io weir__stream_poll;

/* For sockets of a loop that has a ring; NULL where there is none. */
extern const struct weir__stream_io *const weir__stream_ring;

/* A read that brings less is a short one. */
#define WEIR__STREAM_SHORT ((size_t)2 << 10)


static inline struct weir_loop *loop_of(const struct weir__stream *s)
{
	return (struct weir_loop *)((char *)s->valve.ctx - offsetof(struct weir_loop, ctx));
}

static inline const struct weir__stream_io *io_of(const struct weir__stream *s)
{
	return (const struct weir__stream_io *)s->valve.ops;
}

/* The engine's memory, for each port in turn. */
static inline void *engine_of(const struct weir__stream *s)
{
	return (void *)(s->ports + (s->has_two ? 2 : 1));
}

static inline struct port *rd(const struct weir__stream *s)
{
	return s->rd_at < 0 ? NULL : (struct port *)&s->ports[s->rd_at];
}

static inline struct port *wr(const struct weir__stream *s)
{
	return s->wr_at < 0 ? NULL : (struct port *)&s->ports[s->wr_at];
}

static inline struct weir__stream *stream_from_valve(struct weir_valve *v)
{
	return (struct weir__stream *)((char *)v - offsetof(struct weir__stream, valve));
}

static inline bool wants_read(const struct weir__stream *s)
{
	return s->lingering || (s->source.consumer && !s->paused && !s->eof);
}

static inline bool sink_open(const struct weir__stream *s)
{
	return wr(s) && s->valve.life != WEIR_ENDED && s->valve.life != WEIR_FLUSHING;
}

/* Whether the sink would want to know that the other side is dead. */
static inline bool sink_cares(const struct weir__stream *s)
{
	return sink_open(s) || (s->unshut && s->valve.life != WEIR_ENDED);
}

static inline void watch(struct weir__stream *s, struct port *port)
{
	if (port && port->open)
		io_of(s)->watch(s, port);
}

static inline void watch_all(struct weir__stream *s)
{
	watch(s, rd(s));
	if (wr(s) != rd(s))
		watch(s, wr(s));
}

/* ---- for an engine ---- */

/*
 * What to watch a port for now, as UV_READABLE and its like.  With nothing wanted, the death of
 * the other side while the sink would want to know.  `hung` counts what that has told: after a
 * peer's end of writing (which would be told again for ever) only errors and hang-ups are left,
 * which come whatever is asked for; urgent data stands for asking for nothing.
 */
int weir__stream_wanted(const struct weir__stream *s, const struct port *port);

/* Of what was watched this has happened, or (`failed`) an error: then nothing is watched any
 * more.  Reads, writes, and watches anew. */
void weir__stream_event(struct weir__stream *s, struct port *port, int events, bool failed);

/* Of a sink that is written to at once. */
int64_t weir__stream_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count);
size_t weir__stream_space(struct weir_valve *v);
bool weir__stream_carries(struct weir_valve *v, struct weir_carry *carry);
int64_t weir__stream_carry(struct weir_valve *v, struct weir_carry *carry);

/* ---- of the system ---- */

/* What moves the bytes of such a stream. */
const struct weir__stream_io *weir__stream_io_for(struct weir_loop *loop,
						  const struct weir__stream_config *config);

/* Note the end that the port is; weir__stream_io.open() comes next. */
void weir__stream_set_end(struct weir__stream *s, struct port *port, intptr_t end);

/* Of a socket: no more is written.  Every byte that was has gone.  Returns 0 or a negative code. */
int weir__stream_shut(struct weir__stream *s);

/* Of a stream that resets: let the close, which comes next, be one. */
void weir__stream_abort(struct weir__stream *s);

/* ---- what the engine tells ---- */

/* Reading found the end, or failed. */
void weir__stream_eof(struct weir__stream *s);
void weir__stream_failed(struct weir__stream *s, int why);

/* Note an error of the socket's, for the reader too.  Returns it. */
int weir__stream_learn(struct weir__stream *s, int error);

/* An error or a hang-up was told, and neither reading nor writing has met it. */
void weir__stream_hung(struct weir__stream *s, struct port *port);

/* A lingering stream has met its peer's end. */
void weir__stream_part(struct weir__stream *s);

void weir__stream_sink_end(struct weir_valve *v, int why);

/* One of s->handles is gone; the last one's may release `s`. */
void weir__stream_handle_closed(struct weir__stream *s);

#endif
