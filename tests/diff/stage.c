/* SPDX-License-Identifier: MIT */
/* Reads schedules, a line each, and prints their traces, with a line of a full stop behind. */
#include "stage.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct subject *const subjects[] = {&fd_subject, &memory_subject,
						 &loopback_subject, &proxy_subject};

static _Noreturn void refuse(const char *what, const char *text)
{
	fprintf(stderr, "driver: %s: %s\n", what, text);
	exit(2);
}

static bool silent; /* what the end of a schedule brings is not compared */

void trace(const char *format, ...)
{
	va_list args;

	if (silent)
		return;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* ---- what subjects share ---- */

const char *result(int rc)
{
	return rc == 0 ? "ok" : weir_err_name(rc);
}

bool act_is(const struct act *act, const char *verb)
{
	return strcmp(act->verb, verb) == 0;
}

size_t act_size(const struct act *act, int arg)
{
	return strcmp(act->arg[arg], "all") == 0 ? SIZE_MAX : strtoul(act->arg[arg], NULL, 10);
}

enum weir_mode act_mode(const struct act *act, int arg)
{
	return strcmp(act->arg[arg], "push") == 0 ? WEIR_PUSH : WEIR_PULL;
}

const unsigned char *stage_bytes(struct stage *s, size_t len)
{
	static unsigned char bytes[1 << 20];

	if (len > sizeof(bytes))
		refuse("too long a write", s->subject->name);
	memset(bytes, (int)(++s->writes & 0xff), len);
	return bytes;
}

uint32_t sum_bytes(uint32_t sum, const unsigned char *data, size_t len)
{
	uint32_t a = sum & 0xffff;
	uint32_t b = sum >> 16;

	while (len > 0) {
		size_t n = len < 5552 ? len : 5552; /* as many as do not overflow `b` */

		for (size_t i = 0; i < n; i++) {
			a += data[i];
			b += a;
		}
		a %= 65521;
		b %= 65521;
		data += n;
		len -= n;
	}
	return b << 16 | a;
}

struct player *stage_player(struct stage *s, const char *name)
{
	for (size_t i = 0; i < sizeof(s->players) / sizeof(s->players[0]); i++) {
		if (strcmp(s->players[i].name, name) == 0)
			return &s->players[i];
	}
	refuse("no such producer", name);
}

static void line(struct stage *s, const char *what, const char *text)
{
	if (s->subject->catch_up)
		s->subject->catch_up();
	trace("%s%s%s", what, *text ? " " : "", text);
}

static void play(struct stage *s, const struct act *act)
{
	line(s, ">", act->text);
	line(s, "<", s->subject->act(s, act));
}

void stage_event(struct stage *s, const char *kind, const char *who)
{
	line(s, kind, who);
	for (size_t i = 0; i < s->kind_count; i++) {
		struct answers *a = &s->kinds[i];

		if (strcmp(a->kind, kind) == 0 && a->given < a->count) {
			const struct acts *answer = &a->list[a->given++];

			for (size_t k = 0; k < answer->count; k++)
				play(s, &answer->act[k]);
		}
	}
}

/* ---- the producers ---- */

static void player_event(struct weir_producer *p, const char *kind)
{
	struct player *player = (struct player *)p;

	stage_event(player->stage, kind, player->name);
}

static void player_pause(struct weir_producer *p)
{
	player_event(p, "pause");
}

static void player_resume(struct weir_producer *p)
{
	player_event(p, "resume");
}

static void player_stop(struct weir_producer *p, int why)
{
	(void)why;
	player_event(p, "stop");
}

static const struct weir_producer_ops player_ops = {
	.name = "player",
	.start = weir_producer_pass_start,
	.pause = player_pause,
	.resume = player_resume,
	.stop = player_stop,
};

/* ---- reading a schedule ---- */

static void parse_act(struct acts *list, char *text)
{
	struct act *act = &list->act[list->count];
	char copy[48];
	char *rest = copy;

	if (list->count == ACTS_MAX || strlen(text) >= sizeof(copy))
		refuse("too much", text);
	list->count++;
	act->text = text;
	strcpy(copy, text);
	snprintf(act->verb, sizeof(act->verb), "%s", strsep(&rest, ":"));
	for (int i = 0; i < 2; i++)
		snprintf(act->arg[i], sizeof(act->arg[i]), "%s", rest ? strsep(&rest, ":") : "");
}

static void parse_answers(struct stage *s, char *word)
{
	struct answers *a = &s->kinds[s->kind_count];
	char *answer;

	if (s->kind_count++ == KINDS_MAX)
		refuse("too many kinds of events", word);
	snprintf(a->kind, sizeof(a->kind), "%s", strsep(&word, "="));
	while ((answer = strsep(&word, ";"))) {
		struct acts *list = &a->list[a->count];
		char *text;

		if (a->count++ == ANSWERS_MAX)
			refuse("too many answers", answer);
		while ((text = strsep(&answer, ","))) {
			if (*text)
				parse_act(list, text);
		}
	}
}

static void parse(struct stage *s, char *line)
{
	char *words = line;
	char *option = strsep(&words, " ");
	char *name = strsep(&option, ":");
	char *word;

	s->option = option ? option : "";
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		if (strcmp(subjects[i]->name, name) == 0)
			s->subject = subjects[i];
	}
	if (!s->subject)
		refuse("no such subject", name);
	while ((word = strsep(&words, " "))) {
		if (strchr(word, '='))
			parse_answers(s, word);
		else if (*word)
			parse_act(&s->calls, word);
	}
}

/* ---- playing it ---- */

static uint64_t now(void *arg)
{
	(void)arg;
	return 1;
}

static void on_wake(void *arg)
{
	(void)arg;
}

static void run(char *line)
{
	static const char *const names[] = {"a", "b", "c"};
	static struct stage s; /* large */

	memset(&s, 0, sizeof(s));
	parse(&s, line);
	weir_budget_init(&s.budget, (size_t)1 << 30);
	weir_context_init(&s.ctx, &s.budget, now, on_wake, NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		weir_producer_init(&s.players[i].base, &player_ops, WEIR_PUSH);
		s.players[i].stage = &s;
		s.players[i].name = names[i];
	}
	s.subject->open(&s);
	for (size_t i = 0; i < s.calls.count; i++) {
		play(&s, &s.calls.act[i]);
		s.subject->look(&s);
	}
	trace(".");
	fflush(stdout);
	silent = true;
	s.kind_count = 0;
	s.subject->close(&s);
	weir_context_run(&s.ctx);
	if (s.ctx.pool.taken || s.budget.used)
		refuse("bytes are left", s.subject->name);
	weir_context_fini(&s.ctx);
	silent = false;
}

int main(void)
{
	static char text[1 << 16];

	while (fgets(text, sizeof(text), stdin)) {
		text[strcspn(text, "\n")] = '\0';
		run(text);
	}
	return 0;
}
