/* SPDX-License-Identifier: MIT */
/*
 * A tee, with the input as the schedule.  The model is what tee.h promises, in terms of
 * offsets: each sink knows which run of the stream it must be given, and each byte says
 * where in the stream it is.
 */
#include <errno.h>

#include "adapter/tee_priv.h"
#include "ground.h"
#include "weir/impl/spill.h"
#include "weir/impl/valve.h"
#include "weir/tee.h"

#define SINKS 5
#define STREAM_MAX ((uint64_t)1 << 18)

/* Reasons, each of one cause. */
enum {
	DIED = -EPIPE,
	DRAIN_FAILED = -ECONNRESET,
	STORE_FAILED = -ENOSPC,
	FETCH_FAILED = -EBADMSG,
	LOST = -EIO, /* the store is empty, and should not be */
	SOURCE_FAILED = -ETIMEDOUT,
	REMOVED = -ECANCELED,
};

struct rig;

struct store {
	struct weir_spill base; /* first */
	struct sink *sink;
	size_t max, in, out;
	unsigned char data[];
};

struct sink {
	struct weir_valve v; /* first */
	struct rig *rig;
	struct weir_end_watch watch;
	bool open;            /* the valve is in use */
	struct weir_branch *branch; /* NULL: none, or removed */
	struct weir_branch_options options;
	size_t window;        /* bytes that the drain takes; SIZE_MAX: all */
	bool drain_fails, end_waits, flushing;
	uint8_t on_drain;     /* a call from inside it; 0: none */
	unsigned store_fails; /* 1: store fails, 2: fetch fails, 3: fetch finds nothing */
	struct store *store;  /* NULL when it was released */
	uint64_t from;        /* where its run of the stream begins */
	uint64_t at;          /* of the stream, behind what it got */
	uint64_t got, due;    /* bytes; `due` once it was removed */
	bool finishing, removed_inside, let_go;
	unsigned ends;        /* of the consumer */
	int why;
	unsigned told;        /* of the branch */
	uint64_t caught_up;   /* when it was last seen not to be behind */
	unsigned char *log;   /* DROP: what it got */
};

struct rig {
	struct ground ground; /* first */
	struct weir_tee *tee;
	struct source source;
	struct sink sinks[SINKS];
	unsigned acting;
	bool tight;           /* the budget: refusals are to be expected */
	bool finished, failed;
};

static unsigned char logs[SINKS][STREAM_MAX];

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

/* Something is told to somebody, who may do anything. */
static void inside(struct rig *r, uint8_t what)
{
	if (!what || !r->ground.inside || r->acting > 3)
		return;
	r->ground.inside--;
	r->acting++;
	act(r, what);
	r->acting--;
}

/* ---- the store ---- */

static int64_t store_store(struct weir_spill *base, const void *data, size_t len)
{
	struct store *s = (struct store *)base;
	size_t n = 0;

	if (s->sink->store_fails == 1)
		return STORE_FAILED;
	for (; n < len && s->in - s->out < s->max; n++)
		s->data[s->in++ % s->max] = ((const unsigned char *)data)[n];
	return (int64_t)n;
}

static int64_t store_fetch(struct weir_spill *base, void *data, size_t len)
{
	struct store *s = (struct store *)base;
	size_t n = 0;

	if (s->sink->store_fails > 1)
		return s->sink->store_fails == 2 ? FETCH_FAILED : 0;
	for (; n < len && s->out < s->in; n++)
		((unsigned char *)data)[n] = s->data[s->out++ % s->max];
	return (int64_t)n;
}

static void store_destroy(struct weir_spill *base)
{
	struct store *s = (struct store *)base;

	CHECK(s->sink->store == s);
	s->sink->store = NULL;
	free(s);
}

static const struct weir_spill_ops store_ops = {
	.name = "fuzz store",
	.store = store_store,
	.fetch = store_fetch,
	.destroy = store_destroy,
};

static struct store *make_store(struct sink *sink, size_t max)
{
	struct store *s = malloc(sizeof(*s) + max);

