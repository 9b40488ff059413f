/* SPDX-License-Identifier: MIT */
/*
 * Twisted's own producer bugs, each under the name of its symptom; docs/history.md says
 * where the others are.  "#N" is the ticket.
 */
#include "core_fixture.h"

#include <errno.h>

#include "core/queue.h"
#include "weir/impl/transport.h"
#include "weir/join.h"
#include "weir/loopback.h"
#include "weir/memory.h"
#include "weir/relay.h"
#include "weir/throttle.h"

#define HIGH ((size_t)1000)
#define S WEIR_NS_PER_S

static struct world w;
static struct sink s;
static struct source p;

/* A consumer with small marks, which takes nothing yet, and a producer of that kind. */
static void open_pair(enum weir_mode mode)
{
	world_open(&w, WEIR_BUDGET_DEFAULT);
	sink_open(&s, &w);
	assert_int_equal(weir_valve_set_marks(&s.v, HIGH, 0, 100 * HIGH), 0);
	s.window = 0;
	source_open(&p, mode);
}

static void close_pair(void)
{
	weir_valve_fini(&s.v);
	world_run(&w);
	assert_false(p.broken);
	assert_false(s.garbled);
	world_close(&w);
}

static void take_all(void)
{
	sink_take(&s, SIZE_MAX);
	world_run(&w);
	s.window = 0;
}

/* ---- core transports ---- */

static void refill(struct source *from)
{
	assert_int_equal(source_write(from, HIGH), 0);
}

/* #811: the flag was cleared after the call, and the pause inside it lost. */
static void test_resume_that_refills_is_resumed_again(void **state)
{
	(void)state;
	open_pair(WEIR_PUSH);
	p.on_resume = refill;
	source_join(&p, &s);
	refill(&p);
	for (unsigned i = 1; i <= 5; i++) {
		sink_take(&s, HIGH);
		assert_int_equal(p.resumes, i);
		assert_int_equal(p.pauses, i + 1);
	}
	close_pair();
}

/* #2286, #745, #3919 */
static void test_pull_producer_is_not_paused_over_the_mark(void **state)
{
	(void)state;
	open_pair(WEIR_PULL);
	source_join(&p, &s);
	assert_int_equal(source_write(&p, 2 * HIGH), 0);
	assert_int_equal(source_write(&p, 2 * HIGH), 0);
	assert_int_equal(p.pauses, 0);
	close_pair();
}

/* #745, #5639: writeSequence had its own idea of "full". */
static void test_pieces_pause_as_the_whole_does(void **state)
{
	static const size_t pieces[] = {1, 7, 500, HIGH};

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct weir_chunk chunk;
		struct weir_block *block;

		open_pair(WEIR_PUSH);
		source_join(&p, &s);
		for (size_t given = 0; given < HIGH; given += pieces[i]) {
			assert_int_equal(p.pauses, 0);
			assert_int_equal(source_write(&p, pieces[i]), 0);
		}
		assert_int_equal(p.pauses, 1);
		take_all();
		assert_int_equal(weir_pool_take(&w.ctx.pool, HIGH, &block), 0);
		pattern_fill(block->data, block->used = HIGH, p.given);
		chunk = weir_chunk_from_block(block);
		assert_int_equal(weir_consumer_give(&s.v.base, &chunk), 0);
		assert_int_equal(p.pauses, 2);
		take_all();
		close_pair();
	}
}

/* Without a ticket: FileDescriptor pauses at each write past the mark, and who counts
 * pauses is never resumed (two pipelined files stop for ever). */
static void test_writes_past_the_mark_are_one_pause(void **state)
{
	(void)state;
	open_pair(WEIR_PUSH);
	source_join(&p, &s);
	for (int i = 0; i < 5; i++)
		assert_int_equal(source_write(&p, HIGH), 0);
	assert_int_equal(p.pauses, 1);
	take_all();
	assert_string_equal(p.log, "Spr");
	close_pair();
}

static void pause_the_source(struct sink *to)
{
	to->on_drain = NULL;
	weir_valve_hold(&to->v, WEIR_HOLD_USER);
}

