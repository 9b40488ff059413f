/* SPDX-License-Identifier: MIT */
/*
 * What an address looks like, in which order addresses are tried, and what a
 * connected socket becomes.
 */
#include "transport/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "transport/stream.h"

#define KEEPALIVE_DEFAULT_S 60

void weir__address_set(struct weir__address *address, const struct sockaddr *sa, socklen_t len)
{
	*address = (struct weir__address){0};
	if (len > sizeof(address->sa))
		return;
	memcpy(&address->sa, sa, len);
	address->len = len;
}

static void format_in(const struct in_addr *in, in_port_t port, char *text, size_t size)
{
	char host[INET_ADDRSTRLEN] = "?";

	inet_ntop(AF_INET, in, host, sizeof(host));
	snprintf(text, size, "%s:%u", host, (unsigned)ntohs(port));
}

static void format_in6(const struct sockaddr_in6 *sa, char *text, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "?", scope[IF_NAMESIZE + 1] = "";

	/* A dual-stack socket shows its IPv4 peers so; people know them otherwise. */
	if (IN6_IS_ADDR_V4MAPPED(&sa->sin6_addr)) {
		struct in_addr in;

		memcpy(&in, &sa->sin6_addr.s6_addr[12], sizeof(in));
		format_in(&in, sa->sin6_port, text, size);
		return;
	}
	inet_ntop(AF_INET6, &sa->sin6_addr, host, sizeof(host));
	if (sa->sin6_scope_id && if_indextoname(sa->sin6_scope_id, scope + 1))
		scope[0] = '%';
	snprintf(text, size, "[%s%s]:%u", host, scope, (unsigned)ntohs(sa->sin6_port));
}

static void format_un(const struct weir__address *address, char *text, size_t size)
{
	const struct sockaddr_un *sa = (const struct sockaddr_un *)&address->sa;
	size_t head = offsetof(struct sockaddr_un, sun_path);
	size_t len = address->len > head ? address->len - head : 0;

	if (len > sizeof(sa->sun_path))
		len = sizeof(sa->sun_path);
	if (len && sa->sun_path[0] == '\0')
		snprintf(text, size, "@%.*s", (int)(len - 1), sa->sun_path + 1);
	else
		snprintf(text, size, "%.*s", (int)len, sa->sun_path);
}

void weir__address_format(const struct weir__address *address, char *text, size_t size)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&address->sa;

	switch (address->sa.ss_family) {
	case AF_INET:
		format_in(&in->sin_addr, in->sin_port, text, size);
		break;
	case AF_INET6:
		format_in6((const struct sockaddr_in6 *)&address->sa, text, size);
		break;
	case AF_UNIX:
		format_un(address, text, size);
		break;
	default:
		snprintf(text, size, "?");
		break;
	}
}

int weir__address_port(const struct weir__address *address)
{
	switch (address->sa.ss_family) {
	case AF_INET:
		return ntohs(((const struct sockaddr_in *)&address->sa)->sin_port);
	case AF_INET6:
		return ntohs(((const struct sockaddr_in6 *)&address->sa)->sin6_port);
	default:
		return 0;
	}
}

/* Take the element at `from` out and put it in at `to`, which is not after it. */
static void move_forward(struct weir__address *list, size_t from, size_t to)
{
	struct weir__address moved = list[from];

	memmove(&list[to + 1], &list[to], (from - to) * sizeof(*list));
	list[to] = moved;
}

void weir__address_interleave(struct weir__address *list, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		size_t other = i;

		while (other < count && list[other].sa.ss_family == list[i - 1].sa.ss_family)
			other++;
		if (other == count)
			return;
		move_forward(list, other, i);
	}
}

static int set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

int weir__socket_set_options(int fd, const struct weir_tcp_options *options)
{
	unsigned idle = options->keepalive_s ? options->keepalive_s : KEEPALIVE_DEFAULT_S;
	int rc = 0;

	if (!options->delay)
		rc = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (rc == 0 && !options->no_keepalive)
		rc = set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (rc == 0 && !options->no_keepalive)
		rc = set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)idle);
	return rc;
}

/* Only when somebody asks: many peers never need a name. */
static void tcp_describe(const struct weir_transport *t, char *text, size_t size)
{
	struct weir__address peer = {.len = sizeof(peer.sa)};
	char address[WEIR__ADDRESS_TEXT];

	if (getpeername(weir__stream_fd(t), (struct sockaddr *)&peer.sa, &peer.len) < 0) {
		weir_transport_describe_kind(t, text, size);
		return;
	}
	weir__address_format(&peer, address, sizeof(address));
	snprintf(text, size, "%s %s", t->ops->name, address);
}

static const struct weir_transport_ops tcp_ops = {
	.name = "tcp",
	.close = weir__stream_close,
	.describe = tcp_describe,
};

static const struct weir_transport_ops unix_ops = {
	.name = "unix",
	.close = weir__stream_close,
	.describe = weir_transport_describe_kind,
};

int weir__socket_transport(struct weir_loop *loop, int fd, const struct weir__address *name,
                           struct weir_transport **out)
{
	bool is_unix = name->sa.ss_family == AF_UNIX;
	const struct weir__stream_config config = {
		.ops = is_unix ? &unix_ops : &tcp_ops,
		.in = fd,
		.out = fd,
		.is_socket = true,
		.resets = !is_unix,
		.nonblocking = true,
	};
	char text[WEIR__ADDRESS_TEXT];
	int rc = weir__stream_create(loop, &config, out);

	if (rc < 0 || !is_unix)
		return rc;
	weir__address_format(name, text, sizeof(text));
	weir_transport_set_name(*out, "%s %s", config.ops->name, text);
	return 0;
}
