/* SPDX-License-Identifier: MIT */
/* The endpoints of a command. */
#include "operands.h"

#include <stdlib.h>
#include <string.h>

#include "sys.h"
#include "text.h"
#include "weir/budget.h"

/* ---- taking them ---- */

static int take_policy(struct options *o, const char *arg, const char **rest)
{
	const char *expected;
	size_t bad;
	char *shown;

	if (policy_parse(&o->policy[o->ends], arg, rest, &bad, &expected) == 0) {
		if (*rest == arg || !policy_begins(*rest))
			return 0;
		return line_expected(arg, "one policy before an endpoint");
	}
	shown = text_copy(arg, bad);
	line_expected(shown ? shown : arg, expected);
	free(shown);
	return -1;
}

int operands_take(struct options *o, const char *arg)
{
	const char *expected, *rest = arg;
	int rc;

	if (o->command == COMMAND_RELAY && o->ends == 2)
		return line_expected(arg, "one LEFT and one RIGHT, not a third operand");
	if (o->command == COMMAND_COPY && o->ends == 0 && policy_begins(arg))
		return line_expected(arg, "SOURCE without a policy (a file of that name is "
					  "written ./NAME)");
	if (o->command == COMMAND_COPY && o->ends > 0 && take_policy(o, arg, &rest) < 0)
		return -1;
	rc = weir_endpoint_parse(rest, &o->end[o->ends], &expected);
	if (rc == WEIR_EENDPOINT)
		return line_expected(arg, expected);
	if (rc < 0) {
		line_print("%s", weir_err_text(rc));
		return -1;
	}
	o->ends++;
	return 0;
}

/* ---- checking them ---- */

static int check_copy(const struct options *o)
{
	bool stdout_taken = false;

	if (!weir_endpoint_can(o->end[0], WEIR_ROLE_SOURCE))
		return line_expected(weir_endpoint_text(o->end[0]),
				     "an endpoint that gives bytes as SOURCE");
	for (size_t i = 1; i < o->ends; i++) {
		if (!weir_endpoint_can(o->end[i], WEIR_ROLE_SINK))
			return line_expected(weir_endpoint_text(o->end[i]),
					     "an endpoint that takes bytes as SINK");
		if (!weir_endpoint_is_stdio(o->end[i]))
			continue;
		if (stdout_taken)
			return line_expected("-", "standard output as one SINK only");
		stdout_taken = true;
	}
	return 0;
}

static int check_relay(const struct options *o)
{
	for (size_t i = 0; i < 2; i++)
		if (!weir_endpoint_can(o->end[i], WEIR_ROLE_BOTH))
			return line_expected(weir_endpoint_text(o->end[i]),
					     "an endpoint that works both ways: -, tcp://, "
					     "tcp-listen://, unix:, unix-listen: or exec:");
	if (weir_endpoint_is_stdio(o->end[0]) && weir_endpoint_is_stdio(o->end[1]))
		return line_expected("-", "standard input and output on one side only");
	return 0;
}

static bool is_file(const struct weir_endpoint *e)
{
	return strcmp(weir_endpoint_scheme(e), "file") == 0;
}

static bool is_same(const struct sys_file *a, const struct sys_file *b)
{
	return a->device == b->device && a->index == b->index;
}

/* Whether the source is the regular file that a sink names: to append it to itself would
 * never end. */
static bool is_source(const struct options *o, const struct weir_endpoint *sink)
{
	const char *source = is_file(o->end[0]) ? weir_endpoint_path(o->end[0]) : NULL;
	struct sys_file a, b;

	if (!source && !weir_endpoint_is_stdio(o->end[0]))
		return false;
	return sys_find_file(source, &a) > 0 && sys_find_file(weir_endpoint_path(sink), &b) > 0 &&
	       is_same(&a, &b);
}

static int check_append(const struct options *o)
{
	bool any = false;

	for (size_t i = 1; i < o->ends; i++) {
		if (!is_file(o->end[i]))
			continue;
		any = true;
		if (is_source(o, o->end[i]))
			return line_expected(weir_endpoint_text(o->end[i]),
					     "another file than SOURCE");
	}
	return any ? 0 : line_expected("--append", "a file as SINK");
}

