/* SPDX-License-Identifier: MIT */
/*
 * Options, from a table.  Not getopt_long(3): its abbreviations would make every new
 * option a change to what scripts mean, and its messages do not say what was expected.
 */
#include "options.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "operands.h"
#include "sys.h"
#include "text.h"
#include "weir/budget.h"
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

#define THREADS_MAX 256

enum kind { FLAG, PROGRESS, SIZE, DURATION, COUNT, THREADS, DIGEST, PATHS };

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
	{"threads", 0, THREADS, COMMAND_RELAY, AT(threads), 1, THREADS_MAX,
	 "a number from 1 to 256, or auto"},
	{"hash", 0, DIGEST, BOTH, AT(hash), 0, 0,
	 "the name of a digest, such as sha256, sha512 or blake2b512; at most 8 of them"},
	{"path", 0, PATHS, BOTH, AT(paths), 0, 0, "fastest, copy or kernel"},
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
	bool given[sizeof(specs) / sizeof(specs[0])];
};

static bool was_given(const struct parse *p, const char *name)
{
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
		if (strcmp(specs[i].name, name) == 0)
			return p->given[i];
	return false;
}

/* ---- one option ---- */

static int add_digest(struct options *o, const char *name)
{
	struct weir_hash *h = NULL;
	int rc = weir_hash_create(name, &h);

	if (rc == WEIR_ENOTSUP || rc == WEIR_ELIBRARY)
		return rc;
	weir_hash_destroy(h);
	for (size_t i = 0; i < o->hashes; i++)
		if (strcasecmp(o->hash[i], name) == 0)
			return 0;
	if (o->hashes == HASHES_MAX)
		return -1;
	o->hash[o->hashes++] = name;
	return 0;
}

static int set_paths(struct options *o, const char *name)
{
	static const char *const names[] = {
		[WEIR_PATHS_FASTEST] = "fastest",
		[WEIR_PATHS_COPY] = "copy",
		[WEIR_PATHS_KERNEL] = "kernel",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name) == 0) {
			o->paths = (enum weir_paths)i;
			return 0;
		}
	}
	return -1;
}

/* Put the value of `text` into the options. */
static int parse_value(struct options *o, const struct spec *spec, const char *text)
{
	uint64_t n;
	int rc;

	if (spec->kind == DIGEST)
		return add_digest(o, text);
	if (spec->kind == PATHS)
		return set_paths(o, text);
	if (spec->kind == THREADS && strcmp(text, "auto") == 0) {
		n = sys_cores();
		o->threads = n > THREADS_MAX ? THREADS_MAX : n;
		return 0;
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
	*(uint64_t *)(void *)((char *)o + spec->offset) = n;
	return 0;
}

static int refuse_value(const struct spec *spec, const char *value, int rc)
{
	struct text line;

	line_begin(&line);
	text_addf(&line, "--%s ", spec->name);
	text_add_safe(&line, value);
	if (rc == WEIR_ELIBRARY)
		text_addf(&line, ": %s (OpenSSL's libcrypto)", weir_err_text(rc));
	else
		text_addf(&line, ": expected %s", spec->expected);
	line_end(&line);
	return -1;
}

/* `value` is what follows "=", or NULL. */
static int take_option(struct parse *p, const struct spec *spec, const char *shown,
		       const char *value)
{
	int rc;

	p->given[spec - specs] = true;
	if (spec->kind == FLAG || spec->kind == PROGRESS) {
		if (value)
			return line_expected(shown, "no value for this option");
		if (spec->kind == FLAG)
			*(bool *)(void *)((char *)p->o + spec->offset) = true;
		else
			p->o->progress = (enum when)spec->offset;
		return 0;
	}
	if (!value) {
		if (p->next == p->argc)
			return line_expected(shown, spec->expected);
		value = p->argv[p->next++];
	}
	rc = parse_value(p->o, spec, value);
	return rc < 0 ? refuse_value(spec, value, rc) : 0;
}

static int take_unknown(const struct parse *p, const char *shown)
{
	return line_expected(shown, p->o->command == COMMAND_COPY
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

/* ---- what belongs together ---- */

/* A peer needs a descriptor for each endpoint, a little more for a command; some are ours. */
static uint64_t default_peers(const struct options *o)
{
	uint64_t each = o->ends + 1;
	uint64_t limit = sys_descriptors();

	if (limit >= each * PEERS_DEFAULT + 32)
		return PEERS_DEFAULT;
	return limit > 64 + each ? (limit - 32) / each : 8;
}

/* What is for all threads together is dealt out to them. */
static int check_threads(const struct options *o)
{
	if (o->threads == 1)
		return 0;
	if ((o->budget ? o->budget : WEIR_BUDGET_DEFAULT) / o->threads < BUDGET_MIN)
		return line_expected("--budget", "256Ki or more for each of --threads");
	if (o->max_peers < o->threads)
		return line_expected("--max-peers", "1 or more for each of --threads");
	if (o->rate && o->rate < o->threads)
		return line_expected("--rate", "1 or more for each of --threads");
	if (o->burst && o->burst < o->threads)
		return line_expected("--burst", "1 or more for each of --threads");
	return 0;
}

static int check_together(struct parse *p)
{
	struct options *o = p->o;

	if (o->burst && !o->rate)
		return line_expected("--burst", "--rate with it");
	if (was_given(p, "high") && !was_given(p, "low"))
		o->low = o->high / 4;
	if (was_given(p, "low") && !was_given(p, "high"))
		o->high = HIGH_DEFAULT;
	if (o->high && o->low >= o->high)
		return line_expected(was_given(p, "high") ? "--low" : "--low without --high",
				"less than the high mark (64Ki unless --high is given)");
	if (was_given(p, "max-peers") && !o->many)
		return line_expected("--max-peers", "--many with it");
	if (was_given(p, "threads") && !o->many)
		return line_expected("--threads", "--many with it");
	if (o->many && o->max_peers == 0) {
		o->max_peers = default_peers(o);
		if (o->max_peers < o->threads)
			o->max_peers = o->threads;
	}
	return check_threads(o) < 0 ? -1 : operands_check(o);
}

int options_parse(struct options *o, enum command command, int argc, char **argv)
{
	struct parse p = {.o = o, .argc = argc, .argv = argv};
	bool options_end = false;
	int rc = 0;

	*o = (struct options){
		.command = command,
		.name = command == COMMAND_COPY ? "copy" : "relay",
		.threads = 1,
	};
	o->end = calloc((size_t)argc + 1, sizeof(*o->end));
	o->policy = calloc((size_t)argc + 1, sizeof(*o->policy));
	if (!o->end || !o->policy) {
		line_print("no memory to begin");
		return -1;
	}
	while (rc == 0 && p.next < argc) {
		const char *arg = argv[p.next++];

		if (options_end || arg[0] != '-' || !arg[1])
			rc = operands_take(o, arg);
		else if (strcmp(arg, "--") == 0)
			options_end = true;
		else if (arg[1] == '-')
			rc = take_long(&p, arg);
		else
			rc = take_letters(&p, arg);
	}
	if (rc < 0 || o->help)
		return rc;
	return check_together(&p);
}

void options_fini(struct options *o)
{
	for (size_t i = 0; i < o->ends; i++)
		weir_endpoint_destroy(o->end[i]);
	/* One whose endpoint could not be parsed has its policy already. */
	for (size_t i = 0; o->policy && i <= o->ends; i++)
		policy_fini(&o->policy[i]);
	free(o->end);
	free(o->policy);
}