	*s = (struct store){.base = {&store_ops}, .sink = sink, .max = max};
	return s;
}

/* ---- the sinks ---- */

static int index_of(const struct sink *s)
{
	return (int)(s - s->rig->sinks);
}

/* One that drops is looked at when it is over; of every other, each byte is the next. */
static void got(struct sink *s, const unsigned char *data, size_t len)
{
	if (len == 0)
		return;
	if (s->options.policy == WEIR_TEE_DROP) {
		CHECK(s->got + len <= STREAM_MAX);
		memcpy(s->log + s->got, data, len);
	} else {
		for (size_t i = 0; i < len; i++)
			CHECK(data[i] == stream_at(s->at + i));
		s->at += len;
	}
	s->got += len;
}

static int64_t drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct sink *s = (struct sink *)v;
	int64_t taken = 0;

	CHECK(s->open && !s->ends && count > 0);
	inside(s->rig, s->on_drain);
	if (s->drain_fails)
		return DRAIN_FAILED;
	for (size_t i = 0; i < count && s->window; i++) {
		size_t n = chunks[i].len < s->window ? chunks[i].len : s->window;

		CHECK(chunks[i].len > 0);
		got(s, chunks[i].data, n);
		taken += (int64_t)n;
		if (s->window != SIZE_MAX)
			s->window -= n;
	}
	return taken;
}

static void end(struct weir_valve *v, int why)
{
	struct sink *s = (struct sink *)v;

	s->flushing = why == 0;
	if (why == 0 && !s->end_waits)
		weir_valve_done(v, 0);
}

static const struct weir_valve_ops sink_ops = {
	.name = "fuzz sink",
	.drain = drain,
	.end = end,
};

static void on_consumer_end(void *arg, int why)
{
	struct sink *s = arg;

	tell("    sink %d has ended: %d", index_of(s), why);
	CHECK(s->open && s->ends == 0);
	s->ends++;
	s->why = why;
	inside(s->rig, s->on_drain);
}

static void on_branch_end(struct weir_branch *branch, int why, void *arg)
{
	struct sink *s = arg;
	struct weir_branch_state st;

	CHECK(s->branch == branch && s->rig->acting == 0);
	weir_branch_state(branch, &st);
	CHECK(st.ended && st.why == why);
	CHECK(s->told++ == 0);
}

/* ---- what must be so at all times ---- */

/* Bytes that the tee has for it still. */
static uint64_t behind(const struct sink *s, const struct weir_branch_state *st)
{
	CHECK(st->in >= s->v.in + st->dropped || st->ended);
	return st->ended ? 0 : st->in - st->dropped - s->v.in;
}

/* Whether it is a reason to hold the source that this branch is so far behind. */
static bool may_block(const struct sink *s, const struct weir_branch_state *st)
{
	if (st->ended || !behind(s, st))
		return false;
	switch (s->options.policy) {
	case WEIR_TEE_BLOCK: return true;
	case WEIR_TEE_DETACH: return s->options.wait_ns > 0;
	case WEIR_TEE_SPILL: return s->store && s->store->in - s->store->out == s->store->max;
	default: return false;
	}
}

/* The reason of an end has a cause. */
static void check_why(const struct sink *s, int why)
{
	const struct rig *r = s->rig;

	switch (why) {
	case 0: CHECK(s->finishing || r->finished); break;
	case WEIR_ESLOW: CHECK(s->options.policy == WEIR_TEE_DETACH); break;
	case STORE_FAILED: CHECK(s->store_fails == 1); break;
	case FETCH_FAILED: CHECK(s->store_fails == 2); break;
	case LOST: CHECK(s->store_fails == 3); break;
	case DRAIN_FAILED: CHECK(s->drain_fails); break;
	case SOURCE_FAILED: CHECK(r->failed); break;
	case WEIR_EFULL: CHECK(r->tight); break;
	default: CHECK(why == DIED || why == REMOVED || why == WEIR_ECLOSED);
	}
}

