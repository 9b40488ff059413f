/* SPDX-License-Identifier: MIT */
/* One of copy's sinks. */
#include "sink.h"

#include "job.h"
#include "report.h"
#include "weir/pattern.h"
#include "weir/spill.h"

/* How long a sink's peer has to close its side after our end.  By closing it says that
 * it has read all, by resetting that it has not; one that does neither is not waited
 * for, since the kernel has the bytes. */
#define GRACE_NS WEIR_NS_PER_S

/* How long the failure of a command waits for its exit status to be told with it. */
#define TELL_NS (250 * WEIR_NS_PER_MS)

static struct weir_transport *transport(const struct sink *s)
{
	return s->job->side[s->side];
}

static bool job_runs(const struct job *job)
{
	struct weir_outcome outcome;

	weir_join_outcome(job->join[0], &outcome);
	return outcome.end == WEIR_RUNNING;
}

/* ---- the end, and the time after ---- */

static bool drain_runs(const struct sink *s)
{
	struct weir_outcome outcome = {0};

	if (s->drain)
		weir_join_outcome(s->drain, &outcome);
	return s->drain && outcome.end == WEIR_RUNNING;
}

static bool has_all(const struct sink *s)
{
	struct weir_branch_state state;
	struct weir_outcome outcome;

	if (!s->branch) {
		weir_join_outcome(s->job->join[0], &outcome);
		return outcome.end == WEIR_FINISHED;
	}
	weir_branch_state(s->branch, &state);
	return state.ended && state.why == 0;
}

static void be_over(struct sink *s)
{
	s->over = true;
	copy_sink_over(s->job);
}

void sink_end_grace(struct sink *s)
{
	if (!s->in_grace)
		return;
	s->in_grace = false;
	weir_timer_cancel(s->job->app->ctx, &s->grace);
	be_over(s);
}

static void run_grace(struct weir_timer *timer)
{
	sink_end_grace((struct sink *)((char *)timer - offsetof(struct sink, grace)));
}

static void on_drain_done(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	(void)join;
	(void)outcome;
	sink_end_grace(arg);
}

void sink_settle(struct sink *s)
{
	struct weir_context *ctx = s->job->app->ctx;

	if (s->over || s->in_grace)
		return;
	if (!has_all(s) || !drain_runs(s) || !weir_transport_half_closes(transport(s))) {
		be_over(s);
		return;
	}
	s->in_grace = true;
	s->grace.run = run_grace;
	weir_timer_set(ctx, &s->grace, weir_context_now(ctx) + GRACE_NS);
}

/* A failure is told at once when the others go on, perhaps for hours. */
static void tell_early(struct sink *s)
{
	struct sink_result r;

	sink_judge(s, &r);
	s->told = report_sink_early(s->job, s->side, &r);
}

static void run_tell(struct weir_timer *timer)
{
	tell_early((struct sink *)((char *)timer - offsetof(struct sink, tell)));
}

static void on_branch_end(struct weir_branch *branch, int why, void *arg)
{
	struct sink *s = arg;
	struct app *app = s->job->app;

	(void)branch;
	if (!s->job->started) /* nor will it: another sink could not be added */
		return;
	if (why < 0 && job_runs(s->job)) {
		s->failed_alone = true;
		s->tell.run = run_tell;
		if (cause_is_known(app, (int)s->side, transport(s)))
			tell_early(s);
		else
			weir_timer_set(app->ctx, &s->tell, weir_context_now(app->ctx) + TELL_NS);
	}
	sink_settle(s);
}

/* ---- the beginning ---- */

int sink_begin(struct sink *s, struct job *job, size_t side)
{
	const struct weir_join_options options = {.on_done = on_drain_done, .arg = s};
	struct weir_producer *back;
	int rc;

	s->job = job;
	s->side = side;
	back = weir_transport_source(transport(s));
	if (!back)
		return 0;
	rc = weir_pattern_null(job->app->ctx, &s->drain_to);
	if (rc < 0)
		return rc;
	return weir_join_create(job->app->ctx, back, weir_transport_sink(s->drain_to), &options,
				&s->drain);
}

