/* SPDX-License-Identifier: MIT */
/*
 * A proxy of any kind, with the input as the schedule.  The consumer behind is moved by
 * hand: it pulls or is pushed to, takes or refuses, pauses whenever it likes, ends.  The
 * model is what proxy.h promises of who is asked, who is held, and what is delivered.
 */
#include <errno.h>

#include "ground.h"
#include "weir/impl/consumer.h"
#include "weir/impl/valve.h"
#include "weir/proxy.h"

#define STREAM_MAX ((uint64_t)1 << 18)

enum {
	DIED = -EPIPE,
	WRITE_FAILED = -ECONNRESET,
	SOURCE_FAILED = -ETIMEDOUT,
};

struct rig;

/* It holds nothing: what it takes has been handed on. */
struct sink {
	struct weir_consumer base; /* first */
	struct rig *rig;
	uint64_t got;
	size_t room;      /* what it says, and takes at once */
	bool paused;      /* it has paused the producer */
	bool pulled;      /* it asks for a chunk, and has not been given one */
	bool waits;       /* it was told "nothing yet" */
	bool woken;       /* and since then that there is some */
	bool fails;       /* the next write */
	bool writing;     /* something is being written to it */
	bool finishes_late, finishing, finished, failed;
	unsigned ends;
	int why;
	uint8_t on_write; /* a call from inside it; 0: none */
};

struct rig {
	struct ground ground; /* first */
	struct weir_proxy *proxy;
	struct source source;
	struct sink sink;
	bool buffering, twisted;
	size_t high, low, limit;
	enum weir_mode front, back;
	unsigned acting;
	bool calling;         /* inside a call of the sink's on the proxy */
	bool left;            /* the sink let the proxy go, once at least */
	bool finished, failed, torn;
};

static size_t draw(struct rig *r, size_t a, size_t z)
{
	return bytes_between(&r->ground.in, a, z);
}

static uint8_t draw_byte(struct rig *r)
{
	return bytes_next(&r->ground.in);
}

static size_t draw_size(struct rig *r)
{
	static const size_t units[] = {1, 7, 60, 500, 3000};

	return draw(r, 0, 15) * units[draw(r, 0, 4)];
}

static void act(struct rig *r, uint8_t what);

static void inside(struct rig *r, uint8_t what)
{
	if (!what || !r->ground.inside || r->acting > 3)
		return;
	r->ground.inside--;
	r->acting++;
	act(r, what);
	r->acting--;
}

static struct weir_consumer_state front_of(const struct rig *r)
{
	struct weir_consumer_state s;

	weir_consumer_state(weir_proxy_sink(r->proxy), &s);
	return s;
}

/* ---- the consumer behind ---- */

static void sink_ended(struct sink *s, int why)
{
	struct weir_producer *p;

	if (s->ends)
		return;
	tell("    the sink has ended: %d", why);
	s->ends++;
	s->why = why;
	p = weir_consumer_unbind(&s->base);
	if (p)
		p->ops->stop(p, why < 0 ? why : WEIR_ECLOSED);
	weir_consumer_ended(&s->base, why);
}

static int sink_register(struct weir_consumer *c, struct weir_producer *p, enum weir_mode mode)
{
	struct sink *s = (struct sink *)c;

	if (s->ends || s->finishing) {
		p->ops->stop(p, s->why < 0 ? s->why : WEIR_ECLOSED);
		return WEIR_ECLOSED;
	}
	s->paused = s->pulled = s->waits = false;
	s->woken = true; /* it is pulled from once, to begin with */
	weir_consumer_bind(c, p, mode);
	return 0;
}

static void sink_unregister(struct weir_consumer *c)
{
	struct sink *s = (struct sink *)c;

	tell("    the sink's producer leaves");
	/* Twisted's does as soon as its own producer has; it may find no way back. */
	s->rig->left |= s->rig->twisted && !s->finishing;
	weir_consumer_unbind(c);
	s->paused = s->pulled = s->waits = false;
}

static void sink_pause(struct sink *s)
{
	if (s->paused || !s->base.producer || s->base.producer->mode != WEIR_PUSH)
		return;
	s->paused = true;
	s->base.producer->ops->pause(s->base.producer);
}