static void check_branch(struct sink *s)
{
	struct weir_branch_state st;
	uint64_t now = s->rig->ground.now;
	uint64_t late;

	weir_branch_state(s->branch, &st);
	CHECK(st.in == st.out + st.held + st.dropped);
	CHECK(st.in <= s->rig->source.offered - s->from);
	if (st.ended) {
		check_why(s, st.why);
		return;
	}
	CHECK(s->ends == 0);
	CHECK(st.dropped == 0 || s->options.policy == WEIR_TEE_DROP);
	CHECK(st.spilled == 0 || s->options.policy == WEIR_TEE_SPILL);
	CHECK(st.out == s->got);
	late = behind(s, &st);
	if (late == 0)
		s->caught_up = now;
	if (s->options.policy == WEIR_TEE_DETACH && s->options.wait_ns)
		CHECK(now - s->caught_up <= s->options.wait_ns);
	else if (s->options.policy == WEIR_TEE_DETACH)
		CHECK(late <= s->options.behind);
}

static void check(struct rig *r)
{
	struct weir_consumer_state st;

	weir_consumer_state(weir_tee_sink(r->tee), &st);
	check_sum(&st);
	CHECK(st.in == r->source.given || (st.ended && st.in <= r->source.given));
	CHECK(!r->source.stops || st.ended);
	for (int i = 0; i < SINKS; i++)
		if (r->sinks[i].branch)
			check_branch(&r->sinks[i]);
}

/* Who falls behind at a deadline is late from then on, not from the step before it. */
static void look(struct ground *g)
{
	check((struct rig *)g);
}

/* When there is nothing left to run, nobody waits without a reason: a branch that is behind
 * has a consumer that is full, the source is held by one that blocks, or because there is
 * none. */
static void check_idle(struct rig *r)
{
	struct weir_consumer_state front;
	bool blocked = false;
	int live = 0;

	check(r);
	if (r->tight)
		return;
	for (int i = 0; i < SINKS; i++) {
		struct sink *s = &r->sinks[i];
		struct weir_branch_state st;

		if (!s->branch)
			continue;
		weir_branch_state(s->branch, &st);
		CHECK(!st.ended || s->told == 1);
		if (st.ended || s->finishing)
			continue;
		live++;
		CHECK(!behind(s, &st) || s->v.holds || !s->v.base.producer);
		CHECK(!behind(s, &st) || s->options.policy != WEIR_TEE_DROP || st.held > 0);
		blocked |= may_block(s, &st);
	}
	for (int i = 0; i < SINKS; i++)
		blocked |= r->sinks[i].let_go; /* which tells the tee nothing */
	weir_consumer_state(weir_tee_sink(r->tee), &front);
	if (front.ended || r->finished || !r->source.base.consumer)
		return;
	if (live && !blocked)
		CHECK(!r->source.paused && !front.holds);
	if (!live)
		CHECK(front.holds);
}

/* ---- one that drops ---- */

/* The next place from `at` on at which these bytes are. */
static bool find(const struct sink *s, uint64_t i, uint64_t *at)
{
	uint64_t len = s->got - i < 8 ? s->got - i : 8;

	for (uint64_t q = *at; q + len <= s->rig->source.offered; q++) {
		uint64_t k = 0;

		while (k < len && s->log[i + k] == stream_at(q + k))
			k++;
		if (k == len) {
			*at = q;
			return true;
		}
	}
	return false;
}

/* Runs of the stream, in order.  Some bytes behind a loss may be the lost ones by chance. */
static void check_runs(const struct sink *s)
{
	uint64_t at = s->from;

	for (uint64_t i = 0; i < s->got; i++, at++) {
		uint64_t back = 0, q = at;

		if (s->log[i] == stream_at(at))
			continue;
		while (q = at - back, !find(s, i - back, &q)) {
			CHECK(back < i && back < 6);
			back++;
		}
		i -= back;
		at = q;
	}
}

