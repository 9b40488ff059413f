/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_VALVE_RIG_H
#define WEIR_TESTS_VALVE_RIG_H
/*
 * valve_rig.h -- a real valve beside its model (valve_model.h): every call is made on
 * both, and after each the two are compared.
 */
#include <inttypes.h>

#include "core_fixture.h"
#include "valve_model.h"

struct rig_source {
	struct weir_producer base; /* first */
	struct rig *rig;
};

struct rig {
	struct side side;   /* first */
	struct weir_valve v;
	struct rig_source pusher, puller;
	struct world *world;
	uint64_t next;      /* offset of the next byte of the pattern that is written */
	uint64_t got;       /* bytes that the sink took */
	bool garbled;
	struct model model;
	unsigned long compared;
	char fault[512];    /* the first difference */
	struct weir_end_watch watch;
};

static inline struct rig *rig_of(struct weir_producer *p)
{
	return ((struct rig_source *)p)->rig;
}

static inline void rig_start(struct weir_producer *p)
{
	side_event(&rig_of(p)->side, EVENT_START, 0);
}

static inline void rig_pause(struct weir_producer *p)
{
	side_event(&rig_of(p)->side, EVENT_PAUSE, 0);
}

static inline void rig_resume(struct weir_producer *p)
{
	side_event(&rig_of(p)->side, EVENT_RESUME, 0);
}

static inline void rig_stop(struct weir_producer *p, int why)
{
	side_event(&rig_of(p)->side, EVENT_STOP, why);
}

static const struct weir_producer_ops rig_source_ops = {
	.name = "rig source",
	.start = rig_start,
	.pause = rig_pause,
	.resume = rig_resume,
	.stop = rig_stop,
};

static inline struct rig *rig_from_valve(struct weir_valve *v)
{
	return (struct rig *)((char *)v - offsetof(struct rig, v));
}

static inline int64_t rig_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct rig *r = rig_from_valve(v);
	size_t offered = 0;
	int64_t n, left;

	for (size_t i = 0; i < count; i++)
		offered += chunks[i].len;
	n = left = side_drain(&r->side, offered);
	for (size_t i = 0; left > 0; i++) {
		for (size_t k = 0; k < chunks[i].len && left > 0; k++, left--)
			if (chunks[i].data[k] != pattern_at(r->got++))
				r->garbled = true;
	}
	return n;
}

static inline void rig_end(struct weir_valve *v, int why)
{
	struct rig *r = rig_from_valve(v);

	side_event(&r->side, EVENT_END, why);
	if (why == 0 && !r->side.script->holds_end)
		weir_valve_done(v, 0);
}

static const struct weir_valve_ops rig_valve_ops = {
	.name = "rig",
	.drain = rig_drain,
	.end = rig_end,
};

static inline void rig_on_end(void *arg, int why)
{
	side_event(&((struct rig *)arg)->side, EVENT_ON_END, why);
}

static inline int rig_write(struct rig *r, size_t len)
{
	unsigned char small[64] = {0};
	unsigned char *buf = len > sizeof(small) ? malloc(len) : small;
	uint64_t at = r->next;
	int rc;

	if (!buf)
		abort();
	pattern_fill(buf, len, at);
	r->next += len;
	rc = weir_consumer_write(&r->v.base, buf, len);
	if (rc < 0 && r->next == at + len)
		r->next = at;
	if (buf != small)
		free(buf);
	return rc;
}

static inline int rig_give(struct rig *r, size_t len)
{
	struct weir_chunk chunk;
	struct weir_block *block;
	uint64_t at = r->next;
	int rc = weir_pool_take(&r->world->ctx.pool, len, &block);

	if (rc < 0 || block->cap < len)
		abort();
	pattern_fill(block->data, len, at);
	block->used = (uint32_t)len;
	chunk = weir_chunk_from_block(block);
	r->next += len;
	rc = weir_consumer_give(&r->v.base, &chunk);
	if (rc < 0 && r->next == at + len)
		r->next = at;
	if ((rc == 0) != (chunk.owner == NULL))
		r->garbled = true;
	if (rc < 0)
		weir_chunk_unref(&chunk);
	return rc;
}

static inline int rig_ready(struct rig *r, size_t window)
{
	r->side.window = window;
	weir_valve_ready(&r->v);
	return 0;
}

static inline int rig_turn(struct rig *r, uint64_t ns)
{
	r->world->now += ns;
	weir_context_run(&r->world->ctx);
	return 0;
}

