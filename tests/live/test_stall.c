/* SPDX-License-Identifier: MIT */
/*
 * A TCP reader that stops reading: what a join holds of its bytes then is the high mark and one chunk
 * at most, also when it had read as much at once as it ever does until then.  The rest is in the
 * kernel's buffers, or has not been read.
 */
#include <signal.h>

#include "net_fixture.h"
#include "tcp_pair.h"
#include "weir/pipe.h"

/* What makes reads as large as they become. */
#define FLOWING ((uint64_t)24 << 20)

/* The reader stops and goes on so often: what the last read before it was full left over depends
 * on where the buffers were then. */
#define STALLS 12

/* A stall has come once nothing has moved for so long. */
#define STILL (30 * MS)

#define CHUNK WEIR_BLOCK_LARGE

struct stall {
	struct bench *b;
	struct weir_transport *source, *sink;
	struct weir_join *join;
	int feeder, reader;   /* the peers' ends */
	uint64_t sent, got;   /* by them */
	uint64_t wrong;       /* bytes */
	uint64_t until;       /* the reader reads no further */
	uint64_t still_since;
	bool stalled;
	size_t most;          /* that the budget was charged with for the join's bytes */
	size_t most_held;
	size_t scratch;       /* the most that was made for reads */
	unsigned char bytes[256 << 10];
};

static struct weir_transport *adopt(struct bench *b, int fd)
{
	struct weir_transport *t = NULL;

	assert_int_equal(weir_pipe_adopt(b->loop, fd, fd, &t), 0);
	return t;
}

static void open_stall(struct stall *s, struct bench *b, enum weir_paths paths)
{
	const struct weir_join_options options = {.paths = paths};
	int left[2], right[2];

	tcp_pair(left);
	tcp_pair(right);
	s->b = b;
	s->source = adopt(b, left[0]);
	s->sink = adopt(b, right[0]);
	s->feeder = left[1];
	s->reader = right[1];
	assert_int_equal(weir_join_create(weir_loop_context(b->loop),
					  weir_transport_source(s->source),
					  weir_transport_sink(s->sink), &options, &s->join),
			 0);
}

static void close_stall(struct stall *s)
{
	weir_join_destroy(s->join);
	weir_transport_close(s->source);
	weir_transport_close(s->sink);
	close(s->feeder);
	close(s->reader);
}

/* The feeder writes all that it can. */
static bool feed(struct stall *s)
{
	uint64_t before = s->sent;
	ssize_t n;

	do {
		size_t len = 64 << 10;

		fill(s->bytes, len, s->sent);
		n = send(s->feeder, s->bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0)
			s->sent += (uint64_t)n;
	} while (n > 0);
	return s->sent > before;
}

static bool read_on(struct stall *s)
{
	uint64_t before = s->got;

	while (s->got < s->until) {
		uint64_t left = s->until - s->got;
		size_t len = left < sizeof(s->bytes) ? (size_t)left : sizeof(s->bytes);
		ssize_t n = recv(s->reader, s->bytes, len, MSG_DONTWAIT);

		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			s->wrong += s->bytes[i] != byte_at(s->got + (uint64_t)i);
		s->got += (uint64_t)n;
	}
	return s->got > before;
}

static void look(struct stall *s)
{
	struct weir_loop *loop = s->b->loop;
	size_t used = weir_loop_budget(loop)->used - loop->scratch_size - loop->provided;
	struct weir_consumer_state state;

	weir_consumer_state(weir_transport_sink(s->sink), &state);
	if (used > s->most)
		s->most = used;
	if (state.held > s->most_held)
		s->most_held = state.held;
	if (loop->scratch_size > s->scratch)
		s->scratch = loop->scratch_size;
}

/* Once in a turn: whether the reader has all that it reads, and nothing else moves any more. */
static bool has_stalled(void *arg)
{
	struct stall *s = arg;
	bool moved = feed(s);

	look(s);
	moved |= read_on(s);
	if (moved || s->got < s->until)
		s->still_since = clock_ns(CLOCK_MONOTONIC);
	s->stalled |= clock_ns(CLOCK_MONOTONIC) - s->still_since >= STILL;
	return s->stalled;
}

static void stall_again_and_again(struct bench *b, enum weir_paths paths)
{
	struct stall *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	open_stall(s, b, paths);
	s->until = FLOWING;
	for (int i = 0; i < STALLS; i++) {
		s->stalled = false;
		s->still_since = clock_ns(CLOCK_MONOTONIC);
		wait_for(b, has_stalled, s);
		s->until = s->got + ((uint64_t)3 << 20) + (uint64_t)i * 77777;
	}
	assert_int_equal(s->wrong, 0);
	assert_true(s->most_held > 0); /* it was full, and told so */
	assert_true(s->most <= WEIR_HIGH_DEFAULT + CHUNK);
	if (paths == WEIR_PATHS_COPY)
		assert_int_equal(s->scratch, WEIR__SCRATCH_MAX); /* and reads had grown */
	close_stall(s);
	free(s);
}

static void test_mem1_a_reader_that_stops_leaves_high_and_one_chunk(void **state)
{
	stall_again_and_again(*state, WEIR_PATHS_COPY);
}

static void test_mem1_what_is_spliced_to_one_that_stops_is_not_read_out_again(void **state)
{
	stall_again_and_again(*state, WEIR_PATHS_KERNEL);
}

static int set_up(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	return warm_up(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_set_up, bench_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_mem1_a_reader_that_stops_leaves_high_and_one_chunk),
		TEST(test_mem1_what_is_spliced_to_one_that_stops_is_not_read_out_again),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