/* Two sinks that are one file would each undo what the other did. */
static bool same_file(const struct weir_endpoint *a, const struct weir_endpoint *b)
{
	struct sys_file s, t;
	int first, second;

	if (!is_file(a) || !is_file(b))
		return false;
	first = sys_find_file(weir_endpoint_path(a), &s);
	second = sys_find_file(weir_endpoint_path(b), &t);
	if (first < 0 || second < 0)
		return sys_same_name(weir_endpoint_path(a), weir_endpoint_path(b));
	return first > 0 && second > 0 && is_same(&s, &t);
}

static int check_distinct(const struct options *o)
{
	for (size_t i = 1; i < o->ends; i++)
		for (size_t k = 1; k < i; k++)
			if (same_file(o->end[k], o->end[i]))
				return line_expected(weir_endpoint_text(o->end[i]),
						     "another file than an earlier SINK");
	return 0;
}

static bool has_backlog(const struct policy *p)
{
	return p->kind != WEIR_TEE_BLOCK && !p->after_ns;
}

/* What branches may be behind by is in memory.  If the budget could be spent before a
 * policy comes into force, a slow sink would hold everybody after all. */
static int check_behind(struct options *o)
{
	uint64_t budget = o->budget ? o->budget : WEIR_BUDGET_DEFAULT;
	uint64_t given = 0, rest, share = WEIR_BEHIND_DEFAULT;
	size_t open = 0;

	for (size_t i = 1; i < o->ends; i++) {
		given += o->policy[i].behind;
		open += has_backlog(&o->policy[i]) && !o->policy[i].behind;
	}
	if (given > budget / 2)
		return line_expected("behind=", "at most half of --budget (128Mi unless given), "
						"for all sinks together");
	rest = budget / 2 - given;
	if (open && share > rest / open)
		share = rest / open > 0 ? rest / open : 1;
	for (size_t i = 1; i < o->ends; i++)
		if (has_backlog(&o->policy[i]) && !o->policy[i].behind)
			o->policy[i].behind = share;
	return 0;
}

int options_listener(const struct options *o)
{
	for (size_t i = 0; i < o->ends; i++)
		if (weir_endpoint_listens(o->end[i]))
			return (int)i;
	return -1;
}

static int check_many(const struct options *o)
{
	size_t listeners = 0;

	for (size_t i = 0; i < o->ends; i++)
		listeners += weir_endpoint_listens(o->end[i]);
	if (listeners != 1)
		return line_expected("--many", "exactly one endpoint that listens");
	if (o->threads > 1 &&
	    strcmp(weir_endpoint_scheme(o->end[options_listener(o)]), "tcp-listen") != 0)
		return line_expected("--threads", "tcp-listen:// to listen on; the system shares "
						  "no other address between threads");
	for (size_t i = 0; i < o->ends; i++)
		if (weir_endpoint_is_stdio(o->end[i]))
			return line_expected("--many",
					     "an endpoint that can be opened for each peer, not -");
	return 0;
}

int operands_check(struct options *o)
{
	int rc;

	if (o->ends < 2)
		return line_expected(o->name,
				     o->command == COMMAND_COPY ? "SOURCE SINK" : "LEFT RIGHT");
	rc = o->command == COMMAND_COPY ? check_copy(o) : check_relay(o);
	if (rc == 0 && o->append)
		rc = check_append(o);
	if (rc == 0 && o->many)
		rc = check_many(o);
	if (rc == 0)
		rc = check_distinct(o);
	return rc < 0 ? rc : check_behind(o);
}

bool options_fan_out(const struct options *o)
{
	return o->ends > 2 || o->policy[1].kind != WEIR_TEE_BLOCK;
}

bool options_stdout_taken(const struct options *o)
{
	for (size_t i = o->command == COMMAND_COPY ? 1 : 0; i < o->ends; i++)
		if (weir_endpoint_is_stdio(o->end[i]))
			return true;
	return false;
}
