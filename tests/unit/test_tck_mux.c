/* SPDX-License-Identifier: MIT */
/*
 * MUX-1 to MUX-4 of the contract kit.  There is no multiplexer in weir yet, so here is one:
 * streams that share a connection, with a window for each and one for all, both of which are
 * credited when the far end's consumer has accepted the bytes.  What is wrong with a copy of
 * it in one thing breaks the rule that this is about, and no other.
 */
#include "tck_subjects.h"

#include "core/queue.h"
#include "weir/impl/producer.h"

#define STREAMS_MAX 80
#define WINDOW 5000
#define CONNECTION (4 * (int64_t)WINDOW)
#define FRAME 1200

enum fault {
	NO_FAULT,
	STALLS_OTHERS,     /* the next frame waits for the one before, whosever it is */
	CREDITS_ARRIVAL,   /* what has arrived, not what was accepted */
	CREDITS_LATE,      /* never the last of a window */
	FORGETS_DEAD,      /* what the dead had under way is lost to the connection */
	FORGETS_DROPPED,
	ROUNDS_CREDIT,     /* credits go in fours */
	OVERFLOWS,         /* a window is 16 bits wide */
};

struct mux;

struct stream {
	struct weir_valve front;   /* first */
	struct weir_producer back;
	struct mux *mux;
	struct weir_queue arrived;
	int64_t credit;
	int64_t owed;              /* ROUNDS_CREDIT: not given back yet */
	bool used, paused, starved;
	bool finished, over;       /* the sink's end was told; the far end's was */
	int why;
};

struct mux {
	struct weir_tck *kit;
	struct weir_context *ctx;
	const enum fault *fault;
	struct weir_task task;     /* frames to be handed on */
	struct stream stream[STREAMS_MAX];
	int64_t credit;            /* of the connection */
	int64_t window;            /* of the next stream */
};

static struct stream *stream_from_back(struct weir_producer *p)
{
	return (struct stream *)((char *)p - offsetof(struct stream, back));
}

static void wake_all(struct mux *m)
{
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		struct stream *s = &m->stream[i];

		if (s->used && s->starved && s->credit > 0 && m->credit > 0) {
			s->starved = false;
			weir_valve_ready(&s->front);
		}
	}
}

static void give_credit(struct stream *s, int64_t n)
{
	struct mux *m = s->mux;

	s->owed += n;
	if (*m->fault == ROUNDS_CREDIT)
		n = s->owed / 4 * 4;
	else
		n = s->owed;
	s->owed -= n;
	s->credit += n;
	m->credit += n;
	wake_all(m);
}

/* ---- the near end ---- */

static int64_t front_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct stream *s = (struct stream *)v;
	struct mux *m = s->mux;
	int64_t taken = 0, least = *m->fault == CREDITS_LATE ? WINDOW / 2 : 0;

	for (size_t i = 0; i < count && s->credit > least && m->credit > 0; i++) {
		int64_t n = (int64_t)chunks[i].len;
		struct weir_block *block;
		struct weir_chunk frame;

		n = n < s->credit ? n : s->credit;
		n = n < m->credit ? n : m->credit;
		n = n < FRAME ? n : FRAME;
		if (weir_pool_take(&m->ctx->pool, (size_t)n, &block) < 0)
			break;
		memcpy(block->data, chunks[i].data, (size_t)n);
		block->used = (uint32_t)n;
		frame = weir_chunk_from_block(block);
		assert_int_equal(weir__queue_push(&s->arrived, frame), 0);
		taken += n;
		if (*m->fault != CREDITS_ARRIVAL) {
			s->credit -= n;
			m->credit -= n;
		}
		if (n < (int64_t)chunks[i].len)
			break;
	}
	s->starved = true;
	weir_task_queue(m->ctx, &m->task);
	return taken;
}

/* Bytes that nobody will accept are given back to the connection. */
static void forget(struct stream *s, bool dropped)
{
	struct mux *m = s->mux;
	int64_t n = (int64_t)s->arrived.bytes;
	bool lost = *m->fault == FORGETS_DEAD || (*m->fault == FORGETS_DROPPED && dropped);

	weir__queue_clear(&s->arrived);
	if (!lost && *m->fault != CREDITS_ARRIVAL)
		m->credit += n;
	m->credit += s->owed;
	s->owed = 0;
	wake_all(m);
}

static void front_end(struct weir_valve *v, int why)
{
	struct stream *s = (struct stream *)v;

	s->finished = true;
	s->why = why;
	if (why < 0)
		forget(s, false);
	weir_task_queue(s->mux->ctx, &s->mux->task);
}

static const struct weir_valve_ops front_ops = {
	.name = "stream",
	.drain = front_drain,
	.end = front_end,
};

/* ---- the far end ---- */

/* One frame, or a part of it.  False when the stream has none, or its consumer has no room. */
static bool hand_on(struct stream *s)
{
	struct weir_chunk frame;
	size_t room;

	if (!s->back.consumer || s->paused || !s->arrived.bytes)
		return false;
	weir__queue_peek(&s->arrived, &frame, 1);
	room = weir_consumer_room(s->back.consumer);
	if (room == 0 || s->paused || !s->back.consumer)
		return false;
	if (frame.len > room)
		frame.len = room;
	if (weir_consumer_write(s->back.consumer, frame.data, frame.len) < 0)
		return false;
	weir__queue_consume(&s->arrived, frame.len);
	if (*s->mux->fault != CREDITS_ARRIVAL)
		give_credit(s, (int64_t)frame.len);
	return true;
}

static void end_stream(struct stream *s)
{
	if (s->over || !s->finished || (s->why == 0 && s->arrived.bytes))
		return;
	s->over = true;
	weir_producer_end(&s->back, s->why);
	if (s->why == 0)
		weir_valve_done(&s->front, 0);
}

