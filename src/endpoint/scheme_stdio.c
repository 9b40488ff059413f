/* SPDX-License-Identifier: MIT */
/* "-": the process's own standard input and output. */
#include "endpoint_priv.h"
#include "weir/stdio.h"

static int parse_nothing(struct weir_endpoint *e, const char *rest, const char **expected)
{
	(void)e;
	(void)rest;
	(void)expected;
	return 0;
}

static int make_stdio(const struct weir__open *o, struct weir_transport **out)
{
	return weir_stdio_open(o->loop, o->role & WEIR_ROLE_SOURCE, o->role & WEIR_ROLE_SINK, out);
}

const struct weir__scheme weir__scheme_stdio = {
	.name = "-",
	.roles = WEIR_ROLE_BOTH,
	.two_way = true,
	.parse = parse_nothing,
	.make = make_stdio,
};
