/* SPDX-License-Identifier: MIT */
/* The opening of a single peer that is still to come. */
#include <errno.h>
#include <stdlib.h>

#include "endpoint_priv.h"
#include "weir/impl/transport.h"

/* A listener that is closed by its first peer. */
struct accepted {
	struct weir_opening base;
	struct weir_listener *listener;
	weir_open_fn *fn;
	void *arg;
};

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
