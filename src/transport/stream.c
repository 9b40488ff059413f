/* SPDX-License-Identifier: MIT */
/*
 * A transport on descriptors that can be polled.  One port is one descriptor and its
 * poll handle; a socket has one port for both directions, a pair of pipes has two.
 *
 * Errors of a socket belong to both directions, but the kernel tells them once: what a
 * write or a poll learns is kept, so that a read that finds the end of the data can tell
 * a reset from an orderly end (HALF-4).
 */
#include "transport/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "engine/loop_priv.h"
#include "engine/path.h"

/* How long a closed socket whose bytes have all gone waits for the peer's end, throwing
 * away what it still sends: closing with unread bytes would be a reset, which can take
 * back from the peer what it has not yet read. */
#define LINGER_NS (2 * WEIR_NS_PER_S)

/* Bytes to ask for in one read.  A socket's peer is woken once for each; a pipe's bytes
 * should still be in the processor's cache when they are written on. */
#define READ_MIN ((uint32_t)64 << 10)
#define READ_MAX_PIPE ((uint32_t)128 << 10)

/* What a busy pipe is enlarged to: fewer bytes mean a change of process for each few. */
#define PIPE_SIZE (1 << 20)

/* A file that is longer than this is sent under a cork. */
#define CORK_MIN ((size_t)64 << 10)

struct port {
	uv_poll_t poll;
	int fd;
	uint8_t armed; /* events that the poll handle watches */
	uint8_t kind;  /* enum weir_carry_kind; WEIR_CARRY_KINDS: none of them */
	bool keep : 1; /* the descriptor is not ours */
	bool open : 1;
	bool grown : 1; /* enlarging the pipe was tried */
};

struct weir__stream {
	struct weir_transport base;
	struct weir_valve valve;
	struct weir_producer source;
	const struct weir__stream_hooks *hooks;
	void *owner; /* of the hooks; once they are gone, a struct parting or NULL */
	uint32_t read_size;   /* bytes to ask for; grows while reads fill it */
	int error;            /* of the socket, learnt elsewhere than in read; negative */
	int end_why;          /* of the source, once it has ended */
	uint8_t handles;      /* poll handles not yet closed */
	uint8_t hung;         /* see watch() */
	int8_t rd_at, wr_at;  /* in `ports`; -1 without one; equal for a socket */
	uint8_t unasked;      /* reads until the descriptor is offered again */
	bool is_socket : 1;
	bool resets : 1;
	bool paused : 1;
	bool eof : 1;     /* there is no more to read, or nobody who wants it */
	bool drained : 1; /* the end was read, or reading failed */
	bool ended : 1;   /* and the source has ended with `end_why` */
	bool closing : 1;
	bool lingering : 1;
	bool corked : 1;  /* short segments wait for more */
	struct port ports[];
};

/* A closed socket waits for its peer's end. */
struct parting {
	struct weir_timer timer;
	struct weir__stream *stream;
};

static const struct weir__stream_hooks no_hooks;

static struct weir_loop *loop_of(const struct weir__stream *s)
{
	return (struct weir_loop *)((char *)s->valve.ctx - offsetof(struct weir_loop, ctx));
}

static struct port *rd(const struct weir__stream *s)
{
	return s->rd_at < 0 ? NULL : (struct port *)&s->ports[s->rd_at];
}

static struct port *wr(const struct weir__stream *s)
{
	return s->wr_at < 0 ? NULL : (struct port *)&s->ports[s->wr_at];
}

static struct weir__stream *stream_from_valve(struct weir_valve *v)
{
	return (struct weir__stream *)((char *)v - offsetof(struct weir__stream, valve));
}

static struct weir__stream *stream_from_source(struct weir_producer *p)
{
	return (struct weir__stream *)((char *)p - offsetof(struct weir__stream, source));
}

struct weir__stream *weir__stream_from_transport(struct weir_transport *t)
{
	return (struct weir__stream *)t;
}

struct weir_transport *weir__stream_transport(struct weir__stream *s)
{
	return &s->base;
}

