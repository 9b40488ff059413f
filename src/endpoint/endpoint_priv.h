/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ENDPOINT_PRIV_H
#define WEIR_ENDPOINT_PRIV_H
/*
 * endpoint_priv.h -- what a scheme is.  To add one: a file here with its row, and
 * that row's line in the table of each system that has it.  Nothing else knows the schemes.
 */
#include "weir/endpoint.h"

/* A parsed endpoint.  What a scheme does not use is NULL or 0. */
struct weir_endpoint {
	const struct weir__scheme *scheme;
	char *text;    /* as it was given */
	char *host;    /* without brackets */
	char *port;
	char *path;    /* a file, a socket, or a command */
	uint64_t size; /* bytes */
	uint64_t seed;
};

/* The arguments of an opening, together. */
struct weir__open {
	struct weir_loop *loop;
	const struct weir_endpoint *e;
	enum weir_role role;
	const struct weir_endpoint_options *options; /* never NULL */
	weir_open_fn *fn;
	void *arg;
};

/*
 * A scheme.  `parse` is mandatory, and one of `make` and `connect`, which is how it is opened;
 * the other one is NULL.
 */
struct weir__scheme {
	const char *name;   /* what stands before the colon; "-" for standard I/O */
	unsigned roles;     /* set of enum weir_role that it can be opened in */
	bool two_way;       /* both roles at once */

	/* Take apart `rest`, what follows the colon.  Returns 0; -ENOMEM; or
	 * WEIR_EENDPOINT with the phrase for weir_endpoint_parse() in *expected. */
	int (*parse)(struct weir_endpoint *e, const char *rest, const char **expected);

	/* Open it here and now. */
	int (*make)(const struct weir__open *o, struct weir_transport **out);

	/* Begin to open it; as weir_endpoint_open().  weir__open_accepted() for what listens. */
	int (*connect)(const struct weir__open *o, struct weir_opening **out);

	/* Listen for its peers; NULL for what does not. */
	int (*listen)(struct weir_loop *loop, const struct weir_endpoint *e,
		      const struct weir_endpoint_options *options, struct weir_listener **out);
};

extern const struct weir__scheme weir__scheme_stdio;
extern const struct weir__scheme weir__scheme_file;
extern const struct weir__scheme weir__scheme_tcp;
extern const struct weir__scheme weir__scheme_tcp_listen;
extern const struct weir__scheme weir__scheme_unix;
extern const struct weir__scheme weir__scheme_unix_listen;
extern const struct weir__scheme weir__scheme_exec;
extern const struct weir__scheme weir__scheme_null;
extern const struct weir__scheme weir__scheme_zero;
extern const struct weir__scheme weir__scheme_random;

/* Those that this system has, up to a NULL, and what a text that is none of them should
 * have been. */
extern const struct weir__scheme *const weir__schemes[];
extern const char weir__schemes_expected[];

/* The scheme that `text` names, with what follows its colon in *rest; the file
 * scheme, with all of `text`, for a bare path; NULL for NAME:// of an unknown name. */
const struct weir__scheme *weir__scheme_find(const char *text, const char **rest);

/* Copy the `len` bytes at `data` to a string in *out.  Returns 0 or -ENOMEM. */
int weir__endpoint_copy(const char *data, size_t len, char **out);

/* Open `o` by its scheme's `make`, and call back in a later turn. */
int weir__open_made(const struct weir__open *o, struct weir_opening **out);

/* Open `o` by accepting one peer. */
int weir__open_accepted(const struct weir__open *o, struct weir_opening **out);

/* As weir_size_parse(), of the `len` bytes at `text`. */
int weir__size_parse(const char *text, size_t len, uint64_t *out);

#endif
