/* SPDX-License-Identifier: MIT */
/* The opening of what is there at once. */
#include <errno.h>
#include <stdlib.h>

#include "endpoint_priv.h"
#include "weir/context.h"
#include "weir/impl/transport.h"
#include "weir/loop.h"

/* A transport that is there, and a callee who hears of it in the next turn. */
struct made {
	struct weir_opening base;
	struct weir_task task;
	struct weir_transport *t;
	weir_open_fn *fn;
	void *arg;
};

static void made_cancel(struct weir_opening *opening)
{
	struct made *m = (struct made *)opening;

	weir_task_cancel(&m->task);
	weir_transport_close(m->t);
	free(m);
}

static void made_run(struct weir_task *task)
{
	struct made *m = (struct made *)((char *)task - offsetof(struct made, task));
	struct made done = *m;

	free(m);
	done.fn(done.arg, 0, done.t);
}

int weir__open_made(const struct weir__open *o, struct weir_opening **out)
{
	struct made *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return -ENOMEM;
	rc = o->e->scheme->make(o, &m->t);
	if (rc < 0) {
		free(m);
		return rc;
	}
	m->base.cancel = made_cancel;
	m->task.run = made_run;
	m->fn = o->fn;
	m->arg = o->arg;
	weir_task_queue(weir_loop_context(o->loop), &m->task);
	if (out)
		*out = &m->base;
	return 0;
}
