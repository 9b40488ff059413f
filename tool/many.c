/* SPDX-License-Identifier: MIT */
/* A run that serves every peer who comes, until it is told to stop. */
#include <stdlib.h>

#include "job.h"
#include "progress.h"
#include "report.h"
#include "text.h"

/* Less than the period of the progress line. */
#define TELL_NS (150 * WEIR_NS_PER_MS)

struct peer {
	struct many *many;
	struct peer *next, *prev;
	struct job *job;
};

struct many {
	struct app *app;
	struct weir_listener *listener; /* borrowed; NULL once we stop */
	struct peer *peers;
	uint64_t count;
	uint64_t out[2]; /* bytes of those that are gone */
	struct weir_timer tell; /* in a team, from time to time: how far we are */
};

static void on_accept(void *arg, struct weir_transport *t);

static void add(struct many *m, struct peer *peer)
{
	peer->next = m->peers;
	if (m->peers)
		m->peers->prev = peer;
	m->peers = peer;
	m->count++;
	if (m->count >= m->app->max_peers)
		weir_listener_pause(m->listener);
}

static void take_out(struct many *m, struct peer *peer)
{
	if (peer->prev)
		peer->prev->next = peer->next;
	else
		m->peers = peer->next;
	if (peer->next)
		peer->next->prev = peer->prev;
	m->count--;
}

static void count_result(struct many *m, const struct result *r)
{
	for (int i = 0; i < 2; i++)
		m->out[i] += r->outcome[i].offset;
	if (r->end == WEIR_FINISHED)
		m->app->counts.served++;
	else if (m->listener)
		m->app->counts.failed++;
	else
		m->app->counts.cut++;
}

static void on_peer_done(struct job *job, const struct result *r, void *arg)
{
	struct peer *peer = arg;
	struct many *m = peer->many;
	const char *name = weir_transport_name(job->side[options_listener(m->app->o)]);

	/* Those whom our own end cuts are counted in one line at the end. */
	report(m->app, r, name, !m->listener);
	count_result(m, r);
	take_out(m, peer);
	job_destroy(job);
	free(peer);
	if (m->listener)
		weir_listener_start(m->listener, on_accept, m);
	else if (m->count == 0)
		weir_loop_stop(m->app->loop);
}

static void on_accept(void *arg, struct weir_transport *t)
{
	struct many *m = arg;
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		goto no_memory;
	peer->many = m;
	(void)weir_transport_name(t); /* known from now on: who is gone has none */
	peer->job = job_create(m->app, t, on_peer_done, peer);
	if (!peer->job)
		goto no_memory;
	add(m, peer);
	return;

no_memory:
	line_print("no memory for another peer");
	free(peer);
	weir_transport_close(t);
}

static void on_signal(void *arg)
{
	struct many *m = arg;

	if (!m->listener)
		return;
	weir_listener_pause(m->listener);
	m->listener = NULL;
	for (struct peer *peer = m->peers; peer; peer = peer->next)
		job_stop(peer->job);
	if (m->count == 0)
		weir_loop_stop(m->app->loop);
}

/* The bytes of all who are here, or have been. */
static void look(const struct many *m, uint64_t out[2])
{
	struct weir_progress p;

	for (int i = 0; i < 2; i++) {
		out[i] = m->out[i];
		for (struct peer *peer = m->peers; peer; peer = peer->next) {
			job_progress(peer->job, i, &p);
			out[i] += p.out;
		}
	}
}

static void tell(struct many *m)
{
	uint64_t out[2];

	look(m, out);
	m->app->tally.peers = m->count;
	m->app->tally.out[0] = out[0];
	m->app->tally.out[1] = out[1];
}

static void run_tell(struct weir_timer *timer)
{
	struct many *m = (struct many *)((char *)timer - offsetof(struct many, tell));

	tell(m);
	weir_timer_set(m->app->ctx, timer, weir_context_now(m->app->ctx) + TELL_NS);
}

/* The first of a team is asked for all. */
static void take_sample(void *arg, struct sample *sample)
{
	struct many *m = arg;

	sample->ways = job_kind_of(m->app->o)->ways;
	sample->many = true;
	sample->peers = (unsigned long)m->count;
	look(m, sample->out);
	for (unsigned i = 1; m->app->team && i < m->app->o->threads; i++) {
		const struct tally *other = &m->app->team[i].tally;

		sample->peers += (unsigned long)other->peers;
		sample->out[0] += other->out[0];
		sample->out[1] += other->out[1];
	}
}

void many_serve(struct app *app)
{
	struct many m = {
		.app = app,
		.listener = app->listener[options_listener(app->o)],
		.tell = {.run = run_tell},
	};
	struct progress progress = {0};

	app->on_signal = on_signal;
	app->on_signal_arg = &m;
	weir_listener_start(m.listener, on_accept, &m);
	if (app->index == 0)
		progress_begin(&progress, app, take_sample, &m);
	else if (progress_is_wanted(app->o))
		run_tell(&m.tell);
	weir_loop_run(app->loop);
	weir_timer_cancel(app->ctx, &m.tell);
	tell(&m);
	progress_end(&progress);
	app->on_signal = NULL;
}

int many_tell(const struct app *app, const struct counts *counts)
{
	if (app->o->verbose)
		report_memory(app);
	line_print("stopped by %s: %llu peers served, %llu failed, %llu cut",
		   app_signal_name(app), (unsigned long long)counts->served,
		   (unsigned long long)counts->failed, (unsigned long long)counts->cut);
	return 128 + app->signum;
}
