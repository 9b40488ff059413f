/* SPDX-License-Identifier: MIT */
/* Names by dladdr(3), for want of better: it knows exported functions only. */
#include <dlfcn.h>
#include <execinfo.h>
#include <stdint.h>

#include "stack.h"

void weir__stack_take(struct stack *stack, const void *caller)
{
	stack->count = (unsigned)backtrace(stack->at, STACK_DEPTH);
	weir__stack_trim(stack, caller);
}

bool weir__names_static(void)
{
	return false;
}

struct names *weir__names_open(void)
{
	return NULL;
}

void weir__names_close(struct names *names)
{
	(void)names;
}

void weir__names_find(struct names *names, void *at, struct weir_guard_frame *out)
{
	Dl_info info = {0};

	(void)names;
	*out = (struct weir_guard_frame){.at = at};
	if (dladdr((char *)at - 1, &info) == 0)
		return;
	out->function = info.dli_sname;
	out->file = info.dli_sname ? NULL : info.dli_fname;
}