/* #1473: data came on after a pause inside dataReceived. */
static void test_nothing_comes_after_a_pause_inside_a_delivery(void **state)
{
	struct weir_transport *left, *right;

	(void)state;
	open_pair(WEIR_PUSH);
	s.window = SIZE_MAX;
	s.on_drain = pause_the_source;
	assert_int_equal(weir_loopback_create(&w.ctx, &left, &right), 0);
	assert_int_equal(weir_consumer_register(&s.v.base, weir_transport_source(right), WEIR_PUSH),
			 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(source_write_to(&p, weir_transport_sink(left), 10000), 0);
	world_run(&w);
	assert_in_range(s.got, 1, 99999);
	assert_int_equal(s.drains, 1);
	weir_valve_release(&s.v, WEIR_HOLD_USER);
	world_run(&w);
	assert_int_equal(s.got, 100000);
	weir_transport_close(left);
	weir_transport_close(right);
	world_run(&w);
	close_pair();
}

/* #1243: who answered a resume with nothing was never asked again. */
static void test_pull_producer_that_had_nothing_is_asked_again(void **state)
{
	(void)state;
	open_pair(WEIR_PULL);
	s.window = SIZE_MAX;
	source_join(&p, &s);
	world_run(&w);
	assert_int_equal(p.resumes, 1); /* and meanwhile not for ever */
	for (unsigned i = 1; i <= 3; i++) {
		weir_consumer_wake(&s.v.base);
		world_run(&w);
		assert_int_equal(p.resumes, 1 + i);
	}
	close_pair();
}

/* #3613, #7486: resumes of a push producer that nobody had paused. */
static void test_running_producer_is_not_resumed_through_an_adapter(void **state)
{
	struct weir_throttle *t;

	(void)state;
	open_pair(WEIR_PUSH);
	assert_int_equal(weir_throttle_create(&w.ctx, (struct weir_rate){0}, NULL, &t), 0);
	assert_int_equal(weir_consumer_register(&s.v.base, weir_throttle_source(t), WEIR_PUSH), 0);
	assert_int_equal(weir_consumer_register(weir_throttle_sink(t), &p.base, WEIR_PUSH), 0);
	world_run(&w);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(source_write(&p, 10), 0);
		take_all();
	}
	assert_string_equal(p.log, "S");
	weir_consumer_fail(&s.v.base, WEIR_ESTOPPED);
	weir_throttle_destroy(t);
	close_pair();
}

/* #9003, #8334: the transport for tests broke the rules that it was to test. */
static void test_fake_transport_resumes_only_whom_it_paused(void **state)
{
	struct weir_memory *m;

	(void)state;
	world_open(&w, WEIR_BUDGET_DEFAULT);
	source_open(&p, WEIR_PUSH);
	assert_int_equal(weir_memory_create(&w.ctx, NULL, &m), 0);
	assert_int_equal(
		weir_consumer_register(weir_transport_sink(weir_memory_transport(m)), &p.base,
				       WEIR_PUSH), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(source_write(&p, 100), 0);
		weir_memory_take(m, SIZE_MAX);
		world_run(&w);
	}
	assert_string_equal(p.log, "S");
	weir_memory_destroy(m);
	assert_false(p.broken);
	world_close(&w);
}

/* #4719: with nothing left to send, nothing happened any more. */
static void test_unregister_after_the_finish_ends_it(void **state)
{
	(void)state;
	open_pair(WEIR_PUSH);
	source_join(&p, &s);
	weir_consumer_finish(&s.v.base);
	world_run(&w);
	assert_int_equal(s.on_ends, 0);
	weir_consumer_unregister(&s.v.base);
	world_run(&w);
	assert_int_equal(s.on_ends, 1);
	assert_int_equal(s.on_end_why, 0);
	close_pair();
}

/* #5344, #6461: the finish waited for one that is paused or pulls, and not for one that
 * runs; a half-close with a pull producer never came at all. */
