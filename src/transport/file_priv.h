/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TRANSPORT_FILE_PRIV_H
#define WEIR_TRANSPORT_FILE_PRIV_H
/*
 * file_priv.h -- the parts that a file transport is made of.
 *
 *   file_posix.c         which part a path or a descriptor gets
 *   file_parts_posix.c   what is given of a file, piece by piece
 *   file_read_posix.c    the source: from the page cache by itself, from the disk by a worker
 *   file_write_posix.c   the sink: slices by itself, the beginning and the end by a worker
 *   file_target_posix.c  what the sink writes to: its names and its descriptors
 *   fifo_posix.c         the sink of a FIFO that has no reader yet
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "weir/file.h"
#include "weir/impl/transport.h"

/* ---- the source ---- */

struct weir__file_source;

/* A run of bytes to give: of the file, or `text` that is in memory. */
struct weir__file_piece {
	const unsigned char *text; /* NULL: of the file */
	uint64_t offset;           /* of the first byte, there */
	uint64_t len;
};

struct weir__file_source_config {
	int fd;
	int64_t length;  /* of what is to be read, or -1: for weir_transport_length() */
	bool seekable;   /* read at `offset`; else at the descriptor's position */
	bool moves;      /* keep the descriptor's position at what has been given */
	bool in_memory;  /* a read never waits for a disk */
	uint64_t offset; /* of the first byte */
	uint64_t wanted; /* bytes; UINT64_MAX: to the end */
	uint64_t size;   /* the file's, now; 0 if it is unknown */
	enum weir_mode mode;
	struct weir__file_piece *pieces; /* what comes after `wanted`; one heap block, or NULL */
	size_t piece_count;
};

/* Owns  `config->fd` and `config->pieces`, on success. */
WEIR_MUST_USE int weir__file_source_create(struct weir_loop *loop,
					   const struct weir__file_source_config *config,
					   struct weir__file_source **out);
struct weir_producer *weir__file_source_producer(struct weir__file_source *s);

/* Let go of everything; the memory goes in a later turn. */
void weir__file_source_close(struct weir__file_source *s);

/* ---- the target ---- */

/*
 * Where bytes are written.  Everything here may wait for the disk, and touches no loop:
 * a worker calls it.  `fd` is -1 while `pending` if there is no file yet.
 */
struct weir__file_target {
	int fd;
	int dir;       /* where `name` is; -1: `fd` is all there is */
	char *name;    /* of the file, in `dir`; symbolic links are resolved */
	char *temp;    /* name of the file that is written, if that has one */
	mode_t mode;   /* of a new file */
	enum weir_file_mode how;
	bool sync;
	bool pending;  /* to be created or emptied before the first byte */
	uint64_t replaces; /* bytes of the old file, which go with its name; 0: there was none */
};

/* Check, and open without any effect that a reader of the file could see. */
WEIR_MUST_USE int weir__file_target_open(struct weir__file_target *t, const char *path,
					 const struct weir_file_write_options *options);

/* Create or empty the file, if `pending`. */
WEIR_MUST_USE int weir__file_target_prepare(struct weir__file_target *t);

/* Make the file complete: sync, name, close.  On failure, and when `*given_up` is found
 * set before the file gets its name, as weir__file_target_discard(). */
WEIR_MUST_USE int weir__file_target_commit(struct weir__file_target *t,
					   const atomic_bool *given_up);

/* Whether it is a new file, which gets its name when it is complete. */
static inline bool weir__file_target_is_new(const struct weir__file_target *t)
{
	return t->dir >= 0 && (t->how == WEIR_FILE_REPLACE || t->how == WEIR_FILE_CREATE);
}

/* Close, and leave no trace of what has no name yet.  May be repeated. */
void weir__file_target_discard(struct weir__file_target *t);

/* ---- the sink ---- */

struct weir__file_sink;

/* A write that takes so long is slow, and workers do the next ones.  For tests: 0 has
 * them do it always. */
extern uint64_t weir__file_slow_ns;

/* Owns  what `target` holds, on success. */
WEIR_MUST_USE int weir__file_sink_create(struct weir_loop *loop,
					 const struct weir__file_target *target,
					 struct weir__file_sink **out);
struct weir_valve *weir__file_sink_valve(struct weir__file_sink *s);
void weir__file_sink_close(struct weir__file_sink *s);

/* Undo the creation: the target is the caller's again. */
void weir__file_sink_abandon(struct weir__file_sink *s);

/* ---- transports ---- */

/* Say how to read the open file `fd`, from config->offset on. */
WEIR_MUST_USE int weir__file_configure(struct weir__file_source_config *config, int fd,
				       const struct stat *st);

/* Make a transport of a source, a sink or both; `source` is NULL for no source, `target`
 * for no sink.  Owns what they hold, on success. */
WEIR_MUST_USE int weir__file_create(struct weir_loop *loop,
				    const struct weir__file_source_config *source,
				    const struct weir__file_target *target,
				    struct weir_transport **out);

bool weir__file_range_is_valid(const struct weir_file_range *range);
bool weir__file_is_regular(const struct stat *st); /* or a block device */

/* Have `fn(arg)` called once the finish of `t`'s sink is complete, before it is told. */
void weir__file_on_finished(struct weir_transport *t, void (*fn)(void *arg), void *arg);
void weir__file_sink_on_finished(struct weir__file_sink *s, void (*fn)(void *arg), void *arg);

/* The sink of the FIFO at `path`, which is opened as soon as it has a reader. */
WEIR_MUST_USE int weir__fifo_write(struct weir_loop *loop, const char *path,
				   struct weir_transport **out);

#endif
