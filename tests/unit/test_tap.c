/* SPDX-License-Identifier: MIT */
/* A tap sees what the consumer accepted, in order, and changes nothing; and digests. */
#include <errno.h>

#include "core_fixture.h"

#include "weir/err.h"
#include "weir/hash.h"
#include "weir/tap.h"

struct seen {
	uint64_t bytes;
	bool garbled;
};

static void see(void *arg, const void *data, size_t len)
{
	struct seen *seen = arg;

	for (size_t i = 0; i < len; i++)
		if (((const unsigned char *)data)[i] != pattern_at(seen->bytes++))
			seen->garbled = true;
}

struct rig {
	struct world w;
	struct sink sink;
	struct source source;
	struct seen seen;
	struct weir_tap *tap;
};

static void open_rig(struct rig *r)
{
	*r = (struct rig){.seen = {0}};
	world_open(&r->w, (size_t)1 << 24);
	sink_open(&r->sink, &r->w);
	source_open(&r->source, WEIR_PUSH);
	assert_int_equal(weir_tap_create(&r->sink.v.base, see, &r->seen, &r->tap), 0);
	assert_int_equal(weir_consumer_register(weir_tap_sink(r->tap), &r->source.base, WEIR_PUSH),
			 0);
}

static void close_rig(struct rig *r)
{
	assert_false(r->seen.garbled);
	assert_false(r->sink.garbled);
	assert_false(r->source.broken);
	assert_int_equal(r->seen.bytes, weir_tap_count(r->tap));
	weir_tap_destroy(r->tap);
	weir_valve_fini(&r->sink.v);
	world_close(&r->w);
}

static void test_what_is_accepted_is_seen_once_and_in_order(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	r.sink.window = 1000;
	for (int i = 0; i < 100; i++)
		assert_int_equal(source_write(&r.source, 700), 0);
	assert_int_equal(r.seen.bytes, 70000);
	assert_int_equal(r.source.pauses, 1);
	sink_take(&r.sink, SIZE_MAX);
	assert_int_equal(r.source.resumes, 1);
	weir_producer_end(&r.source.base, 0);
	assert_int_equal(r.sink.got, 70000);
	assert_int_equal(r.sink.on_end_why, 0);
	assert_int_equal(r.sink.on_ends, 1);
	close_rig(&r);
}

static void test_a_refused_write_is_not_seen(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	r.sink.window = 0;
	assert_int_equal(weir_valve_set_marks(&r.sink.v, 100, 0, 200), 0);
	assert_int_equal(source_write(&r.source, 150), 0);
	assert_int_equal(source_write(&r.source, 51), WEIR_EFULL);
	assert_int_equal(weir_tap_count(r.tap), 150);
	assert_int_equal(source_write(&r.source, 50), 0);
	assert_int_equal(weir_tap_count(r.tap), 200);
	weir_valve_die(&r.sink.v, -EPIPE);
	assert_int_equal(r.source.stops, 1);
	assert_int_equal(r.source.stop_why, -EPIPE);
	assert_int_equal(source_write_to(&r.source, weir_tap_sink(r.tap), 1), WEIR_ECLOSED);
	assert_int_equal(weir_tap_count(r.tap), 200);
	close_rig(&r);
}

static void write_more(struct sink *s)
{
	struct source *source = s->arg;

	s->on_drain = NULL;
	assert_int_equal(source_write(source, 300), 0);
}

static void test_a_write_from_inside_a_write_is_seen_behind_it(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	r.sink.on_drain = write_more;
	r.sink.arg = &r.source;
	assert_int_equal(source_write(&r.source, 500), 0);
	world_run(&r.w);
	assert_int_equal(r.seen.bytes, 800);
	assert_int_equal(r.sink.got, 800);
	close_rig(&r);
}

static void test_a_given_chunk_is_seen_and_not_copied(void **state)
{
	struct weir_block *block;
	struct weir_chunk chunk;
	struct rig r;

	(void)state;
	open_rig(&r);
	assert_int_equal(weir_pool_take(&r.w.ctx.pool, 4096, &block), 0);
	pattern_fill(block->data, 4096, 0);
	block->used = 4096;
	chunk = weir_chunk_from_block(block);
	assert_int_equal(weir_consumer_give(weir_tap_sink(r.tap), &chunk), 0);
	assert_null(chunk.owner);
	assert_int_equal(r.seen.bytes, 4096);
	assert_int_equal(r.w.ctx.pool.taken, 0);
	close_rig(&r);
}

static void test_digests_are_those_of_the_standards(void **state)
{
	static const struct {
		const char *name, *text, *digest;
	} known[] = {
		{"sha256", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"SHA256", "abc",
		 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"sha1", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{"md5", "abc", "900150983cd24fb0d6963f7d28e17f72"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		char text[WEIR_HASH_TEXT_MAX];
		struct weir_hash *h;

		assert_int_equal(weir_hash_create(known[i].name, &h), 0);
		for (const char *c = known[i].text; *c; c++) {
			assert_int_equal(weir_hash_add(h, c, 1), 0);
			assert_int_equal(weir_hash_text(h, text), 0);
		}
		assert_int_equal(weir_hash_text(h, text), 0);
		assert_string_equal(text, known[i].digest);
		weir_hash_destroy(h);
	}
	weir_hash_destroy(NULL);
}

static void test_an_unknown_digest_is_not_supported(void **state)
{
	struct weir_hash *h;

	(void)state;
	assert_int_equal(weir_hash_create("sha257", &h), WEIR_ENOTSUP);
	assert_int_equal(weir_hash_create("", &h), WEIR_ENOTSUP);
	assert_int_equal(weir_hash_create("shake128", &h), WEIR_ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_accepted_is_seen_once_and_in_order),
		cmocka_unit_test(test_a_refused_write_is_not_seen),
		cmocka_unit_test(test_a_write_from_inside_a_write_is_seen_behind_it),
		cmocka_unit_test(test_a_given_chunk_is_seen_and_not_copied),
		cmocka_unit_test(test_digests_are_those_of_the_standards),
		cmocka_unit_test(test_an_unknown_digest_is_not_supported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
