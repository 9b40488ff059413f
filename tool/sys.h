/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOL_SYS_H
#define WEIR_TOOL_SYS_H
/*
 * sys.h -- what the command asks its system for, beyond the library: sys_posix.c and
 * sys_win.c.  No other file of the command knows which one it is on.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of standard output and standard error. */
#define SYS_STDOUT 1
#define SYS_STDERR 2

/*
 * Before anything else: take arguments as UTF-8, if the system has them otherwise; see to it
 * that a reader who goes away is an error of writing; and find out which standard
 * descriptors are closed.  The first file or socket that we open must not take the number of
 * one, since messages would go into it: the null device does.
 * Returns  false if that cannot be.
 */
bool sys_begin(int *argc, char ***argv, bool closed[3]);

/* Write all of it, and as UTF-8 to a terminal.  Returns 0, or a negative code. */
int sys_write(int fd, const char *data, size_t len);

/* ---- signals ---- */

struct sys_signal {
	int number;
	const char *name;
};

/* Those that end a run, up to a 0. */
extern const struct sys_signal sys_signals[];

/* Whether whoever started us has said that this one is not for us. */
bool sys_signal_ignored(int signum);

/* "Killed" and so on, of any. */
const char *sys_signal_text(int signum);

/* ---- terminals ---- */

bool sys_is_terminal(int fd);

/* How wide it is now; 0 if nobody can say. */
unsigned sys_columns(int fd);

/* Whether two that are terminals are the same one. */
bool sys_same_terminal(int a, int b);

/* ---- files ---- */

/* Which file it is; equal for two names of one. */
struct sys_file {
	uint64_t device, index;
};

/* Find out which regular file has this name, or is standard input if `path` is NULL.
 * Returns  1, or 0 if it is not a regular one, or -1 if nothing can be said. */
int sys_find_file(const char *path, struct sys_file *out);

/* Whether two names, of which nothing more can be said, are of one file. */
bool sys_same_name(const char *a, const char *b);

/* ---- limits ---- */

/* The most memory that we ever had, in bytes; 0 if nobody can say. */
uint64_t sys_peak_memory(void);

/* How many descriptors we may have; UINT64_MAX without a limit. */
uint64_t sys_descriptors(void);

/* The cores that are there to be used; 1 if nobody can say. */
uint64_t sys_cores(void);

#endif
