/* SPDX-License-Identifier: MIT */
/*
 * A valve in front, and a branch for each consumer: a producer and a backlog, that is
 * references to chunks that its consumer has not taken.
 *
 * What the drain is offered goes to every branch, or to none while a branch that blocks has
 * a backlog.  So a branch that blocks holds no more than one offer, which the valve has
 * bounded, and the valve its marks' worth.  Bytes without an owner are refused by the drain
 * if a branch might not take them all at once, or the budget not have a copy for each: then
 * the valve copies them, once for all.
 */
#include "adapter/tee_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/pass.h"

static struct weir_tee *tee_from_valve(struct weir_valve *v)
{
	return (struct weir_tee *)v;
}

static struct weir_branch *branch_from_back(struct weir_producer *p)
{
	return (struct weir_branch *)p;
}

/* ---- who holds everybody ---- */

/* Whether the drain must wait for this branch: until it has taken all of the last offer. */
static bool blocks(const struct weir_branch *b)
{
	if (b->over)
		return false;
	if (b->options.policy == WEIR_TEE_SPILL)
		return b->waiting.bytes > 0;
	if (b->options.policy == WEIR_TEE_DETACH && !b->options.wait_ns)
		return false;
	return b->options.policy != WEIR_TEE_DROP && b->backlog.bytes > 0;
}

/* A branch has begun to block, or has stopped. */
static void note_blocking(struct weir_branch *b)
{
	bool now = blocks(b);
	uint64_t time;

	if (now == b->blocking)
		return;
	time = weir_context_now(b->tee->front.ctx);
	b->blocking = now;
	if (now)
		b->blocked_at = time;
	else
		b->held_ns += time - b->blocked_at;
	if (b->options.policy == WEIR_TEE_DETACH && b->options.wait_ns)
		weir_timer_set(b->tee->front.ctx, &b->timer,
			       now ? time + b->options.wait_ns : WEIR_NEVER);
}

/* ---- the end of a branch ---- */

static void free_branch(struct weir_branch *b)
{
	for (struct weir_branch **at = &b->tee->branches; *at; at = &(*at)->next) {
		if (*at == b) {
			*at = b->next;
			break;
		}
	}
	weir_task_cancel(&b->task);
	if (!b->gone)
		weir_consumer_unwatch_end(b->consumer, &b->watch);
	free(b);
}

/* What its consumer has handed on of the tee's bytes.  One that is failed while it hands some
 * on counts them after that, so the branch may be over before its consumer has ended. */
static uint64_t branch_out(const struct weir_branch *b)
{
	struct weir_consumer_state s;

	if (b->gone)
		return b->out;
	weir_consumer_state(b->consumer, &s);
	return s.out > b->base ? s.out - b->base : 0;
}

/* The consumer has ended, or will get no more: the branch is only counted from now on. */
static void close_branch(struct weir_branch *b, int why)
{
	struct weir_tee *t = b->tee;

	if (b->over)
		return;
	b->over = true;
	b->why = why;
	note_blocking(b);
	weir_timer_cancel(t->front.ctx, &b->timer);
	weir__queue_clear(&b->backlog);
	weir__queue_clear(&b->waiting);
	weir_block_unref(b->buffer);
	weir_spill_destroy(b->options.spill);
	b->buffer = NULL;
	b->options.spill = NULL;
	t->live--;
	t->any_whole |= why == 0;
	weir_task_queue(t->front.ctx, &b->task);
	if (t->live == 0 && t->front.life == WEIR_FLUSHING)
		weir_valve_done(&t->front, t->any_whole ? 0 : why);
	else if (t->live == 0 && !b->removed)
		weir_valve_die(&t->front, why < 0 ? why : WEIR_ECLOSED);
	else
		weir_task_queue(t->front.ctx, &t->task);
}

static void on_consumer_end(void *arg, int why)
{
	struct weir_branch *b = arg;

	b->out = branch_out(b);
	b->gone = true;
	close_branch(b, why == 0 && !b->ending ? WEIR_ECLOSED : why);
}

