/* SPDX-License-Identifier: MIT */
/*
 * A wrap that shows the bytes to a callback once the consumer has accepted them.  A write
 * that comes from inside another is behind it in the stream, so the outer one's bytes are
 * shown first; that they are then refused can only mean that the stream has failed.
 */
#include "weir/tap.h"

#include <errno.h>
#include <stdlib.h>

#include "weir/impl/wrap.h"

/* A write under way. */
struct passing {
	const void *data;
	size_t len;
	bool shown;
};

struct weir_tap {
	struct weir_wrap wrap;
	struct weir_consumer_ops front_ops; /* the wrap's, with write and give of ours */
	weir_tap_fn *fn;
	void *arg;
	uint64_t count;
	struct passing *passing; /* the innermost, or NULL */
};

static void show(struct weir_tap *tap, struct passing *p)
{
	if (p->shown)
		return;
	p->shown = true;
	tap->count += p->len;
	if (tap->fn && p->len)
		tap->fn(tap->arg, p->data, p->len);
}

static struct passing *begin(struct weir_tap *tap, struct passing *mine)
{
	struct passing *outer = tap->passing;

	if (outer)
		show(tap, outer);
	tap->passing = mine;
	return outer;
}

static void finish(struct weir_tap *tap, struct passing *mine, struct passing *outer, int rc)
{
	tap->passing = outer;
	if (rc == 0)
		show(tap, mine);
}

static int front_write(struct weir_consumer *c, const void *data, size_t len)
{
	struct weir_tap *tap = (struct weir_tap *)c;
	struct passing mine = {data, len, false};
	struct passing *outer = begin(tap, &mine);
	int rc = weir_consumer_write(tap->wrap.inner, data, len);

	finish(tap, &mine, outer, rc);
	return rc;
}

/* The consumer may be through with the bytes before we are: they are kept meanwhile. */
static int front_give(struct weir_consumer *c, struct weir_chunk *chunk)
{
	struct weir_tap *tap = (struct weir_tap *)c;
	struct passing mine = {chunk->data, chunk->len, false};
	struct weir_block *kept = chunk->owner ? weir_block_ref(chunk->owner) : NULL;
	struct passing *outer = begin(tap, &mine);
	int rc = weir_consumer_give(tap->wrap.inner, chunk);

	finish(tap, &mine, outer, rc);
	weir_block_unref(kept);
	return rc;
}

int weir_tap_create(struct weir_consumer *consumer, weir_tap_fn *fn, void *arg,
		    struct weir_tap **out)
{
	struct weir_tap *tap = calloc(1, sizeof(*tap));

	if (!tap)
		return -ENOMEM;
	tap->front_ops = weir_wrap_consumer_ops;
	tap->front_ops.name = "tap";
	tap->front_ops.write = front_write;
	tap->front_ops.give = front_give;
	weir_wrap_init(&tap->wrap, consumer, &tap->front_ops, &weir_wrap_producer_ops);
	tap->fn = fn;
	tap->arg = arg;
	*out = tap;
	return 0;
}

struct weir_consumer *weir_tap_sink(struct weir_tap *tap)
{
	return &tap->wrap.front;
}

uint64_t weir_tap_count(const struct weir_tap *tap)
{
	return tap->count;
}

void weir_tap_destroy(struct weir_tap *tap)
{
	if (!tap)
		return;
	weir_wrap_fini(&tap->wrap);
	free(tap);
}
