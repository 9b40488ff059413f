/* SPDX-License-Identifier: MIT */
/*
 * Schedules as text: "register push, write high+1, inside resume: unregister".  Numbers may
 * be named, so that the kit's own schedules fit every subject.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tck_priv.h"

/* For a subject that does not tell its marks. */
#define HIGH_GUESS 65536

const char *const weir__tck_event_names[] = {
#define EVENT_NAME(name, text) text,
	EVENTS(EVENT_NAME)
#undef EVENT_NAME
};

static const struct {
	const char *text;
	bool number;
} calls[] = {
#define CALL_TEXT(name, text, number) {text, number},
	CALLS(CALL_TEXT)
#undef CALL_TEXT
};

static bool eat(const char **at, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*at, word, len))
		return false;
	*at += len;
	return true;
}

/* A number, or the name of one with a number added or taken away. */
static bool parse_value(const char **at, const struct weir_tck_numbers *n, uint64_t *out)
{
	uint64_t guess = n->limit && n->limit < HIGH_GUESS ? n->limit : HIGH_GUESS;
	uint64_t high = (n->high ? n->high : guess) + n->outside;
	char sign = '+';
	char *end;

	*out = 0;
	if (eat(at, "all"))
		*out = ALL;
	else if (eat(at, "mark"))
		*out = high - n->outside;
	else if (eat(at, "high"))
		*out = high;
	else if (eat(at, "low"))
		*out = n->low;
	else if (eat(at, "limit"))
		*out = n->limit ? n->limit : 2 * high;
	else if (eat(at, "wait"))
		*out = n->finish_wait_ns;
	else
		goto number;
	if (**at != '+' && **at != '-')
		return true;
	sign = *(*at)++;
number:
	if (**at < '0' || **at > '9')
		return false;
	*out += (sign == '-' ? -1 : 1) * strtoull(*at, &end, 10);
	*at = end;
	return true;
}

static bool parse_event(const char **at, struct step *step)
{
	step->event = EVENT_NOW;
	if (!eat(at, "inside "))
		return true;
	for (enum event e = EVENT_START; e < EVENT_COUNT; e++)
		if (eat(at, weir__tck_event_names[e])) {
			step->event = (uint8_t)e;
			return eat(at, ": ");
		}
	return false;
}

static bool at_end_of_word(char c)
{
	return c == '\0' || strchr(" ,\n", c);
}

static bool parse_step(const char **at, const struct weir_tck_numbers *n, struct step *step)
{
	if (!parse_event(at, step))
		return false;
	for (enum call c = 0; c < CALL_COUNT; c++) {
		const char *after = *at;

		if (!eat(&after, calls[c].text) || !at_end_of_word(*after))
			continue;
		*at = after;
		step->call = (uint8_t)c;
		step->value = 0;
		return !calls[c].number || (eat(at, " ") && parse_value(at, n, &step->value));
	}
	return false;
}

bool weir__tck_parse(const char *text, const struct weir_tck_numbers *n, struct schedule *out)
{
	out->count = 0;
	for (;;) {
		text += strspn(text, " ,\t\n");
		if (!*text)
			return true;
		if (out->count == STEPS_MAX || !parse_step(&text, n, &out->steps[out->count++]))
			return false;
	}
}

static void print_step(const struct step *step, char *text, size_t size)
{
	char value[24] = "";

	if (calls[step->call].number && step->value == ALL)
		snprintf(value, sizeof(value), " all");
	else if (calls[step->call].number)
		snprintf(value, sizeof(value), " %" PRIu64, step->value);
	snprintf(text, size, "%s%s%s%s%s\n", step->event ? "inside " : "",
		 weir__tck_event_names[step->event], step->event ? ": " : "",
		 calls[step->call].text, value);
}

void weir__tck_print(const struct schedule *schedule, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < schedule->count && used < size; i++) {
		print_step(&schedule->steps[i], text + used, size - used);
		used += strlen(text + used);
	}
}
