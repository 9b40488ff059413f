/* SPDX-License-Identifier: MIT */
/*
 * "tcp://HOST:PORT" and "tcp-listen://HOST:PORT".  Whether a name resolves is found
 * out when it is opened; whether the text can be one is decided here.
 */
#include <stdlib.h>
#include <string.h>

#include "endpoint_priv.h"

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* The longest name of the DNS, with room for an interface's. */
#define HOST_MAX 255

/* The phrases of the two schemes. */
struct phrases {
	const char *slashes, *host, *port, *range, *brackets, *address;
};

static const struct phrases connect_phrases = {
	.slashes = "two slashes and an address, as in tcp://HOST:PORT",
	.host = "a host, as in tcp://HOST:PORT",
	.port = "a port, as in tcp://HOST:PORT",
	.range = "a port from 1 to 65535, or the name of a service",
	.brackets = "an IPv6 address in brackets, as in tcp://[::1]:80",
	.address = "an IPv6 address between the brackets, as in tcp://[::1]:80",
};

static const struct phrases listen_phrases = {
	.slashes = "two slashes and an address, as in tcp-listen://HOST:PORT",
	.host = "a host, as in tcp-listen://HOST:PORT",
	.port = "a port, as in tcp-listen://HOST:PORT",
	.range = "a port from 0 to 65535, or the name of a service",
	.brackets = "an IPv6 address in brackets, as in tcp-listen://[::1]:80",
	.address = "an IPv6 address between the brackets, as in tcp-listen://[::1]:80",
};

static bool port_ok(const char *port, long least)
{
	size_t n = strlen(port);

	if (strspn(port, DIGITS) == n)
		return n <= 5 && atol(port) >= least && atol(port) <= 65535;
	return n <= 32 && *port != '-' && strspn(port, DIGITS LETTERS "-_") == n;
}

static bool host_ok(const char *host, size_t len)
{
	return len <= HOST_MAX && strspn(host, DIGITS LETTERS "-_.") == len;
}

/* "[ADDRESS]:PORT"; *port becomes what follows the bracket. */
static int parse_bracketed(struct weir_endpoint *e, const char *rest, const char **port,
			   const struct phrases *say, const char **expected)
{
	const char *end = strchr(rest, ']');
	int rc;

	*expected = say->address;
	if (!end || end - rest > HOST_MAX)
		return WEIR_EENDPOINT;
	rc = weir__endpoint_copy(rest + 1, (size_t)(end - rest - 1), &e->host);
	if (rc < 0)
		return rc;
	*port = end + 1;
	return weir_tcp_is_ipv6(e->host) ? 0 : WEIR_EENDPOINT;
}

/* "HOST:PORT"; *port becomes what follows the host. */
static int parse_plain(struct weir_endpoint *e, const char *rest, const char **port,
		       const struct phrases *say, const char **expected)
{
	size_t len = strcspn(rest, ":");

	if (rest[len] == ':' && strchr(rest + len + 1, ':')) {
		*expected = say->brackets;
		return WEIR_EENDPOINT;
	}
	*port = rest + len;
	if (e->scheme->listen) {
		if (len == 0 || (len == 1 && *rest == '*'))
			return weir__endpoint_copy(rest, len, &e->host);
	}
	if (len == 0 || !host_ok(rest, len)) {
		*expected = say->host;
		return WEIR_EENDPOINT;
	}
	return weir__endpoint_copy(rest, len, &e->host);
}

static int parse_address(struct weir_endpoint *e, const char *rest, const struct phrases *say,
			 const char **expected)
{
	const char *port = rest;
	int rc;

	*expected = say->slashes;
	if (strncmp(rest, "//", 2) != 0)
		return WEIR_EENDPOINT;
	rest += 2;
	if (*rest == '[')
		rc = parse_bracketed(e, rest, &port, say, expected);
	else
		rc = parse_plain(e, rest, &port, say, expected);
	if (rc < 0)
		return rc;
	*expected = say->port;
	if (port[0] != ':' || !port[1])
		return WEIR_EENDPOINT;
	*expected = say->range;
	if (!port_ok(port + 1, e->scheme->listen ? 0 : 1))
		return WEIR_EENDPOINT;
	return weir__endpoint_copy(port + 1, strlen(port + 1), &e->port);
}

static int parse_connect(struct weir_endpoint *e, const char *rest, const char **expected)
{
	return parse_address(e, rest, &connect_phrases, expected);
}

static int parse_listen(struct weir_endpoint *e, const char *rest, const char **expected)
{
	return parse_address(e, rest, &listen_phrases, expected);
}

static int connect_tcp(const struct weir__open *o, struct weir_opening **out)
{
	return weir_tcp_connect(o->loop, o->e->host, o->e->port, &o->options->tcp, o->fn, o->arg,
				out);
}

static int listen_tcp(struct weir_loop *loop, const struct weir_endpoint *e,
		      const struct weir_endpoint_options *options, struct weir_listener **out)
{
	return weir_tcp_listen(loop, e->host, e->port, &options->tcp, out);
}

const struct weir__scheme weir__scheme_tcp = {
	.name = "tcp",
	.roles = WEIR_ROLE_BOTH,
	.two_way = true,
	.parse = parse_connect,
	.connect = connect_tcp,
};

const struct weir__scheme weir__scheme_tcp_listen = {
	.name = "tcp-listen",
	.roles = WEIR_ROLE_BOTH,
	.two_way = true,
	.parse = parse_listen,
	.connect = weir__open_accepted,
	.listen = listen_tcp,
};
