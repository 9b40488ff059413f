/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOL_SINK_H
#define WEIR_TOOL_SINK_H
/*
 * sink.h -- one of copy's sinks: alone behind the source, or a branch of the tee.
 *
 * A sink that could also give is read all the while, and what it gives is dropped: else
 * an echoing peer, with nobody to read its answers, would stop reading ours; and closing
 * a socket with unread bytes in it makes the kernel throw away what has not been sent.
 */
#include "digest.h"
#include "result.h"
#include "weir/context.h"
#include "weir/join.h"
#include "weir/tee.h"
#include "weir/transport.h"

struct job;

struct sink {
	struct job *job;
	size_t side;                /* index of its endpoint */
	struct weir_branch *branch; /* NULL for one alone */
	struct digests *digests;    /* of what was delivered to it; of a branch only */
	struct weir_join *drain;    /* of what it sends back, if it can */
	struct weir_transport *drain_to;
	struct weir_timer grace; /* for its peer to close */
	struct weir_timer tell;  /* of its failure, a moment later */
	bool in_grace;
	bool over;         /* nothing of it is waited for any more */
	bool failed_alone; /* while others went on */
	bool told;         /* of its failure */
	uint64_t seen_ns;  /* its held_ns at the last sinks_holder() */
};

/* Prepare `s`, which is all zero; begin to read what it sends back.  Returns 0, or a
 * negative code. */
int sink_begin(struct sink *s, struct job *job, size_t side);

/* Make it a branch of the job's tee.  Returns as sink_begin(). */
int sink_add_branch(struct sink *s);

/* If it has got all that it should, give its peer time to close; else let it be.  The job
 * is told when it is over. */
void sink_settle(struct sink *s);

/* Wait for its peer no longer. */
void sink_end_grace(struct sink *s);

/* What became of it; the job's join has an outcome, or has one for this sink. */
void sink_judge(const struct sink *s, struct sink_result *out);

/* Take out what reads it and what sees its bytes; the tee is gone. */
void sink_fini(struct sink *s);

/* The sink that has held everybody for longest since the last call, or NULL. */
struct sink *sinks_holder(struct sink *sinks, size_t count);

#endif