/* Whole records of the stream, in order; the first may be the rest of one. */
static void check_records(const struct sink *s)
{
	uint64_t at = s->from, k;

	for (uint64_t i = 0; i < s->got; i += k) {
		uint64_t len = 0;

		while (i + len < s->got && s->log[i + len++] != '\n')
			;
		for (k = 0; k < len;) {
			CHECK(at + k < s->rig->source.offered);
			if (s->log[i + k] == stream_at(at + k)) {
				k++;
				continue;
			}
			while (stream_at(at++) != '\n') /* this record was lost */
				CHECK(at < s->rig->source.offered);
			k = 0;
		}
		at += k;
	}
}

static void check_log(const struct sink *s)
{
	if (s->options.separator >= 0)
		check_records(s);
	else
		check_runs(s);
}

/* ---- calls ---- */

static void write_some(struct rig *r, bool owned)
{
	struct source *p = &r->source;
	struct weir_consumer_state front;
	size_t len = draw_size(r);
	int rc;

	if (!p->base.consumer || p->over || p->given + len > STREAM_MAX)
		return;
	if (r->tight && r->acting)
		return;
	if (p->base.mode == WEIR_PULL && !p->asked)
		return;
	rc = source_write(p, len, owned);
	weir_consumer_state(weir_tee_sink(r->tee), &front);
	CHECK(rc == 0 || rc == WEIR_EFULL || front.ended || (r->acting && rc == WEIR_ECLOSED));
}

static void add_branch(struct rig *r)
{
	struct sink *s = &r->sinks[draw(r, 0, SINKS - 1)];
	uint8_t flags = draw_byte(r);
	struct weir_consumer_state front;
	int rc;

	if (s->open)
		return;
	*s = (struct sink){.rig = r, .open = true, .window = flags & 1 ? SIZE_MAX : draw_size(r)};
	s->log = logs[index_of(s)];
	s->options = (struct weir_branch_options){
		.policy = (enum weir_tee_policy)(flags >> 1 & 3),
		.behind = 1 + draw_size(r),
		.separator = flags & 8 ? '\n' : WEIR_NO_SEPARATOR,
		.wait_ns = flags & 16 ? draw(r, 1, 100) : 0,
		.on_end = on_branch_end,
		.arg = s,
	};
	s->end_waits = flags & 32;
	s->on_drain = flags & 64 ? draw_byte(r) : 0;
	s->store_fails = flags & 128 ? draw_byte(r) % 4 : 0;
	s->caught_up = r->ground.now;
	weir_valve_init(&s->v, &sink_ops, &r->ground.ctx);
	if (weir_valve_set_marks(&s->v, 400, 50, 100000) < 0)
		abort();
	weir_consumer_watch_end(&s->v.base, &s->watch, on_consumer_end, s);
	if (s->options.policy == WEIR_TEE_SPILL) {
		s->store = make_store(s, 1 + draw_size(r));
		s->options.spill = &s->store->base;
	}
	weir_consumer_state(weir_tee_sink(r->tee), &front);
	rc = weir_tee_add(r->tee, &s->v.base, &s->options, &s->branch);
	tell("    add sink %d: policy %d, behind %zu, separator %d, wait %d, flags %d returned %d",
	     index_of(s), s->options.policy, s->options.behind, s->options.separator,
	     (int)s->options.wait_ns, flags, rc);
	CHECK(rc == 0 || front.ended || r->finished || r->source.over || r->tight || r->acting);
	if (rc == 0) {
		s->from = s->at = s->branch->begin;
		CHECK(r->acting || (s->from <= front.in && s->from >= front.in - front.held));
		return;
	}
	if (s->store)
		weir_spill_destroy(&s->store->base);
	weir_valve_fini(&s->v);
	s->open = false;
}

/* What a branch was due is known when it is removed; not from inside the giving. */
static void remove_branch(struct rig *r, int why)
{
	struct sink *s = &r->sinks[draw(r, 0, SINKS - 1)];
	struct weir_branch_state st;

	if (!s->branch)
		return;
	tell("    remove sink %d: %d", index_of(s), why);
	weir_branch_state(s->branch, &st);
	s->due = st.in - st.dropped;
	s->removed_inside = r->acting > 0;
	s->finishing |= why == 0 && !st.ended;
	weir_tee_remove(s->branch, why);
	s->branch = NULL;
}