int weir__stream_fd(const struct weir_transport *t)
{
	const struct weir__stream *s = (const struct weir__stream *)t;
	const struct port *port = rd(s) ? rd(s) : wr(s);

	return port->open ? port->fd : -1;
}

void *weir__stream_owner(const struct weir__stream *s)
{
	return s->owner;
}

/* ---- what the poll watches ---- */

static void on_poll(uv_poll_t *handle, int status, int events);

static bool wants_read(const struct weir__stream *s)
{
	return s->lingering || (s->source.consumer && !s->paused && !s->eof);
}

static bool sink_open(const struct weir__stream *s)
{
	return wr(s) && s->valve.life != WEIR_ENDED && s->valve.life != WEIR_FLUSHING;
}

/*
 * Watch what is wanted now; with nothing wanted, watch for the death of the other side
 * while the sink would want to know.  `hung` counts what that has told: after a peer's
 * end of writing (which would be told again for ever) only errors and hang-ups are left,
 * which come whatever is asked for; urgent data stands for asking for nothing.
 */
static void watch(struct weir__stream *s, struct port *port)
{
	int events = 0;

	if (!port || !port->open)
		return;
	if (port == rd(s) && wants_read(s))
		events |= UV_READABLE;
	if (port == wr(s) && s->valve.blocked && sink_open(s))
		events |= UV_WRITABLE;
	if (!events && s->hung < 2 && port == wr(s) && sink_open(s))
		events = s->hung == 0 ? UV_DISCONNECT : UV_PRIORITIZED;
	if (events == port->armed)
		return;
	port->armed = events;
	if (events)
		uv_poll_start(&port->poll, events, on_poll);
	else
		uv_poll_stop(&port->poll);
}

static void watch_all(struct weir__stream *s)
{
	watch(s, rd(s));
	if (wr(s) != rd(s))
		watch(s, wr(s));
}

static void release(struct weir__stream *s)
{
	weir__loop_release(loop_of(s));
	free(s);
}

static void on_port_closed(uv_handle_t *handle)
{
	struct weir__stream *s = handle->data;

	if (--s->handles == 0 && s->closing)
		release(s);
}

static void close_port(struct port *port)
{
	if (!port || !port->open)
		return;
	port->open = false;
	port->armed = 0;
	uv_close((uv_handle_t *)&port->poll, on_port_closed);
	if (!port->keep)
		close(port->fd);
}

/* A pipe that was seen full is worth the kernel's memory for a larger one, if it is a pipe
 * and the user may have it. */
static void grow_pipe(const struct weir__stream *s, struct port *port)
{
	if (s->is_socket || port->grown)
		return;
	port->grown = true;
	(void)fcntl(port->fd, F_SETPIPE_SZ, PIPE_SIZE);
}

/* ---- reading ---- */

/* The source has ended: so it says, whoever asks. */
static void source_is_over(struct weir__stream *s, int why)
{
	s->eof = true;
	if (!s->ended)
		s->end_why = why;
	s->ended = true;
}

void weir__stream_source_end(struct weir__stream *s, int why)
{
	source_is_over(s, why);
	weir_producer_end(&s->source, s->end_why);
}

static void source_failed(struct weir__stream *s, int why)
{
	s->drained = true;
	weir__stream_source_end(s, why);
	/* A socket's error is the end of both directions. */
	if (rd(s) == wr(s))
		weir_valve_die(&s->valve, why);
}

static void source_eof(struct weir__stream *s)
{
	s->eof = s->drained = true;
	if (s->error)
		weir__stream_source_end(s, s->error);
	else if (s->hooks->on_eof)
		s->hooks->on_eof(s);
	else
		weir__stream_source_end(s, 0);
}

