/* SPDX-License-Identifier: MIT */
/*
 * Opening by attempts, after RFC 8305 section 5: which address is tried when, and
 * which one wins.  Where the addresses come from is for tcp_posix.c and unix_posix.c.
 *
 * An opening starts in a task, so that `fn` never runs before the call that began
 * it has returned, whatever connect(2) says at once.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/loop_priv.h"
#include "transport/net.h"

/* A socket that has not connected yet.  Its memory lives until uv has let it go. */
struct attempt {
	uv_poll_t poll;
	struct weir_loop *loop;
	struct connecting *owner; /* NULL once it is decided */
	struct attempt *next;
	const struct weir__address *address; /* in the owner */
	int fd;
};

/*
 * Invariant: between calls `start` is queued, or `stagger` is set, or there is an
 * attempt that uv watches; so that the opening ends some time.
 */
struct connecting {
	struct weir_opening base;
	struct weir_loop *loop;
	weir_open_fn *fn;
	void *arg;
	struct weir_task start;
	struct weir_timer stagger;
	struct attempt *attempts; /* undecided */
	struct weir_tcp_options options;
	int error;   /* of the last attempt that failed */
	size_t next; /* the address to try next */
	size_t count;
	struct weir__address list[];
};

static void try_next(struct connecting *c);

static void on_poll_closed(uv_handle_t *handle)
{
	struct attempt *a = handle->data;
	struct weir_loop *loop = a->loop;

	free(a);
	weir__loop_release(loop);
}

/* Let uv forget the attempt's socket, which stays open. */
static void attempt_unwatch(struct attempt *a)
{
	struct attempt **link = &a->owner->attempts;

	while (*link != a)
		link = &(*link)->next;
	*link = a->next;
	a->owner = NULL;
	uv_close((uv_handle_t *)&a->poll, on_poll_closed);
}

/* Release all but what uv still holds. */
static void connecting_destroy(struct connecting *c)
{
	struct weir_loop *loop = c->loop;

	while (c->attempts) {
		int fd = c->attempts->fd;

		attempt_unwatch(c->attempts);
		close(fd);
	}
	weir_task_cancel(&c->start);
	weir_timer_cancel(&loop->ctx, &c->stagger);
	free(c);
	weir__loop_release(loop);
}

static void opening_cancel(struct weir_opening *opening)
{
	connecting_destroy((struct connecting *)opening);
}

/* Tell the outcome, once everything of the opening is gone. */
static void finish(struct connecting *c, int rc, struct weir_transport *t)
{
	weir_open_fn *fn = c->fn;
	void *arg = c->arg;

	connecting_destroy(c);
	fn(arg, rc, t);
}

/*
 * A port of our own host that nobody listens on may be the very one that the system
 * gave this socket: it has then connected to itself (TCP's simultaneous open).
 */
static bool is_connected_to_itself(int fd, const struct weir__address *peer)
{
	struct sockaddr_storage own = {0};
	socklen_t len = sizeof(own);

	if (peer->sa.ss_family == AF_UNIX || getsockname(fd, (struct sockaddr *)&own, &len))
		return false;
	return len == peer->len && memcmp(&own, &peer->sa, len) == 0;
}

/* `fd` has connected and uv does not watch it. */
static void win(struct connecting *c, int fd, const struct weir__address *address)
{
	struct weir_transport *t = NULL;
	int rc = weir__socket_transport(c->loop, fd, address, &t);

	if (rc)
		close(fd);
	finish(c, rc, t);
}

/* What became of connect(2), once the socket has something to say: one that has a peer has
 * connected, and of another the error says why not. */
static int attempt_result(int fd, const struct weir__address *address)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(int), peer_len = sizeof(peer);
	int error = 0, rc;

	if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0)
		return is_connected_to_itself(fd, address) ? -ECONNREFUSED : 0;
	rc = -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		return -errno;
	return error ? -error : rc;
}

/* `status` is of no use: it is EBADF whenever the socket has an error. */
static void on_decided(uv_poll_t *handle, int status, int events)
{
	struct attempt *a = handle->data;
	struct connecting *c = a->owner;
	const struct weir__address *address = a->address;
	int fd = a->fd;
	int rc = attempt_result(fd, address);

	(void)status;
	(void)events;
	attempt_unwatch(a);
	if (rc == 0) {
		win(c, fd, address);
		return;
	}
	close(fd);
	c->error = rc;
	weir_timer_cancel(&c->loop->ctx, &c->stagger);
	try_next(c);
}

