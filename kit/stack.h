/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KIT_STACK_H
#define WEIR_KIT_STACK_H
/*
 * stack.h -- who called whom.  Taking a stack is cheap and writes addresses down; names are
 * looked up when somebody asks.  One file is built, the best that the system has:
 *
 *   stack_linux.c  libdw: every function, with its file and line
 *   stack_posix.c  dladdr(3): functions that are exported
 *   stack_none.c   no stacks
 */
#include <stdbool.h>

#include "weir/guard.h"

#define STACK_DEPTH WEIR_GUARD_FRAMES

struct stack {
	void *at[STACK_DEPTH]; /* where each call returns to, innermost first */
	unsigned count;
};

/* The stack from the call that returns to `caller` on; all of it, if that is not there. */
void weir__stack_take(struct stack *stack, const void *caller);

/* Name the frames of a stack; `names` belongs to one report.  Returns the frames. */
struct names;

/* Ready for naming, or NULL if there are no names to be had. */
struct names *weir__names_open(void);
void weir__names_close(struct names *names);

/* The function that the call at `at` stands in.  Strings last until the close. */
void weir__names_find(struct names *names, void *at, struct weir_guard_frame *out);

/* Whether static functions have names. */
bool weir__names_static(void);

/* What each file has in common: the stack from `caller` on. */
static inline void weir__stack_trim(struct stack *stack, const void *caller)
{
	unsigned from = 0;

	while (from < stack->count && stack->at[from] != caller)
		from++;
	if (from == stack->count)
		return;
	for (unsigned i = from; i < stack->count; i++)
		stack->at[i - from] = stack->at[i];
	stack->count -= from;
}

#endif