static void run(struct weir_task *task)
{
	struct mux *m = (struct mux *)((char *)task - offsetof(struct mux, task));
	bool any = false;

	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		struct stream *s = &m->stream[i];

		if (!s->used)
			continue;
		any |= hand_on(s);
		end_stream(s);
		if (*m->fault == STALLS_OTHERS && s->arrived.bytes > FRAME)
			break;
	}
	if (*m->fault == CREDITS_ARRIVAL)
		wake_all(m);
	if (any)
		weir_task_queue(m->ctx, &m->task);
}

static void back_resume(struct weir_producer *p)
{
	struct stream *s = stream_from_back(p);

	s->paused = false;
	weir_task_queue(s->mux->ctx, &s->mux->task);
}

static void back_pause(struct weir_producer *p)
{
	stream_from_back(p)->paused = true;
}

static void back_stop(struct weir_producer *p, int why)
{
	struct stream *s = stream_from_back(p);

	s->over = true;
	forget(s, false);
	weir_valve_die(&s->front, why);
}

static const struct weir_producer_ops back_ops = {
	.name = "stream",
	.start = back_resume,
	.pause = back_pause,
	.resume = back_resume,
	.stop = back_stop,
};

/* ---- a subject ---- */

static int mux_more(void *self, struct weir_tck_flow *out)
{
	struct mux *m = self;
	struct stream *s = m->stream;

	while (s < m->stream + STREAMS_MAX && s->used)
		s++;
	if (s == m->stream + STREAMS_MAX)
		return -1;
	*s = (struct stream){.mux = m, .used = true, .credit = m->window};
	if (*m->fault == OVERFLOWS)
		s->credit = (int16_t)m->window;
	weir_valve_init(&s->front, &front_ops, m->ctx);
	weir_producer_init(&s->back, &back_ops, WEIR_PUSH);
	out->sink = &s->front.base;
	out->source = &s->back;
	return 0;
}

static void close_stream(struct stream *s)
{
	if (!s->used)
		return;
	if (!s->over && s->back.consumer)
		weir_producer_end(&s->back, WEIR_ECLOSED);
	s->used = false; /* credit is for others */
	forget(s, true);
	weir_valve_fini(&s->front);
}

static void mux_drop(void *self, struct weir_tck_flow *flow)
{
	(void)self;
	close_stream((struct stream *)flow->sink);
}

static int mux_set_window(void *self, size_t window)
{
	((struct mux *)self)->window = (int64_t)window;
	return 0;
}

static int mux_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct mux *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->kit = kit;
	m->fault = arg;
	m->ctx = weir_tck_context(kit);
	m->task.run = run;
	m->credit = CONNECTION;
	m->window = WINDOW;
	out->self = m;
	return mux_more(m, &out->flow);
}

static void mux_destroy(void *self)
{
	struct mux *m = self;

	for (unsigned i = 0; i < STREAMS_MAX; i++)
		close_stream(&m->stream[i]);
	weir_task_cancel(&m->task);
	free(m);
}

static struct weir_tck_subject mux_subject(enum fault *fault)
{
	return (struct weir_tck_subject){
		.name = "multiplexer",
		.arg = fault,
		.make = mux_make,
		.destroy = mux_destroy,
		.numbers = {.window = WINDOW},
		.traits = {.push_only = true},
		.more = mux_more,
		.drop = mux_drop,
		.set_window = mux_set_window,
	};
}

static void run_mux(enum fault fault, const char *ids, struct tally *tally)
{
	struct weir_tck_subject subject = mux_subject(&fault);
	struct weir_tck_options options = {
		.seed = 1,
		.effort = 1,
		.ids = ids,
		.report = tally_report,
		.arg = tally,
	};

	assert_true(weir_tck_run(&subject, &options) >= 0);
}

static void test_a_multiplexer_keeps_the_rules(void **state)
{
	struct tally tally = {.prints = true};

	(void)state;
	run_mux(NO_FAULT, "MUX REG FLOW DATA MEM-6 END-7", &tally);
	assert_string_equal(tally.broken, "");
	assert_null(strstr(tally.missing, "MUX"));
}

static void test_one_that_is_wrong_breaks_the_rule_that_this_is_about(void **state)
{
	static const struct {
		enum fault fault;
		const char *broken;
	} wrong[] = {
		{STALLS_OTHERS, "MUX-1 "},   {CREDITS_ARRIVAL, "MUX-2 "}, {FORGETS_DEAD, "MUX-3 "},
		{FORGETS_DROPPED, "MUX-3 "}, {ROUNDS_CREDIT, "MUX-4 "},   {CREDITS_LATE, "MUX-4 "},
		{OVERFLOWS, "MUX-4 "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i += tck_stride()) {
		struct tally tally = {0};

		run_mux(wrong[i].fault, "MUX", &tally);
		if (strcmp(tally.broken, wrong[i].broken) != 0)
			fail_msg("fault %d breaks \"%s\" and not \"%s\": %s", wrong[i].fault,
				 tally.broken, wrong[i].broken, tally.calls);
	}
}

static void test_the_rules_do_not_apply_to_what_is_none(void **state)
{
	struct tally tally = {0};

	(void)state;
	assert_int_equal(tck_run(&box_subject, 1, &tally), 0);
	assert_non_null(strstr(tally.missing, "MUX-1 MUX-2 MUX-3 MUX-4 "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_multiplexer_keeps_the_rules),
		cmocka_unit_test(test_one_that_is_wrong_breaks_the_rule_that_this_is_about),
		cmocka_unit_test(test_the_rules_do_not_apply_to_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
