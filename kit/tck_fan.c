/* SPDX-License-Identifier: MIT */
/*
 * FAN: branches of the kit's own, of which one is slow, or fails.  The others take all that
 * comes, at once, and must not notice; but for the policies that hold everybody.
 */
#include <errno.h>
#include <string.h>

#include "tck_party.h"

typedef unsigned long long ull;

#define CHUNK ((size_t)1000)
#define BEHIND ((size_t)20000)

/* What a branch's consumer holds before it pauses, with a write on top, is not the tee's. */
#define IN_LEG ((uint64_t)4096 + CHUNK)

/* The branches: two that take all, and the one in question.  OWN is the subject's far side. */
enum { SLOW, GOOD, OTHER, OWN, LEGS };

struct fan {
	struct tck_party p;
	const struct weir_tck_subject *s;
	void *branch[LEGS];
	enum rule rule;
};

/* ---- when they do not apply ---- */

static const char *lacks_branches(const struct facts *f)
{
	if (!f->s->branch || !f->s->numbers.policies)
		return "it has no branches";
	return f->sink ? NULL : "it takes no bytes";
}

static bool has_policy(const struct facts *f, enum weir_tck_policy policy)
{
	return f->s->numbers.policies >> policy & 1;
}

/* For a branch that keeps up, of which none is asked.  The first of them is BLOCK. */
static enum weir_tck_policy any_policy(const struct facts *f)
{
	enum weir_tck_policy policy = WEIR_TCK_BLOCK;

	while (!has_policy(f, policy))
		policy++;
	return policy;
}

static uint64_t bound(const struct facts *f)
{
	const struct weir_tck_numbers *n = &f->s->numbers;
	size_t most = n->high > n->hold ? n->high : n->hold;

	return most + CHUNK;
}

static const char *lacks_bound(const struct facts *f)
{
	if (lacks_branches(f))
		return lacks_branches(f);
	return bound(f) > CHUNK ? NULL : "it declares no bound";
}

const char *weir__tck_lacks_fan_1(const struct facts *f)
{
	if (lacks_bound(f))
		return lacks_bound(f);
	return has_policy(f, WEIR_TCK_BLOCK) ? NULL : "it has no branches that block";
}

const char *weir__tck_lacks_fan_2(const struct facts *f)
{
	if (lacks_branches(f))
		return lacks_branches(f);
	if (!f->s->branch_dropped)
		return "it does not say what a branch has lost";
	if (has_policy(f, WEIR_TCK_DROP) || has_policy(f, WEIR_TCK_DROP_RECORDS))
		return NULL;
	return "it has no branches that drop";
}

const char *weir__tck_lacks_fan_3(const struct facts *f)
{
	if (lacks_branches(f))
		return lacks_branches(f);
	if (!f->s->branch_ended)
		return "it does not say whether a branch has ended";
	if (has_policy(f, WEIR_TCK_DETACH))
		return NULL;
	if (!has_policy(f, WEIR_TCK_DETACH_LATE) || !f->s->numbers.detach_ns)
		return "it has no branches that are detached";
	return f->o->turn ? "the clock of a real loop is not the kit's" : NULL;
}

const char *weir__tck_lacks_fan_4(const struct facts *f)
{
	if (lacks_bound(f))
		return lacks_bound(f);
	if (!has_policy(f, WEIR_TCK_SPILL))
		return "it has no branches that spill";
	return f->s->numbers.store ? NULL : "it does not say how much it can store";
}

const char *weir__tck_lacks_fan_5(const struct facts *f)
{
	if (lacks_branches(f))
		return lacks_branches(f);
	return f->s->branch_ended ? NULL : "it does not say whether a branch has ended";
}

/* ---- a tee at work ---- */

static bool add(struct fan *n, unsigned i, enum weir_tck_policy policy)
{
	int rc;

	weir__tck_leg_open(&n->p, i);
	rc = n->s->branch(n->p.t->made.self, &n->p.leg[i].valve.base, policy, BEHIND, &n->branch[i]);
	return weir__tck_judge(&n->p, n->rule, rc == 0, "a branch cannot be added: %s",
			       weir_err_name(rc));
}

