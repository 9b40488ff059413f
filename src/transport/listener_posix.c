/* SPDX-License-Identifier: MIT */
/*
 * Accepting: when, how many at once, and which errors mean what.  What is listened
 * on is for tcp_posix.c and unix_posix.c.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/loop_priv.h"
#include "transport/net.h"

/* What the ring is asked for. */
enum { ACCEPT, DELIVER };

static void on_acceptable(uv_poll_t *handle, int status, int events);

static void ask(struct weir_listener *l, struct weir__ring *ring, unsigned op)
{
	if (l->under_way & (1u << op))
		return;
	l->under_way |= (uint8_t)(1u << op);
	if (op == ACCEPT)
		weir__ring_accept(ring, &l->target, op, l->fd);
	else
		weir__ring_nothing(ring, &l->target, op);
}

static void watch(struct weir_listener *l)
{
	struct weir__ring *ring = l->polls ? NULL : weir__loop_ring(l->loop);
	int rc;

	if (ring) {
		ask(l, ring, l->keeps ? DELIVER : ACCEPT);
		return;
	}
	rc = uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
	/* Cannot fail: the handle is not closing, and epoll took the descriptor. */
	assert(rc == 0);
	(void)rc;
}

static void unwatch(struct weir_listener *l)
{
	uv_poll_stop(&l->poll);
	if (l->under_way & (1u << ACCEPT))
		weir__ring_cancel(weir__loop_ring(l->loop), &l->target, ACCEPT);
	weir_timer_cancel(&l->loop->ctx, &l->rest);
}

/* The backlog is readable until somebody takes the peer: go away for a while. */
static void rest(struct weir_listener *l)
{
	struct weir_context *ctx = &l->loop->ctx;

	unwatch(l);
	weir_timer_set(ctx, &l->rest, weir_context_now(ctx) + WEIR_ACCEPT_REST_MS * WEIR_NS_PER_MS);
}

static void on_rested(struct weir_timer *timer)
{
	watch((void *)((char *)timer - offsetof(struct weir_listener, rest)));
}

/*
 * Whether an error of accept4(2) is about one peer only, which has been taken off
 * the backlog, so that the next one can be had at once.  Linux passes on errors of
 * the peer's network here (accept(2), "Error handling").
 */
