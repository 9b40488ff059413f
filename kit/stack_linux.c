/* SPDX-License-Identifier: MIT */
/*
 * Names by libdw, of elfutils, which reads the symbol tables and lines of the program and its
 * libraries.  It may look for debugging files, but nowhere else than in the objects themselves:
 * it would ask servers for them.
 */
#include <elfutils/libdwfl.h>
#include <execinfo.h>
#include <string.h>
#include <unistd.h>

#include "stack.h"

void weir__stack_take(struct stack *stack, const void *caller)
{
	stack->count = (unsigned)backtrace(stack->at, STACK_DEPTH);
	weir__stack_trim(stack, caller);
}

bool weir__names_static(void)
{
	return true;
}

static int no_debuginfo(Dwfl_Module *mod, void **data, const char *name, Dwarf_Addr base,
                        const char *file, const char *link, GElf_Word crc, char **out)
{
	(void)mod, (void)data, (void)name, (void)base, (void)file, (void)link, (void)crc;
	(void)out;
	return -1;
}

static Dwfl *session(const struct names *names)
{
	return (Dwfl *)names;
}

struct names *weir__names_open(void)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = dwfl_linux_proc_find_elf,
		.find_debuginfo = no_debuginfo,
	};
	Dwfl *dwfl = dwfl_begin(&callbacks);

	if (dwfl && (dwfl_linux_proc_report(dwfl, getpid()) != 0 ||
	             dwfl_report_end(dwfl, NULL, NULL) != 0)) {
		dwfl_end(dwfl);
		dwfl = NULL;
	}
	return (struct names *)dwfl;
}

void weir__names_close(struct names *names)
{
	if (names)
		dwfl_end(session(names));
}

void weir__names_find(struct names *names, void *at, struct weir_guard_frame *out)
{
	Dwarf_Addr call = (Dwarf_Addr)(uintptr_t)at - 1; /* `at` is behind it */
	Dwfl_Module *mod = names ? dwfl_addrmodule(session(names), call) : NULL;
	Dwfl_Line *line = mod ? dwfl_module_getsrc(mod, call) : NULL;
	int number = 0;

	*out = (struct weir_guard_frame){.at = at};
	if (mod)
		out->function = dwfl_module_addrname(mod, call);
	if (line)
		out->file = dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL);
	out->line = (unsigned)number;
}
