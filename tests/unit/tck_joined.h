/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_TCK_JOINED_H
#define WEIR_TESTS_TCK_JOINED_H
/*
 * tck_joined.h -- a flow for the contract kit: a source that the kit feeds, a join, and a box.
 */
#include "tck_subjects.h"

#include "weir/impl/producer.h"
#include "weir/join.h"

/* ---- a source that has nothing of its own ---- */

struct well {
	struct weir_producer base; /* first */
	bool paused, over;
};

static inline void well_go_on(struct weir_producer *p)
{
	((struct well *)p)->paused = false;
}

static inline void well_pause(struct weir_producer *p)
{
	((struct well *)p)->paused = true;
}

static inline void well_stop(struct weir_producer *p, int why)
{
	(void)why;
	((struct well *)p)->over = true;
}

static const struct weir_producer_ops well_ops = {
	.name = "well",
	.start = well_go_on,
	.pause = well_pause,
	.resume = well_go_on,
	.stop = well_stop,
};

static inline size_t well_feed(struct well *w, const void *data, size_t len)
{
	if (w->paused || w->over || !w->base.consumer)
		return 0;
	return weir_consumer_write(w->base.consumer, data, len) == 0 ? len : 0;
}

static inline void well_end(struct well *w, int why)
{
	if (w->over || !w->base.consumer)
		return;
	w->over = true;
	weir_producer_end(&w->base, why);
}

/* ---- the flow ---- */

struct joined {
	struct box box; /* first */
	struct well well;
	struct weir_join *join;
	bool done;
	int why;
};

static inline void joined_on_done(struct weir_join *join, const struct weir_outcome *outcome,
                                  void *arg)
{
	struct joined *j = arg;

	(void)join;
	j->done = true;
	j->why = outcome->cause;
}

/* Begin one, in storage that is all zero. */
static inline int joined_open(struct joined *j, struct weir_tck *kit,
                              const struct weir_join_options *limits)
{
	struct weir_context *ctx = weir_tck_context(kit);
	struct weir_join_options options = limits ? *limits : (struct weir_join_options){0};

	options.on_done = joined_on_done;
	options.arg = j;
	j->box.kit = kit;
	j->box.window = SIZE_MAX;
	weir_valve_init(&j->box.valve, &box_ops, ctx);
	weir_producer_init(&j->well.base, &well_ops, WEIR_PUSH);
	return weir_join_create(ctx, &j->well.base, &j->box.valve.base, &options, &j->join);
}

static inline void joined_close(struct joined *j)
{
	weir_join_destroy(j->join);
	weir_valve_fini(&j->box.valve);
}

/* `arg`: the join's options, or NULL. */
static inline int joined_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct joined *j = calloc(1, sizeof(*j));
	int rc = j ? joined_open(j, kit, arg) : -1;

	out->self = j;
	return rc;
}

static inline void joined_destroy(void *self)
{
	joined_close(self);
	free(self);
}

static inline size_t joined_feed(void *self, const void *data, size_t len)
{
	return well_feed(&((struct joined *)self)->well, data, len);
}

static inline void joined_feed_end(void *self, int why)
{
	well_end(&((struct joined *)self)->well, why);
}

static inline bool joined_outcome(void *self, int *why)
{
	*why = ((struct joined *)self)->why;
	return ((struct joined *)self)->done;
}

static inline void joined_progress(void *self, struct weir_progress *out)
{
	weir_join_progress(((struct joined *)self)->join, out);
}

static const struct weir_tck_subject joined_subject = {
	.name = "a join",
	.make = joined_make,
	.destroy = joined_destroy,
	.take = box_take,
	.feed = joined_feed,
	.feed_end = joined_feed_end,
	.outcome = joined_outcome,
	.progress = joined_progress,
};

/* The rules in `ids` that the kit finds broken, of `subject`; and what it says of them. */
static inline void tck_broken(const struct weir_tck_subject *subject, const char *ids,
                              struct tally *tally)
{
	*tally = (struct tally){.prints = getenv("WEIR_TCK_VERBOSE") != NULL};
	assert_true(weir_tck_run(subject, &(struct weir_tck_options){
						  .effort = 1,
						  .ids = ids,
						  .report = tally_report,
						  .arg = tally,
					  }) >= 0);
}

#endif
