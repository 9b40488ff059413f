/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KIT_TCK_PRIV_H
#define WEIR_KIT_TCK_PRIV_H
/*
 * tck_priv.h -- what the files of the contract kit share.
 *
 * A schedule is a list of calls.  It is played on one instance of the subject, between a
 * source of the kit's in front and a sink of the kit's behind, while monitors hold all that
 * happens against the rules.  A play ends at the first breach.
 *
 *   tck.c         a run: which schedules, what is said of each rule
 *   tck_rules.c   the rules: when they apply, and schedules that exercise them
 *   tck_text.c    schedules as text
 *   tck_play.c    one play: making the calls, winding up
 *   tck_call.c    the calls on the subject's sink, and what follows from what they return
 *   tck_source.c  the kit's source: what a consumer may tell its producer
 *   tck_sink.c    the kit's sink: what a producer may tell its consumer
 *   tck_look.c    what must hold at every instant, after a turn, and at the end
 *   tck_random.c  drawing a schedule, and making one shorter
 *   tck_cost.c    MEM-5
 *   tck_check.h   checks of several flows, of time, and more, and their files
 *   tck_party.c   several producers and consumers at once, for the checks that follow
 *   tck_fan.c     FAN-1 to FAN-5
 *   tck_mux.c     MUX-1 to MUX-4
 *   tck_rate.c    RATE-1 to RATE-3
 */
#include "weir/impl/valve.h"
#include "weir/impl/wrap.h"
#include "weir/tck.h"

