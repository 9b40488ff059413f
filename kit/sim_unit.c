/* SPDX-License-Identifier: MIT */
/*
 * Units are put together as a program would do it, and looked after likewise: a side of a
 * link whose join is over is closed, so that the other side hears of it.
 */
#include <errno.h>

#include "sim_run.h"
#include "weir/impl/valve.h"

static struct weir_context *context_of(const struct unit *u)
{
	return &u->run->sim->ctx;
}

void weir__side_close(struct weir_transport **side)
{
	struct weir_transport *t = side ? *side : NULL;

	if (!t)
		return;
	*side = NULL;
	weir_transport_close(t);
}

/* ---- stages ---- */

static int set_marks(struct stage *stage)
{
	const struct stage_plan *plan = stage->plan;
	int rc = 0;

	stage->most_high = plan->high ? plan->high : WEIR_HIGH_DEFAULT;
	for (int i = 0; i < 2 && plan->high && rc == 0; i++)
		rc = weir_transport_set_marks(stage->side[i], plan->high, plan->low);
	return rc;
}

static int open_sides(struct stage *stage, int rc)
{
	if (rc < 0)
		return rc;
	stage->front = weir_transport_sink(stage->side[0]);
	stage->back = weir_transport_source(stage->side[1]);
	return set_marks(stage);
}

static int open_link(struct stage *stage)
{
	struct weir_sim *sim = stage->unit->run->sim;

	return open_sides(stage, weir_sim_link_create(sim, &stage->plan->link, &stage->side[0],
						      &stage->side[1]));
}

static int open_loopback(struct stage *stage)
{
	return open_sides(stage, weir_loopback_create(context_of(stage->unit), &stage->side[0],
						      &stage->side[1]));
}

static int open_throttle(struct stage *stage)
{
	struct run *run = stage->unit->run;
	int rc = weir_throttle_create(&run->sim->ctx, stage->plan->rate,
				      stage->plan->grouped ? run->group : NULL, &stage->throttle);

	if (rc < 0)
		return rc;
	weir__leak_set(&stage->leak, stage->plan->rate, run->sim->now);
	stage->front = weir_throttle_sink(stage->throttle);
	stage->back = weir_throttle_source(stage->throttle);
	return 0;
}

static int open_proxy(struct stage *stage)
{
	struct weir_proxy_options options = {
		.buffering = stage->plan->buffering,
		.high = stage->plan->high,
		.low = stage->plan->low,
		.limit = 2 * stage->plan->high,
	};
	int rc = weir_proxy_create(context_of(stage->unit), &options, &stage->proxy);

	if (rc < 0)
		return rc;
	stage->front = weir_proxy_sink(stage->proxy);
	stage->back = weir_proxy_source(stage->proxy);
	return 0;
}

static int open_subject(struct stage *stage)
{
	struct run *run = stage->unit->run;
	int rc = run->options->make(run->options->arg, run->sim, &stage->subject);

	stage->front = stage->subject.front;
	stage->back = stage->subject.back;
	return rc;
}

static int open_stage(struct stage *stage)
{
	static int (*const open[])(struct stage *) = {
		[STAGE_LINK] = open_link,
		[STAGE_LOOPBACK] = open_loopback,
		[STAGE_THROTTLE] = open_throttle,
		[STAGE_PROXY] = open_proxy,
		[STAGE_TEE] = weir__tee_open,
		[STAGE_SUBJECT] = open_subject,
	};

	return open[stage->plan->kind](stage);
}

static void close_stage(struct stage *stage)
{
	struct run *run = stage->unit->run;

	weir__side_close(&stage->side[0]);
	weir__side_close(&stage->side[1]);
	weir_throttle_destroy(stage->throttle);
	stage->throttle = NULL;
	weir_proxy_destroy(stage->proxy);
	stage->proxy = NULL;
	weir__tee_close(stage);
	if (stage->subject.front)
		run->options->destroy(run->options->arg, &stage->subject);
	stage->subject.front = NULL;
}

/* ---- joints ---- */

/* A failed direction of a link is the end of both; elsewhere the other one goes on. */
static void close_duplex_end(struct unit *u, struct joint *joint)
{
	unsigned first = joint->number & ~1u;
	bool both = u->joint[first].over && u->joint[first + 1].over;
	bool failed = joint->outcome.end != WEIR_FINISHED;

	if (both || (failed && u->plan->stage[0].kind == STAGE_LINK))
		weir__side_close(joint->side[0] ? joint->side[0] : joint->side[1]);
}

