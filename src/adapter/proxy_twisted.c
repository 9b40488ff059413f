/* SPDX-License-Identifier: MIT */
/*
 * The proxies call by call as Twisted's: BasicProducerConsumerProxy, and, buffering,
 * ProducerConsumerProxy.  No machine decides here.  Each call does what the method of its
 * name does, in that order; where it does not, a comment says so.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/proxy_priv.h"
#include "core/pass.h"
#include "weir/impl/consumer.h"

/* Bytes in one piece, since they are passed on in one write; charged to the budget. */
struct buffer {
	unsigned char *data;
	size_t len, cap;
};

struct twisted {
	struct weir_proxy base;
	struct weir_consumer front;
	struct weir_producer back;
	struct weir_context *ctx;
	struct weir_consumer *behind; /* the one last registered with, also when it let us go,
	                                 until it ends */
	struct weir_end_watch behind_end;
	struct weir_task task; /* the back was registered, or a pull producer woke */
	struct buffer held;
	size_t high;
	uint64_t in, dropped;
	int why;
	bool buffering;
	bool paused;       /* by the consumer behind */
	bool outstanding;  /* it pulled, and got nothing */
	bool told_paused;  /* a buffering one paused its producer; outlives that */
	bool unregistered; /* and the consumer behind is to be told once nothing is held */
	bool in_pieces;    /* `held` is being passed on in pieces */
	bool wrote;        /* since the pull producer was asked */
	bool parked;       /* that has nothing yet */
	bool woken;        /* and some again */
	bool finished, ended;
};

static struct twisted *twisted_from_front(struct weir_consumer *c)
{
	return (struct twisted *)((char *)c - offsetof(struct twisted, front));
}

static struct twisted *twisted_from_back(struct weir_producer *p)
{
	return (struct twisted *)((char *)p - offsetof(struct twisted, back));
}

/* ---- what is held ---- */

static void release(struct twisted *t, struct buffer *b)
{
	weir_budget_credit(t->ctx->pool.budget, b->cap);
	free(b->data);
	*b = (struct buffer){0};
}

