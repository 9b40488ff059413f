/* SPDX-License-Identifier: MIT */
/*
 * A valve in front whose drain is the implementation's `process`, and a producer behind.
 *
 * Nothing is given on but from inside the valve's drain, or, when the valve holds nothing
 * or has finished, from work().  Neither nests in itself or in the other, so bytes cannot
 * overtake each other, whoever calls whom.
 */
#include "weir/impl/processor.h"

#include <assert.h>

#include "core/pass.h"

static struct weir_processor *processor_from_valve(struct weir_valve *v)
{
	return (struct weir_processor *)v;
}

static struct weir_processor *processor_from_front(struct weir_consumer *c)
{
	return (struct weir_processor *)c;
}

static struct weir_processor *processor_from_back(struct weir_producer *b)
{
	return (struct weir_processor *)((char *)b - offsetof(struct weir_processor, back));
}

/* ---- whether the consumer behind takes bytes ---- */

static void hold(struct weir_processor *p)
{
	p->paused = true;
	if (p->ops->plain)
		weir_valve_hold(&p->front, WEIR_HOLD_BEHIND);
}

/* One that pulls, and does not now, learns that there are some. */
static inline bool takes(struct weir_processor *p)
{
	if (!p->back.consumer)
		return false;
	if (p->paused && p->back.mode == WEIR_PULL)
		weir_consumer_wake(p->back.consumer);
	return !p->paused;
}

size_t weir_processor_room(struct weir_processor *p)
{
	return takes(p) ? weir__pass_room(&p->back, &p->paused) : 0;
}

/* ---- how much it has handed on ---- */

/* Of the bytes that were made; more, if others wrote there after us. */
static uint64_t out_behind(const struct weir_processor *p)
{
	struct weir_consumer_state s;

	if (!p->behind)
		return p->out_before;
	weir_consumer_state(p->behind, &s);
	return p->out_before + (s.out > p->behind_base ? s.out - p->behind_base : 0);
}

/* Of the first `taken` bytes that were taken. */
static uint64_t out_of(const struct weir_processor *p, uint64_t taken)
{
	uint64_t out = out_behind(p);

	if (p->ops->transforms) {
		if (out >= p->marks[1].made)
			out = p->marks[1].taken;
		else if (out >= p->marks[0].made)
			out = p->marks[0].taken;
		else
			out = p->settled;
	}
	return out < taken ? out : taken;
}

static uint64_t taken_before(const struct weir_valve *v)
{
	return v->in - v->queue.bytes - weir_valve_dropped(v);
}

void weir_processor_mark(struct weir_processor *p, size_t taken)
{
	if (out_behind(p) >= p->marks[0].made) {
		p->settled = p->marks[0].taken;
		p->marks[0] = p->marks[1];
	}
	p->marks[1].made = p->made;
	p->marks[1].taken = taken_before(&p->front) + taken;
}

/* ---- the consumer behind, whose end and delivery are ours ---- */

/* One that let us go keeps what it accepted: that was handed on. */
static void leave_behind(struct weir_processor *p, bool let_go)
{
	p->out_before = let_go ? p->out_before + p->made - p->behind_made : out_behind(p);
	p->behind = NULL;
}

static void set_over(struct weir_processor *p, int why)
{
	p->why = why;
	if (p->over)
		return;
	p->over = true;
	p->ops->over(p);
}

static void on_behind_end(void *arg, int why)
{
	struct weir_processor *p = arg;
	bool let_go = !p->over && !p->back.consumer;

	leave_behind(p, let_go);
	if (let_go)
		return;
	if (p->over && p->front.life == WEIR_FLUSHING) {
		weir_valve_done(&p->front, why);
		return;
	}
	why = why < 0 ? why : WEIR_ECLOSED;
	set_over(p, why);
	weir_valve_die(&p->front, why);
}

static void unfollow(struct weir_processor *p, bool let_go)
{
	if (!p->behind)
		return;
	weir_consumer_unwatch_end(p->behind, &p->behind_end);
	leave_behind(p, let_go);
}

