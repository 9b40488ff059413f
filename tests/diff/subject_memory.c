/* SPDX-License-Identifier: MIT */
/* The memory transport in the Twisted profile, against StringTransport. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stage.h"
#include "weir/memory.h"

static struct weir_memory *memory;

static void memory_open(struct stage *s)
{
	struct weir_memory_options options = {
		.twisted = true,
		.lenient = strcmp(s->option, "lenient") == 0,
	};

	if (weir_memory_create(&s->ctx, &options, &memory) < 0)
		abort();
}

/* Tell the source, as code under test does; a refusal is Twisted's RuntimeError. */
static const char *tell(void (*call)(struct weir_producer *p))
{
	struct weir_memory_state before, after;

	weir_memory_state(memory, &before);
	call(weir_transport_source(weir_memory_transport(memory)));
	weir_memory_state(memory, &after);
	return after.refused == before.refused ? "ok" : "refused";
}

static void stop(struct weir_producer *p)
{
	weir_producer_stop(p, WEIR_ESTOPPED);
}

static const char *memory_act(struct stage *s, const struct act *act)
{
	struct weir_consumer *c = weir_transport_sink(weir_memory_transport(memory));
	int rc = 0;

	if (act_is(act, "write"))
		rc = weir_consumer_write(c, stage_bytes(s, act_size(act, 0)), act_size(act, 0));
	else if (act_is(act, "register"))
		rc = weir_consumer_register(c, &stage_player(s, act->arg[0])->base,
					    act_mode(act, 1));
	else if (act_is(act, "unregister"))
		weir_consumer_unregister(c);
	else if (act_is(act, "lose"))
		weir_consumer_finish(c);
	else if (act_is(act, "abort"))
		weir_consumer_fail(c, -ECONNABORTED);
	else if (act_is(act, "clear"))
		weir_memory_clear(memory);
	else if (act_is(act, "pause"))
		return tell(weir_producer_pause);
	else if (act_is(act, "resume"))
		return tell(weir_producer_resume);
	else if (act_is(act, "stop"))
		return tell(stop);
	else
		return "unknown act";
	return result(rc);
}

static void memory_look(struct stage *s)
{
	static const char *const lives[] = {
		[WEIR_MEMORY_OPEN] = "open",
		[WEIR_MEMORY_FINISHING] = "disconnecting",
		[WEIR_MEMORY_FINISHED] = "finished",
		[WEIR_MEMORY_FAILED] = "disconnected",
	};
	struct weir_memory_state st;
	size_t len;
	const unsigned char *value = weir_memory_value(memory, &len);
	const char *who = "none", *mode = "";

	(void)s;
	weir_memory_state(memory, &st);
	if (st.producer) {
		who = ((struct player *)st.producer)->name;
		mode = weir_producer_mode(st.producer) == WEIR_PUSH ? " push" : " pull";
	}
	trace("%s, %zu bytes %08x, producer %s%s, source %s", lives[st.life], len,
	      sum_bytes(1, value, len), who, mode,
	      st.stopped  ? "stopped"
	      : st.paused ? "paused"
			  : "producing");
}

static void memory_close(struct stage *s)
{
	(void)s;
	weir_memory_destroy(memory);
}

const struct subject memory_subject = {
	.name = "memory",
	.open = memory_open,
	.act = memory_act,
	.look = memory_look,
	.close = memory_close,
};
