/* SPDX-License-Identifier: MIT */
/* The shared half of every consumer: dispatch, the binding, the watches. */
#include "weir/impl/consumer.h"

#include <assert.h>

void weir_consumer_init(struct weir_consumer *c, const struct weir_consumer_ops *ops)
{
	assert(ops->name && ops->register_producer && ops->unregister_producer && ops->write);
	assert(ops->give && ops->finish && ops->fail && ops->room && ops->wake && ops->state);
	*c = (struct weir_consumer){.ops = ops};
}

int weir_consumer_register(struct weir_consumer *c, struct weir_producer *p, enum weir_mode mode)
{
	if (c->producer || p->consumer)
		return WEIR_EBUSY;
	return c->ops->register_producer(c, p, mode);
}

void weir_consumer_unregister(struct weir_consumer *c)
{
	if (c->producer)
		c->ops->unregister_producer(c);
}

struct weir_producer *weir_consumer_producer(const struct weir_consumer *c)
{
	return c->producer;
}

int weir_consumer_write(struct weir_consumer *c, const void *data, size_t len)
{
	return c->ops->write(c, data, len);
}

int weir_consumer_give(struct weir_consumer *c, struct weir_chunk *chunk)
{
	return c->ops->give(c, chunk);
}

int64_t weir_carry_refuse(struct weir_carry *carry, const char *who, const char *why)
{
	carry->next = WEIR_CARRY_WRITE;
	carry->who = who;
	carry->why = why;
	return 0;
}

int64_t weir_consumer_carry(struct weir_consumer *c, struct weir_carry *carry)
{
	if (!c->ops->carry)
		return weir_carry_refuse(carry, c->ops->name, "must see the bytes");
	return c->ops->carry(c, carry);
}

void weir_consumer_finish(struct weir_consumer *c)
{
	c->ops->finish(c);
}

void weir_consumer_fail(struct weir_consumer *c, int why)
{
	c->ops->fail(c, why);
}

size_t weir_consumer_room(struct weir_consumer *c)
{
	return c->ops->room(c);
}

void weir_consumer_wake(struct weir_consumer *c)
{
	c->ops->wake(c);
}

void weir_consumer_state(const struct weir_consumer *c, struct weir_consumer_state *out)
{
	c->ops->state(c, out);
}

void weir_consumer_watch_end(struct weir_consumer *c, struct weir_end_watch *w,
			     void (*fn)(void *arg, int why), void *arg)
{
	*w = (struct weir_end_watch){.next = c->watches, .fn = fn, .arg = arg};
	c->watches = w;
}

void weir_consumer_unwatch_end(struct weir_consumer *c, struct weir_end_watch *w)
{
	for (struct weir_end_watch **at = &c->watches; *at; at = &(*at)->next) {
		if (*at == w) {
			*at = w->next;
			return;
		}
	}
}

void weir_consumer_ended(struct weir_consumer *c, int why)
{
	/* One by one: each may end its neighbour's watch. */
	while (c->watches) {
		struct weir_end_watch *w = c->watches;

		c->watches = w->next;
		w->fn(w->arg, why);
	}
}

void weir_consumer_bind(struct weir_consumer *c, struct weir_producer *p, enum weir_mode mode)
{
	c->producer = p;
	p->consumer = c;
	p->mode = mode;
	p->ops->start(p);
}

struct weir_producer *weir_consumer_unbind(struct weir_consumer *c)
{
	struct weir_producer *p = c->producer;

	c->producer = NULL;
	if (p)
		p->consumer = NULL;
	return p;
}