/* With a slow branch of this policy, which takes nothing yet, and two that block. */
static int open_fan(struct fan *n, struct weir_tck *t, const struct facts *f, enum rule rule,
		    enum weir_tck_policy policy)
{
	int rc = weir__tck_party_open(&n->p, t, f);

	if (rc < 0)
		return rc;
	n->s = f->s;
	n->rule = rule;
	if (t->made.flow.source)
		rc = weir__tck_leg_attach(&n->p, OWN, t->made.flow.source);
	if (rc == 0 && add(n, SLOW, policy) && add(n, GOOD, any_policy(f)) &&
	    add(n, OTHER, any_policy(f)))
		rc = weir__tck_feed_open(&n->p, 0, t->made.flow.sink, CHUNK);
	weir__tck_leg_take(&n->p, SLOW, 0);
	weir__tck_party_settle(&n->p);
	return weir__tck_judge(&n->p, rule, rc == 0, "it cannot be joined: %s", weir_err_name(rc));
}

static uint64_t in(const struct fan *n)
{
	return n->p.feed[0].next;
}

static uint64_t got(const struct fan *n, unsigned i)
{
	return n->p.leg[i].got;
}

/* Those that keep up have all that was written. */
static bool judge_others(struct fan *n)
{
	for (unsigned i = GOOD; i < LEGS; i++) {
		const struct tck_leg *leg = &n->p.leg[i];

		if (!leg->here || (i == OWN && leg->valve.life == WEIR_ENDED))
			continue;
		if (!weir__tck_judge(&n->p, n->rule, leg->got == in(n) && weir__tck_leg_wrong(leg) == ALL,
				     "a branch that keeps up has %llu bytes of %llu, wrong from %lld on",
				     (ull)leg->got, (ull)in(n), (long long)weir__tck_leg_wrong(leg)))
			return false;
	}
	return true;
}

static bool judge_running(struct fan *n, uint64_t wanted)
{
	return weir__tck_judge(&n->p, n->rule, in(n) == wanted && !n->p.feed[0].supply,
			       "the producer is held: %llu bytes of %llu are taken", (ull)in(n),
			       (ull)wanted) &&
	       judge_others(n);
}

/* The slow one, too, has got what it should have, in order. */
static bool judge_all_there(struct fan *n)
{
	const struct tck_leg *slow = &n->p.leg[SLOW];

	return weir__tck_judge(&n->p, n->rule, slow->got == in(n) && weir__tck_leg_wrong(slow) == ALL,
			       "the slow branch has %llu bytes of %llu, wrong from %lld on",
			       (ull)slow->got, (ull)in(n), (long long)weir__tck_leg_wrong(slow));
}

/* What the subject has taken, and neither the slow branch nor its consumer has. */
static uint64_t behind(const struct fan *n)
{
	return in(n) - n->p.leg[SLOW].valve.in;
}

/* Charged by all but the consumers of the kit's. */
static bool judge_memory(struct fan *n, uint64_t most)
{
	const struct weir_tck *t = n->p.t;
	uint64_t used = t->ctx->pool.budget->used - t->base_used;

	/* Blocks are charged whole, and may be a quarter full. */
	most = 4 * (most + IN_LEG) + 8 * WEIR_BLOCK_LARGE;
	return weir__tck_judge(&n->p, n->rule, used <= most, "%llu bytes are charged, of %llu at most",
			       (ull)used, (ull)most);
}

static void finish(struct fan *n)
{
	weir_producer_end(&n->p.feed[0].base, 0);
	weir__tck_party_settle(&n->p);
	for (unsigned i = 0; i < LEGS; i++) {
		const struct tck_leg *leg = &n->p.leg[i];

		/* To one that takes nothing it comes later. */
		if (leg->here && leg->window)
			weir__tck_judge(&n->p, n->rule, leg->valve.life != WEIR_OPEN,
					"the end does not come to branch %u", i);
	}
}

