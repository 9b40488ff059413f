/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_NET_FIXTURE_H
#define WEIR_TESTS_NET_FIXTURE_H
/*
 * net_fixture.h -- what the tests of TCP and UNIX sockets share: a loop that must be
 * left as it was found, waiting with a deadline, a source and a sink of known bytes,
 * and peers on plain sockets.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/loop_priv.h"
#include "fds.h"
#include "weir/impl/producer.h"
#include "weir/impl/transport.h"
#include "weir/impl/valve.h"
#include "weir/join.h"
#include "weir/listener.h"
#include "weir/loop.h"
#include "weir/transport.h"

#define MS WEIR_NS_PER_MS

/* Longer than anything here takes, on a machine that does other things too. */
#define PATIENCE (20 * WEIR_NS_PER_S)

static inline uint64_t clock_ns(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (uint64_t)t.tv_sec * WEIR_NS_PER_S + (uint64_t)t.tv_nsec;
}

/* --- the loop --------------------------------------------------------------- */

struct bench {
	struct weir_loop *loop;
	int fds;
	/* wait_for() */
	struct weir_timer tick;
	bool (*done)(void *arg);
	void *arg;
	uint64_t until;
};

/* For a whole group: libuv keeps a few descriptors from its first loop on. */
static inline int warm_up(void **state)
{
	struct weir_loop *loop;

	(void)state;
	assert_int_equal(weir_loop_create(NULL, &loop), 0);
	weir_loop_destroy(loop);
	return 0;
}

static inline int bench_set_up(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	alarm(60); /* what a failed test leaves open keeps its loop running */
	b->fds = weir_test_open_fds();
	assert_true(b->fds > 0);
	assert_int_equal(weir_loop_create(NULL, &b->loop), 0);
	*state = b;
	return 0;
}

/* Nothing is left that keeps the loop running, holds memory or a descriptor. */
static inline int bench_tear_down(void **state)
{
	struct bench *b = *state;
	struct weir_budget *budget = weir_loop_budget(b->loop);

	weir_loop_run(b->loop);
	assert_int_equal(budget->used, b->loop->scratch_size + b->loop->provided);
	assert_int_equal(b->loop->objects, 0);
	weir_loop_destroy(b->loop);
	assert_int_equal(weir_test_open_fds(), b->fds);
	alarm(0);
	free(b);
	return 0;
}

static inline void bench_on_tick(struct weir_timer *timer)
{
	struct bench *b = (void *)((char *)timer - offsetof(struct bench, tick));
	struct weir_context *ctx = weir_loop_context(b->loop);

	if (b->done(b->arg) || clock_ns(CLOCK_MONOTONIC) >= b->until)
		weir_loop_stop(b->loop);
	else
		weir_timer_set(ctx, timer, weir_context_now(ctx) + MS);
}

/* Run the loop until done(arg), at most for `ns`.  Returns whether it is done. */
static inline bool wait_at_most(struct bench *b, uint64_t ns, bool (*done)(void *arg), void *arg)
{
	struct weir_context *ctx = weir_loop_context(b->loop);

	b->done = done;
	b->arg = arg;
	b->until = clock_ns(CLOCK_MONOTONIC) + ns;
	b->tick.run = bench_on_tick;
	weir_timer_set(ctx, &b->tick, weir_context_now(ctx));
	weir_loop_run(b->loop);
	weir_timer_cancel(ctx, &b->tick);
	return done(arg);
}

#define wait_for(b, done, arg) assert_true(wait_at_most(b, PATIENCE, done, arg))

static inline bool never(void *arg)
{
	(void)arg;
	return false;
}

/* Let happen what wants to happen. */
static inline void run_for(struct bench *b, uint64_t ns)
{
	wait_at_most(b, ns, never, NULL);
}

/* --- openings and peers ----------------------------------------------------- */

struct opened {
	unsigned calls;
	int rc;
	struct weir_transport *t;
};

