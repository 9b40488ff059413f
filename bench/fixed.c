/* SPDX-License-Identifier: MIT */
/*
 * Small runs that are the same each time, for the guard (guard.py): in memory, with a clock
 * that stands still.
 *
 *   fixed copy|messages COUNT
 *
 *   copy      1 MiB of zeros through a loopback to a sink that throws them away
 *   messages  a client sends 1,000 messages of 128 bytes, each when the last one has come
 *             back: client - loopback - relay - loopback - echo
 */
#include <stdbool.h>

#include "bench.h"
#include "weir/context.h"
#include "weir/feeder.h"
#include "weir/join.h"
#include "weir/loopback.h"
#include "weir/pattern.h"
#include "weir/receiver.h"
#include "weir/relay.h"

#define COPY_SIZE    ((uint64_t)1 << 20)
#define MESSAGES     1000
#define MESSAGE_SIZE 128

static uint64_t fixed_clock(void *arg)
{
	(void)arg;
	return 1;
}

static void require(int rc)
{
	if (rc == 0)
		return;
	fprintf(stderr, "fixed: %s\n", weir_err_text(rc));
	exit(1);
}

static void require_that(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fixed: %s\n", what);
	exit(1);
}

static void run(struct weir_context *ctx)
{
	while (weir_context_next(ctx) == 0)
		weir_context_run(ctx);
}

/* ---- copy ---- */

static void copy(struct weir_context *ctx)
{
	struct weir_transport *from, *left, *right, *to;
	struct weir_join *in, *out;
	struct weir_outcome outcome;

	require(weir_pattern_zero(ctx, COPY_SIZE, &from));
	require(weir_loopback_create(ctx, &left, &right));
	require(weir_pattern_null(ctx, &to));
	require(weir_join_create(ctx, weir_transport_source(from), weir_transport_sink(left), NULL,
	                         &in));
	require(weir_join_create(ctx, weir_transport_source(right), weir_transport_sink(to), NULL,
	                         &out));
	run(ctx);
	weir_join_outcome(out, &outcome);
	require_that(outcome.end == WEIR_FINISHED && outcome.offset == COPY_SIZE,
	             "the copy is not complete");
	weir_join_destroy(in);
	weir_join_destroy(out);
	weir_transport_close(from);
	weir_transport_close(left);
	weir_transport_close(right);
	weir_transport_close(to);
	run(ctx);
}

/* ---- messages ---- */

struct client {
	struct weir_feeder *feeder;
	unsigned char message[MESSAGE_SIZE];
	size_t came; /* bytes of the message that is under way */
	unsigned done;
};

static void send_one(void *arg)
{
	struct client *client = arg;

	require(weir_feeder_feed(client->feeder, client->message, MESSAGE_SIZE));
}

static int on_data(void *arg, const void *bytes, size_t len)
{
	struct client *client = arg;

	(void)bytes;
	client->came += len;
	if (client->came < MESSAGE_SIZE)
		return 0;
	client->came = 0;
	if (++client->done < MESSAGES)
		send_one(client);
	else
		weir_feeder_end(client->feeder, 0);
	return 0;
}

static struct weir_relay_side side(struct weir_transport *t)
{
	return (struct weir_relay_side){weir_transport_source(t), weir_transport_sink(t)};
}

static void messages(struct weir_context *ctx)
{
	struct client client = {.message = "message"};
	struct weir_receiver_options receive = {.on_data = on_data, .arg = &client};
	struct weir_feeder_options feed = {.on_resume = send_one, .arg = &client};
	struct weir_transport *ends[4];
	struct weir_receiver *receiver;
	struct weir_relay *relay;
	struct weir_join *echo;

	require(weir_loopback_create(ctx, &ends[0], &ends[1]));
	require(weir_loopback_create(ctx, &ends[2], &ends[3]));
	require(weir_relay_create(ctx, side(ends[1]), side(ends[2]), NULL, &relay));
	require(weir_join_create(ctx, weir_transport_source(ends[3]), weir_transport_sink(ends[3]),
	                         NULL, &echo));
	require(weir_receiver_create(ctx, &receive, &receiver));
	require(weir_consumer_register(weir_receiver_sink(receiver), weir_transport_source(ends[0]),
	                               WEIR_PUSH));
	require(weir_feeder_create(ctx, &feed, &client.feeder));
	require(weir_consumer_register(weir_transport_sink(ends[0]),
	                               weir_feeder_source(client.feeder), WEIR_PUSH));
	run(ctx);
	require_that(client.done == MESSAGES, "not all messages came back");
	weir_relay_destroy(relay);
	weir_join_destroy(echo);
	for (int i = 0; i < 4; i++)
		weir_transport_close(ends[i]);
	weir_receiver_destroy(receiver);
	weir_feeder_destroy(client.feeder);
	run(ctx);
}

int main(int argc, char **argv)
{
	void (*what)(struct weir_context * ctx) = NULL;
	struct weir_budget budget;
	struct weir_context ctx;
	long count;

	if (argc == 3 && strcmp(argv[1], "copy") == 0)
		what = copy;
	else if (argc == 3 && strcmp(argv[1], "messages") == 0)
		what = messages;
	if (!what) {
		fprintf(stderr, "usage: fixed copy|messages COUNT\n");
		return 2;
	}
	count = number(argv[2]);
	weir_budget_init(&budget, WEIR_BUDGET_DEFAULT);
	weir_context_init(&ctx, &budget, fixed_clock, NULL, NULL);
	for (long i = 0; i < count; i++)
		what(&ctx);
	weir_context_fini(&ctx);
	return 0;
}
