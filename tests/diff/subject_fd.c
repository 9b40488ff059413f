/* SPDX-License-Identifier: MIT */
/*
 * A valve in the Twisted profile, with a kernel below it that takes as many bytes as it is
 * told to: what FileDescriptor is with a socket.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stage.h"
#include "weir/impl/valve.h"

static struct fd {
	struct weir_valve valve; /* first */
	struct weir_end_watch watch;
	size_t window;   /* what the kernel takes */
	bool broken;     /* and it fails */
	size_t sent;     /* in this turn, with their sum; Twisted sends once a turn, */
	uint32_t sum;    /* which may be several drains of ours */
	bool is_short;
} fd;

static void note_sent(void)
{
	if (fd.sent || fd.is_short)
		trace("sent %zu %08x%s", fd.sent, fd.sum, fd.is_short ? " short" : "");
	fd.sent = 0;
	fd.sum = 1;
	fd.is_short = false;
}

static int64_t drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	size_t taken = 0;

	(void)v;
	if (fd.broken) {
		trace("send fails");
		return -EPIPE;
	}
	for (size_t i = 0; i < count && !fd.is_short; i++) {
		size_t n = chunks[i].len < fd.window ? chunks[i].len : fd.window;

		fd.sum = sum_bytes(fd.sum, chunks[i].data, n);
		fd.window -= fd.window == SIZE_MAX ? 0 : n;
		fd.is_short = n < chunks[i].len;
		taken += n;
	}
	fd.sent += taken;
	return (int64_t)taken;
}

static void end(struct weir_valve *v, int why)
{
	note_sent();
	if (why == 0)
		weir_valve_done(v, 0);
}

static const struct weir_valve_ops ops = {.name = "fd", .drain = drain, .end = end};

static void on_end(void *arg, int why)
{
	(void)arg;
	note_sent();
	trace("closed %s", why == 0		  ? "done"
			   : why == -ECONNABORTED ? "aborted"
			   : why == -ECONNRESET   ? "lost"
						  : "broken");
}

static void fd_open(struct stage *s)
{
	memset(&fd, 0, sizeof(fd));
	fd.window = SIZE_MAX;
	fd.sum = 1;
	weir_valve_init(&fd.valve, &ops, &s->ctx);
	weir_valve_set_profile(&fd.valve, WEIR_TWISTED);
	weir_consumer_watch_end(&fd.valve.base, &fd.watch, on_end, NULL);
}

static int write_bytes(struct stage *s, size_t len)
{
	const unsigned char *bytes = stage_bytes(s, len);
	struct weir_chunk chunk;
	struct weir_block *block;
	int rc;

	if (len == 0 || len > WEIR_BLOCK_LARGE || s->writes % 2)
		return weir_consumer_write(&fd.valve.base, bytes, len);
	/* Every other one, if it fits into a block, is given away. */
	if (weir_pool_take(&s->ctx.pool, len, &block) < 0)
		abort();
	memcpy(block->data, bytes, len);
	block->used = (uint32_t)len;
	chunk = weir_chunk_from_block(block);
	rc = weir_consumer_give(&fd.valve.base, &chunk);
	weir_chunk_unref(&chunk);
	return rc;
}

/* An event of the poll: the kernel has room. */
static void ready(size_t window)
{
	fd.window = window;
	weir_valve_ready(&fd.valve);
}

static const char *fd_act(struct stage *s, const struct act *act)
{
	struct weir_consumer *c = &fd.valve.base;
	int rc = 0;

	if (act_is(act, "write"))
		rc = write_bytes(s, act_size(act, 0));
	else if (act_is(act, "register"))
		rc = weir_consumer_register(c, &stage_player(s, act->arg[0])->base,
					    act_mode(act, 1));
	else if (act_is(act, "unregister"))
		weir_consumer_unregister(c);
	else if (act_is(act, "lose") || act_is(act, "halflose"))
		weir_consumer_finish(c);
	else if (act_is(act, "abort"))
		weir_consumer_fail(c, -ECONNABORTED);
	else if (act_is(act, "turn"))
		weir_context_run(&s->ctx);
	else if (act_is(act, "ready"))
		ready(act_size(act, 0));
	else if (act_is(act, "break"))
		fd.broken = true, ready(0);
	else if (act_is(act, "gone"))
		weir_valve_die(&fd.valve, -ECONNRESET);
	else
		return "unknown act";
	return result(rc);
}

static void fd_look(struct stage *s)
{
	struct weir_consumer_state st;
	struct weir_producer *p = weir_consumer_producer(&fd.valve.base);

	(void)s;
	weir_consumer_state(&fd.valve.base, &st);
	trace("held %llu, producer %s", (unsigned long long)st.held,
	      p ? ((struct player *)p)->name : "none");
}

static void fd_close(struct stage *s)
{
	(void)s;
	weir_valve_fini(&fd.valve);
}

const struct subject fd_subject = {
	.name = "fd",
	.open = fd_open,
	.act = fd_act,
	.catch_up = note_sent,
	.look = fd_look,
	.close = fd_close,
};