static void test_finish_waits_for_the_producer_whatever_it_does(void **state)
{
	static const struct {
		enum weir_mode mode;
		size_t before;
	} kinds[] = {{WEIR_PUSH, 0}, {WEIR_PUSH, 10}, {WEIR_PUSH, HIGH}, {WEIR_PULL, 0},
		     {WEIR_PULL, 10}};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		open_pair(kinds[i].mode);
		source_join(&p, &s);
		if (kinds[i].before)
			assert_int_equal(source_write(&p, kinds[i].before), 0);
		weir_consumer_finish(&s.v.base);
		take_all();
		assert_int_equal(s.on_ends, 0);
		assert_int_equal(source_write(&p, 10), 0);
		take_all();
		assert_int_equal(s.on_ends, 0);
		weir_consumer_unregister(&s.v.base);
		world_run(&w);
		assert_int_equal(s.on_ends, 1);
		assert_int_equal(s.got, kinds[i].before + 10);
		close_pair();
	}
}

/* Without a ticket: a producer that stays paused and silent parked the socket for ever. */
static void test_finish_with_a_silent_producer_has_an_end(void **state)
{
	(void)state;
	open_pair(WEIR_PUSH);
	source_join(&p, &s);
	assert_int_equal(source_write(&p, HIGH), 0);
	weir_consumer_finish(&s.v.base);
	take_all();
	world_advance(&w, WEIR_FINISH_WAIT_DEFAULT);
	assert_int_equal(p.stops, 1);
	assert_int_equal(s.on_end_why, WEIR_EDEADLINE);
	close_pair();
}

/* #986: AssertionError. */
static void test_resume_after_the_close_is_harmless(void **state)
{
	struct weir_transport *left, *right;
	struct weir_producer *source;

	(void)state;
	open_pair(WEIR_PUSH);
	s.window = SIZE_MAX;
	assert_int_equal(weir_loopback_create(&w.ctx, &left, &right), 0);
	source = weir_transport_source(right);
	assert_int_equal(weir_consumer_register(&s.v.base, source, WEIR_PUSH), 0);
	weir_consumer_finish(weir_transport_sink(right));
	weir_producer_resume(source);
	weir_transport_close(left);
	world_run(&w);
	assert_int_equal(s.on_end_why, WEIR_ECLOSED);
	weir_producer_pause(source);
	weir_producer_resume(source);
	world_run(&w);
	weir_transport_close(right);
	world_run(&w);
	close_pair();
}

static const unsigned char *block_data;

static void same_block(struct sink *to)
{
	struct weir_chunk chunk;

	assert_int_equal(weir__queue_count(&to->v.queue), 1);
	chunk = *weir__queue_at(&to->v.queue, 0);
	assert_ptr_equal(chunk.data, block_data + to->got);
}

/* #12742, #3682: each partial write copied the rest of the buffer. */
static void test_partial_writes_do_not_move_the_rest(void **state)
{
	struct weir_chunk chunk;
	struct weir_block *block;

	(void)state;
	open_pair(WEIR_PUSH);
	assert_int_equal(weir_pool_take(&w.ctx.pool, WEIR_BLOCK_LARGE, &block), 0);
	pattern_fill(block->data, block->used = 50000, 0);
	block_data = block->data;
	chunk = weir_chunk_from_block(block);
	assert_int_equal(weir_consumer_give(&s.v.base, &chunk), 0);
	s.on_drain = same_block;
	for (int i = 0; i < 5000; i++)
		sink_take(&s, 10);
	assert_int_equal(s.got, 50000);
	close_pair();
}

/* #11618: empty data cost all of a processor. */
static void test_empty_writes_cost_no_turns(void **state)
{
	(void)state;
	open_pair(WEIR_PUSH);
	source_join(&p, &s);
	world_run(&w);
	for (int i = 0; i < 3; i++)
		assert_int_equal(weir_consumer_write(&s.v.base, "", 0), 0);
	assert_int_equal(weir_context_next(&w.ctx), WEIR_NEVER);
	assert_int_equal(s.drains, 0);
	close_pair();
}

static void leave(struct source *from)
{
	weir_consumer_unregister(from->base.consumer);
}

/* Without a ticket: bytes stayed where they were after a pause that raised. */
static void test_pause_that_leaves_does_not_strand_the_bytes(void **state)
{
	(void)state;
	open_pair(WEIR_PUSH);
	p.on_pause = leave;
	source_join(&p, &s);
	assert_int_equal(source_write(&p, HIGH), 0);
	s.window = SIZE_MAX; /* and nobody says so: the next turn must try */
	world_run(&w);
	take_all();
	assert_int_equal(s.got, HIGH);
	close_pair();
}

