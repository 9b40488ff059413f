/* SPDX-License-Identifier: MIT */
/*
 * MUX.  Streams of one multiplexer, each from a producer of the kit's to a consumer of the
 * kit's; stream 0 is the one that the subject was made with.
 */
#include "tck_party.h"

typedef unsigned long long ull;

#define STREAMS 4

/* Enough to fill all that a stream may hold, several times over. */
#define MUCH(window) (16 * (uint64_t)(window) + ((uint64_t)128 << 10))

/* Streams that die with their windows full, one after the other: more than fit any window of
 * the connection that is a few times a stream's. */
#define DEAD 64

/* ---- when they do not apply ---- */

const char *weir__tck_lacks_mux_1(const struct facts *f)
{
	if (!f->s->more || !f->sink || !f->source || !f->s->numbers.window)
		return "it is no multiplexer";
	return NULL;
}

const char *weir__tck_lacks_mux_2(const struct facts *f)
{
	return weir__tck_lacks_mux_1(f);
}

const char *weir__tck_lacks_mux_3(const struct facts *f)
{
	if (weir__tck_lacks_mux_1(f))
		return weir__tck_lacks_mux_1(f);
	return f->s->drop ? NULL : "its streams cannot be let go";
}

const char *weir__tck_lacks_mux_4(const struct facts *f)
{
	if (weir__tck_lacks_mux_1(f))
		return weir__tck_lacks_mux_1(f);
	return f->s->set_window ? NULL : "its window cannot be set";
}

/* ---- streams ---- */

/* Stream number `i`: that of `flow`, or of one more. */
static bool open_stream(struct tck_party *p, unsigned i, struct weir_tck_flow *flow, enum rule rule)
{
	int rc = flow->sink ? 0 : p->f->s->more(p->t->made.self, flow);

	if (rc == 0)
		rc = weir__tck_leg_attach(p, i, flow->source);
	if (rc == 0)
		rc = weir__tck_feed_open(p, i, flow->sink, 1000);
	return weir__tck_judge(p, rule, rc == 0, "a stream cannot be made: %s", weir_err_name(rc));
}

static int open_streams(struct tck_party *p, struct weir_tck *t, const struct facts *f,
			unsigned count, enum rule rule)
{
	int rc = weir__tck_party_open(p, t, f);

	for (unsigned i = 0; rc == 0 && i < count; i++) {
		struct weir_tck_flow flow = {0};

		if (!open_stream(p, i, i == 0 ? &t->made.flow : &flow, rule))
			return -1;
	}
	return rc;
}

static bool judge_whole(struct tck_party *p, unsigned i, enum rule rule, const char *while_)
{
	struct tck_feed *feed = &p->feed[i];
	struct tck_leg *leg = &p->leg[i];

	return weir__tck_judge(p, rule, feed->supply == 0 && leg->got == feed->next,
			       "%llu of %llu bytes of stream %u have come, %s", (ull)leg->got,
			       (ull)(feed->next + feed->supply), i, while_) &&
	       weir__tck_judge(p, rule, weir__tck_leg_wrong(leg) == ALL,
			       "byte %llu of stream %u is wrong", (ull)weir__tck_leg_wrong(leg), i);
}

static int done(struct tck_party *p)
{
	weir__tck_party_close(p);
	return 0;
}

/* ---- MUX-1 ---- */

int weir__tck_check_mux_1(struct weir_tck *t, const struct facts *f, const char **calls)
{
	uint64_t much = MUCH(f->s->numbers.window);
	struct tck_party p;

	*calls = "four streams\ntake 0 of the first\nsupply much to each\n";
	if (open_streams(&p, t, f, STREAMS, MUX_1) < 0)
		return done(&p);
	weir__tck_leg_take(&p, 0, 0);
	for (unsigned i = 0; i < STREAMS; i++)
		weir__tck_feed_supply(&p, i, much);
	weir__tck_party_play(&p);
	for (unsigned i = 1; i < STREAMS; i++)
		if (!judge_whole(&p, i, MUX_1, "while stream 0 stalls"))
			return done(&p);
	*calls = "four streams\ntake 0 of the first\nsupply much to each\ntake all of the first\n";
	weir__tck_leg_take(&p, 0, ALL);
	weir__tck_party_play(&p);
	judge_whole(&p, 0, MUX_1, "after it stalled");
	return done(&p);
}

/* ---- MUX-2 ---- */

/* Bytes that have left the sink and that the far end's consumer has not accepted. */
static uint64_t under_way(const struct tck_party *p, unsigned i)
{
	struct weir_consumer_state st;

	weir_consumer_state(p->feed[i].base.consumer, &st);
	return st.in - st.held - p->leg[i].valve.in;
}

