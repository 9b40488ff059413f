/* SPDX-License-Identifier: MIT */
/* The shared half of every producer: dispatch, and the end. */
#include "weir/impl/producer.h"

#include <assert.h>
#include <stddef.h>

#include "weir/consumer.h"

void weir_producer_init(struct weir_producer *p, const struct weir_producer_ops *ops,
			enum weir_mode mode)
{
	assert(ops->name && ops->start && ops->pause && ops->resume && ops->stop);
	*p = (struct weir_producer){.ops = ops, .mode = mode};
}

void weir_producer_pause(struct weir_producer *p)
{
	p->ops->pause(p);
}

void weir_producer_resume(struct weir_producer *p)
{
	p->ops->resume(p);
}

void weir_producer_stop(struct weir_producer *p, int why)
{
	p->ops->stop(p, why);
}

struct weir_consumer *weir_producer_consumer(const struct weir_producer *p)
{
	return p->consumer;
}

enum weir_mode weir_producer_mode(const struct weir_producer *p)
{
	return p->mode;
}

void weir_producer_end(struct weir_producer *p, int why)
{
	struct weir_consumer *c = p->consumer;

	if (!c)
		return;
	weir_consumer_unregister(c);
	if (why)
		weir_consumer_fail(c, why);
	else
		weir_consumer_finish(c);
}

void weir_producer_pass_start(struct weir_producer *p)
{
	(void)p;
}
