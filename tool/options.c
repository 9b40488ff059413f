/* SPDX-License-Identifier: MIT */
/*
 * Options, from a table.  Not getopt_long(3): its abbreviations would make every new
 * option a change to what scripts mean, and its messages do not say what was expected.
 */
#include "options.h"

#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "text.h"
#include "weir/hash.h"

/* What a loop needs for itself and a few flows. */
#define BUDGET_MIN ((uint64_t)256 << 10)

/* The library's defaults, when only one of the marks is given. */
#define HIGH_DEFAULT ((uint64_t)64 << 10)

/* The most that any limit of bytes may be; keeps sums far from overflow. */
#define BYTES_MAX ((uint64_t)1 << 62)

/* Fits usual descriptor limits; see default_peers(). */
#define PEERS_DEFAULT 1024
#define PEERS_MAX 1000000

enum kind { FLAG, PROGRESS, SIZE, DURATION, COUNT, DIGEST };

struct spec {
	const char *name;
	char letter;
	enum kind kind;
	unsigned commands;   /* set of enum command */
	size_t offset;       /* in struct options */
	uint64_t least, most;
	const char *expected;
};

#define BOTH (COMMAND_COPY | COMMAND_RELAY)
#define AT(member) offsetof(struct options, member)

static const struct spec specs[] = {
	{"rate", 0, SIZE, BOTH, AT(rate), 1, BYTES_MAX,
	 "bytes per second, 1 or more, such as 500k, 20M or 1Gi"},
	{"burst", 0, SIZE, BOTH, AT(burst), 1, BYTES_MAX,
	 "a size, 1 or more, such as 64Ki or 1M"},
	{"high", 0, SIZE, BOTH, AT(high), 1, (uint64_t)1 << 40,
	 "a size from 1 to 1Ti, such as 1Mi"},
	{"low", 0, SIZE, BOTH, AT(low), 0, (uint64_t)1 << 40,
	 "a size from 0 to 1Ti, such as 256Ki"},
	{"budget", 0, SIZE, BOTH, AT(budget), BUDGET_MIN, (uint64_t)1 << 46,
	 "a size from 256Ki to 64Ti, such as 64Mi"},
	{"idle-timeout", 0, DURATION, BOTH, AT(idle_ns), 1, UINT64_MAX,
	 "a duration above 0, such as 500ms, 30s or 5m"},
	{"stall-timeout", 0, DURATION, BOTH, AT(stall_ns), 1, UINT64_MAX,
	 "a duration above 0, such as 500ms, 30s or 5m"},
	{"timeout", 0, DURATION, BOTH, AT(total_ns), 1, UINT64_MAX,
	 "a duration above 0, such as 500ms, 30s or 5m"},
	{"linger", 0, DURATION, COMMAND_RELAY, AT(linger_ns), 1, UINT64_MAX,
	 "a duration above 0, such as 500ms, 30s or 5m"},
	{"max-peers", 0, COUNT, BOTH, AT(max_peers), 1, PEERS_MAX,
	 "a number from 1 to 1000000"},
	{"hash", 0, DIGEST, COMMAND_COPY, AT(hash), 0, 0,
	 "the name of a digest, such as sha256, sha512 or blake2b512"},
	{"append", 0, FLAG, COMMAND_COPY, AT(append), 0, 0, NULL},
	{"progress", 0, PROGRESS, BOTH, WHEN_ALWAYS, 0, 0, NULL},
	{"no-progress", 0, PROGRESS, BOTH, WHEN_NEVER, 0, 0, NULL},
	{"json", 0, FLAG, BOTH, AT(json), 0, 0, NULL},
	{"many", 0, FLAG, BOTH, AT(many), 0, 0, NULL},
	{"verbose", 'v', FLAG, BOTH, AT(verbose), 0, 0, NULL},
	{"help", 'h', FLAG, BOTH, AT(help), 0, 0, NULL},
};

/* What was given, beside its value: defaults and zero look alike. */
struct parse {
	struct options *o;
	char **argv;
	int argc, next;
	int operands;
	bool given[sizeof(specs) / sizeof(specs[0])];
};

/* "weir: WHAT: expected EXPECTED", and -1. */
static int complain(const char *what, const char *expected)
{
	struct line line;

	line_begin(&line);
	text_safe(line.out, what);
	fputs(": expected ", line.out);
	text_safe(line.out, expected);
	line_end(&line);
	return -1;
}