static inline int rig_call(struct side *s, enum call call)
{
	struct rig *r = (struct rig *)s;
	struct weir_consumer *c = &r->v.base;
	const struct scale *scale = s->scale;

	switch (call) {
	case CALL_WRITE_0: return weir_consumer_write(c, NULL, 0);
	case CALL_WRITE_1: return rig_write(r, scale->small);
	case CALL_WRITE_HIGH: return rig_write(r, scale->high);
	case CALL_WRITE_OVER: return rig_write(r, scale->limit + 1);
	case CALL_GIVE: return rig_give(r, scale->mid);
	case CALL_REGISTER_PUSH: return weir_consumer_register(c, &r->pusher.base, WEIR_PUSH);
	case CALL_REGISTER_PULL: return weir_consumer_register(c, &r->puller.base, WEIR_PULL);
	case CALL_UNREGISTER: weir_consumer_unregister(c); break;
	case CALL_FINISH: weir_consumer_finish(c); break;
	case CALL_FAIL: weir_consumer_fail(c, -EIO); break;
	case CALL_DRAIN_SOME: return rig_ready(r, scale->some);
	case CALL_DRAIN_ALL: return rig_ready(r, SIZE_MAX);
	case CALL_DRAIN_FAILS:
		s->drain_fails = true;
		weir_valve_ready(&r->v);
		break;
	case CALL_DIE: weir_valve_die(&r->v, -ECONNRESET); break;
	case CALL_WAKE: weir_consumer_wake(c); break;
	case CALL_HOLD: weir_valve_hold(&r->v, WEIR_HOLD_USER); break;
	case CALL_RELEASE: weir_valve_release(&r->v, WEIR_HOLD_USER); break;
	case CALL_MARKS_LOW:
		return weir_valve_set_marks(&r->v, scale->tight_high, scale->tight_low,
					    scale->limit);
	case CALL_MARKS_HIGH:
		return weir_valve_set_marks(&r->v, scale->wide_high, scale->wide_low,
					    scale->limit);
	case CALL_DONE: weir_valve_done(&r->v, 0); break;
	case CALL_DONE_BADLY: weir_valve_done(&r->v, -EIO); break;
	case CALL_TURN: return rig_turn(r, 0);
	case CALL_DEADLINE: return rig_turn(r, scale->finish_wait);
	default: break;
	}
	return 0;
}

static inline void rig_open(struct rig *r, struct world *w, const struct scale *scale,
			    const struct script *script)
{
	r->side.call = rig_call;
	r->side.scale = scale;
	r->side.script = script;
	r->side.window = script->starts_full ? 0 : SIZE_MAX;
	r->side.drain_fails = false;
	r->side.fuel = 0;
	r->side.logged = 0;
	r->world = w;
	r->next = r->got = 0;
	r->garbled = false;
	r->fault[0] = '\0';
	r->compared = 0;
	w->ctx.quantum = scale->quantum;
	weir_producer_init(&r->pusher.base, &rig_source_ops, WEIR_PUSH);
	weir_producer_init(&r->puller.base, &rig_source_ops, WEIR_PULL);
	r->pusher.rig = r->puller.rig = r;
	weir_valve_init(&r->v, &rig_valve_ops, &w->ctx);
	weir_valve_set_finish_wait(&r->v, scale->finish_wait);
	if (weir_valve_set_marks(&r->v, scale->high, scale->low, scale->limit) < 0)
		abort();
	weir_consumer_watch_end(&r->v.base, &r->watch, rig_on_end, r);
	model_init(&r->model, scale, script);
}

/* A scale drawn with `between`, which gives a number from `a` to `z`: a few bytes, or many
 * blocks; the marks anywhere. */
static inline struct scale draw_scale(size_t (*between)(void *arg, size_t a, size_t z), void *arg)
{
	static const size_t units[] = {1, 7, 300, 4096, 20000};
	size_t u = units[between(arg, 0, 4)];
	struct scale s = {
		.high = between(arg, 1, 8) * u,
		.finish_wait = between(arg, 1, 1000),
		.quantum = between(arg, 1, 20) * u,
	};

	s.low = between(arg, 0, s.high - 1);
	s.limit = s.high + between(arg, 0, 6) * u;
	s.tight_high = between(arg, 1, s.high);
	s.tight_low = between(arg, 0, s.tight_high - 1);
	s.wide_high = between(arg, s.high, s.limit);
	s.wide_low = between(arg, 0, s.wide_high - 1);
	return s;
}

/* The sizes of the next call's bytes. */
static inline void draw_sizes(struct scale *s, size_t (*between)(void *arg, size_t a, size_t z),
			      void *arg)
{
	s->small = between(arg, 1, s->high / 2 + 1);
	s->mid = between(arg, 1, s->high < 60000 ? s->high : 60000);
	s->some = between(arg, 0, s->high);
}

/* ---- the comparison ------------------------------------------------------------ */

static inline bool rig_fault(struct rig *r, const char *what, long long real, long long model)
{
	if (!r->fault[0])
		snprintf(r->fault, sizeof(r->fault), "%s: the valve says %lld, the model %lld",
			 what, real, model);
	return false;
}

static inline bool rig_same(struct rig *r, const char *what, uint64_t real, uint64_t model)
{
	return real == model || rig_fault(r, what, (long long)real, (long long)model);
}

static const char *const event_names[] = {"start", "pause",  "resume", "stop", "drain",
					  "end",   "on_end", "",       "->"};

