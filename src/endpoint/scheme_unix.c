/* SPDX-License-Identifier: MIT */
/* "unix:PATH" and "unix-listen:PATH"; a leading '@' is the abstract name space. */
#include <string.h>

#include "endpoint_priv.h"
#include "weir/unix.h"

static int parse_path(struct weir_endpoint *e, const char *rest, const char **expected)
{
	size_t len = strlen(rest);

	if (len == 0 || strcmp(rest, "@") == 0) {
		*expected = e->scheme->listen ? "a path or @NAME, as in unix-listen:PATH"
					      : "a path or @NAME, as in unix:PATH";
		return WEIR_EENDPOINT;
	}
	if (len > weir_unix_path_max()) {
		*expected = "a path short enough for a socket (107 bytes on Linux)";
		return WEIR_EENDPOINT;
	}
	return weir__endpoint_copy(rest, len, &e->path);
}

static int connect_unix(const struct weir__open *o, struct weir_opening **out)
{
	return weir_unix_connect(o->loop, o->e->path, o->fn, o->arg, out);
}

static int listen_unix(struct weir_loop *loop, const struct weir_endpoint *e,
		       const struct weir_endpoint_options *options, struct weir_listener **out)
{
	(void)options;
	return weir_unix_listen(loop, e->path, out);
}

const struct weir__scheme weir__scheme_unix = {
	.name = "unix",
	.roles = WEIR_ROLE_BOTH,
	.two_way = true,
	.parse = parse_path,
	.connect = connect_unix,
};

const struct weir__scheme weir__scheme_unix_listen = {
	.name = "unix-listen",
	.roles = WEIR_ROLE_BOTH,
	.two_way = true,
	.parse = parse_path,
	.connect = weir__open_accepted,
	.listen = listen_unix,
};
