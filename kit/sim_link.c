/* SPDX-License-Identifier: MIT */
/*
 * A link is two transports and two ways between them.  A way is a valve, the sink of one
 * side, whose drain puts segments under way, and a source, the other side's, which gives
 * those that have arrived.
 *
 * A way ends for its reader by what is behind the last segment (`over`), and for its writer
 * by a finish, or by the news of a break (`gone`), which takes its time like a segment does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim_priv.h"
#include "weir/impl/transport.h"

struct segment {
	size_t len;
	uint64_t at; /* arrives */
};

struct link;

struct way {
	struct weir_valve valve;
	struct weir_producer source;
	struct link *link;
	struct weir_sim_way is;
	struct weir_sim_random random;
	struct weir_task task;   /* looks at what has arrived */
	struct weir_timer timer; /* at the next arrival */

	unsigned char *bytes; /* room for twice the buffer, so that it seldom moves */
	size_t head, held;    /* bytes: before the first one held, and held */
	struct segment segments[WEIR_SIM_SEGMENTS]; /* a ring */
	unsigned first, count;
	uint64_t taken, lost; /* bytes, so far */
	uint64_t busy_since, busy_bytes; /* the wire, without a pause */
	uint64_t last_at;      /* arrival of the newest segment */
	uint64_t stalled;      /* nothing arrives before */
	uint64_t breaks_at;    /* when the byte has arrived that breaks the link; 0: not yet */

	int write_fails;  /* the next one, with this code */
	int gone;         /* the writer is to die of this, */
	uint64_t gone_at; /* then */
	bool over;        /* behind the last segment is the end, */
	int why;          /* which is this, */
	uint64_t over_at; /* and arrives then */
	bool told;        /* the reader knows, or wants to know no more */
	bool paused;
};

struct side {
	struct weir_transport base;
	struct link *link;
	bool closed;
};

struct link {
	struct side sides[2];
	struct way ways[2]; /* by the side that writes */
	struct weir_sim *sim;
	unsigned number;
	struct weir_task release;
};

static struct way *way_from_source(struct weir_producer *p)
{
	return (struct way *)((char *)p - offsetof(struct way, source));
}

static struct way *way_from_transport(const struct weir_transport *t)
{
	const struct side *side = (const struct side *)t;

	return &side->link->ways[side - side->link->sides];
}

static struct way *other_way(struct way *w)
{
	return &w->link->ways[w == &w->link->ways[0]];
}

static uint64_t now_of(const struct way *w)
{
	return w->link->sim->now;
}

