/* SPDX-License-Identifier: MIT */
/*
 * The front and the back pass on what they are told.  A registration goes to the inner
 * consumer first, which may refuse it; the producer is bound to the front when the back
 * is started, so it hears everything in the order in which the inner consumer says it.
 */
#include "weir/impl/wrap.h"

static struct weir_consumer *inner_of(struct weir_consumer *c)
{
	return weir_wrap_from_front(c)->inner;
}

static int front_register(struct weir_consumer *c, struct weir_producer *p, enum weir_mode mode)
{
	struct weir_wrap *w = weir_wrap_from_front(c);
	int rc;

	w->coming = p;
	rc = weir_consumer_register(w->inner, &w->back, mode);
	w->coming = NULL;
	return rc;
}

static void front_unregister(struct weir_consumer *c)
{
	struct weir_wrap *w = weir_wrap_from_front(c);

	weir_consumer_unbind(c);
	if (w->back.consumer)
		weir_consumer_unregister(w->inner);
}

static int front_write(struct weir_consumer *c, const void *data, size_t len)
{
	return weir_consumer_write(inner_of(c), data, len);
}

static int front_give(struct weir_consumer *c, struct weir_chunk *chunk)
{
	return weir_consumer_give(inner_of(c), chunk);
}

static void front_finish(struct weir_consumer *c)
{
	weir_consumer_finish(inner_of(c));
}

static void front_fail(struct weir_consumer *c, int why)
{
	weir_consumer_fail(inner_of(c), why);
}

static size_t front_room(struct weir_consumer *c)
{
	return weir_consumer_room(inner_of(c));
}

static void front_wake(struct weir_consumer *c)
{
	weir_consumer_wake(inner_of(c));
}

static void front_state(const struct weir_consumer *c, struct weir_consumer_state *out)
{
	weir_consumer_state(((const struct weir_wrap *)c)->inner, out);
}

const struct weir_consumer_ops weir_wrap_consumer_ops = {
	.name = "wrap",
	.register_producer = front_register,
	.unregister_producer = front_unregister,
	.write = front_write,
	.give = front_give,
	.finish = front_finish,
	.fail = front_fail,
	.room = front_room,
	.wake = front_wake,
	.state = front_state,
};

static void back_start(struct weir_producer *p)
{
	struct weir_wrap *w = weir_wrap_from_back(p);
	struct weir_producer *coming = w->coming;

	w->coming = NULL;
	weir_consumer_bind(&w->front, coming, p->mode);
}

static void back_pause(struct weir_producer *p)
{
	struct weir_producer *source = weir_wrap_from_back(p)->front.producer;

	if (source)
		source->ops->pause(source);
}

static void back_resume(struct weir_producer *p)
{
	struct weir_producer *source = weir_wrap_from_back(p)->front.producer;

	if (source)
		source->ops->resume(source);
}

static void back_stop(struct weir_producer *p, int why)
{
	struct weir_wrap *w = weir_wrap_from_back(p);
	struct weir_producer *source = w->coming ? w->coming : weir_consumer_unbind(&w->front);

	w->coming = NULL;
	if (source)
		source->ops->stop(source, why);
}

const struct weir_producer_ops weir_wrap_producer_ops = {
	.name = "wrap",
	.start = back_start,
	.pause = back_pause,
	.resume = back_resume,
	.stop = back_stop,
};

static void on_inner_end(void *arg, int why)
{
	struct weir_wrap *w = arg;

	w->ended = true;
	weir_consumer_ended(&w->front, why);
}

void weir_wrap_init(struct weir_wrap *w, struct weir_consumer *inner,
		    const struct weir_consumer_ops *front_ops,
		    const struct weir_producer_ops *back_ops)
{
	*w = (struct weir_wrap){.inner = inner};
	weir_consumer_init(&w->front, front_ops);
	weir_producer_init(&w->back, back_ops, WEIR_PUSH);
	weir_consumer_watch_end(inner, &w->inner_end, on_inner_end, w);
}

void weir_wrap_fini(struct weir_wrap *w)
{
	if (!w->ended)
		weir_consumer_unwatch_end(w->inner, &w->inner_end);
	if (w->back.consumer)
		weir_consumer_unregister(w->inner);
	back_stop(&w->back, WEIR_ECLOSED);
}