#define RULES(X)                                                                              \
	X(REG_1, "REG-1", REQUIRED, "a second register is an error, the first untouched")      \
	X(REG_2, "REG-2", REQUIRED, "register on a dead consumer: one stop, nothing kept")     \
	X(REG_3, "REG-3", REQUIRED, "register resumes a pull producer once, signals no push producer") \
	X(REG_4, "REG-4", REQUIRED, "register pauses a push producer once at or over the mark") \
	X(REG_5, "REG-5", REQUIRED, "unregister: idempotent, anywhere, and silence after it")  \
	X(REG_6, "REG-6", REQUIRED, "no unearned resume for the next producer")                \
	X(REG_7, "REG-7", REQUIRED, "unregister keeps what was accepted, and a pending finish") \
	X(REG_8, "REG-8", REQUIRED, "registered or not registered, never between")             \
	X(FLOW_1, "FLOW-1", REQUIRED, "pause and resume alternate, pause first")               \
	X(FLOW_2, "FLOW-2", REQUIRED, "a pause is obeyed within the declared overshoot")       \
	X(FLOW_3, "FLOW-3", REQUIRED, "pause at the high mark, resume at the low one")         \
	X(FLOW_4, "FLOW-4", REQUIRED, "paused and drained: resumed within one turn")           \
	X(FLOW_5, "FLOW-5", REQUIRED, "one chunk a pull; \"nothing yet\" parks until the wake") \
	X(FLOW_6, "FLOW-6", STOCHASTIC, "resume may write, be paused, unregister, end before it returns") \
	X(FLOW_7, "FLOW-7", REQUIRED, "a million pulls in constant stack")                     \
	X(FLOW_8, "FLOW-8", REQUIRED, "every callback from the loop's own thread")             \
	X(FLOW_9, "FLOW-9", REQUIRED, "an empty write never signals")                          \
	X(FLOW_10, "FLOW-10", REQUIRED, "at most a quantum a turn")                            \
	X(MEM_1, "MEM-1", REQUIRED, "a sink that takes nothing: held <= high mark + one chunk") \
	X(MEM_2, "MEM-2", REQUIRED, "what is held is charged to the budget")                   \
	X(MEM_3, "MEM-3", STOCHASTIC, "a full budget pauses, drops nothing, starves none")     \
	X(MEM_4, "MEM-4", OPTIONAL, "what makes more bytes than it takes keeps the same bound") \
	X(MEM_5, "MEM-5", REQUIRED, "the cost of a byte does not grow with what is held")      \
	X(MEM_6, "MEM-6", REQUIRED, "all accounts are zero at the end")                        \
	X(DATA_1, "DATA-1", REQUIRED, "out is a prefix of in, and equal at the finish")        \
	X(DATA_2, "DATA-2", REQUIRED, "a write after the end is an error")                     \
	X(DATA_3, "DATA-3", OPTIONAL, "a change of path loses, repeats, reorders nothing")     \
	X(DATA_4, "DATA-4", REQUIRED, "a buffer is not used after its call, nor changed")      \
	X(DATA_5, "DATA-5", OPTIONAL, "every path gives the bytes of the copying path")        \
	X(END_1, "END-1", REQUIRED, "one end, then silence")                                   \
	X(END_2, "END-2", REQUIRED, "one stop on the consumer's death, none after the producer's own end") \
	X(END_3, "END-3", REQUIRED, "finished only when every byte was handed on")             \
	X(END_4, "END-4", REQUIRED, "a failure counts the bytes that it dropped")              \
	X(END_5, "END-5", REQUIRED, "a truncated stream never looks complete")                 \
	X(END_6, "END-6", REQUIRED, "the empty stream completes")                              \
	X(END_7, "END-7", REQUIRED, "nothing refers to it after it was released")              \
	X(END_8, "END-8", REQUIRED, "the death of an idle or paused flow's consumer is noticed") \
	X(END_9, "END-9", REQUIRED, "a finish waits for the registered producer, to a deadline") \
	X(END_10, "END-10", REQUIRED, "an error carries its cause and the offset")             \
	X(HALF_1, "HALF-1", OPTIONAL, "the end of one way shuts the other end's writing only") \
	X(HALF_2, "HALF-2", OPTIONAL, "half-close is as declared")                             \
	X(HALF_3, "HALF-3", OPTIONAL, "the linger time begins after the first end and restarts on each byte") \
	X(HALF_4, "HALF-4", OPTIONAL, "readable bytes come before a reset is told")            \
	X(HALF_5, "HALF-5", OPTIONAL, "both ways ended: one close")                            \
	X(FAN_1, "FAN-1", OPTIONAL, "block: the slowest sets the rate, memory bounded")        \
	X(FAN_2, "FAN-2", OPTIONAL, "drop: that branch alone loses, counted, whole chunks")    \
	X(FAN_3, "FAN-3", OPTIONAL, "detach after a time or a number of bytes")                \
	X(FAN_4, "FAN-4", OPTIONAL, "spill keeps the order and pauses when full")              \
	X(FAN_5, "FAN-5", OPTIONAL, "a failing branch leaves the others alone; the last one stops the producer") \
	X(MUX_1, "MUX-1", OPTIONAL, "a stalled stream blocks no other")                        \
	X(MUX_2, "MUX-2", OPTIONAL, "credit returns on consumption, not on arrival")           \
	X(MUX_3, "MUX-3", OPTIONAL, "bytes for dead streams are credited back")                \
	X(MUX_4, "MUX-4", OPTIONAL, "no deadlock with any window")                             \
	X(RATE_1, "RATE-1", OPTIONAL, "bytes <= rate x window + burst in every window")        \
	X(RATE_2, "RATE-2", OPTIONAL, "a group's sum and minimum shares hold")                 \
	X(RATE_3, "RATE-3", OPTIONAL, "the last bytes are not late")                           \
	X(TIME_1, "TIME-1", OPTIONAL, "time in which we held the source is never its idle time") \
	X(SHUT_1, "SHUT-1", OPTIONAL, "drain: no more flows, those that run finish, at the deadline abort") \
	X(OBS_1, "OBS-1", REQUIRED, "in = out + held + dropped in every snapshot")             \
	X(OBS_2, "OBS-2", OPTIONAL, "each paused interval is charged to one cause")            \
	X(OBS_3, "OBS-3", OPTIONAL, "watching changes neither path nor order")                 \
	X(DUR_1, "DUR-1", OPTIONAL, "killed anywhere and resumed: the same bytes")