static void note(const struct way *w, const char *what, int64_t value)
{
	unsigned number = 2 * w->link->number + (unsigned)(w - w->link->ways);

	weir_sim_note(w->link->sim, "way", number, what, value);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static struct segment *front(struct way *w)
{
	return &w->segments[w->first];
}

/* ---- when to look again ---- */

static void look_at(struct way *w, uint64_t at)
{
	if (at <= now_of(w))
		weir_task_queue(&w->link->sim->ctx, &w->task);
	else if (!w->timer.armed || at < w->timer.deadline)
		weir_timer_set(&w->link->sim->ctx, &w->timer, at);
}

/* One who does not read is looked at again when it registers or resumes. */
static void look_when_needed(struct way *w)
{
	if (w->gone)
		look_at(w, w->gone_at);
	if (w->breaks_at)
		look_at(w, w->breaks_at);
	if (!w->source.consumer || w->paused)
		return;
	if (w->count)
		look_at(w, later(front(w)->at, w->stalled));
	else if (w->over && !w->told)
		look_at(w, later(w->over_at, w->stalled));
}

/* ---- in front: what one side writes ---- */

/* When something that is put on the wire now arrives, `len` bytes long. */
static uint64_t arrival(struct way *w, size_t len, uint64_t jitter_ns)
{
	uint64_t free_at = w->busy_since + weir__sim_time_of(w->busy_bytes, w->is.bytes_per_s);
	uint64_t jitter = jitter_ns ? weir_sim_random_below(&w->random, jitter_ns + 1) : 0;

	if (free_at < now_of(w)) {
		w->busy_since = now_of(w);
		w->busy_bytes = 0;
	}
	w->busy_bytes += len;
	free_at = w->busy_since + weir__sim_time_of(w->busy_bytes, w->is.bytes_per_s);
	return later(free_at + w->is.latency_ns + jitter, w->last_at);
}

static void put_segment(struct way *w, const unsigned char *data, size_t len)
{
	struct segment *s = &w->segments[(w->first + w->count++) % WEIR_SIM_SEGMENTS];

	if (w->head + w->held + len > 2 * w->is.buffer) {
		memmove(w->bytes, w->bytes + w->head, w->held);
		w->head = 0;
	}
	memcpy(w->bytes + w->head + w->held, data, len);
	w->held += len;
	w->taken += len;
	s->len = len;
	s->at = w->last_at = arrival(w, len, w->is.jitter_ns);
	if (w->is.break_after && w->taken == w->is.break_after)
		w->breaks_at = s->at ? s->at : 1;
}

/* The size of the next segment, of `len` bytes that are to be written. */
static size_t next_piece(struct way *w, size_t len)
{
	size_t room = w->is.buffer - w->held;
	size_t piece = w->is.piece;

	if (piece && w->is.random_pieces)
		piece = 1 + weir_sim_random_below(&w->random, piece);
	if (piece && len > piece)
		len = piece;
	if (w->is.break_after && len > w->is.break_after - w->taken)
		len = (size_t)(w->is.break_after - w->taken);
	return len < room ? len : room;
}

static size_t put(struct way *w, const unsigned char *data, size_t len)
{
	size_t done = 0;

	while (done < len && w->count < WEIR_SIM_SEGMENTS) {
		size_t piece = next_piece(w, len - done);

		if (piece == 0)
			break;
		put_segment(w, data + done, piece);
		done += piece;
	}
	return done;
}

static void break_reader(struct way *w, int why, uint64_t at);
static void break_writer(struct way *w, int why, uint64_t at);

static int64_t drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct way *w = (struct way *)v;
	size_t total = 0;

	if (w->write_fails) {
		note(w, "fails a write", w->write_fails);
		break_reader(w, -ECONNRESET, now_of(w));
		break_reader(other_way(w), w->write_fails, now_of(w));
		break_writer(other_way(w), -ECONNRESET, now_of(w));
		return w->write_fails;
	}
	for (size_t i = 0; i < count && !w->over; i++) {
		size_t n = put(w, chunks[i].data, chunks[i].len);

		total += n;
		if (n < chunks[i].len)
			break;
	}
	if (total)
		note(w, "takes", (int64_t)total);
	look_when_needed(w);
	return (int64_t)total;
}

static void end(struct weir_valve *v, int why)
{
	struct way *w = (struct way *)v;
	struct way *back = other_way(w);

	note(w, "ends", why);
	if (why == 0) {
		if (!w->over)
			w->over_at = arrival(w, 0, 0);
		w->over = true;
		weir_valve_done(v, 0);
		look_when_needed(w);
		return;
	}
	break_reader(w, -ECONNRESET, now_of(w) + w->is.latency_ns);
	break_writer(back, -ECONNRESET, now_of(w) + w->is.latency_ns);
	break_reader(back, -ECONNABORTED, now_of(w));
}

static const struct weir_valve_ops valve_ops = {
	.name = "simulated link",
	.drain = drain,
	.end = end,
};

/* ---- breaks ---- */

/* What is under way is lost, an end with it; what has arrived is not. */
static void break_reader(struct way *w, int why, uint64_t at)
{
	if (w->over && w->over_at <= now_of(w))
		return;
	while (w->count) {
		struct segment *last = &w->segments[(w->first + w->count - 1) % WEIR_SIM_SEGMENTS];

		if (last->at <= now_of(w))
			break;
		w->held -= last->len;
		w->lost += last->len;
		w->count--;
	}
	w->breaks_at = 0;
	w->over = true;
	w->why = why;
	w->over_at = at;
	look_when_needed(w);
}

