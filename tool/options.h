/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOL_OPTIONS_H
#define WEIR_TOOL_OPTIONS_H
/*
 * options.h -- what a command was asked to do.  Everything is checked here, before
 * anything is opened.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy.h"
#include "weir/endpoint.h"
#include "weir/join.h"

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

/* How many digests may be asked for. */
#define HASHES_MAX 8

struct options {
	enum command command;
	const char *name; /* of the command */
	struct weir_endpoint **end; /* copy's source and its sinks; relay's left and right */
	struct policy *policy;      /* of each, though only a sink may have one */
	size_t ends;                /* 2 or more */
	uint64_t rate, burst; /* 0: no limit, the default */
	uint64_t high, low;   /* 0 in `high`: the library's defaults */
	uint64_t budget;      /* 0: the default */
	uint64_t idle_ns, stall_ns, total_ns, linger_ns; /* 0: none */
	uint64_t max_peers;
	uint64_t threads; /* 1 or more */
	const char *hash[HASHES_MAX]; /* names of digests, each once */
	size_t hashes;
	enum weir_paths paths;
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

/* The first of the endpoints that listens, or -1. */
int options_listener(const struct options *o);

/* Whether copy needs a tee: several sinks, or a policy. */
bool options_fan_out(const struct options *o);

/* Whether standard output is taken by the bytes. */
bool options_stdout_taken(const struct options *o);

#endif