enum rule {
#define RULE_ENUM(name, id, tag, text) name,
	RULES(RULE_ENUM)
#undef RULE_ENUM
	RULE_COUNT, /* at most 64: they are kept in sets */
	NO_RULE = RULE_COUNT,
};

/* A call, its text, and whether it has a number. */
#define CALLS(X)                                                                              \
	X(REGISTER_PUSH, "register push", false)                                               \
	X(REGISTER_PULL, "register pull", false)                                               \
	X(OTHER_PUSH, "register other push", false)                                            \
	X(OTHER_PULL, "register other pull", false)                                            \
	X(UNREGISTER, "unregister", false)                                                     \
	X(WRITE, "write", true)                                                                \
	X(GIVE, "give", true)                                                                  \
	X(CHUNK, "chunk", true)     /* the size of the writes of */                            \
	X(SUPPLY, "supply", true)   /* bytes that the source writes when it may */             \
	X(ROOM, "room", false)                                                                 \
	X(WAKE, "wake", false)                                                                 \
	X(FINISH, "finish", false)                                                             \
	X(FAIL, "fail", false)                                                                 \
	X(TAKE, "take", true)                                                                  \
	X(DIE, "die", false)                                                                   \
	X(HOLD, "hold", false)      /* the kit's sink holds the subject's source */            \
	X(RELEASE, "release", false)                                                           \
	X(ATTACH_PUSH, "attach push", false) /* the subject's source to the kit's sink */      \
	X(ATTACH_PULL, "attach pull", false)                                                   \
	X(DETACH, "detach", false)                                                             \
	X(TURN, "turn", false)                                                                 \
	X(PLAY, "play", false)      /* turns, until nothing is due any more */                 \
	X(ADVANCE, "advance", true) /* the clock, in nanoseconds */                            \
	X(MARKS, "marks", true)                                                                \
	X(QUANTUM, "quantum", true)                                                            \
	X(SQUEEZE, "squeeze", true) /* leave so much of the budget */                          \
	X(RELAX, "relax", false)                                                               \
	X(PATH, "path", true)                                                                  \
	X(DESTROY, "destroy", false)

enum call {
#define CALL_ENUM(name, text, number) CALL_##name,
	CALLS(CALL_ENUM)
#undef CALL_ENUM
	CALL_COUNT,
};

/* When a call is made: now, or from inside the next of these. */
#define EVENTS(X)                                                                             \
	X(NOW, "")                                                                             \
	X(START, "start")                                                                      \
	X(PAUSE, "pause")                                                                      \
	X(RESUME, "resume")                                                                    \
	X(STOP, "stop")                                                                        \
	X(OUT, "take")                                                                         \
	X(END, "end")

enum event {
#define EVENT_ENUM(name, text) EVENT_##name,
	EVENTS(EVENT_ENUM)
#undef EVENT_ENUM
	EVENT_COUNT,
};

struct step {
	uint8_t event; /* enum event */
	uint8_t call;  /* enum call */
	uint64_t value;
};

#define STEPS_MAX 64

struct schedule {
	struct step steps[STEPS_MAX];
	unsigned count;
};

#define ALL UINT64_MAX

/* A producer of the kit's, which is registered with the subject's sink. */
enum standing { UNUSED, REGISTERED, LET_GO, STOPPED };

struct tck_source {
	struct weir_producer base; /* first */
	struct weir_tck *t;
	enum standing standing;
	bool paused;
	bool starting; /* inside its registration */
	bool full;     /* that pause was for a full consumer */
	bool parked;   /* it has said "nothing yet" */
	bool woken;    /* and the consumer knows that it has some now */
	bool pulled;   /* it is inside a pull's resume */
	bool answered; /* something was written since the last pull */
	bool put_off;  /* it was not, though there was some */
	unsigned pauses, resumes, stops, signals; /* since it was registered */
};