static void unregister(struct rig *r)
{
	if (!r->source.base.consumer)
		return;
	weir_consumer_unregister(weir_tee_sink(r->tee));
	r->source.paused = r->source.asked = false;
}

static void reregister(struct rig *r)
{
	int rc;

	if (r->source.base.consumer || r->source.over)
		return;
	rc = weir_consumer_register(weir_tee_sink(r->tee), &r->source.base, r->source.base.mode);
	CHECK(rc == 0 || (rc == WEIR_ECLOSED && r->source.stops == 1));
}

static void end_source(struct rig *r, int why)
{
	if (r->source.over)
		return;
	tell("    the source ends: %d", why);
	r->finished |= why == 0;
	r->failed |= why < 0;
	r->source.over = true;
	if (r->source.base.consumer)
		weir_producer_end(&r->source.base, why);
	else if (why < 0)
		weir_consumer_fail(weir_tee_sink(r->tee), why);
	else
		weir_consumer_finish(weir_tee_sink(r->tee));
}

static void disturb(struct rig *r, uint8_t how)
{
	struct sink *s = &r->sinks[draw(r, 0, SINKS - 1)];

	if (!s->open || s->ends)
		return;
	tell("    sink %d: %d", index_of(s), how);
	switch (how) {
	case 0: weir_valve_hold(&s->v, WEIR_HOLD_USER); break;
	case 1: weir_valve_release(&s->v, WEIR_HOLD_USER); break;
	case 2: weir_valve_die(&s->v, DIED); break;
	case 3: s->drain_fails = true; break;
	case 4: s->store_fails = draw_byte(r) % 4; break;
	case 5: s->on_drain = draw_byte(r); break;
	default: /* somebody else's doing */
		s->let_go |= s->v.base.producer != NULL;
		weir_consumer_unregister(&s->v.base);
	}
}

static void take(struct rig *r, size_t window)
{
	struct sink *s = &r->sinks[draw(r, 0, SINKS - 1)];

	if (!s->open || s->ends)
		return;
	tell("    sink %d takes %zd", index_of(s), (ssize_t)window);
	s->window = window;
	weir_valve_ready(&s->v);
	if (s->flushing && draw_byte(r) & 1)
		weir_valve_done(&s->v, 0);
}

/* What may be done from anywhere. */
static void act(struct rig *r, uint8_t what)
{
	switch (what % 16) {
	case 0: case 1: case 2: write_some(r, false); break;
	case 3: case 4: write_some(r, true); break;
	case 5: add_branch(r); break;
	case 6: remove_branch(r, what & 16 ? REMOVED : 0); break;
	case 7: if (what > 200) end_source(r, what & 1 ? SOURCE_FAILED : 0); break;
	case 8: unregister(r); break;
	case 9: reregister(r); break;
	case 10: case 11: disturb(r, what / 16 % 3); break;
	case 12: disturb(r, what / 16 % 7); break;
	default: take(r, what & 16 ? SIZE_MAX : draw_size(r));
	}
}

static void on_signal(struct source *p)
{
	struct rig *r = (struct rig *)p->ground;

	r->acting++;
	act(r, draw_byte(r));
	r->acting--;
}

/* A slot whose consumer has ended is free, once its branch is gone. */
static void reuse(struct rig *r)
{
	for (int i = 0; i < SINKS; i++) {
		struct sink *s = &r->sinks[i];

		if (!s->open || !s->ends || (s->branch && draw_byte(r) & 1))
			continue;
		if (s->branch)
			weir_tee_remove(s->branch, 0);
		s->branch = NULL;
		ground_run(&r->ground);
		CHECK(!s->store);
		if (s->options.policy == WEIR_TEE_DROP)
			check_log(s);
		weir_valve_fini(&s->v);
		s->open = false;
	}
}

