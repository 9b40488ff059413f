/* SPDX-License-Identifier: MIT */
/*
 * The proxies in the Twisted profile, against pcp's two classes.  Behind one is a consumer
 * that traces what it is told; "pause", "resume" and "stop" are what that tells the proxy.
 */
#include <stdlib.h>
#include <string.h>

#include "stage.h"
#include "weir/impl/consumer.h"
#include "weir/proxy.h"

static struct {
	struct weir_consumer consumer; /* behind the proxy */
	struct stage *stage;
	struct weir_proxy *proxy;
	struct weir_producer *source;
	uint64_t got;
} behind;

static int behind_register(struct weir_consumer *c, struct weir_producer *p, enum weir_mode mode)
{
	weir_consumer_bind(c, p, mode);
	return 0;
}

static void behind_unregister(struct weir_consumer *c)
{
	weir_consumer_unbind(c);
	stage_event(behind.stage, "unregister", "");
}

static int behind_write(struct weir_consumer *c, const void *data, size_t len)
{
	char text[40];

	(void)c;
	behind.got += len;
	snprintf(text, sizeof(text), "%zu %08x", len, sum_bytes(1, data, len));
	stage_event(behind.stage, "write", text);
	return 0;
}

static int behind_give(struct weir_consumer *c, struct weir_chunk *chunk)
{
	behind_write(c, chunk->data, chunk->len);
	weir_block_unref(chunk->owner);
	*chunk = (struct weir_chunk){0};
	return 0;
}

static void behind_finish(struct weir_consumer *c)
{
	(void)c;
	stage_event(behind.stage, "finish", "");
}

static void behind_fail(struct weir_consumer *c, int why)
{
	(void)c;
	stage_event(behind.stage, "fail", weir_err_name(why));
}

static size_t behind_room(struct weir_consumer *c)
{
	(void)c;
	return SIZE_MAX;
}

static void behind_wake(struct weir_consumer *c)
{
	(void)c;
}

static void behind_state(const struct weir_consumer *c, struct weir_consumer_state *out)
{
	(void)c;
	*out = (struct weir_consumer_state){.in = behind.got, .out = behind.got};
}

static const struct weir_consumer_ops behind_ops = {
	.name = "behind",
	.register_producer = behind_register,
	.unregister_producer = behind_unregister,
	.write = behind_write,
	.give = behind_give,
	.finish = behind_finish,
	.fail = behind_fail,
	.room = behind_room,
	.wake = behind_wake,
	.state = behind_state,
};

static void proxy_open(struct stage *s)
{
	struct weir_proxy_options options = {
		.twisted = true,
		.buffering = strstr(s->option, "buffer") != NULL,
	};
	enum weir_mode mode = strstr(s->option, "pull") ? WEIR_PULL : WEIR_PUSH;

	memset(&behind, 0, sizeof(behind));
	behind.stage = s;
	weir_consumer_init(&behind.consumer, &behind_ops);
	if (weir_proxy_create(&s->ctx, &options, &behind.proxy) < 0)
		abort();
	behind.source = weir_proxy_source(behind.proxy);
	if (weir_consumer_register(&behind.consumer, behind.source, mode) < 0)
		abort();
}

static void stop(void)
{
	weir_consumer_unbind(&behind.consumer);
	weir_producer_stop(behind.source, WEIR_ESTOPPED);
}

static const char *proxy_act(struct stage *s, const struct act *act)
{
	struct weir_consumer *c = weir_proxy_sink(behind.proxy);

	if (act_is(act, "write"))
		return result(weir_consumer_write(c, stage_bytes(s, act_size(act, 0)),
						  act_size(act, 0)));
	if (act_is(act, "register"))
		return result(weir_consumer_register(
			c, &stage_player(s, act->arg[0])->base, act_mode(act, 1)));
	if (act_is(act, "unregister"))
		weir_consumer_unregister(c);
	else if (act_is(act, "finish"))
		weir_consumer_finish(c);
	else if (act_is(act, "pause"))
		weir_producer_pause(behind.source);
	else if (act_is(act, "resume"))
		weir_producer_resume(behind.source);
	else if (act_is(act, "stop"))
		stop();
	else
		return "unknown act";
	return "ok";
}

static void proxy_look(struct stage *s)
{
	struct weir_consumer_state st;
	struct weir_producer *p = weir_consumer_producer(weir_proxy_sink(behind.proxy));

	(void)s;
	weir_consumer_state(weir_proxy_sink(behind.proxy), &st);
	trace("held %llu, producer %s", (unsigned long long)st.held,
	      p ? ((struct player *)p)->name : "none");
}

static void proxy_close(struct stage *s)
{
	(void)s;
	weir_proxy_destroy(behind.proxy);
}

const struct subject proxy_subject = {
	.name = "proxy",
	.open = proxy_open,
	.act = proxy_act,
	.look = proxy_look,
	.close = proxy_close,
};
