/* SPDX-License-Identifier: MIT */
/* The calls on the subject's sink, and what must follow from them at once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tck_priv.h"

/* What borrowed bytes become after the call; no byte of the pattern. */
#define SCRIBBLE 0xee

/* ---- the pattern ---- */

static unsigned char pattern(uint64_t offset)
{
	unsigned char byte = (unsigned char)(offset * 131 + (offset >> 8) * 17 + (offset >> 16) * 29);

	return byte == SCRIBBLE ? SCRIBBLE + 1 : byte;
}

void weir_tck_fill(void *out, size_t len, uint64_t offset)
{
	unsigned char *bytes = out;

	for (size_t i = 0; i < len; i++)
		bytes[i] = pattern(offset + i);
}

void weir__tck_fill(const struct weir_tck *t, unsigned char *out, size_t len, uint64_t offset)
{
	const struct weir_tck_subject *s = t->subject;

	if (!s->in) {
		weir_tck_fill(out, len, offset);
		return;
	}
	for (size_t i = 0; i < len; i++)
		out[i] = s->in(s->arg, offset + i);
}

/* ---- what comes out ---- */

unsigned char weir__tck_byte_due(const struct weir_tck *t, uint64_t offset)
{
	const struct weir_tck_subject *s = t->subject;

	if (s->out)
		return s->out(s->arg, offset);
	return s->in ? s->in(s->arg, offset) : pattern(offset);
}

static void look_at_byte(struct weir_tck *t, uint64_t offset, unsigned char byte)
{
	unsigned char due = weir__tck_byte_due(t, offset);

	if (byte == due)
		return;
	weir__tck_holds(t, byte == SCRIBBLE ? DATA_4 : DATA_1, false,
			byte == SCRIBBLE ? "byte %llu is from a buffer that was no longer lent"
					 : "byte %llu is not the one that was written there",
			(unsigned long long)offset);
}

void weir_tck_out(struct weir_tck *t, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	weir__tck_look_at_thread(t);
	weir__tck_look_at_stack(t);
	t->all_out += len;
	if (len == 0 || t->quiet)
		return;
	weir__tck_holds(t, END_1, !t->far_ended, "bytes come out after the end");
	if (!t->subject->out_length)
		weir__tck_holds(t, DATA_1, t->got + len <= t->next || !t->subject->feed ||
						   t->made.flow.sink,
				"more bytes come out than went in");
	for (size_t i = 0; i < len && !t->quiet; i++)
		look_at_byte(t, t->got + i, bytes[i]);
	t->got += len;
	t->turn_out += len;
	if (t->window != ALL)
		t->window -= len < t->window ? len : t->window;
	t->inside_out = true;
	weir__tck_react(t, EVENT_OUT);
	t->inside_out = false;
}

void weir_tck_out_end(struct weir_tck *t, int why)
{
	if (t->quiet)
		return;
	weir__tck_look_at_thread(t);
	weir__tck_holds(t, END_1, !t->far_ended, "the far side is told the end twice");
	if (why == 0 && ((t->failed && !t->whole) || weir__tck_due(t) == WEIR_TCK_NO_LENGTH))
		weir__tck_holds(t, END_5, t->subject->traits.sink_cannot_fail,
				"the far side sees a whole stream, and it was cut");
	if (why == 0 && !t->failed)
		weir__tck_holds(t, END_3, t->finished && t->got == weir__tck_due(t),
				"the far side is told the end with %llu of %llu bytes",
				(unsigned long long)t->got,
				(unsigned long long)weir__tck_due(t));
	if (why < 0 && t->failed && t->cause && !t->subject->traits.loses_cause)
		weir__tck_holds(t, END_10, why == t->cause, "the far side is told %s in place of %s",
				weir_err_name(why), weir_err_name(t->cause));
	t->far_ended = true;
	t->far_why = why;
	weir__tck_note(t, EVENT_END);
}

void weir_tck_closed(struct weir_tck *t)
{
	weir__tck_look_at_thread(t);
	t->closes++;
}

/* ---- registering ---- */

struct tck_source *weir__tck_registered(struct weir_tck *t)
{
	for (unsigned i = 0; i < 2; i++)
		if (t->source[i].standing == REGISTERED)
			return &t->source[i];
	return NULL;
}

