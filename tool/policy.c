/* SPDX-License-Identifier: MIT */
/* Policies, as a user says them. */
#include "policy.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "weir/endpoint.h"

#define BEHIND_MAX ((uint64_t)1 << 40)
#define SPILL_DEFAULT ((uint64_t)1 << 30)
#define SPILL_MAX ((uint64_t)1 << 60)

static const struct {
	const char *name, *expected;
} policies[] = {
	[WEIR_TEE_BLOCK] = {"block", "block and a colon: it has no settings"},
	[WEIR_TEE_DROP] = {"drop", "behind=SIZE or record=BYTE as a setting of drop"},
	[WEIR_TEE_DETACH] = {"detach", "behind=SIZE or after=TIME as a setting of detach"},
	[WEIR_TEE_SPILL] = {"spill", "behind=SIZE, max=SIZE or dir=FOLDER as a setting of spill"},
};

#define POLICIES (sizeof(policies) / sizeof(policies[0]))

/* ---- settings ---- */

static bool take_behind(struct policy *p, const char *value)
{
	return weir_size_parse(value, &p->behind) == 0 && p->behind > 0 && p->behind <= BEHIND_MAX;
}

static bool take_after(struct policy *p, const char *value)
{
	return text_parse_duration(value, &p->after_ns) == 0 && p->after_ns > 0;
}

static bool take_max(struct policy *p, const char *value)
{
	return weir_size_parse(value, &p->max) == 0 && p->max > 0 && p->max <= SPILL_MAX;
}

/* No escapes: a shell would eat their backslashes, and leave another byte. */
static bool take_record(struct policy *p, const char *value)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	size_t len = strlen(value);

	if (strcmp(value, "lf") == 0)
		p->record = '\n';
	else if (strcmp(value, "nul") == 0)
		p->record = 0;
	else if (len >= 3 && len <= 4 && strncmp(value, "0x", 2) == 0 &&
		 strspn(value + 2, digits) == len - 2)
		p->record = (int)strtol(value + 2, NULL, 16);
	else
		return false;
	return true;
}

static bool take_dir(struct policy *p, const char *value)
{
	free(p->dir);
	p->dir = strdup(value);
	return p->dir && *value;
}

#define FOR(kind) (1u << (kind))

static const struct setting {
	const char *name;
	unsigned policies;
	bool (*take)(struct policy *p, const char *value);
	const char *expected;
} settings[] = {
	{"behind", FOR(WEIR_TEE_DROP) | FOR(WEIR_TEE_DETACH) | FOR(WEIR_TEE_SPILL), take_behind,
	 "a size from 1 to 1Ti, such as 4M"},
	{"after", FOR(WEIR_TEE_DETACH), take_after,
	 "a duration above 0, such as 500ms, 30s or 5m"},
	{"record", FOR(WEIR_TEE_DROP), take_record,
	 "the byte that ends a record: lf, nul, or a number such as 0x1e"},
	{"max", FOR(WEIR_TEE_SPILL), take_max, "a size of 1 or more, such as 10G"},
	{"dir", FOR(WEIR_TEE_SPILL), take_dir, "a folder"},
};

/* `text` is one setting, NAME=VALUE.  Returns false, and what was expected. */
static bool take_setting(struct policy *p, const char *text, const char **expected)
{
	size_t len = strcspn(text, "=");

	*expected = policies[p->kind].expected;
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]) && text[len]; i++) {
		const struct setting *s = &settings[i];

		if (strlen(s->name) != len || memcmp(s->name, text, len) != 0 ||
		    !(s->policies & FOR(p->kind)))
			continue;
		*expected = s->expected;
		return s->take(p, text + len + 1);
	}
	return false;
}

/* ---- the whole ---- */

/* The policy whose name and a delimiter `text` begins with; POLICIES if none. */
static size_t find(const char *text)
{
	size_t len = strcspn(text, ",:"), i;

	for (i = 0; text[len] && i < POLICIES; i++)
		if (strlen(policies[i].name) == len && memcmp(policies[i].name, text, len) == 0)
			return i;
	return POLICIES;
}

bool policy_begins(const char *text)
{
	return find(text) < POLICIES;
}

/* Take the settings from `at` on, which is a comma or the colon. */
static int take_settings(struct policy *p, const char *at, const char **end, const char **expected)
{
	while (*at == ',') {
		size_t len = strcspn(++at, ",:");
		char *setting = text_copy(at, len);
		bool taken;

		*expected = "some memory";
		taken = setting && take_setting(p, setting, expected);
		free(setting);
		at += len;
		*end = at;
		if (!taken)
			return -1;
	}
	*end = at;
	*expected = "a colon and an endpoint after the policy";
	return *at == ':' ? 0 : -1;
}

int policy_parse(struct policy *p, const char *text, const char **rest, size_t *bad,
		 const char **expected)
{
	size_t kind = find(text);
	const char *end;
	int rc;

	*p = (struct policy){.kind = WEIR_TEE_BLOCK, .record = WEIR_NO_SEPARATOR};
	*rest = text;
	if (kind == POLICIES)
		return 0;
	p->kind = (enum weir_tee_policy)kind;
	p->max = SPILL_DEFAULT;
	rc = take_settings(p, text + strlen(policies[kind].name), &end, expected);
	if (rc == 0 && p->behind && p->after_ns) {
		*expected = "either behind= or after=";
		rc = -1;
	}
	*bad = (size_t)(end - text);
	*rest = end + 1;
	return rc;
}

void policy_fini(struct policy *p)
{
	free(p->dir);
}

const char *policy_name(enum weir_tee_policy kind)
{
	return policies[kind].name;
}

void policy_describe(struct text *out, const struct policy *p)
{
	char text[TEXT_MAX];

	text_add(out, policies[p->kind].name);
	if (p->kind == WEIR_TEE_BLOCK)
		return;
	if (p->after_ns)
		text_addf(out, " after it has held everybody for %.3f s",
			  (double)p->after_ns / 1e9);
	else
		text_addf(out, " when %s behind", text_bytes(text, (double)p->behind));
	if (p->record != WEIR_NO_SEPARATOR)
		text_addf(out, ", in records that end in 0x%02x", (unsigned)p->record);
	if (p->kind == WEIR_TEE_SPILL) {
		text_addf(out, ", at most %s to a file", text_bytes(text, (double)p->max));
		if (p->dir) {
			text_add(out, " in ");
			text_add_safe(out, p->dir);
		}
	}
}
