/* SPDX-License-Identifier: MIT */
/*
 * How long does a file hold up the loop?  A timer of 1 ms runs beside the copying of a
 * large file; each tick that is late is a stall.  Figures, no verdict: other work on the
 * machine is in them, and the first row says how much of that there is.
 *
 *   file_stall [MEBIBYTES [FOLDER]]
 *
 * A disk that is as fast as memory shows nothing: limit it, for example by the control
 * group's blkio.throttle.read_bps_device or io.max.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "weir/file.h"
#include "weir/impl/producer.h"
#include "weir/join.h"
#include "weir/loop.h"

#define TICKS_MAX 1000000
#define BLOCK ((size_t)1 << 20)

static struct weir_loop *loop;
static uint64_t last_tick;
static double late_ms[TICKS_MAX];
static size_t ticks;

static void die(const char *what, int rc)
{
	fprintf(stderr, "file_stall: %s: %s\n", what, weir_err_text(rc));
	exit(1);
}

static void on_tick(uv_timer_t *timer)
{
	uint64_t now = uv_hrtime();
	double late = (double)(now - last_tick) / 1e6 - 1.0;

	(void)timer;
	if (last_tick && ticks < TICKS_MAX)
		late_ms[ticks++] = late > 0 ? late : 0;
	last_tick = now;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(const char *name, uint64_t bytes, double seconds)
{
	size_t over = 0;

	qsort(late_ms, ticks, sizeof(late_ms[0]), compare);
	for (size_t i = 0; i < ticks; i++)
		over += late_ms[i] > 5;
	printf("%-34s %8.0f MB/s  worst %8.2f ms  p99 %7.2f ms  over 5 ms: %zu of %zu\n", name,
	       (double)bytes / seconds / 1e6, ticks ? late_ms[ticks - 1] : 0,
	       ticks ? late_ms[ticks * 99 / 100] : 0, over, ticks);
	fflush(stdout);
}

static void on_done(struct weir_join *join, const struct weir_outcome *o, void *arg)
{
	(void)join;
	*(struct weir_outcome *)arg = *o;
	weir_loop_stop(loop);
}

/* What a program without RWF_NOWAIT and workers does: read in the loop. */
struct naive {
	struct weir_producer base;
	struct weir_task task;
	int fd;
	char *data;
};

static void naive_run(struct weir_task *task)
{
	struct naive *n = (struct naive *)((char *)task - offsetof(struct naive, task));
	ssize_t len = read(n->fd, n->data, BLOCK);

	if (!n->base.consumer)
		return;
	if (len <= 0)
		weir_producer_end(&n->base, len < 0 ? -errno : 0);
	else if (weir_consumer_write(n->base.consumer, n->data, (size_t)len) == 0)
		weir_task_queue(weir_loop_context(loop), &n->task);
}

static void naive_start(struct weir_producer *p)
{
	weir_task_queue(weir_loop_context(loop), &((struct naive *)p)->task);
}

static void naive_pause(struct weir_producer *p)
{
	weir_task_cancel(&((struct naive *)p)->task);
}

static void naive_stop(struct weir_producer *p, int why)
{
	(void)why;
	naive_pause(p);
}

static const struct weir_producer_ops naive_ops = {
	.name = "naive",
	.start = naive_start,
	.pause = naive_pause,
	.resume = naive_start,
	.stop = naive_stop,
};

static void make_cold(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

static void measure(const char *name, const char *from, const char *to, bool sync, bool naively)
{
	struct weir_file_write_options options = {.mode = WEIR_FILE_REPLACE, .sync = sync};
	struct weir_outcome outcome = {.end = WEIR_RUNNING};
	struct weir_join_options join_options = {.on_done = on_done, .arg = &outcome};
	struct weir_transport *in = NULL, *out;
	struct weir_producer *source = NULL;
	struct weir_join *join;
	struct naive naive = {.task = {.run = naive_run}, .fd = -1};
	uv_timer_t timer;
	uint64_t start;
	int rc;

	weir_producer_init(&naive.base, &naive_ops, WEIR_PUSH);
	rc = weir_file_write(loop, to, &options, &out);
	if (rc == 0 && naively) {
		naive.fd = open(from, O_RDONLY | O_CLOEXEC);
		naive.data = malloc(BLOCK);
		rc = naive.fd < 0 || !naive.data ? -errno : 0;
		source = &naive.base;
	} else if (rc == 0) {
		rc = weir_file_read(loop, from, NULL, &in);
		source = in ? weir_transport_source(in) : NULL;
	}
	if (rc < 0)
		die(name, rc);
	ticks = 0;
	last_tick = 0;
	uv_timer_init(weir_loop_uv(loop), &timer);
	uv_timer_start(&timer, on_tick, 1, 1);
	start = uv_hrtime();
	rc = weir_join_create(weir_loop_context(loop), source, weir_transport_sink(out),
			      &join_options, &join);
	if (rc < 0)
		die(name, rc);
	weir_loop_run(loop);
	if (outcome.end != WEIR_FINISHED)
		die(name, outcome.cause);
	report(name, outcome.offset, (double)(uv_hrtime() - start) / 1e9);
	uv_close((uv_handle_t *)&timer, NULL);
	weir_join_destroy(join);
	weir_transport_close(in);
	weir_transport_close(out);
	if (naive.fd >= 0)
		close(naive.fd);
	free(naive.data);
	weir_loop_run(loop);
}

static void on_second(uv_timer_t *timer)
{
	(void)timer;
	weir_loop_stop(loop);
}

static void measure_nothing(void)
{
	uv_timer_t timer, end;

	ticks = 0;
	last_tick = 0;
	uv_timer_init(weir_loop_uv(loop), &timer);
	uv_timer_init(weir_loop_uv(loop), &end);
	uv_timer_start(&timer, on_tick, 1, 1);
	uv_timer_start(&end, on_second, 2000, 0);
	weir_loop_run(loop);
	report("nothing: the timer alone", 0, 1);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_close((uv_handle_t *)&end, NULL);
	weir_loop_run(loop);
}

static void make_file(const char *path, size_t mebibytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char *data = malloc(BLOCK);

	if (fd < 0 || !data)
		die(path, -errno);
	for (size_t i = 0; i < BLOCK; i++)
		data[i] = (char)(i * 31 + (i >> 8));
	for (size_t i = 0; i < mebibytes; i++) {
		if (write(fd, data, BLOCK) != (ssize_t)BLOCK)
			die(path, -errno);
	}
	free(data);
	close(fd);
}

int main(int argc, char **argv)
{
	size_t mebibytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 1024;
	const char *folder = argc > 2 ? argv[2] : ".";
	char from[512], to[512];

	snprintf(from, sizeof(from), "%s/file_stall.in", folder);
	snprintf(to, sizeof(to), "%s/file_stall.out", folder);
	make_file(from, mebibytes);
	if (weir_loop_create(NULL, &loop) < 0)
		die("loop", -ENOMEM);
	measure_nothing();
	make_cold(from);
	measure("cold file to /dev/null, read()", from, "/dev/null", false, true);
	make_cold(from);
	measure("cold file to /dev/null", from, "/dev/null", false, false);
	measure("cached file to /dev/null", from, "/dev/null", false, false);
	make_cold(from);
	measure("cold file to a file", from, to, false, false);
	measure("cached file to a file", from, to, false, false);
	measure("cached file to a file, synced", from, to, true, false);
	weir_loop_destroy(loop);
	unlink(from);
	unlink(to);
	return 0;
}
