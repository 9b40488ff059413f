/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KIT_GUARD_PRIV_H
#define WEIR_KIT_GUARD_PRIV_H
/*
 * guard_priv.h -- what the files of the guard share.
 *
 *   guard.c         the calls that pass through it
 *   guard_told.c    what a consumer may tell its producer
 *   guard_does.c    what a producer may do, and what must follow
 *   guard_turn.c    what must have happened a turn later
 *   guard_report.c  a breach: who, what, from where
 */
#include "stack.h"
#include "tck_priv.h"
#include "weir/guard.h"

/* A call through the guard, while it lasts. */
struct passing {
	struct passing *outer;
	const void *caller; /* where it returns to */
	const char *what;
	enum weir_guard_party by;
	bool empty;       /* a write of nothing */
	bool closed;      /* a write to a consumer that has ended */
	bool late;        /* a write after a pause */
	bool unasked;     /* a write that the consumer must take, and has not asked for */
	const void *data; /* lent by a write, if somebody is to look at them; or NULL */
	size_t len;
	uint64_t sum;
};

/* Earlier calls, which later ones may contradict. */
enum moment {
	AT_FIRST, /* the first call of all */
	AT_REGISTER,
	AT_UNREGISTER,
	AT_PAUSE,
	AT_LAST_PAUSE, /* of the producer before */
	AT_RESUME,
	AT_STOP,
	AT_WRITE,
	AT_WAKE,
	AT_END,   /* asked for: finish or fail */
	AT_ENDED, /* of the consumer */
	AT_NONE,
};

struct mark {
	const char *what; /* NULL: it has not been */
	struct stack stack;
};

struct weir_guard {
	struct weir_wrap wrap; /* first */
	struct weir_consumer_ops front_ops;
	struct weir_producer_ops back_ops;
	struct weir_guard_options options;
	struct weir_end_watch end_watch;
	struct weir_producer *source; /* stands behind a guard that is used in its place, or NULL */
	bool cut; /* and the consumer has let it go: `wrap.inner` is none of its business */
	const char *consumer_name, *producer_name;
	const char *thread; /* stands for the one that owns it */
	bool broken;
	struct passing *call; /* the innermost */

	/* the producer */
	enum standing standing;
	enum weir_mode mode;
	uint64_t epoch; /* counts registrations, and their ends */
	bool registering, paused;
	bool full;          /* that pause was for a full consumer */
	bool left_paused;   /* the producer before was */
	bool gave_up;       /* it was let go and has ended its stream */
	bool parked, woken; /* it said "nothing yet"; and then that it has some */
	bool asked;         /* it was pulled, and has not written */
	bool turned_away;   /* but it would have: it may be asked again */
	unsigned pausing, resuming;
	unsigned pauses, resumes, stops, signals; /* since it was registered */
	uint64_t over;                            /* bytes written since the pause */
	uint64_t parked_in;                       /* what the consumer had accepted then */

	/* the stream */
	bool finished, failed;
	uint64_t base_in, in; /* bytes accepted before there was a guard, and through it */
	size_t biggest;       /* write that was accepted */
	uint64_t excess;      /* accepted, though the consumer had asked for none */

	struct mark marks[AT_NONE];

	/* a turn later */
	struct weir_task task;
	struct weir_timer timer;
	uint64_t wait_ns;
	unsigned turns; /* to go */
	uint64_t due_epoch;
	unsigned due_resumes;
	bool due_stop;
};

static inline struct weir_guard *weir__guard_from_front(struct weir_consumer *c)
{
	return (struct weir_guard *)c;
}

static inline struct weir_guard *weir__guard_from_back(struct weir_producer *p)
{
	return (struct weir_guard *)weir_wrap_from_back(p);
}

static inline struct weir_consumer_state weir__guard_state(const struct weir_guard *g)
{
	struct weir_consumer_state st;

	weir_consumer_state(g->wrap.inner, &st);
	return st;
}

/* Whether the end was asked for and nobody may write any more. */
static inline bool weir__guard_over(const struct weir_guard *g)
{
	return g->failed || (g->finished && g->standing != REGISTERED);
}

/* ---- guard_report.c ---- */

/* Hold something against a rule: `is` must be true.  The first time that it is not is
 * reported, in the words of `format`.  `before`: the call that it contradicts. */
void weir__guard_holds(struct weir_guard *g, enum rule rule, enum weir_guard_party party,
                       enum moment before, bool is, const char *format, ...)
	WEIR_PRINTF(6, 7);

/* Write down where the innermost call comes from. */
void weir__guard_mark(struct weir_guard *g, enum moment moment);

/* ---- guard_told.c: before and after the call goes on ---- */

void weir__guard_starts(struct weir_guard *g);
void weir__guard_pauses(struct weir_guard *g);
void weir__guard_resumes(struct weir_guard *g);
void weir__guard_is_cut(struct weir_guard *g);
void weir__guard_stops(struct weir_guard *g, int why);

/* A pull producer has returned from its resume, number `resume` in `epoch`. */
void weir__guard_pulled(struct weir_guard *g, uint64_t epoch, unsigned resume);

/* ---- guard_does.c ---- */

void weir__guard_registers(struct weir_guard *g, const struct weir_producer *p,
                           enum weir_mode mode);
void weir__guard_registered(struct weir_guard *g, const struct weir_producer *p, int rc,
                            const struct weir_consumer_state *before);
void weir__guard_unregisters(struct weir_guard *g);
void weir__guard_unregistered(struct weir_guard *g, uint64_t epoch,
                              const struct weir_consumer_state *before);
void weir__guard_writes(struct weir_guard *g, size_t len);
void weir__guard_wrote(struct weir_guard *g, size_t len, int rc, uint64_t epoch);
void weir__guard_ends(struct weir_guard *g, int why);
void weir__guard_ended(struct weir_guard *g, int why);
void weir__guard_wakes(struct weir_guard *g);

/* Bytes are lent for the innermost call; later, whether they are still what they were. */
void weir__guard_lend(struct weir_guard *g, const void *data, size_t len);
void weir__guard_look_at_lent(struct weir_guard *g, enum weir_guard_party party);
void weir__guard_forget_lent(struct weir_guard *g);

/* ---- guard_turn.c ---- */

void weir__guard_turn_init(struct weir_guard *g);

/* There is something to wait for: look a turn later. */
void weir__guard_expect(struct weir_guard *g);
void weir__guard_turn_fini(struct weir_guard *g);

#endif