/* In the stream's order, one write for each pull, none after a pause or the end. */
static int take(struct weir_consumer *c, const void *data, size_t len)
{
	const unsigned char *bytes = data;
	struct sink *s = (struct sink *)c;
	struct rig *r = s->rig;

	CHECK(!s->ends && !s->finished);
	if (!r->twisted) { /* which also writes where it is not registered any more */
		CHECK(c->producer && !s->paused);
		CHECK(c->producer->mode == WEIR_PUSH || s->pulled);
	}
	if (len == 0)
		return 0;
	if (s->fails) {
		sink_ended(s, WRITE_FAILED);
		return WRITE_FAILED;
	}
	if (len > s->room) {
		tell("    the sink refuses %zu", len);
		sink_pause(s);
		return WEIR_EFULL;
	}
	tell("    the sink takes %zu", len);
	s->pulled = s->waits = false;
	for (size_t i = 0; i < len; i++)
		CHECK(bytes[i] == stream_at(s->got + i));
	s->got += len;
	s->room -= s->room == SIZE_MAX ? 0 : len;
	if (s->room == 0)
		sink_pause(s);
	inside(r, s->on_write);
	return 0;
}

static int sink_write(struct weir_consumer *c, const void *data, size_t len)
{
	struct sink *s = (struct sink *)c;
	bool outer = s->writing;
	int rc;

	s->writing = true;
	rc = take(c, data, len);
	s->writing = outer;
	return rc;
}

static int sink_give(struct weir_consumer *c, struct weir_chunk *chunk)
{
	int rc = sink_write(c, chunk->data, chunk->len);

	if (rc == 0)
		weir_chunk_unref(chunk);
	return rc;
}

static void sink_finish(struct weir_consumer *c)
{
	struct sink *s = (struct sink *)c;

	tell("    the sink is finished");
	if (s->ends || s->finishing)
		return;
	s->finishing = true;
	CHECK(s->rig->finished);
	if (s->rig->twisted) /* the end overtakes bytes, and they are taken behind it */
		return;
	s->finished = true;
	if (!s->finishes_late)
		sink_ended(s, 0);
}

static void sink_fail(struct weir_consumer *c, int why)
{
	struct sink *s = (struct sink *)c;

	if (s->ends)
		return;
	s->failed = true;
	sink_ended(s, why);
}

static size_t sink_room(struct weir_consumer *c)
{
	struct sink *s = (struct sink *)c;

	if (s->room == 0)
		sink_pause(s);
	return s->ends || s->paused ? 0 : s->room;
}

static void sink_wake(struct weir_consumer *c)
{
	((struct sink *)c)->woken = true;
}

static void sink_state(const struct weir_consumer *c, struct weir_consumer_state *out)
{
	const struct sink *s = (const struct sink *)c;

	*out = (struct weir_consumer_state){
		.in = s->got,
		.out = s->got,
		.holds = s->paused ? WEIR_HOLD_FULL : 0,
		.ended = s->ends > 0,
		.why = s->why,
	};
}

static const struct weir_consumer_ops sink_ops = {
	.name = "fuzz sink",
	.register_producer = sink_register,
	.unregister_producer = sink_unregister,
	.write = sink_write,
	.give = sink_give,
	.finish = sink_finish,
	.fail = sink_fail,
	.room = sink_room,
	.wake = sink_wake,
	.state = sink_state,
};

/* ---- what must be so ---- */

static void check(struct rig *r)
{
	struct weir_consumer_state s = front_of(r);

	check_sum(&s);
	if (s.ended && s.why == 0)
		CHECK(r->finished && s.dropped == 0 && s.out == s.in);
	if (s.ended)
		return;
	CHECK(s.in == r->source.given);
	CHECK(s.out == r->sink.got);
	/* What is written from inside another write may be held beside its rest. */
	if (r->buffering && !r->twisted)
		CHECK(s.held <= 2 * r->limit);
}

/* Whether the consumer behind would take a byte now, or when it is told that there is one. */
static bool takes(const struct rig *r)
{
	const struct sink *s = &r->sink;

	if (!s->base.producer || s->ends || !s->room)
		return false;
	return s->base.producer->mode == WEIR_PUSH ? !s->paused : s->waits;
}