/* A consumer of the kit's, with which the subject's source is registered. */
struct tck_sink {
	struct weir_wrap wrap; /* first; sees what the subject's source does */
	struct weir_valve valve;
	struct weir_tck *t;
	size_t window;    /* bytes that it takes */
	bool held;        /* by the call "hold" */
	bool paused;      /* the subject's source was told to */
	bool asked;       /* it was pulled, and has not written */
	bool stopped;     /* it was told to */
	bool ended;       /* it has told its end */
	bool let_go;      /* it was detached */
	unsigned resumes; /* that it was told */
	uint64_t over;    /* bytes that it wrote since the last pause */
	size_t biggest;   /* write */
};

struct weir_tck {
	const struct weir_tck_subject *subject;
	const struct weir_tck_options *options;
	struct weir_tck_numbers n; /* the subject's, as the calls have changed them */
	struct weir_tck_made made;
	bool is_made;

	/* the world */
	struct weir_context *ctx;
	struct weir_context own_ctx; /* used when the subject brings none */
	struct weir_budget own_budget;
	uint64_t now;
	size_t base_used, base_taken; /* of the budget and the pool, before */
	size_t hog;                   /* charged by "squeeze" */
	size_t quantum;               /* to be put back */
	const char *thread;           /* stands for this thread */
	const char *stack;            /* where a play's own frame is */

	/* the verdict */
	enum rule broken;
	char why[240];
	enum rule suspect; /* broken, unless bytes turn out to be lost; said in `hint` */
	char hint[80];
	uint64_t seen; /* set of rules that something was held against */
	bool quiet;    /* after a breach, and in the release: nothing is looked at */
	bool moot;     /* the kit has lost count; nothing can be said */
	const char *lacks; /* what a check found that it needs and there is not; or NULL */

	/* what a check says of its plays */
	bool part;     /* others are at work on the same thing: whose the memory is, is unknown */
	bool limited;  /* it may end by a time limit or a deadline of its own */
	struct tck_trace *trace; /* nothing is judged, all is written down; kept by opening */
	unsigned closes;         /* that it told */

	/* what was played */
	struct step inside[STEPS_MAX]; /* waiting for their events */
	unsigned inside_count;
	bool reacted;                  /* a call was made from inside a callback */
	unsigned depth;                /* of calls on the subject */
	bool empty_write;
	unsigned writes;               /* of them, writes */
	struct tck_source *registering;
	unsigned registrations;

	/* the stream */
	struct tck_source source[2];
	struct tck_sink behind;
	uint64_t next;      /* offset of the next byte that is written */
	uint64_t in;        /* bytes accepted */
	uint64_t got;       /* bytes that came out of the far side */
	uint64_t all_out;   /* and those that nobody looked at */
	uint64_t excess;    /* accepted, though it had asked for none */
	size_t biggest;     /* write that was accepted */
	uint64_t window;    /* bytes that the far side takes, of a subject without a source */
	uint64_t supply, chunk;
	uint64_t turn_in, turn_out; /* bytes accepted, and come out, in this turn */
	bool left_paused;   /* the last producer was unregistered while paused */
	bool torn;          /* the end came inside a write: what that moved counts, or not */
	bool inside_out;    /* the far side is taking bytes */
	bool refused;       /* a write met a full budget, of a producer that had been paused */
	unsigned refused_pauses; /* so often */
	bool reserved;      /* the flow had its reserve when the budget was filled */
	bool squeezed;      /* the budget has been full */
	unsigned paths;     /* 1: a path was chosen before the first byte; 2: after it */
	bool was_held;      /* bytes were held when the failure came */