int sink_add_branch(struct sink *s)
{
	const struct options *o = s->job->app->o;
	const struct policy *p = &o->policy[s->side];
	struct weir_branch_options options = {
		.policy = p->kind,
		.behind = (size_t)p->behind,
		.separator = p->record,
		.wait_ns = p->after_ns,
		.on_end = on_branch_end,
		.arg = s,
	};
	struct weir_consumer *front = weir_transport_sink(transport(s));
	int rc = digests_create(&s->digests, o, &front);

	if (rc < 0)
		return rc;
	if (p->kind == WEIR_TEE_SPILL) {
		rc = weir_spill_file(p->dir, p->max, &options.spill);
		if (rc < 0) {
			s->job->fail_what = "the file to spill to";
			return rc;
		}
	}
	rc = weir_tee_add(s->job->tee, front, &options, &s->branch);
	if (rc < 0)
		weir_spill_destroy(options.spill);
	return rc;
}

void sink_fini(struct sink *s)
{
	weir_timer_cancel(s->job->app->ctx, &s->grace);
	weir_timer_cancel(s->job->app->ctx, &s->tell);
	digests_destroy(s->digests);
	weir_join_destroy(s->drain);
	weir_transport_close(s->drain_to);
}

/* ---- what became of it ---- */

static void judge_alone(const struct sink *s, struct sink_result *out)
{
	struct weir_progress progress;
	struct weir_outcome outcome;

	weir_join_outcome(s->job->join[0], &outcome);
	weir_join_progress(s->job->join[0], &progress);
	out->end = outcome.end;
	out->cause = outcome.cause;
	out->in = outcome.in;
	out->out = outcome.offset;
	out->dropped = outcome.dropped;
	out->held_ns = progress.held_ns[WEIR_CAUSE_FULL];
}

/* A branch that was failed because of the source, or of us, has the join's cause. */
static void judge_branch(const struct sink *s, struct sink_result *out)
{
	struct weir_branch_state state;
	struct weir_outcome outcome;

	weir_branch_state(s->branch, &state);
	weir_join_outcome(s->job->join[0], &outcome);
	out->in = state.in;
	out->out = state.out;
	out->dropped = state.in - state.out;
	out->spilled = state.spilled;
	out->held_ns = state.held_ns;
	if (state.ended && state.why == 0) {
		out->end = WEIR_FINISHED;
	} else if (s->failed_alone || outcome.end == WEIR_FINISHED ||
		   outcome.end == WEIR_SINK_FAILED || (state.ended && state.why != outcome.cause)) {
		out->end = WEIR_SINK_FAILED;
		out->cause = state.why;
		out->detached = state.why == WEIR_ESLOW;
	} else {
		out->end = outcome.end;
		out->cause = outcome.cause;
	}
}

/* A sink whose peer resets the connection after our end has not read all of it. */
static void judge_drain(const struct sink *s, struct sink_result *out)
{
	struct weir_outcome back;

	if (!s->drain)
		return;
	weir_join_outcome(s->drain, &back);
	out->drained = back.in;
	if (out->end == WEIR_FINISHED && back.end == WEIR_SOURCE_FAILED) {
		out->end = WEIR_SINK_FAILED;
		out->cause = back.cause;
	}
}

void sink_judge(const struct sink *s, struct sink_result *out)
{
	*out = (struct sink_result){.ran = true, .told = s->told};
	if (s->branch)
		judge_branch(s, out);
	else
		judge_alone(s, out);
	judge_drain(s, out);
	if (out->end == WEIR_SINK_FAILED)
		explain_cause(out->text, s->job->app, (int)s->side, out->cause, transport(s));
	else if (out->cause)
		explain_cause(out->text, s->job->app, -1, out->cause, NULL);
}

struct sink *sinks_holder(struct sink *sinks, size_t count)
{
	struct sink *holder = NULL;
	uint64_t longest = 0;

	for (size_t i = 0; i < count; i++) {
		struct weir_branch_state state;

		if (!sinks[i].branch)
			continue;
		weir_branch_state(sinks[i].branch, &state);
		if (state.held_ns - sinks[i].seen_ns > longest) {
			longest = state.held_ns - sinks[i].seen_ns;
			holder = &sinks[i];
		}
		sinks[i].seen_ns = state.held_ns;
	}
	return holder;
}