static ssize_t receive(const struct weir__stream *s, void *data, size_t len)
{
	ssize_t n;

	do {
		n = s->is_socket ? recv(rd(s)->fd, data, len, MSG_DONTWAIT)
				 : read(rd(s)->fd, data, len);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* How much to ask for next: more while reads fill it and the sink keeps up, less when it
 * does not. */
static void adapt(struct weir__stream *s, bool filled, bool kept_up)
{
	if (!kept_up)
		s->read_size = s->read_size > READ_MIN ? s->read_size / 2 : READ_MIN;
	else if (filled && s->read_size < (s->is_socket ? WEIR__SCRATCH_MAX : READ_MAX_PIPE))
		s->read_size *= 2;
}

/* Read once, and write that on.  False when that was enough for now. */
static bool read_once(struct weir__stream *s, struct weir_consumer *c, size_t *total)
{
	/* The buffer first: its growth is charged, and leaves that much less room. */
	size_t want;
	unsigned char *data = weir__loop_scratch(loop_of(s), s->read_size, &want);
	size_t room = weir_consumer_room(c);
	ssize_t n;
	int rc;

	if (room == 0 || !wants_read(s))
		return false;
	if (want > s->read_size)
		want = s->read_size;
	if (want > room)
		want = room;
	n = receive(s, data, want);
	if (n < 0 && errno != EAGAIN)
		source_failed(s, s->error ? s->error : -errno);
	if (n == 0)
		source_eof(s);
	if (n <= 0)
		return false;
	*total += (size_t)n;
	if ((size_t)n >= READ_MIN)
		grow_pipe(s, rd(s));
	rc = weir_consumer_write(c, data, (size_t)n);
	if (rc < 0 && s->source.consumer)
		weir__stream_source_end(s, rc);
	adapt(s, (size_t)n == s->read_size,
	      wants_read(s) && weir_consumer_room(s->source.consumer) >= room);
	return (size_t)n == want;
}

/* The consumer may have the kernel move the bytes.  Returns what comes next. */
static enum weir_carry_next offer(struct weir__stream *s, size_t *total)
{
	struct weir_carry carry = {
		.fd = rd(s)->fd,
		.kind = (enum weir_carry_kind)rd(s)->kind,
		.offset = WEIR_CARRY_HERE,
		.max = loop_of(s)->ctx.quantum - *total,
	};
	int64_t n;

	if (carry.kind == WEIR_CARRY_KINDS || s->unasked > 0) {
		s->unasked -= s->unasked > 0;
		return WEIR_CARRY_WRITE;
	}
	n = weir_consumer_carry(s->source.consumer, &carry);
	if (n < 0) {
		if (s->source.consumer)
			weir__stream_source_end(s, (int)n);
		return WEIR_CARRY_FULL;
	}
	*total += (size_t)n;
	if ((size_t)n >= READ_MIN)
		grow_pipe(s, rd(s));
	if (carry.next == WEIR_CARRY_END)
		source_eof(s);
	else if (carry.next == WEIR_CARRY_BROKEN)
		source_failed(s, carry.error);
	else if (carry.next == WEIR_CARRY_WRITE && !carry.soon)
		s->unasked = WEIR__UNASKED;
	return carry.next;
}

/* Read until there is no more, the consumer has enough, or the turn is over. */
static void read_some(struct weir__stream *s)
{
	for (size_t total = 0; wants_read(s) && total < loop_of(s)->ctx.quantum; ) {
		struct weir_consumer *c = s->source.consumer;
		enum weir_carry_next next = offer(s, &total);

		if (next == WEIR_CARRY_MORE)
			continue;
		if (next != WEIR_CARRY_WRITE || !wants_read(s))
			return;
		if (!read_once(s, c, &total))
			return;
	}
}

static void source_resume(struct weir_producer *p)
{
	struct weir__stream *s = stream_from_source(p);

	s->paused = false;
	if (s->ended) /* before this consumer came */
		weir_producer_end(p, s->end_why);
	else
		watch(s, rd(s));
}

static void source_start(struct weir_producer *p)
{
	stream_from_source(p)->unasked = 0;
	source_resume(p);
}

static void source_pause(struct weir_producer *p)
{
	/* The watch stays until it next wakes us: often a resume is faster. */
	stream_from_source(p)->paused = true;
}

static void source_stop(struct weir_producer *p, int why)
{
	struct weir__stream *s = stream_from_source(p);

	source_is_over(s, why);
	if (s->hooks->on_stopped && !s->closing)
		s->hooks->on_stopped(s, why);
	/* Nobody reads a pipe any more: let its writer know. */
	if (rd(s) != wr(s))
		close_port(rd(s));
	else
		watch(s, rd(s));
}

static const struct weir_producer_ops source_ops = {
	.name = "stream",
	.start = source_start,
	.pause = source_pause,
	.resume = source_resume,
	.stop = source_stop,
};

/* ---- writing ---- */

/* A reset is the reader's business too.  EPIPE says only that writing is over: by it
 * Linux means a reset that came after the peer's end, when all its bytes are here. */
static int learn(struct weir__stream *s, int error)
{
	if (s->is_socket && error && error != -EPIPE)
		s->error = error;
	return error;
}

static ssize_t transmit(const struct weir__stream *s, const struct weir_chunk *chunks,
			size_t count)
{
	struct iovec iov[WEIR_DRAIN_MAX];
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = count};
	int fd = wr(s)->fd;

	if (count == 1)
		return s->is_socket ? send(fd, chunks->data, chunks->len,
					   MSG_NOSIGNAL | MSG_DONTWAIT)
				    : write(fd, chunks->data, chunks->len);
	for (size_t i = 0; i < count; i++) {
		iov[i].iov_base = (void *)(uintptr_t)chunks[i].data;
		iov[i].iov_len = chunks[i].len;
	}
	return s->is_socket ? sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT)
			    : writev(fd, iov, (int)count);
}

