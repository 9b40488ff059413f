/* SPDX-License-Identifier: MIT */
/* A proxy that is called from inside the calls that it makes. */
#include "core_fixture.h"

#include "weir/proxy.h"

/* ---- a consumer that refuses its next write, and pauses for it ---- */

static struct weir_consumer_ops refusing_ops;
static bool refuses;

static int refuse_once(struct weir_consumer *c, const void *data, size_t len)
{
	if (!refuses)
		return weir_valve_consumer_ops.write(c, data, len);
	refuses = false;
	weir_valve_hold((struct weir_valve *)c, WEIR_HOLD_USER);
	return WEIR_EFULL;
}

static void write_more(struct source *p)
{
	p->on_pause = NULL;
	assert_int_equal(source_write(p, 50), 0);
}

static void test_what_is_written_inside_a_refused_write_comes_behind_it(void **state)
{
	struct weir_proxy_options options = {.twisted = true};
	struct weir_proxy *proxy;
	struct source p;
	struct sink s;
	struct world w;

	(void)state;
	world_open(&w, (size_t)1 << 20);
	assert_int_equal(weir_proxy_create(&w.ctx, &options, &proxy), 0);
	sink_open(&s, &w);
	refusing_ops = weir_valve_consumer_ops;
	refusing_ops.write = refuse_once;
	s.v.base.ops = &refusing_ops;
	source_open(&p, WEIR_PUSH);
	p.on_pause = write_more;
	assert_int_equal(weir_consumer_register(&s.v.base, weir_proxy_source(proxy), WEIR_PUSH), 0);
	assert_int_equal(weir_consumer_register(weir_proxy_sink(proxy), &p.base, WEIR_PUSH), 0);
	refuses = true;
	assert_int_equal(source_write(&p, 100), 0);
	assert_int_equal(s.got, 0);
	weir_valve_release(&s.v, WEIR_HOLD_USER);
	world_run(&w);
	assert_int_equal(s.got, 150);
	assert_false(s.garbled);
	weir_proxy_destroy(proxy);
	weir_valve_fini(&s.v);
	world_run(&w);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_inside_a_refused_write_comes_behind_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
