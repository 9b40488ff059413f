/* SPDX-License-Identifier: MIT */
/* Tells what came of a job. */
#include "report.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "json.h"
#include "text.h"

static const char *const way_names[] = {"left to right", "right to left"};

bool report_stdout_taken(const struct options *o)
{
	if (o->command == COMMAND_COPY)
		return weir_endpoint_is_stdio(o->end[1]);
	return weir_endpoint_is_stdio(o->end[0]) || weir_endpoint_is_stdio(o->end[1]);
}

const char *report_signal_name(int signum)
{
	switch (signum) {
	case SIGINT:
		return "SIGINT";
	case SIGTERM:
		return "SIGTERM";
	case SIGHUP:
		return "SIGHUP";
	default:
		return "a signal";
	}
}

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

/* ---- the line about a failure ---- */

static void begin(struct line *line, const char *peer)
{
	line_begin(line);
	if (peer) {
		fputs("peer ", line->out);
		text_safe(line->out, peer);
		fputs(": ", line->out);
	}
}

static void tell_stop(const struct app *app, const struct result *r, const char *peer)
{
	struct line line;

	begin(&line, peer);
	if (r->cause == WEIR_ETIMELIMIT)
		fputs(r->text, line.out);
	else
		fprintf(line.out, "stopped by %s", report_signal_name(app->signum));
	fprintf(line.out, " at byte %llu", (unsigned long long)r->outcome[0].offset);
	if (r->kind->ways == 2)
		fprintf(line.out, " %s and %llu %s", way_names[0],
			(unsigned long long)r->outcome[1].offset, way_names[1]);
	line_end(&line);
}

static void tell_failure(const struct app *app, const struct result *r, const char *peer)
{
	struct line line;

	begin(&line, peer);
	fprintf(line.out, "%s ", r->kind->side[r->side]);
	text_safe(line.out, weir_endpoint_text(app->o->end[r->side]));
	fputs(r->opening ? ": cannot open: " : ": ", line.out);
	text_safe(line.out, r->text);
	fprintf(line.out, " at byte %llu", (unsigned long long)r->offset);
	if (r->kind->ways == 2 && !r->opening)
		fprintf(line.out, " (%s, %s)", r->reading ? "reading" : "writing",
			way_names[r->way]);
	line_end(&line);
}

/* ---- the summary of --verbose ---- */

/* Bytes.  Linux's own figure first: what getrusage(2) tells there begins with the
 * memory of whoever started us. */
static double peak_memory(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long kib = 0;
	struct rusage usage;
	char text[256];

	while (f && fgets(text, sizeof(text), f))
		if (sscanf(text, "VmHWM: %lu kB", &kib) == 1)
			break;
	if (f)
		fclose(f);
	if (!kib && getrusage(RUSAGE_SELF, &usage) == 0)
		kib = (unsigned long)usage.ru_maxrss;
	return (double)kib * 1024;
}

void report_memory(const struct app *app)
{
	char memory[TEXT_MAX], held[TEXT_MAX];

	line_print("peak memory %s, of which buffers %s", text_bytes(memory, peak_memory()),
		   text_bytes(held, (double)weir_loop_budget(app->loop)->peak));
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
	struct line line;

	begin(&line, peer);
	if (r->kind->ways == 2)
		fprintf(line.out, "%s: ", way_names[way]);
	fprintf(line.out, "%s: %s in %.3f s, %s/s; ", weir_end_name(r->outcome[way].end),
		text_bytes(bytes, (double)p->out), seconds(p->elapsed_ns),
		text_bytes(rate, p->mean_rate));
	if (p->pauses == 0)
		fputs("the source was never held back", line.out);
	else
		fprintf(line.out, "the source was held back %llu times",
			(unsigned long long)p->pauses);
	for (int i = 0; i < WEIR_CAUSES; i++)
		if (p->held_ns[i])
			fprintf(line.out, ", %.3f s %s", seconds(p->held_ns[i]), held_by[i]);
	line_end(&line);
}

static void summarise(const struct app *app, const struct result *r, const char *peer)
{
	char drained[TEXT_MAX];

	for (int i = 0; r->started && i < r->kind->ways; i++)
		summarise_way(r, i, peer);
	if (r->drained)
		line_print("the sink sent %s back, which nobody got",
			   text_bytes(drained, (double)r->drained));
	if (!peer)
		report_memory(app);
}

/* ---- JSON ---- */

