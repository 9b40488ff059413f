/* SPDX-License-Identifier: MIT */
/*
 * A join is a consumer in front of the sink and a producer behind the source: each call
 * passes through it, so it sees every byte, pause and end without either side knowing.
 * What the sink says last, when it has ended, makes the outcome.
 */
#include "weir/join.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/join_priv.h"
#include "core/join_time.h"
#include "weir/context.h"
#include "weir/impl/consumer.h"

struct weir_join {
	struct weir_consumer front; /* what the source writes to */
	struct weir_producer back;  /* what the sink pauses */
	struct weir_context *ctx;
	struct weir_consumer *sink;
	union { /* by `end` */
		struct weir_end_watch sink_end; /* running */
		struct weir_task done;          /* else */
	};
	void (*on_done)(struct weir_join *join, const struct weir_outcome *outcome, void *arg);
	void *arg;
	struct weir__join_time *time; /* NULL without limits */
	uint64_t in;
	union { /* by `end` */
		uint64_t sink_base; /* running: what the sink had accepted before us */
		uint64_t out;       /* else: what it has handed on */
	};
	uint64_t started;
	union {
		uint64_t paused_at; /* while `paused` */
		uint64_t ended;     /* once there is an outcome, and nothing is paused */
	};
	uint64_t pauses;
	uint64_t held_ns[WEIR_CAUSES];
	uint64_t seen_at, seen_out; /* by the last weir_join_progress() */
	uint64_t carried;           /* bytes that did not go by copying */
	const char *copy_who, *copy_why;
	int cause;             /* of the verdict, then of the outcome */
	uint8_t verdict;       /* enum weir_end: the outcome's, once the sink has ended */
	uint8_t end;           /* enum weir_end: the outcome's */
	uint8_t path, paths;   /* enum weir_path, enum weir_paths */
	uint8_t held_by;       /* enum weir_cause */
	bool user_paused;
	bool source_done;      /* finished, failed or stopped */
	bool has_nothing;      /* the pull source said so, and has not woken us */
	bool sink_paused : 1, paused : 1;
	bool keep_open : 1;
	bool asked : 1;        /* the pull source was, and has given nothing since; for `time` */
	bool loses : 1;        /* the sink had ended, so that what it had not handed on is gone */
};

static struct weir_join *join_from_front(struct weir_consumer *c)
{
	return (struct weir_join *)c;
}

static struct weir_join *join_from_back(struct weir_producer *p)
{
	return (struct weir_join *)((char *)p - offsetof(struct weir_join, back));
}

/* ---- pauses, and whose they are ---- */

static enum weir_cause cause_of(struct weir_join *j)
{
	struct weir_consumer_state s;

	if (j->user_paused)
		return WEIR_CAUSE_USER;
	weir_consumer_state(j->sink, &s);
	if (s.holds & WEIR_HOLD_USER)
		return WEIR_CAUSE_USER;
	if (s.holds & WEIR_HOLD_RATE)
		return WEIR_CAUSE_RATE;
	return s.holds & WEIR_HOLD_BUDGET ? WEIR_CAUSE_BUDGET : WEIR_CAUSE_FULL;
}

static void close_interval(struct weir_join *j)
{
	if (!j->paused)
		return;
	j->paused = false;
	j->held_ns[j->held_by] += weir_context_now(j->ctx) - j->paused_at;
}

static void let_go(struct weir_join *j)
{
	close_interval(j);
	if (j->time)
		weir__join_time_begins(j->time);
}

/* The two who may pause the source are a set: it is let go when both have. */
static void update_pause(struct weir_join *j)
{
	struct weir_producer *source = j->front.producer;
	bool paused = j->sink_paused || j->user_paused;

	if (paused == j->paused || j->source_done)
		return;
	if (paused) {
		j->paused = true;
		j->pauses++;
		j->held_by = (uint8_t)cause_of(j);
		j->paused_at = weir_context_now(j->ctx);
		if (source && j->back.mode == WEIR_PUSH)
			source->ops->pause(source);
		return;
	}
	let_go(j);
	if (j->back.mode == WEIR_PUSH && source)
		source->ops->resume(source);
	else if (j->back.mode == WEIR_PULL && !j->has_nothing)
		weir_consumer_wake(j->sink);
}

static void back_pause(struct weir_producer *p)
{
	struct weir_join *j = join_from_back(p);

	j->sink_paused = true;
	update_pause(j);
}

