/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_FILE_FIXTURE_H
#define WEIR_TEST_FILE_FIXTURE_H
/*
 * file_fixture.h -- for tests of transports with real descriptors: a loop that is checked
 * for leaks, a source and a sink whose every step is seen, a folder that goes away.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/loop_priv.h"
#include "fds.h"
#include "weir/impl/producer.h"
#include "weir/impl/valve.h"
#include "weir/join.h"
#include "weir/transport.h"

#define DEADLINE_MS 20000

static struct weir_loop *loop;
static int fds_before;

/* ---- the loop ---- */

static inline void open_loop_with(const struct weir_loop_options *options)
{
	static bool warm;

	/* libuv's first loop opens descriptors that stay. */
	if (!warm) {
		assert_int_equal(weir_loop_create(NULL, &loop), 0);
		weir_loop_destroy(loop);
		warm = true;
	}
	fds_before = weir_test_open_fds();
	assert_int_equal(weir_loop_create(options, &loop), 0);
}

static inline void open_loop(void)
{
	open_loop_with(NULL);
}

static inline void late(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

/* Turn the loop until `done(arg)`, with a deadline. */
static inline bool turn_until(bool (*done)(void *arg), void *arg)
{
	bool over = false;
	uv_timer_t timer;

	uv_timer_init(loop->uv, &timer);
	timer.data = &over;
	uv_timer_start(&timer, late, DEADLINE_MS, 0);
	while (!done(arg) && !over)
		uv_run(loop->uv, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(loop->uv, UV_RUN_NOWAIT);
	return !over;
}

static inline bool objects_gone(void *arg)
{
	(void)arg;
	return loop->objects == 0;
}

/* Everything has been closed: nothing may be left. */
static inline void close_loop(void)
{
	assert_true(turn_until(objects_gone, NULL));
	assert_int_equal(loop->ctx.pool.taken, 0);
	assert_int_equal(loop->budget.used, loop->scratch_size + loop->provided);
	weir_loop_destroy(loop);
	loop = NULL;
	assert_int_equal(weir_test_open_fds(), fds_before);
}

/* ---- bytes ---- */

static inline unsigned char byte_at(uint64_t offset)
{
	return (unsigned char)(offset * 31 + (offset >> 8) * 7 + (offset >> 16));
}

static inline unsigned char *make_bytes(uint64_t offset, size_t len)
{
	unsigned char *data = malloc(len ? len : 1);

	assert_non_null(data);
	for (size_t i = 0; i < len; i++)
		data[i] = byte_at(offset + i);
	return data;
}

/* ---- a sink that keeps what it gets ---- */

struct bin {
	struct weir_valve valve;
	unsigned char *data;
	size_t len, cap;
	size_t stop_at;     /* take no more than so many bytes in all */
	size_t per_turn;    /* nor in one turn */
	size_t most_a_turn; /* seen */
	size_t most_held;   /* seen */
	uint64_t turn;
	size_t in_turn;
	struct weir_task more;
	void (*on_bytes)(struct bin *b); /* after each drain */
	bool finished;
	int failed;
};

static inline int64_t bin_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct bin *b = (struct bin *)v;
	int64_t taken = 0;

	if (b->turn != loop->ctx.turn) {
		b->turn = loop->ctx.turn;
		b->in_turn = 0;
	}
	for (size_t i = 0; i < count; i++) {
		size_t n = chunks[i].len;

		if (n > b->stop_at - b->len)
			n = b->stop_at - b->len;
		if (n > b->per_turn - b->in_turn)
			n = b->per_turn - b->in_turn;
		if (b->len + n > b->cap) {
			b->cap = 2 * (b->len + n);
			b->data = realloc(b->data, b->cap);
			assert_non_null(b->data);
		}
		memcpy(b->data + b->len, chunks[i].data, n);
		b->len += n;
		b->in_turn += n;
		taken += (int64_t)n;
		if (n < chunks[i].len) {
			if (b->len < b->stop_at)
				weir_task_queue(&loop->ctx, &b->more);
			break;
		}
	}
	if (b->in_turn > b->most_a_turn)
		b->most_a_turn = b->in_turn;
	if (b->on_bytes)
		b->on_bytes(b);
	return taken;
}

static inline void bin_end(struct weir_valve *v, int why)
{
	struct bin *b = (struct bin *)v;

	b->finished = why == 0;
	b->failed = why;
	if (why == 0)
		weir_valve_done(v, 0);
}

static inline void bin_more(struct weir_task *task)
{
	struct bin *b = (struct bin *)((char *)task - offsetof(struct bin, more));

	weir_valve_ready(&b->valve);
}

static const struct weir_valve_ops bin_ops = {
	.name = "bin",
	.drain = bin_drain,
	.end = bin_end,
};

static inline void bin_init(struct bin *b)
{
	*b = (struct bin){.stop_at = SIZE_MAX, .per_turn = SIZE_MAX, .more = {.run = bin_more}};
	weir_valve_init(&b->valve, &bin_ops, &loop->ctx);
}

static inline void bin_fini(struct bin *b)
{
	weir_task_cancel(&b->more);
	weir_valve_fini(&b->valve);
	free(b->data);
	b->data = NULL;
}

static inline bool bin_holds(const struct bin *b, uint64_t offset, size_t len)
{
	if (b->len != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (b->data[i] != byte_at(offset + i))
			return false;
	}
	return true;
}

/* ---- a source that gives byte_at(0), byte_at(1), ... ---- */

struct gen {
	struct weir_producer base;
	struct weir_task task;
	uint64_t given, total;
	size_t piece;
	int why; /* of the end after `total` */
	bool open_ended; /* no end after `total` */
	bool paused, ended;
	unsigned pauses, resumes, stops;
	int stop_why;
	unsigned char *buffer;
};

static inline void gen_run(struct weir_task *task)
{
	struct gen *g = (struct gen *)((char *)task - offsetof(struct gen, task));

	while (g->base.consumer && !g->paused && g->given < g->total) {
		size_t len = g->piece;
		int rc;

		if (len > g->total - g->given)
			len = (size_t)(g->total - g->given);
		for (size_t i = 0; i < len; i++)
			g->buffer[i] = byte_at(g->given + i);
		rc = weir_consumer_write(g->base.consumer, g->buffer, len);
		if (rc < 0)
			break;
		g->given += len;
	}
	if (g->base.consumer && g->given == g->total && !g->ended && !g->open_ended) {
		g->ended = true;
		weir_producer_end(&g->base, g->why);
	}
}

static inline void gen_go(struct gen *g)
{
	g->paused = false;
	weir_task_queue(&loop->ctx, &g->task);
}

static inline void gen_start(struct weir_producer *p)
{
	gen_go((struct gen *)p);
}

static inline void gen_pause(struct weir_producer *p)
{
	struct gen *g = (struct gen *)p;

	assert_false(g->paused);
	g->paused = true;
	g->pauses++;
}

static inline void gen_resume(struct weir_producer *p)
{
	struct gen *g = (struct gen *)p;

	assert_true(g->paused);
	g->resumes++;
	gen_go(g);
}

static inline void gen_stop(struct weir_producer *p, int why)
{
	struct gen *g = (struct gen *)p;

	g->stops++;
	g->stop_why = why;
	weir_task_cancel(&g->task);
}

static const struct weir_producer_ops gen_ops = {
	.name = "gen",
	.start = gen_start,
	.pause = gen_pause,
	.resume = gen_resume,
	.stop = gen_stop,
};

static inline void gen_init(struct gen *g, uint64_t total, size_t piece)
{
	*g = (struct gen){.total = total, .piece = piece, .task = {.run = gen_run}};
	weir_producer_init(&g->base, &gen_ops, WEIR_PUSH);
	g->buffer = malloc(piece);
	assert_non_null(g->buffer);
}

static inline void gen_fini(struct gen *g)
{
	weir_task_cancel(&g->task);
	free(g->buffer);
	g->buffer = NULL;
}

/* ---- joining ---- */

struct joined {
	struct weir_join *join;
	struct weir_outcome outcome;
	bool done;
};

static inline void on_joined(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	struct joined *j = arg;

	(void)join;
	j->outcome = *outcome;
	j->done = true;
}

static inline void join_start(struct joined *j, struct weir_producer *source,
			      struct weir_consumer *sink)
{
	struct weir_join_options options = {.on_done = on_joined, .arg = j};

	*j = (struct joined){.done = false};
	assert_int_equal(weir_join_create(&loop->ctx, source, sink, &options, &j->join), 0);
}

static inline bool join_is_done(void *arg)
{
	return ((struct joined *)arg)->done;
}

static inline struct weir_outcome join_wait(struct joined *j)
{
	assert_true(turn_until(join_is_done, j));
	weir_join_destroy(j->join);
	return j->outcome;
}

static inline struct weir_outcome join_run(struct weir_producer *source, struct weir_consumer *sink)
{
	struct joined j;

	join_start(&j, source, sink);
	return join_wait(&j);
}

/* ---- a folder for a test's files ---- */

static char folder[64];

static inline int enter_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/weir-test-XXXXXX");
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static inline int leave_folder(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static inline void put_file(const char *path, uint64_t offset, size_t len)
{
	unsigned char *data = make_bytes(offset, len);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	for (size_t done = 0; done < len; ) {
		ssize_t n = write(fd, data + done, len - done);

		assert_true(n > 0);
		done += (size_t)n;
	}
	close(fd);
	free(data);
}

/* The file has exactly the bytes from `offset` on. */
static inline bool file_holds(const char *path, uint64_t offset, size_t len)
{
	unsigned char part[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t at = 0;
	bool same = fd >= 0;
	ssize_t n;

	while (same && (n = read(fd, part, sizeof(part))) > 0) {
		for (ssize_t i = 0; i < n && same; i++)
			same = part[i] == byte_at(offset + at + (uint64_t)i);
		at += (uint64_t)n;
	}
	if (fd >= 0)
		close(fd);
	return same && at == len;
}

static inline bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* Drop the file's pages from the page cache. */
static inline void make_cold(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	fsync(fd);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	close(fd);
}

/* It worked: not every file system has a page cache to drop from. */
static inline bool is_cold(const char *path, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char here = 1;
	void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	bool cold = map != MAP_FAILED && mincore((char *)map + len / 2 / 4096 * 4096, 1, &here) == 0 && !(here & 1);

	if (map != MAP_FAILED)
		munmap(map, len);
	close(fd);
	return cold;
}

/* A cold file "a" of `len` bytes passes whole through a loop with a small budget, which is
 * kept.  `open_a` opens it, once there is the loop. */
static inline void read_on_a_small_budget(struct weir_transport *(*open_a)(void), size_t len)
{
	struct weir_loop_options options = {.budget = 300 << 10};
	struct weir_transport *t;
	struct joined j;
	struct bin b;

	put_file("a", 0, len);
	make_cold("a");
	open_loop_with(&options);
	bin_init(&b);
	b.per_turn = 20000;
	t = open_a();
	join_start(&j, weir_transport_source(t), &b.valve.base);
	assert_int_equal(join_wait(&j).end, WEIR_FINISHED);
	assert_true(bin_holds(&b, 0, len));
	assert_true(loop->budget.peak <= options.budget);
	weir_transport_close(t);
	bin_fini(&b);
	close_loop();
}

#endif
