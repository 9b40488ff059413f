/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_GUARD_FIXTURE_H
#define WEIR_TESTS_GUARD_FIXTURE_H
/*
 * guard_fixture.h -- a source, a guard and a puppet: a consumer that keeps the contract, holds
 * what it is given until it is told to let it go, and is wrong in one thing if it is told to.
 *
 * Who breaks a rule is a static function of the test, and so is who made the call before: the
 * report must name both.
 */
#include "core_fixture.h"

#include <errno.h>

#include "stack.h"
#include "weir/guard.h"

/* A function with a frame of its own: neither put into its caller, nor taken for another that
 * reads alike, nor left by a jump. */
#define FRAME(r, n) ((r)->frames = (r)->frames * 31 + (n))
#if defined(__GNUC__)
#define STANDS static __attribute__((noinline, unused))
#else
#define STANDS static
#endif

enum flaw {
	RIGHT,
	STARTS_TWICE,
	STOPS_LATECOMER_TWICE,
	TAKES_LATECOMER,
	PAUSES_FREE,
	PULLS_TWICE,
	NO_PAUSE_AT_REGISTER,
	SIGNALS_AT_UNREGISTER,
	KEEPS_AT_UNREGISTER,
	DROPS_AT_UNREGISTER,
	LOSES_PRODUCER,
	REFUSES,
	REFUSES_AND_KEEPS,
	STOPS_REGISTERED,
	NESTS,
	ANSWERS_NOTHING,
	REFUSES_NOTHING,
	CHANGES_BYTES,
	COUNTS_WRONG,
	GIVES_MORE,
	TAKES_LATE,
	HOLDS_AT_FAILURE,
	FINISHES_EARLY,
	FINISHES_REGISTERED,
	NEVER_STOPS,
};

struct puppet {
	struct weir_consumer base; /* first */
	struct weir_consumer_state st;
	enum flaw flaw;
	size_t high; /* pauses there; 0: never */
	unsigned nested;
	struct weir_producer *last; /* that was registered, or nearly */
	bool finishing;
};

/* What a report said. */
struct said {
	unsigned reports;
	char id[16], rule[100], what[200], name[40], broke[20], before[20];
	enum weir_guard_party party;
	char at[2][WEIR_GUARD_FRAMES][64]; /* names of frames */
};

struct rig {
	struct world w;
	struct puppet c;
	struct source p, other;
	struct weir_guard *guard;
	struct weir_consumer *front;
	struct said said;
	uint64_t frames;
};

/* ---- the puppet ---- */

static inline struct puppet *puppet_from(struct weir_consumer *c)
{
	return (struct puppet *)c;
}

static inline void puppet_pause(struct puppet *c, unsigned why)
{
	bool held = c->st.holds != 0;

	c->st.holds |= why;
	if (!held && c->base.producer)
		c->base.producer->ops->pause(c->base.producer);
}

static inline void puppet_end(struct puppet *c, int why)
{
	struct weir_producer *p;

	c->st.ended = true;
	c->st.why = why;
	if (c->flaw != HOLDS_AT_FAILURE) {
		c->st.dropped += c->st.held;
		c->st.held = 0;
	}
	if (c->flaw == NEVER_STOPS || c->flaw == FINISHES_REGISTERED) {
		weir_consumer_ended(&c->base, why);
		return;
	}
	p = weir_consumer_unbind(&c->base);
	if (p)
		p->ops->stop(p, why ? why : WEIR_ECLOSED);
	weir_consumer_ended(&c->base, why);
}

static inline void puppet_look(struct puppet *c)
{
	bool waits = c->base.producer && c->flaw != FINISHES_REGISTERED;

	if (c->finishing && !c->st.ended && !waits && (!c->st.held || c->flaw == FINISHES_EARLY)) {
		c->st.ended = true;
		weir_consumer_ended(&c->base, 0);
	}
}

/* Let go of what is held. */
static inline void puppet_drain(struct puppet *c)
{
	struct weir_producer *p = c->base.producer;
	bool held = c->st.holds != 0;

	c->st.out += c->st.held;
	c->st.held = 0;
	c->st.holds = 0;
	if (p && (held || p->mode == WEIR_PULL))
		p->ops->resume(p);
	puppet_look(c);
}

static inline void puppet_first_signals(struct puppet *c, struct weir_producer *p)
{
	if (c->flaw == STARTS_TWICE)
		p->ops->start(p);
	if (c->flaw == PAUSES_FREE)
		p->ops->pause(p);
	if (p->mode == WEIR_PULL)
		p->ops->resume(p);
	if (p->mode == WEIR_PULL && c->flaw == PULLS_TWICE)
		p->ops->resume(p);
	if (p->mode == WEIR_PUSH && c->st.holds && c->flaw != NO_PAUSE_AT_REGISTER)
		p->ops->pause(p);
}