static void step(struct rig *r)
{
	uint8_t what = draw_byte(r);

	r->ground.inside = 4;
	tell("step %d", what);
	if (what < 176) {
		act(r, what);
	} else if (what < 200) {
		ground_run(&r->ground);
		check_idle(r);
	} else if (what < 216) {
		ground_pass(&r->ground, draw(r, 0, 60));
		check_idle(r);
	} else if (what < 232) {
		weir_context_run(&r->ground.ctx);
	} else if (what < 248) {
		reuse(r);
	} else {
		r->source.on_signal = r->source.on_signal ? NULL : on_signal;
	}
	check(r);
}

/* ---- the end of a run ---- */

/* All that can is let go: who was not cut off has all that was due to it. */
static void check_whole(struct sink *s)
{
	struct weir_branch_state st;

	if (s->options.policy == WEIR_TEE_DROP)
		check_log(s);
	if (s->let_go) /* nobody tells it the end */
		return;
	if (!s->branch) {
		CHECK(s->ends == 1);
		CHECK(!s->finishing || s->why != SOURCE_FAILED); /* which came later */
		if (s->why == 0 && !(s->removed_inside && s->options.policy == WEIR_TEE_DROP))
			CHECK(s->got >= s->due && (s->removed_inside || s->got == s->due));
		return;
	}
	weir_branch_state(s->branch, &st);
	CHECK(st.ended && s->told == 1 && s->ends == 1);
	CHECK(st.why == s->why || s->why == WEIR_ECLOSED);
	check_why(s, st.why);
	CHECK(st.out == s->got || s->why != 0);
	if (st.why == 0 && s->options.policy == WEIR_TEE_DROP)
		CHECK(s->got + st.dropped == st.in);
	else if (st.why == 0)
		CHECK(st.dropped == 0 && s->at == s->rig->source.given);
}

static void finish(struct rig *r)
{
	struct weir_consumer_state front;
	bool whole = false;

	r->ground.inside = 0;
	r->source.on_signal = NULL;
	weir_budget_set_limit(&r->ground.budget, (size_t)1 << 26);
	end_source(r, 0);
	for (int i = 0; i < SINKS; i++) {
		struct sink *s = &r->sinks[i];

		if (!s->open || s->ends)
			continue;
		s->end_waits = false;
		weir_valve_release(&s->v, WEIR_HOLD_USER);
		s->window = SIZE_MAX;
		weir_valve_ready(&s->v);
		if (s->flushing)
			weir_valve_done(&s->v, 0);
	}
	ground_pass(&r->ground, 1000);
	check_idle(r);
	for (int i = 0; i < SINKS; i++) {
		struct weir_branch_state st;

		if (!r->sinks[i].open)
			continue;
		check_whole(&r->sinks[i]);
		if (!r->sinks[i].branch)
			continue;
		weir_branch_state(r->sinks[i].branch, &st);
		whole |= st.why == 0;
	}
	weir_consumer_state(weir_tee_sink(r->tee), &front);
	CHECK(front.ended);
	if (whole)
		CHECK(front.why == 0 && front.out == r->source.given);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rig r;
	uint8_t flags;

	memset(&r, 0, sizeof(r));
	ground_open(&r.ground, data, size, (size_t)1 << 26);
	r.ground.look = look;
	flags = draw_byte(&r);
	r.tight = (flags & 7) == 7;
	if (r.tight)
		r.ground.budget.limit = (size_t)(1 + (flags >> 3)) << 14;
	if (weir_tee_create(&r.ground.ctx, &r.tee) < 0)
		abort();
	/* Marks of a few writes: much is full then. */
	if (weir_valve_set_marks(&r.tee->front, 3000, 500, 100000) < 0)
		abort();
	source_open(&r.source, &r.ground, flags & 8 ? WEIR_PULL : WEIR_PUSH);
	reregister(&r);
	while (r.ground.in.left > 0)
		step(&r);
	finish(&r);
	weir_tee_destroy(r.tee);
	for (int i = 0; i < SINKS; i++)
		if (r.sinks[i].open)
			weir_valve_fini(&r.sinks[i].v);
	ground_run(&r.ground);
	CHECK(!r.source.base.consumer);
	ground_close(&r.ground);
	return 0;
}