static bool was_given(const struct parse *p, const char *name)
{
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
		if (strcmp(specs[i].name, name) == 0)
			return p->given[i];
	return false;
}

/* ---- one option ---- */

static bool is_digest(const char *name)
{
	struct weir_hash *h = NULL;
	bool known = weir_hash_create(name, &h) != WEIR_ENOTSUP;

	weir_hash_destroy(h);
	return known;
}

/* Put the value of `text` into the options. */
static int parse_value(const struct spec *spec, const char *text, void *target)
{
	uint64_t n;
	int rc;

	if (spec->kind == DIGEST) {
		*(const char **)target = text;
		return is_digest(text) ? 0 : -1;
	}

	switch (spec->kind) {
	case SIZE:
		rc = weir_size_parse(text, &n);
		break;
	case DURATION:
		rc = text_parse_duration(text, &n);
		break;
	default: /* a plain number is a size without a unit */
		rc = text[strspn(text, "0123456789")] ? -1 : weir_size_parse(text, &n);
		break;
	}
	if (rc < 0 || n < spec->least || n > spec->most)
		return -1;
	*(uint64_t *)target = n;
	return 0;
}

/* `value` is what follows "=", or NULL. */
static int take_option(struct parse *p, const struct spec *spec, const char *shown,
		       const char *value)
{
	char *target = (char *)p->o + spec->offset;

	p->given[spec - specs] = true;
	if (spec->kind == FLAG || spec->kind == PROGRESS) {
		if (value)
			return complain(shown, "no value for this option");
		if (spec->kind == FLAG)
			*(bool *)(void *)target = true;
		else
			p->o->progress = (enum when)spec->offset;
		return 0;
	}
	if (!value) {
		if (p->next == p->argc)
			return complain(shown, spec->expected);
		value = p->argv[p->next++];
	}
	if (parse_value(spec, value, target) < 0) {
		struct line line;

		line_begin(&line);
		fprintf(line.out, "--%s ", spec->name);
		text_safe(line.out, value);
		fprintf(line.out, ": expected %s", spec->expected);
		line_end(&line);
		return -1;
	}
	return 0;
}

static int take_unknown(const struct parse *p, const char *shown)
{
	return complain(shown, p->o->command == COMMAND_COPY
				       ? "an option of copy; weir copy --help lists them"
				       : "an option of relay; weir relay --help lists them");
}

static int take_long(struct parse *p, const char *arg)
{
	size_t len = strcspn(arg + 2, "=");
	const char *value = arg[2 + len] ? arg + 2 + len + 1 : NULL;

	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		const struct spec *spec = &specs[i];

		if (strlen(spec->name) == len && memcmp(spec->name, arg + 2, len) == 0 &&
		    (spec->commands & p->o->command))
			return take_option(p, spec, arg, value);
	}
	return take_unknown(p, arg);
}

static int take_letters(struct parse *p, const char *arg)
{
	for (const char *c = arg + 1; *c; c++) {
		const struct spec *found = NULL;

		for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
			if (specs[i].letter == *c)
				found = &specs[i];
		if (!found)
			return take_unknown(p, arg);
		if (take_option(p, found, arg, NULL) < 0)
			return -1;
	}
	return 0;
}

/* ---- operands ---- */

static const char *operand_names(const struct options *o)
{
	return o->command == COMMAND_COPY ? "SOURCE SINK" : "LEFT RIGHT";
}

static int take_operand(struct parse *p, const char *arg)
{
	const char *expected;
	int rc;

	if (p->operands == 2)
		return complain(arg, p->o->command == COMMAND_COPY
					     ? "one SOURCE and one SINK, not a third operand"
					     : "one LEFT and one RIGHT, not a third operand");
	rc = weir_endpoint_parse(arg, &p->o->end[p->operands], &expected);
	if (rc == WEIR_EENDPOINT)
		return complain(arg, expected);
	if (rc < 0) {
		line_print("%s", weir_err_text(rc));
		return -1;
	}
	p->operands++;
	return 0;
}