static void back_resume(struct weir_producer *p)
{
	struct weir_join *j = join_from_back(p);
	struct weir_producer *source = j->front.producer;

	if (p->mode == WEIR_PULL) {
		j->sink_paused = false;
		if (!source || j->user_paused)
			return;
		if (j->paused)
			let_go(j);
		if (j->time && !j->asked) {
			j->asked = true;
			weir__join_time_begins(j->time);
		}
		j->has_nothing = true; /* until it gives some */
		source->ops->resume(source);
		return;
	}
	j->sink_paused = false;
	update_pause(j);
}

/* ---- the end ---- */

static void source_is_done(struct weir_join *j)
{
	j->source_done = true;
	close_interval(j);
}

/* Let the source go, telling it. */
static void stop_source(struct weir_join *j, int why)
{
	struct weir_producer *source = weir_consumer_unbind(&j->front);

	source_is_done(j);
	if (source)
		source->ops->stop(source, why);
}

static uint64_t delivered(const struct weir_join *j, const struct weir_consumer_state *s)
{
	return s->out > j->sink_base ? s->out - j->sink_base : 0;
}

static void run_done(struct weir_task *task)
{
	struct weir_join *j = (struct weir_join *)((char *)task - offsetof(struct weir_join, done));
	struct weir_outcome outcome;

	weir_join_outcome(j, &outcome);
	j->on_done(j, &outcome, j->arg);
}

/* The sink is not watched any more, and the source is done. */
static void complete(struct weir_join *j, enum weir_end end, int cause)
{
	struct weir_consumer_state s;

	if (j->end != WEIR_RUNNING)
		return;
	weir_consumer_state(j->sink, &s);
	j->out = delivered(j, &s);
	/* A write that failed halfway has given bytes which it did not count. */
	if (j->in < j->out)
		j->in = j->out;
	j->ended = weir_context_now(j->ctx);
	j->end = (uint8_t)end;
	j->cause = cause;
	j->loses = s.ended;
	j->done = (struct weir_task){.run = run_done};
	if (j->time)
		weir__join_time_ends(j->time);
	if (j->on_done)
		weir_task_queue(j->ctx, &j->done);
	weir_consumer_ended(&j->front, end == WEIR_FINISHED ? 0 : cause);
}

static void back_stop(struct weir_producer *p, int why)
{
	stop_source(join_from_back(p), why);
}

static void on_sink_end(void *arg, int why)
{
	struct weir_join *j = arg;

	stop_source(j, why < 0 ? why : WEIR_ECLOSED);
	if (j->verdict != WEIR_RUNNING && (why == 0 || j->verdict != WEIR_FINISHED))
		complete(j, (enum weir_end)j->verdict, j->cause);
	else
		complete(j, WEIR_SINK_FAILED, why < 0 ? why : WEIR_ECLOSED);
}

static void front_finish(struct weir_consumer *c)
{
	struct weir_join *j = join_from_front(c);

	if (j->source_done)
		return;
	source_is_done(j);
	j->verdict = WEIR_FINISHED;
	weir_consumer_unregister(j->sink);
	if (!j->keep_open) {
		weir_consumer_finish(j->sink);
		return;
	}
	weir_consumer_unwatch_end(j->sink, &j->sink_end);
	complete(j, WEIR_FINISHED, 0);
}

static void front_fail(struct weir_consumer *c, int why)
{
	struct weir_join *j = join_from_front(c);

	assert(why < 0);
	/* Behind a finish, too, while the sink is not through with that. */
	if (j->end != WEIR_RUNNING || (j->source_done && j->verdict != WEIR_FINISHED))
		return;
	j->verdict = WEIR_SOURCE_FAILED;
	j->cause = why;
	stop_source(j, why);
	if (j->back.consumer)
		weir_consumer_unregister(j->sink);
	weir_consumer_fail(j->sink, why);
}

void weir_join_stop(struct weir_join *j, int why)
{
	assert(why < 0);
	if (j->end != WEIR_RUNNING)
		return;
	j->verdict = WEIR_STOPPED;
	j->cause = why;
	stop_source(j, why);
	weir_consumer_unregister(j->sink);
	weir_consumer_fail(j->sink, why);
}

/* ---- time, as join_time.c asks for it ---- */

/* A pull source that the sink does not ask is held by us. */
bool weir__join_waits_for_source(const struct weir_join *j)
{
	return !j->paused && !j->source_done && (j->back.mode == WEIR_PUSH || j->asked);
}

bool weir__join_stalls(const struct weir_join *j, uint64_t *out)
{
	struct weir_consumer_state s;

	weir_consumer_state(j->sink, &s);
	*out = s.out;
	if (j->user_paused || (s.holds & (WEIR_HOLD_BUDGET | WEIR_HOLD_RATE | WEIR_HOLD_USER)))
		return false;
	return !s.ended && (s.holds || s.held > 0);
}

