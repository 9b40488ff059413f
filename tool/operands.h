/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOL_OPERANDS_H
#define WEIR_TOOL_OPERANDS_H
/* operands.h -- the endpoints of a command, and what they must be for it. */
#include "options.h"

/* Take the next operand.  Returns 0, or -1 with one line printed. */
int operands_take(struct options *o, const char *arg);

/* Check them against the command, each other and the options, and fill in what was left
 * to the default.  Returns 0, or -1 with one line printed. */
int operands_check(struct options *o);

#endif