static int append(struct twisted *t, struct buffer *b, const unsigned char *data, size_t len)
{
	size_t cap = b->cap ? b->cap : WEIR_BLOCK_SMALL;
	unsigned char *grown;

	if (len == 0)
		return 0;
	if (len > SIZE_MAX / 2 - b->len)
		return -ENOMEM;
	while (cap < b->len + len)
		cap *= 2;
	if (cap > b->cap) {
		if (!weir_budget_charge(t->ctx->pool.budget, cap - b->cap))
			return WEIR_EFULL;
		grown = realloc(b->data, cap);
		if (!grown) {
			weir_budget_credit(t->ctx->pool.budget, cap - b->cap);
			return -ENOMEM;
		}
		b->data = grown;
		b->cap = cap;
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

/* ---- the end ---- */

static void ended(struct twisted *t, int why)
{
	struct weir_producer *upstream;

	if (t->ended)
		return;
	t->ended = true;
	t->why = why;
	t->dropped += t->held.len;
	release(t, &t->held);
	weir_task_cancel(&t->task);
	upstream = weir_consumer_unbind(&t->front);
	if (upstream)
		upstream->ops->stop(upstream, why < 0 ? why : WEIR_ECLOSED);
	weir_consumer_ended(&t->front, why);
}

static void on_behind_end(void *arg, int why)
{
	struct twisted *t = arg;
	bool complete = why == 0 && t->finished && !t->held.len;

	t->behind = NULL;
	ended(t, complete || why < 0 ? why : WEIR_ECLOSED);
}

static void fail(struct weir_consumer *c, int why)
{
	struct twisted *t = twisted_from_front(c);
	struct weir_consumer *behind = t->behind;

	assert(why < 0);
	if (t->ended)
		return;
	ended(t, why);
	if (t->back.consumer)
		weir_producer_end(&t->back, why);
	else if (behind && !weir_consumer_producer(behind))
		weir_consumer_fail(behind, why); /* left, but nobody else's */
}

/* ---- passing on ---- */

/* What a consumer with a hard limit refuses in one write, in such as it has room for. */
static int pass_in_pieces(struct twisted *t, const struct buffer *all, size_t *sent)
{
	int rc = 0;

	t->in_pieces = true;
	while (rc == 0 && *sent < all->len) {
		size_t room = weir__pass_room(&t->back, &t->paused);
		size_t len = all->len - *sent < room ? all->len - *sent : room;

		if (!len)
			break;
		rc = weir_consumer_write(t->behind, all->data + *sent, len);
		if (rc == 0)
			*sent += len;
		if (t->back.mode == WEIR_PULL)
			break;
	}
	t->in_pieces = false;
	return rc;
}

/* What was not sent of `all` stays in front of what came since. */
static void put_back(struct twisted *t, struct buffer all, size_t sent)
{
	struct buffer since = t->held;
	int rc;

	all.len -= sent;
	if (t->ended || all.len == 0) {
		t->dropped += all.len;
		release(t, &all);
		return;
	}
	memmove(all.data, all.data + sent, all.len);
	t->held = all;
	rc = append(t, &t->held, since.data, since.len);
	if (rc < 0)
		t->dropped += since.len;
	release(t, &since);
	if (rc < 0)
		fail(&t->front, rc);
}

/* Twisted empties the buffer after the write, and loses what came from inside that. */
static size_t flush_once(struct twisted *t)
{
	struct buffer all = t->held;
	size_t sent = 0;
	int rc;

	t->held = (struct buffer){0};
	rc = weir_consumer_write(t->behind, all.data, all.len);
	if (rc == 0)
		sent = all.len;
	else if (rc == WEIR_EFULL)
		rc = pass_in_pieces(t, &all, &sent);
	put_back(t, all, sent);
	if (rc < 0 && rc != WEIR_EFULL)
		fail(&t->front, rc);
	return sent;
}

/* Once is all, but for what came while it went in pieces. */
static size_t flush(struct twisted *t)
{
	size_t total = 0;
	size_t sent = 1;

	while (sent && t->held.len && t->behind && !t->paused && !t->in_pieces) {
		sent = flush_once(t);
		total += sent;
		if (t->back.mode == WEIR_PULL)
			break;
	}
	return total;
}

static void resume_upstream(struct twisted *t)
{
	struct weir_producer *upstream = t->front.producer;

	if (!upstream)
		return;
	t->wrote = false;
	upstream->ops->resume(upstream);
	t->parked = t->front.producer && t->front.producer->mode == WEIR_PULL && !t->wrote;
}

/* Only while it is ours to unregister. */
static void unregister_behind(struct twisted *t)
{
	if (t->back.consumer && !t->held.len && !t->in_pieces)
		weir_consumer_unregister(t->back.consumer);
}

/* ---- the producer behind ---- */

static void back_start(struct weir_producer *b)
{
	struct twisted *t = twisted_from_back(b);

	if (t->behind)
		weir_consumer_unwatch_end(t->behind, &t->behind_end);
	t->behind = b->consumer;
	weir_consumer_watch_end(b->consumer, &t->behind_end, on_behind_end, t);
	/* Twisted's has its consumer from the first.  What came earlier is told later. */
	if (t->held.len || t->finished || t->ended)
		weir_task_queue(t->ctx, &t->task);
}

/* Twisted forwards it to a pull producer also, which has no such method. */
static void back_pause(struct weir_producer *b)
{
	struct twisted *t = twisted_from_back(b);
	struct weir_producer *upstream = t->front.producer;

	t->paused = true;
	if (!t->buffering && upstream && upstream->mode == WEIR_PUSH)
		upstream->ops->pause(upstream);
}

static void resume_basic(struct twisted *t)
{
	bool held = t->held.len > 0;

	flush(t);
	if (t->unregistered && held)
		unregister_behind(t); /* Twisted has done so long ago, and loses the bytes */
	if (!held && t->back.mode == WEIR_PULL)
		t->outstanding = true;
	resume_upstream(t);
}

static void resume_buffering(struct twisted *t)
{
	size_t sent = flush(t);

	if (t->unregistered && sent)
		unregister_behind(t);
	if (t->back.mode == WEIR_PULL)
		t->outstanding = !sent;
	if (t->told_paused && t->front.producer && t->held.len < t->high) {
		t->told_paused = false;
		resume_upstream(t);
	} else if (t->outstanding) {
		resume_upstream(t);
	}
}

static void back_resume(struct weir_producer *b)
{
	struct twisted *t = twisted_from_back(b);

	t->paused = false;
	if (t->buffering)
		resume_buffering(t);
	else
		resume_basic(t);
}

static void back_stop(struct weir_producer *b, int why)
{
	struct twisted *t = twisted_from_back(b);

	if (t->behind)
		weir_consumer_unwatch_end(t->behind, &t->behind_end);
	t->behind = NULL;
	ended(t, why);
}

static const struct weir_producer_ops back_ops = {
	.name = "Twisted proxy",
	.start = back_start,
	.pause = back_pause,
	.resume = back_resume,
	.stop = back_stop,
};

static void run_task(struct weir_task *task)
{
	struct twisted *t = (struct twisted *)((char *)task - offsetof(struct twisted, task));

	if (t->ended) {
		weir_producer_end(&t->back, t->why);
		return;
	}
	if (t->finished && t->behind)
		weir_consumer_finish(t->behind);
	if (!t->paused && t->back.mode == WEIR_PUSH)
		flush(t);
	if (t->unregistered)
		unregister_behind(t);
	if (t->woken) {
		t->woken = false;
		resume_upstream(t);
	}
}

/* ---- the consumer in front ---- */

/* Twisted's replaces one that is registered, silently; that is refused before this. */
static int front_register(struct weir_consumer *c, struct weir_producer *p, enum weir_mode mode)
{
	struct twisted *t = twisted_from_front(c);

	if (t->ended || t->finished) {
		p->ops->stop(p, t->why < 0 ? t->why : WEIR_ECLOSED);
		return WEIR_ECLOSED;
	}
	t->unregistered = false;
	t->parked = false;
	t->woken = false;
	weir_consumer_bind(c, p, mode);
	if (t->buffering && mode == WEIR_PULL)
		resume_upstream(t);
	return 0;
}

static void front_unregister(struct weir_consumer *c)
{
	struct twisted *t = twisted_from_front(c);

	weir_consumer_unbind(c);
	t->parked = false;
	t->unregistered = true;
	unregister_behind(t);
}

/* The flag comes after the call: who resumes from inside it is not seen. */
static void pause_full(struct twisted *t)
{
	struct weir_producer *upstream = t->front.producer;

	if (!t->buffering || !upstream || upstream->mode != WEIR_PUSH || t->held.len < t->high)
		return;
	upstream->ops->pause(upstream);
	t->told_paused = true;
}

/* Twisted asserts here that nothing is held, or passes the bytes before those. */
static bool goes_through(const struct twisted *t)
{
	if (!t->behind || t->paused || t->held.len || t->in_pieces)
		return false;
	return t->back.mode == WEIR_PUSH || t->outstanding;
}

/* What was written from inside a write that was then refused comes behind it. */
static int keep_before(struct twisted *t, const void *data, size_t len)
{
	struct buffer since = t->held;
	int rc;

	t->held = (struct buffer){0};
	rc = append(t, &t->held, data, len);
	if (rc == 0)
		rc = append(t, &t->held, since.data, since.len);
	if (rc == 0) {
		release(t, &since);
	} else {
		release(t, &t->held);
		t->held = since;
	}
	return rc;
}

static int front_write(struct weir_consumer *c, const void *data, size_t len)
{
	struct twisted *t = twisted_from_front(c);
	bool through = goes_through(t);
	bool kept;
	int rc = WEIR_EFULL;

	if (t->ended || t->finished)
		return WEIR_ECLOSED;
	if (len == 0)
		return 0;
	if (through) {
		rc = weir_consumer_write(t->behind, data, len);
		t->outstanding = false;
	}
	kept = rc == WEIR_EFULL && !t->ended;
	if (kept)
		rc = through ? keep_before(t, data, len) : append(t, &t->held, data, len);
	if (rc < 0)
		return rc;
	t->in += len;
	t->wrote = true;
	t->parked = false;
	if (through && kept)
		flush(t);
	pause_full(t);
	return 0;
}

static int front_give(struct weir_consumer *c, struct weir_chunk *chunk)
{
	int rc = front_write(c, chunk->data, chunk->len);

	if (rc == 0)
		weir_chunk_unref(chunk);
	return rc;
}

/* The end overtakes what is held.  A consumer that keeps the contract takes that all the
 * same, until it is unregistered from. */
static void front_finish(struct weir_consumer *c)
{
	struct twisted *t = twisted_from_front(c);

	if (t->ended || t->finished)
		return;
	t->finished = true;
	if (t->behind)
		weir_consumer_finish(t->behind);
	front_unregister(c);
}

static size_t front_room(struct weir_consumer *c)
{
	const struct twisted *t = twisted_from_front(c);

	if (t->ended || t->finished || t->held.len >= t->high)
		return 0;
	return t->high - t->held.len;
}

static void front_wake(struct weir_consumer *c)
{
	struct twisted *t = twisted_from_front(c);

	if (!t->parked)
		return;
	t->parked = false;
	t->woken = true;
	weir_task_queue(t->ctx, &t->task);
}

static void front_state(const struct weir_consumer *c, struct weir_consumer_state *out)
{
	const struct twisted *t = twisted_from_front((struct weir_consumer *)c);

	*out = (struct weir_consumer_state){
		.in = t->in,
		.out = t->in - t->held.len - t->dropped,
		.held = t->held.len,
		.dropped = t->dropped,
		.holds = (t->buffering ? t->told_paused : t->paused) ? WEIR_HOLD_BEHIND : 0,
		.ended = t->ended,
		.why = t->why,
	};
}

static const struct weir_consumer_ops front_ops = {
	.name = "Twisted proxy",
	.register_producer = front_register,
	.unregister_producer = front_unregister,
	.write = front_write,
	.give = front_give,
	.finish = front_finish,
	.fail = fail,
	.room = front_room,
	.wake = front_wake,
	.state = front_state,
};

/* ---- the proxy ---- */

static void destroy(struct weir_proxy *proxy)
{
	struct twisted *t = (struct twisted *)proxy;

	ended(t, WEIR_ECLOSED);
	weir_producer_end(&t->back, t->why);
	if (t->behind)
		weir_consumer_unwatch_end(t->behind, &t->behind_end);
	weir_task_cancel(&t->task);
	free(t);
}

int weir__proxy_create_twisted(struct weir_context *ctx, const struct weir_proxy_options *o,
			       struct weir_proxy **out)
{
	struct twisted *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	weir_consumer_init(&t->front, &front_ops);
	weir_producer_init(&t->back, &back_ops, WEIR_PUSH);
	t->base = (struct weir_proxy){&t->front, &t->back, destroy};
	t->ctx = ctx;
	t->task.run = run_task;
	t->high = o->high;
	t->buffering = o->buffering;
	*out = &t->base;
	return 0;
}
