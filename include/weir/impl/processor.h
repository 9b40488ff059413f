/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IMPL_PROCESSOR_H
#define WEIR_IMPL_PROCESSOR_H
/*
 * impl/processor.h -- the base of whatever is a consumer in front and a producer behind:
 * a throttle, a proxy, a coder.  For those who write one.
 *
 * The front is a valve (impl/valve.h), which holds what cannot go on yet.  The back gives
 * to the consumer behind, the one that it is registered with, by push or by pull: one
 * chunk a pull, only from inside the resume that asks for it; what comes later wakes the
 * consumer.  The two ends belong together:
 *   - the front's finish goes on behind all its bytes, and is complete when that of the
 *     consumer behind is; a failure goes on at once, also when the finish was told before;
 *   - the death of the consumer behind is that of the front;
 *   - a consumer that lets the back go stays open, as always: bytes wait for the next one.
 *
 * The front's state is told in the bytes of the front, so that in == out + held + dropped
 * at every instant: `out` are those that the consumer behind has handed on, and what it
 * holds of ours, we hold.  Where processing changes the number of bytes, see
 * weir_processor_mark().  While the consumer behind holds the back, its reasons are among
 * the front's `holds`.
 *
 * Re-entry  A processor may be told anything from inside a call that it makes, except
 *           to be released.
 */
#include "weir/impl/valve.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_processor;

/* What a kind of processor does.  Every function is mandatory. */
struct weir_processor_ops {
	const char *name;

	/* Whether a pause from behind goes to the producer in front at once, so that only
	 * what comes all the same is held.  Else that is paused when the front's marks say so. */
	bool plain;

	/* Whether the number of bytes changes; weir_processor_mark() tells what became of them. */
	bool transforms;

	/*
	 * Take bytes from the front of the `count` chunks, which are borrowed for the length of
	 * the call, and give on what comes of them, with weir_processor_pass().  Called when
	 * the consumer behind takes bytes, and with no chunks when it takes some again and
	 * there are none: for those who keep made bytes of their own.  Never nested.
	 * Returns  the bytes taken; fewer than offered means "no more until the consumer
	 *          behind resumes or weir_processor_go_on()".
	 */
	size_t (*process)(struct weir_processor *p, const struct weir_chunk *chunks, size_t count);

	/*
	 * The front is finished and every byte was taken: give on what is still to come, a
	 * trailer for one.  Called again, like `process`, until all is said.
	 * Returns  whether it is.
	 */
	bool (*flush)(struct weir_processor *p);

	/* The most that the producer in front should be told to write now. */
	size_t (*room)(struct weir_processor *p);

	/* The end, called once: no other call follows.  Let go of timers. */
	void (*over)(struct weir_processor *p);
};

/* For tables: a `process` that gives on all that it is offered, a `flush` with nothing to
 * say, a `room` that is all the front has, an `over` with nothing to let go. */
WEIR_API size_t weir_processor_pass_on(struct weir_processor *p, const struct weir_chunk *chunks,
				       size_t count);
WEIR_API bool weir_processor_said_all(struct weir_processor *p);
WEIR_API size_t weir_processor_any_room(struct weir_processor *p);
WEIR_API void weir_processor_pass_over(struct weir_processor *p);

/* So many bytes given on are all that came of so many bytes taken. */
struct weir_processor_mark {
	uint64_t made, taken;
};

/* Embed this as the first member.  Fields are private to processor.c, except that an
 * implementation may read them, and set the front's marks. */
struct weir_processor {
	struct weir_valve front;    /* `front.base` is the consumer in front */
	struct weir_producer back;  /* the producer behind */
	const struct weir_processor_ops *ops;
	struct weir_consumer_ops front_ops; /* the valve's, with room and state of ours */
	struct weir_consumer *behind; /* the last one that `back` fed, until it ends */
	struct weir_end_watch behind_end;
	uint64_t behind_base; /* bytes that it had accepted before ours */
	uint64_t behind_made; /* and what had been made until then */
	uint64_t out_before;  /* of `made`: what those before it handed on */
	uint64_t made;        /* bytes given on */
	struct weir_processor_mark marks[2]; /* the one that is waited for, and the newest */
	uint64_t settled;     /* taken, and all that came of it handed on */
	struct weir_task task; /* the back was registered */
	int why;              /* of the end */
	bool paused;          /* by the consumer behind, or it has not pulled */
	bool over;            /* the end has come, and is told behind, now or at `start` */
	bool told;            /* it has been */
	bool busy;            /* in `process` without chunks, or in `flush` */
	bool again;           /* there was reason to call that once more */
};

/* Prepare caller-owned storage, with the valve's default marks; a plain one pauses its
 * producer at the first byte that it must hold, and at once until `back` is registered. */
WEIR_API void weir_processor_init(struct weir_processor *p, const struct weir_processor_ops *ops,
				  struct weir_context *ctx);

/* Let go of all, before the storage is released.  One at work is cut: its producer is
 * stopped, its consumer failed, with WEIR_ECLOSED. */
WEIR_API void weir_processor_fini(struct weir_processor *p);

/*
 * Give the consumer behind bytes from the front of the chunks, at most `max`, until it takes
 * no more; to be called from `process` and `flush`.  A chunk with an owner goes by reference,
 * which the caller keeps.  When a write is refused for good, the processor has failed.
 * Returns  the bytes given.
 */
WEIR_API size_t weir_processor_pass(struct weir_processor *p, const struct weir_chunk *chunks,
				    size_t count, uint64_t max);

/* How many bytes the consumer behind would take in one write now; 0: none until it resumes.
 * For those who need to know before they make them. */
WEIR_API size_t weir_processor_room(struct weir_processor *p);

/* What kept `process` or `flush` from going on is over. */
WEIR_API void weir_processor_go_on(struct weir_processor *p);

/*
 * For one that transforms, from inside `process`: everything that came of all the bytes
 * taken before this call, and of the first `taken` offered in it, has been given on.  They
 * count as held until the consumer behind has handed that on; bytes that are never marked
 * do so until the end.  The completed flush is a mark of itself.
 */
WEIR_API void weir_processor_mark(struct weir_processor *p, size_t taken);

/* The stream is bad, for the reason `why` (negative): fail the consumer behind, stop the
 * producer in front.  From inside `process`, then return the bytes taken. */
WEIR_API void weir_processor_fail(struct weir_processor *p, int why);

#ifdef __cplusplus
}
#endif
#endif
