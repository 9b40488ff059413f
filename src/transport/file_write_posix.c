/* SPDX-License-Identifier: MIT */
/*
 * The sink of a file: a valve whose drain is writev(2), at most a quantum a turn.  What
 * may take long -- emptying an old file, syncing, renaming, closing -- a worker does, but
 * for what is small.
 *
 * A write to the page cache is fast until the kernel has too much of it to bring to a
 * slow disk; then it makes writers wait, and nothing tells beforehand.  So after a write
 * that took long, workers write, until one of them finds it fast again.  Such bytes stay
 * at the front of the valve's queue, and are counted as held, until they are written.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "engine/loop_priv.h"
#include "engine/path.h"
#include "transport/file_priv.h"

/* One system call writes at most so much, so that time is looked at in between. */
#define PIECE_MAX ((size_t)1 << 20)

/* To commit a file of so many bytes, over one of so many, waits for no data: it is as quick
 * as opening it was, and much quicker than the first start of a worker. */
#define SMALL ((uint64_t)64 << 10)

uint64_t weir__file_slow_ns = 10 * WEIR_NS_PER_MS;

enum job { JOB_PREPARE, JOB_WRITE, JOB_COMMIT, JOB_DISCARD };

/*
 * Invariants  `busy`: a worker has `target`, `work`, `work_rc`, `loan` and `written`.
 *             `let_go`: the target has been, or is being, committed or discarded.
 *             The first `written` bytes of the valve's queue are in the file already.
 */
struct weir__file_sink {
	struct weir_valve valve;
	struct weir_loop *loop;
	struct weir__file_target target;
	struct weir_task more;    /* write on, next turn */
	struct weir_task release; /* of the memory */
	uv_work_t work;
	enum job job;
	int work_rc;
	uint64_t turn; /* in which `spent` bytes were written */
	size_t spent;
	struct weir_chunk loan[WEIR_DRAIN_MAX]; /* references, for the worker */
	size_t loans;
	size_t written;
	int write_rc; /* of the worker's write, behind `written` */
	bool slow;    /* workers write */
	void (*on_finished)(void *arg);
	void *on_finished_arg;
	atomic_bool given_up;
	bool busy;
	bool let_go;
	bool closed;
};

static struct weir__file_sink *sink_from_valve(struct weir_valve *v)
{
	return (struct weir__file_sink *)v;
}

/* Write up to `max` bytes behind the first `skip`, in one call.
 * Returns the bytes written, or a negated errno. */
static int64_t write_some(int fd, const struct weir_chunk *chunks, size_t count, size_t skip,
			  size_t max)
{
	struct iovec iov[WEIR_DRAIN_MAX];
	int used = 0;
	ssize_t n;

	if (max > PIECE_MAX)
		max = PIECE_MAX;
	for (size_t i = 0; i < count && max > 0; i++) {
		size_t len = chunks[i].len;

		if (skip >= len) {
			skip -= len;
			continue;
		}
		len -= skip;
		if (len > max)
			len = max;
		iov[used].iov_base = (void *)(uintptr_t)(chunks[i].data + skip);
		iov[used++].iov_len = len;
		max -= len;
		skip = 0;
	}
	do
		n = writev(fd, iov, used);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return -EIO; /* neither a byte nor a reason: it would be so for ever */
	return n < 0 ? -errno : n;
}

static size_t count_bytes(const struct weir_chunk *chunks, size_t count)
{
	size_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += chunks[i].len;
	return sum;
}

/* ---- what a worker does ---- */

static int write_loan(struct weir__file_sink *s)
{
	size_t total = count_bytes(s->loan, s->loans);
	uint64_t start = uv_hrtime();
	int64_t n = 0;

	while (n >= 0 && s->written < total && !atomic_load(&s->given_up)) {
		n = write_some(s->target.fd, s->loan, s->loans, s->written, SIZE_MAX);
		if (n > 0)
			s->written += (size_t)n;
	}
	s->slow = uv_hrtime() - start >= weir__file_slow_ns / 4;
	return n < 0 ? (int)n : 0;
}

static void run_job(uv_work_t *work)
{
	struct weir__file_sink *s = work->data;

	s->work_rc = 0;
	switch (s->job) {
	case JOB_PREPARE:
		s->work_rc = weir__file_target_prepare(&s->target);
		break;
	case JOB_WRITE:
		s->work_rc = write_loan(s);
		break;
	case JOB_COMMIT:
		s->work_rc = weir__file_target_commit(&s->target, &s->given_up);
		break;
	case JOB_DISCARD:
		weir__file_target_discard(&s->target);
		break;
	}
}

