/* SPDX-License-Identifier: MIT */
/*
 * The source of a file.  A turn reads at most a quantum, into the loop's scratch, with
 * RWF_NOWAIT, which gives only what the page cache has.  What it has not is read by a
 * worker thread into a buffer of our own, which the next turns give on; the worker asks
 * the kernel to go on reading, so that the turns after find the page cache filled.
 *
 * Where the kernel does not know RWF_NOWAIT for a file: a file system in memory is read
 * directly, any other one by workers only.
 *
 * What is to be given may be in pieces, some of which are text that stands between parts
 * of the file.  Registered as a pull producer it gives one chunk a resume, in place of
 * what a turn gives.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "engine/loop_priv.h"
#include "engine/path.h"
#include "transport/file_priv.h"

/* A worker's read, and how far it asks the kernel to read on. */
#define AHEAD_MIN ((size_t)64 << 10)
#define AHEAD_MAX ((size_t)1 << 20)
#define AHEAD_HINT ((uint64_t)4 << 20)

/* A turn that has taken so long is over, whatever is left of the quantum. */
#define PATIENCE_NS WEIR_NS_PER_MS

/* The smallest read-ahead, which a spent budget cannot prevent and which it is not
 * charged for: the flow must go on. */
#define AHEAD_LAST ((size_t)4096)

/*
 * Invariants  `busy`: a worker reads at `offset` into `ahead`, and nobody else touches
 *             that, `fd` or `work`.  Else `ahead`, if there, has the bytes at `offset`.
 *             The task is queued while flowing, registered and not busy.
 */
struct weir__file_source {
	struct weir_producer base;
	struct weir_loop *loop;
	struct weir_task task;    /* the next slice */
	struct weir_task release; /* of the memory */
	uv_work_t work;
	int fd; /* -1 after the end */
	const unsigned char *text; /* of the piece that is being given; NULL: it is the file's */
	uint64_t offset;           /* of the next byte, in the text or the file */
	uint64_t start;
	uint64_t wanted; /* bytes of the piece still to give; UINT64_MAX: to the end */
	struct weir__file_piece *pieces; /* owned */
	size_t next_piece, piece_count;
	uint64_t size;   /* of the file when it was opened */
	unsigned char *ahead;
	size_t ahead_cap;     /* bytes allocated */
	size_t ahead_charged; /* of them, charged to the budget */
	size_t ahead_at;      /* bytes already given */
	ssize_t ahead_len;    /* what the worker's read returned */
	int why;              /* of the end */
	uint8_t unasked; /* steps until the file is offered again */
	bool seekable, moves, in_memory;
	bool nowait; /* RWF_NOWAIT works, as far as we know */
	bool flowing;
	bool busy;
	bool giving; /* the consumer is looking at `ahead` */
	bool ended;
	bool closed;
};

static struct weir__file_source *source_from_producer(struct weir_producer *p)
{
	return (struct weir__file_source *)p;
}

static void drop_ahead(struct weir__file_source *s)
{
	free(s->ahead);
	s->ahead = NULL;
	weir_budget_credit(&s->loop->budget, s->ahead_charged);
	s->ahead_charged = 0;
}

/* Whoever shares the descriptor finds it where we stopped giving. */
static void keep_position(const struct weir__file_source *s)
{
	if (s->moves && s->fd >= 0)
		lseek(s->fd, (off_t)s->offset, SEEK_SET);
}

