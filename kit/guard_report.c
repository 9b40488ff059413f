/* SPDX-License-Identifier: MIT */
/* A breach: who broke which rule, and from where the two calls were made that do not go
 * together.  Names are looked up here, once in a guard's life. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard_priv.h"

void weir__guard_mark(struct weir_guard *g, enum moment moment)
{
	struct mark *mark = &g->marks[moment];

	if (g->broken || !g->call)
		return;
	mark->what = g->call->what;
	weir__stack_take(&mark->stack, g->call->caller);
}

/* A frame of the guard's own, as far as its source is known. */
static bool is_ours(const struct weir_guard_frame *frame)
{
	return frame->file &&
	       (strstr(frame->file, "kit/guard") || strstr(frame->file, "core/wrap.c"));
}

static void name_call(struct names *names, const char *what, const struct stack *stack,
                      struct weir_guard_call *out)
{
	out->what = what;
	for (unsigned i = 0; what && i < stack->count; i++) {
		weir__names_find(names, stack->at[i], &out->frames[out->count]);
		if (!is_ours(&out->frames[out->count]))
			out->count++;
	}
}

static void report(struct weir_guard *g, const struct weir_guard_report *report)
{
	if (g->options.on_broken) {
		g->options.on_broken(g->options.arg, report);
		return;
	}
	weir_guard_print(NULL, report);
	abort();
}

void weir__guard_holds(struct weir_guard *g, enum rule rule, enum weir_guard_party party,
                       enum moment before, bool is, const char *format, ...)
{
	struct weir_guard_report out = {.party = party};
	const struct mark *mark = before == AT_NONE ? NULL : &g->marks[before];
	struct rule_info info;
	struct names *names;
	struct stack here;
	char what[200];
	va_list args;

	if (is || g->broken)
		return;
	info = weir__tck_rule(rule);
	if (info.strict_only && g->options.twisted)
		return;
	g->broken = true;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	out.id = info.id;
	out.rule = info.text;
	out.what = what;
	out.name = party == WEIR_GUARD_PRODUCER ? g->producer_name : g->consumer_name;
	weir__stack_take(&here, g->call ? g->call->caller : NULL);
	names = weir__names_open();
	name_call(names, g->call ? g->call->what : "turn", &here, &out.broke);
	if (mark)
		name_call(names, mark->what, &mark->stack, &out.before);
	report(g, &out);
	weir__names_close(names);
}

/* ---- in words ---- */

static void print_call(const char *intro, const struct weir_guard_call *call)
{
	if (!call->what)
		return;
	fprintf(stderr, "  %s %s:\n", intro, call->what);
	for (size_t i = 0; i < call->count; i++) {
		const struct weir_guard_frame *f = &call->frames[i];
		const char *base = f->file ? strrchr(f->file, '/') : NULL;

		if (f->function)
			fprintf(stderr, "    %s", f->function);
		else
			fprintf(stderr, "    %p", f->at);
		if (f->file)
			fprintf(stderr, " (%s:%u)", base ? base + 1 : f->file, f->line);
		fputc('\n', stderr);
		if (f->function && strcmp(f->function, "main") == 0)
			break;
	}
}

void weir_guard_print(void *arg, const struct weir_guard_report *r)
{
	(void)arg;
	fprintf(stderr, "weir guard: the %s \"%s\" breaks %s: %s\n  %s\n",
	        r->party == WEIR_GUARD_PRODUCER ? "producer" : "consumer", r->name, r->id, r->rule,
	        r->what);
	print_call("this", &r->broke);
	print_call("after this", &r->before);
}