static void on_job_done(uv_work_t *work, int status);

/* Whether the loop itself may commit.  A file with a temporary name is on a file system that
 * is none of the usual local ones; closing it may send all of it to a server. */
static bool commits_quickly(const struct weir__file_sink *s)
{
	const struct weir__file_target *t = &s->target;

	return weir__file_target_is_new(t) && !t->temp && !t->sync && !s->slow &&
	       weir__file_slow_ns > 0 && s->valve.in <= SMALL && t->replaces <= SMALL;
}

static void start_job(struct weir__file_sink *s, enum job job)
{
	assert(!s->busy);
	s->job = job;
	s->busy = true;
	s->let_go |= job == JOB_COMMIT || job == JOB_DISCARD;
	s->work.data = s;
	if (job == JOB_COMMIT && commits_quickly(s)) {
		run_job(&s->work);
		on_job_done(&s->work, 0);
		return;
	}
	uv_queue_work(s->loop->uv, &s->work, run_job, on_job_done);
}

static void discard(struct weir__file_sink *s)
{
	atomic_store(&s->given_up, true);
	weir_task_cancel(&s->more);
	if (!s->busy && !s->let_go)
		start_job(s, JOB_DISCARD);
}

static void free_sink(struct weir__file_sink *s)
{
	struct weir_loop *loop = s->loop;

	weir_valve_fini(&s->valve);
	free(s);
	weir__loop_release(loop);
}

static void on_prepared(struct weir__file_sink *s)
{
	if (s->valve.life == WEIR_ENDED) {
		discard(s);
	} else if (s->work_rc < 0) {
		discard(s);
		weir_valve_die(&s->valve, s->work_rc);
	} else {
		weir_valve_ready(&s->valve);
	}
}

static void on_written(struct weir__file_sink *s)
{
	for (size_t i = 0; i < s->loans; i++)
		weir_chunk_unref(&s->loan[i]);
	s->loans = 0;
	s->write_rc = s->work_rc;
	if (s->valve.life == WEIR_ENDED)
		discard(s);
	else
		weir_valve_ready(&s->valve);
}

static void on_committed(struct weir__file_sink *s)
{
	if (s->valve.life == WEIR_FLUSHING && s->work_rc == 0 && s->on_finished)
		s->on_finished(s->on_finished_arg);
	weir_valve_done(&s->valve, s->work_rc);
}

static void on_job_done(uv_work_t *work, int status)
{
	struct weir__file_sink *s = work->data;

	(void)status; /* never cancelled: what was begun must be put in order */
	s->busy = false;
	if (s->job == JOB_PREPARE)
		on_prepared(s);
	else if (s->job == JOB_WRITE)
		on_written(s);
	else if (s->job == JOB_COMMIT)
		on_committed(s);
	if (s->closed && !s->busy && s->let_go)
		weir_task_queue(&s->loop->ctx, &s->release);
}

/* ---- a valve ---- */

/* Have a worker write what is behind the first `skip` bytes. */
static void lend(struct weir__file_sink *s, const struct weir_chunk *chunks, size_t count,
		 size_t skip)
{
	for (size_t i = 0; i < count; i++) {
		struct weir_chunk part;

		if (skip >= chunks[i].len) {
			skip -= chunks[i].len;
			continue;
		}
		part = weir_chunk_ref(&chunks[i]);
		part.data += skip;
		part.len -= skip;
		skip = 0;
		s->loan[s->loans++] = part;
	}
	start_job(s, JOB_WRITE);
}

/* Bytes that may still be written in this turn. */
static size_t left_of_turn(struct weir__file_sink *s)
{
	size_t quantum = s->loop->ctx.quantum;

	if (s->turn != s->loop->ctx.turn) {
		s->turn = s->loop->ctx.turn;
		s->spent = 0;
	}
	return s->spent < quantum ? quantum - s->spent : 0;
}

/* Write from the loop, until the turn's quantum or patience is spent.
 * Returns the bytes written, or a negated errno if there was none. */
