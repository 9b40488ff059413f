/* SPDX-License-Identifier: MIT */
/*
 * Moving the bytes of a descriptor that is ready.  A read goes into the loop's scratch buffer
 * and is written on at once; a write is tried first, and writability watched for only when the
 * descriptor took less.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "engine/path.h"
#include "transport/stream_priv.h"

/* Bytes to ask for in one read.  A socket's peer is woken once for each; a pipe's bytes
 * should still be in the processor's cache when they are written on. */
#define READ_MIN WEIR__STREAM_READ_MIN
#define READ_MAX_PIPE ((uint32_t)128 << 10)

/* What a busy pipe is enlarged to: fewer bytes mean a change of process for each few. */
#define PIPE_SIZE (1 << 20)

/* A write that is at least so long tells of more, before which the socket is asked how much it
 * takes; and one that is shorter than the second of them tells of messages, which do not pay a
 * system call for that. */
#define BULK_MIN WEIR__STREAM_READ_MIN
#define BULK_OVER ((size_t)16 << 10)

/* A file that is longer than this is sent under a cork. */
#define CORK_MIN ((size_t)64 << 10)

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

static ssize_t receive(const struct weir__stream *s, void *data, size_t len)
{
	ssize_t n;

	do {
		n = s->is_socket ? recv(rd(s)->fd, data, len, MSG_DONTWAIT)
				 : read(rd(s)->fd, data, len);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* How much to ask for next: more while reads fill it and the sink keeps up, less when it has
 * paused us or had room for less by far. */
static void adapt(struct weir__stream *s, bool filled, bool kept_up)
{
	if (!kept_up) {
		s->read_size = s->read_size > READ_MIN ? s->read_size / 2 : READ_MIN;
	} else if (filled && s->read_size < (s->is_socket ? WEIR__SCRATCH_MAX : READ_MAX_PIPE)) {
		s->read_size *= 2;
		s->unasked = 0; /* there may be a way for more bytes */
	}
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
		weir__stream_failed(s, s->error ? s->error : -errno);
	if (n == 0)
		weir__stream_eof(s);
	if (n <= 0)
		return false;
	*total += (size_t)n;
	if ((size_t)n >= READ_MIN)
		grow_pipe(s, rd(s));
	if ((size_t)n >= WEIR__STREAM_SHORT)
		s->shorts = 0;
	else if (s->shorts < UINT8_MAX)
		s->shorts++;
	rc = weir_consumer_write(c, data, (size_t)n);
	if (rc < 0 && s->source.consumer)
		weir__stream_source_end(s, rc);
	adapt(s, (size_t)n == s->read_size, wants_read(s) && room > s->read_size / 2);
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
		.crowd = s->read_size > READ_MIN ? loop_of(s)->crowd : 0,
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
	if (n > 0)
		adapt(s, (size_t)n >= s->read_size, (size_t)n >= READ_MIN);
	if (carry.next == WEIR_CARRY_END)
		weir__stream_eof(s);
	else if (carry.next == WEIR_CARRY_BROKEN)
		weir__stream_failed(s, carry.error);
	else if (carry.next == WEIR_CARRY_WRITE && !carry.soon)
		s->unasked = WEIR__UNASKED;
	return carry.next;
}

/* Read until there is no more, the consumer has enough, or the turn is over. */
static void read_some(struct weir__stream *s)
{
	struct weir_loop *loop = loop_of(s);
	size_t total = 0;
	bool more = true;

	while (more && wants_read(s) && total < loop->ctx.quantum) {
		struct weir_consumer *c = s->source.consumer;
		enum weir_carry_next next = offer(s, &total);

		if (next == WEIR_CARRY_WRITE && wants_read(s))
			more = read_once(s, c, &total);
		else
			more = next == WEIR_CARRY_MORE;
	}
	loop->crowding += total > READ_MIN;
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
	weir__stream_part(s);
}

/* ---- writing ---- */

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

static void note_length(struct weir__stream *s, size_t len)
{
	if (len >= BULK_MIN)
		s->bulk = true;
	else if (len < BULK_OVER)
		s->bulk = false;
}

/* Of TCP: what the send buffer may still be filled with, and a little on top: what is left of that
 * tells that it is full, and no read has to be made to find that out.  (A UNIX socket's buffer is
 * always small, and chunks that fit would be too.) */
size_t weir__stream_space(struct weir_valve *v)
{
	const struct weir__stream *s = stream_from_valve(v);
	uint32_t mem[SK_MEMINFO_VARS] = {0};
	socklen_t size = sizeof(mem);
	size_t queued, most;

	if (!s->resets)
		return SIZE_MAX;
	if (!s->bulk)
		return BULK_MIN;
	if (getsockopt(wr(s)->fd, SOL_SOCKET, SO_MEMINFO, mem, &size) < 0)
		return SIZE_MAX;
	queued = mem[SK_MEMINFO_WMEM_QUEUED];
	most = mem[SK_MEMINFO_SNDBUF];
	return (most > queued ? most - queued : 0) + BULK_MIN;
}

static void wait_for_room(struct weir__stream *s)
{
	grow_pipe(s, wr(s));
	s->valve.blocked = true;
	watch(s, wr(s));
}

int64_t weir__stream_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct weir__stream *s = stream_from_valve(v);
	size_t offered = 0;
	ssize_t n;

	do {
		n = transmit(s, chunks, count);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return weir__stream_learn(s, -errno);
	if (n < 0)
		n = 0;
	for (size_t i = 0; i < count; i++)
		offered += chunks[i].len;
	if ((size_t)n < offered)
		wait_for_room(s);
	note_length(s, offered);
	cork(s, false);
	return n;
}

bool weir__stream_carries(struct weir_valve *v, struct weir_carry *carry)
{
	const struct weir__stream *s = stream_from_valve(v);

	if (wr(s)->kind != WEIR_CARRY_KINDS)
		return weir__path_serves(carry, (enum weir_carry_kind)wr(s)->kind);
	weir_carry_refuse(carry, "device", "has to be written to");
	return false;
}

int64_t weir__stream_carry(struct weir_valve *v, struct weir_carry *carry)
{
	struct weir__stream *s = stream_from_valve(v);
	int64_t n;

	if (carry->kind == WEIR_CARRY_FILE && !(carry->last && carry->max <= CORK_MIN))
		cork(s, true);
	n = weir__path_move(loop_of(s), carry, v, (enum weir_carry_kind)wr(s)->kind, wr(s)->fd);
	if (n < 0)
		return weir__stream_learn(s, (int)n);
	if (carry->kind == WEIR_CARRY_SOCKET)
		note_length(s, (size_t)n);
	if (carry->next == WEIR_CARRY_FULL)
		wait_for_room(s);
	else if (carry->next != WEIR_CARRY_MORE || (carry->last && (size_t)n == carry->max))
		cork(s, false);
	return n;
}

/* ---- events ---- */

int weir__stream_wanted(const struct weir__stream *s, const struct port *port)
{
	int events = 0;

	if (port == rd(s) && wants_read(s))
		events |= UV_READABLE;
	if (port == wr(s) && s->valve.blocked && sink_open(s))
		events |= UV_WRITABLE;
	if (!events && s->hung < 2 && port == wr(s) && sink_cares(s))
		events = s->hung == 0 ? UV_DISCONNECT : UV_PRIORITIZED;
	return events;
}

void weir__stream_event(struct weir__stream *s, struct port *port, int events, bool failed)
{
	/* An error comes with nothing watched any more. */
	bool hung = failed || (events & (UV_DISCONNECT | UV_PRIORITIZED));

	if (failed) {
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
		weir__stream_hung(s, port);
	watch_all(s);
}
