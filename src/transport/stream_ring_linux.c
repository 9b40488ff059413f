/* SPDX-License-Identifier: MIT */
/*
 * Sockets of an io_uring, in two ways that each port changes between as its bytes come.
 *
 *   Bulk       The ring tells that the socket is ready, once, and it is read and written as
 *              anywhere else (stream_move_posix.c): what counts is how many bytes one read takes.
 *   Messages   The ring receives again and again, into provided buffers, and small writes
 *              are sent by it: no system call of their own for each.  What counts is those.
 *
 * A receive cannot be told to wait: what arrives while the consumer does not want it stays in
 * its provided buffers, in order, until it does, and the receive is ended.  There are few of
 * these buffers and the budget has been charged for them; who finds none reads by the other
 * way, so nobody waits for one.  A send lends the first chunk of the valve's queue, which
 * counts as held until the kernel has taken it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "engine/ring.h"
#include "transport/stream_priv.h"

/* After so many short reads or writes one after the other, the ring has the next ones; after so
 * many full buffers it does not receive any more. */
#define SHORTS 8
#define FULL_BUFFERS 4

/* A write of so many bytes is worth a system call. */
#define BULK_WRITE ((size_t)4 << 10)

enum { POLL, RECEIVE, SEND, REPLAY, SETTLE = WEIR__RING_SETTLE };

/* One for each port, behind the stream. */
struct ring_port {
	struct weir__ring_target target;
	union {
		struct weir_block *lent; /* the bytes of a send that is under way */
		int32_t sent;            /* what the last one came to; negative: an error */
	};
	uint16_t first, last;    /* buffers that are not yet wanted; WEIR__RING_NONE */
	uint16_t begun : 12;     /* bytes of the first that have been */
	bool goes_on : 1;        /* the poll that is under way */
	bool refused : 1;        /* the last send would have had to wait */
	bool is_second : 1;      /* of the stream's ports, */
	bool of_two : 1;         /* which has two */
	uint8_t under_way;       /* set of operations */
	uint8_t full : 3;        /* buffers that came full, one after the other */
	uint8_t shorts : 4;      /* writes, one after the other */
};

static struct ring_port *of(const struct weir__stream *s, const struct port *port)
{
	return (struct ring_port *)engine_of(s) + (port - s->ports);
}

static struct weir__stream *stream_of(const struct ring_port *rp)
{
	const struct ring_port *first = rp - rp->is_second;
	const struct port *ports = (const struct port *)first - (rp->of_two ? 2 : 1);

	return (struct weir__stream *)((uintptr_t)ports - offsetof(struct weir__stream, ports));
}

static struct port *port_of(struct weir__stream *s, const struct ring_port *rp)
{
	return &s->ports[rp->is_second];
}

static struct weir__ring *ring_of(const struct weir__stream *s)
{
	return weir__loop_ring(loop_of(s));
}

static bool is_under_way(const struct ring_port *rp, unsigned op)
{
	return rp->under_way & (1u << op);
}

/* ---- what the ring is asked for ---- */

static unsigned poll_events(int events)
{
	return (events & UV_READABLE ? POLLIN : 0) | (events & UV_WRITABLE ? POLLOUT : 0) |
	       (events & UV_DISCONNECT ? POLLRDHUP : 0) | (events & UV_PRIORITIZED ? POLLPRI : 0);
}

/* As libuv tells it: an error stands alone, and a hang-up is all that is waited for. */
static int stream_events(int events, int armed)
{
	if (!(armed & UV_DISCONNECT))
		events &= ~POLLRDHUP;
	if (events && (events & (POLLERR | POLLHUP)) == events)
		return armed;
	return (events & POLLIN ? UV_READABLE : 0) | (events & POLLOUT ? UV_WRITABLE : 0) |
	       (events & POLLRDHUP ? UV_DISCONNECT : 0) | (events & POLLPRI ? UV_PRIORITIZED : 0);
}

/*
 * The ring tells of the peer's end of writing unasked.  Where that is not to be told, since it has
 * been or would come with what is read, the poll goes on after it has been heard: it completes
 * again when something new happens.
 */
