/* SPDX-License-Identifier: MIT */
/*
 * A producer that says when it was paused and when it was resumed.
 *
 *   resume_weir PORT
 *
 * It writes 64 KiB at a time to a TCP peer until it is paused, prints "paused", and when it is
 * resumed the nanoseconds of the monotonic clock; then it goes on.
 */
#include <signal.h>
#include <stdbool.h>
#include <uv.h>

#include "bench.h"
#include "weir/feeder.h"
#include "weir/loop.h"
#include "weir/tcp.h"

static struct weir_feeder *feeder;
static struct weir_loop *loop;
static unsigned char chunk[65536];
static bool paused;

static void fill(void)
{
	while (weir_feeder_feed(feeder, chunk, sizeof(chunk)) == 0)
		;
}

static void on_pause(void *arg)
{
	(void)arg;
	paused = true;
	puts("paused");
	fflush(stdout);
}

static void on_resume(void *arg)
{
	(void)arg;
	if (paused) {
		printf("%llu\n", (unsigned long long)uv_hrtime());
		fflush(stdout);
	}
	paused = false;
	fill();
}

static void on_stop(void *arg, int why)
{
	(void)arg;
	(void)why;
	weir_loop_stop(loop);
}

static void on_connect(void *arg, int status, struct weir_transport *t)
{
	(void)arg;
	if (status < 0 || weir_consumer_register(weir_transport_sink(t), weir_feeder_source(feeder),
	                                         WEIR_PUSH) < 0)
		exit(1);
}

int main(int argc, char **argv)
{
	struct weir_feeder_options options = {
		.on_pause = on_pause,
		.on_resume = on_resume,
		.on_stop = on_stop,
	};

	if (argc != 2 || weir_loop_create(NULL, &loop) < 0 ||
	    weir_feeder_create(weir_loop_context(loop), &options, &feeder) < 0 ||
	    weir_tcp_connect(loop, "127.0.0.1", argv[1], NULL, on_connect, NULL, NULL) < 0)
		return 1;
	signal(SIGPIPE, SIG_IGN);
	weir_loop_run(loop);
	return 0;
}