/* With nothing left to run, what can go has gone, and who should be asked has been. */
static void check_idle(struct rig *r)
{
	struct weir_consumer_state s = front_of(r);
	const struct weir_producer *p = r->source.base.consumer ? &r->source.base : NULL;

	check(r);
	if (r->twisted || s.ended)
		return;
	if (takes(r)) /* one that was told "nothing yet" is told */
		CHECK(s.held == 0 || (r->sink.waits && r->sink.woken));
	if (s.held == 0 && r->finished && !r->left)
		CHECK(r->sink.finishing || !r->sink.base.producer);
	if (!p || r->finished || r->failed)
		return;
	if (p->mode == WEIR_PULL) {
		if (takes(r) && s.held == 0)
			CHECK(r->source.asked);
		if (r->buffering && s.held <= r->low)
			CHECK(r->source.asked);
		if (r->buffering && s.held >= r->high)
			CHECK(s.holds);
		return;
	}
	if (r->buffering) {
		if (s.held >= r->high)
			CHECK(r->source.paused);
		if (s.held <= r->low)
			CHECK(!r->source.paused);
	} else {
		if (r->sink.base.producer && r->sink.room) /* one that leaves is not noticed */
			CHECK(s.held || r->source.paused == !takes(r));
		if (s.held)
			CHECK(r->source.paused);
	}
}

/* ---- calls ---- */

static void write_some(struct rig *r, bool owned)
{
	struct source *p = &r->source;
	size_t len = draw_size(r);
	struct weir_consumer_state before = front_of(r);
	struct weir_consumer_state after;
	int rc;

	if (!p->base.consumer || p->over || p->given + len > STREAM_MAX)
		return;
	if (p->base.mode == WEIR_PULL && !p->asked)
		return;
	rc = source_write(p, len, owned);
	after = front_of(r);
	CHECK(rc == 0 || rc == WEIR_EFULL || after.ended || r->acting);
	if (rc == WEIR_EFULL && !r->acting && !r->twisted && r->buffering)
		CHECK(before.held + len > r->limit);
}

static void end_source(struct rig *r, int why)
{
	if (r->source.over || !r->source.base.consumer)
		return;
	tell("    the source ends: %d", why);
	r->finished |= why == 0;
	r->failed |= why < 0;
	source_end(&r->source, why);
}

static void join_front(struct rig *r)
{
	int rc;

	if (r->source.base.consumer || r->source.over)
		return;
	rc = weir_consumer_register(weir_proxy_sink(r->proxy), &r->source.base, r->front);
	tell("    the source is registered: %d", rc);
	CHECK(rc == 0 || (rc == WEIR_ECLOSED && r->source.stops == 1));
}

static void join_back(struct rig *r)
{
	struct sink *s = &r->sink;
	int rc;

	if (s->base.producer || s->finishing || s->ends)
		return;
	rc = weir_consumer_register(&s->base, weir_proxy_source(r->proxy), r->back);
	tell("    the proxy is registered: %d", rc);
	CHECK(rc == 0);
}

/* The proxy is asked from a place of its own, as a consumer does it. */
static void ask(struct rig *r)
{
	struct sink *s = &r->sink;
	struct weir_producer *p = s->base.producer;

	if (!p || s->ends || r->calling)
		return;
	if (r->twisted && s->writing) /* Twisted's never resume from inside a write */
		return;
	if (p->mode == WEIR_PUSH && !s->paused)
		return;
	if (p->mode == WEIR_PULL && s->waits && !s->woken)
		return;
	if (!s->room)
		s->room = 1 + draw_size(r);
	tell("    the sink %s", p->mode == WEIR_PULL ? "pulls" : "resumes");
	s->paused = false;
	s->pulled = true;
	s->woken = false;
	r->calling = true;
	p->ops->resume(p);
	r->calling = false;
	s->waits = s->pulled;
	s->pulled &= r->twisted; /* which answers later, unasked */
}

static void disturb(struct rig *r, uint8_t how)
{
	struct sink *s = &r->sink;

	tell("    the sink: %d", how);
	switch (how) {
	case 0: s->room = draw_size(r); break;
	case 1: s->room = SIZE_MAX; break;
	case 2: sink_pause(s); break;
	case 3: s->on_write = draw_byte(r); break;
	case 4: s->fails = true; break;
	case 5: s->finishes_late = !s->finishes_late; break;
	case 6:
		if (draw_byte(r) < 64)
			sink_ended(s, DIED);
		break;
	default:
		if (s->base.producer && !r->calling) {
			r->left = true;
			weir_consumer_unregister(&s->base);
		}
	}
}

static void unregister(struct rig *r)
{
	if (!r->source.base.consumer)
		return;
	weir_consumer_unregister(weir_proxy_sink(r->proxy));
	r->source.paused = r->source.asked = false;
}

