/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IMPL_CARRY_H
#define WEIR_IMPL_CARRY_H
/*
 * impl/carry.h -- bytes that the kernel moves from one descriptor to another, so that no one
 * reads them.  For those who write a producer or a consumer that has a descriptor, or that
 * stands between and does not care what the bytes are.
 *
 * A producer whose bytes lie in a descriptor may offer that to its consumer, in place of
 * reading and writing.  The offer is for one step: the consumer moves as many bytes as it can
 * now, or says that they have to be written.  Nothing is left under way when the call
 * returns, so a path begins and ends at any step, and bytes that are written before or after
 * one keep their order.
 *
 *   joins           pass the offer on, and count
 *   a valve         takes it if its implementation has a descriptor (impl/valve.h, `carry`)
 *                   and nothing is queued
 *   everybody else  has no `carry`: bytes must be written
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/consumer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a descriptor is. */
enum weir_carry_kind { WEIR_CARRY_FILE, WEIR_CARRY_PIPE, WEIR_CARRY_SOCKET, WEIR_CARRY_KINDS };

/* What comes next, after the bytes that were moved. */
enum weir_carry_next {
	WEIR_CARRY_MORE,   /* perhaps more of the same */
	WEIR_CARRY_FULL,   /* the consumer takes no more now, and has paused the producer */
	WEIR_CARRY_DRY,    /* there are no bytes now */
	WEIR_CARRY_END,    /* there will be no more bytes: the end of the file, of the stream */
	WEIR_CARRY_BROKEN, /* the producer's descriptor has failed with `error` */
	WEIR_CARRY_WRITE,  /* bytes have to be written; `who` and `why` say why */
};

/* At a descriptor's own position. */
#define WEIR_CARRY_HERE UINT64_MAX

struct weir_carry {
	/* The offer.  The descriptor is borrowed for the call, non-blocking unless a file's. */
	int fd;
	enum weir_carry_kind kind;
	uint64_t offset; /* of a file's next byte; or WEIR_CARRY_HERE */
	size_t max;      /* bytes, more than 0 */
	bool last;       /* with all of them moved, there will be no more soon */
	bool any;        /* also by ways that were measured to be slower; set by a join */
	unsigned crowd;  /* of a bulk flow: how many of them the loop has had at once; or 0 */

	/* On the way: what the valve could keep of bytes that are no longer in the
	 * producer's descriptor and do not fit its own. */
	size_t spare;

	/* The answer.  Strings have static storage. */
	enum weir_carry_next next;
	int error;           /* BROKEN: negative */
	size_t lost;         /* bytes that were taken from the producer and cannot be kept */
	unsigned char path;  /* enum weir_path, if bytes were moved */
	bool soon;           /* WRITE: only for the moment; else do not offer each time */
	const char *who;     /* WRITE: "tap" */
	const char *why;     /* WRITE: "must see the bytes" */
};

/*
 * Offer a descriptor to `c`, the consumer that the caller is registered with.
 *
 * Re-entry  The producer may be paused from inside; nothing else happens to it, unless `c`
 *           ends: then it is stopped.
 * Returns   the bytes that were moved, with carry->next saying what comes next; or a
 *           negative code with which `c` has ended.
 */
WEIR_API WEIR_MUST_USE int64_t weir_consumer_carry(struct weir_consumer *c,
						   struct weir_carry *carry);

/* For those who answer: no bytes, they have to be written.  Returns 0. */
WEIR_API int64_t weir_carry_refuse(struct weir_carry *carry, const char *who, const char *why);

#ifdef __cplusplus
}
#endif
#endif
