/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ENGINE_RING_H
#define WEIR_ENGINE_RING_H
/*
 * ring.h -- one io_uring nested in the loop: its descriptor is polled like any other.
 *
 * What is asked for is submitted at once for all before the loop sleeps, and what has
 * completed is told from inside the loop.  Needs Linux 6.0; each feature beyond that is
 * asked for when it is first used, and done without if the kernel has not got it.
 *
 * Lifetime  A target, and the memory that it lends, stay until the last completion of what
 *           it has asked for has been told, cancelled or not.
 * Threads   The loop's.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weir_loop;
struct weir__ring;

/* Who gets completions; aligned to 8 at least. */
struct weir__ring_target {
	/*
	 * `op`    the number, below 8, that the caller gave the operation
	 * `res`   as the system call would have returned, negative: -errno
	 * `more`  the same operation will complete again
	 * `id`    the provided buffer with the bytes, which is the callee's until
	 *         weir__ring_return(); WEIR__RING_NONE without one
	 */
	void (*done)(struct weir__ring_target *t, unsigned op, int res, bool more, unsigned id);
};

#define WEIR__RING_NONE 0xffffu
#define WEIR__RING_SETTLE 7u

/* Bytes of a provided buffer. */
#define WEIR__RING_BUFFER ((size_t)2 << 10)

/* The loop's ring, made when it is first asked for.  NULL: there is none to be had, or the loop
 * was told to do without. */
struct weir__ring *weir__loop_ring(struct weir_loop *loop);

/* Make and release it, for the loop: 0 or a negative code. */
int weir__ring_create(struct weir_loop *loop, struct weir__ring **out);
void weir__ring_destroy(struct weir__ring *ring);

/* ---- operations: each completes, once or until `more` is false ---- */

/* When one of the poll(2) events is there; errors, hang-ups and the peer's end of writing
 * (POLLRDHUP) are told unasked.  Once, or (`again`) at first and whenever one of them happens. */
void weir__ring_poll(struct weir__ring *ring, struct weir__ring_target *t, unsigned op, int fd,
		     unsigned events, bool again);

/* Again and again into provided buffers; ends with -ENOBUFS when there is none. */
void weir__ring_receive(struct weir__ring *ring, struct weir__ring_target *t, unsigned op, int fd);

/* The bytes stay until it completes. */
void weir__ring_send(struct weir__ring *ring, struct weir__ring_target *t, unsigned op, int fd,
		     const void *data, size_t len);

/* Again and again; the descriptors are non-blocking, and closed on exec. */
void weir__ring_accept(struct weir__ring *ring, struct weir__ring_target *t, unsigned op, int fd);

/* Nothing, in a later turn. */
void weir__ring_nothing(struct weir__ring *ring, struct weir__ring_target *t, unsigned op);

/* Before what was asked for is submitted: what a target wants changes several times in a turn, and
 * only the last is worth asking for; at once if there is no memory to wait.  Its number is
 * WEIR__RING_SETTLE.  Not twice at a time. */
void weir__ring_settle(struct weir__ring *ring, struct weir__ring_target *t);

/* End an operation that may be under way; it completes, with -ECANCELED if this was in time. */
void weir__ring_cancel(struct weir__ring *ring, struct weir__ring_target *t, unsigned op);

/* Submit what was asked for now, rather than before the loop sleeps. */
void weir__ring_flush(struct weir__ring *ring);

/* ---- provided buffers, which are charged to the budget ---- */

/* Whether there are some.  They are made when first asked for. */
bool weir__ring_provides(struct weir__ring *ring);

/* The kernel has refused to fill them: it is too old.  None are provided any more. */
void weir__ring_provide_none(struct weir__ring *ring);

unsigned char *weir__ring_buffer(struct weir__ring *ring, unsigned id);

/* Give a buffer back to the kernel. */
void weir__ring_return(struct weir__ring *ring, unsigned id);

/* A list of buffers that somebody keeps: what follows `id`, WEIR__RING_NONE at first, and
 * how many bytes are in it. */
struct weir__ring_kept {
	uint16_t next;
	uint16_t len;
};

struct weir__ring_kept *weir__ring_kept(struct weir__ring *ring, unsigned id);

#endif