/* Short segments wait for more while a file is sent, and no longer: TCP that sends each of
 * them at once costs three times as much. */
static void cork(struct weir__stream *s, bool on)
{
	int value = on;

	if (s->corked == on || !s->resets)
		return;
	s->corked = on;
	setsockopt(wr(s)->fd, IPPROTO_TCP, TCP_CORK, &value, sizeof(value));
}

static void wait_for_room(struct weir__stream *s)
{
	grow_pipe(s, wr(s));
	s->valve.blocked = true;
	watch(s, wr(s));
}

static int64_t sink_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct weir__stream *s = stream_from_valve(v);
	size_t offered = 0;
	ssize_t n;

	do {
		n = transmit(s, chunks, count);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return learn(s, -errno);
	if (n < 0)
		n = 0;
	for (size_t i = 0; i < count; i++)
		offered += chunks[i].len;
	if ((size_t)n < offered)
		wait_for_room(s);
	cork(s, false);
	return n;
}

static bool sink_carries(struct weir_valve *v, struct weir_carry *carry)
{
	const struct weir__stream *s = stream_from_valve(v);

	if (wr(s)->kind != WEIR_CARRY_KINDS)
		return weir__path_serves(carry, (enum weir_carry_kind)wr(s)->kind);
	weir_carry_refuse(carry, "device", "has to be written to");
	return false;
}

static int64_t sink_carry(struct weir_valve *v, struct weir_carry *carry)
{
	struct weir__stream *s = stream_from_valve(v);
	int64_t n;

	if (carry->kind == WEIR_CARRY_FILE && !(carry->last && carry->max <= CORK_MIN))
		cork(s, true);
	n = weir__path_move(loop_of(s), carry, v, (enum weir_carry_kind)wr(s)->kind, wr(s)->fd);
	if (n < 0)
		return learn(s, (int)n);
	if (carry->next == WEIR_CARRY_FULL)
		wait_for_room(s);
	else if (carry->next != WEIR_CARRY_MORE || (carry->last && (size_t)n == carry->max))
		cork(s, false);
	return n;
}