void weir__branch_fail(struct weir_branch *b, int why)
{
	struct weir_consumer *consumer = b->consumer;

	if (b->over)
		return;
	close_branch(b, why);
	if (b->told)
		weir_consumer_fail(consumer, why);
	else
		weir_producer_end(&b->back, why);
}

/* Whether it gets no more: also when somebody has let its producer go, which tells us
 * nothing, and what that consumer gets from then on is not ours to end. */
static bool is_over(struct weir_branch *b)
{
	if (!b->over && !b->told && !b->back.consumer)
		close_branch(b, WEIR_ECLOSED);
	return b->over;
}

static void run_branch(struct weir_task *task)
{
	struct weir_branch *b = (struct weir_branch *)((char *)task -
						       offsetof(struct weir_branch, task));

	if (b->removed)
		free_branch(b);
	else if (b->options.on_end)
		b->options.on_end(b, b->why, b->options.arg);
}

static void run_timer(struct weir_timer *timer)
{
	struct weir_branch *b = (struct weir_branch *)((char *)timer -
						       offsetof(struct weir_branch, timer));

	weir__branch_fail(b, WEIR_ESLOW);
}

/* ---- whether bytes go on ---- */

/* Also when there is nobody to get the bytes: one that is being removed gets no more. */
static bool is_blocked(struct weir_tee *t)
{
	bool nobody = true;

	for (struct weir_branch *b = t->branches; b; b = b->next) {
		if (is_over(b) || b->ending)
			continue;
		if (blocks(b))
			return true;
		nobody = false;
	}
	return nobody;
}

static void let_go(struct weir_tee *t)
{
	if (t->busy)
		return;
	if (is_blocked(t)) {
		weir_valve_hold(&t->front, WEIR_HOLD_BEHIND);
		if (t->live == 0 && t->front.life == WEIR_FINISHING)
			weir_valve_die(&t->front, WEIR_ECLOSED); /* nobody will come */
		return;
	}
	weir_valve_ready(&t->front);
	if (!is_blocked(t))
		weir_valve_release(&t->front, WEIR_HOLD_BEHIND);
}

/* ---- bytes to one branch ---- */

static size_t give(struct weir_branch *b, const struct weir_chunk *chunk)
{
	size_t n;
	int rc;

	if (is_over(b) || b->paused)
		return 0;
	n = weir__pass(&b->back, &b->paused, chunk, 1, chunk->len, &rc);
	if (rc < 0)
		weir__branch_fail(b, rc);
	return n;
}

/* Borrowed bytes, for which there had been room: what is left is copied for this branch. */
static int keep_copy(struct weir_branch *b, struct weir_chunk chunk)
{
	while (chunk.len) {
		struct weir_block *block;
		size_t n;
		int rc = weir_pool_take(&b->tee->front.ctx->pool, chunk.len, &block);

		if (rc < 0)
			return rc;
		rc = weir__queue_push(&b->backlog, weir_chunk_from_block(block));
		if (rc < 0) {
			weir_block_unref(block);
			return rc;
		}
		n = weir__queue_append(&b->backlog, chunk.data, chunk.len);
		chunk.data += n;
		chunk.len -= n;
	}
	return 0;
}

/* A chunk's owner is not ours alone: the reference is another one. */
static int keep_reference(struct weir_branch *b, struct weir_chunk part)
{
	int rc;

	weir_block_ref(part.owner);
	rc = weir__queue_push(&b->backlog, part);
	if (rc < 0)
		weir_block_unref(part.owner);
	return rc;
}

void weir__branch_take(struct weir_branch *b, struct weir_chunk part)
{
	size_t n = b->backlog.bytes || weir__branch_has_stored(b) ? 0 : give(b, &part);
	int rc;

	part.data += n;
	part.len -= n;
	if (!part.len || b->over)
		return;
	rc = part.owner ? keep_reference(b, part) : keep_copy(b, part);
	if (rc < 0)
		weir__branch_fail(b, rc);
}