bool weir__tck_closed(const struct weir_tck *t)
{
	if (t->subject->traits.twisted)
		return t->front_ended;
	return t->front_ended || t->failed || t->finished;
}

/* `told`: how often each of them had been. */
static void refused_second(struct weir_tck *t, struct tck_source *s, struct tck_source *first,
			   int rc, const unsigned told[2])
{
	struct weir_consumer *c = t->made.flow.sink;

	weir__tck_holds(t, REG_1, rc == WEIR_EBUSY, "a second register gives %s",
			rc ? weir_err_name(rc) : "0");
	weir__tck_holds(t, REG_1, weir_consumer_producer(c) == &first->base &&
					  first->base.consumer == c,
			"after a second register the first is not registered any more");
	weir__tck_holds(t, REG_1, first->signals == told[0], "a second register signals the first");
	if (s != first)
		weir__tck_holds(t, REG_1, s->signals == told[1] && !s->base.consumer,
				"a second register that is refused starts the second");
}

static void refused_closed(struct weir_tck *t, struct tck_source *s, int rc)
{
	weir__tck_holds(t, REG_2, rc == WEIR_ECLOSED, "register after the end gives %s",
			rc ? weir_err_name(rc) : "0");
	weir__tck_holds(t, REG_2, s->stops == 1 && s->signals == 1,
			"register after the end: %u stops in %u signals", s->stops, s->signals);
	weir__tck_holds(t, REG_2, !weir_consumer_producer(t->made.flow.sink) && !s->base.consumer,
			"register after the end keeps the producer");
}

/* `before`: the state in which it was registered. */
static void look_at_first_signals(struct weir_tck *t, struct tck_source *s, enum weir_mode mode,
				  const struct weir_consumer_state *before)
{
	uint64_t held = weir__tck_own(t, before->held);
	bool full = before->holds || (t->n.high && held >= t->n.high);

	if (mode == WEIR_PULL) {
		if (!before->holds && !t->hog &&
		    weir__tck_own_most(t, before->held) <= t->n.low)
			weir__tck_holds(t, REG_3, s->resumes == 1 || (s->resumes && t->in),
					"a pull producer is resumed %u times", s->resumes);
	} else if (full) {
		weir__tck_holds(t, REG_4, s->pauses == 1 && s->resumes == 0,
				"a push producer on a full consumer: %u pauses, %u resumes",
				s->pauses, s->resumes);
	} else if (!t->hog) {
		weir__tck_holds(t, REG_3, s->pauses == 0 && s->resumes == 0,
				"a push producer below the mark: %u pauses, %u resumes", s->pauses,
				s->resumes);
	}
}

void weir__tck_register(struct weir_tck *t, struct tck_source *s, enum weir_mode mode)
{
	struct weir_consumer *c = t->made.flow.sink;
	struct tck_source *first = weir__tck_registered(t);
	struct weir_consumer_state before = weir__tck_state(t);
	const unsigned told[2] = {first ? first->signals : 0, s->signals};
	bool closed = weir__tck_closed(t), reacts = t->inside_count || t->depth > 1;
	int rc;

	if (!c || (t->registering && !first))
		return;
	if (first) {
		rc = weir_consumer_register(c, &s->base, mode);
		refused_second(t, s, first, rc, told);
		return;
	}
	t->refused = false;
	weir__tck_source_init(s, t);
	s->standing = REGISTERED;
	t->registrations++;
	s->starting = true;
	t->registering = closed || t->died ? s : NULL;
	rc = weir_consumer_register(c, &s->base, mode);
	t->registering = NULL;
	s->starting = false;
	if (rc < 0 && s->standing == REGISTERED)
		s->standing = UNUSED;
	if (closed)
		refused_closed(t, s, rc);
	else if (rc == 0 && !reacts && !t->died)
		look_at_first_signals(t, s, mode, &before);
	else if (rc < 0 && !t->died && !t->subject->traits.twisted)
		weir__tck_holds(t, REG_3, false, "register gives %s", weir_err_name(rc));
}