static void write_moved(struct json *j, const struct result *r, int way)
{
	const struct weir_progress *p = &r->progress[way];

	json_count(j, "bytes", r->outcome[way].offset);
	json_count(j, "in", r->outcome[way].in);
	json_count(j, "dropped", r->outcome[way].dropped);
	json_number(j, "elapsed_s", seconds(p->elapsed_ns));
	json_number(j, "rate", p->mean_rate);
	json_count(j, "pauses", p->pauses);
	json_open(j, "held_s");
	for (int i = 0; i < WEIR_CAUSES; i++)
		json_number(j, weir_cause_name(i), seconds(p->held_ns[i]));
	json_close(j);
}

static void write_way(struct json *j, const struct result *r, int way)
{
	const struct weir_outcome *o = &r->outcome[way];

	json_open(j, way == 0 ? "to_right" : "to_left");
	/* What never ran has no end of its own. */
	json_string(j, "end", r->started ? weir_end_name(o->end) : NULL);
	json_string(j, "cause", o->cause ? weir_err_name(o->cause) : NULL);
	json_string(j, "cause_text", o->cause ? weir_err_text(o->cause) : NULL);
	write_moved(j, r, way);
	json_close(j);
}

static void write_result(struct json *j, const struct app *app, const struct result *r,
			 const char *peer)
{
	const struct options *o = app->o;

	json_open(j, NULL);
	json_string(j, "command", o->name);
	if (peer)
		json_string(j, "peer", peer);
	json_string(j, "end", weir_end_name(r->end));
	json_int(j, "exit", r->status);
	json_string(j, "cause", r->cause ? weir_err_name(r->cause) : NULL);
	json_string(j, "cause_text", r->cause ? r->text : NULL);
	json_string(j, "side", r->side >= 0 ? r->kind->side[r->side] : NULL);
	for (int i = 0; i < 2; i++)
		json_string(j, r->kind->side[i], weir_endpoint_text(o->end[i]));
	if (r->kind->ways == 1) {
		write_moved(j, r, 0);
	} else {
		json_number(j, "elapsed_s", seconds(r->elapsed_ns));
		write_way(j, r, 0);
		write_way(j, r, 1);
	}
	if (o->hash) {
		json_open(j, "hash");
		json_string(j, o->hash, r->hash[0] ? r->hash : NULL);
		json_close(j);
	}
	json_count(j, "peak_budget", weir_loop_budget(app->loop)->peak);
	json_close(j);
}

/* Returns 0, or a negated errno: the object did not get out. */
static int tell_json(const struct app *app, const struct result *r, const char *peer)
{
	FILE *out = report_stdout_taken(app->o) ? stderr : stdout;
	struct json j;
	char *text = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&text, &len);
	int rc = 0;

	if (!memory)
		return -ENOMEM;
	json_begin(&j, memory);
	write_result(&j, app, r, peer);
	fputc('\n', memory);
	if (fclose(memory) != 0) {
		free(text);
		return -ENOMEM;
	}
	if (app_closed_fds[out == stdout ? 1 : 2])
		rc = -EBADF;
	else if (fwrite(text, 1, len, out) != len || fflush(out) != 0)
		rc = -errno;
	free(text);
	return rc;
}

/* As sha256sum(1) does. */
static void tell_hash(const struct app *app, const struct result *r)
{
	FILE *out = report_stdout_taken(app->o) || app_closed_fds[1] ? stderr : stdout;

	fprintf(out, "%s  ", r->hash);
	text_safe(out, weir_endpoint_text(app->o->end[0]));
	fputc('\n', out);
	fflush(out);
}

int report(const struct app *app, const struct result *r, const char *peer, bool quiet)
{
	const struct options *o = app->o;
	/* The object on standard error is the message. */
	bool in_json = o->json && report_stdout_taken(o);
	int rc;

	if (o->verbose)
		summarise(app, r, peer);
	if (!quiet && !in_json && r->end != WEIR_FINISHED) {
		if (r->side < 0)
			tell_stop(app, r, peer);
		else
			tell_failure(app, r, peer);
	}
	if (!o->json && r->hash[0])
		tell_hash(app, r);
	if (!o->json)
		return r->status;
	rc = tell_json(app, r, peer);
	if (rc == 0 || r->status != 0)
		return r->status;
	if (!in_json)
		line_print("standard output: %s", weir_err_text(rc));
	return 2;
}