static void follow(struct weir_processor *p, struct weir_consumer *behind)
{
	struct weir_consumer_state s;

	unfollow(p, true);
	weir_consumer_state(behind, &s);
	p->behind = behind;
	p->behind_base = s.in;
	p->behind_made = p->made;
	weir_consumer_watch_end(behind, &p->behind_end, on_behind_end, p);
}

/* ---- the end ---- */

/* Tell the consumer behind; when there is none, the next registration does.  The end is
 * complete when that consumer's is. */
static void tell_end(struct weir_processor *p)
{
	p->told = p->told || p->back.consumer;
	weir_producer_end(&p->back, p->why);
}

/* Also one that was finished: that has not come to its end. */
static void fail_behind(struct weir_processor *p, int why)
{
	set_over(p, why);
	if (p->told && p->behind)
		weir_consumer_fail(p->behind, why);
	else
		tell_end(p);
}

void weir_processor_fail(struct weir_processor *p, int why)
{
	assert(why < 0);
	if (p->front.life == WEIR_ENDED)
		return;
	fail_behind(p, why);
	weir_valve_die(&p->front, why);
}

/* ---- passing bytes ---- */

size_t weir_processor_pass(struct weir_processor *p, const struct weir_chunk *chunks, size_t count,
			   uint64_t max)
{
	int rc;
	size_t n = weir__pass(&p->back, &p->paused, chunks, count, max, &rc);

	p->made += n;
	if (p->paused && p->back.mode == WEIR_PULL)
		hold(p);
	if (rc < 0 && !p->over)
		weir_processor_fail(p, rc);
	return n;
}

/* A plain one's producer goes on when the consumer behind does and nothing is left.  `last`:
 * bytes at the front of the queue that are gone when the drain at hand returns. */
static void let_go_on(struct weir_processor *p, size_t last)
{
	if (p->ops->plain && !p->paused && p->back.consumer && p->front.queue.bytes <= last)
		weir_valve_release(&p->front, WEIR_HOLD_BEHIND);
}

static int64_t drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct weir_processor *p = processor_from_valve(v);
	size_t n;

	if (p->busy || !takes(p))
		return 0;
	n = p->ops->process(p, chunks, count);
	/* The consumer behind may have resumed us from inside its write, with bytes left. */
	if ((v->holds & WEIR_HOLD_BEHIND) && n > 0)
		let_go_on(p, n);
	return (int64_t)n;
}

/* One step without chunks: true if there is reason for another. */
static bool step(struct weir_processor *p)
{
	p->again = false;
	if (p->front.life != WEIR_FLUSHING) {
		p->ops->process(p, NULL, 0);
	} else if (p->ops->flush(p) && !p->over) {
		weir_processor_mark(p, 0);
		set_over(p, 0);
	}
	return p->again && !p->over;
}

static void work(struct weir_processor *p)
{
	p->busy = true;
	while (step(p))
		;
	p->busy = false;
	if (!p->over)
		takes(p); /* one that pulls must know that something is left */
	else if (p->why == 0)
		tell_end(p);
}

void weir_processor_go_on(struct weir_processor *p)
{
	struct weir_valve *v = &p->front;

	if (p->busy) {
		p->again = true;
		return;
	}
	if (p->over)
		return;
	if (v->life == WEIR_FLUSHING || (!v->queue.bytes && !v->draining && takes(p)))
		work(p);
	if (p->over)
		return;
	weir_valve_ready(v);
	let_go_on(p, 0);
}

static void end(struct weir_valve *v, int why)
{
	struct weir_processor *p = processor_from_valve(v);

	if (why < 0)
		fail_behind(p, why);
	else
		weir_processor_go_on(p);
}

static const struct weir_valve_ops valve_ops = {
	.name = "processor",
	.drain = drain,
	.end = end,
};

/* ---- the front, where that is more than a valve ---- */