static inline void on_open(void *arg, int rc, struct weir_transport *t)
{
	struct opened *o = arg;

	o->calls++;
	o->rc = rc;
	o->t = t;
	assert_true((rc == 0) == (t != NULL));
}

static inline bool is_opened(void *arg)
{
	return ((struct opened *)arg)->calls > 0;
}

#define ACCEPTED_MAX 128

struct accepted {
	struct weir_listener *l;
	unsigned count;
	unsigned pause_at, close_at; /* what to do when that many came; 0: nothing */
	struct weir_transport *t[ACCEPTED_MAX];
};

static inline void on_accept(void *arg, struct weir_transport *t)
{
	struct accepted *a = arg;

	assert_true(a->count < ACCEPTED_MAX);
	a->t[a->count++] = t;
	if (a->count == a->pause_at)
		weir_listener_pause(a->l);
	if (a->count == a->close_at) {
		weir_listener_close(a->l);
		a->l = NULL;
	}
}

static inline bool has_accepted_1(void *arg)
{
	return ((struct accepted *)arg)->count >= 1;
}

static inline bool has_accepted_3(void *arg)
{
	return ((struct accepted *)arg)->count >= 3;
}

static inline void close_accepted(struct accepted *a)
{
	for (unsigned i = 0; i < a->count; i++)
		weir_transport_close(a->t[i]);
	a->count = 0;
}

/* --- a source and a sink of known bytes ------------------------------------- */

static inline unsigned char byte_at(uint64_t offset)
{
	return (unsigned char)((offset * UINT64_C(0x9E3779B97F4A7C15)) >> 56);
}

static inline void fill(unsigned char *out, size_t len, uint64_t offset)
{
	for (size_t i = 0; i < len; i++)
		out[i] = byte_at(offset + i);
}

/* Gives `size` bytes, a chunk a pull. */
struct giver {
	struct weir_producer base;
	uint64_t at, size;
	int stopped;
};

static inline void giver_resume(struct weir_producer *p)
{
	struct giver *g = (struct giver *)p;
	unsigned char chunk[50000];
	uint64_t left = g->size - g->at;
	size_t n = left < sizeof(chunk) ? (size_t)left : sizeof(chunk);

	if (n == 0) {
		weir_producer_end(p, 0);
		return;
	}
	fill(chunk, n, g->at);
	if (weir_consumer_write(p->consumer, chunk, n) == 0)
		g->at += n;
}

static inline void giver_pause(struct weir_producer *p)
{
	(void)p;
}

static inline void giver_stop(struct weir_producer *p, int why)
{
	((struct giver *)p)->stopped = why;
}

static const struct weir_producer_ops giver_ops = {
	.name = "giver",
	.start = weir_producer_pass_start,
	.pause = giver_pause,
	.resume = giver_resume,
	.stop = giver_stop,
};

static inline void giver_start(struct giver *g, uint64_t size, struct weir_transport *t)
{
	*g = (struct giver){.size = size};
	weir_producer_init(&g->base, &giver_ops, WEIR_PULL);
	assert_int_equal(weir_consumer_register(weir_transport_sink(t), &g->base, WEIR_PULL), 0);
}

/* Takes bytes and checks them. */
struct taker {
	struct weir_valve valve;
	uint64_t at;
	uint64_t wrong; /* bytes */
	bool ended;
	int why;
	struct weir_end_watch watch;
};

static inline int64_t taker_drain(struct weir_valve *v, const struct weir_chunk *chunks,
                                  size_t count)
{
	struct taker *k = (struct taker *)v;
	int64_t taken = 0;

	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < chunks[i].len; j++)
			k->wrong += chunks[i].data[j] != byte_at(k->at + j);
		k->at += chunks[i].len;
		taken += (int64_t)chunks[i].len;
	}
	return taken;
}

