/* SPDX-License-Identifier: MIT */
/* The line that tells how far it has come. */
#include "progress.h"

#include <limits.h>
#include <stddef.h>

#include "sys.h"
#include "text.h"

#define TERMINAL_NS (200 * WEIR_NS_PER_MS)
#define LINES_NS WEIR_NS_PER_S

/* Write who had the longest share of the time since the last look. */
static void put_waited_for(struct text *out, const struct sample *now, const struct sample *before,
			   int way, uint64_t ns)
{
	static const char *const names[WEIR_CAUSES] = {
		[WEIR_CAUSE_FULL] = "sink (full)",
		[WEIR_CAUSE_BUDGET] = "budget",
		[WEIR_CAUSE_RATE] = "rate limit",
		[WEIR_CAUSE_USER] = "request",
	};
	uint64_t longest = 0, all = 0;
	int who = 0;

	for (int i = 0; i < WEIR_CAUSES; i++) {
		uint64_t held = now->held_ns[way][i] - before->held_ns[way][i];

		all += held;
		if (held > longest) {
			longest = held;
			who = i;
		}
	}
	text_add(out, "waiting for ");
	if (all * 2 < ns || !longest) {
		text_add(out, "source");
	} else if (who == WEIR_CAUSE_FULL && now->holder) {
		text_add_safe(out, now->holder);
		text_add(out, " (full)");
	} else {
		text_add(out, names[who]);
	}
}

static void draw_copy(const struct progress *p, struct text *out, const struct sample *s,
		      uint64_t now)
{
	double elapsed = (double)(now - p->began) / 1e9;
	double mean = elapsed > 0 ? (double)s->out[0] / elapsed : 0;
	char text[TEXT_MAX];

	text_addf(out, "%s", text_bytes(text, (double)s->out[0]));
	text_addf(out, "  %s", text_clock(text, now - p->began));
	text_addf(out, "  %s/s", text_bytes(text, p->rate[0]));
	text_addf(out, "  mean %s/s", text_bytes(text, mean));
	if (s->length > 0) {
		double rest = (double)s->length - (double)s->out[0];

		text_addf(out, "  %.0f%%", 100.0 * (double)s->out[0] / (double)s->length);
		/* A week is as good as never. */
		if (rest > 0 && mean > 0 && rest / mean < 604800)
			text_addf(out, "  ETA %s", text_clock(text, (uint64_t)(rest / mean * 1e9)));
	}
	text_add(out, "  ");
	put_waited_for(out, s, &p->last, 0, now - p->drawn);
}

static void draw_relay(const struct progress *p, struct text *out, const struct sample *s,
		       uint64_t now)
{
	static const char *const arrows[] = {"->", "<-"};
	char text[TEXT_MAX];

	for (int i = 0; i < 2; i++) {
		text_addf(out, "%s %s", arrows[i], text_bytes(text, (double)s->out[i]));
		text_addf(out, "  %s/s  ", text_bytes(text, p->rate[i]));
		if (s->many)
			continue;
		put_waited_for(out, s, &p->last, i, now - p->drawn);
		text_add(out, "  ");
	}
	text_addf(out, "%s", text_clock(text, now - p->began));
}

static void update_rates(struct progress *p, const struct sample *s, uint64_t now)
{
	double dt = (double)(now - p->drawn) / 1e9;

	if (dt <= 0)
		return;
	for (int i = 0; i < s->ways; i++) {
		double rate = (double)(s->out[i] - p->last.out[i]) / dt;

		/* On a terminal five looks a second would make the figure flicker. */
		p->rate[i] = p->terminal ? 0.6 * p->rate[i] + 0.4 * rate : rate;
	}
}

/* Make it one line of the terminal, and have it cover the one before. */
static void fit(struct progress *p, struct text *out)
{
	unsigned width = sys_columns(SYS_STDERR), before = p->columns;

	/* In the last column some would begin the next line. */
	p->columns = text_cut(out, 1, width > 1 ? width - 1 : UINT_MAX);
	for (unsigned i = p->columns; i < before && (width <= 1 || i < width - 1); i++)
		text_add_char(out, ' ');
}

static void draw(struct progress *p, bool last)
{
	uint64_t now = weir_context_now(p->app->ctx);
	struct sample s = {.length = -1};
	struct text text, *out = &text;

	text_begin(out);
	p->take(p->arg, &s);
	update_rates(p, &s, now);
	if (p->terminal)
		text_add_char(out, '\r');
	if (s.many)
		text_addf(out, "%lu peers  ", s.peers);
	if (!s.started && !s.many)
		text_add(out, "waiting for a connection");
	else if (s.ways == 1)
		draw_copy(p, out, &s, now);
	else
		draw_relay(p, out, &s, now);
	if (p->terminal)
		fit(p, out);
	if (last || !p->terminal)
		text_add(out, "\n");
	p->last = s;
	p->drawn = now;
	if (!out->broken) {
		(void)sys_write(SYS_STDERR, out->data, out->len);
		line_set_progress(last ? 0 : p->columns);
	}
	text_end(out);
}

static void arm(struct progress *p)
{
	uint64_t period = p->terminal ? TERMINAL_NS : LINES_NS;

	weir_timer_set(p->app->ctx, &p->timer, weir_context_now(p->app->ctx) + period);
}

static void run_timer(struct weir_timer *timer)
{
	struct progress *p = (struct progress *)((char *)timer - offsetof(struct progress, timer));

	draw(p, false);
	arm(p);
}

/* Bytes that go to the terminal themselves are not to be drawn over. */
static bool shares_terminal(const struct options *o)
{
	return options_stdout_taken(o) && sys_same_terminal(SYS_STDOUT, SYS_STDERR);
}

bool progress_is_wanted(const struct options *o)
{
	return o->progress == WHEN_ALWAYS ||
	       (o->progress == WHEN_TERMINAL && sys_is_terminal(SYS_STDERR) && !shares_terminal(o));
}

void progress_begin(struct progress *p, struct app *app,
		    void (*take)(void *arg, struct sample *sample), void *arg)
{
	*p = (struct progress){.app = app, .take = take, .arg = arg, .timer.run = run_timer};
	p->shown = progress_is_wanted(app->o);
	if (!p->shown)
		return;
	p->terminal = sys_is_terminal(SYS_STDERR);
	p->began = p->drawn = weir_context_now(app->ctx);
	arm(p);
}

void progress_end(struct progress *p)
{
	if (!p->shown)
		return;
	weir_timer_cancel(p->app->ctx, &p->timer);
	draw(p, true);
	p->shown = false;
}
