/* SPDX-License-Identifier: MIT */
/* What disturbs a schedule.  An event whose place is not there does nothing. */
#include "sim_run.h"

/* The stage, join or relay that an event is for; NULL if there is none. */
static struct stage *stage_of(struct unit *u, const struct event_plan *e)
{
	return u->plan->stages ? &u->stage[e->place % u->plan->stages] : NULL;
}

static struct weir_transport **side_of(struct unit *u, const struct event_plan *e)
{
	struct stage *stage = stage_of(u, e);

	return stage && stage->side[e->value % 2] ? &stage->side[e->value % 2] : NULL;
}

static struct weir_transport *link_of(struct unit *u, const struct event_plan *e)
{
	struct weir_transport **side = side_of(u, e);

	return side && stage_of(u, e)->plan->kind == STAGE_LINK ? *side : NULL;
}

static unsigned relays_of(const struct unit *u)
{
	return u->plan->duplex ? u->plan->stages - 1 : 0;
}

static struct weir_relay *relay_of(struct unit *u, const struct event_plan *e)
{
	return e->place < relays_of(u) ? u->relay[e->place] : NULL;
}

static struct joint *joint_of(struct unit *u, const struct event_plan *e)
{
	unsigned joints = u->plan->duplex ? 4 : u->plan->stages + 1;
	struct joint *joint = &u->joint[e->place % joints];

	return joint->join && !joint->over ? joint : NULL;
}

/* ---- events; each tells whether it may make the unit fail ---- */

static struct weir_join *join_of(struct unit *u, const struct event_plan *e)
{
	struct weir_relay *relay = relay_of(u, e);
	struct joint *joint = joint_of(u, e);

	if (relay)
		return e->value % 2 ? weir_relay_to_right(relay) : weir_relay_to_left(relay);
	return joint ? joint->join : NULL;
}

static void later(struct event *e)
{
	struct weir_sim *sim = e->run->sim;

	e->second = true;
	weir_timer_set(&sim->ctx, &e->timer, sim->now + e->plan->value);
}

static bool fire_pause(struct event *e, struct unit *u)
{
	struct weir_join *join = join_of(u, e->plan);

	if (!join)
		return false;
	if (e->second) {
		weir_join_resume(join);
	} else {
		weir_join_pause(join);
		later(e);
	}
	return false;
}

static bool fire_stop(struct event *e, struct unit *u)
{
	struct weir_relay *relay = relay_of(u, e->plan);
	struct joint *joint = joint_of(u, e->plan);

	if (relay)
		weir_relay_stop(relay, e->plan->why);
	else if (joint)
		weir_join_stop(joint->join, e->plan->why);
	return relay || joint;
}

static bool fire_destroy(struct event *e, struct unit *u)
{
	struct joint *joint = joint_of(u, e->plan);

	if (relay_of(u, e->plan))
		weir__relay_destroy(u, e->plan->place);
	else if (joint)
		weir__joint_destroy(joint);
	return true;
}

static bool fire_rate(struct event *e, struct unit *u)
{
	struct weir_rate rate = {.bytes_per_s = e->plan->value};
	struct stage *stage = stage_of(u, e->plan);

	if (stage && stage->throttle) {
		weir_throttle_set_rate(stage->throttle, rate);
		weir__leak_set(&stage->leak, rate, e->run->sim->now);
	}
	return false;
}

static bool fire_group_rate(struct event *e, struct unit *u)
{
	struct weir_rate rate = {.bytes_per_s = e->plan->value};

	(void)u;
	weir_throttle_group_set_rate(e->run->group, rate);
	weir__leak_set(&e->run->group_leak, rate, e->run->sim->now);
	return false;
}

/* A source that does not ask may write as much as the least mark of the plan. */
static bool fire_marks(struct event *e, struct unit *u)
{
	struct weir_transport **side = side_of(u, e->plan);
	struct stage *stage = stage_of(u, e->plan);
	size_t high;

	if (!side || !*side || !stage->plan->high)
		return false;
	high = stage->plan->high + (size_t)e->plan->value;
	if (weir_transport_set_marks(*side, high, high / 2) < 0)
		weir_sim_break(e->run->sim, "FLOW-3", "marks were refused");
	if (high > stage->most_high)
		stage->most_high = high;
	return false;
}