static int64_t write_now(struct weir__file_sink *s, const struct weir_chunk *chunks, size_t count,
			 size_t offered)
{
	size_t taken = 0;
	size_t left;

	while (taken < offered && (left = left_of_turn(s)) > 0 && !s->slow) {
		uint64_t start = uv_hrtime();
		int64_t n = write_some(s->target.fd, chunks, count, taken, left);

		/* After some bytes a failure waits: the next call meets it again. */
		if (n < 0)
			return taken ? (int64_t)taken : n;
		taken += (size_t)n;
		s->spent += (size_t)n;
		s->slow = uv_hrtime() - start >= weir__file_slow_ns;
	}
	return (int64_t)taken;
}

static int64_t sink_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct weir__file_sink *s = sink_from_valve(v);
	size_t offered = count_bytes(chunks, count);
	int64_t n;

	if (s->busy)
		return 0;
	if (s->target.pending) {
		start_job(s, JOB_PREPARE);
		return 0;
	}
	n = (int64_t)s->written;
	s->written = 0;
	if (n == 0 && s->write_rc == 0 && !s->slow)
		n = write_now(s, chunks, count, offered);
	else if (n == 0 && s->write_rc < 0)
		n = s->write_rc;
	if (n < 0) {
		discard(s);
		return n;
	}
	/* What does not come from the queue has to get there before it can be lent. */
	if (s->slow && s->write_rc == 0 && v->queue.bytes && (size_t)n < offered)
		lend(s, chunks, count, (size_t)n);
	else if ((size_t)n < offered)
		weir_task_queue(&s->loop->ctx, &s->more);
	return n;
}

static bool sink_carries(struct weir_valve *v, struct weir_carry *carry)
{
	(void)v;
	return weir__path_serves(carry, WEIR_CARRY_FILE);
}

static int64_t sink_carry(struct weir_valve *v, struct weir_carry *carry)
{
	struct weir__file_sink *s = sink_from_valve(v);
	size_t left = left_of_turn(s);
	uint64_t start;
	int64_t n;

	if (s->target.pending && !s->busy)
		start_job(s, JOB_PREPARE);
	if (s->slow || s->written || s->write_rc) {
		carry->soon = true;
		return weir_carry_refuse(carry, "file", "is slow, and written by a worker");
	}
	if (left == 0)
		weir_task_queue(&s->loop->ctx, &s->more);
	if (s->busy || left == 0) {
		carry->next = WEIR_CARRY_FULL;
		return 0;
	}
	if (carry->max > left)
		carry->max = left;
	start = uv_hrtime();
	n = weir__path_move(s->loop, carry, v, WEIR_CARRY_FILE, s->target.fd);
	s->slow = uv_hrtime() - start >= weir__file_slow_ns;
	if (n < 0)
		discard(s);
	else
		s->spent += (size_t)n;
	return n;
}

static void run_more(struct weir_task *task)
{
	struct weir__file_sink *s =
		(struct weir__file_sink *)((char *)task - offsetof(struct weir__file_sink, more));

	weir_valve_ready(&s->valve);
}

static void sink_end(struct weir_valve *v, int why)
{
	struct weir__file_sink *s = sink_from_valve(v);

	if (why == 0)
		start_job(s, JOB_COMMIT);
	else
		discard(s);
}

static const struct weir_valve_ops sink_ops = {
	.name = "file",
	.drain = sink_drain,
	.end = sink_end,
	.carries = sink_carries,
	.carry = sink_carry,
};

static void run_release(struct weir_task *task)
{
	free_sink((struct weir__file_sink *)((char *)task -
					     offsetof(struct weir__file_sink, release)));
}

int weir__file_sink_create(struct weir_loop *loop, const struct weir__file_target *target,
			   struct weir__file_sink **out)
{
	struct weir__file_sink *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	weir_valve_init(&s->valve, &sink_ops, &loop->ctx);
	s->loop = loop;
	s->target = *target;
	s->more.run = run_more;
	s->release.run = run_release;
	atomic_init(&s->given_up, false);
	weir__loop_retain(loop);
	*out = s;
	return 0;
}

void weir__file_sink_abandon(struct weir__file_sink *s)
{
	free_sink(s);
}

struct weir_valve *weir__file_sink_valve(struct weir__file_sink *s)
{
	return &s->valve;
}

void weir__file_sink_on_finished(struct weir__file_sink *s, void (*fn)(void *arg), void *arg)
{
	s->on_finished = fn;
	s->on_finished_arg = arg;
}

void weir__file_sink_close(struct weir__file_sink *s)
{
	assert(!s->closed);
	s->closed = true;
	s->on_finished = NULL;
	weir_valve_fini(&s->valve);
	discard(s);
	if (!s->busy)
		weir_task_queue(&s->loop->ctx, &s->release);
}