/* Parts are runs up to the end of a record, or of the chunk.  What a record's beginning
 * decided is so to its end. */
static void take_or_drop(struct weir_branch *b, struct weir_chunk chunk)
{
	while (chunk.len && !b->over) {
		const unsigned char *end = NULL;
		struct weir_chunk part = chunk;

		if (b->options.separator >= 0)
			end = memchr(chunk.data, b->options.separator, chunk.len);
		if (end)
			part.len = (size_t)(end + 1 - chunk.data);
		if (!b->inside)
			b->dropping = b->backlog.bytes &&
				      (b->dropping || b->backlog.bytes >= b->options.behind);
		b->inside = b->options.separator >= 0 && !end;
		if (b->dropping)
			b->dropped += part.len;
		else
			weir__branch_take(b, part);
		chunk.data += part.len;
		chunk.len -= part.len;
	}
}

static void offer(struct weir_branch *b, const struct weir_chunk *chunk)
{
	b->in += chunk->len;
	switch (b->options.policy) {
	case WEIR_TEE_DROP:
		take_or_drop(b, *chunk);
		break;
	case WEIR_TEE_SPILL:
		weir__branch_spill(b, *chunk);
		break;
	case WEIR_TEE_DETACH:
		weir__branch_take(b, *chunk);
		if (!b->options.wait_ns && b->backlog.bytes > b->options.behind)
			weir__branch_fail(b, WEIR_ESLOW);
		break;
	default:
		weir__branch_take(b, *chunk);
	}
	if (!b->over)
		note_blocking(b);
}

/* One step of it.  False when there is no more to give, or the consumer takes no more. */
static bool give_more(struct weir_branch *b)
{
	struct weir_chunk chunk;
	size_t n;

	if (b->backlog.bytes) {
		weir__queue_peek(&b->backlog, &chunk, 1);
		n = give(b, &chunk);
		if (n > 0 && !b->over)
			weir__queue_consume(&b->backlog, n);
		return n > 0;
	}
	if (b->options.policy != WEIR_TEE_SPILL || !weir__branch_next(b, &chunk))
		return false;
	n = give(b, &chunk);
	b->fetched_at += n;
	return n > 0;
}

/* The consumer takes bytes again. */
static void catch_up(struct weir_branch *b)
{
	while (!is_over(b) && give_more(b))
		;
	if (b->over)
		return;
	note_blocking(b);
	if (!b->ending || b->told || b->backlog.bytes || weir__branch_has_stored(b))
		return;
	b->told = true;
	weir_producer_end(&b->back, 0);
}

/* ---- a branch's producer ---- */

/* Bytes come with the tee's task, which follows. */
static void back_start(struct weir_producer *p)
{
	branch_from_back(p)->paused = false;
}

static void back_pause(struct weir_producer *p)
{
	branch_from_back(p)->paused = true;
}

static void back_resume(struct weir_producer *p)
{
	struct weir_branch *b = branch_from_back(p);
	struct weir_tee *t = b->tee;

	b->paused = false;
	if (t->busy) { /* chunks are being handed out: they come first */
		weir_task_queue(t->front.ctx, &t->task);
		return;
	}
	t->busy = true;
	catch_up(b);
	t->busy = false;
	let_go(t);
}

static void back_stop(struct weir_producer *p, int why)
{
	close_branch(branch_from_back(p), why);
}

static const struct weir_producer_ops back_ops = {
	.name = "tee",
	.start = back_start,
	.pause = back_pause,
	.resume = back_resume,
	.stop = back_stop,
};

/* ---- the front ---- */

/* Whether every branch would take these bytes at once, and the budget has blocks for the
 * copies of all of them: each looks for its own only. */
