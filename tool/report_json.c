/* SPDX-License-Identifier: MIT */
/* What came of a job, as one JSON object. */
#include <errno.h>
#include <stdio.h>

#include "digest.h"
#include "json.h"
#include "report.h"
#include "sys.h"

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

static void write_path(struct json *j, const struct weir_path_state *path)
{
	char why[128] = "";

	if (path->who)
		snprintf(why, sizeof(why), "%s %s", path->who, path->why);
	json_open(j, "path");
	json_string(j, "name", weir_path_name(path->path));
	json_count(j, "bytes", path->carried);
	json_string(j, "why_copied", *why ? why : NULL);
	json_close(j);
}

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
	write_path(j, &r->path[way]);
}

/* `d` is NULL when there are none to tell. */
static void write_digests(struct json *j, const struct options *o, const struct digests *d)
{
	if (o->hashes == 0)
		return;
	json_open(j, "hash");
	for (size_t i = 0; i < o->hashes; i++)
		json_string(j, o->hash[i], d ? d->each[i].text : NULL);
	json_close(j);
}

static void write_way(struct json *j, const struct app *app, const struct result *r, int way)
{
	const struct weir_outcome *o = &r->outcome[way];

	json_open(j, way == 0 ? "to_right" : "to_left");
	/* What never ran has no end of its own. */
	json_string(j, "end", r->started ? weir_end_name(o->end) : NULL);
	json_string(j, "cause", o->cause ? weir_err_name(o->cause) : NULL);
	json_string(j, "cause_text", o->cause ? weir_err_text(o->cause) : NULL);
	write_moved(j, r, way);
	write_digests(j, app->o, r->digests[way]);
	json_close(j);
}

static void write_sink(struct json *j, const struct app *app, const struct result *r, size_t side)
{
	struct sink_result s = {0};

	if (r->sinks) {
		s = r->sinks[side - 1];
	} else if (r->side == (int)side) { /* it could not be opened */
		s.end = r->end;
		s.cause = r->cause;
		snprintf(s.text, sizeof(s.text), "%s", r->text);
	}
	json_open(j, NULL);
	json_string(j, "sink", weir_endpoint_text(app->o->end[side]));
	json_string(j, "policy", policy_name(app->o->policy[side].kind));
	/* What never ran has no end of its own. */
	json_string(j, "end",
		    s.detached              ? "detached"
		    : s.end != WEIR_RUNNING ? weir_end_name(s.end)
					    : NULL);
	json_string(j, "cause", s.cause ? weir_err_name(s.cause) : NULL);
	json_string(j, "cause_text", s.cause ? s.text : NULL);
	json_count(j, "bytes", s.out);
	json_count(j, "in", s.in);
	json_count(j, "dropped", s.dropped);
	json_count(j, "spilled", s.spilled);
	json_number(j, "held_s", seconds(s.held_ns));
	/* One alone has got what the source gave. */
	write_digests(j, app->o, options_fan_out(app->o) ? s.digests : r->digests[0]);
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
	json_string(j, "side", r->side >= 0 ? job_side_name(r->kind, r->side) : NULL);
	json_string(j, r->kind->side[0], weir_endpoint_text(o->end[0]));
	json_string(j, r->kind->side[1], o->ends == 2 ? weir_endpoint_text(o->end[1]) : NULL);
	if (r->kind->ways == 1) {
		write_moved(j, r, 0);
		write_digests(j, o, r->digests[0]);
		json_open_list(j, "sinks");
		for (size_t i = 1; i < o->ends; i++)
			write_sink(j, app, r, i);
		json_close_list(j);
	} else {
		json_number(j, "elapsed_s", seconds(r->elapsed_ns));
		write_way(j, app, r, 0);
		write_way(j, app, r, 1);
	}
	json_count(j, "peak_budget", weir_loop_budget(app->loop)->peak);
	json_close(j);
}

int report_json(const struct app *app, const struct result *r, const char *peer)
{
	int fd = options_stdout_taken(app->o) ? SYS_STDERR : SYS_STDOUT;
	struct text text;
	struct json j;
	int rc;

	text_begin(&text);
	json_begin(&j, &text);
	write_result(&j, app, r, peer);
	text_add_char(&text, '\n');
	if (text.broken)
		rc = -ENOMEM;
	else if (app_closed_fds[fd])
		rc = -EBADF;
	else
		rc = sys_write(fd, text.data, text.len);
	text_end(&text);
	return rc;
}
