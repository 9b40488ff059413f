/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOL_OPTIONS_H
#define WEIR_TOOL_OPTIONS_H
/*
 * options.h -- what a command was asked to do.  Everything is checked here, before
 * anything is opened.
 */
#include <stdbool.h>
#include <stdint.h>

#include "weir/endpoint.h"

enum command {
	COMMAND_NONE,
	COMMAND_COPY,
	COMMAND_RELAY,
};

enum when {
	WHEN_TERMINAL, /* if standard error is one */
	WHEN_ALWAYS,
	WHEN_NEVER,
};

/* Of copy: the source and the sink.  Of relay: left and right. */
struct options {
	enum command command;
	const char *name; /* of the command */
	struct weir_endpoint *end[2];
	uint64_t rate, burst; /* 0: no limit, the default */
	uint64_t high, low;   /* 0 in `high`: the library's defaults */
	uint64_t budget;      /* 0: the default */
	uint64_t idle_ns, stall_ns, total_ns, linger_ns; /* 0: none */
	uint64_t max_peers;
	const char *hash;     /* name of a digest, or NULL */
	enum when progress;
	bool append, json, verbose, many, help;
};

/*
 * Parse what follows the command's name.  After a failure one line has been printed.
 *
 * Owns     the endpoints are options_fini()'s to release, also after a failure.
 * Returns  0, or -1.
 */
int options_parse(struct options *o, enum command command, int argc, char **argv);

void options_fini(struct options *o);

/* The one of the two that listens, or -1. */
int options_listener(const struct options *o);

#endif