static void sink_finish(struct weir__stream *s)
{
	int rc = 0;

	if (s->is_socket)
		rc = shutdown(wr(s)->fd, SHUT_WR) < 0 ? -errno : 0;
	if (wr(s) != rd(s))
		close_port(wr(s));
	if (rc == 0 && s->hooks->on_finished)
		s->hooks->on_finished(s);
	else
		weir_valve_done(&s->valve, rc);
	watch_all(s);
}

static void sink_end(struct weir_valve *v, int why)
{
	struct weir__stream *s = stream_from_valve(v);

	if (why == 0) {
		sink_finish(s);
		return;
	}
	if (s->hooks->on_failed)
		s->hooks->on_failed(s, why);
	if (s->resets && wr(s)->open && !(why == WEIR_ECLOSED && v->in == 0)) {
		struct linger abort = {.l_onoff = 1, .l_linger = 0};

		setsockopt(wr(s)->fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	}
	close_port(wr(s));
	if (rd(s) == wr(s))
		weir__stream_source_end(s, why == WEIR_ECLOSED ? why : -ECONNABORTED);
}

static const struct weir_valve_ops sink_ops = {
	.name = "stream",
	.drain = sink_drain,
	.end = sink_end,
	.carries = sink_carries,
	.carry = sink_carry,
};

/* ---- events ---- */

static int socket_error(int fd)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	return -error;
}

/* The poll told of an error or hang-up, and neither reading nor writing has met it. */
static void port_hung(struct weir__stream *s, struct port *port)
{
	int error = 0;

	if (port != wr(s) || !sink_open(s))
		return;
	s->hung++;
	if (s->is_socket)
		error = learn(s, socket_error(port->fd));
	if (error || !s->is_socket || s->hung > 1)
		weir_valve_die(&s->valve, error ? error : -EPIPE);
}

static void discard(struct weir__stream *s);

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct port *port = (struct port *)handle;
	struct weir__stream *s = port->poll.data;
	/* An error comes with the poll handle stopped. */
	bool hung = status < 0 || (events & (UV_DISCONNECT | UV_PRIORITIZED));

	if (status < 0) {
		port->armed = 0;
		events = UV_READABLE | UV_WRITABLE;
	}
	if (s->lingering) {
		discard(s);
		return;
	}
	if (port == rd(s) && (events & UV_READABLE) && wants_read(s))
		read_some(s);
	if (port->open && port == wr(s) && (events & UV_WRITABLE) && s->valve.blocked)
		weir_valve_ready(&s->valve);
	if (port->open && hung && !(port == rd(s) && wants_read(s)))
		port_hung(s, port);
	watch_all(s);
}

/* ---- making and closing ---- */

static void close_now(struct weir__stream *s)
{
	s->lingering = false;
	close_port(rd(s));
	if (wr(s) != rd(s))
		close_port(wr(s));
}

/* The peer has ended, or has not in time. */
static void part(struct weir__stream *s)
{
	struct parting *p = s->owner;

	weir_timer_cancel(&loop_of(s)->ctx, &p->timer);
	free(p);
	close_now(s);
}

static void run_parting(struct weir_timer *timer)
{
	part(((struct parting *)timer)->stream);
}

/* Wait for the peer's end; without memory for that, don't. */
static bool begin_parting(struct weir__stream *s)
{
	struct weir_context *ctx = s->valve.ctx;
	struct parting *p = calloc(1, sizeof(*p));

	if (!p)
		return false;
	p->stream = s;
	p->timer.run = run_parting;
	s->owner = p;
	s->lingering = true;
	weir_timer_set(ctx, &p->timer, weir_context_now(ctx) + LINGER_NS);
	discard(s);
	return true;
}

static void discard(struct weir__stream *s)
{
	size_t size;
	unsigned char *data = weir__loop_scratch(loop_of(s), WEIR__SCRATCH_MIN, &size);
	ssize_t n = receive(s, data, size);

	if (n > 0 || (n < 0 && errno == EAGAIN)) {
		watch(s, rd(s));
		return;
	}
	part(s);
}

static void run_release(struct weir_task *task)
{
	release(stream_from_valve((struct weir_valve *)((char *)task -
							offsetof(struct weir_valve, task))));
}