static const struct weir_valve_ops taker_ops = {
	.name = "taker",
	.drain = taker_drain,
	.end = weir_valve_pass_end,
};

static inline void taker_on_end(void *arg, int why)
{
	struct taker *k = arg;

	assert_false(k->ended);
	k->ended = true;
	k->why = why;
}

static inline void taker_start(struct taker *k, struct bench *b, struct weir_transport *t)
{
	*k = (struct taker){0};
	weir_valve_init(&k->valve, &taker_ops, weir_loop_context(b->loop));
	weir_consumer_watch_end(&k->valve.base, &k->watch, taker_on_end, k);
	assert_int_equal(
		weir_consumer_register(&k->valve.base, weir_transport_source(t), WEIR_PUSH), 0);
}

static inline bool has_taker_ended(void *arg)
{
	return ((struct taker *)arg)->ended;
}

/* A consumer's end, for those that are not takers. */
struct ending {
	bool ended;
	int why;
	struct weir_end_watch watch;
};

static inline void on_ending(void *arg, int why)
{
	*(struct ending *)arg = (struct ending){.ended = true, .why = why};
}

static inline bool has_ended(void *arg)
{
	return ((struct ending *)arg)->ended;
}

/* --- echo ------------------------------------------------------------------- */

struct echo {
	struct weir_join *join;
	bool done;
	struct weir_outcome outcome;
};

static inline void on_echo_done(struct weir_join *join, const struct weir_outcome *outcome,
                                void *arg)
{
	struct echo *e = arg;

	e->done = true;
	e->outcome = *outcome;
	weir_join_destroy(join);
}

static inline bool is_echo_done(void *arg)
{
	return ((struct echo *)arg)->done;
}

/* Send `size` bytes from `client` to `server`, which sends them back, until both
 * ways have ended; close both. */
static inline void echo_between(struct bench *b, struct weir_transport *client,
                                struct weir_transport *server, uint64_t size)
{
	struct echo e = {0};
	const struct weir_join_options options = {.on_done = on_echo_done, .arg = &e};
	struct giver g;
	struct taker k;

	assert_int_equal(weir_join_create(weir_loop_context(b->loop), weir_transport_source(server),
	                                  weir_transport_sink(server), &options, &e.join),
	                 0);
	taker_start(&k, b, client);
	giver_start(&g, size, client);
	wait_for(b, has_taker_ended, &k);
	wait_for(b, is_echo_done, &e);
	assert_int_equal(k.why, 0);
	assert_int_equal(k.wrong, 0);
	assert_int_equal(k.at, size);
	assert_int_equal(e.outcome.end, WEIR_FINISHED);
	assert_int_equal(e.outcome.offset, size);
	weir_transport_close(client);
	weir_transport_close(server);
}

/* --- peers on plain sockets, in threads of their own ------------------------ */

/* Takes all that comes until the end, then sends `size` bytes and closes. */
struct late_peer {
	pthread_t thread;
	int fd;
	uint64_t size;
	uint64_t got, wrong;
	int error;
};

static inline void *late_peer_run(void *arg)
{
	struct late_peer *p = arg;
	unsigned char chunk[20000];
	ssize_t n;

	while ((n = recv(p->fd, chunk, sizeof(chunk), 0)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			p->wrong += chunk[i] != byte_at(p->got + (uint64_t)i);
		p->got += (uint64_t)n;
	}
	p->error = n < 0 ? errno : 0;
	for (uint64_t at = 0; p->error == 0 && at < p->size; at += (uint64_t)n) {
		uint64_t left = p->size - at;

		n = left < sizeof(chunk) ? (ssize_t)left : (ssize_t)sizeof(chunk);
		fill(chunk, (size_t)n, at);
		n = send(p->fd, chunk, (size_t)n, MSG_NOSIGNAL);
		if (n < 0)
			p->error = errno;
	}
	close(p->fd);
	return NULL;
}

#endif