/* Watch the connecting socket `fd`.  On failure the caller keeps it. */
static int attempt_create(struct connecting *c, int fd, const struct weir__address *address)
{
	struct attempt *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return -ENOMEM;
	rc = uv_poll_init(c->loop->uv, &a->poll, fd);
	if (rc) {
		free(a);
		return rc;
	}
	weir__loop_retain(c->loop);
	a->poll.data = a;
	a->loop = c->loop;
	a->owner = c;
	a->address = address;
	a->fd = fd;
	a->next = c->attempts;
	c->attempts = a;
	/* Cannot fail: the handle is not closing, and epoll took the descriptor. */
	rc = uv_poll_start(&a->poll, UV_WRITABLE, on_decided);
	assert(rc == 0);
	return 0;
}

static int open_socket(const struct weir__address *address, const struct weir_tcp_options *options)
{
	int fd = socket(address->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (address->sa.ss_family != AF_UNIX)
		rc = weir__socket_set_options(fd, options);
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

/* connect(2) says that it takes time even where it took none: a listening socket of our own host
 * has answered before it returns.  Ask again, before something is made that waits.  Returns 0 if
 * it has connected; -EALREADY if that takes time indeed; or a negative code. */
static int connect_now(int fd, const struct weir__address *address)
{
	const struct sockaddr *sa = (const struct sockaddr *)&address->sa;

	if (connect(fd, sa, address->len) == 0)
		return 0;
	/* An interrupted connect goes on by itself. */
	if (errno != EINPROGRESS && errno != EINTR)
		return -errno;
	if (connect(fd, sa, address->len) && errno != EISCONN)
		return errno == EINTR ? -EALREADY : -errno;
	return is_connected_to_itself(fd, address) ? -ECONNREFUSED : 0;
}

/* Begin to connect to `address`.  Returns 0 if that goes on; 1 if it has connected,
 * with the socket in *out; or a negative code. */
static int attempt(struct connecting *c, const struct weir__address *address, int *out)
{
	int fd = open_socket(address, &c->options);
	int rc;

	if (fd < 0)
		return fd;
	rc = connect_now(fd, address);
	if (rc == 0) {
		*out = fd;
		return 1;
	}
	if (rc == -EALREADY)
		rc = attempt_create(c, fd, address);
	if (rc)
		close(fd);
	return rc;
}

static void set_stagger(struct connecting *c, uint64_t ns)
{
	weir_timer_set(&c->loop->ctx, &c->stagger, weir_context_now(&c->loop->ctx) + ns);
}

/* Try addresses until one is under way, has connected, or none is left. */
static void try_next(struct connecting *c)
{
	while (c->next < c->count) {
		const struct weir__address *address = &c->list[c->next];
		int fd = -1;
		int rc = attempt(c, address, &fd);

		if (rc == 1) {
			win(c, fd, address);
			return;
		}
		if (rc == -EAGAIN && address->sa.ss_family == AF_UNIX) {
			set_stagger(c, WEIR__BACKLOG_RETRY_NS);
			return;
		}
		c->next++;
		if (rc == 0) {
			if (c->next < c->count)
				set_stagger(c, WEIR__STAGGER_NS);
			return;
		}
		c->error = rc;
	}
	if (!c->attempts)
		finish(c, c->error, NULL);
}

static void on_start(struct weir_task *task)
{
	try_next((void *)((char *)task - offsetof(struct connecting, start)));
}

static void on_stagger(struct weir_timer *timer)
{
	try_next((void *)((char *)timer - offsetof(struct connecting, stagger)));
}

int weir__connect_addresses(struct weir_loop *loop, const struct weir__address *list, size_t count,
                            const struct weir_tcp_options *options, weir_open_fn *fn, void *arg,
                            struct weir_opening **out)
{
	struct connecting *c;

	assert(count > 0);
	c = calloc(1, sizeof(*c) + count * sizeof(*list));
	if (!c)
		return -ENOMEM;
	c->base.cancel = opening_cancel;
	c->loop = loop;
	c->fn = fn;
	c->arg = arg;
	c->start.run = on_start;
	c->stagger.run = on_stagger;
	if (options)
		c->options = *options;
	c->count = count;
	memcpy(c->list, list, count * sizeof(*list));
	weir__loop_retain(loop);
	weir_task_queue(&loop->ctx, &c->start);
	if (out)
		*out = &c->base;
	return 0;
}
