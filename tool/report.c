/* SPDX-License-Identifier: MIT */
/* Tells what came of a job. */
#include "report.h"

#include <ctype.h>
#include <errno.h>

#include "digest.h"
#include "sys.h"
#include "text.h"

static const char *const way_names[] = {"left to right", "right to left"};

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

/* The object on standard error is the message. */
static bool in_json(const struct options *o)
{
	return o->json && options_stdout_taken(o);
}

/* ---- the line about a failure ---- */

static void begin(struct text *line, const char *peer)
{
	line_begin(line);
	if (peer) {
		text_add(line, "peer ");
		text_add_safe(line, peer);
		text_add(line, ": ");
	}
}

static void tell_stop(const struct app *app, const struct result *r, const char *peer)
{
	struct text line;

	begin(&line, peer);
	if (r->cause == WEIR_ETIMELIMIT)
		text_add(&line, r->text);
	else
		text_addf(&line, "stopped by %s", app_signal_name(app));
	text_addf(&line, " at byte %llu", (unsigned long long)r->outcome[0].offset);
	if (r->kind->ways == 2)
		text_addf(&line, " %s and %llu %s", way_names[0],
			  (unsigned long long)r->outcome[1].offset, way_names[1]);
	line_end(&line);
}

static void tell_failure(const struct app *app, const struct result *r, const char *peer)
{
	struct text line;

	begin(&line, peer);
	text_addf(&line, "%s ", job_side_name(r->kind, r->side));
	text_add_safe(&line, weir_endpoint_text(app->o->end[r->side]));
	text_add(&line, r->opening ? ": cannot open: " : ": ");
	text_add_safe(&line, r->text);
	text_addf(&line, " at byte %llu", (unsigned long long)r->offset);
	if (r->kind->ways == 2 && !r->opening)
		text_addf(&line, " (%s, %s)", r->reading ? "reading" : "writing",
			  way_names[r->way]);
	line_end(&line);
}

static void begin_sink(struct text *line, const struct app *app, size_t side, const char *peer)
{
	begin(line, peer);
	text_add(line, "sink ");
	text_add_safe(line, weir_endpoint_text(app->o->end[side]));
	text_add(line, ": ");
}

static void tell_sink(const struct app *app, size_t side, const struct sink_result *s,
		      const char *peer)
{
	struct text line;

	begin_sink(&line, app, side, peer);
	text_add_safe(&line, s->text);
	text_addf(&line, " at byte %llu", (unsigned long long)s->out);
	line_end(&line);
}

bool report_sink_early(const struct job *job, size_t side, const struct sink_result *s)
{
	/* Which peer's it is can be told at the end. */
	if (in_json(job->app->o) || job->app->o->many)
		return false;
	tell_sink(job->app, side, s, NULL);
	return true;
}

/* What a failure is: each sink's own, and then the source's or ours. */
static void tell_end(const struct app *app, const struct result *r, const char *peer)
{
	for (size_t i = 0; r->sinks && i + 1 < app->o->ends; i++)
		if (r->sinks[i].end == WEIR_SINK_FAILED && !r->sinks[i].told)
			tell_sink(app, i + 1, &r->sinks[i], peer);
	if (r->end == WEIR_FINISHED || (r->sinks && r->end == WEIR_SINK_FAILED))
		return;
	if (r->side < 0)
		tell_stop(app, r, peer);
	else
		tell_failure(app, r, peer);
}

/* A sink that lost bytes by its policy has ended well; whoever looks on should know. */
static void tell_dropped(const struct app *app, const struct result *r, const char *peer)
{
	char dropped[TEXT_MAX], in[TEXT_MAX];
	struct text line;

	for (size_t i = 0; i + 1 < app->o->ends; i++) {
		const struct sink_result *s = &r->sinks[i];

		if (s->end != WEIR_FINISHED || !s->dropped)
			continue;
		begin_sink(&line, app, i + 1, peer);
		text_addf(&line, "dropped %s of %s, as it may",
			  text_bytes(dropped, (double)s->dropped), text_bytes(in, (double)s->in));
		line_end(&line);
	}
}

/* ---- the summary of --verbose ---- */

void report_memory(const struct app *app)
{
	char memory[TEXT_MAX], held[TEXT_MAX];
	size_t peak = weir_loop_budget(app->loop)->peak;

	/* Each had that once, perhaps not at the same time; all that was lent is the most. */
	for (unsigned i = 1; app->team && i < app->o->threads && app->team[i].loop; i++)
		peak += weir_loop_budget(app->team[i].loop)->peak;

	if (app->shared && peak > weir_shared_budget_peak(app->shared))
		peak = weir_shared_budget_peak(app->shared);
	line_print("peak memory %s, of which buffers %s",
		   text_bytes(memory, (double)sys_peak_memory()), text_bytes(held, (double)peak));
}

