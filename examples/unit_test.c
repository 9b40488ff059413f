/* SPDX-License-Identifier: MIT */
/*
 * A unit test of one's own code without a network: a server that counts to a hundred
 * thousand for whoever says a word, and a peer that the test plays.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir/impl/valve.h"
#include "weir/weir.h"

/* ---- the code under test ---- */

struct server {
	struct weir_producer answer; /* pulled by the connection */
	struct weir_valve question;  /* what the peer says */
	struct weir_consumer *out;
	unsigned next;
};

static void answer_on(struct weir_producer *p)
{
	struct server *server = (struct server *)p;
	char line[16];
	int len = snprintf(line, sizeof(line), "%u\n", server->next);

	if (server->next > 100000)
		weir_producer_end(p, 0);
	else if (weir_consumer_write(p->consumer, line, (size_t)len) == 0)
		server->next++;
}

static void nothing(struct weir_producer *p)
{
	(void)p;
}

static void answer_stopped(struct weir_producer *p, int why)
{
	(void)p;
	(void)why;
}

static const struct weir_producer_ops answer_ops = {
	.name = "answer",
	.start = nothing,
	.pause = nothing,
	.resume = answer_on,
	.stop = answer_stopped,
};

/* Any word is a question. */
static int64_t hear(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct server *server =
		(struct server *)((char *)v - offsetof(struct server, question));
	int64_t heard = 0;

	for (size_t i = 0; i < count; i++)
		heard += (int64_t)chunks[i].len;
	if (!server->answer.consumer &&
	    weir_consumer_register(server->out, &server->answer, WEIR_PULL) < 0)
		return WEIR_ECLOSED;
	return heard;
}

static void heard_all(struct weir_valve *v, int why)
{
	weir_valve_done(v, why);
}

static const struct weir_valve_ops question_ops = {
	.name = "question",
	.drain = hear,
	.end = heard_all,
};

static int server_accept(struct server *server, struct weir_context *ctx, struct weir_transport *t)
{
	*server = (struct server){.next = 1, .out = weir_transport_sink(t)};
	weir_producer_init(&server->answer, &answer_ops, WEIR_PULL);
	weir_valve_init(&server->question, &question_ops, ctx);
	return weir_consumer_register(&server->question.base, weir_transport_source(t), WEIR_PUSH);
}

/* ---- the test ---- */

#define CHECK(claim) ((claim) ? (void)0 : (fprintf(stderr, "not so: %s\n", #claim), exit(1)))

static uint64_t no_time(void *arg)
{
	(void)arg;
	return 0;
}

static void no_wake(void *arg)
{
	(void)arg;
}

static struct weir_memory_state look(const struct weir_memory *m)
{
	struct weir_memory_state s;

	weir_memory_state(m, &s);
	return s;
}

int main(void)
{
	struct weir_budget budget;
	struct weir_context ctx;
	struct weir_memory *m = NULL;
	struct server server;
	size_t len;

	weir_budget_init(&budget, (size_t)1 << 20);
	weir_context_init(&ctx, &budget, no_time, no_wake, NULL);
	CHECK(weir_memory_create(&ctx, NULL, &m) == 0);
	CHECK(server_accept(&server, &ctx, weir_memory_transport(m)) == 0);

	/* The peer asks, and does not read: the server stops at the mark. */
	weir_memory_take(m, 0);
	CHECK(weir_memory_inject(m, "count", 5) == 0);
	while (weir_context_next(&ctx) == 0)
		weir_context_run(&ctx);
	CHECK(look(m).sink.held > 0 && look(m).sink.held < 2 * WEIR_HIGH_DEFAULT);
	CHECK(server.next < 100000);

	/* It reads: all comes, in order, and the end. */
	weir_memory_take(m, SIZE_MAX);
	while (weir_context_next(&ctx) == 0)
		weir_context_run(&ctx);
	CHECK(look(m).life == WEIR_MEMORY_FINISHED);
	CHECK(memcmp(weir_memory_value(m, &len), "1\n2\n3\n", 6) == 0);
	CHECK(len == 588895);
	printf("%zu bytes, as they should be\n", len);

	weir_memory_destroy(m);
	weir_context_fini(&ctx);
	return 0;
}