/* ---- bytes ---- */

/* A full sink does not pause a pull source, it just does not ask it: that is held, too. */
static void note_pull(struct weir_join *j)
{
	struct weir_consumer_state s;

	weir_consumer_state(j->sink, &s);
	if (!s.holds)
		return;
	j->sink_paused = true;
	update_pause(j);
}

static int passed(struct weir_join *j, size_t len, int rc)
{
	if (len)
		j->has_nothing = false;
	if (rc < 0 || len == 0)
		return rc;
	j->in += len;
	if (j->time) {
		j->asked = false;
		weir__join_time_moved(j->time);
	}
	if (j->back.mode == WEIR_PULL)
		note_pull(j);
	return 0;
}

static int front_write(struct weir_consumer *c, const void *data, size_t len)
{
	struct weir_join *j = join_from_front(c);

	if (j->source_done)
		return WEIR_ECLOSED;
	return passed(j, len, weir_consumer_write(j->sink, data, len));
}

static int front_give(struct weir_consumer *c, struct weir_chunk *chunk)
{
	struct weir_join *j = join_from_front(c);
	size_t len = chunk->len;

	if (j->source_done)
		return WEIR_ECLOSED;
	return passed(j, len, weir_consumer_give(j->sink, chunk));
}

static int64_t front_carry(struct weir_consumer *c, struct weir_carry *carry)
{
	struct weir_join *j = join_from_front(c);
	int64_t n;

	if (j->source_done)
		return WEIR_ECLOSED;
	carry->any |= j->paths == WEIR_PATHS_KERNEL;
	if (j->paths == WEIR_PATHS_COPY)
		n = weir_carry_refuse(carry, "join", "was told to copy");
	else
		n = weir_consumer_carry(j->sink, carry);
	if (n > 0) {
		j->path = (uint8_t)carry->path;
		j->carried += (uint64_t)n;
		passed(j, (size_t)n, 0);
	}
	if (n >= 0 && carry->next == WEIR_CARRY_WRITE) {
		j->copy_who = carry->who;
		j->copy_why = carry->why;
	}
	return n;
}

static int front_register(struct weir_consumer *c, struct weir_producer *p, enum weir_mode mode)
{
	struct weir_join *j = join_from_front(c);

	if (j->source_done || mode != j->back.mode) {
		p->ops->stop(p, WEIR_ECLOSED);
		return WEIR_ECLOSED;
	}
	j->has_nothing = false;
	weir_consumer_bind(c, p, mode);
	if (mode == WEIR_PULL)
		weir_consumer_wake(j->sink);
	else if (j->paused)
		p->ops->pause(p);
	return 0;
}

static void front_unregister(struct weir_consumer *c)
{
	weir_consumer_unbind(c);
}

static size_t front_room(struct weir_consumer *c)
{
	struct weir_join *j = join_from_front(c);

	return j->source_done || j->user_paused ? 0 : weir_consumer_room(j->sink);
}

static void front_wake(struct weir_consumer *c)
{
	join_from_front(c)->has_nothing = false;
	weir_consumer_wake(join_from_front(c)->sink);
}

static void front_state(const struct weir_consumer *c, struct weir_consumer_state *out)
{
	const struct weir_join *j = (const struct weir_join *)c;

	weir_consumer_state(j->sink, out);
	if (j->user_paused && !out->ended)
		out->holds |= WEIR_HOLD_USER;
}

static const struct weir_consumer_ops front_ops = {
	.name = "join",
	.register_producer = front_register,
	.unregister_producer = front_unregister,
	.write = front_write,
	.give = front_give,
	.finish = front_finish,
	.fail = front_fail,
	.room = front_room,
	.wake = front_wake,
	.state = front_state,
	.carry = front_carry,
};

static const struct weir_producer_ops back_ops = {
	.name = "join",
	.start = weir_producer_pass_start,
	.pause = back_pause,
	.resume = back_resume,
	.stop = back_stop,
};

/* ---- for the caller ---- */

static int set_options(struct weir_join *j, struct weir_context *ctx,
		       const struct weir_join_options *options)
{
	if (!options)
		return 0;
	j->keep_open = options->keep_open;
	j->paths = (uint8_t)options->paths;
	j->on_done = options->on_done;
	j->arg = options->arg;
	if (!options->idle_ns && !options->stall_ns && !options->total_ns)
		return 0;
	return weir__join_time_create(j, ctx, options, &j->time);
}

