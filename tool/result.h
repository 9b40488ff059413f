/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOL_RESULT_H
#define WEIR_TOOL_RESULT_H
/* result.h -- what came of a job, to be told by report.h. */
#include <stdbool.h>
#include <stdint.h>

#include "weir/join.h"

struct app;
struct digests;
struct job_kind;

/* Room for a cause in words. */
#define CAUSE_TEXT_MAX 160

/* What became of one sink of a copy. */
struct sink_result {
	bool ran; /* else what follows, but for a failure to open it, is zero */
	enum weir_end end;
	int cause;        /* 0 when finished */
	bool detached;    /* by its policy */
	bool told;        /* of its failure, already */
	uint64_t in;      /* bytes that were due to it; in == out + dropped */
	uint64_t out;     /* bytes that it handed on */
	uint64_t dropped; /* bytes that it lost: by its policy, or by its end */
	uint64_t spilled; /* bytes that went through a file */
	uint64_t held_ns; /* for how long it held everybody */
	uint64_t drained; /* bytes that it sent back, and nobody got */
	char text[CAUSE_TEXT_MAX];
	const struct digests *digests; /* of what it got; NULL unless finished, with --hash */
};

/* What it points to is the job's, and may be copied: valid until the job is destroyed. */
struct result {
	const struct job_kind *kind;
	bool started; /* the endpoints were joined; else what follows `text` is zero */
	enum weir_end end;
	int cause;       /* 0 when finished */
	int side;        /* index of the endpoint at fault, or -1 for nobody's */
	int way;         /* the direction that failed */
	bool opening;    /* it failed before they were joined */
	bool reading;    /* the side was read from, not written to */
	uint64_t offset; /* where; bytes */
	uint64_t elapsed_ns;
	int status;                     /* to exit with */
	char text[CAUSE_TEXT_MAX];      /* "" when finished */
	struct weir_outcome outcome[2]; /* of each direction */
	struct weir_progress progress[2];
	struct weir_path_state path[2];
	const struct digests *digests[2]; /* of each direction; NULL unless finished, with --hash */
	int digest_rc;                    /* with which a digest failed, or 0 */
	const char *digest_name;
	struct sink_result
		*sinks; /* copy's, as the options have them; NULL before they were joined */
};

#endif