static inline int puppet_register(struct weir_consumer *base, struct weir_producer *p,
                                  enum weir_mode mode)
{
	struct puppet *c = puppet_from(base);

	if (c->st.ended && c->flaw != TAKES_LATECOMER) {
		p->ops->stop(p, WEIR_ECLOSED);
		if (c->flaw == STOPS_LATECOMER_TWICE)
			p->ops->stop(p, WEIR_ECLOSED);
		return WEIR_ECLOSED;
	}
	weir_consumer_bind(base, p, mode);
	puppet_first_signals(c, p);
	c->last = p;
	if (c->flaw == LOSES_PRODUCER || c->flaw == REFUSES)
		weir_consumer_unbind(base);
	return c->flaw == REFUSES_AND_KEEPS || c->flaw == REFUSES ? -ENOMEM : 0;
}

static inline void puppet_unregister(struct weir_consumer *base)
{
	struct puppet *c = puppet_from(base);
	struct weir_producer *p = base->producer;

	if (c->flaw == KEEPS_AT_UNREGISTER)
		return;
	weir_consumer_unbind(base);
	if (c->flaw == SIGNALS_AT_UNREGISTER)
		p->ops->resume(p);
	if (c->flaw == DROPS_AT_UNREGISTER) {
		c->st.dropped += c->st.held;
		c->st.held = 0;
	}
	puppet_look(c);
}

static inline int puppet_nothing(struct puppet *c)
{
	if (c->flaw == ANSWERS_NOTHING && c->base.producer)
		puppet_pause(c, WEIR_HOLD_USER);
	return c->flaw == REFUSES_NOTHING ? WEIR_EFULL : 0;
}

static inline int puppet_write(struct weir_consumer *base, const void *data, size_t len)
{
	struct puppet *c = puppet_from(base);

	if (len == 0)
		return puppet_nothing(c);
	if (c->st.ended && c->flaw != TAKES_LATE)
		return WEIR_ECLOSED;
	if (c->flaw == CHANGES_BYTES)
		((unsigned char *)(uintptr_t)data)[len / 2] ^= 1;
	c->st.in += len;
	c->st.held += len;
	if (c->flaw == COUNTS_WRONG)
		c->st.held--;
	if (c->flaw == GIVES_MORE)
		c->st.out = c->st.in + 1;
	if (c->high && c->st.held >= c->high)
		puppet_pause(c, WEIR_HOLD_FULL);
	if (c->flaw == NESTS && c->nested++ < 100)
		base->producer->ops->resume(base->producer);
	return 0;
}

static inline int puppet_give(struct weir_consumer *base, struct weir_chunk *chunk)
{
	int rc = puppet_write(base, chunk->data, chunk->len);

	if (rc == 0)
		weir_chunk_unref(chunk);
	return rc;
}

static inline void puppet_finish(struct weir_consumer *base)
{
	puppet_from(base)->finishing = true;
	puppet_look(puppet_from(base));
}

static inline void puppet_fail(struct weir_consumer *base, int why)
{
	if (!puppet_from(base)->st.ended)
		puppet_end(puppet_from(base), why);
}

static inline size_t puppet_room(struct weir_consumer *base)
{
	return puppet_from(base)->st.holds ? 0 : SIZE_MAX;
}

static inline void puppet_wake(struct weir_consumer *base)
{
	(void)base;
}

static inline void puppet_state(const struct weir_consumer *base, struct weir_consumer_state *out)
{
	*out = ((const struct puppet *)base)->st;
}

static const struct weir_consumer_ops puppet_ops = {
	.name = "puppet",
	.register_producer = puppet_register,
	.unregister_producer = puppet_unregister,
	.write = puppet_write,
	.give = puppet_give,
	.finish = puppet_finish,
	.fail = puppet_fail,
	.room = puppet_room,
	.wake = puppet_wake,
	.state = puppet_state,
};

/* ---- what the guard says ---- */

static inline void keep_names(char at[][64], const struct weir_guard_call *call)
{
	for (size_t i = 0; i < call->count; i++)
		snprintf(at[i], sizeof(at[i]), "%s",
		         call->frames[i].function ? call->frames[i].function : "");
}

static inline void on_broken(void *arg, const struct weir_guard_report *r)
{
	struct said *s = arg;

	s->reports++;
	snprintf(s->id, sizeof(s->id), "%s", r->id);
	snprintf(s->rule, sizeof(s->rule), "%s", r->rule);
	snprintf(s->what, sizeof(s->what), "%s", r->what);
	snprintf(s->name, sizeof(s->name), "%s", r->name);
	snprintf(s->broke, sizeof(s->broke), "%s", r->broke.what);
	snprintf(s->before, sizeof(s->before), "%s", r->before.what ? r->before.what : "");
	s->party = r->party;
	keep_names(s->at[0], &r->broke);
	keep_names(s->at[1], &r->before);
}