static bool is_about_peer(int error)
{
	switch (error) {
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case EPERM:
	case ENOPROTOOPT:
	case EOPNOTSUPP:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENONET:
	case ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

/* Make a transport of the peer on `fd`, and hand it on. */
static int deliver(struct weir_listener *l, int fd)
{
	struct weir_transport *t;
	/* Those who connect to a UNIX socket have no address; ours says who they are.  Of the
	 * others the kernel knows it. */
	int rc = weir__socket_transport(l->loop, fd, &l->address, &t);

	if (rc) {
		close(fd);
		return rc;
	}
	l->fn(l->arg, t);
	return 0;
}

/* ---- by the poll ---- */

/* Take one peer.  Returns 1; 0 if it was gone already; or a negative code: then
 * there is no use in going on. */
static int accept_one(struct weir_listener *l)
{
	int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int rc;

	if (fd < 0)
		return is_about_peer(errno) ? 0 : -errno;
	rc = deliver(l, fd);
	return rc ? rc : 1;
}

/* The memory of `l` outlives a close from inside the accept callback, since uv
 * closes handles after it has polled. */
static void on_acceptable(uv_poll_t *handle, int status, int events)
{
	struct weir_listener *l = handle->data;
	int rc = 0, gone = 0;

	(void)status; /* an error of the socket is accept4's to tell */
	(void)events;
	for (int n = 0; n < WEIR__ACCEPT_BATCH && rc >= 0 && l->started; n++) {
		rc = accept_one(l);
		gone += rc == 0;
	}
	/* A whole batch of peers that are gone: then it is not about them. */
	if ((rc < 0 && rc != -EAGAIN) || gone == WEIR__ACCEPT_BATCH)
		rest(l);
}

/* ---- by the ring, which may have taken more than one who pauses knows of ---- */

static void keep(struct weir_listener *l, int fd)
{
	int *more = realloc(l->kept, (l->keeps + 1) * sizeof(*more));

	if (!more) {
		close(fd);
		return;
	}
	l->kept = more;
	l->kept[l->keeps++] = fd;
}

static bool is_resting(const struct weir_listener *l)
{
	return l->rest.armed;
}

static void deliver_or_rest(struct weir_listener *l, int fd)
{
	if (deliver(l, fd) < 0 && l->started)
		rest(l);
}

static void deliver_kept(struct weir_listener *l)
{
	unsigned n = 0;

	while (n < l->keeps && l->started && !is_resting(l))
		deliver_or_rest(l, l->kept[n++]);
	l->keeps -= n;
	memmove(l->kept, l->kept + n, l->keeps * sizeof(*l->kept));
}

/* It accepts no more, or not now. */
static void on_refused(struct weir_listener *l, int error)
{
	if (error == EINVAL || error == EAGAIN)
		l->polls = true;
	else if (error != ECANCELED && !is_about_peer(error) && l->started)
		rest(l);
}

static void release(struct weir_listener *l)
{
	struct weir_loop *loop = l->loop;

	free(l->kept);
	free(l);
	weir__loop_release(loop);
}

static void on_done(struct weir__ring_target *t, unsigned op, int res, bool more, unsigned id)
{
	struct weir_listener *l = (void *)((char *)t - offsetof(struct weir_listener, target));

	(void)id;
	if (!more)
		l->under_way &= (uint8_t)~(1u << op);
	if (l->closed) {
		if (op == ACCEPT && res >= 0)
			close(res);
		if (!l->under_way && --l->handles == 0)
			release(l);
		return;
	}
	if (op == DELIVER)
		deliver_kept(l);
	else if (res < 0)
		on_refused(l, -res);
	else if (l->started && !l->keeps && !is_resting(l))
		deliver_or_rest(l, res);
	else
		keep(l, res);
	if (l->started && !is_resting(l))
		watch(l);
}

int weir__listener_init(struct weir_listener *l, struct weir_loop *loop, int fd,
                        void (*on_close)(struct weir_listener *l))
{
	int rc = uv_poll_init(loop->uv, &l->poll, fd);

	if (rc)
		return rc;
	weir__loop_retain(loop);
	l->loop = loop;
	l->poll.data = l;
	l->target.done = on_done;
	l->handles = 1;
	l->polls = true;
	l->rest.run = on_rested;
	l->fd = fd;
	l->on_close = on_close;
	l->address.len = sizeof(l->address.sa);
	if (getsockname(fd, (struct sockaddr *)&l->address.sa, &l->address.len))
		l->address = (struct weir__address){0};
	weir__address_format(&l->address, l->text, sizeof(l->text));
	return 0;
}

void weir_listener_start(struct weir_listener *l, weir_accept_fn *fn, void *arg)
{
	assert(!l->closed);
	l->fn = fn;
	l->arg = arg;
	if (l->started)
		return;
	l->started = true;
	watch(l);
}

void weir_listener_pause(struct weir_listener *l)
{
	assert(!l->closed);
	l->started = false;
	unwatch(l);
}

void weir_listener_accept_ahead(struct weir_listener *l)
{
	assert(!l->started);
	l->polls = false;
}

const char *weir_listener_address(const struct weir_listener *l)
{
	return l->text;
}

int weir_listener_port(const struct weir_listener *l)
{
	return weir__address_port(&l->address);
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct weir_listener *l = handle->data;

	if (--l->handles == 0)
		release(l);
}

void weir_listener_close(struct weir_listener *l)
{
	if (!l)
		return;
	assert(!l->closed);
	l->closed = true;
	l->started = false;
	unwatch(l);
	if (l->on_close)
		l->on_close(l);
	while (l->keeps)
		close(l->kept[--l->keeps]);
	if (l->under_way) {
		/* The kernel keeps the socket until that has ended. */
		l->handles++;
		weir__ring_flush(weir__loop_ring(l->loop));
	}
	uv_close((uv_handle_t *)&l->poll, on_poll_closed);
	close(l->fd);
}