static void release(struct weir_join *j)
{
	if (j->end == WEIR_RUNNING)
		weir_consumer_unwatch_end(j->sink, &j->sink_end);
	else
		weir_task_cancel(&j->done);
	weir__join_time_destroy(j->time);
	free(j);
}

int weir_join_create(struct weir_context *ctx, struct weir_producer *source,
		     struct weir_consumer *sink, const struct weir_join_options *options,
		     struct weir_join **out)
{
	struct weir_consumer_state s;
	struct weir_join *j;
	int rc;

	if (source->consumer || sink->producer)
		return WEIR_EBUSY;
	j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	rc = set_options(j, ctx, options);
	if (rc < 0) {
		free(j);
		return rc;
	}
	weir_consumer_init(&j->front, &front_ops);
	weir_producer_init(&j->back, &back_ops, source->mode);
	weir_consumer_state(sink, &s);
	j->ctx = ctx;
	j->sink = sink;
	j->sink_base = s.in;
	j->started = j->seen_at = weir_context_now(ctx);

	/* The source first: the sink may ask it for bytes, or pause it, at once.  It may
	 * end as it starts, and then there is nothing left to register. */
	weir_consumer_watch_end(sink, &j->sink_end, on_sink_end, j);
	if (j->time)
		weir__join_time_begins(j->time);
	weir_consumer_bind(&j->front, source, source->mode);
	rc = 0;
	if (!j->source_done || s.ended)
		rc = weir_consumer_register(sink, &j->back, j->back.mode);
	if (rc < 0) {
		stop_source(j, rc);
		release(j);
		return rc;
	}
	*out = j;
	return 0;
}

void weir_join_pause(struct weir_join *j)
{
	j->user_paused = true;
	update_pause(j);
}

void weir_join_resume(struct weir_join *j)
{
	j->user_paused = false;
	update_pause(j);
}

/* What the source gave and nobody got; 0 without an outcome. */
static uint64_t dropped(const struct weir_join *j)
{
	return j->loses ? j->in - j->out : 0;
}

void weir__join_look(const struct weir_join *j, struct weir_progress *out)
{
	bool over = j->end != WEIR_RUNNING;
	uint64_t now = over ? j->ended : weir_context_now(j->ctx);
	struct weir_consumer_state s = {0};

	*out = (struct weir_progress){
		.in = j->in,
		.out = j->out,
		.dropped = dropped(j),
		.elapsed_ns = now - j->started,
		.paused = j->paused,
		.cause = (enum weir_cause)j->held_by,
		.pauses = j->pauses,
	};
	if (!over) {
		weir_consumer_state(j->sink, &s);
		out->out = delivered(j, &s);
		out->dropped = s.ended ? j->in - out->out : 0;
	}
	out->held = out->in - out->out - out->dropped;
	for (int i = 0; i < WEIR_CAUSES; i++)
		out->held_ns[i] = j->held_ns[i];
	if (j->paused)
		out->held_ns[j->held_by] += now - j->paused_at;
	if (out->elapsed_ns)
		out->mean_rate = (double)out->out * 1e9 / (double)out->elapsed_ns;
	out->rate = out->mean_rate;
}

void weir_join_progress(struct weir_join *j, struct weir_progress *out)
{
	uint64_t now;

	weir__join_look(j, out);
	now = j->started + out->elapsed_ns;
	if (now > j->seen_at)
		out->rate = (double)(out->out - j->seen_out) * 1e9 / (double)(now - j->seen_at);
	j->seen_at = now;
	j->seen_out = out->out;
}

void weir_join_set_paths(struct weir_join *j, enum weir_paths paths)
{
	j->paths = (uint8_t)paths;
}

void weir_join_path(const struct weir_join *j, struct weir_path_state *out)
{
	*out = (struct weir_path_state){
		.path = (enum weir_path)j->path,
		.carried = j->carried,
		.who = j->copy_who,
		.why = j->copy_why,
	};
}

void weir_join_outcome(const struct weir_join *j, struct weir_outcome *out)
{
	bool over = j->end != WEIR_RUNNING;

	*out = (struct weir_outcome){
		.end = (enum weir_end)j->end,
		.cause = over ? j->cause : 0,
		.offset = over ? j->out : 0,
		.in = over ? j->in : 0,
		.dropped = dropped(j),
	};
}

void weir_join_destroy(struct weir_join *j)
{
	if (!j)
		return;
	j->on_done = NULL;
	weir_join_stop(j, WEIR_ESTOPPED);
	release(j); /* without an outcome the sink is in a drain, and ends after it */
}