/* ---- the ends of both halves ---- */

/* #5662: one that lost both halves, in either order, was not told. */
static void test_both_halves_lost_is_told_in_either_order(void **state)
{
	(void)state;
	for (int first = 0; first < 2; first++) {
		struct weir_transport *left, *right;
		struct weir_end_watch watch;
		struct sink out = {.on_ends = 0};

		open_pair(WEIR_PUSH);
		s.window = SIZE_MAX;
		assert_int_equal(weir_loopback_create(&w.ctx, &left, &right), 0);
		assert_int_equal(
			weir_consumer_register(&s.v.base, weir_transport_source(left), WEIR_PUSH), 0);
		weir_consumer_watch_end(weir_transport_sink(left), &watch, sink_on_end, &out);
		for (int half = 0; half < 2; half++) {
			if (half == first)
				weir_consumer_finish(weir_transport_sink(right));
			else
				weir_producer_stop(weir_transport_source(right), WEIR_ESTOPPED);
			world_run(&w);
		}
		assert_int_equal(s.on_ends, 1);
		assert_int_equal(s.on_end_why, 0);
		assert_int_equal(out.on_ends, 1);
		assert_int_equal(out.on_end_why, WEIR_ESTOPPED);
		weir_transport_close(left);
		weir_transport_close(right);
		world_run(&w);
		close_pair();
	}
}

/* ---- policies, proxies, loopback ---- */

static struct weir_throttle *open_throttle(uint64_t rate)
{
	struct weir_throttle *t;

	open_pair(WEIR_PULL);
	s.window = SIZE_MAX;
	assert_int_equal(weir_throttle_create(&w.ctx, (struct weir_rate){.bytes_per_s = rate}, NULL,
					      &t), 0);
	assert_int_equal(weir_consumer_register(&s.v.base, weir_throttle_source(t), WEIR_PUSH), 0);
	world_run(&w);
	return t;
}

static void close_throttle(struct weir_throttle *t)
{
	weir_consumer_fail(&s.v.base, WEIR_ESTOPPED);
	weir_throttle_destroy(t);
	close_pair();
}

/* #7716: the throttle paused a producer that was not there. */
static void test_throttle_without_a_producer_holds_nobody(void **state)
{
	struct weir_throttle *t = open_throttle(1000);

	(void)state;
	assert_int_equal(source_write_to(&p, weir_throttle_sink(t), 600), 0);
	assert_int_equal(s.got, 100);
	world_pass(&w, S / 2);
	assert_int_equal(s.got, 600);
	close_throttle(t);
}

static void write_50(struct source *from)
{
	assert_int_equal(source_write(from, 50), 0);
}

/* #11393: static files, which are pulled, went at full speed. */
static void test_pull_producer_is_throttled(void **state)
{
	struct weir_throttle *t = open_throttle(1000);

	(void)state;
	p.on_resume = write_50;
	assert_int_equal(weir_consumer_register(weir_throttle_sink(t), &p.base, WEIR_PULL), 0);
	world_pass(&w, 5 * S);
	assert_in_range(s.got, 5000, 5100);
	close_throttle(t);
}

/* #4635: unregistering took the shaper itself away from its transport. */
static void test_unregister_in_front_leaves_the_throttle_in_place(void **state)
{
	struct weir_throttle *t = open_throttle(1000);
	struct source q;

	(void)state;
	assert_int_equal(weir_consumer_register(weir_throttle_sink(t), &p.base, WEIR_PULL), 0);
	weir_consumer_unregister(weir_throttle_sink(t));
	assert_ptr_equal(weir_consumer_producer(&s.v.base), weir_throttle_source(t));
	source_open(&q, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(weir_throttle_sink(t), &q.base, WEIR_PUSH), 0);
	assert_int_equal(source_write(&q, 600), 0);
	world_pass(&w, S / 4);
	assert_in_range(s.got, 300, 350);
	world_pass(&w, S / 4);
	assert_int_equal(s.got, 600);
	close_throttle(t);
}