static void joint_is_over(struct joint *joint)
{
	struct unit *u = joint->unit;

	joint->over = true;
	if (u->plan->duplex) {
		close_duplex_end(u, joint);
	} else if (joint->outcome.end != WEIR_FINISHED || u->plan->closes_early) {
		weir__side_close(joint->side[0]);
		weir__side_close(joint->side[1]);
	}
}

static void on_done(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	struct joint *joint = arg;
	struct weir_sim *sim = joint->unit->run->sim;

	weir_sim_note(sim, "unit", joint->unit->number, weir_end_name(outcome->end), joint->number);
	if (join != joint->join || joint->over)
		weir_sim_break(sim, "END-1", "joint %u of unit %u was done twice", joint->number,
			       joint->unit->number);
	joint->outcome = *outcome;
	joint_is_over(joint);
}

void weir__joint_destroy(struct joint *joint)
{
	if (!joint->join || joint->over)
		return;
	weir_join_destroy(joint->join);
	joint->join = NULL;
	joint_is_over(joint);
}

static int open_joint(struct joint *joint, struct weir_producer *from, struct weir_consumer *to,
		      bool joined)
{
	struct unit *u = joint->unit;
	struct weir_join_options options = {.on_done = on_done, .arg = joint};

	to = weir__probe_put(&joint->probe, u->run, to);
	from = weir__probe_guard(&joint->probe, from);
	if (joined)
		return weir_join_create(context_of(u), from, to, &options, &joint->join);
	return weir_consumer_register(to, from, weir_producer_mode(from));
}

/* ---- a line ---- */

/* What a stage gives is limited as it says. */
static void limit_probe(struct joint *joint, struct stage *before)
{
	joint->probe.limit[0] = before->throttle ? &before->leak : NULL;
	if (before->throttle && before->plan->grouped)
		joint->probe.limit[1] = &joint->unit->run->group_leak;
}

static int put_tap(struct joint *joint, struct weir_consumer **to)
{
	int rc = weir_tap_create(*to, weir__check_tapped, joint, &joint->tap);

	if (rc == 0)
		*to = weir_tap_sink(joint->tap);
	return rc;
}

/* What stands before the joint gives to `to`. */
static int connect(struct joint *joint, struct stage *before, struct weir_consumer *to, bool joined)
{
	struct unit *u = joint->unit;

	if (!before)
		return open_joint(joint, weir_sim_source_producer(u->source[0]), to, joined);
	limit_probe(joint, before);
	if (before->tee)
		return weir__tee_join(before, joint, weir__probe_put(&joint->probe, u->run, to));
	if (before->plan->kind != STAGE_PROXY || !before->plan->pulled || joined)
		return open_joint(joint, before->back, to, joined);
	to = weir__probe_put(&joint->probe, u->run, to);
	return weir_consumer_register(to, weir__probe_guard(&joint->probe, before->back),
				      WEIR_PULL);
}

static int open_line_joint(struct unit *u, unsigned i)
{
	struct stage *before = i > 0 ? &u->stage[i - 1] : NULL;
	struct stage *behind = i < u->plan->stages ? &u->stage[i] : NULL;
	struct weir_consumer *to = behind ? behind->front : weir_sim_sink_consumer(u->sink[0]);
	struct joint *joint = &u->joint[i];

	joint->side[0] = before ? &before->side[1] : NULL;
	joint->side[1] = behind ? &behind->side[0] : NULL;
	joint->probe.overshoot_is = before ? 0 : u->plan->source[0].overshoot;
	if (behind ? behind->plan->tapped : u->plan->tapped_end) {
		int rc = put_tap(joint, &to);

		if (rc < 0)
			return rc;
	}
	return connect(joint, before, to, behind ? behind->plan->joined : u->plan->joined_end);
}

static int begin_line(struct unit *u)
{
	unsigned joints = u->plan->stages + 1;
	int rc = 0;

	for (unsigned i = 0; i < joints && rc == 0; i++)
		rc = open_line_joint(u, u->plan->backwards ? joints - 1 - i : i);
	return rc;
}

/* ---- a duplex ---- */

static void on_relay_done(struct weir_relay *relay, const struct weir_outcome *to_right,
			  const struct weir_outcome *to_left, void *arg)
{
	struct stage *left = arg;
	struct unit *u = left->unit;
	unsigned number = (unsigned)(left - u->stage);

	(void)relay;
	weir_sim_note(u->run->sim, "relay", number, weir_end_name(to_right->end), 0);
	weir_sim_note(u->run->sim, "relay", number, weir_end_name(to_left->end), 1);
	weir__side_close(&left[0].side[1]);
	weir__side_close(&left[1].side[0]);
}