static bool all_take(const struct weir_tee *t, size_t len)
{
	size_t room = weir_budget_block_room(t->front.ctx->pool.budget);
	size_t count = 0;

	for (struct weir_branch *b = t->branches; b; b = b->next) {
		if (b->over || b->ending || !b->back.consumer)
			continue;
		if (b->paused || b->backlog.bytes || weir__branch_has_stored(b) ||
		    weir_consumer_room(b->back.consumer) < len || b->paused)
			return false;
		count++;
	}
	return count < 2 || len + WEIR_BLOCK_LARGE <= room / count;
}

static int64_t drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct weir_tee *t = tee_from_valve(v);
	int64_t taken = 0;

	if (t->busy || is_blocked(t))
		return 0;
	if (!chunks->owner && !all_take(t, chunks->len)) {
		weir_valve_ready(v); /* as soon as the valve has copied them */
		return 0;
	}
	t->busy = true;
	for (size_t i = 0; i < count; i++) {
		t->offered += chunks[i].len; /* who is added meanwhile gets the next one */
		for (struct weir_branch *b = t->branches; b; b = b->next) {
			if (is_over(b) || b->ending)
				continue;
			offer(b, &chunks[i]);
		}
		taken += (int64_t)chunks[i].len;
	}
	t->busy = false;
	if (is_blocked(t))
		weir_valve_hold(v, WEIR_HOLD_BEHIND);
	return taken;
}

static void end(struct weir_valve *v, int why)
{
	struct weir_tee *t = tee_from_valve(v);
	bool outer = t->busy; /* a failure may come from inside the finish */

	t->busy = true;
	for (struct weir_branch *b = t->branches; b; b = b->next) {
		if (why < 0) {
			if (!b->removed) /* or it was let go before, and gets what it was given */
				weir__branch_fail(b, why);
		} else if (!b->over) {
			b->ending = true;
			catch_up(b);
		}
	}
	t->busy = outer;
	if (why == 0 && t->live == 0 && v->life == WEIR_FLUSHING)
		weir_valve_done(v, t->any_whole ? 0 : WEIR_ECLOSED);
}

/* What is held then for want of a branch will never go. */
static void front_finish(struct weir_consumer *c)
{
	struct weir_tee *t = (struct weir_tee *)c;

	weir_valve_consumer_ops.finish(c);
	if (t->front.life == WEIR_FINISHING)
		weir_task_queue(t->front.ctx, &t->task);
}

static const struct weir_valve_ops valve_ops = {
	.name = "tee",
	.drain = drain,
	.end = end,
};

/* What was asked for while the tee was busy. */
static void run_task(struct weir_task *task)
{
	struct weir_tee *t = (struct weir_tee *)((char *)task - offsetof(struct weir_tee, task));

	t->busy = true;
	for (struct weir_branch *b = t->branches; b; b = b->next)
		if (!is_over(b) && !b->paused)
			catch_up(b);
	t->busy = false;
	let_go(t);
}

/* Handed on is what every live branch that must get all has handed on. */
static void front_state(const struct weir_consumer *c, struct weir_consumer_state *out)
{
	const struct weir_tee *t = (const struct weir_tee *)c;
	uint64_t least, taken;

	weir_valve_consumer_ops.state(c, out);
	least = taken = out->out;
	for (const struct weir_branch *b = t->branches; b; b = b->next) {
		uint64_t at = b->begin + branch_out(b);

		if (!b->removed && b->options.policy != WEIR_TEE_DROP && at < least &&
		    (!b->over || t->live == 0))
			least = at;
	}
	out->out = least;
	if (out->ended && out->why < 0)
		out->dropped += taken - least;
	else if (out->ended)
		out->out = taken;
	else
		out->held += taken - least;
}

/* ---- for the caller ---- */

