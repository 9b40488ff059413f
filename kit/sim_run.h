/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KIT_SIM_RUN_H
#define WEIR_KIT_SIM_RUN_H
/* sim_run.h -- a plan at work. */
#include "sim_plan.h"
#include "sim_priv.h"
#include "weir/guard.h"
#include "weir/impl/wrap.h"
#include "weir/join.h"
#include "weir/loopback.h"
#include "weir/proxy.h"
#include "weir/relay.h"
#include "weir/tap.h"

struct run;
struct unit;

/* A rate limit told independently: what has passed and not yet leaked away. */
struct leak {
	uint64_t rate, burst; /* rate 0: no limit */
	uint64_t level;       /* billionths of a byte */
	uint64_t seen;        /* nanoseconds */
};

/* Stands before a consumer, writes down what is said there, and counts it for limits. */
struct probe {
	struct weir_wrap wrap;
	struct weir_consumer_ops front_ops;
	struct weir_producer_ops back_ops;
	struct run *run;
	struct weir_guard *guard[2]; /* behind it, and in place of the producer; or NULL */
	struct leak *limit[2]; /* or NULL */
	size_t overshoot_is;   /* what the producer declares, */
	size_t overshoot;      /* and has left since it was paused */
	unsigned number;
	bool on, paused, ended;
};

/* A branch of a tee with a sink of its own. */
struct offshoot {
	struct weir_sim_sink *sink;
	struct weir_branch *branch; /* NULL once it was cut */
	bool cut;
};

struct stage {
	struct unit *unit;
	const struct stage_plan *plan;
	struct weir_consumer *front;
	struct weir_producer *back;
	struct weir_transport *side[2]; /* NULL once closed */
	struct weir_throttle *throttle;
	struct weir_proxy *proxy;
	struct weir_tee *tee;
	struct weir_branch *line_on; /* the branch in which the line goes on */
	struct offshoot offshoot[BRANCHES_MAX];
	struct weir_sim_stage subject;
	struct leak leak;
	size_t most_high; /* the highest mark it has had */
};

/* Where two are put together, by a join or directly. */
struct joint {
	struct unit *unit;
	unsigned number;
	struct probe probe;
	struct weir_tap *tap;
	uint64_t tapped; /* bytes that it saw */
	struct weir_join *join;
	struct weir_outcome outcome;
	bool over;                    /* has its outcome, or was destroyed */
	struct weir_transport **side[2]; /* the transports that it reads and writes, or NULL */
	struct weir_progress seen;
	uint64_t seen_at;
};

#define RELAYS_MAX (STAGES_MAX - 1)

struct unit {
	struct run *run;
	const struct unit_plan *plan;
	unsigned number;
	struct weir_timer begin;
	bool begun, failed; /* it could not be made */
	bool disturbed;     /* something happened that may make it fail */
	struct weir_sim_source *source[2];
	struct weir_sim_sink *sink[2];
	struct stage stage[STAGES_MAX];
	struct joint joint[STAGES_MAX + 1]; /* of a line: in order; of a duplex: four, see
	                                       weir__duplex_begin() */
	struct weir_relay *relay[RELAYS_MAX];
};

struct event {
	struct run *run;
	const struct event_plan *plan;
	struct weir_timer timer;
	bool second; /* what it did is to be undone */
};

struct run {
	const struct weir_sim_schedule_options *options;
	const struct plan *plan;
	struct weir_sim *sim;
	struct unit unit[UNITS_MAX];
	struct event event[EVENTS_MAX];
	struct weir_throttle_group *group;
	struct leak group_leak;
	struct weir_sim_source *intruder; /* a second producer, that is to be refused */
	unsigned probes;
};

/* ---- sim_unit.c: putting units together, and taking them apart ---- */

void weir__unit_begin(struct unit *u);
void weir__unit_end(struct unit *u);
void weir__side_close(struct weir_transport **side);

/* Take a join out in mid-flight, as its owner may. */
void weir__joint_destroy(struct joint *joint);
void weir__relay_destroy(struct unit *u, unsigned number);

/* ---- sim_event.c ---- */

void weir__event_fire(struct event *e);

/* ---- sim_tee.c ---- */

int weir__tee_open(struct stage *stage);

/* Make `to`, which belongs to the joint, the branch in which the line goes on. */
int weir__tee_join(struct stage *stage, struct joint *joint, struct weir_consumer *to);

/* Destroy the tee, but not the sinks; remove one branch, if it is there and not the last;
 * destroy all. */
void weir__tee_cut(struct stage *stage);
bool weir__tee_remove(struct stage *stage, unsigned i, int why);
void weir__tee_close(struct stage *stage);
void weir__tee_check_now(struct stage *stage);
void weir__tee_check_end(struct stage *stage);

/* ---- sim_probe.c ---- */

void weir__leak_set(struct leak *leak, struct weir_rate rate, uint64_t now);

/* `len` bytes pass; false if these are too many. */
bool weir__leak_pass(struct leak *leak, size_t len, uint64_t now);

/* Put a probe before `inner`; returns what to use in its place. */
struct weir_consumer *weir__probe_put(struct probe *probe, struct run *run,
				      struct weir_consumer *inner);

/* What to use in place of `from` before a probe that has been put. */
struct weir_producer *weir__probe_guard(struct probe *probe, struct weir_producer *from);
void weir__probe_remove(struct probe *probe);

/* ---- sim_check.c: the rules ---- */

/* The function of a tap; `arg` is its joint. */
void weir__check_tapped(void *arg, const void *data, size_t len);

/* What holds at every instant, and what must be true when nothing is left to happen. */
void weir__check_now(struct run *run);
void weir__check_end(struct run *run);

#endif
