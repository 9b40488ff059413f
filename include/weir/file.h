/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FILE_H
#define WEIR_FILE_H
/*
 * file.h -- regular files, and what a path may name instead of one.
 */
#include "weir/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_file_range {
	uint64_t offset; /* bytes from the start */
	uint64_t length; /* bytes; 0: to the end of the file */
};

/*
 * Read the file at `path`, or the one `range` of it (NULL: all).
 *
 * A FIFO, device or terminal at `path` is read as one (a range is then refused); a FIFO
 * gives nothing until its first writer has come, and ends with its last.
 * A file that grows while it is read is read to its new end.  One that shrinks, a range
 * that begins behind the end, and a file shorter than `offset + length` fail with
 * WEIR_ETRUNCATED after the last byte there is.
 *
 * The loop    A turn reads at most a quantum, with RWF_NOWAIT (preadv2(2)), which gives
 *             only bytes in the page cache.  A read that would wait for the disk is made
 *             by a worker thread of libuv's pool instead, up to 1 MiB into a buffer that
 *             is charged to the budget, while the kernel is asked to read further on;
 *             the turns after find that in the page cache.  A file system that does not
 *             know RWF_NOWAIT is read by workers only, unless it is in memory.  What can
 *             still wait is the opening: names on a slow or remote disk.
 * Returns     0 and the transport in *out, or a negated errno: -EISDIR for a directory,
 *             -ESPIPE for a range of what has none, -EINVAL for one past 2^63.
 */
WEIR_API WEIR_MUST_USE int weir_file_read(struct weir_loop *loop, const char *path,
					  const struct weir_file_range *range,
					  struct weir_transport **out);

/* A part of a file, and what is said before it. */
struct weir_file_part {
	struct weir_file_range range; /* with a length of 0: to where the file ends now */
	const void *before;           /* bytes to give before the range */
	size_t before_len;
};

struct weir_file_parts {
	const struct weir_file_part *parts; /* to give in this order */
	size_t count;                       /* at least 1 */
	const void *after;                  /* bytes to give after the last part */
	size_t after_len;
};

/*
 * Read the open file `fd` as a pull producer, which gives one chunk for each resume: the
 * whole, to its end (`what` NULL), or parts of it, with a boundary and headers before each.
 * Its bytes are read as weir_file_read() reads them; while a worker does, it has "nothing
 * yet".  Where `fd` stands does not matter, and does not change.
 *
 * The length (weir_transport_length()) is that of all parts and what is said around them.
 * A file that has become shorter fails with WEIR_ETRUNCATED after the last byte there is.
 *
 * Owns     `what` and all it points to are copied.  On success the transport closes `fd`;
 *          on failure the caller keeps it.
 * Returns  0 and the transport in *out; WEIR_ETRUNCATED for a part that is not within the
 *          file now; -EINVAL for one past 2^63, or none; -EBADF if `fd` is not open for reading;
 *          -EISDIR; -ESPIPE for what has no parts; -ENOMEM.
 */
WEIR_API WEIR_MUST_USE int weir_file_read_parts(struct weir_loop *loop, int fd,
						const struct weir_file_parts *what,
						struct weir_transport **out);

enum weir_file_mode {
	WEIR_FILE_REPLACE, /* the old file stays until the finish, then is replaced at once */
	WEIR_FILE_CREATE,  /* as REPLACE, but -EEXIST if there is a file */
	WEIR_FILE_APPEND,  /* bytes go to the end of the file, as they come */
	WEIR_FILE_TRUNCATE,/* the old content goes first, bytes are there as they come */
};

struct weir_file_write_options {
	enum weir_file_mode mode;
	unsigned permissions; /* of a new file, before the umask; 0: 0666 */
	bool sync;            /* the finish waits until the bytes are on the disk */
};

/*
 * Write the file at `path`.  `options` may be NULL: replace.
 *
 * With REPLACE and CREATE the bytes go to a file without a name (or, where the file
 * system has no such, one named ".NAME.weir-XXXXXX") in the same directory, which is
 * given the name by the finish: a reader sees the old file or the whole new one, and a
 * failed or interrupted stream leaves the old one untouched and nothing new behind.
 * A replaced file must be writable; its permissions are kept, its owner and group as far
 * as the system lets us; not its access lists, extended attributes and other hard links.
 * Symbolic links are followed, also to a file that is not there yet; but for CREATE any
 * name that is there is -EEXIST, be it a link to nothing.
 *
 * With APPEND and TRUNCATE nothing is created or emptied before the first byte, or the
 * finish of the empty stream: a source that cannot be opened costs nothing.
 *
 * A FIFO, device or terminal at `path` is written as one, whatever the mode.  A FIFO
 * that has no reader is waited for; bytes, or the end, are kept for it until then.
 *
 * The loop    A turn writes at most a quantum, to the page cache.  When that was slow
 *             (the kernel holds back those who write faster than the disk), workers
 *             write until it is fast again; what they have in hand counts as held.
 *             Emptying an old file and all of the finish (sync, name, close) is done by
 *             a worker thread.
 * Limits      A file over the process's size limit (RLIMIT_FSIZE) is -EFBIG if the
 *             program ignores SIGXFSZ; otherwise that signal ends the program.
 * Returns     0 and the transport in *out, or a negated errno.
 */
WEIR_API WEIR_MUST_USE int weir_file_write(struct weir_loop *loop, const char *path,
					   const struct weir_file_write_options *options,
					   struct weir_transport **out);

/*
 * A transport of a regular file, or a device that cannot be polled, that the caller has
 * open: read (`in`) or written (`out`) at its current position, which moves along with
 * the bytes given or written, and not with what was read ahead.  O_APPEND is respected.
 * For an inherited descriptor.
 *
 * Owns     on success the transport closes `fd`; on failure the caller keeps it.
 * Returns  0 and the transport in *t; -EBADF if `fd` is not open that way; -EISDIR;
 *          WEIR_ENOTSUP for a pipe or socket (pipe.h).
 */
WEIR_API WEIR_MUST_USE int weir_file_adopt(struct weir_loop *loop, int fd, bool in, bool out,
					   struct weir_transport **t);

#ifdef __cplusplus
}
#endif
#endif