static int check_roles(const struct options *o)
{
	static const enum weir_role copy_roles[] = {WEIR_ROLE_SOURCE, WEIR_ROLE_SINK};
	static const char *const expected[] = {
		"an endpoint that gives bytes as SOURCE",
		"an endpoint that takes bytes as SINK",
	};

	for (int i = 0; i < 2; i++) {
		const char *text = weir_endpoint_text(o->end[i]);

		if (o->command == COMMAND_COPY && !weir_endpoint_can(o->end[i], copy_roles[i]))
			return complain(text, expected[i]);
		if (o->command == COMMAND_RELAY && !weir_endpoint_can(o->end[i], WEIR_ROLE_BOTH))
			return complain(text, "an endpoint that works both ways: -, tcp://, "
					      "tcp-listen://, unix:, unix-listen: or exec:");
	}
	if (o->command == COMMAND_RELAY && weir_endpoint_is_stdio(o->end[0]) &&
	    weir_endpoint_is_stdio(o->end[1]))
		return complain("-", "standard input and output on one side only");
	return 0;
}

/* ---- what belongs together ---- */

int options_listener(const struct options *o)
{
	for (int i = 0; i < 2; i++)
		if (weir_endpoint_listens(o->end[i]))
			return i;
	return -1;
}

/* A peer needs two descriptors, a little more for a command; some are ours. */
static uint64_t default_peers(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= 3 * PEERS_DEFAULT + 32)
		return PEERS_DEFAULT;
	return limit.rlim_cur > 64 ? (limit.rlim_cur - 32) / 3 : 8;
}

static int check_many(struct parse *p)
{
	struct options *o = p->o;
	int listener = options_listener(o);

	if (!o->many) {
		if (was_given(p, "max-peers"))
			return complain("--max-peers", "--many with it");
		return 0;
	}
	if (listener < 0 || weir_endpoint_listens(o->end[1 - listener]))
		return complain("--many", "exactly one endpoint that listens");
	if (weir_endpoint_is_stdio(o->end[1 - listener]))
		return complain("--many", "an endpoint that can be opened for each peer, not -");
	if (o->max_peers == 0)
		o->max_peers = default_peers();
	return 0;
}

/* Appending a file to itself would never end. */
static bool same_file(const struct options *o)
{
	struct stat a, b;
	int rc;

	if (strcmp(weir_endpoint_scheme(o->end[0]), "file") == 0)
		rc = stat(weir_endpoint_path(o->end[0]), &a);
	else if (weir_endpoint_is_stdio(o->end[0]))
		rc = fstat(0, &a);
	else
		return false;
	return rc == 0 && stat(weir_endpoint_path(o->end[1]), &b) == 0 && S_ISREG(a.st_mode) &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int check_together(struct parse *p)
{
	struct options *o = p->o;

	if (o->burst && !o->rate)
		return complain("--burst", "--rate with it");
	if (was_given(p, "high") && !was_given(p, "low"))
		o->low = o->high / 4;
	if (was_given(p, "low") && !was_given(p, "high"))
		o->high = HIGH_DEFAULT;
	if (o->high && o->low >= o->high)
		return complain(was_given(p, "high") ? "--low" : "--low without --high",
				"less than the high mark (64Ki unless --high is given)");
	if (o->append && strcmp(weir_endpoint_scheme(o->end[1]), "file") != 0)
		return complain("--append", "a file as SINK");
	if (o->append && same_file(o))
		return complain(weir_endpoint_text(o->end[1]), "another file than SOURCE");
	return check_many(p);
}

int options_parse(struct options *o, enum command command, int argc, char **argv)
{
	struct parse p = {.o = o, .argc = argc, .argv = argv};
	bool options_end = false;
	int rc = 0;

	*o = (struct options){
		.command = command,
		.name = command == COMMAND_COPY ? "copy" : "relay",
	};
	while (rc == 0 && p.next < argc) {
		const char *arg = argv[p.next++];

		if (options_end || arg[0] != '-' || !arg[1])
			rc = take_operand(&p, arg);
		else if (strcmp(arg, "--") == 0)
			options_end = true;
		else if (arg[1] == '-')
			rc = take_long(&p, arg);
		else
			rc = take_letters(&p, arg);
	}
	if (rc < 0 || o->help)
		return rc;
	if (p.operands < 2)
		return complain(o->name, operand_names(o));
	rc = check_roles(o);
	return rc < 0 ? rc : check_together(&p);
}

void options_fini(struct options *o)
{
	weir_endpoint_destroy(o->end[0]);
	weir_endpoint_destroy(o->end[1]);
}
