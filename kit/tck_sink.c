/* SPDX-License-Identifier: MIT */
/*
 * The kit's sink behind the subject: a valve, whose drain takes what it is told to take, and a
 * wrap in front of it, which sees what the subject's source does.
 */
#include <stdio.h>

#include "tck_priv.h"

/* Small, so that it pauses soon, and with room above for the largest write. */
#define SINK_HIGH 4096
#define SINK_LOW 1024
#define SINK_ROOM ((size_t)64 << 10)

static struct tck_sink *sink_from_front(struct weir_consumer *c)
{
	return (struct tck_sink *)c;
}

static struct tck_sink *sink_from_back(struct weir_producer *p)
{
	return (struct tck_sink *)weir_wrap_from_back(p);
}

static struct tck_sink *sink_from_valve(struct weir_valve *v)
{
	return (struct tck_sink *)((char *)v - offsetof(struct tck_sink, valve));
}

/* ---- what the subject's source is told ---- */

static void back_pause(struct weir_producer *p)
{
	struct tck_sink *z = sink_from_back(p);

	weir_wrap_producer_ops.pause(p);
	z->paused = true;
	z->over = 0;
}

static void back_resume(struct weir_producer *p)
{
	struct tck_sink *z = sink_from_back(p);

	if (z->paused && z->valve.in < weir__tck_due(z->t))
		weir__tck_holds(z->t, FLOW_2, true, "%s", "");
	z->paused = false;
	z->asked = true;
	if (++z->resumes == 1000)
		weir__tck_holds(z->t, FLOW_7, true, "%s", "");
	weir_wrap_producer_ops.resume(p);
	z->asked = false;
}

static void back_stop(struct weir_producer *p, int why)
{
	struct tck_sink *z = sink_from_back(p);

	z->stopped = true;
	weir_wrap_producer_ops.stop(p, why);
}

static const struct weir_producer_ops *back_ops(void)
{
	static struct weir_producer_ops ops;

	ops = weir_wrap_producer_ops;
	ops.name = "the kit's sink";
	ops.pause = back_pause;
	ops.resume = back_resume;
	ops.stop = back_stop;
	return &ops;
}

/* ---- what the subject's source does ---- */

/* Whether it may call its consumer at all. */
static void called(struct tck_sink *z, const char *what)
{
	struct weir_tck *t = z->t;

	weir__tck_look_at_thread(t);
	weir__tck_look_at_stack(t);
	weir__tck_holds(t, END_1, !z->ended, "the source calls %s after its end", what);
	weir__tck_holds(t, END_2, !z->stopped, "the source calls %s after its stop", what);
	if (z->let_go)
		weir__tck_holds(t, REG_5, false, "the source calls %s after it was unregistered",
				what);
}

static void writes(struct tck_sink *z, size_t len)
{
	struct weir_tck *t = z->t;

	called(z, "write");
	if (len == 0)
		return;
	if (len > z->biggest)
		z->biggest = len;
	if (z->wrap.back.mode == WEIR_PULL) {
		weir__tck_holds(t, FLOW_5, z->asked, "the source writes, and was not asked");
		z->asked = false;
	} else if (z->paused) {
		z->over += len;
		weir__tck_holds(t, FLOW_2, z->over <= t->n.overshoot,
				"the source writes %llu bytes after its pause, %zu are declared",
				(unsigned long long)z->over, t->n.overshoot);
	}
}

static int front_write(struct weir_consumer *c, const void *data, size_t len)
{
	writes(sink_from_front(c), len);
	return weir_wrap_consumer_ops.write(c, data, len);
}

static int front_give(struct weir_consumer *c, struct weir_chunk *chunk)
{
	writes(sink_from_front(c), chunk->len);
	return weir_wrap_consumer_ops.give(c, chunk);
}

static void front_finish(struct weir_consumer *c)
{
	struct tck_sink *z = sink_from_front(c);

	called(z, "finish");
	z->ended = true;
	weir_wrap_consumer_ops.finish(c);
}

/* A failure may come behind a finish, while that is not through. */
static void front_fail(struct weir_consumer *c, int why)
{
	struct tck_sink *z = sink_from_front(c);

	if (!z->ended)
		called(z, "fail");
	z->ended = true;
	weir_wrap_consumer_ops.fail(c, why);
}

static const struct weir_consumer_ops *front_ops(void)
{
	static struct weir_consumer_ops ops;

	ops = weir_wrap_consumer_ops;
	ops.name = "the kit's sink";
	ops.write = front_write;
	ops.give = front_give;
	ops.finish = front_finish;
	ops.fail = front_fail;
	return &ops;
}

/* ---- the valve ---- */

static int64_t drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct tck_sink *z = sink_from_valve(v);
	int64_t taken = 0;

	for (size_t i = 0; i < count && z->window; i++) {
		size_t n = chunks[i].len < z->window ? chunks[i].len : z->window;

		if (z->window != SIZE_MAX)
			z->window -= n;
		weir_tck_out(z->t, chunks[i].data, n);
		taken += (int64_t)n;
		if (n < chunks[i].len)
			break;
	}
	return taken;
}

static void end(struct weir_valve *v, int why)
{
	weir_tck_out_end(sink_from_valve(v)->t, why);
	if (why == 0)
		weir_valve_done(v, 0);
}

static const struct weir_valve_ops valve_ops = {
	.name = "the kit's sink",
	.drain = drain,
	.end = end,
};

int weir__tck_sink_init(struct tck_sink *z, struct weir_tck *t)
{
	size_t room = t->subject->numbers.chunk > SINK_ROOM ? t->subject->numbers.chunk : SINK_ROOM;

	*z = (struct tck_sink){.t = t, .window = SIZE_MAX};
	weir_valve_init(&z->valve, &valve_ops, t->ctx);
	weir_wrap_init(&z->wrap, &z->valve.base, front_ops(), back_ops());
	return weir_valve_set_marks(&z->valve, SINK_HIGH, SINK_LOW, SINK_HIGH + room);
}

void weir__tck_sink_attach(struct tck_sink *z, enum weir_mode mode)
{
	struct weir_tck *t = z->t;
	struct weir_producer *source = t->made.flow.source;

	if (!source || z->stopped || z->ended || t->died || z->wrap.front.producer)
		return;
	if (mode == WEIR_PULL ? t->subject->traits.push_only : t->subject->traits.pull_only)
		return;
	z->let_go = z->paused = false;
	weir__tck_holds(t, REG_8, weir_consumer_register(&z->wrap.front, source, mode) == 0,
			"the source cannot be registered");
}

void weir__tck_sink_detach(struct tck_sink *z)
{
	if (!z->wrap.front.producer)
		return;
	z->let_go = true;
	weir__tck_holds(z->t, REG_5, true, "%s", "");
	weir_consumer_unregister(&z->wrap.front);
}

void weir__tck_sink_take(struct tck_sink *z, uint64_t max)
{
	z->window = max < SIZE_MAX ? (size_t)max : SIZE_MAX;
	weir_valve_ready(&z->valve);
}

void weir__tck_sink_fini(struct tck_sink *z)
{
	weir_valve_die(&z->valve, WEIR_ECLOSED);
	weir_wrap_fini(&z->wrap);
	weir_valve_fini(&z->valve);
}