void weir__relay_destroy(struct unit *u, unsigned number)
{
	weir_relay_destroy(u->relay[number]);
	u->relay[number] = NULL;
	weir__side_close(&u->stage[number].side[1]);
	weir__side_close(&u->stage[number + 1].side[0]);
}

static struct weir_relay_side relay_side(struct weir_transport *t)
{
	return (struct weir_relay_side){weir_transport_source(t), weir_transport_sink(t)};
}

static int open_relay(struct unit *u, unsigned i)
{
	struct weir_relay_options options = {
		.idle_ns = u->plan->idle_ns,
		.linger_ns = u->plan->linger_ns,
		.on_done = on_relay_done,
		.arg = &u->stage[i],
	};

	return weir_relay_create(context_of(u), relay_side(u->stage[i].side[1]),
				 relay_side(u->stage[i + 1].side[0]), &options, &u->relay[i]);
}

/* Joints 0 and 1 are the left end's, what it writes and what it reads, 2 and 3 the right
 * one's. */
static int open_writer(struct unit *u, unsigned end, struct weir_transport **side)
{
	struct joint *joint = &u->joint[2 * end];

	joint->side[1] = side;
	joint->probe.overshoot_is = u->plan->source[end].overshoot;
	return open_joint(joint, weir_sim_source_producer(u->source[end]),
			  weir_transport_sink(*side), true);
}

static int open_reader(struct unit *u, unsigned end, struct weir_transport **side)
{
	struct joint *joint = &u->joint[2 * end + 1];

	joint->side[0] = side;
	return open_joint(joint, weir_transport_source(*side),
			  weir_sim_sink_consumer(u->sink[!end]), true);
}

static int begin_duplex(struct unit *u)
{
	unsigned last = u->plan->stages - 1;
	struct weir_transport **ends[2] = {&u->stage[0].side[0], &u->stage[last].side[1]};
	int rc = 0;

	for (unsigned i = 0; i < last && rc == 0; i++)
		rc = open_relay(u, i);
	for (unsigned i = 0; i < 2 && rc == 0; i++)
		rc = open_reader(u, i, ends[i]);
	for (unsigned i = 0; i < 2 && rc == 0; i++)
		rc = open_writer(u, i, ends[i]);
	return rc;
}

/* ---- both ---- */

static int open_ends(struct unit *u)
{
	int ends = u->plan->duplex ? 2 : 1;
	int rc = 0;

	for (int i = 0; i < ends && rc == 0; i++) {
		rc = weir_sim_source_create(u->run->sim, &u->plan->source[i], &u->source[i]);
		if (rc == 0)
			rc = weir_sim_sink_create(u->run->sim, &u->plan->sink[i], &u->sink[i]);
	}
	return rc;
}

void weir__unit_begin(struct unit *u)
{
	int rc = open_ends(u);

	u->begun = true;
	for (unsigned i = 0; i < u->plan->stages && rc == 0; i++) {
		u->stage[i] = (struct stage){.unit = u, .plan = &u->plan->stage[i]};
		rc = open_stage(&u->stage[i]);
	}
	for (unsigned i = 0; i <= STAGES_MAX; i++)
		u->joint[i] = (struct joint){.unit = u, .number = i};
	if (rc == 0)
		rc = u->plan->duplex ? begin_duplex(u) : begin_line(u);
	weir_sim_note(u->run->sim, "unit", u->number, "begins", rc);
	if (rc < 0 && rc != -ENOMEM && rc != WEIR_EFULL)
		weir_sim_break(u->run->sim, "REG-3", "unit %u could not be made: %s", u->number,
			       weir_err_name(rc));
	if (rc < 0) {
		u->failed = true;
		weir__unit_end(u);
	}
}

void weir__unit_end(struct unit *u)
{
	for (unsigned i = 0; i < RELAYS_MAX; i++) {
		weir_relay_destroy(u->relay[i]);
		u->relay[i] = NULL;
	}
	for (unsigned i = 0; i <= STAGES_MAX; i++) {
		weir_join_destroy(u->joint[i].join);
		u->joint[i].join = NULL;
		weir__probe_remove(&u->joint[i].probe);
		weir_tap_destroy(u->joint[i].tap);
		u->joint[i].tap = NULL;
	}
	for (unsigned i = 0; i < STAGES_MAX; i++) {
		if (u->stage[i].unit)
			close_stage(&u->stage[i]);
	}
	for (int i = 0; i < 2; i++) {
		weir_sim_sink_destroy(u->sink[i]);
		weir_sim_source_destroy(u->source[i]);
		u->sink[i] = NULL;
		u->source[i] = NULL;
	}
}