/* Without a ticket: a full bucket and an empty write, and nothing ever again. */
static void test_throttle_goes_on_after_the_bucket_was_empty(void **state)
{
	struct weir_throttle *t = open_throttle(1000);

	(void)state;
	assert_int_equal(weir_consumer_register(weir_throttle_sink(t), &p.base, WEIR_PULL), 0);
	assert_int_equal(source_write(&p, 5000), 0);
	assert_int_equal(weir_consumer_write(weir_throttle_sink(t), "", 0), 0);
	world_pass(&w, 5 * S);
	assert_int_equal(s.got, 5000);
	close_throttle(t);
}

struct chain {
	struct weir_transport *client, *inner, *outer, *server;
	struct weir_relay *relay;
	bool done;
};

static void chain_done(struct weir_relay *relay, const struct weir_outcome *to_right,
		       const struct weir_outcome *to_left, void *arg)
{
	(void)relay;
	(void)to_right;
	(void)to_left;
	((struct chain *)arg)->done = true;
}

static struct weir_relay_side side_of(struct weir_transport *t)
{
	return (struct weir_relay_side){weir_transport_source(t), weir_transport_sink(t)};
}

/* client <-> inner <relay> outer <-> server */
static void open_chain(struct chain *c)
{
	struct weir_relay_options options = {.on_done = chain_done, .arg = c};

	c->done = false;
	open_pair(WEIR_PUSH);
	assert_int_equal(weir_loopback_create(&w.ctx, &c->client, &c->inner), 0);
	assert_int_equal(weir_loopback_create(&w.ctx, &c->outer, &c->server), 0);
	assert_int_equal(weir_relay_create(&w.ctx, side_of(c->inner), side_of(c->outer), &options,
					   &c->relay), 0);
}

static void close_chain(struct chain *c)
{
	weir_relay_destroy(c->relay);
	weir_transport_close(c->client);
	weir_transport_close(c->inner);
	weir_transport_close(c->outer);
	weir_transport_close(c->server);
	world_run(&w);
	close_pair();
}

/* The server gives and gives, and the client does not read, until it is paused. */
static void fill_chain(struct chain *c)
{
	assert_int_equal(
		weir_consumer_register(weir_transport_sink(c->server), &p.base, WEIR_PUSH), 0);
	while (!p.paused && p.given < 100 << 20) {
		assert_int_equal(source_write(&p, 10000), 0);
		world_run(&w);
	}
}

/* #3350: the port forwarder had no flow control. */
static void test_relay_holds_back_one_who_is_faster_than_the_other(void **state)
{
	struct chain c;

	(void)state;
	open_chain(&c);
	fill_chain(&c);
	assert_true(p.paused);
	assert_true(w.budget.peak < 8 << 20);
	close_chain(&c);
}

/* Without a ticket: the forwarder's client was paused when the server was reset, and its
 * socket stayed for ever. */
static void test_relay_ends_when_one_side_breaks_while_the_other_is_held(void **state)
{
	struct chain c;

	(void)state;
	open_chain(&c);
	fill_chain(&c);
	weir_transport_close(c.server);
	c.server = NULL;
	world_run(&w);
	assert_true(c.done);
	assert_int_equal(p.stops, 1);
	close_chain(&c);
}

/* #4891, #8868, #12139 and others: a reader that does not read made the writer's side grow. */
static void test_peer_that_never_reads_costs_one_mark(void **state)
{
	(void)state;
	open_pair(WEIR_PULL);
	p.on_resume = write_50;
	source_join(&p, &s);
	for (int i = 0; i < 100; i++) {
		sink_take(&s, 0);
		world_run(&w);
	}
	assert_true(weir_valve_held(&s.v) <= HIGH + 50);
	close_pair();
}

/* #345, #348: one that had finished was still registered, and the next could not be. */
static void test_place_is_free_after_the_end_of_a_producer(void **state)
{
	struct weir_join_options options = {.keep_open = true};
	struct weir_join *join;

	(void)state;
	open_pair(WEIR_PUSH);
	for (int i = 0; i < 3; i++) {
		source_open(&p, WEIR_PUSH);
		assert_int_equal(
			weir_join_create(&w.ctx, &p.base, &s.v.base, &options, &join), 0);
		weir_producer_end(&p.base, 0);
		assert_null(weir_consumer_producer(&s.v.base));
		weir_join_destroy(join);
	}
	close_pair();
}

