/* SPDX-License-Identifier: MIT */
/* What passes a place: written down, and held against the contract and rate limits. */
#include "sim_run.h"

/* ---- rate limits ---- */

void weir__leak_set(struct leak *leak, struct weir_rate rate, uint64_t now)
{
	uint64_t burst = rate.burst ? rate.burst : rate.bytes_per_s / 10;
	uint64_t tokens;

	weir__leak_pass(leak, 0, now);
	if (burst == 0)
		burst = 1;
	burst *= WEIR_NS_PER_S;
	/* What could still pass at once can now, up to the new burst. */
	tokens = leak->rate ? leak->burst - leak->level : leak->seen ? 0 : burst;
	leak->level = tokens < burst ? burst - tokens : 0;
	leak->rate = rate.bytes_per_s;
	leak->burst = burst;
	leak->seen = now ? now : 1;
}

bool weir__leak_pass(struct leak *leak, size_t len, uint64_t now)
{
	uint64_t ns = now > leak->seen ? now - leak->seen : 0;

	if (!leak->rate)
		return true;
	leak->level = ns > leak->level / leak->rate ? 0 : leak->level - ns * leak->rate;
	leak->seen = now > leak->seen ? now : leak->seen;
	leak->level += len * WEIR_NS_PER_S;
	return leak->level <= leak->burst;
}

/* ---- the probe ---- */

static struct probe *probe_from_front(struct weir_consumer *c)
{
	return (struct probe *)weir_wrap_from_front(c);
}

static void note(const struct probe *p, const char *what, int64_t value)
{
	weir_sim_note(p->run->sim, "probe", p->number, what, value);
}

static void broken(const struct probe *p, const char *rule, const char *what)
{
	weir_sim_break(p->run->sim, rule, "probe %u: %s", p->number, what);
}

/* ---- what the producer says ---- */

static int passed(struct probe *p, size_t len, int rc, bool was_paused)
{
	note(p, rc < 0 ? "refuses" : "passes", rc < 0 ? rc : (int64_t)len);
	if (rc < 0)
		return rc;
	if (p->ended)
		broken(p, "DATA-2", "a write after the end");
	if (was_paused && len > p->overshoot)
		broken(p, "FLOW-2", "more bytes than declared after a pause");
	if (was_paused)
		p->overshoot -= p->overshoot < len ? p->overshoot : len;
	for (int i = 0; i < 2; i++) {
		if (p->limit[i] && !weir__leak_pass(p->limit[i], len, p->run->sim->now))
			broken(p, i ? "RATE-2" : "RATE-1", "more bytes than the rate allows");
	}
	return 0;
}

static int probe_write(struct weir_consumer *c, const void *data, size_t len)
{
	struct probe *p = probe_from_front(c);
	bool was_paused = p->paused;

	return passed(p, len, weir_wrap_consumer_ops.write(c, data, len), was_paused);
}

static int probe_give(struct weir_consumer *c, struct weir_chunk *chunk)
{
	struct probe *p = probe_from_front(c);
	bool was_paused = p->paused;
	size_t len = chunk->len;

	return passed(p, len, weir_wrap_consumer_ops.give(c, chunk), was_paused);
}

static void probe_finish(struct weir_consumer *c)
{
	struct probe *p = probe_from_front(c);

	note(p, "finishes", 0);
	if (p->ended)
		broken(p, "END-1", "finished after an end");
	p->ended = true;
	weir_wrap_consumer_ops.finish(c);
}

/* A finish that is still on its way may be followed by a failure. */
static void probe_fail(struct weir_consumer *c, int why)
{
	struct probe *p = probe_from_front(c);

	note(p, "fails", why);
	p->ended = true;
	weir_wrap_consumer_ops.fail(c, why);
}

/* ---- what the consumer says ---- */

static void probe_pause(struct weir_producer *producer)
{
	struct probe *p = (struct probe *)weir_wrap_from_back(producer);

	note(p, "pauses", 0);
	if (p->paused)
		broken(p, "FLOW-1", "paused twice");
	weir_wrap_producer_ops.pause(producer);
	p->paused = true;
	p->overshoot = p->overshoot_is;
}

static void probe_resume(struct weir_producer *producer)
{
	struct probe *p = (struct probe *)weir_wrap_from_back(producer);

	note(p, "resumes", 0);
	if (producer->mode == WEIR_PUSH && !p->paused)
		broken(p, "FLOW-1", "resumed without a pause");
	p->paused = false;
	weir_wrap_producer_ops.resume(producer);
}

static void probe_stop(struct weir_producer *producer, int why)
{
	struct probe *p = (struct probe *)weir_wrap_from_back(producer);

	note(p, "stops", why);
	if (p->ended)
		broken(p, "END-2", "stopped after its own end");
	p->ended = true;
	weir_wrap_producer_ops.stop(producer, why);
}

/* ---- the guard ---- */

static void on_guard(void *arg, const struct weir_guard_report *r)
{
	struct probe *p = arg;

	weir_sim_break(p->run->sim, r->id, "the guard of joint %u: the %s \"%s\": %s", p->number,
		       r->party == WEIR_GUARD_PRODUCER ? "producer" : "consumer", r->name, r->what);
}

static struct weir_guard_options guard_options(struct probe *p)
{
	return (struct weir_guard_options){
		.on_broken = on_guard,
		.arg = p,
		.ctx = &p->run->sim->ctx,
		.overshoot = p->overshoot_is,
	};
}

/* Without memory there is none. */
static struct weir_consumer *guarded(struct probe *p, struct weir_consumer *inner)
{
	struct weir_guard_options options = guard_options(p);

	if (!p->run->options->guarded || weir_guard_create(inner, &options, &p->guard[0]) < 0)
		return inner;
	return weir_guard_sink(p->guard[0]);
}

struct weir_producer *weir__probe_guard(struct probe *p, struct weir_producer *from)
{
	struct weir_guard_options options = guard_options(p);

	if (!p->run->options->guarded ||
	    weir_guard_create_source(from, &options, &p->guard[1]) < 0)
		return from;
	return weir_guard_source(p->guard[1]);
}

struct weir_consumer *weir__probe_put(struct probe *probe, struct run *run,
				      struct weir_consumer *inner)
{
	probe->front_ops = weir_wrap_consumer_ops;
	probe->front_ops.name = "probe";
	probe->front_ops.write = probe_write;
	probe->front_ops.give = probe_give;
	probe->front_ops.finish = probe_finish;
	probe->front_ops.fail = probe_fail;
	probe->back_ops = weir_wrap_producer_ops;
	probe->back_ops.name = "probe";
	probe->back_ops.pause = probe_pause;
	probe->back_ops.resume = probe_resume;
	probe->back_ops.stop = probe_stop;
	probe->run = run;
	probe->number = run->probes++;
	probe->on = true;
	weir_wrap_init(&probe->wrap, guarded(probe, inner), &probe->front_ops, &probe->back_ops);
	return &probe->wrap.front;
}

void weir__probe_remove(struct probe *probe)
{
	if (probe->on)
		weir_wrap_fini(&probe->wrap);
	for (int i = 0; i < 2; i++) {
		weir_guard_destroy(probe->guard[i]);
		probe->guard[i] = NULL;
	}
	probe->on = false;
}