	/* the end */
	bool finished, failed, died; /* asked for, by us */
	int cause;                   /* of `failed` or `died`; 0: either may be told */
	bool whole;                  /* all was handed on and finished before it failed */
	bool let_go;                 /* the source was detached: what it gave is handed on */
	uint64_t finish_at;
	bool late;                   /* the deadline of a finish has been passed */
	bool front_ended, far_ended, destroyed;
	int front_why, far_why;
	struct weir_end_watch watch;
};

/* ---- tck_play.c ---- */

/* Play a schedule, wind up, and release.  Returns 0, or the code with which the subject
 * could not be made; the verdict is in `t`. */
int weir__tck_play(struct weir_tck *t, const struct weir_tck_subject *subject,
		   const struct weir_tck_options *options, const struct schedule *schedule);

/* The steps of it, for checks of their own: make one in a world, or with `ctx` in that of
 * another; make a call; let through what is held, and finish; release. */
int weir__tck_open(struct weir_tck *t, const struct weir_tck_subject *subject,
		   const struct weir_tck_options *options, struct weir_context *ctx);
void weir__tck_call(struct weir_tck *t, enum call call, uint64_t value);
void weir__tck_wind_up(struct weir_tck *t);
void weir__tck_close(struct weir_tck *t);

/* Something has happened: make the call that waits for it, if there is one. */
void weir__tck_react(struct weir_tck *t, enum event event);

/*
 * Hold something against a rule: `is` must be true.  If it is not, and nothing was broken
 * before, the rule is broken, in the words of `format`.  Returns `is`.
 */
bool weir__tck_holds(struct weir_tck *t, enum rule rule, bool is, const char *format, ...)
	WEIR_PRINTF(4, 5);

/* Bytes, as far as they are compared, that come out when all that went in has. */
uint64_t weir__tck_due(const struct weir_tck *t);

/* A source of bytes of its own that never end. */
static inline bool weir__tck_is_endless(const struct weir_tck *t)
{
	return t->in == WEIR_TCK_NO_LENGTH;
}

/* The kit's own clock. */
static inline bool weir__tck_fake(const struct weir_tck *t)
{
	return !t->options->turn;
}

/* ---- tck_call.c ---- */

void weir__tck_write(struct weir_tck *t, uint64_t len, bool give);
void weir__tck_register(struct weir_tck *t, struct tck_source *s, enum weir_mode mode);
void weir__tck_unregister(struct weir_tck *t);
void weir__tck_end(struct weir_tck *t, int why);

/* The kit's source that is registered, or NULL. */
struct tck_source *weir__tck_registered(struct weir_tck *t);

/* Whether the subject's sink must refuse bytes and producers now. */
bool weir__tck_closed(const struct weir_tck *t);

/* The bytes to be written from `offset` on; the one that comes out there. */
void weir__tck_fill(const struct weir_tck *t, unsigned char *out, size_t len, uint64_t offset);
unsigned char weir__tck_byte_due(const struct weir_tck *t, uint64_t offset);

/* ---- tck_source.c ---- */

void weir__tck_source_init(struct tck_source *s, struct weir_tck *t);

/* Let a push source write what it has and may. */
void weir__tck_pump(struct weir_tck *t);

/* The stack between here and the play, when it should be small. */
void weir__tck_look_at_stack(struct weir_tck *t);
void weir__tck_look_at_thread(struct weir_tck *t);

/* Stands for the thread that asks. */
const char *weir__tck_this_thread(void);

/* ---- tck_sink.c ---- */

int weir__tck_sink_init(struct tck_sink *z, struct weir_tck *t);
void weir__tck_sink_attach(struct tck_sink *z, enum weir_mode mode);
void weir__tck_sink_detach(struct tck_sink *z);
void weir__tck_sink_take(struct tck_sink *z, uint64_t max);
void weir__tck_sink_fini(struct tck_sink *z);

/* ---- tck_look.c ---- */

