/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOL_POLICY_H
#define WEIR_TOOL_POLICY_H
/*
 * policy.h -- what is to be done about a sink that cannot keep up, as a user says it
 * before the sink's endpoint:
 *
 *   block:ENDPOINT                          it holds everybody, as without a policy
 *   drop[,behind=SIZE][,record=BYTE]:...    it loses bytes
 *   detach[,behind=SIZE | ,after=TIME]:...  it is let go
 *   spill[,behind=SIZE][,max=SIZE][,dir=FOLDER]:...  what it is behind by goes to a file
 */
#include <stdbool.h>
#include <stdint.h>

#include "text.h"
#include "weir/tee.h"

struct policy {
	enum weir_tee_policy kind; /* WEIR_TEE_BLOCK without one */
	uint64_t behind;           /* bytes; 0: by default */
	uint64_t after_ns;         /* of detach; 0: by bytes */
	int record;                /* of drop: a byte, or WEIR_NO_SEPARATOR */
	uint64_t max;              /* of spill: bytes */
	char *dir;                 /* of spill; NULL: by default */
};

/*
 * Parse the policy that `text` begins with, if it does: the name of one, followed by a
 * colon or a comma.
 *
 * Owns     the folder is policy_fini()'s to release, also after a failure.
 * Returns  0, with the rest of `text` in *rest; or -1, with the bytes of `text` up to the
 *          end of what is wrong in *bad and a phrase in *expected.
 */
int policy_parse(struct policy *p, const char *text, const char **rest, size_t *bad,
		 const char **expected);

void policy_fini(struct policy *p);

/* Whether `text` begins as a sink with a policy does. */
bool policy_begins(const char *text);

/* "block", "drop", ... */
const char *policy_name(enum weir_tee_policy kind);

/* Write it for people: "drop, at most 4.0 MB behind, at records that end in 0x0a". */
void policy_describe(struct text *out, const struct policy *p);

#endif