static int done(struct fan *n)
{
	weir__tck_party_close(&n->p);
	return 0;
}

/* ---- FAN-1 ---- */

static void slowest_sets_the_rate(struct fan *n, uint64_t most)
{
	weir__tck_feed_supply(&n->p, 0, 16 * most + 4 * ((uint64_t)1 << 20));
	weir__tck_party_settle(&n->p);
	for (int i = 0; i < 20; i++) {
		uint64_t before = got(n, SLOW);

		if (!weir__tck_judge(&n->p, FAN_1, behind(n) <= most,
				     "%llu bytes were taken, and the slowest branch has %llu",
				     (ull)in(n), (ull)n->p.leg[SLOW].valve.in) ||
		    !judge_memory(n, most))
			return;
		weir__tck_leg_take(&n->p, SLOW, 5000);
		weir__tck_party_settle(&n->p);
		if (!weir__tck_judge(&n->p, FAN_1, got(n, SLOW) == before + 5000,
				     "the slowest branch would take 5000 bytes more, and gets %llu",
				     (ull)(got(n, SLOW) - before)))
			return;
	}
	weir__tck_leg_take(&n->p, SLOW, ALL);
	weir__tck_party_settle(&n->p);
	if (judge_running(n, in(n) + n->p.feed[0].supply) && judge_all_there(n))
		finish(n);
}

int weir__tck_check_fan_1(struct weir_tck *t, const struct facts *f, const char **calls)
{
	struct fan n;

	*calls = "add three branches that block\none takes 0\nsupply much more than is to be held\n"
		 "it takes 5000, again and again\nit takes all\nfinish\n";
	if (open_fan(&n, t, f, FAN_1, WEIR_TCK_BLOCK))
		slowest_sets_the_rate(&n, bound(f));
	return done(&n);
}

/* ---- FAN-2 ---- */

/* Where the write, or the record, ends that `at` is in. */
static uint64_t unit_end(const struct fan *n, uint64_t at, bool records)
{
	if (!records)
		return (at / CHUNK + 1) * CHUNK;
	while (at < in(n))
		if (weir__tck_byte_due(n->p.t, at++) == '\n')
			break;
	return at;
}

static bool is_unit_here(const struct fan *n, size_t place, uint64_t at, uint64_t end)
{
	const struct tck_leg *leg = &n->p.leg[SLOW];

	if (end - at > leg->got - place)
		return false;
	for (; at < end; at++, place++)
		if (leg->bytes[place] != weir__tck_byte_due(n->p.t, at))
			return false;
	return true;
}

/* Bytes of the slow branch, from the first, that are whole units in order. */
static size_t whole_units(const struct fan *n, bool records)
{
	size_t place = 0;

	for (uint64_t at = 0; at < in(n) && place < n->p.leg[SLOW].got;) {
		uint64_t end = unit_end(n, at, records);

		if (is_unit_here(n, place, at, end))
			place += (size_t)(end - at);
		at = end;
	}
	return place;
}

/* It loses, catches up, and then loses nothing more. */
static void slow_one_drops(struct fan *n, bool records)
{
	const uint64_t many = 10 * BEHIND, few = 5 * CHUNK;
	uint64_t lost;

	n->p.feed[0].gives = true;
	weir__tck_feed_supply(&n->p, 0, many);
	weir__tck_party_settle(&n->p);
	if (!judge_running(n, many))
		return;
	weir__tck_leg_take(&n->p, SLOW, ALL);
	weir__tck_party_settle(&n->p);
	lost = in(n) - got(n, SLOW);
	if (!weir__tck_judge(&n->p, FAN_2, lost > 0 && got(n, SLOW) >= BEHIND,
			     "%zu bytes behind are allowed, and it got %llu of %llu", BEHIND,
			     (ull)got(n, SLOW), (ull)in(n)))
		return;
	weir__tck_feed_supply(&n->p, 0, few);
	weir__tck_party_settle(&n->p);
	if (!judge_running(n, many + few))
		return;
	/* A record that is being dropped is dropped to its end. */
	weir__tck_judge(&n->p, FAN_2, in(n) - got(n, SLOW) <= lost + (records ? CHUNK : 0),
			"it has caught up, and loses %llu bytes more",
			(ull)(in(n) - got(n, SLOW) - lost));
	weir__tck_judge(&n->p, FAN_2,
			n->s->branch_dropped(n->p.t->made.self, n->branch[SLOW]) ==
				in(n) - got(n, SLOW),
			"it has lost %llu bytes, and %llu are counted", (ull)(in(n) - got(n, SLOW)),
			(ull)n->s->branch_dropped(n->p.t->made.self, n->branch[SLOW]));
	weir__tck_judge(&n->p, FAN_2, whole_units(n, records) == got(n, SLOW),
			"after %zu bytes come others than a whole %s", whole_units(n, records),
			records ? "record" : "chunk");
	finish(n);
}

