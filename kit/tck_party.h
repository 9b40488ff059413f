/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KIT_TCK_PARTY_H
#define WEIR_KIT_TCK_PARTY_H
/*
 * tck_party.h -- producers and consumers of the kit's, several at once, for the checks that
 * are no schedules: branches, streams, members of a group.
 *
 * The monitors of a play know one flow only.  They are off from weir__tck_party_open() on, and
 * a check says with weir__tck_judge() what it has seen; the first breach stands.
 */
#include "tck_priv.h"

#define PARTY_MAX 6

/* A push producer: it writes the subject's pattern whenever it may. */
struct tck_feed {
	struct weir_producer base; /* first */
	struct weir_tck *t;
	uint64_t next;   /* offset of its next byte: so many were accepted */
	uint64_t supply; /* bytes that it has */
	size_t chunk;    /* bytes of a write */
	bool here;       /* it was opened */
	bool gives;      /* chunks with an owner, each a block of its own */
	bool ends;       /* with its supply */
	bool paused;
	unsigned pauses, stops;
	int why;         /* of the stop, or of a write that was refused for good */
};

/* A consumer: it takes what it is told to take, and keeps it. */
struct tck_leg {
	struct weir_valve valve; /* first */
	struct weir_tck *t;
	bool here;
	uint64_t window;      /* bytes that it takes more; ALL */
	uint64_t breaks_at;   /* it fails, with -EIO, once it has taken so many; ALL: never */
	unsigned char *bytes; /* what it took; */
	size_t got, cap;      /* so many */
	bool ended;           /* its producer has told the end */
	int why;
};

struct tck_party {
	struct weir_tck *t;
	const struct facts *f;
	struct tck_feed feed[PARTY_MAX];
	struct tck_leg leg[PARTY_MAX];
	void (*at_instant)(struct tck_party *p);   /* before the clock moves; or NULL */
};

/* Make one of the subject, with nothing registered.  Returns 0 or a code. */
int weir__tck_party_open(struct tck_party *p, struct weir_tck *t, const struct facts *f);

/* Release all of it.  Nothing that is done here is held against a rule but what is left. */
void weir__tck_party_close(struct tck_party *p);

/* As weir__tck_holds(), for checks.  Returns whether nothing has been broken so far. */
bool weir__tck_judge(struct tck_party *p, enum rule rule, bool is, const char *format, ...)
	WEIR_PRINTF(4, 5);

/* Register number `i` with a sink, which may be NULL: then `feed` of the subject is meant. */
int weir__tck_feed_open(struct tck_party *p, unsigned i, struct weir_consumer *sink, size_t chunk);

/* Give it `n` bytes more, which it writes as it may. */
void weir__tck_feed_supply(struct tck_party *p, unsigned i, uint64_t n);

/* A consumer that takes all; and one that is registered with the subject's source too. */
void weir__tck_leg_open(struct tck_party *p, unsigned i);
int weir__tck_leg_attach(struct tck_party *p, unsigned i, struct weir_producer *source);

/* It takes `n` bytes more, and no others. */
void weir__tck_leg_take(struct tck_party *p, unsigned i, uint64_t n);
void weir__tck_leg_die(struct tck_party *p, unsigned i, int why);

/* Number `i` is free again; the subject has let go of both, or does now. */
void weir__tck_party_leave(struct tck_party *p, unsigned i);

/* Offset of the first byte that is not the one due there, or ALL. */
uint64_t weir__tck_leg_wrong(const struct tck_leg *leg);

/* Turns, until nothing moves any more; the clock stands still. */
void weir__tck_party_settle(struct tck_party *p);

/* The same, and the kit's clock goes on to `time`, from deadline to deadline. */
void weir__tck_party_run(struct tck_party *p, uint64_t time);

/* The kit's clock is at `time`, as when a loop was late: no deadline before was kept. */
void weir__tck_party_jump(struct tck_party *p, uint64_t time);

/* As weir__tck_party_run(), until all consumers that take all have got what their producers have, or nothing
 * will come any more.  Number i of the consumers is behind number i of the producers. */
void weir__tck_party_play(struct tck_party *p);

#endif
