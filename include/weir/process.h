/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PROCESS_H
#define WEIR_PROCESS_H
/*
 * process.h -- a child: its standard input is a consumer, its standard output a push
 * producer.
 *
 * The ends are true: the source finishes only when the child has closed its output and
 * exited with status 0; another status fails it with WEIR_EEXIT, a signal with
 * WEIR_ESIGNAL.  The sink's finish closes the child's input, and is complete when the
 * child has exited with status 0.  Failing the sink kills the child (SIGTERM, and after
 * two seconds SIGKILL), so that it does not take truncated input for whole.
 * No zombie is left, and the child inherits no descriptor beyond 0, 1 and 2.
 *
 * Closing the transport of a child that lives ends the child in the same way.  Only the
 * child itself is signalled, not what it has started.
 *
 * Signals   As for pipe.h: the program must ignore SIGPIPE.  The child does not: all its
 *           signals are as they are by default, and none is blocked.
 */
#include "weir/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

enum weir_stderr {
	WEIR_STDERR_PASS, /* the child has our standard error */
	WEIR_STDERR_JOIN, /* it goes the way of its standard output */
	WEIR_STDERR_DROP, /* it goes nowhere */
};

struct weir_process_options {
	bool in;               /* give it a standard input that is our sink; else it is empty */
	bool out;              /* take its standard output as our source; else it has ours */
	enum weir_stderr err;
	char *const *env;      /* NULL-terminated; NULL: ours */
	const char *dir;       /* working directory; NULL: ours */
};

/*
 * Run the program `argv[0]`, found by PATH, with the NULL-terminated `argv`.
 *
 * Returns  0 and the transport in *out; -ENOENT, -EACCES and so on if it cannot be
 *          run; -EBADF if we have not all of descriptors 0, 1 and 2 open; -EINVAL if
 *          there is no argv[0]; -ENOMEM, -EMFILE.
 */
WEIR_API WEIR_MUST_USE int weir_process_spawn(struct weir_loop *loop, char *const *argv,
					      const struct weir_process_options *options,
					      struct weir_transport **out);

/* Run `command` by /bin/sh -c. */
WEIR_API WEIR_MUST_USE int weir_process_shell(struct weir_loop *loop, const char *command,
					      const struct weir_process_options *options,
					      struct weir_transport **out);

/* Whether the child of a process transport has exited; if so, its exit status in
 * *status (-1 if a signal killed it) and the signal in *signal (0 if none did). */
WEIR_API bool weir_process_exited(const struct weir_transport *t, int *status, int *signal);

/* Send a signal.  Returns 0, or -ESRCH if the child has exited. */
WEIR_API WEIR_MUST_USE int weir_process_kill(struct weir_transport *t, int signum);

#ifdef __cplusplus
}
#endif
#endif
