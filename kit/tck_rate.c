/* SPDX-License-Identifier: MIT */
/*
 * RATE.  What comes out is measured, at each instant at which the kit's clock stands, by a
 * bucket of the kit's own, which is full at first, holds `burst` and gains `rate` a second:
 * it is never overdrawn if, and only if, no window has more than rate x window + burst.
 */
#include "tck_party.h"

typedef unsigned long long ull;

/* Bytes that a measurement moves, more or less, and how long it is at most. */
#define BYTES ((uint64_t)4000000)
#define TIME_MAX (3 * WEIR_NS_PER_S)

/* A larger burst is too much to hold. */
#define BURST_MAX ((uint64_t)16 << 20)

/* The last bytes may come so much later than they might. */
#define LATE WEIR_NS_PER_MS

#define MEMBERS 4

/* Of a minimum share, what may be owed at a time: a tenth of it, and some. */
#define OWED 4096

struct rate {
	struct tck_party p; /* first */
	const struct weir_tck_subject *s;
	uint64_t rate, burst;
	double tokens;
	uint64_t at, out;      /* measured up to here: nanoseconds, bytes */
	uint64_t over, over_at; /* bytes more than there were tokens, at first; 0: never */
};

/* ---- when they do not apply ---- */

const char *weir__tck_lacks_rate_1(const struct facts *f)
{
	const struct weir_tck_numbers *n = &f->s->numbers;

	if (!n->bytes_per_s || !n->burst)
		return "it declares no limit on the rate";
	if (f->o->turn)
		return "the clock of a real loop is not the kit's";
	if (!f->sink && !f->s->feed)
		return "nothing can be given to it";
	return n->burst <= BURST_MAX ? NULL : "its burst is too large to measure";
}

const char *weir__tck_lacks_rate_2(const struct facts *f)
{
	if (weir__tck_lacks_rate_1(f))
		return weir__tck_lacks_rate_1(f);
	return f->s->more && f->source && f->sink ? NULL : "it is no group of flows";
}

const char *weir__tck_lacks_rate_3(const struct facts *f)
{
	return weir__tck_lacks_rate_1(f);
}

/* ---- measuring ---- */

static uint64_t out_of(const struct tck_party *p, unsigned i)
{
	return p->leg[i].valve.in;
}

static uint64_t out_of_all(const struct tck_party *p)
{
	uint64_t sum = p->t->all_out;

	for (unsigned i = 0; i < PARTY_MAX; i++)
		sum += out_of(p, i);
	return sum;
}

/* One byte, for the fractions. */
static void measure(struct tck_party *p)
{
	struct rate *r = (struct rate *)p;
	uint64_t out = out_of_all(p);

	r->tokens += (double)r->rate * (double)(p->t->now - r->at) / 1e9;
	if (r->tokens > (double)r->burst)
		r->tokens = (double)r->burst;
	r->at = p->t->now;
	r->tokens -= (double)(out - r->out);
	r->out = out;
	if (r->tokens < -1 && !r->over) {
		r->over = (uint64_t)-r->tokens;
		r->over_at = r->at;
	}
}

static bool judge_rate(struct rate *r, enum rule rule, uint64_t begin)
{
	measure(&r->p);
	return weir__tck_judge(&r->p, rule, !r->over,
			       "after %.3f ms %llu bytes have come that were not due yet",
			       (double)(r->over_at - begin) / 1e6, (ull)r->over);
}

static void set_rate(struct rate *r, uint64_t rate, uint64_t burst)
{
	measure(&r->p);
	r->rate = rate;
	r->burst = burst;
	if (r->tokens > (double)burst)
		r->tokens = (double)burst;
	r->s->set_rate(r->p.t->made.self, rate, burst);
}

static uint64_t ns_for(uint64_t bytes, uint64_t rate)
{
	return (uint64_t)((double)bytes * 1e9 / (double)rate) + 1;
}

/* For a measurement. */
static uint64_t long_enough(const struct rate *r)
{
	uint64_t ns = ns_for(BYTES, r->s->numbers.bytes_per_s);

	return ns < TIME_MAX ? ns : TIME_MAX;
}

static uint64_t bytes_in(const struct rate *r, uint64_t ns)
{
	return (uint64_t)((double)r->s->numbers.bytes_per_s * (double)ns / 1e9);
}

