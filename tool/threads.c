/* SPDX-License-Identifier: MIT */
/*
 * Several threads, each with a loop and listeners of its own, and the peers that the system
 * gives them.  Each gets the signal that ends the run from its own loop.  What they share is
 * the budget; what is told at the end is the sum.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "text.h"

/* `gate` is held while there may still be a thread that cannot be had. */
struct team {
	struct app *app;
	unsigned size, begun;
	pthread_t *thread; /* of all but the first */
	pthread_mutex_t gate;
	bool abandoned;
};

/* What a thread is started with. */
struct start {
	struct team *team;
	struct app *app;
};

static void *run_thread(void *arg)
{
	struct start start = *(struct start *)arg;
	bool abandoned;

	free(arg);
	pthread_mutex_lock(&start.team->gate);
	abandoned = start.team->abandoned;
	pthread_mutex_unlock(&start.team->gate);
	if (!abandoned)
		many_serve(start.app);
	return NULL;
}

static int start_thread(struct team *t, unsigned index)
{
	struct start *start = malloc(sizeof(*start));
	int error;

	if (!start)
		return -1;
	*start = (struct start){.team = t, .app = &t->app[index]};
	error = pthread_create(&t->thread[index], NULL, run_thread, start);
	if (error) {
		free(start);
		return -1;
	}
	return 0;
}

/* Start all threads, or none that does anything.  Returns 0 or -1. */
static int start_threads(struct team *t, unsigned *started)
{
	int rc = 0;

	pthread_mutex_lock(&t->gate);
	for (*started = 1; *started < t->size; (*started)++) {
		rc = start_thread(t, *started);
		if (rc < 0)
			break;
	}
	t->abandoned = rc < 0;
	pthread_mutex_unlock(&t->gate);
	return rc;
}

static int serve(struct team *t)
{
	struct counts sum = {0};
	unsigned started;
	int rc = start_threads(t, &started);

	if (rc == 0)
		many_serve(&t->app[0]);
	for (unsigned i = 1; i < started; i++)
		pthread_join(t->thread[i], NULL);
	if (rc < 0) {
		line_print("cannot begin: no more than %u threads can be had", started);
		return 4;
	}
	for (unsigned i = 0; i < t->size; i++) {
		sum.served += t->app[i].counts.served;
		sum.failed += t->app[i].counts.failed;
		sum.cut += t->app[i].counts.cut;
	}
	return many_tell(&t->app[0], &sum);
}

static int run(struct team *t, const struct options *o, struct weir_shared_budget *shared)
{
	int status = 0;

	for (; t->begun < t->size && status == 0; t->begun++) {
		struct app *app = &t->app[t->begun];

		app->team = t->app;
		status = app_begin(app, o, t->begun, shared, t->begun ? t->app : NULL);
	}
	if (status == 0)
		status = serve(t);
	while (t->begun > 0)
		app_end(&t->app[--t->begun]);
	return status;
}

int threads_run(const struct options *o)
{
	struct team t = {.size = (unsigned)o->threads, .gate = PTHREAD_MUTEX_INITIALIZER};
	size_t budget = o->budget ? (size_t)o->budget : WEIR_BUDGET_DEFAULT;
	struct weir_shared_budget *shared = NULL;
	int status = 4, rc;

	t.app = calloc(t.size, sizeof(*t.app));
	t.thread = calloc(t.size, sizeof(*t.thread));
	rc = weir_shared_budget_create(budget, t.size, &shared);
	if (t.app && t.thread && rc == 0)
		status = run(&t, o, shared);
	else
		line_print("cannot begin: %s", rc < 0 ? weir_err_text(rc) : "no memory");
	weir_shared_budget_destroy(shared);
	free(t.thread);
	free(t.app);
	return status;
}