static void act(struct rig *r, uint8_t what)
{
	switch (what % 16) {
	case 0: case 1: case 2: write_some(r, false); break;
	case 3: case 4: write_some(r, true); break;
	case 5: case 6: case 7: ask(r); break;
	case 8: disturb(r, what / 16 % 4); break;
	case 9: disturb(r, what / 16 % 8); break;
	case 10: unregister(r); break;
	case 11: join_front(r); break;
	case 12: join_back(r); break;
	case 13:
		if (what > 128)
			end_source(r, what & 16 ? SOURCE_FAILED : 0);
		break;
	case 14: weir_consumer_wake(weir_proxy_sink(r->proxy)); break;
	default: (void)weir_consumer_room(weir_proxy_sink(r->proxy));
	}
}

static void on_signal(struct source *p)
{
	struct rig *r = (struct rig *)p->ground;

	r->acting++;
	act(r, draw_byte(r));
	r->acting--;
}

static void step(struct rig *r)
{
	uint8_t what = draw_byte(r);

	r->ground.inside = 4;
	tell("step %d", what);
	if (what < 200) {
		act(r, what);
	} else if (what < 232) {
		ground_run(&r->ground);
		check_idle(r);
	} else if (what < 248) {
		weir_context_run(&r->ground.ctx);
	} else {
		r->source.on_signal = r->source.on_signal ? NULL : on_signal;
	}
	check(r);
}

/* ---- the run ---- */

static void open_proxy(struct rig *r)
{
	uint8_t flags = draw_byte(r);
	struct weir_proxy_options options = {.buffering = flags & 1, .twisted = flags & 2};

	r->buffering = options.buffering;
	r->twisted = options.twisted;
	r->front = flags & 4 ? WEIR_PULL : WEIR_PUSH;
	r->back = flags & 8 ? WEIR_PULL : WEIR_PUSH;
	options.high = r->high = 2 + draw_size(r);
	options.low = r->low = draw(r, 1, r->high - 1);
	options.limit = r->limit = r->high + draw_size(r);
	tell("a %s%s proxy, front %s, back %s, marks %zu %zu %zu", r->twisted ? "Twisted " : "",
	     r->buffering ? "buffering" : "plain", r->front == WEIR_PULL ? "pull" : "push",
	     r->back == WEIR_PULL ? "pull" : "push", r->high, r->low, r->limit);
	if (weir_proxy_create(&r->ground.ctx, &options, &r->proxy) < 0)
		abort();
	source_open(&r->source, &r->ground, r->front);
	r->source.twisted = r->twisted;
	r->sink = (struct sink){.rig = r, .room = SIZE_MAX};
	weir_consumer_init(&r->sink.base, &sink_ops);
}

/* The consumer takes all there is: unless somebody failed, all arrives, and the end. */
static void finish(struct rig *r)
{
	struct sink *s = &r->sink;
	struct weir_consumer_state st;

	r->ground.inside = 0;
	r->source.on_signal = NULL;
	s->room = SIZE_MAX;
	s->fails = s->finishes_late = false;
	join_back(r);
	join_front(r);
	end_source(r, 0);
	for (int i = 0; i < 100000; i++) {
		uint64_t before = s->got;

		ground_run(&r->ground);
		check_idle(r);
		s->woken = true;
		ask(r);
		if (s->got == before && weir_context_next(&r->ground.ctx) == WEIR_NEVER)
			break;
	}
	if (r->twisted && s->finishing && !s->base.producer)
		sink_ended(s, 0);
	if (s->finished && !s->ends)
		sink_ended(s, 0);
	st = front_of(r);
	check_sum(&st);
	if (r->finished && !r->failed && s->ends && s->why == 0 && !r->left) {
		CHECK(st.ended && st.why == 0);
		CHECK(s->got == r->source.given);
	}
	if (!r->failed && !r->left && r->finished && !r->twisted)
		CHECK(s->ends == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rig r;

	memset(&r, 0, sizeof(r));
	ground_open(&r.ground, data, size, (size_t)1 << 26);
	open_proxy(&r);
	if (draw_byte(&r) & 3)
		join_back(&r);
	join_front(&r);
	while (r.ground.in.left > 0)
		step(&r);
	if (r.ground.now)
		finish(&r);
	weir_proxy_destroy(r.proxy);
	CHECK(!r.sink.base.producer && !r.source.base.consumer);
	ground_run(&r.ground);
	ground_close(&r.ground);
	return 0;
}