static inline void rig_print_log(char *out, size_t size, const struct side *s)
{
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < s->logged && i < LOG_MAX && n + 24 < size; i++)
		n += (size_t)snprintf(out + n, size - n, " %s(%d)", event_names[s->log[i].what],
				      s->log[i].arg);
}

static inline bool rig_same_logs(struct rig *r)
{
	const struct side *a = &r->side, *b = &r->model.side;
	char real[200], model[200];
	bool same = a->logged == b->logged && a->logged <= LOG_MAX;

	for (unsigned i = 0; same && i < a->logged; i++)
		same = a->log[i].what == b->log[i].what && a->log[i].arg == b->log[i].arg;
	if (same)
		return true;
	rig_print_log(real, sizeof(real), a);
	rig_print_log(model, sizeof(model), b);
	if (!r->fault[0])
		snprintf(r->fault, sizeof(r->fault), "told: the valve%s\n    the model%s", real,
			 model);
	return false;
}

static inline bool rig_same_state(struct rig *r)
{
	const struct model *m = &r->model;
	struct weir_consumer_state st;
	struct weir_producer *p = m->producer == PUSHER	  ? &r->pusher.base
				  : m->producer == PULLER ? &r->puller.base
							  : NULL;

	weir_consumer_state(&r->v.base, &st);
	if (st.in != st.out + st.held + st.dropped)
		return rig_fault(r, "in != out + held + dropped; in", (long long)st.in,
				 (long long)m->in);
	/* A write from inside the drain of another may be held beside its rest. */
	if (st.held > m->limit * (r->side.script->on[EVENT_DRAIN] ? 2 : 1))
		return rig_fault(r, "held over the limit", (long long)st.held, (long long)m->limit);
	return rig_same(r, "in", st.in, m->in) && rig_same(r, "out", st.out, m->out) &&
	       rig_same(r, "held", st.held, m->held) &&
	       rig_same(r, "dropped", st.dropped, m->dropped) &&
	       rig_same(r, "holds", st.holds, m->holds) &&
	       rig_same(r, "ended", st.ended, m->life == WEIR_ENDED) &&
	       rig_same(r, "why", (uint64_t)(st.ended ? st.why : 0),
			(uint64_t)(st.ended ? m->why : 0)) &&
	       rig_same(r, "life", r->v.life, m->life) &&
	       rig_same(r, "producer", (uintptr_t)weir_consumer_producer(&r->v.base),
			(uintptr_t)p) &&
	       rig_same(r, "pusher registered", r->pusher.base.consumer == &r->v.base,
			m->producer == PUSHER) &&
	       rig_same(r, "puller registered", r->puller.base.consumer == &r->v.base,
			m->producer == PULLER) &&
	       rig_same(r, "room", weir_consumer_room(&r->v.base), m_room(m)) &&
	       rig_same(r, "garbled bytes", r->garbled, 0) &&
	       (st.ended || rig_same(r, "bytes at the sink", r->got, st.out));
}

/* Make one call on both sides; false if they differ afterwards. */
static inline bool rig_step(struct rig *r, enum call call)
{
	int real, model;

	r->side.logged = r->model.side.logged = 0;
	r->side.fuel = r->model.side.fuel = r->side.script->fuel;
	real = r->side.call(&r->side, call);
	model = r->model.side.call(&r->model.side, call);
	r->compared++;
	if (real != model)
		return rig_fault(r, "returned", real, model);
	return rig_same_logs(r) && rig_same_state(r);
}

/* Release the valve: nothing of it may be left anywhere (MEM-6, END-7). */
static inline bool rig_close(struct rig *r)
{
	struct weir_context *ctx = &r->world->ctx;

	r->side.logged = r->model.side.logged = 0;
	r->side.fuel = r->model.side.fuel = 0;
	weir_valve_fini(&r->v);
	model_fini(&r->model);
	return rig_same_logs(r) && rig_same(r, "blocks left", ctx->pool.taken, 0) &&
	       rig_same(r, "budget left", r->world->budget.used, 0) &&
	       rig_same(r, "work left", weir_context_next(ctx) != WEIR_NEVER, 0) &&
	       rig_same(r, "producer left",
			r->pusher.base.consumer != NULL || r->puller.base.consumer != NULL, 0);
}

static inline const char *call_name(enum call call)
{
	static const char *const names[] = {
#define CALL_NAME(name, text) text,
		CALLS(CALL_NAME)
#undef CALL_NAME
	};

	return names[call];
}

static inline void rig_print_script(const struct script *script)
{
	for (unsigned e = 0; e < EVENTS; e++)
		if (script->on[e] != CALL_NOTHING)
			print_error("  inside %s: %s\n", event_names[e],
				    call_name(script->on[e]));
	print_error("  %u call(s) from inside, %s, the sink %s at first\n", script->fuel,
		    script->holds_end ? "end completes by done" : "end completes at once",
		    script->starts_full ? "takes nothing" : "takes all");
}

#endif