void weir__tck_unregister(struct weir_tck *t)
{
	struct weir_consumer *c = t->made.flow.sink;
	struct tck_source *s = weir__tck_registered(t);
	unsigned told;

	if (!c)
		return;
	told = s ? s->signals : 0;
	if (s) {
		s->standing = LET_GO;
		t->left_paused = s->paused;
		s->paused = s->parked = false;
	}
	for (int i = 0; i < 2; i++) {
		weir_consumer_unregister(c);
		weir__tck_holds(t, REG_5, !weir_consumer_producer(c) || (s && !s->base.consumer),
				"unregister leaves the producer registered");
		weir__tck_holds(t, REG_8, !weir_consumer_producer(c) && (!s || !s->base.consumer),
				"unregister leaves the producer half registered");
	}
	if (s && s->standing == LET_GO)
		weir__tck_holds(t, REG_5, s->signals == told, "unregister signals the producer");
}

/* ---- writing ---- */

/* Call write or give with these bytes; *intact: a chunk is as its owner must find it. */
static int offer(struct weir_tck *t, uint64_t len, bool give, unsigned char *buf, bool *intact)
{
	struct weir_consumer *c = t->made.flow.sink;
	struct weir_chunk chunk;
	struct weir_block *block;
	int rc;

	*intact = true;
	if (!give || len == 0 || weir_pool_take(&t->ctx->pool, (size_t)len, &block) < 0)
		return weir_consumer_write(c, len ? buf : NULL, (size_t)len);
	block->used = (uint32_t)len;
	memcpy(block->data, buf, (size_t)len);
	chunk = weir_chunk_from_block(block);
	weir_block_ref(block);
	rc = weir_consumer_give(c, &chunk);
	*intact = rc == 0 ? !chunk.owner && !chunk.len
			  : chunk.owner == block && chunk.len == len && chunk.data == block->data;
	weir__tck_holds(t, DATA_4, !memcmp(block->data, buf, (size_t)len) && block->used == len,
			"a given block was changed while somebody else had it too");
	if (rc < 0 && chunk.owner == block)
		weir_block_unref(block);
	weir_block_unref(block);
	return rc;
}

/* Whether it is the budget, if anything, that has no room for them. */
static bool by_budget(const struct weir_tck *t, uint64_t len, uint64_t held)
{
	return t->hog && (!t->n.limit || held + len <= t->n.limit);
}

static bool may_refuse(struct weir_tck *t, int rc, uint64_t len, uint64_t held)
{
	if (t->front_ended || t->failed || t->died || rc == -ENOMEM)
		return true;
	if (rc == WEIR_EFULL && (t->squeezed || !t->n.limit))
		return true;
	return rc == WEIR_EFULL && held + len > t->n.limit;
}

static void accepted(struct weir_tck *t, uint64_t len, bool unasked)
{
	t->turn_in += len;
	if (len > t->biggest)
		t->biggest = (size_t)len;
	if (unasked)
		t->excess += len;
}

static void refused(struct weir_tck *t, struct tck_source *s, int rc, uint64_t len, uint64_t held,
		    bool waiting)
{
	if (waiting)
		weir__tck_holds(t, END_9, may_refuse(t, rc, len, held),
				"a write of the producer that a finish waits for gives %s",
				weir_err_name(rc));
	else
		weir__tck_holds(t, FLOW_3, may_refuse(t, rc, len, held),
				"a write of %llu bytes gives %s, with %llu held and a limit of %zu",
				(unsigned long long)len, weir_err_name(rc),
				(unsigned long long)held, t->n.limit);
	if (rc == WEIR_EFULL && s && !s->paused && !t->subject->traits.twisted && by_budget(t, len, held)) {
		t->refused = true;
		t->refused_pauses = s->pauses;
	}
	if (t->front_ended)
		t->torn = true;
}

static void feed(struct weir_tck *t, uint64_t len)
{
	unsigned char *buf;
	uint64_t at;
	size_t taken;

	if (!t->subject->feed || len == 0 || t->finished || t->failed)
		return;
	buf = malloc((size_t)len);
	if (!buf)
		return;
	weir__tck_fill(t, buf, (size_t)len, t->next);
	if (t->behind.paused)
		weir__tck_holds(t, FLOW_2, true, "%s", ""); /* and must not write them on */
	t->next += len;
	t->in += len; /* they may all come out, and the end after them, before the call returns */
	at = t->next;
	taken = t->subject->feed(t->made.self, buf, (size_t)len);
	if (taken < len && t->next != at)
		t->moot = t->quiet = true; /* refused, but what was fed meanwhile was not */
	t->next -= len - taken;
	t->in -= len - taken;
	memset(buf, SCRIBBLE, (size_t)len);
	free(buf);
}