int weir_tee_create(struct weir_context *ctx, struct weir_tee **out)
{
	struct weir_tee *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	weir_valve_init(&t->front, &valve_ops, ctx);
	t->front_ops = weir_valve_consumer_ops;
	t->front_ops.name = "tee";
	t->front_ops.finish = front_finish;
	t->front_ops.state = front_state;
	t->front.base.ops = &t->front_ops;
	t->task.run = run_task;
	weir_valve_hold(&t->front, WEIR_HOLD_BEHIND);
	*out = t;
	return 0;
}

struct weir_consumer *weir_tee_sink(struct weir_tee *t)
{
	return &t->front.base;
}

static bool is_valid(const struct weir_branch_options *o)
{
	if ((unsigned)o->policy > WEIR_TEE_SPILL)
		return false;
	if (o->policy == WEIR_TEE_DROP && (o->separator < WEIR_NO_SEPARATOR || o->separator > 255))
		return false;
	return (o->policy == WEIR_TEE_SPILL) == (o->spill != NULL);
}

int weir_tee_add(struct weir_tee *t, struct weir_consumer *consumer,
		 const struct weir_branch_options *options, struct weir_branch **out)
{
	static const struct weir_branch_options defaults = {.policy = WEIR_TEE_BLOCK};
	struct weir_consumer_state s;
	struct weir_branch *b;
	int rc = 0;

	if (!is_valid(options ? options : &defaults))
		return -EINVAL;
	if (t->front.life != WEIR_OPEN || t->front.dying)
		return WEIR_ECLOSED;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	weir_producer_init(&b->back, &back_ops, WEIR_PUSH);
	b->tee = t;
	b->consumer = consumer;
	b->options = options ? *options : defaults;
	if (!b->options.behind)
		b->options.behind = WEIR_BEHIND_DEFAULT;
	b->task.run = run_branch;
	b->timer.run = run_timer;
	weir_consumer_state(consumer, &s);
	b->base = s.in;
	b->begin = t->offered;
	b->over = true; /* until it is in the list: a refusal has nothing to undo */
	if (b->options.spill)
		rc = weir_pool_take(&t->front.ctx->pool, WEIR_BLOCK_LARGE, &b->buffer);
	if (rc == 0)
		rc = weir_consumer_register(consumer, &b->back, WEIR_PUSH);
	if (rc < 0) {
		weir_block_unref(b->buffer);
		free(b);
		return rc;
	}
	b->over = false;
	b->next = t->branches;
	t->branches = b;
	t->live++;
	weir_consumer_watch_end(consumer, &b->watch, on_consumer_end, b);
	weir_task_queue(t->front.ctx, &t->task);
	if (out)
		*out = b;
	return 0;
}

void weir_tee_remove(struct weir_branch *b, int why)
{
	struct weir_tee *t = b->tee;

	b->removed = true;
	if (b->over) {
		weir_task_queue(t->front.ctx, &b->task);
		return;
	}
	b->ending = true;
	if (why < 0)
		weir__branch_fail(b, why);
	else
		weir_task_queue(t->front.ctx, &t->task);
}

void weir_branch_state(const struct weir_branch *b, struct weir_branch_state *out)
{
	*out = (struct weir_branch_state){
		.in = b->in,
		.out = branch_out(b),
		.dropped = b->dropped,
		.spilled = b->spilled,
		.held_ns = b->held_ns,
		.ended = b->over,
		.why = b->why,
	};
	if (out->out > b->in)
		out->out = b->in;
	if (b->blocking)
		out->held_ns += weir_context_now(b->tee->front.ctx) - b->blocked_at;
	if (b->over)
		out->dropped = b->in - out->out;
	else
		out->held = b->in - out->out - b->dropped;
}

void weir_tee_destroy(struct weir_tee *t)
{
	if (!t)
		return;
	weir_consumer_fail(&t->front.base, WEIR_ECLOSED);
	t->front.base.watches = NULL;
	while (t->branches) {
		t->branches->removed = true;
		weir__branch_fail(t->branches, WEIR_ECLOSED);
		free_branch(t->branches);
	}
	weir_valve_fini(&t->front);
	weir_task_cancel(&t->task);
	free(t);
}
