/* SPDX-License-Identifier: MIT */
/* "exec:COMMAND": a child.  A direction that is not used is not connected to it. */
#include <string.h>

#include "endpoint_priv.h"
#include "weir/process.h"

static int parse_command(struct weir_endpoint *e, const char *rest, const char **expected)
{
	if (rest[strspn(rest, " \t\n")] == '\0') {
		*expected = "a command, as in exec:COMMAND";
		return WEIR_EENDPOINT;
	}
	return weir__endpoint_copy(rest, strlen(rest), &e->path);
}

static int make_child(const struct weir__open *o, struct weir_transport **out)
{
	const struct weir_process_options options = {
		.in = o->role & WEIR_ROLE_SINK,
		.out = o->role & WEIR_ROLE_SOURCE,
		.err = WEIR_STDERR_PASS,
	};

	return weir_process_shell(o->loop, o->e->path, &options, out);
}

const struct weir__scheme weir__scheme_exec = {
	.name = "exec",
	.roles = WEIR_ROLE_BOTH,
	.two_way = true,
	.parse = parse_command,
	.make = make_child,
};
