/* SPDX-License-Identifier: MIT */
/*
 * The sink of a FIFO that has no reader yet.  open(2) would wait for one, in a way that
 * nobody could interrupt; so the opening is tried again from time to time, and what is
 * written meanwhile waits in the valve.  Then it is a pipe.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "engine/loop_priv.h"
#include "transport/file_priv.h"

#define RETRY_NS (20 * WEIR_NS_PER_MS)

struct fifo {
	struct weir_transport base;
	struct weir_valve valve;
	struct weir_loop *loop;
	struct weir_timer retry;  /* of the opening */
	struct weir_task more;    /* write on, next turn */
	struct weir_task release; /* of the memory, without a `poll` to wait for */
	uv_poll_t poll;
	char *path;
	int fd;       /* -1 before the opening and after the end */
	bool watched; /* `poll` is initialised, and not closing */
	bool closing; /* `poll` is */
	bool closed;
};

static struct fifo *fifo_from_valve(struct weir_valve *v)
{
	return (struct fifo *)((char *)v - offsetof(struct fifo, valve));
}

static void free_fifo(struct fifo *f)
{
	struct weir_loop *loop = f->loop;

	weir_valve_fini(&f->valve);
	free(f->path);
	free(f);
	weir__loop_release(loop);
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct fifo *f = handle->data;

	f->closing = false;
	if (f->closed)
		free_fifo(f);
}

static void let_go(struct fifo *f)
{
	weir_timer_cancel(&f->loop->ctx, &f->retry);
	weir_task_cancel(&f->more);
	if (f->watched) {
		f->watched = false;
		f->closing = true;
		uv_close((uv_handle_t *)&f->poll, on_poll_closed);
	}
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

static void die(struct fifo *f, int why)
{
	let_go(f);
	weir_valve_die(&f->valve, why);
}

static void on_event(uv_poll_t *poll, int status, int events);

/* Watch for the reader's end always, for room in the pipe when we wait for that. */
static int watch(struct fifo *f, bool room)
{
	return uv_poll_start(&f->poll, UV_DISCONNECT | (room ? UV_WRITABLE : 0), on_event);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct fifo *f = poll->data;
	int rc = 0;

	if (status < 0 || (events & UV_DISCONNECT)) {
		die(f, -EPIPE);
		return;
	}
	if (events & UV_WRITABLE) {
		rc = watch(f, false);
		if (rc == 0)
			weir_valve_ready(&f->valve);
	}
	if (rc < 0)
		die(f, rc);
}

/* ---- opening ---- */

static void opened(struct fifo *f)
{
	int rc = uv_poll_init(f->loop->uv, &f->poll, f->fd);

	if (rc == 0) {
		f->poll.data = f;
		f->watched = true;
		rc = watch(f, false);
	}
	if (rc < 0) {
		die(f, rc);
	} else if (f->valve.life == WEIR_FLUSHING) { /* it was the empty stream */
		let_go(f);
		weir_valve_done(&f->valve, 0);
	} else {
		weir_valve_ready(&f->valve);
	}
}

static void run_retry(struct weir_timer *timer)
{
	struct fifo *f = (struct fifo *)((char *)timer - offsetof(struct fifo, retry));

	f->fd = open(f->path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (f->fd >= 0)
		opened(f);
	else if (errno == ENXIO || errno == EINTR)
		weir_timer_set(&f->loop->ctx, &f->retry,
			       weir_context_now(&f->loop->ctx) + RETRY_NS);
	else
		die(f, -errno);
}

/* ---- a valve ---- */

static int64_t fifo_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct fifo *f = fifo_from_valve(v);
	struct iovec iov[WEIR_DRAIN_MAX];
	size_t left = f->loop->ctx.quantum;
	size_t offered = 0;
	int used = 0;
	ssize_t n;

	if (f->fd < 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		size_t len = chunks[i].len < left ? chunks[i].len : left;

		offered += chunks[i].len;
		if (len == 0)
			continue;
		iov[used].iov_base = (void *)(uintptr_t)chunks[i].data;
		iov[used++].iov_len = len;
		left -= len;
	}
	do
		n = writev(f->fd, iov, used);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN) {
		int rc = -errno;

		let_go(f);
		return rc;
	}
	if (n < 0)
		n = 0;
	if ((size_t)n < offered && left == 0 && n > 0) {
		weir_task_queue(&f->loop->ctx, &f->more);
	} else if ((size_t)n < offered) {
		int rc = watch(f, true);

		if (rc < 0) {
			let_go(f);
			return rc;
		}
	}
	return n;
}

static void run_more(struct weir_task *task)
{
	struct fifo *f = (struct fifo *)((char *)task - offsetof(struct fifo, more));

	weir_valve_ready(&f->valve);
}

static void fifo_end(struct weir_valve *v, int why)
{
	struct fifo *f = fifo_from_valve(v);

	if (why < 0) {
		let_go(f);
	} else if (f->fd >= 0) {
		let_go(f);
		weir_valve_done(v, 0);
	}
	/* else: the end, too, is for a reader that is to come */
}

static const struct weir_valve_ops fifo_valve_ops = {
	.name = "fifo",
	.drain = fifo_drain,
	.end = fifo_end,
};

/* ---- a transport ---- */

static void run_release(struct weir_task *task)
{
	free_fifo((struct fifo *)((char *)task - offsetof(struct fifo, release)));
}

static void fifo_close(struct weir_transport *t)
{
	struct fifo *f = (struct fifo *)t;

	f->closed = true;
	weir_valve_fini(&f->valve);
	let_go(f);
	if (!f->closing)
		weir_task_queue(&f->loop->ctx, &f->release);
}

static const struct weir_transport_ops fifo_ops = {
	.name = "fifo",
	.close = fifo_close,
	.describe = weir_transport_describe_kind,
};

int weir__fifo_write(struct weir_loop *loop, const char *path, struct weir_transport **out)
{
	struct fifo *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	/* The working directory may be another one by then. */
	f->path = realpath(path, NULL);
	if (!f->path) {
		int rc = -errno;

		free(f);
		return rc;
	}
	weir_transport_init(&f->base, &fifo_ops);
	weir_valve_init(&f->valve, &fifo_valve_ops, &loop->ctx);
	f->loop = loop;
	f->retry.run = run_retry;
	f->more.run = run_more;
	f->release.run = run_release;
	f->fd = -1;
	f->base.has_valve = true;
	f->base.sink = &f->valve.base;
	weir__loop_retain(loop);
	weir_timer_set(&loop->ctx, &f->retry, weir_context_now(&loop->ctx) + RETRY_NS);
	*out = &f->base;
	return 0;
}