static void write_last(struct source *from)
{
	assert_int_equal(source_write(from, HIGH), 0);
	weir_producer_end(&from->base, 0);
}

/* #8473: the last bytes crossed the mark, and the producer, which was through, was paused. */
static void test_producer_that_has_ended_is_told_nothing(void **state)
{
	(void)state;
	open_pair(WEIR_PULL);
	p.on_resume = write_last;
	source_join(&p, &s);
	take_all();
	assert_string_equal(p.log, "Sr");
	assert_int_equal(s.on_end_why, 0);
	assert_int_equal(s.got, HIGH);
	close_pair();
}

/* #6528 and others: stopped twice. */
static void test_producer_is_stopped_once(void **state)
{
	(void)state;
	open_pair(WEIR_PUSH);
	source_join(&p, &s);
	weir_valve_die(&s.v, -ECONNRESET);
	weir_consumer_fail(&s.v.base, -EPIPE);
	weir_valve_die(&s.v, -EPIPE);
	assert_string_equal(p.log, "Sx");
	assert_int_equal(p.stop_why, -ECONNRESET);
	close_pair();
}

/* #9132, #9623: it paused before the first byte, and the first bytes came all the same. */
static void test_reader_that_is_paused_from_the_start_gets_nothing(void **state)
{
	struct weir_transport *left, *right;

	(void)state;
	open_pair(WEIR_PUSH);
	s.window = SIZE_MAX;
	assert_int_equal(weir_loopback_create(&w.ctx, &left, &right), 0);
	assert_int_equal(source_write_to(&p, weir_transport_sink(left), 100), 0);
	weir_valve_hold(&s.v, WEIR_HOLD_USER);
	assert_int_equal(weir_consumer_register(&s.v.base, weir_transport_source(right), WEIR_PUSH),
			 0);
	world_run(&w);
	assert_int_equal(s.got, 0);
	weir_valve_release(&s.v, WEIR_HOLD_USER);
	world_run(&w);
	assert_int_equal(s.got, 100);
	weir_transport_close(left);
	weir_transport_close(right);
	world_run(&w);
	close_pair();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resume_that_refills_is_resumed_again),
		cmocka_unit_test(test_pull_producer_is_not_paused_over_the_mark),
		cmocka_unit_test(test_pieces_pause_as_the_whole_does),
		cmocka_unit_test(test_writes_past_the_mark_are_one_pause),
		cmocka_unit_test(test_nothing_comes_after_a_pause_inside_a_delivery),
		cmocka_unit_test(test_pull_producer_that_had_nothing_is_asked_again),
		cmocka_unit_test(test_running_producer_is_not_resumed_through_an_adapter),
		cmocka_unit_test(test_fake_transport_resumes_only_whom_it_paused),
		cmocka_unit_test(test_unregister_after_the_finish_ends_it),
		cmocka_unit_test(test_finish_waits_for_the_producer_whatever_it_does),
		cmocka_unit_test(test_finish_with_a_silent_producer_has_an_end),
		cmocka_unit_test(test_resume_after_the_close_is_harmless),
		cmocka_unit_test(test_partial_writes_do_not_move_the_rest),
		cmocka_unit_test(test_empty_writes_cost_no_turns),
		cmocka_unit_test(test_pause_that_leaves_does_not_strand_the_bytes),
		cmocka_unit_test(test_both_halves_lost_is_told_in_either_order),
		cmocka_unit_test(test_throttle_without_a_producer_holds_nobody),
		cmocka_unit_test(test_pull_producer_is_throttled),
		cmocka_unit_test(test_unregister_in_front_leaves_the_throttle_in_place),
		cmocka_unit_test(test_throttle_goes_on_after_the_bucket_was_empty),
		cmocka_unit_test(test_relay_holds_back_one_who_is_faster_than_the_other),
		cmocka_unit_test(test_relay_ends_when_one_side_breaks_while_the_other_is_held),
		cmocka_unit_test(test_peer_that_never_reads_costs_one_mark),
		cmocka_unit_test(test_place_is_free_after_the_end_of_a_producer),
		cmocka_unit_test(test_producer_that_has_ended_is_told_nothing),
		cmocka_unit_test(test_producer_is_stopped_once),
		cmocka_unit_test(test_reader_that_is_paused_from_the_start_gets_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