static int open_rate(struct rate *r, struct weir_tck *t, const struct facts *f, size_t chunk)
{
	int rc = weir__tck_party_open(&r->p, t, f);

	if (rc < 0)
		return rc;
	r->s = f->s;
	r->rate = f->s->numbers.bytes_per_s;
	r->burst = f->s->numbers.burst;
	r->tokens = (double)r->burst;
	r->at = t->now;
	r->out = r->over = r->over_at = 0;
	r->p.at_instant = measure;
	if (t->made.flow.source)
		rc = weir__tck_leg_attach(&r->p, 0, t->made.flow.source);
	return rc < 0 ? rc : weir__tck_feed_open(&r->p, 0, t->made.flow.sink, chunk);
}

static int done(struct rate *r)
{
	weir__tck_party_close(&r->p);
	return 0;
}

/* ---- RATE-1 ---- */

/* From deadline to deadline, with stops between, and then late for some. */
static void go_on(struct rate *r, uint64_t ns)
{
	for (int i = 0; i < 7; i++)
		weir__tck_party_run(&r->p, r->p.t->now + ns / 11 + 1);
	for (int i = 0; i < 4; i++)
		weir__tck_party_jump(&r->p, r->p.t->now + ns / 11);
}

static void take(struct rate *r, bool all)
{
	if (r->p.leg[0].here)
		weir__tck_leg_take(&r->p, 0, all ? ALL : 0);
	else if (r->s->take)
		r->s->take(r->p.t->made.self, all ? SIZE_MAX : 0);
}

static void change_often(struct rate *r, uint64_t ns)
{
	uint64_t rate = r->s->numbers.bytes_per_s, burst = r->s->numbers.burst;

	set_rate(r, rate * 2, burst / 2 + 1);
	go_on(r, ns);
	set_rate(r, rate / 2 + 1, burst * 2);
	go_on(r, ns);
	for (int i = 0; i < 20; i++) {
		set_rate(r, rate + (uint64_t)i, burst);
		weir__tck_party_settle(&r->p);
	}
	go_on(r, ns);
}

static void look_at_windows(struct rate *r, const char **calls)
{
	uint64_t ns = long_enough(r), begin = r->p.t->now;
	uint64_t idle = 3 * ns_for(r->burst, r->rate) + ns, much = 20 * (bytes_in(r, ns) + r->burst);

	*calls = "supply much\nadvance\n";
	weir__tck_feed_supply(&r->p, 0, much);
	go_on(r, ns);
	if (!judge_rate(r, RATE_1, begin))
		return;
	*calls = "supply much\nadvance\nsupply no more\nadvance much\nsupply much\nadvance\n";
	r->p.feed[0].supply = 0;
	weir__tck_party_run(&r->p, r->p.t->now + idle);
	weir__tck_feed_supply(&r->p, 0, much);
	go_on(r, ns);
	if (!judge_rate(r, RATE_1, begin))
		return;
	*calls = "supply much\nadvance\ntake 0\nadvance much\ntake all\nadvance\n";
	take(r, false);
	weir__tck_party_run(&r->p, r->p.t->now + idle);
	take(r, true);
	go_on(r, ns);
	if (!judge_rate(r, RATE_1, begin) || !r->s->set_rate)
		return;
	*calls = "supply much\nadvance\ntwice the rate and half the burst\nadvance\n"
		 "half the rate and twice the burst\nadvance\nthe rate, twenty times\nadvance\n";
	change_often(r, ns);
	judge_rate(r, RATE_1, begin);
}

int weir__tck_check_rate_1(struct weir_tck *t, const struct facts *f, const char **calls)
{
	static const size_t chunks[] = {1000, 100, 60000};
	struct rate r;

	for (unsigned i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
		if (open_rate(&r, t, f, chunks[i]) == 0)
			look_at_windows(&r, calls);
		done(&r);
		if (t->broken != NO_RULE)
			break;
	}
	return 0;
}

/* ---- RATE-2 ---- */

static unsigned members_of(const struct weir_tck_numbers *n)
{
	uint64_t most = n->min_share ? n->bytes_per_s / n->min_share : MEMBERS;

	return most < MEMBERS ? (unsigned)most : MEMBERS;
}

static bool join(struct rate *r, unsigned members)
{
	static const size_t chunks[] = {60000, 5000, 1000, 100};

	r->p.feed[0].chunk = chunks[0];
	for (unsigned i = 1; i < members; i++) {
		struct weir_tck_flow flow = {0};
		int rc = r->s->more(r->p.t->made.self, &flow);

		if (rc == 0)
			rc = weir__tck_leg_attach(&r->p, i, flow.source);
		if (rc == 0)
			rc = weir__tck_feed_open(&r->p, i, flow.sink, chunks[i]);
		if (!weir__tck_judge(&r->p, RATE_2, rc == 0, "another flow cannot be made: %s",
				     weir_err_name(rc)))
			return false;
	}
	return true;
}