static void break_writer(struct way *w, int why, uint64_t at)
{
	if (w->valve.life == WEIR_ENDED || w->gone)
		return;
	w->gone = why;
	w->gone_at = at;
	look_when_needed(w);
}

static void break_both(struct link *link, int why)
{
	for (int i = 0; i < 2; i++) {
		struct way *w = &link->ways[i];

		note(w, "breaks", why);
		break_reader(w, why, now_of(w));
		break_writer(w, why, now_of(w));
	}
}

/* ---- behind: what the other side reads ---- */

static size_t readable(struct way *w)
{
	size_t len = 0;

	if (now_of(w) < w->stalled)
		return 0;
	for (unsigned i = 0; i < w->count; i++) {
		struct segment *s = &w->segments[(w->first + i) % WEIR_SIM_SEGMENTS];

		if (s->at > now_of(w) || (len && w->is.piece))
			break;
		len += s->len;
	}
	return len;
}

static void consume(struct way *w, size_t len)
{
	w->head += len;
	w->held -= len;
	while (len) {
		struct segment *s = front(w);
		size_t n = s->len < len ? s->len : len;

		s->len -= n;
		len -= n;
		if (s->len == 0) {
			w->first = (w->first + 1) % WEIR_SIM_SEGMENTS;
			w->count--;
		}
	}
}

/* Give the next bytes, at most `max`; returns how many, 0 for no more now. */
static size_t deliver(struct way *w, size_t max)
{
	size_t len = readable(w);
	size_t room;
	int rc;

	if (len == 0 || !w->source.consumer || w->paused)
		return 0;
	room = weir_consumer_room(w->source.consumer);
	if (room == 0 || !w->source.consumer || w->paused)
		return 0;
	len = len < room ? len : room;
	len = len < max ? len : max;
	rc = weir_consumer_write(w->source.consumer, w->bytes + w->head, len);
	if (rc == WEIR_EFULL && w->paused)
		return 0;
	if (rc < 0) {
		w->told = true;
		w->why = rc;
		weir_producer_end(&w->source, rc);
		return 0;
	}
	note(w, "gives", (int64_t)len);
	consume(w, len);
	return len;
}

static void deliver_all(struct way *w)
{
	size_t left = w->link->sim->ctx.quantum;
	size_t n;

	do {
		n = deliver(w, left);
		left -= n;
	} while (n && left);
	if (left < w->link->sim->ctx.quantum)
		weir_valve_ready(&w->valve);
	if (left == 0)
		weir_task_queue(&w->link->sim->ctx, &w->task);
}

static void run_task(struct weir_task *task)
{
	struct way *w = (struct way *)((char *)task - offsetof(struct way, task));

	if (w->gone && w->gone_at <= now_of(w)) {
		int why = w->gone;

		w->gone = 0;
		weir_valve_die(&w->valve, why);
	}
	if (w->breaks_at && w->breaks_at <= now_of(w)) {
		w->breaks_at = 0;
		break_both(w->link, w->is.break_why);
	}
	deliver_all(w);
	if (w->over && !w->told && !w->count && w->source.consumer &&
	    later(w->over_at, w->stalled) <= now_of(w)) {
		w->told = true;
		note(w, "tells the end", w->why);
		weir_producer_end(&w->source, w->why);
	}
	look_when_needed(w);
}

static void run_timer(struct weir_timer *timer)
{
	run_task(&((struct way *)((char *)timer - offsetof(struct way, timer)))->task);
}

/* Start and resume. */
static void source_go_on(struct weir_producer *p)
{
	struct way *w = way_from_source(p);

	w->paused = false;
	if (w->told)
		weir_producer_end(p, w->why);
	else
		weir_task_queue(&w->link->sim->ctx, &w->task);
}

static void source_pause(struct weir_producer *p)
{
	way_from_source(p)->paused = true;
}