static bool has_records(const struct weir_tck *t)
{
	for (uint64_t at = 0; at < CHUNK; at++)
		if (weir__tck_byte_due(t, at) == '\n')
			return true;
	return false;
}

int weir__tck_check_fan_2(struct weir_tck *t, const struct facts *f, const char **calls)
{
	struct fan n;

	for (int records = 0; records < 2; records++) {
		enum weir_tck_policy policy = records ? WEIR_TCK_DROP_RECORDS : WEIR_TCK_DROP;

		if (!has_policy(f, policy))
			continue;
		*calls = records ? "add a branch that drops records, 20000 behind, and two that block\n"
				   "it takes 0\ngive 1000, two hundred times\nit takes all\n"
				   "give 1000, five times\nfinish\n"
				 : "add a branch that drops, 20000 behind, and two that block\n"
				   "it takes 0\ngive 1000, two hundred times\nit takes all\n"
				   "give 1000, five times\nfinish\n";
		if (open_fan(&n, t, f, FAN_2, policy) && (!records || has_records(t)))
			slow_one_drops(&n, records);
		done(&n);
		if (t->broken != NO_RULE)
			break;
	}
	return 0;
}

/* ---- FAN-3 ---- */

static bool has_ended(const struct fan *n, unsigned i, int *why)
{
	*why = 0;
	return n->s->branch_ended(n->p.t->made.self, n->branch[i], why);
}

static bool judge_attached(struct fan *n, const char *when)
{
	int why;

	return weir__tck_judge(&n->p, FAN_3, !has_ended(n, SLOW, &why) && !n->p.leg[SLOW].ended,
			       "it is detached %s", when);
}

static bool judge_detached(struct fan *n)
{
	const struct tck_leg *slow = &n->p.leg[SLOW];
	int why;
	bool ended = has_ended(n, SLOW, &why);

	return weir__tck_judge(&n->p, FAN_3, ended && why < 0, "it is behind, and %s",
			       ended ? "ends as if all were well" : "it is not detached") &&
	       weir__tck_judge(&n->p, FAN_3, slow->ended && slow->why < 0,
			       "it is detached, and its consumer is told %s",
			       slow->ended ? "that all was well" : "nothing");
}

static void detach_by_bytes(struct fan *n)
{
	weir__tck_feed_supply(&n->p, 0, BEHIND);
	weir__tck_party_settle(&n->p);
	if (!judge_running(n, BEHIND) || !judge_attached(n, "with no more bytes behind than it may"))
		return;
	weir__tck_feed_supply(&n->p, 0, IN_LEG + 2 * CHUNK);
	weir__tck_party_settle(&n->p);
	if (!judge_detached(n))
		return;
	weir__tck_feed_supply(&n->p, 0, 10 * BEHIND);
	weir__tck_party_settle(&n->p);
	if (judge_running(n, 11 * BEHIND + IN_LEG + 2 * CHUNK))
		finish(n);
}