/* All want more than there is, for so long. */
static bool judge_shares(struct rate *r, unsigned members, uint64_t ns, uint64_t begin)
{
	uint64_t before[MEMBERS], share = r->s->numbers.min_share;
	double due = (double)share * (double)ns / 1e9 * 0.9 - OWED;

	for (unsigned i = 0; i < members; i++) {
		before[i] = out_of(&r->p, i);
		if (r->p.feed[i].supply < 20 * (bytes_in(r, ns) + r->burst))
			weir__tck_feed_supply(&r->p, i, 20 * (bytes_in(r, ns) + r->burst));
	}
	weir__tck_party_run(&r->p, r->p.t->now + ns);
	if (!judge_rate(r, RATE_2, begin))
		return false;
	for (unsigned i = 0; i < members; i++)
		if (!weir__tck_judge(&r->p, RATE_2, (double)(out_of(&r->p, i) - before[i]) >= due,
				     "flow %u of %u has %llu bytes in %.3f ms, and its share is %llu a second",
				     i + 1, members, (ull)(out_of(&r->p, i) - before[i]), (double)ns / 1e6,
				     (ull)share))
			return false;
	return true;
}

int weir__tck_check_rate_2(struct weir_tck *t, const struct facts *f, const char **calls)
{
	unsigned members = members_of(&f->s->numbers), last = members - 1;
	uint64_t ns, begin;
	struct rate r;

	*calls = "as many flows as there are shares, but four at most\nsupply much to each\nadvance\n";
	if (open_rate(&r, t, f, 1000) < 0 || !join(&r, members))
		return done(&r);
	ns = 3 * long_enough(&r);
	begin = t->now;
	if (!judge_shares(&r, members, ns, begin))
		return done(&r);
	*calls = "as many flows as there are shares, but four at most\nsupply much to each\nadvance\n"
		 "the last gets no more\nadvance\nsupply much to it\nadvance\n";
	r.p.feed[last].supply = 0;
	weir__tck_party_run(&r.p, t->now + ns);
	judge_shares(&r, members, ns, begin);
	return done(&r);
}

/* ---- RATE-3 ---- */

static bool has_ended(const struct rate *r)
{
	struct weir_consumer_state st;

	if (r->p.leg[0].here)
		return r->p.leg[0].ended;
	if (!r->p.t->made.flow.sink)
		return true;
	weir_consumer_state(r->p.t->made.flow.sink, &st);
	return st.ended;
}

static void judge_last(struct rate *r, uint64_t all, uint64_t due)
{
	weir__tck_party_run(&r->p, due + LATE);
	if (weir__tck_judge(&r->p, RATE_3, out_of_all(&r->p) == all,
			    "the last may come after %.3f ms, and then %llu bytes of %llu have",
			    (double)(due - r->at) / 1e6, (ull)out_of_all(&r->p), (ull)all))
		weir__tck_judge(&r->p, RATE_3, has_ended(r), "the last bytes have come, and no end");
}

/* Bytes beyond the burst, some of them; the rate is `times` as high from then on. */
static void last_bytes(struct weir_tck *t, const struct facts *f, uint64_t bytes, unsigned times)
{
	struct rate r;
	uint64_t begin;

	if (open_rate(&r, t, f, 1000) == 0) {
		begin = t->now;
		r.p.at_instant = NULL;
		r.p.feed[0].ends = true;
		weir__tck_feed_supply(&r.p, 0, r.burst + bytes);
		weir__tck_party_settle(&r.p);
		if (times > 1)
			set_rate(&r, r.rate * times, r.burst);
		r.at = begin;
		judge_last(&r, r.s->numbers.burst + bytes, begin + ns_for(bytes, r.rate));
	}
	done(&r);
}

int weir__tck_check_rate_3(struct weir_tck *t, const struct facts *f, const char **calls)
{
	const uint64_t rate = f->s->numbers.bytes_per_s;
	const uint64_t more[] = {0, 1, rate / 1000 + 1, rate / 70 + 3, rate / 3 + 1};
	uint64_t most = BYTES;

	for (unsigned i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		*calls = "supply the burst and some\nfinish\nadvance as long as the rate needs\n";
		if (more[i] <= most && t->broken == NO_RULE)
			last_bytes(t, f, more[i], 1);
	}
	if (!f->s->set_rate || t->broken != NO_RULE)
		return 0;
	*calls = "supply the burst and some\nten times the rate\nfinish\n"
		 "advance as long as that needs\n";
	last_bytes(t, f, rate / 3 < most ? rate / 3 : most, 10);
	return 0;
}