static bool goes_on(int events)
{
	return !(events & (UV_READABLE | UV_DISCONNECT));
}

static void ask_poll(struct weir__stream *s, struct port *port, int events)
{
	struct ring_port *rp = of(s, port);
	struct weir__ring *ring = ring_of(s);

	/* What is not wanted any more does no harm when it comes. */
	if (!events || (is_under_way(rp, POLL) && !(events & ~port->armed)))
		return;
	if (!is_under_way(rp, POLL)) {
		rp->under_way |= 1u << POLL;
		rp->goes_on = goes_on(events);
		weir__ring_poll(ring, &rp->target, POLL, port->fd, poll_events(events),
				rp->goes_on);
	} else {
		/* And asked for again after that.  (An update may come too late, and then the
		 * poll goes on as it was.) */
		weir__ring_cancel(ring, &rp->target, POLL);
	}
	port->armed = (uint8_t)events;
}

static void ask(struct weir__stream *s, struct ring_port *rp, unsigned op)
{
	if (is_under_way(rp, op))
		return;
	rp->under_way |= 1u << op;
	if (op == RECEIVE)
		weir__ring_receive(ring_of(s), &rp->target, op, port_of(s, rp)->fd);
	else if (op == SETTLE)
		weir__ring_settle(ring_of(s), &rp->target);
	else
		weir__ring_nothing(ring_of(s), &rp->target, op);
}

static void end_receive(struct weir__stream *s, struct ring_port *rp)
{
	if (is_under_way(rp, RECEIVE))
		weir__ring_cancel(ring_of(s), &rp->target, RECEIVE);
}

/* Short messages have come, and the kernel is not offered to move them. */
static bool are_messages(struct weir__stream *s)
{
	return s->shorts >= SHORTS && !s->lingering &&
	       (rd(s)->kind == WEIR_CARRY_KINDS || s->unasked > 0) &&
	       weir__ring_provides(ring_of(s));
}

/* Have the reader's bytes come.  Returns what the poll has to watch for that. */
static int ask_read(struct weir__stream *s, struct ring_port *rp)
{
	if (rp->first != WEIR__RING_NONE) {
		ask(s, rp, REPLAY);
		return 0;
	}
	if (are_messages(s)) {
		ask(s, rp, RECEIVE);
		return 0;
	}
	if (!is_under_way(rp, RECEIVE))
		return UV_READABLE;
	end_receive(s, rp); /* its last bytes come before ours */
	return 0;
}

/* ---- messages that come ---- */

static void keep(struct weir__ring *ring, struct ring_port *rp, unsigned id, size_t len)
{
	*weir__ring_kept(ring, id) = (struct weir__ring_kept){WEIR__RING_NONE, (uint16_t)len};
	if (rp->first == WEIR__RING_NONE)
		rp->first = (uint16_t)id;
	else
		weir__ring_kept(ring, rp->last)->next = (uint16_t)id;
	rp->last = (uint16_t)id;
}

static void forget_first(struct weir__ring *ring, struct ring_port *rp)
{
	unsigned id = rp->first;

	rp->first = weir__ring_kept(ring, id)->next;
	rp->begun = 0;
	weir__ring_return(ring, id);
}

static void forget_all(struct weir__ring *ring, struct ring_port *rp)
{
	while (rp->first != WEIR__RING_NONE)
		forget_first(ring, rp);
}

/* Nobody will want the bytes any more. */
static bool is_unwanted(const struct weir__stream *s)
{
	return s->eof || s->lingering;
}

/* Write on what the consumer has room for.  Returns how much that was. */
static size_t deliver(struct weir__stream *s, const unsigned char *data, size_t len)
{
	size_t room;
	int rc;

	if (is_unwanted(s) || !wants_read(s))
		return 0;
	room = weir_consumer_room(s->source.consumer);
	if (len > room)
		len = room;
	if (len == 0 || !wants_read(s))
		return 0;
	rc = weir_consumer_write(s->source.consumer, data, len);
	if (rc < 0 && s->source.consumer)
		weir__stream_source_end(s, rc);
	return len;
}