static void detach_by_time(struct fan *n, uint64_t ns)
{
	uint64_t most = bound(n->p.f) + IN_LEG, begin;

	weir__tck_feed_supply(&n->p, 0, 4 * most);
	weir__tck_party_run(&n->p, n->p.t->now + ns - ns / 4);
	if (!judge_attached(n, "before its time"))
		return;
	weir__tck_leg_take(&n->p, SLOW, ALL);
	weir__tck_party_settle(&n->p);
	if (!judge_running(n, 4 * most) || !judge_all_there(n))
		return;
	weir__tck_leg_take(&n->p, SLOW, 0);
	weir__tck_feed_supply(&n->p, 0, 4 * most);
	weir__tck_party_settle(&n->p);
	begin = n->p.t->now;
	weir__tck_party_run(&n->p, begin + ns - 1);
	if (!judge_attached(n, "before its time, as if it had not caught up"))
		return;
	weir__tck_party_run(&n->p, begin + ns + WEIR_NS_PER_MS);
	if (judge_detached(n) && judge_running(n, 8 * most))
		finish(n);
}

int weir__tck_check_fan_3(struct weir_tck *t, const struct facts *f, const char **calls)
{
	struct fan n;

	if (has_policy(f, WEIR_TCK_DETACH)) {
		*calls = "add a branch that is detached, 20000 behind, and two that block\n"
			 "it takes 0\nsupply 20000\nsupply 7096\nsupply 200000\nfinish\n";
		if (open_fan(&n, t, f, FAN_3, WEIR_TCK_DETACH))
			detach_by_bytes(&n);
		done(&n);
	}
	if (t->broken != NO_RULE || !has_policy(f, WEIR_TCK_DETACH_LATE) ||
	    !f->s->numbers.detach_ns || f->o->turn)
		return 0;
	*calls = "add a branch that is detached late, and two that block\nit takes 0\n"
		 "supply more than is to be held\nadvance three quarters of the time\n"
		 "it takes all\nit takes 0\nsupply more than is to be held\nadvance the time\n";
	if (open_fan(&n, t, f, FAN_3, WEIR_TCK_DETACH_LATE))
		detach_by_time(&n, f->s->numbers.detach_ns);
	return done(&n);
}

/* ---- FAN-4 ---- */

static void slow_one_spills(struct fan *n, uint64_t store)
{
	uint64_t most = bound(n->p.f), all = 3 * store + 4 * (most + BEHIND);

	weir__tck_feed_supply(&n->p, 0, all);
	weir__tck_party_settle(&n->p);
	if (!weir__tck_judge(&n->p, FAN_4, behind(n) >= store,
			     "it holds everybody, %llu bytes behind, and could store %llu",
			     (ull)behind(n), (ull)store) ||
	    !weir__tck_judge(&n->p, FAN_4, behind(n) <= store + BEHIND + most + CHUNK,
			     "it can store %llu bytes, and holds nobody with %llu behind", (ull)store,
			     (ull)behind(n)) ||
	    !judge_memory(n, BEHIND + most))
		return;
	/* Takes that are as even with nothing, so that each seam is somewhere in one. */
	while (got(n, SLOW) < all) {
		uint64_t before = got(n, SLOW), take = 7777;

		weir__tck_leg_take(&n->p, SLOW, take);
		weir__tck_party_settle(&n->p);
		if (!weir__tck_judge(&n->p, FAN_4, got(n, SLOW) > before,
				     "it would take bytes again, and gets none after %llu of %llu",
				     (ull)before, (ull)all))
			return;
	}
	if (!judge_running(n, all) || !judge_all_there(n))
		return;
	weir__tck_leg_take(&n->p, SLOW, 0);
	weir__tck_feed_supply(&n->p, 0, store / 2 + BEHIND);
	weir__tck_party_settle(&n->p);
	finish(n);
	weir__tck_leg_take(&n->p, SLOW, ALL);
	weir__tck_party_settle(&n->p);
	if (judge_all_there(n))
		weir__tck_judge(&n->p, FAN_4, n->p.leg[SLOW].ended && n->p.leg[SLOW].why == 0,
				"the end does not come behind what was stored");
}

