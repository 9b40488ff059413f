/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KIT_SIM_PLAN_H
#define WEIR_KIT_SIM_PLAN_H
/*
 * sim_plan.h -- a schedule on paper: numbers only, so that it can be drawn, printed, and
 * made smaller.
 *
 * A line is a source, some stages and a sink.  A duplex is a row of links with relays
 * between them, and a source and a sink at each of its two ends.
 */
#include "weir/sim.h"
#include "weir/tee.h"
#include "weir/throttle.h"

#define STAGES_MAX 4
#define BRANCHES_MAX 2
#define UNITS_MAX 4
#define EVENTS_MAX 8

#define STAGE_KINDS(X)                                                                    \
	X(LINK, "link")                                                                   \
	X(LOOPBACK, "loopback")                                                           \
	X(THROTTLE, "throttle")                                                           \
	X(PROXY, "proxy")                                                                 \
	X(TEE, "tee")                                                                     \
	X(SUBJECT, "subject")

enum stage_kind {
#define STAGE_ENUM(name, text) STAGE_##name,
	STAGE_KINDS(STAGE_ENUM)
#undef STAGE_ENUM
	STAGE_KIND_COUNT,
};

/* A branch of a tee, besides the one in which the line goes on, and which blocks. */
struct branch_plan {
	enum weir_tee_policy policy;
	size_t behind;
	uint64_t wait_ns;
	uint64_t spill;                    /* bytes that its store takes */
	struct weir_sim_sink_options sink;
};

struct stage_plan {
	enum stage_kind kind;
	size_t high, low;                  /* of a transport's sinks, a proxy; 0: the default */
	struct weir_sim_link_options link;
	struct weir_rate rate;             /* of a throttle */
	bool grouped;
	bool buffering, pulled;            /* of a proxy; pulled: if what is behind is registered */
	struct branch_plan branch[BRANCHES_MAX];
	unsigned branches;
	bool joined;                       /* a join is in front of it, else it is registered */
	bool tapped;                       /* and a tap */
};

struct unit_plan {
	bool absent;                       /* left out, to make the schedule smaller */
	bool duplex;
	uint64_t begins;                   /* nanoseconds */
	struct weir_sim_source_options source[2]; /* a line has the first of each */
	struct weir_sim_sink_options sink[2];
	struct stage_plan stage[STAGES_MAX];
	unsigned stages;
	bool joined_end;                   /* a join is in front of a line's sink, */
	bool tapped_end;                   /* and a tap */
	bool backwards;                    /* a line is put together from its sink on */
	bool closes_early;                 /* a transport is closed when its bytes are through */
	uint64_t idle_ns, linger_ns;
};

#define EVENT_KINDS(X)                                                                    \
	X(NONE, "nothing")                                                                \
	X(PAUSE, "pause for ns")                                                          \
	X(STOP, "stop")                                                                   \
	X(DESTROY, "destroy the join")                                                    \
	X(RATE, "rate becomes")                                                           \
	X(GROUP_RATE, "the group's rate becomes")                                         \
	X(MARKS, "high mark becomes")                                                     \
	X(BREAK, "link breaks with")                                                      \
	X(STALL, "link stalls for ns")                                                    \
	X(FAIL_WRITE, "write fails with")                                                 \
	X(CLOSE, "side is closed:")                                                       \
	X(DIE, "sink dies of")                                                            \
	X(CUT_STAGE, "stage is destroyed")                                                \
	X(SECOND, "second producer is refused")                                           \
	X(SQUEEZE, "budget is at its least for ns")                                       \
	X(ALLOC, "an allocation fails after")

enum event_kind {
#define EVENT_ENUM(name, text) EVENT_##name,
	EVENT_KINDS(EVENT_ENUM)
#undef EVENT_ENUM
	EVENT_KIND_COUNT,
};

struct event_plan {
	enum event_kind kind;
	uint64_t at;     /* nanoseconds */
	unsigned unit;
	unsigned place;  /* which stage or join of it */
	uint64_t value;
	int why;         /* negative */
};

struct plan {
	uint64_t seed;
	size_t budget, budget_least; /* bytes */
	size_t quantum;
	struct weir_rate group;
	uint64_t group_share;
	struct unit_plan unit[UNITS_MAX];
	unsigned units;
	struct event_plan event[EVENTS_MAX];
	unsigned events;
};

/* Draw a plan.  `subject`: stages of the user's own may be in it; `alloc`: allocations may
 * fail. */
void weir__plan_draw(struct plan *plan, uint64_t seed, bool subject, bool alloc);

/* Make a line legal again that a stage was taken out of. */
void weir__unit_plan_mend(struct unit_plan *u);

/* Look for a smaller plan for which `breaks` still says yes. */
void weir__plan_shrink(struct plan *plan, bool (*breaks)(void *arg, const struct plan *plan),
		       void *arg);

void weir__plan_print(const struct plan *plan, void (*print)(void *arg, const char *line),
		      void *arg);

const char *weir__event_text(enum event_kind kind);

#endif