/* Compilers add ".isra.0" and the like. */
static inline bool is_named(const char *frame, const char *name)
{
	size_t len = strlen(name);

	return strncmp(frame, name, len) == 0 && (frame[len] == '\0' || frame[len] == '.');
}

static inline void assert_named(const struct said *s, int which, const char *name)
{
	for (unsigned i = 0; i < WEIR_GUARD_FRAMES; i++)
		if (is_named(s->at[which][i], name))
			return;
	for (unsigned i = 0; i < WEIR_GUARD_FRAMES && *s->at[which][i]; i++)
		print_message("  %s\n", s->at[which][i]);
	fail_msg("%s: %s is not in the stack of the %s", s->id, name, which ? s->before : s->broke);
}

/* It was broken by the party's function `broke`, after the call in `before`, or after none. */
static inline void assert_broken(const struct rig *r, const char *id, enum weir_guard_party party,
                                 const char *broke, const char *before)
{
	const struct said *s = &r->said;

	assert_int_equal(s->reports, 1);
	if (strcmp(s->id, id) != 0 || s->party != party)
		fail_msg("%s by the %s, not %s: %s", s->id, s->party ? "consumer" : "producer", id,
		         s->what);
	assert_string_equal(s->name, party == WEIR_GUARD_CONSUMER ? "puppet" : r->p.base.ops->name);
	assert_true(*s->rule && *s->what);
	if (weir__names_static()) {
		assert_named(s, 0, broke);
		if (before)
			assert_named(s, 1, before);
	}
	assert_true(!before == !*s->before);
}

/* ---- the rig ---- */

static inline void rig_guard(struct rig *r, const struct weir_guard_options *options)
{
	struct weir_guard_options mine = *options;

	weir_guard_destroy(r->guard);
	mine.on_broken = on_broken;
	mine.arg = &r->said;
	assert_int_equal(weir_guard_create(&r->c.base, &mine, &r->guard), 0);
	r->front = weir_guard_sink(r->guard);
}

static inline int rig_setup(void **state)
{
	struct rig *r = test_calloc(1, sizeof(*r));

	world_open(&r->w, (size_t)1 << 20);
	weir_consumer_init(&r->c.base, &puppet_ops);
	source_open(&r->p, WEIR_PUSH);
	source_open(&r->other, WEIR_PUSH);
	rig_guard(r, &(struct weir_guard_options){.ctx = &r->w.ctx});
	*state = r;
	return 0;
}

static inline int rig_teardown(void **state)
{
	struct rig *r = *state;

	weir_guard_destroy(r->guard);
	world_close(&r->w);
	test_free(r);
	return 0;
}

static inline int rig_register(struct rig *r, struct source *p)
{
	int rc = weir_consumer_register(r->front, &p->base, p->base.mode);

	FRAME(r, 1);
	return rc;
}

/* ---- calls that have names; `first` and `then` are two functions ---- */

STANDS int registers(struct rig *r)
{
	int rc = rig_register(r, &r->p);

	FRAME(r, 2);
	return rc;
}

STANDS int registers_again(struct rig *r)
{
	int rc = rig_register(r, &r->p);

	FRAME(r, 3);
	return rc;
}

STANDS void unregisters(struct rig *r)
{
	weir_consumer_unregister(r->front);
	FRAME(r, 4);
}

STANDS void ends(struct rig *r, int why)
{
	weir_producer_end(&r->p.base, why);
	FRAME(r, 5);
}

STANDS int writes(struct rig *r, size_t len)
{
	int rc = source_write_to(&r->p, r->front, len);

	FRAME(r, 6);
	return rc;
}

STANDS void dies(struct rig *r)
{
	puppet_end(&r->c, -EPIPE);
	FRAME(r, 7);
}

/* What the consumer tells its producer. */
static inline void tell(struct rig *r, char what)
{
	struct weir_producer *p = r->c.base.producer;

	if (what == 'p') {
		r->c.st.holds = WEIR_HOLD_USER;
		p->ops->pause(p);
	} else if (what == 'r') {
		r->c.st.holds = 0;
		p->ops->resume(p);
	} else {
		r->c.base.producer = NULL;
		p->consumer = NULL;
		p->ops->stop(p, WEIR_ECLOSED);
		r->c.base.producer = p;
	}
}

STANDS void tells_first(struct rig *r, char what)
{
	tell(r, what);
	FRAME(r, 108);
}

STANDS void tells_then(struct rig *r, char what)
{
	tell(r, what);
	FRAME(r, 9);
}

STANDS void writes_nothing(struct rig *r)
{
	(void)!weir_consumer_write(r->front, NULL, 0);
	FRAME(r, 12);
}

/* One whose marks the guard knows. */
static inline void marked(struct rig *r)
{
	rig_guard(r, &(struct weir_guard_options){.high = 100, .low = 20});
	r->c.high = 100;
	registers(r);
}

#define RIGGED(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

#endif
