/* SPDX-License-Identifier: MIT */
/*
 * A guard around a consumer: it tells a producer that goes on after it was paused, and shows
 * where that was, and where it was paused.  In a release build leave the guard out.
 */
#include <stdio.h>
#include <stdlib.h>

#include "weir/guard.h"
#include "weir/impl/producer.h"
#include "weir/weir.h"

/* Writes what it has, come what may. */
struct eager {
	struct weir_producer base;
	bool paused;
};

static void eager_pause(struct weir_producer *p)
{
	((struct eager *)p)->paused = true; /* and nobody looks at it */
}

static void eager_resume(struct weir_producer *p)
{
	((struct eager *)p)->paused = false;
}

static void eager_stop(struct weir_producer *p, int why)
{
	(void)p;
	(void)why;
}

static const struct weir_producer_ops eager_ops = {
	.name = "eager",
	.start = weir_producer_pass_start,
	.pause = eager_pause,
	.resume = eager_resume,
	.stop = eager_stop,
};

static int write_all(struct eager *eager)
{
	static const char block[40000];
	int rc = 0;

	for (int i = 0; i < 4 && rc == 0; i++)
		rc = weir_consumer_write(eager->base.consumer, block, sizeof(block));
	return rc;
}

static void on_broken(void *arg, const struct weir_guard_report *report)
{
	*(bool *)arg = true;
	weir_guard_print(NULL, report); /* without a function of ours it would abort() as well */
}

int main(void)
{
	struct eager eager;
	struct weir_loop *loop;
	struct weir_transport *near, *far;
	struct weir_guard *guard;
	bool found = false;
	struct weir_guard_options options = {.on_broken = on_broken, .arg = &found};

	if (weir_loop_create(NULL, &loop) < 0)
		return 1;
	options.ctx = weir_loop_context(loop);
	if (weir_loopback_create(options.ctx, &near, &far) < 0 ||
	    weir_guard_create(weir_transport_sink(near), &options, &guard) < 0)
		return 1;

	weir_producer_init(&eager.base, &eager_ops, WEIR_PUSH);
	if (weir_consumer_register(weir_guard_sink(guard), &eager.base, WEIR_PUSH) < 0 ||
	    write_all(&eager) < 0)
		return 1;

	weir_guard_destroy(guard);
	weir_transport_close(near);
	weir_transport_close(far);
	weir_loop_destroy(loop);
	return found ? 0 : 1;
}