/* Of the buffers that are kept. */
static void replay(struct weir__stream *s, struct ring_port *rp)
{
	struct weir__ring *ring = ring_of(s);

	while (rp->first != WEIR__RING_NONE) {
		unsigned id = rp->first;
		size_t len = weir__ring_kept(ring, id)->len - rp->begun;
		size_t n = deliver(s, weir__ring_buffer(ring, id) + rp->begun, len);

		/* Who stops or closes meanwhile forgets them all. */
		if (n == 0 || rp->first == WEIR__RING_NONE)
			return;
		rp->begun = (uint16_t)(rp->begun + n);
		if (n == len)
			forget_first(ring, rp);
	}
}

static void on_message(struct weir__stream *s, struct ring_port *rp, size_t len, unsigned id)
{
	struct weir__ring *ring = ring_of(s);
	size_t n = 0;

	rp->full = len == WEIR__RING_BUFFER ? rp->full + 1 : 0;
	if (rp->full >= FULL_BUFFERS)
		rp->full = s->shorts = 0;
	if (rp->first == WEIR__RING_NONE)
		n = deliver(s, weir__ring_buffer(ring, id), len);
	if (n < len && port_of(s, rp)->open)
		end_receive(s, rp);
	if (n == len || is_unwanted(s) || !port_of(s, rp)->open) {
		weir__ring_return(ring, id);
		return;
	}
	if (rp->first == WEIR__RING_NONE)
		rp->begun = (uint16_t)n;
	keep(ring, rp, id, len);
}

/* The end, or why there is no more this way.  Who reads again is told the same, but for an error,
 * which the socket tells once. */
static void on_no_message(struct weir__stream *s, struct ring_port *rp, int res)
{
	struct weir__ring *ring = ring_of(s);

	s->shorts = 0;
	if (res == -EINVAL)
		weir__ring_provide_none(ring);
	if (res == -EINVAL || res == -ENOBUFS || res == -ECANCELED || res == -EAGAIN ||
	    res == -EINTR)
		return;
	if (res < 0)
		weir__stream_learn(s, res);
	if (rp->first != WEIR__RING_NONE || !wants_read(s) || s->lingering)
		return;
	if (res == 0)
		weir__stream_eof(s);
	else
		weir__stream_failed(s, res);
}

static void on_received(struct weir__stream *s, struct ring_port *rp, int res, unsigned id)
{
	if (id != WEIR__RING_NONE && res > 0)
		on_message(s, rp, (size_t)res, id);
	else
		on_no_message(s, rp, res);
}

/* Ask for what is wanted now. */
static void settle(struct weir__stream *s, struct ring_port *rp)
{
	struct port *port = port_of(s, rp);
	int events = weir__stream_wanted(s, port);

	if (events & UV_READABLE)
		events = (events & ~UV_READABLE) | ask_read(s, rp);
	if (is_under_way(rp, SEND))
		events &= ~UV_WRITABLE;
	ask_poll(s, port, events);
}

static void ring_watch(struct weir__stream *s, struct port *port)
{
	struct ring_port *rp = of(s, port);

	if (port == rd(s) && is_unwanted(s))
		forget_all(ring_of(s), rp);
	ask(s, rp, SETTLE);
}

/* ---- messages that go ---- */

static void lend(struct weir__stream *s, struct ring_port *rp, const struct weir_chunk *chunk)
{
	rp->lent = weir_block_ref(chunk->owner);
	rp->under_way |= 1u << SEND;
	weir__ring_send(ring_of(s), &rp->target, SEND, wr(s)->fd, chunk->data, chunk->len);
}

/* Whether it follows short messages, and is one. */
static bool is_message(struct ring_port *rp, const struct weir_chunk *chunks, size_t count)
{
	bool is_long = count > 1 || chunks->len >= BULK_WRITE;

	if (is_long || rp->refused)
		rp->shorts = 0;
	else if (rp->shorts < SHORTS)
		rp->shorts++;
	rp->refused = false;
	return rp->shorts >= SHORTS;
}