static bool fire_break(struct event *e, struct unit *u)
{
	struct weir_transport *link = link_of(u, e->plan);

	if (link)
		weir_sim_link_break(link, e->plan->why);
	return link;
}

static bool fire_stall(struct event *e, struct unit *u)
{
	struct weir_transport *link = link_of(u, e->plan);

	if (link)
		weir_sim_link_stall(link, e->plan->value);
	return false;
}

static bool fire_fail_write(struct event *e, struct unit *u)
{
	struct weir_transport *link = link_of(u, e->plan);

	if (link)
		weir_sim_link_fail_write(link, e->plan->why);
	return link;
}

static bool fire_close(struct event *e, struct unit *u)
{
	struct weir_transport **side = side_of(u, e->plan);

	weir__side_close(side);
	return side;
}

static bool fire_die(struct event *e, struct unit *u)
{
	struct weir_sim_sink *sink = u->sink[e->plan->place % 2];

	if (sink)
		weir_sim_sink_die(sink, e->plan->why);
	return sink;
}

static bool fire_cut_stage(struct event *e, struct unit *u)
{
	struct stage *stage = stage_of(u, e->plan);
	bool there = stage && (stage->throttle || stage->proxy || stage->tee);

	/* Of a tee, a branch at a time, perhaps: that leaves the others alone. */
	if (there && stage->tee && e->plan->value % 4 < BRANCHES_MAX &&
	    weir__tee_remove(stage, e->plan->value % 4, e->plan->value & 4 ? e->plan->why : 0))
		return false;
	if (there) {
		weir_throttle_destroy(stage->throttle);
		weir_proxy_destroy(stage->proxy);
		stage->throttle = NULL;
		stage->proxy = NULL;
		weir__tee_cut(stage);
	}
	return there;
}

static bool fire_second(struct event *e, struct unit *u)
{
	struct weir_sim_sink *sink = u->sink[0];
	struct weir_consumer *c = sink ? weir_sim_sink_consumer(sink) : NULL;
	struct weir_producer *first = c ? weir_consumer_producer(c) : NULL;
	struct weir_producer *second = weir_sim_source_producer(e->run->intruder);

	if (first && (weir_consumer_register(c, second, WEIR_PUSH) != WEIR_EBUSY ||
		      weir_consumer_producer(c) != first))
		weir_sim_break(e->run->sim, "REG-1", "a second producer was not refused");
	return false;
}

/* Perhaps far below what is in use. */
static bool fire_squeeze(struct event *e, struct unit *u)
{
	size_t least = e->run->plan->budget_least;

	(void)u;
	weir_budget_set_limit(&e->run->sim->budget, e->second ? e->run->plan->budget : least);
	if (!e->second)
		later(e);
	return false;
}

static bool fire_alloc(struct event *e, struct unit *u)
{
	struct run *run = e->run;

	(void)u;
	run->options->fail_alloc((long)e->plan->value);
	for (unsigned i = 0; i < run->plan->units; i++)
		run->unit[i].disturbed = true;
	return false;
}

void weir__event_fire(struct event *e)
{
	static bool (*const fire[])(struct event *, struct unit *) = {
		[EVENT_PAUSE] = fire_pause,
		[EVENT_STOP] = fire_stop,
		[EVENT_DESTROY] = fire_destroy,
		[EVENT_RATE] = fire_rate,
		[EVENT_GROUP_RATE] = fire_group_rate,
		[EVENT_MARKS] = fire_marks,
		[EVENT_BREAK] = fire_break,
		[EVENT_STALL] = fire_stall,
		[EVENT_FAIL_WRITE] = fire_fail_write,
		[EVENT_CLOSE] = fire_close,
		[EVENT_DIE] = fire_die,
		[EVENT_CUT_STAGE] = fire_cut_stage,
		[EVENT_SECOND] = fire_second,
		[EVENT_SQUEEZE] = fire_squeeze,
		[EVENT_ALLOC] = fire_alloc,
	};
	struct unit *u = &e->run->unit[e->plan->unit];
	bool everywhere = e->plan->kind >= EVENT_SQUEEZE || e->plan->kind == EVENT_GROUP_RATE;

	if (!everywhere && (!u->begun || u->failed))
		return;
	weir_sim_note(e->run->sim, "event", (unsigned)(e - e->run->event),
		      weir__event_text(e->plan->kind), (int64_t)e->plan->value);
	if (fire[e->plan->kind](e, u))
		u->disturbed = true;
}
