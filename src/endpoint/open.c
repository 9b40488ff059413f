/* SPDX-License-Identifier: MIT */
/*
 * The two openings that are the same for several schemes: of what is there at once,
 * and of a single peer that is still to come.
 */
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

/* A listener that is closed by its first peer. */
struct accepted {
	struct weir_opening base;
	struct weir_listener *listener;
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

static void accepted_cancel(struct weir_opening *opening)
{
	struct accepted *a = (struct accepted *)opening;

	weir_listener_close(a->listener);
	free(a);
}

static void accepted_peer(void *arg, struct weir_transport *t)
{
	struct accepted *a = arg;
	struct accepted done = *a;

	weir_listener_close(a->listener);
	free(a);
	done.fn(done.arg, 0, t);
}

int weir__open_accepted(const struct weir__open *o, struct weir_opening **out)
{
	struct accepted *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return -ENOMEM;
	rc = o->e->scheme->listen(o->loop, o->e, o->options, &a->listener);
	if (rc < 0) {
		free(a);
		return rc;
	}
	a->base.cancel = accepted_cancel;
	a->fn = o->fn;
	a->arg = o->arg;
	weir_listener_start(a->listener, accepted_peer, a);
	if (out)
		*out = &a->base;
	return 0;
}