static int64_t ring_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct weir__stream *s = stream_from_valve(v);
	struct ring_port *rp = of(s, wr(s));
	int32_t sent = rp->sent;

	if (is_under_way(rp, SEND))
		return 0;
	rp->sent = 0;
	if (sent > 0)
		weir_valve_ready(v); /* for what comes behind it */
	if (sent)
		return sent;
	if (!is_message(rp, chunks, count))
		return weir__stream_drain(v, chunks, count);
	if (chunks->owner)
		lend(s, rp, chunks);
	else
		weir_valve_ready(v); /* as soon as the valve has copied them */
	return 0;
}

static void on_sent(struct weir__stream *s, struct ring_port *rp, int res)
{
	rp->refused = res == -EAGAIN || res == -EINTR;
	if (!rp->refused)
		rp->sent = res < 0 ? weir__stream_learn(s, res) : res;
	weir_valve_ready(&s->valve);
}

/* ---- completions ---- */

static void on_polled(struct weir__stream *s, struct port *port, int res, bool more)
{
	int armed = port->armed;
	bool failed = res < 0 || ((res & POLLERR) && !(res & POLLPRI));
	int events = failed ? 0 : stream_events(res, armed);

	/* Who wants again what has come has the kernel look again: it may be there still. */
	port->armed = more ? (uint8_t)(armed & ~events) : 0;
	if (res == -ECANCELED || (!failed && !events))
		watch_all(s);
	else
		weir__stream_event(s, port, events, failed);
}

static void on_done(struct weir__ring_target *t, unsigned op, int res, bool more, unsigned id)
{
	struct ring_port *rp = (struct ring_port *)t;
	struct weir__stream *s = stream_of(rp);
	struct port *port = port_of(s, rp);

	if (!more)
		rp->under_way &= (uint8_t)~(1u << op);
	if (op == SEND) {
		weir_block_unref(rp->lent);
		rp->sent = 0;
	}
	if (!port->open) {
		weir__ring_return(ring_of(s), id);
		if (!rp->under_way)
			weir__stream_handle_closed(s);
		return;
	}
	if (op == SETTLE) {
		settle(s, rp);
		return;
	}
	if (op == POLL)
		on_polled(s, port, res, more);
	else if (op == RECEIVE)
		on_received(s, rp, res, id);
	else if (op == SEND)
		on_sent(s, rp, res);
	else
		replay(s, rp);
	if (op != POLL) /* which has done so */
		watch_all(s);
}

/* ---- an engine ---- */

static int set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
		return -errno;
	return 0;
}

static int ring_open(struct weir__stream *s, struct port *port)
{
	struct ring_port *rp = of(s, port);
	int rc = port->nonblocking ? 0 : set_nonblocking(port->fd);

	if (rc < 0)
		return rc;
	rp->target.done = on_done;
	rp->is_second = port != s->ports;
	rp->of_two = s->has_two;
	rp->first = rp->last = WEIR__RING_NONE;
	s->handles++;
	return 0;
}

/* The kernel keeps the socket open while something is under way, so that ends first. */
static void ring_close(struct weir__stream *s, struct port *port)
{
	struct ring_port *rp = of(s, port);

	forget_all(ring_of(s), rp);
	for (unsigned op = POLL; op <= REPLAY; op++)
		if (is_under_way(rp, op))
			weir__ring_cancel(ring_of(s), &rp->target, op);
	if (!port->keep)
		close(port->fd);
	if (!rp->under_way)
		s->handles--;
}

static const struct weir__stream_io ring_io = {
	.sink_ops = {
		.name = "stream",
		.drain = ring_drain,
		.end = weir__stream_sink_end,
		.space = weir__stream_space,
		.carries = weir__stream_carries,
		.carry = weir__stream_carry,
	},
	.size = sizeof(struct ring_port),
	.open = ring_open,
	.watch = ring_watch,
	.close = ring_close,
};

const struct weir__stream_io *const weir__stream_ring = &ring_io;