/* Nothing more will be given.  What a worker uses it keeps until it is back. */
static void let_go(struct weir__file_source *s)
{
	s->flowing = false;
	weir_task_cancel(&s->task);
	if (s->busy) {
		uv_cancel((uv_req_t *)&s->work);
		return;
	}
	if (!s->giving)
		drop_ahead(s);
	keep_position(s);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static void end(struct weir__file_source *s, int why)
{
	s->ended = true;
	s->why = why;
	let_go(s);
	weir_producer_end(&s->base, why);
}

/* The file has no byte at `offset`.  Is that the end of what was asked for? */
static int judge_end(const struct weir__file_source *s)
{
	struct stat st;

	if (s->wanted != UINT64_MAX)
		return WEIR_ETRUNCATED;
	if (!s->seekable || fstat(s->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	/* It shrank while it was read, or the range begins behind its end. */
	if ((uint64_t)st.st_size < s->size && s->offset < s->size)
		return WEIR_ETRUNCATED;
	if (s->offset == s->start && s->start > (uint64_t)st.st_size && s->start > 0)
		return WEIR_ETRUNCATED;
	return 0;
}

/* ---- the worker's read ---- */

static void read_ahead(uv_work_t *work)
{
	struct weir__file_source *s = work->data;
	uint64_t hint = s->wanted < AHEAD_HINT ? s->wanted : AHEAD_HINT;

	if (s->seekable && hint > s->ahead_cap)
		posix_fadvise(s->fd, (off_t)s->offset, (off_t)hint, POSIX_FADV_WILLNEED);
	do {
		s->ahead_len = s->seekable
				       ? pread(s->fd, s->ahead, s->ahead_cap, (off_t)s->offset)
				       : read(s->fd, s->ahead, s->ahead_cap);
	} while (s->ahead_len < 0 && errno == EINTR);
	if (s->ahead_len < 0)
		s->ahead_len = -errno;
}

static void free_source(struct weir__file_source *s)
{
	struct weir_loop *loop = s->loop;

	free(s->pieces);
	free(s);
	weir__loop_release(loop);
}

static void go_on(struct weir__file_source *s)
{
	if (s->base.mode == WEIR_PUSH)
		weir_task_queue(&s->loop->ctx, &s->task);
	else if (s->base.consumer)
		weir_consumer_wake(s->base.consumer);
}

static void on_read_ahead(uv_work_t *work, int status)
{
	struct weir__file_source *s = work->data;

	s->busy = false;
	if (status < 0) /* cancelled, so we are ended */
		s->ahead_len = 0;
	if (s->ended)
		let_go(s);
	if (s->closed)
		free_source(s);
	else if (s->flowing || (s->ended && s->base.consumer))
		go_on(s);
}

static int start_ahead(struct weir__file_source *s, size_t room)
{
	size_t len = room < AHEAD_MIN ? AHEAD_MIN : room;
	size_t spare = weir_budget_room(&s->loop->budget);

	if (len > AHEAD_MAX)
		len = AHEAD_MAX;
	if (len > s->wanted)
		len = (size_t)s->wanted;
	if (len > spare)
		len = spare;
	if (len >= AHEAD_LAST && weir_budget_charge(&s->loop->budget, len))
		s->ahead_charged = len;
	else
		len = s->wanted < AHEAD_LAST ? (size_t)s->wanted : AHEAD_LAST;
	s->ahead = malloc(len);
	if (!s->ahead) {
		drop_ahead(s);
		return -ENOMEM;
	}
	s->ahead_cap = len;
	s->ahead_at = 0;
	s->work.data = s;
	s->busy = true;
	uv_queue_work(s->loop->uv, &s->work, read_ahead, on_read_ahead);
	return 0;
}

/* ---- a slice ---- */

/* Give `len` bytes on.  Returns `len`, or 0 if that was the last we can do now. */
static size_t give(struct weir__file_source *s, const unsigned char *data, size_t len)
{
	int rc;

	s->giving = true;
	rc = weir_consumer_write(s->base.consumer, data, len);
	s->giving = false;
	if (s->ended)
		drop_ahead(s);
	if (rc == WEIR_EFULL && (!s->flowing || s->base.mode == WEIR_PULL) &&
	    (s->seekable || s->ahead))
		return 0; /* the budget, which somebody else used up: once more at resume */
	if (rc < 0) {
		/* A consumer that died has told us; one that refuses has not. */
		if (s->base.consumer)
			end(s, rc);
		return 0;
	}
	s->offset += len;
	if (s->wanted != UINT64_MAX)
		s->wanted -= len;
	return len;
}

static size_t give_ahead(struct weir__file_source *s, size_t max)
{
	size_t left, n;

	if (s->ahead_len <= 0) {
		end(s, s->ahead_len < 0 ? (int)s->ahead_len : judge_end(s));
		return 0;
	}
	left = (size_t)s->ahead_len - s->ahead_at;
	n = give(s, s->ahead + s->ahead_at, left < max ? left : max);
	s->ahead_at += n;
	if (s->ahead && s->ahead_at == (size_t)s->ahead_len)
		drop_ahead(s);
	return n;
}

/* Read what can be read without waiting.  Returns the count; 0 at the end of the file;
 * -EAGAIN if a worker must read; another negated errno. */
static ssize_t read_now(struct weir__file_source *s, void *data, size_t len)
{
	struct iovec iov = {.iov_base = data, .iov_len = len};
	struct stat st;
	ssize_t n;

	do {
		if (!s->nowait && !s->in_memory)
			return -EAGAIN;
		n = preadv2(s->fd, &iov, 1, s->seekable ? (off_t)s->offset : -1,
			    s->nowait ? RWF_NOWAIT : 0);
		if (n < 0 && s->nowait &&
		    (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)) {
			s->nowait = false;
			errno = EINTR;
		}
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	/* Linux 5.9 and 5.10 say 0 for what is not in the page cache; see preadv2(2). */
	if (n == 0 && s->nowait && s->seekable && fstat(s->fd, &st) == 0 &&
	    (uint64_t)st.st_size > s->offset)
		return -EAGAIN;
	return n;
}

static size_t give_direct(struct weir__file_source *s, unsigned char *scratch, size_t room)
{
	ssize_t n = read_now(s, scratch, room);
	int rc = 0;

	if (n > 0)
		return give(s, scratch, (size_t)n);
	if (n == -EAGAIN)
		rc = start_ahead(s, room);
	if (rc < 0)
		end(s, rc);
	else if (n != -EAGAIN)
		end(s, n < 0 ? (int)n : judge_end(s));
	return 0;
}

static bool can_give(const struct weir__file_source *s)
{
	return s->flowing && !s->busy && !s->ended && s->base.consumer;
}

/* The consumer may have the kernel move the bytes, as far as no disk has to be waited for.
 * False: they are to be read. */
static bool offer(struct weir__file_source *s, size_t max, size_t *moved)
{
	struct weir_carry carry = {
		.fd = s->fd,
		.kind = WEIR_CARRY_FILE,
		.offset = s->offset,
		.max = max < WEIR__PATH_STEP ? max : WEIR__PATH_STEP,
	};
	int64_t n;

	/* The end is for reading to find, and so is what has no size. */
	if (!s->seekable || s->text || s->ahead || s->offset >= s->size)
		return false;
	if (carry.max >= s->size - s->offset) {
		carry.max = (size_t)(s->size - s->offset);
		carry.last = true;
	}
	carry.last |= carry.max == s->wanted;
	if (s->unasked > 0) {
		s->unasked--;
		return false;
	}
	if (!s->in_memory && !weir__path_in_cache(s->fd, s->offset, carry.max))
		return false;
	n = weir_consumer_carry(s->base.consumer, &carry);
	if (n < 0) {
		if (s->base.consumer)
			end(s, (int)n);
		return true;
	}
	if (carry.next == WEIR_CARRY_WRITE && !carry.soon)
		s->unasked = WEIR__UNASKED;
	*moved = (size_t)n;
	s->offset += (uint64_t)n;
	if (s->wanted != UINT64_MAX)
		s->wanted -= (uint64_t)n;
	return n > 0 || carry.next == WEIR_CARRY_FULL;
}

/* How much of `max` the file had when it was opened: more is no reason for a larger buffer. */
static size_t worth_a_buffer(const struct weir__file_source *s, size_t max)
{
	uint64_t left = s->offset < s->size ? s->size - s->offset : 0;

	return s->seekable && left < max ? (size_t)left : max;
}

/* One read or one part of what was read ahead, of at most `max` bytes.  Returns the bytes
 * that went; 0 if there is nothing more to do in this turn. */
static size_t step(struct weir__file_source *s, size_t max)
{
	unsigned char *scratch = NULL;
	size_t size = SIZE_MAX;
	size_t moved = 0;
	size_t room;

	if (max > s->wanted)
		max = (size_t)s->wanted;
	if (offer(s, max, &moved))
		return moved;
	room = weir_consumer_room(s->base.consumer);
	if (room == 0 || !can_give(s))
		return 0;
	if (room < max)
		max = room;
	if (s->text)
		return give(s, s->text + s->offset, max);
	/* This may charge the budget, so that there is less room than before. */
	if (!s->ahead)
		scratch = weir__loop_scratch(s->loop, worth_a_buffer(s, max), &size);
	if (!s->ahead && !scratch) {
		end(s, -ENOMEM);
		return 0;
	}
	room = weir_consumer_room(s->base.consumer);
	if (room > max)
		room = max;
	if (room > size)
		room = size;
	if (room == 0 || !can_give(s))
		return 0;
	return s->ahead ? give_ahead(s, room) : give_direct(s, scratch, room);
}

/* Go on to the next piece, if this one has been given, or end. */
static void turn_page(struct weir__file_source *s)
{
	while (s->wanted == 0 && s->next_piece < s->piece_count) {
		const struct weir__file_piece *piece = &s->pieces[s->next_piece++];

		s->text = piece->text;
		s->offset = piece->offset;
		s->wanted = piece->len;
	}
	if (s->wanted == 0 && !s->ended)
		end(s, 0);
}

/* Give one chunk of at most `max` bytes; the end follows the last one at once.  Returns
 * the bytes that went; 0 if there is nothing more to do now. */
static size_t give_one(struct weir__file_source *s, size_t max)
{
	size_t n = 0;

	turn_page(s);
	if (can_give(s))
		n = step(s, max);
	turn_page(s);
	return n;
}

static void produce(struct weir_task *task)
{
	struct weir__file_source *s =
		(struct weir__file_source *)((char *)task -
					     offsetof(struct weir__file_source, task));
	size_t left = s->loop->ctx.quantum;
	uint64_t start = uv_hrtime();

	if (s->ended) {
		/* Registered again after its end. */
		weir_producer_end(&s->base, s->why);
		return;
	}
	while (left > 0 && can_give(s)) {
		size_t n = give_one(s, left);

		left -= n;
		if (n == 0 || uv_hrtime() - start >= PATIENCE_NS)
			break;
	}
	keep_position(s);
	if (can_give(s))
		weir_task_queue(&s->loop->ctx, &s->task);
}

/* ---- a producer ---- */

static void flow(struct weir_producer *p)
{
	struct weir__file_source *s = source_from_producer(p);

	s->flowing = true;
	if (p->mode == WEIR_PUSH && (!s->busy || s->ended))
		weir_task_queue(&s->loop->ctx, &s->task);
}

static void source_start(struct weir_producer *p)
{
	source_from_producer(p)->unasked = 0;
	flow(p);
}

static void source_resume(struct weir_producer *p)
{
	struct weir__file_source *s = source_from_producer(p);

	if (p->mode == WEIR_PUSH) {
		flow(p);
	} else if (s->ended) { /* registered again after its end */
		weir_producer_end(p, s->why);
	} else {
		give_one(s, s->loop->ctx.quantum);
		keep_position(s);
	}
}

static void source_pause(struct weir_producer *p)
{
	struct weir__file_source *s = source_from_producer(p);

	s->flowing = false;
	weir_task_cancel(&s->task);
}

static void source_stop(struct weir_producer *p, int why)
{
	struct weir__file_source *s = source_from_producer(p);

	if (s->ended)
		return;
	s->ended = true;
	s->why = why;
	let_go(s);
}

static const struct weir_producer_ops source_ops = {
	.name = "file",
	.start = source_start,
	.pause = source_pause,
	.resume = source_resume,
	.stop = source_stop,
};

static void run_release(struct weir_task *task)
{
	free_source((struct weir__file_source *)((char *)task -
						 offsetof(struct weir__file_source, release)));
}

int weir__file_source_create(struct weir_loop *loop,
			     const struct weir__file_source_config *config,
			     struct weir__file_source **out)
{
	struct weir__file_source *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	weir_producer_init(&s->base, &source_ops, config->mode);
	s->loop = loop;
	s->task.run = produce;
	s->release.run = run_release;
	s->fd = config->fd;
	s->offset = config->offset;
	s->start = config->offset;
	s->wanted = config->wanted;
	s->size = config->size;
	s->seekable = config->seekable;
	s->moves = config->moves;
	s->in_memory = config->in_memory;
	s->pieces = config->pieces;
	s->piece_count = config->piece_count;
	s->nowait = true;
	if (s->seekable)
		posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	weir__loop_retain(loop);
	*out = s;
	return 0;
}

struct weir_producer *weir__file_source_producer(struct weir__file_source *s)
{
	return &s->base;
}

void weir__file_source_close(struct weir__file_source *s)
{
	assert(!s->closed && !s->base.consumer);
	s->ended = true;
	s->closed = true;
	s->why = WEIR_ECLOSED;
	let_go(s);
	if (!s->busy)
		weir_task_queue(&s->loop->ctx, &s->release);
}
