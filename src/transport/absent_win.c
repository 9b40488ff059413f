/* SPDX-License-Identifier: MIT */
/*
 * Of transports that Windows does not have yet, what those call who take any: no such thing
 * can have been made.  Each goes when its transport comes.
 */
#include <assert.h>
#include <stddef.h>

#include "weir/listener.h"
#include "weir/process.h"

void weir_listener_start(struct weir_listener *l, weir_accept_fn *fn, void *arg)
{
	assert(!l);
	(void)l;
	(void)fn;
	(void)arg;
}

void weir_listener_pause(struct weir_listener *l)
{
	assert(!l);
	(void)l;
}

const char *weir_listener_address(const struct weir_listener *l)
{
	assert(!l);
	(void)l;
	return "";
}

int weir_listener_share(struct weir_loop *loop, const struct weir_listener *of,
			struct weir_listener **out)
{
	(void)loop;
	(void)of;
	(void)out;
	return WEIR_ENOTSUP;
}

void weir_listener_close(struct weir_listener *l)
{
	assert(!l);
	(void)l;
}

bool weir_process_exited(const struct weir_transport *t, int *status, int *signum)
{
	(void)t;
	(void)status;
	(void)signum;
	return false;
}