static void source_stop(struct weir_producer *p, int why)
{
	struct way *w = way_from_source(p);

	w->told = true;
	w->why = why;
}

static const struct weir_producer_ops source_ops = {
	.name = "simulated link",
	.start = source_go_on,
	.pause = source_pause,
	.resume = source_go_on,
	.stop = source_stop,
};

/* ---- the link ---- */

static void release(struct weir_task *task)
{
	struct link *link = (struct link *)((char *)task - offsetof(struct link, release));

	for (int i = 0; i < 2; i++) {
		struct way *w = &link->ways[i];

		weir_task_cancel(&w->task);
		weir_timer_cancel(&link->sim->ctx, &w->timer);
		weir_valve_fini(&w->valve);
		free(w->bytes);
	}
	free(link);
}

static void side_close(struct weir_transport *t)
{
	struct side *side = (struct side *)t;
	struct way *w = way_from_transport(t);

	side->closed = true;
	note(w, "closes", 0);
	break_writer(other_way(w), -ECONNRESET, now_of(w) + w->is.latency_ns);
	if (side->link->sides[0].closed && side->link->sides[1].closed)
		weir_task_queue(&side->link->sim->ctx, &side->link->release);
}

static const struct weir_transport_ops side_ops = {
	.name = "simulated link",
	.close = side_close,
	.describe = weir_transport_describe_kind,
};

static int way_init(struct way *w, struct link *link, const struct weir_sim_way *is)
{
	unsigned number = 2 * link->number + (unsigned)(w - link->ways);

	weir_valve_init(&w->valve, &valve_ops, &link->sim->ctx);
	weir_producer_init(&w->source, &source_ops, WEIR_PUSH);
	weir_sim_random_init(&w->random, link->sim->options.seed, "way", number);
	w->link = link;
	w->is = *is;
	w->task.run = run_task;
	w->timer.run = run_timer;
	if (!w->is.buffer)
		w->is.buffer = WEIR_SIM_BUFFER_DEFAULT;
	w->bytes = malloc(2 * w->is.buffer);
	return w->bytes ? 0 : -ENOMEM;
}

int weir_sim_link_create(struct weir_sim *sim, const struct weir_sim_link_options *options,
			 struct weir_transport **left, struct weir_transport **right)
{
	static const struct weir_sim_link_options plain;
	struct link *link = calloc(1, sizeof(*link));

	if (!options)
		options = &plain;
	if (!link)
		return -ENOMEM;
	link->sim = sim;
	link->number = sim->links++;
	link->release.run = release;
	if (way_init(&link->ways[0], link, &options->to_right) < 0 ||
	    way_init(&link->ways[1], link, &options->to_left) < 0) {
		free(link->ways[0].bytes);
		free(link->ways[1].bytes);
		free(link);
		return -ENOMEM;
	}
	for (int i = 0; i < 2; i++) {
		struct side *side = &link->sides[i];

		weir_transport_init(&side->base, &side_ops);
		side->link = link;
		side->base.sink = &link->ways[i].valve.base;
		side->base.has_valve = true;
		side->base.source = &link->ways[!i].source;
		side->base.half_closes = true;
	}
	*left = &link->sides[0].base;
	*right = &link->sides[1].base;
	return 0;
}

void weir_sim_link_break(struct weir_transport *t, int why)
{
	break_both(way_from_transport(t)->link, why);
}

void weir_sim_link_stall(struct weir_transport *t, uint64_t ns)
{
	struct link *link = way_from_transport(t)->link;

	for (int i = 0; i < 2; i++) {
		struct way *w = &link->ways[i];

		note(w, "stalls", (int64_t)ns);
		w->stalled = later(w->stalled, now_of(w) + ns);
	}
}

void weir_sim_link_fail_write(struct weir_transport *t, int why)
{
	way_from_transport(t)->write_fails = why;
}

size_t weir_sim_link_under_way(const struct weir_transport *t)
{
	return way_from_transport(t)->held;
}

uint64_t weir_sim_link_lost(const struct weir_transport *t)
{
	return way_from_transport(t)->lost;
}