struct weir_consumer_state weir__tck_state(const struct weir_tck *t);

/* Of `held` in that, what counts against the subject's marks: at least, and at most. */
uint64_t weir__tck_own(const struct weir_tck *t, uint64_t held);
uint64_t weir__tck_own_most(const struct weir_tck *t, uint64_t held);

/* Bytes that it has handed on, as far as we can see. */
uint64_t weir__tck_handed(const struct weir_tck *t);

/* After every call. */
void weir__tck_look(struct weir_tck *t);

/* One turn, with what must follow from it. */
void weir__tck_turn(struct weir_tck *t);

/* Whether a producer is there that has bytes to give. */
bool weir__tck_has_supply(struct weir_tck *t);

/* Whether something is still to happen by itself. */
bool weir__tck_waits(struct weir_tck *t);

/* After the winding up: did everything come, did every end? */
void weir__tck_look_at_end(struct weir_tck *t);

/* After the release. */
void weir__tck_look_at_rest(struct weir_tck *t);

/* ---- tck_text.c ---- */

extern const char *const weir__tck_event_names[];

/* Parse calls, one a line or between commas.  False if there is an unknown one, or too many. */
bool weir__tck_parse(const char *text, const struct weir_tck_numbers *n, struct schedule *out);
void weir__tck_print(const struct schedule *schedule, char *text, size_t size);

/* ---- tck_rules.c ---- */

/* What is known of a subject before it is played with. */
struct facts {
	const struct weir_tck_subject *s;
	const struct weir_tck_options *o;
	bool sink, source, back; /* that it has */
};

struct rule_info {
	const char *id, *text;
	enum weir_tck_tag tag;
	bool strict_only;  /* Twisted's profile does not keep it */
	const char *(*lacks)(const struct facts *f); /* why it does not apply, or NULL */
	const char *const *schedules; /* NULL at the end; or NULL */
	/* A check of its own: returns 0 or a code; the verdict is in `t`, and *calls says what
	 * was done, in static storage.  Or NULL. */
	int (*check)(struct weir_tck *t, const struct facts *f, const char **calls);
};

struct rule_info weir__tck_rule(enum rule rule);

/* ---- tck_random.c ---- */

void weir__tck_draw(struct schedule *out, uint64_t seed, const struct weir_tck_subject *s,
		    const struct weir_tck_options *o);

/* Make a schedule that breaks `rule` shorter, and its numbers smaller, while it does. */
void weir__tck_shrink(struct weir_tck *t, struct schedule *schedule, enum rule rule,
		      const struct weir_tck_subject *s, const struct weir_tck_options *o);

/* ---- tck_obs.c ---- */

/* What is seen of a play, written down. */
struct tck_trace {
	bool watched;
	unsigned count;
	uint64_t hash; /* of all */
};

/* Something has happened. */
void weir__tck_note(struct weir_tck *t, enum event event);

/* Have the subject put its own watchers in, if it is to be watched.  Returns 0 or a code. */
int weir__tck_begin_watching(struct weir_tck *t);

/* Watch it, in every way there is. */
void weir__tck_watch(struct weir_tck *t);

/* ---- tck_cost.c ---- */

int weir__tck_check_cost(struct weir_tck *t, const struct facts *f, const char **calls);

/* ---- tck_fan.c, tck_rate.c: when these do not apply, and their checks ---- */

#define PARTY_RULES(X) X(fan_1) X(fan_2) X(fan_3) X(fan_4) X(fan_5) \
		       X(rate_1) X(rate_2) X(rate_3) X(mux_1) X(mux_2) X(mux_3) X(mux_4)

#define PARTY_RULE(name)                                                                      \
	const char *weir__tck_lacks_##name(const struct facts *f);                             \
	int weir__tck_check_##name(struct weir_tck *t, const struct facts *f, const char **calls);
PARTY_RULES(PARTY_RULE)
#undef PARTY_RULE

#endif