int weir__tck_check_fan_4(struct weir_tck *t, const struct facts *f, const char **calls)
{
	struct fan n;

	*calls = "add a branch that spills, over 20000, and two that block\nit takes 0\n"
		 "supply three times what it can store\nit takes 7777, again and again\n"
		 "it takes 0\nsupply half of what it can store\nfinish\nit takes all\n";
	if (open_fan(&n, t, f, FAN_4, WEIR_TCK_SPILL))
		slow_one_spills(&n, f->s->numbers.store);
	return done(&n);
}

/* ---- FAN-5 ---- */

/* It has failed, and for this reason. */
static bool judge_failed(struct fan *n, unsigned i, int cause)
{
	int why;
	bool ended = has_ended(n, i, &why);

	return weir__tck_judge(&n->p, FAN_5, ended && why == cause,
			       "a branch failed with %s, and its state says %s",
			       weir_err_name(cause), why ? weir_err_name(why) : "nothing");
}

/* One fails inside a write, one while it holds everybody. */
static bool two_fail(struct fan *n)
{
	uint64_t many = 20 * CHUNK;

	n->p.leg[OTHER].breaks_at = 5 * CHUNK;
	weir__tck_leg_take(&n->p, SLOW, ALL);
	weir__tck_feed_supply(&n->p, 0, many);
	weir__tck_party_settle(&n->p);
	n->p.leg[OTHER].here = false; /* for judge_others() */
	weir_valve_fini(&n->p.leg[OTHER].valve);
	if (!judge_running(n, many) || !judge_failed(n, OTHER, -EIO))
		return false;
	weir__tck_leg_take(&n->p, SLOW, 0);
	weir__tck_feed_supply(&n->p, 0, 20 * bound(n->p.f));
	weir__tck_party_settle(&n->p);
	weir__tck_leg_die(&n->p, SLOW, -EPIPE);
	weir__tck_party_settle(&n->p);
	return judge_running(n, many + 20 * bound(n->p.f)) && judge_failed(n, SLOW, -EPIPE);
}

/* The subject's own far side is one, too. */
static bool own_one_dies(struct fan *n, int why)
{
	const struct weir_tck_subject *s = n->s;

	if (n->p.leg[OWN].here)
		weir__tck_leg_die(&n->p, OWN, why);
	else if (s->die)
		s->die(n->p.t->made.self, why);
	return n->p.leg[OWN].here || s->die || !s->take;
}

static void last_one_fails(struct fan *n)
{
	struct tck_feed *feed = &n->p.feed[0];
	struct weir_consumer_state st;

	if (!own_one_dies(n, -EPIPE))
		return;
	weir__tck_party_settle(&n->p);
	if (!weir__tck_judge(&n->p, FAN_5, !feed->stops && feed->base.consumer,
			     "the producer is stopped, and one branch is left"))
		return;
	weir__tck_leg_die(&n->p, GOOD, -ECONNRESET);
	weir__tck_party_settle(&n->p);
	weir_consumer_state(n->p.t->made.flow.sink, &st);
	weir__tck_judge(&n->p, FAN_5, feed->stops == 1 && !feed->base.consumer,
			"the last branch has failed, and the producer is told %u stops", feed->stops);
	weir__tck_judge(&n->p, FAN_5, st.ended && st.why < 0,
			"the last branch has failed, and it %s", st.ended ? "has finished" : "goes on");
	if (!n->s->traits.loses_cause)
		weir__tck_judge(&n->p, FAN_5, feed->why == -ECONNRESET,
				"the last branch has failed with ECONNRESET, and the stop says %s",
				weir_err_name(feed->why));
}

int weir__tck_check_fan_5(struct weir_tck *t, const struct facts *f, const char **calls)
{
	struct fan n;

	*calls = "add three branches that block\nsupply 20000, one fails in a write\n"
		 "one takes 0\nsupply more than is to be held\nit dies\nthe others die\n";
	if (open_fan(&n, t, f, FAN_5, any_policy(f)) && two_fail(&n))
		last_one_fails(&n);
	return done(&n);
}
