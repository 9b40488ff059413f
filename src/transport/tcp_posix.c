/* SPDX-License-Identifier: MIT */
/*
 * TCP by names: resolving, the limit of the whole opening, and listening.
 */
#include "weir/tcp.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/loop_priv.h"
#include "transport/net.h"

/* The longest name that DNS has, with its last dot (RFC 1035, section 3.1). */
#define HOST_MAX 254

/* What the system takes for TCP_KEEPIDLE. */
#define KEEPALIVE_MAX_S 32767

/* The kernel takes the least of this and its own limit. */
#define BACKLOG 4096

/*
 * An opening.  First `resolving`, unless the host is an address, then `connecting`
 * is set.  libuv holds the request while it is resolving, even after a failed
 * cancellation: until then the memory stays, with `fn` NULL.
 */
struct tcp_opening {
	struct weir_opening base;
	struct weir_loop *loop;
	weir_open_fn *fn; /* NULL: given up */
	void *arg;
	struct weir_tcp_options options;
	struct weir_opening *connecting;
	struct weir_timer deadline;
	uv_getaddrinfo_t request;
	bool resolving;
};

static bool is_number(const char *port)
{
	return *port && port[strspn(port, "0123456789")] == '\0';
}

/* getaddrinfo() would take a port modulo 65536, and one with a sign. */
static int check_port(const char *port)
{
	if (!port || !isalnum((unsigned char)*port))
		return -EINVAL;
	if (is_number(port) && (strlen(port) > 9 || atol(port) > 65535))
		return -EINVAL;
	return 0;
}

static int check_options(const struct weir_tcp_options *options)
{
	return options && options->keepalive_s > KEEPALIVE_MAX_S ? -EINVAL : 0;
}

/* Our code for one of libuv's EAI codes. */
static int resolve_error(int rc)
{
	return rc == UV_EAI_MEMORY || rc == -ENOMEM ? -ENOMEM : WEIR_ERESOLVE;
}

static void tcp_opening_destroy(struct tcp_opening *o)
{
	struct weir_loop *loop = o->loop;

	free(o);
	weir__loop_release(loop);
}

/* Stop everything; the memory goes now, or when libuv gives the request back. */
static void give_up(struct tcp_opening *o)
{
	weir_timer_cancel(&o->loop->ctx, &o->deadline);
	weir_opening_cancel(o->connecting);
	o->connecting = NULL;
	o->fn = NULL;
	if (o->resolving)
		uv_cancel((uv_req_t *)&o->request);
	else
		tcp_opening_destroy(o);
}

static void opening_cancel(struct weir_opening *opening)
{
	give_up((struct tcp_opening *)opening);
}

static void finish(struct tcp_opening *o, int rc, struct weir_transport *t)
{
	weir_open_fn *fn = o->fn;
	void *arg = o->arg;

	give_up(o);
	fn(arg, rc, t);
}

static void on_deadline(struct weir_timer *timer)
{
	finish((void *)((char *)timer - offsetof(struct tcp_opening, deadline)), -ETIMEDOUT, NULL);
}

static void on_connected(void *arg, int rc, struct weir_transport *t)
{
	struct tcp_opening *o = arg;

	o->connecting = NULL; /* it is gone already */
	finish(o, rc, t);
}

/* Go on with the addresses that the host has. */
static int connect_to(struct tcp_opening *o, const struct addrinfo *found)
{
	struct weir__address *list;
	size_t count = 0;
	int rc;

	for (const struct addrinfo *ai = found; ai; ai = ai->ai_next)
		count++;
	if (count == 0)
		return WEIR_ERESOLVE;
	list = calloc(count, sizeof(*list));
	if (!list)
		return -ENOMEM;
	count = 0;
	for (const struct addrinfo *ai = found; ai; ai = ai->ai_next)
		weir__address_set(&list[count++], ai->ai_addr, ai->ai_addrlen);
	weir__address_interleave(list, count);
	rc = weir__connect_addresses(o->loop, list, count, &o->options, on_connected, o,
	                             &o->connecting);
	free(list);
	return rc;
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
	struct tcp_opening *o = request->data;
	int rc;

	o->resolving = false;
	if (o->fn) {
		rc = status ? resolve_error(status) : connect_to(o, found);
		if (rc)
			finish(o, rc, NULL);
	} else {
		tcp_opening_destroy(o);
	}
	uv_freeaddrinfo(found);
}

/* An address with a port's number needs no worker thread, since nothing is looked
 * up.  Returns 0; a negative code; or 1 if it is something else. */
static int connect_numeric(struct tcp_opening *o, const char *host, const char *port)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	};
	struct addrinfo *found;
	int rc;

	if (!is_number(port) || getaddrinfo(host, port, &hints, &found))
		return 1;
	rc = connect_to(o, found);
	freeaddrinfo(found);
	return rc;
}

static int resolve(struct tcp_opening *o, const char *host, const char *port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	int rc = uv_getaddrinfo(o->loop->uv, &o->request, on_resolved, host, port, &hints);

	if (rc)
		return resolve_error(rc);
	o->request.data = o;
	o->resolving = true;
	return 0;
}

bool weir_tcp_is_ipv6(const char *host)
{
	unsigned char binary[16];
	char plain[64];
	size_t n = strcspn(host, "%");

	if (n >= sizeof(plain) || (host[n] == '%' && !host[n + 1]))
		return false;
	memcpy(plain, host, n);
	plain[n] = '\0';
	return uv_inet_pton(AF_INET6, plain, binary) == 0;
}

int weir_tcp_connect(struct weir_loop *loop, const char *host, const char *port,
                     const struct weir_tcp_options *options, weir_open_fn *fn, void *arg,
                     struct weir_opening **out)
{
	struct tcp_opening *o;
	int rc;