static void write_nothing(struct weir_tck *t)
{
	uint64_t got = t->got;
	bool closed = weir__tck_closed(t) || t->finished;
	int rc;

	t->empty_write = true;
	rc = weir_consumer_write(t->made.flow.sink, NULL, 0);
	t->empty_write = false;
	if (!closed && !t->died)
		weir__tck_holds(t, FLOW_9, rc == 0, "an empty write gives %s", weir_err_name(rc));
	weir__tck_holds(t, FLOW_9, got == t->got, "an empty write moves bytes");
}

void weir__tck_write(struct weir_tck *t, uint64_t len, bool give)
{
	struct tck_source *s = weir__tck_registered(t);
	struct weir_consumer_state before = weir__tck_state(t);
	bool closed = weir__tck_closed(t) && !(t->finished && !t->failed && s);
	bool unasked = !s || s->paused || t->writes || (s->base.mode == WEIR_PULL && !s->pulled);
	bool waiting = t->finished && !t->failed && s && !t->died;
	uint64_t at = t->next, in = t->in;
	bool answered = s && s->answered, parked = s && s->parked;
	unsigned resumes = s ? s->resumes : 0;
	unsigned char *buf;
	bool intact;
	int rc;

	/* In Twisted's profile one who comes to a full consumer is not told so. */
	unasked = unasked || (t->subject->traits.twisted && before.held >= t->n.high);
	if (give && len > WEIR_BLOCK_LARGE)
		len = WEIR_BLOCK_LARGE;
	if (t->writes && t->hog)
		return; /* whose bytes come first depends on whether the outer ones are refused */
	if (!t->made.flow.sink || len == 0 || len >= ((uint64_t)1 << 31)) {
		if (!t->made.flow.sink)
			feed(t, len);
		else if (len == 0)
			write_nothing(t);
		return;
	}
	buf = malloc((size_t)len);
	if (!buf)
		return;
	weir__tck_fill(t, buf, (size_t)len, at);
	t->next += len;
	t->in += len; /* it may all come out, and end, before the call returns */
	if (s) {
		s->answered = true;
		s->parked = false; /* it may be asked again, and say so again, from inside */
	}
	t->writes++;
	rc = offer(t, len, give, buf, &intact);
	t->writes--;
	weir__tck_holds(t, MEM_6, intact, "a chunk that was %s", rc ? "refused is not its giver's"
								     : "taken is not emptied");
	memset(buf, SCRIBBLE, (size_t)len);
	free(buf);
	if (rc < 0 && t->next != at + len)
		t->moot = t->quiet = true; /* refused, but what was written meanwhile was not */
	if (closed)
		weir__tck_holds(t, DATA_2, rc < 0, "a write after the end is accepted");
	if (rc == 0 && t->finished && t->subject->traits.twisted)
		t->moot = t->quiet = true; /* it is sent, or vanishes, as things stand */
	if (rc == 0 && closed) {
		t->next = at;
		t->in -= len;
		return;
	}
	if (rc == 0) {
		accepted(t, len, unasked);
		return;
	}
	t->next = at;
	t->in -= len;
	if (parked && s->resumes == resumes && s->standing == REGISTERED)
		s->parked = true;
	if (s && !by_budget(t, len, before.held))
		s->answered = answered;
	if (!closed && t->in == in)
		refused(t, s, rc, len, weir__tck_own(t, before.held), waiting);
}

/* ---- ending ---- */

void weir__tck_end(struct weir_tck *t, int why)
{
	struct weir_consumer *c = t->made.flow.sink;

	if (t->destroyed || t->failed || (why == 0 && t->finished) || (!c && !t->subject->feed_end))
		return;
	if (!c && t->finished)
		return;
	if (t->died && !t->front_ended && why < 0)
		t->cause = 0;
	if (!t->front_ended && !t->died && why < 0) {
		t->was_held = weir__tck_due(t) > t->got;
		t->whole = t->finished && (weir__tck_handed(t) == weir__tck_due(t) ||
					   t->subject->traits.twisted);
		t->failed = true;
		t->cause = why;
	}
	if (why == 0 && !t->died && !t->front_ended) {
		t->finished = true;
		t->finish_at = t->now;
	}
	if (!c)
		t->subject->feed_end(t->made.self, why);
	else if (why)
		weir_consumer_fail(c, why);
	else
		weir_consumer_finish(c);
}