void weir__stream_close(struct weir_transport *t)
{
	struct weir__stream *s = (struct weir__stream *)t;
	/* Everything was sent, and the peer may not have read it yet. */
	bool linger = s->resets && rd(s) && rd(s) == wr(s) && rd(s)->open && !s->drained &&
		      s->valve.life == WEIR_ENDED && s->valve.why == 0;

	if (s->hooks->on_close)
		s->hooks->on_close(s);
	s->hooks = &no_hooks;
	weir_valve_fini(&s->valve);
	s->closing = true;
	if (linger && begin_parting(s))
		return;
	close_now(s);
	if (s->handles == 0) {
		/* A callback of ours may be what closes it.  The valve has ended, and its
		 * task is free for this. */
		s->valve.task.run = run_release;
		weir_task_queue(s->valve.ctx, &s->valve.task);
	}
}

static const struct weir_transport_ops stream_ops = {
	.name = "stream",
	.close = weir__stream_close,
	.describe = weir_transport_describe_kind,
};

static uint8_t kind_of(const struct weir__stream *s, int fd)
{
	struct stat st;

	if (s->is_socket)
		return WEIR_CARRY_SOCKET;
	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) ? WEIR_CARRY_PIPE : WEIR_CARRY_KINDS;
}

static int open_port(struct weir__stream *s, struct port *port, int fd, bool keep)
{
	int rc = uv_poll_init(loop_of(s)->uv, &port->poll, fd);

	if (rc < 0)
		return rc;
	port->poll.data = s;
	port->fd = fd;
	port->kind = kind_of(s, fd);
	port->keep = keep;
	port->open = true;
	s->handles++;
	return 0;
}

/* A half-made stream: give the descriptors back to the caller. */
static void unmake(struct weir__stream *s)
{
	struct port *both[] = {rd(s), wr(s)};

	for (int i = 0; i < 2; i++) {
		if (both[i])
			both[i]->keep = true;
		close_port(both[i]);
	}
	s->closing = true;
	if (s->handles == 0)
		release(s);
}

static int open_ports(struct weir__stream *s, const struct weir__stream_config *config)
{
	int8_t next = 0;
	int rc = 0;

	s->rd_at = s->wr_at = -1;
	if (config->in >= 0) {
		rc = open_port(s, &s->ports[next], config->in, config->keep_in);
		s->rd_at = next;
		if (config->in == config->out)
			s->wr_at = next;
		next++;
	}
	if (rc == 0 && config->out >= 0 && !wr(s)) {
		rc = open_port(s, &s->ports[next], config->out, config->keep_out);
		s->wr_at = next;
	}
	return rc;
}

int weir__stream_create(struct weir_loop *loop, const struct weir__stream_config *config,
			struct weir_transport **out)
{
	size_t ports = config->in == config->out || config->in < 0 || config->out < 0 ? 1 : 2;
	struct weir__stream *s = calloc(1, sizeof(*s) + ports * sizeof(struct port));
	int rc;

	if (!s)
		return -ENOMEM;
	weir_transport_init(&s->base, config->ops ? config->ops : &stream_ops);
	weir_valve_init(&s->valve, &sink_ops, &loop->ctx);
	weir_producer_init(&s->source, &source_ops, WEIR_PUSH);
	s->hooks = config->hooks ? config->hooks : &no_hooks;
	s->owner = config->owner;
	s->read_size = READ_MIN;
	s->is_socket = config->is_socket;
	s->resets = config->resets;
	weir__loop_retain(loop);
	rc = open_ports(s, config);
	if (rc < 0) {
		unmake(s);
		return rc;
	}
	if (rd(s))
		s->base.source = &s->source;
	if (wr(s)) {
		s->base.sink = &s->valve.base;
		s->base.valve = &s->valve;
		watch(s, wr(s));
	}
	s->base.half_closes = s->is_socket || rd(s) != wr(s);
	*out = &s->base;
	return 0;
}