	if (!host || !*host || check_port(port) || check_options(options))
		return -EINVAL;
	if (strlen(host) > HOST_MAX)
		return WEIR_ERESOLVE;
	o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	o->base.cancel = opening_cancel;
	o->loop = loop;
	o->fn = fn;
	o->arg = arg;
	o->deadline.run = on_deadline;
	if (options)
		o->options = *options;
	rc = connect_numeric(o, host, port);
	if (rc > 0)
		rc = resolve(o, host, port);
	if (rc) {
		free(o);
		return rc;
	}
	weir__loop_retain(loop);
	if (o->options.connect_ns)
		weir_timer_set(&loop->ctx, &o->deadline,
		               weir_context_now(&loop->ctx) + o->options.connect_ns);
	if (out)
		*out = &o->base;
	return 0;
}

/* What is listened on, and how. */
struct spot {
	const struct sockaddr *sa;
	socklen_t len;
	bool dual;   /* take IPv4 peers on an IPv6 socket as well; a named IPv6 address does not,
	                so that "0.0.0.0" and "::" can both be listened on */
	bool shared; /* others of ours listen there already */
};

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

/* The first of several takes the address as one that is alone does, and only then lets the
 * others in: so it fails if somebody else is there. */
static int bind_to(int fd, const struct spot *spot, bool reuse_port)
{
	int rc = 0;

	if (spot->shared)
		rc = set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (rc == 0 && bind(fd, spot->sa, spot->len))
		rc = -errno;
	if (rc == 0 && reuse_port && !spot->shared)
		rc = set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	return rc;
}

/* Open a listening socket. */
static int open_listening(const struct spot *spot, const struct weir_tcp_options *options)
{
	int fd = socket(spot->sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	rc = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (rc == 0 && spot->sa->sa_family == AF_INET6)
		rc = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !spot->dual);
	if (rc == 0)
		rc = weir__socket_set_options(fd, options);
	if (rc == 0)
		rc = bind_to(fd, spot, options->reuse_port);
	if (rc == 0 && listen(fd, BACKLOG))
		rc = -errno;
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

static int open_found(const struct addrinfo *ai, bool dual, const struct weir_tcp_options *options)
{
	const struct spot spot = {.sa = ai->ai_addr, .len = ai->ai_addrlen, .dual = dual};

	return open_listening(&spot, options);
}

/* Whether the error says that the system has no IPv6. */
static bool is_family_missing(int rc)
{
	return rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL || rc == -EPROTONOSUPPORT ||
	       rc == -ENOPROTOOPT;
}

/* Every address: one socket for both families, or IPv4 alone. */
static int open_any(const struct addrinfo *found, const struct weir_tcp_options *options,
                    bool *dual)
{
	const struct addrinfo *v4 = NULL, *v6 = NULL;
	int rc = -EAFNOSUPPORT;

	for (const struct addrinfo *ai = found; ai; ai = ai->ai_next) {
		if (ai->ai_family == AF_INET6)
			v6 = ai;
		else if (ai->ai_family == AF_INET)
			v4 = ai;
	}
	if (v6)
		rc = open_found(v6, true, options);
	*dual = rc >= 0;
	if (v4 && is_family_missing(rc))
		rc = open_found(v4, false, options);
	return rc;
}

/* Resolve, here and now, and open.  Returns the socket or a negative code. */
static int open_named(struct weir_loop *loop, const char *host, const char *port,
                      const struct weir_tcp_options *options, bool *dual)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	bool any = !*host || strcmp(host, "*") == 0;
	uv_getaddrinfo_t request;
	int rc = uv_getaddrinfo(loop->uv, &request, NULL, any ? NULL : host, port, &hints);

	if (rc)
		return resolve_error(rc);
	rc = any ? open_any(request.addrinfo, options, dual)
	         : open_found(request.addrinfo, false, options);
	uv_freeaddrinfo(request.addrinfo);
	return rc;
}

/* Make a listener of a socket, or of the code of its failure. */
static int make_listener(struct weir_loop *loop, int fd, bool dual,
                         const struct weir_tcp_options *options, struct weir_listener **out)
{
	struct weir_listener *l;
	int rc;

	if (fd < 0)
		return fd;
	l = calloc(1, sizeof(*l));
	rc = l ? weir__listener_init(l, loop, fd, NULL) : -ENOMEM;
	if (rc) {
		close(fd);
		free(l);
		return rc;
	}
	l->dual = dual;
	l->tcp = *options;
	*out = l;
	return 0;
}

int weir_tcp_listen(struct weir_loop *loop, const char *host, const char *port,
                    const struct weir_tcp_options *options, struct weir_listener **out)
{
	static const struct weir_tcp_options defaults;
	bool dual = false;
	int fd;

	if (!host || check_port(port) || check_options(options))
		return -EINVAL;
	if (strlen(host) > HOST_MAX)
		return WEIR_ERESOLVE;
	if (!options)
		options = &defaults;
	fd = open_named(loop, host, port, options, &dual);
	return make_listener(loop, fd, dual, options, out);
}

int weir_listener_share(struct weir_loop *loop, const struct weir_listener *of,
                        struct weir_listener **out)
{
	const struct spot spot = {
		.sa = (const struct sockaddr *)&of->address.sa,
		.len = of->address.len,
		.dual = of->dual,
		.shared = true,
	};

	if (!of->tcp.reuse_port || !of->address.len)
		return WEIR_ENOTSUP;
	return make_listener(loop, open_listening(&spot, &of->tcp), of->dual, &of->tcp, out);
}