static void summarise_way(const struct result *r, int way, const char *peer)
{
	static const char *const held_by[WEIR_CAUSES] = {
		[WEIR_CAUSE_FULL] = "by a full sink",
		[WEIR_CAUSE_BUDGET] = "by the budget",
		[WEIR_CAUSE_RATE] = "by the rate limit",
		[WEIR_CAUSE_USER] = "on request",
	};
	const struct weir_progress *p = &r->progress[way];
	char bytes[TEXT_MAX], rate[TEXT_MAX];
	struct text line;

	begin(&line, peer);
	if (r->kind->ways == 2)
		text_addf(&line, "%s: ", way_names[way]);
	text_addf(&line, "%s: %s in %.3f s, %s/s; ", weir_end_name(r->outcome[way].end),
		  text_bytes(bytes, (double)p->out), seconds(p->elapsed_ns),
		  text_bytes(rate, p->mean_rate));
	if (p->pauses == 0)
		text_add(&line, "the source was never held back");
	else
		text_addf(&line, "the source was held back %llu times",
			  (unsigned long long)p->pauses);
	for (int i = 0; i < WEIR_CAUSES; i++)
		if (p->held_ns[i])
			text_addf(&line, ", %.3f s %s", seconds(p->held_ns[i]), held_by[i]);
	line_end(&line);
}

/* "path: splice, 1.00 GB of 1.02 GB", "path: copy, since throttle must see the bytes" */
static void summarise_path(const struct result *r, int way, const char *peer)
{
	const struct weir_path_state *path = &r->path[way];
	char carried[TEXT_MAX], all[TEXT_MAX];
	struct text line;

	begin(&line, peer);
	if (r->kind->ways == 2)
		text_addf(&line, "%s: ", way_names[way]);
	text_addf(&line, "path: %s", weir_path_name(path->path));
	if (path->carried)
		text_addf(&line, ", %s of %s", text_bytes(carried, (double)path->carried),
			  text_bytes(all, (double)r->progress[way].in));
	else if (path->who)
		text_addf(&line, ", since %s %s", path->who, path->why);
	line_end(&line);
}

static void summarise_sink(const struct app *app, size_t side, const struct sink_result *s,
			   const char *peer)
{
	char out[TEXT_MAX], spilled[TEXT_MAX];
	struct text line;

	begin_sink(&line, app, side, peer);
	text_addf(&line, "%s: %s", s->detached ? "detached" : weir_end_name(s->end),
		  text_bytes(out, (double)s->out));
	if (s->spilled)
		text_addf(&line, ", %s of it through a file",
			  text_bytes(spilled, (double)s->spilled));
	text_addf(&line, "; it held everybody for %.3f s", seconds(s->held_ns));
	line_end(&line);
}

static void summarise(const struct app *app, const struct result *r, const char *peer)
{
	char drained[TEXT_MAX];
	uint64_t back = 0;

	for (int i = 0; r->started && i < r->kind->ways; i++) {
		summarise_way(r, i, peer);
		summarise_path(r, i, peer);
	}
	for (size_t i = 0; r->sinks && i + 1 < app->o->ends; i++) {
		back += r->sinks[i].drained;
		if (options_fan_out(app->o))
			summarise_sink(app, i + 1, &r->sinks[i], peer);
	}
	if (back)
		line_print("%s sent %s back, which nobody got",
			   app->o->ends > 2 ? "sinks" : "the sink", text_bytes(drained, (double)back));
	if (!peer)
		report_memory(app);
}

/* ---- digests ---- */

static void tell_digests(const struct app *app, struct text *out, const struct digests *d,
			 size_t side)
{
	const char *name = weir_endpoint_text(app->o->end[side]);

	for (size_t i = 0; d && i < d->o->hashes; i++) {
		/* As sha256sum(1) has it; of several, which is which must be said. */
		if (d->o->hashes == 1) {
			text_addf(out, "%s  ", d->each[i].text);
			text_add_safe(out, name);
		} else {
			for (const char *c = d->o->hash[i]; *c; c++)
				text_add_char(out, (char)toupper((unsigned char)*c));
			text_add(out, " (");
			text_add_safe(out, name);
			text_addf(out, ") = %s", d->each[i].text);
		}
		text_add_char(out, '\n');
	}
}

/* A stream's digest has the name of where it came from; a branch's, of its sink. */
static int tell_all_digests(const struct app *app, const struct result *r)
{
	bool taken = options_stdout_taken(app->o) || app_closed_fds[SYS_STDOUT];
	struct text out;
	int rc = 0;

	text_begin(&out);
	for (int i = 0; i < r->kind->ways; i++) {
		/* A relay has failed as a whole. */
		if (r->kind->ways == 2 && r->end != WEIR_FINISHED)
			continue;
		tell_digests(app, &out, r->digests[i], (size_t)i);
	}
	for (size_t i = 0; r->sinks && i + 1 < app->o->ends; i++)
		tell_digests(app, &out, r->sinks[i].digests, i + 1);
	if (out.broken)
		rc = -ENOMEM;
	else if (out.len > 0)
		rc = sys_write(taken ? SYS_STDERR : SYS_STDOUT, out.data, out.len);
	text_end(&out);
	return rc;
}

int report(const struct app *app, const struct result *r, const char *peer, bool quiet)
{
	const struct options *o = app->o;
	int rc;

	if (o->verbose)
		summarise(app, r, peer);
	if (r->sinks && !in_json(o) && (o->verbose || sys_is_terminal(SYS_STDERR)))
		tell_dropped(app, r, peer);
	if (!quiet && !in_json(o))
		tell_end(app, r, peer);
	if (r->digest_rc < 0 && !in_json(o))
		line_print("digest %s: %s", r->digest_name, weir_err_text(r->digest_rc));
	rc = o->json ? report_json(app, r, peer) : tell_all_digests(app, r);
	if (rc == 0 || r->status != 0)
		return r->status;
	if (!in_json(o))
		line_print("standard output: %s", weir_err_text(rc));
	return 2;
}
