/* SPDX-License-Identifier: MIT */
/* Chunks handed to a consumer that refuses, or lets go or pauses while it is asked for room. */
#include "core_fixture.h"

#include <errno.h>

#include "core/pass.h"
#include "weir/err.h"

struct picky {
	struct weir_consumer base;
	bool *paused;
	bool pauses, lets_go; /* from inside room() */
	int answer;           /* to a write */
	size_t room, got;
};

static int picky_register(struct weir_consumer *c, struct weir_producer *p, enum weir_mode mode)
{
	weir_consumer_bind(c, p, mode);
	return 0;
}

static void picky_unregister(struct weir_consumer *c)
{
	weir_consumer_unbind(c);
}

static int picky_write(struct weir_consumer *base, const void *data, size_t len)
{
	struct picky *c = (struct picky *)base;

	(void)data;
	if (c->answer == 0)
		c->got += len;
	return c->answer;
}

static int picky_give(struct weir_consumer *base, struct weir_chunk *chunk)
{
	int rc = picky_write(base, chunk->data, chunk->len);

	if (rc == 0)
		weir_chunk_unref(chunk);
	return rc;
}

static size_t picky_room(struct weir_consumer *base)
{
	struct picky *c = (struct picky *)base;

	*c->paused |= c->pauses;
	if (c->lets_go)
		weir_consumer_unregister(base);
	return c->room;
}

static void picky_finish(struct weir_consumer *c)
{
	weir_consumer_ended(c, 0);
}

static void picky_wake(struct weir_consumer *c)
{
	(void)c;
}

static void picky_state(const struct weir_consumer *c, struct weir_consumer_state *out)
{
	*out = (struct weir_consumer_state){.in = ((const struct picky *)c)->got};
	out->out = out->in;
}

static const struct weir_consumer_ops picky_ops = {
	.name = "picky",
	.register_producer = picky_register,
	.unregister_producer = picky_unregister,
	.write = picky_write,
	.give = picky_give,
	.finish = picky_finish,
	.fail = weir_consumer_ended,
	.room = picky_room,
	.wake = picky_wake,
	.state = picky_state,
};

struct rig {
	struct world w;
	struct source source;
	struct picky picky;
	struct weir_chunk chunk; /* of 100 bytes, with an owner */
	bool paused;
};

static void open_rig(struct rig *r, enum weir_mode mode)
{
	struct weir_block *block;

	*r = (struct rig){.paused = false};
	world_open(&r->w, (size_t)1 << 20);
	source_open(&r->source, mode);
	weir_consumer_init(&r->picky.base, &picky_ops);
	r->picky.paused = &r->paused;
	r->picky.room = 1000;
	assert_int_equal(weir_consumer_register(&r->picky.base, &r->source.base, mode), 0);
	assert_int_equal(weir_pool_take(&r->w.ctx.pool, 100, &block), 0);
	pattern_fill(block->data, 100, 0);
	block->used = 100;
	r->chunk = weir_chunk_from_block(block);
}

/* That the world closes says that no reference was lost. */
static void close_rig(struct rig *r)
{
	weir_chunk_unref(&r->chunk);
	if (r->source.base.consumer)
		weir_consumer_unregister(&r->picky.base);
	world_close(&r->w);
}

static void test_a_refused_chunk_stays_the_callers_alone(void **state)
{
	struct rig r;
	int rc;

	(void)state;
	open_rig(&r, WEIR_PUSH);
	r.picky.answer = -EPIPE;
	assert_int_equal(weir__pass(&r.source.base, &r.paused, &r.chunk, 1, UINT64_MAX, &rc), 0);
	assert_int_equal(rc, -EPIPE);
	r.picky.answer = 0;
	assert_int_equal(weir__pass(&r.source.base, &r.paused, &r.chunk, 1, UINT64_MAX, &rc), 100);
	assert_int_equal(rc, 0);
	assert_int_equal(r.picky.got, 100);
	close_rig(&r);
}

static void test_a_refusal_is_for_good_unless_it_paused(void **state)
{
	struct rig r;
	int rc;

	(void)state;
	open_rig(&r, WEIR_PUSH);
	r.picky.answer = WEIR_EFULL;
	assert_int_equal(weir__pass(&r.source.base, &r.paused, &r.chunk, 1, UINT64_MAX, &rc), 0);
	assert_int_equal(rc, WEIR_EFULL);
	close_rig(&r);
	open_rig(&r, WEIR_PULL); /* which waits for the next pull */
	r.picky.answer = WEIR_EFULL;
	r.picky.room = 0; /* it must be refused to be asked again */
	assert_int_equal(weir__pass(&r.source.base, &r.paused, &r.chunk, 1, UINT64_MAX, &rc), 0);
	assert_int_equal(rc, 0);
	assert_true(r.paused);
	close_rig(&r);
}

static void test_who_pauses_or_lets_go_when_asked_for_room_gets_nothing(void **state)
{
	struct rig r;
	int rc;

	(void)state;
	for (int lets_go = 0; lets_go < 2; lets_go++) {
		open_rig(&r, WEIR_PUSH);
		r.picky.lets_go = lets_go;
		r.picky.pauses = !lets_go;
		assert_int_equal(
			weir__pass(&r.source.base, &r.paused, &r.chunk, 1, UINT64_MAX, &rc), 0);
		assert_int_equal(rc, 0);
		assert_int_equal(r.picky.got, 0);
		assert_int_equal(r.paused, !lets_go);
		/* And from now on it is not asked. */
		r.picky.room = 0;
		assert_int_equal(weir__pass_room(&r.source.base, &r.paused), 0);
		close_rig(&r);
	}
}

static void test_no_more_is_passed_than_may_be_or_there_is_room_for(void **state)
{
	struct rig r;
	int rc;

	(void)state;
	open_rig(&r, WEIR_PUSH);
	assert_int_equal(weir__pass(&r.source.base, &r.paused, &r.chunk, 1, 30, &rc), 30);
	assert_int_equal(r.picky.got, 30);
	assert_int_equal(weir__pass(&r.source.base, &r.paused, &r.chunk, 1, 0, &rc), 0);
	r.picky.room = 0;
	assert_int_equal(weir__pass(&r.source.base, &r.paused, &r.chunk, 1, 30, &rc), 0);
	assert_int_equal(rc, 0);
	assert_int_equal(r.picky.got, 30);
	close_rig(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_refused_chunk_stays_the_callers_alone),
		cmocka_unit_test(test_a_refusal_is_for_good_unless_it_paused),
		cmocka_unit_test(test_who_pauses_or_lets_go_when_asked_for_room_gets_nothing),
		cmocka_unit_test(test_no_more_is_passed_than_may_be_or_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