int weir__tck_check_mux_2(struct weir_tck *t, const struct facts *f, const char **calls)
{
	uint64_t window = f->s->numbers.window, step = window / 3 + 1;
	struct tck_party p;

	*calls = "take 0\nsupply much\ntake some, several times\n";
	if (open_streams(&p, t, f, 1, MUX_2) < 0)
		return done(&p);
	weir__tck_leg_take(&p, 0, 0);
	weir__tck_feed_supply(&p, 0, MUCH(window));
	for (unsigned i = 0; i < 12; i++) {
		uint64_t bytes;

		weir__tck_party_play(&p);
		if (!weir__tck_judge(&p, MUX_2, p.feed[0].base.consumer != NULL,
				     "the producer of a stream that stalls was let go"))
			return done(&p);
		bytes = under_way(&p, 0);
		if (!weir__tck_judge(&p, MUX_2, bytes <= window,
				     "%llu bytes are under way to a consumer that takes none, and the "
				     "window is %llu", (ull)bytes, (ull)window))
			return done(&p);
		weir__tck_leg_take(&p, 0, step);
	}
	*calls = "take 0\nsupply much\ntake some, several times\ntake all\n";
	weir__tck_leg_take(&p, 0, ALL);
	weir__tck_party_play(&p);
	judge_whole(&p, 0, MUX_2, "when all is taken again: credit is missing");
	return done(&p);
}

/* ---- MUX-3 ---- */

/* A stream that stalls until its window is full, and goes: by its consumer's death, by its
 * producer's failure, or let go. */
static bool live_and_die(struct tck_party *p, unsigned how)
{
	struct weir_tck_flow flow = {0};

	if (!open_stream(p, 1, &flow, MUX_3))
		return false;
	weir__tck_leg_take(p, 1, 0);
	weir__tck_feed_supply(p, 1, MUCH(p->f->s->numbers.window));
	weir__tck_party_play(p);
	if (how % 3 == 0)
		weir__tck_leg_die(p, 1, -5);
	else if (how % 3 == 1)
		weir_consumer_fail(flow.sink, -5);
	weir__tck_party_settle(p);
	p->f->s->drop(p->t->made.self, &flow);
	weir__tck_party_settle(p);
	weir__tck_party_leave(p, 1);
	return true;
}

int weir__tck_check_mux_3(struct weir_tck *t, const struct facts *f, const char **calls)
{
	struct tck_party p;

	*calls = "64 times: one more stream, take 0 of it, supply much to it, and its consumer dies, "
		 "its producer fails, or it is dropped\nsupply much to the first\n";
	if (open_streams(&p, t, f, 1, MUX_3) < 0)
		return done(&p);
	for (unsigned i = 0; i < DEAD; i++)
		if (!live_and_die(&p, i))
			return done(&p);
	weir__tck_feed_supply(&p, 0, MUCH(f->s->numbers.window));
	weir__tck_party_play(&p);
	judge_whole(&p, 0, MUX_3, "after others have died with their windows full");
	return done(&p);
}

/* ---- MUX-4 ---- */

/* Streams whose producer writes more at once, or less, than the window has. */
static bool pass_through(struct tck_party *p, size_t window, size_t chunk)
{
	struct weir_tck_flow flow = {0};
	int rc = p->f->s->set_window(p->t->made.self, window);

	if (!weir__tck_judge(p, MUX_4, rc == 0, "a window of %llu bytes is refused: %s", (ull)window,
			     weir_err_name(rc)) ||
	    !open_stream(p, 1, &flow, MUX_4))
		return false;
	p->feed[1].chunk = chunk;
	p->feed[1].ends = true;
	weir__tck_leg_take(p, 1, 3);
	weir__tck_feed_supply(p, 1, window < 4096 ? 2000 : 150000);
	weir__tck_party_play(p);
	weir__tck_leg_take(p, 1, ALL);
	weir__tck_party_play(p);
	if (!judge_whole(p, 1, MUX_4, "through a small window, or a large one") ||
	    !weir__tck_judge(p, MUX_4, p->leg[1].ended && p->leg[1].why == 0,
			     "all bytes have come through a window of %llu, and no end", (ull)window))
		return false;
	p->f->s->drop(p->t->made.self, &flow);
	weir__tck_party_settle(p);
	weir__tck_party_leave(p, 1);
	return true;
}

int weir__tck_check_mux_4(struct weir_tck *t, const struct facts *f, const char **calls)
{
	static const size_t windows[] = {1, 2, 3, 7, 100, 4096, 65535, 0x7fffffff};
	static const size_t chunks[] = {1, 1000, 60000};
	struct tck_party p;

	*calls = "for windows from 1 byte to 2^31 - 1: one more stream, supply some to it, finish\n";
	if (open_streams(&p, t, f, 1, MUX_4) < 0)
		return done(&p);
	for (unsigned i = 0; i < sizeof(windows) / sizeof(windows[0]); i++)
		for (unsigned k = 0; k < sizeof(chunks) / sizeof(chunks[0]); k++)
			if (!pass_through(&p, windows[i], chunks[k]))
				return done(&p);
	return done(&p);
}