static size_t front_room(struct weir_consumer *c)
{
	struct weir_processor *p = processor_from_front(c);
	size_t room = weir_valve_consumer_ops.room(c);
	size_t most;

	if (room == 0)
		return 0;
	most = p->ops->room(p);
	if (most < room)
		room = most;
	/* What goes through at once is not held if it is not more than goes through. */
	if (p->ops->plain && p->back.consumer && !p->paused) {
		most = weir_processor_room(p);
		if (most < room)
			room = most;
	}
	return room;
}

static void front_state(const struct weir_consumer *c, struct weir_consumer_state *out)
{
	const struct weir_processor *p = (const struct weir_processor *)c;
	struct weir_consumer_state s;
	uint64_t taken;

	weir_valve_consumer_ops.state(c, out);
	taken = out->out;
	out->out = out_of(p, taken);
	if (out->ended)
		out->dropped += taken - out->out;
	else
		out->held += taken - out->out;
	if (out->holds && p->paused && p->behind) {
		weir_consumer_state(p->behind, &s);
		out->holds |= s.holds;
	}
}

/* ---- the back ---- */

static void run_task(struct weir_task *task)
{
	struct weir_processor *p = (struct weir_processor *)((char *)task -
							     offsetof(struct weir_processor, task));

	if (p->over)
		tell_end(p);
	else
		weir_processor_go_on(p);
}

static void back_start(struct weir_producer *b)
{
	struct weir_processor *p = processor_from_back(b);

	follow(p, b->consumer);
	p->paused = false;
	if (b->mode == WEIR_PULL)
		hold(p);
	weir_task_queue(p->front.ctx, &p->task);
}

static void back_pause(struct weir_producer *b)
{
	hold(processor_from_back(b));
}

static void back_resume(struct weir_producer *b)
{
	struct weir_processor *p = processor_from_back(b);

	p->paused = false;
	weir_processor_go_on(p);
	if (b->mode == WEIR_PULL)
		p->paused = true; /* answered, or "nothing yet" */
}

static void back_stop(struct weir_producer *b, int why)
{
	struct weir_processor *p = processor_from_back(b);

	set_over(p, why);
	unfollow(p, false);
	weir_valve_die(&p->front, why);
}

static const struct weir_producer_ops back_ops = {
	.name = "processor",
	.start = back_start,
	.pause = back_pause,
	.resume = back_resume,
	.stop = back_stop,
};

/* ---- for the implementation ---- */

size_t weir_processor_pass_on(struct weir_processor *p, const struct weir_chunk *chunks,
			      size_t count)
{
	return weir_processor_pass(p, chunks, count, UINT64_MAX);
}

bool weir_processor_said_all(struct weir_processor *p)
{
	(void)p;
	return true;
}

size_t weir_processor_any_room(struct weir_processor *p)
{
	(void)p;
	return SIZE_MAX;
}

void weir_processor_pass_over(struct weir_processor *p)
{
	(void)p;
}

void weir_processor_init(struct weir_processor *p, const struct weir_processor_ops *ops,
			 struct weir_context *ctx)
{
	assert(ops->name && ops->process && ops->flush && ops->room && ops->over);
	*p = (struct weir_processor){.ops = ops, .task = {.run = run_task}};
	weir_valve_init(&p->front, &valve_ops, ctx);
	p->front_ops = *p->front.base.ops;
	p->front_ops.name = ops->name;
	p->front_ops.room = front_room;
	p->front_ops.state = front_state;
	p->front.base.ops = &p->front_ops;
	weir_producer_init(&p->back, &back_ops, WEIR_PUSH);
	if (ops->plain) {
		p->front.high = 1;
		p->front.low = 0;
		weir_valve_hold(&p->front, WEIR_HOLD_BEHIND);
	}
}

void weir_processor_fini(struct weir_processor *p)
{
	if (!p->over)
		weir_processor_fail(p, WEIR_ECLOSED);
	else
		tell_end(p);
	unfollow(p, false);
	weir_valve_die(&p->front, WEIR_ECLOSED);
	weir_task_cancel(&p->task);
}
