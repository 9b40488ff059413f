/* SPDX-License-Identifier: MIT */
/*
 * Accepting: when, how many at once, and which errors mean what.  What is listened
 * on is for tcp.c and unix.c.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/loop_priv.h"
#include "transport/net.h"

static void on_acceptable(uv_poll_t *handle, int status, int events);

static void watch(struct weir_listener *l)
{
	int rc = uv_poll_start(&l->poll, UV_READABLE, on_acceptable);

	/* Cannot fail: the handle is not closing, and epoll took the descriptor. */
	assert(rc == 0);
	(void)rc;
}

static void unwatch(struct weir_listener *l)
{
	uv_poll_stop(&l->poll);
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
static int deliver(struct weir_listener *l, int fd, struct weir__address *peer)
{
	struct weir_transport *t;
	int rc;

	/* Those who connect to a UNIX socket have no address; ours says who they are. */
	if (l->address.sa.ss_family == AF_UNIX)
		*peer = l->address;
	rc = weir__socket_transport(l->loop, fd, peer, &t);
	if (rc) {
		close(fd);
		return rc;
	}
	l->fn(l->arg, t);
	return 0;
}

/* Take one peer.  Returns 1; 0 if it was gone already; or a negative code: then
 * there is no use in going on. */
static int accept_one(struct weir_listener *l)
{
	struct weir__address peer = {.len = sizeof(peer.sa)};
	int fd = accept4(l->fd, (struct sockaddr *)&peer.sa, &peer.len,
	                 SOCK_NONBLOCK | SOCK_CLOEXEC);
	int rc;

	if (fd < 0)
		return is_about_peer(errno) ? 0 : -errno;
	rc = deliver(l, fd, &peer);
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

int weir__listener_init(struct weir_listener *l, struct weir_loop *loop, int fd,
                        void (*on_close)(struct weir_listener *l))
{
	int rc = uv_poll_init(loop->uv, &l->poll, fd);

	if (rc)
		return rc;
	weir__loop_retain(loop);
	l->loop = loop;
	l->poll.data = l;
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
	struct weir_loop *loop = l->loop;

	free(l);
	weir__loop_release(loop);
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
	uv_close((uv_handle_t *)&l->poll, on_poll_closed);
	close(l->fd);
}
