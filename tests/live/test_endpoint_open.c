/* SPDX-License-Identifier: MIT */
/* Endpoints are opened by name: now, later, by a peer that comes, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fds.h"
#include "weir/endpoint.h"
#include "weir/join.h"
#include "weir/loop.h"

struct fixture {
	struct weir_loop *loop;
	int fds;
	char dir[64];
};

/* One opening and what came of it. */
struct opened {
	struct weir_loop *loop;
	struct weir_endpoint *e;
	struct weir_opening *opening;
	struct weir_transport *t;
	int calls, rc;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->fds = weir_test_open_fds();
	strcpy(f->dir, "/tmp/weir-endpoint-XXXXXX");
	if (!mkdtemp(f->dir) || weir_loop_create(NULL, &f->loop) < 0)
		return -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int rc;

	weir_loop_destroy(f->loop);
	rc = rmdir(f->dir); /* nothing was left in it */
	if (weir_test_open_fds() != f->fds)
		rc = -1;
	free(f);
	return rc;
}

static void on_open(void *arg, int rc, struct weir_transport *t)
{
	struct opened *o = arg;

	o->calls++;
	o->rc = rc;
	o->t = t;
	o->opening = NULL;
	weir_loop_stop(o->loop);
}

static int open_as(struct fixture *f, struct opened *o, enum weir_role role, const char *format,
		   const char *path)
{
	char text[200];
	int rc;

	*o = (struct opened){.loop = f->loop};
	snprintf(text, sizeof(text), format, path);
	assert_int_equal(weir_endpoint_parse(text, &o->e, NULL), 0);
	rc = weir_endpoint_open(f->loop, o->e, role, NULL, on_open, o, &o->opening);
	assert_int_equal(o->calls, 0); /* never before the call has returned */
	return rc;
}

static void wait_open(struct opened *o)
{
	while (o->calls == 0)
		weir_loop_run(o->loop);
	assert_int_equal(o->calls, 1);
	assert_int_equal(o->rc, 0);
}

static void close_opened(struct opened *o)
{
	weir_transport_close(o->t);
	weir_endpoint_destroy(o->e);
}

struct joined {
	struct weir_loop *loop;
	struct weir_outcome outcome;
};

static void on_done(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	struct joined *j = arg;

	(void)join;
	j->outcome = *outcome;
	weir_loop_stop(j->loop);
}

static void join(struct fixture *f, struct opened *source, struct opened *sink,
		 struct weir_outcome *outcome)
{
	struct joined joined = {.loop = f->loop};
	const struct weir_join_options options = {.on_done = on_done, .arg = &joined};
	struct weir_join *j;

	wait_open(source);
	wait_open(sink);
	assert_int_equal(weir_join_create(weir_loop_context(f->loop),
					  weir_transport_source(source->t),
					  weir_transport_sink(sink->t), &options, &j),
			 0);
	while (joined.outcome.end == WEIR_RUNNING)
		weir_loop_run(f->loop);
	*outcome = joined.outcome;
	weir_join_destroy(j);
}

static void test_a_pattern_goes_to_a_file_and_back(void **state)
{
	struct fixture *f = *state;
	struct opened random, file, null;
	struct weir_outcome outcome;
	char path[100];

	snprintf(path, sizeof(path), "%s/a", f->dir);
	assert_int_equal(open_as(f, &random, WEIR_ROLE_SOURCE, "random:100k", ""), 0);
	assert_int_equal(open_as(f, &file, WEIR_ROLE_SINK, "file:%s", path), 0);
	wait_open(&random);
	assert_int_equal(weir_transport_length(random.t), 100000);
	join(f, &random, &file, &outcome);
	assert_int_equal(outcome.end, WEIR_FINISHED);
	close_opened(&random);
	close_opened(&file);

	assert_int_equal(open_as(f, &file, WEIR_ROLE_SOURCE, "%s", path), 0);
	assert_int_equal(open_as(f, &null, WEIR_ROLE_SINK, "null:", ""), 0);
	join(f, &file, &null, &outcome);
	assert_int_equal(outcome.end, WEIR_FINISHED);
	assert_int_equal(outcome.offset, 100000);
	close_opened(&file);
	close_opened(&null);
	assert_int_equal(unlink(path), 0);
}

static void test_a_listener_opened_as_an_endpoint_takes_one_peer(void **state)
{
	struct fixture *f = *state;
	struct opened server, client, source;
	struct weir_outcome outcome;
	char path[100];

	snprintf(path, sizeof(path), "%s/s", f->dir);
	assert_int_equal(open_as(f, &server, WEIR_ROLE_SOURCE, "unix-listen:%s", path), 0);
	assert_int_equal(open_as(f, &client, WEIR_ROLE_SINK, "unix:%s", path), 0);
	assert_int_equal(open_as(f, &source, WEIR_ROLE_SOURCE, "zero:5", ""), 0);
	wait_open(&server);
	wait_open(&client);
	assert_int_equal(access(path, F_OK), -1); /* it has stopped listening */
	join(f, &source, &client, &outcome);
	assert_int_equal(outcome.end, WEIR_FINISHED);
	close_opened(&source);

	assert_int_equal(open_as(f, &source, WEIR_ROLE_SINK, "null:", ""), 0);
	join(f, &server, &source, &outcome);
	assert_int_equal(outcome.end, WEIR_FINISHED);
	assert_int_equal(outcome.offset, 5);
	close_opened(&source);
	close_opened(&server);
	close_opened(&client);
}

static void test_a_command_gets_only_the_directions_of_its_role(void **state)
{
	struct fixture *f = *state;
	struct opened child, null;
	struct weir_outcome outcome;

	/* Its input is empty: cat(1) ends at once. */
	assert_int_equal(open_as(f, &child, WEIR_ROLE_SOURCE, "exec:cat; echo end", ""), 0);
	assert_int_equal(open_as(f, &null, WEIR_ROLE_SINK, "null:", ""), 0);
	wait_open(&child);
	assert_null(weir_transport_sink(child.t));
	join(f, &child, &null, &outcome);
	assert_int_equal(outcome.end, WEIR_FINISHED);
	assert_int_equal(outcome.offset, 4);
	close_opened(&child);
	close_opened(&null);
}

static void test_a_null_source_is_empty(void **state)
{
	struct fixture *f = *state;
	struct opened source, sink;
	struct weir_outcome outcome;

	assert_int_equal(open_as(f, &source, WEIR_ROLE_SOURCE, "null:", ""), 0);
	assert_int_equal(open_as(f, &sink, WEIR_ROLE_SINK, "null:", ""), 0);
	join(f, &source, &sink, &outcome);
	assert_int_equal(outcome.end, WEIR_FINISHED);
	assert_int_equal(outcome.offset, 0);
	close_opened(&source);
	close_opened(&sink);
}

static void test_a_cancelled_opening_is_silent(void **state)
{
	static const char *const formats[] = {"random:", "exec:cat", "unix-listen:%s/s",
					      "tcp-listen://127.0.0.1:0", "tcp://127.0.0.1:9"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct opened o;

		assert_int_equal(open_as(f, &o, WEIR_ROLE_SOURCE, formats[i], f->dir), 0);
		assert_non_null(o.opening);
		weir_opening_cancel(o.opening);
		weir_loop_run(f->loop);
		assert_int_equal(o.calls, 0);
		close_opened(&o);
	}
}

static void test_what_cannot_be_opened_fails_once(void **state)
{
	struct fixture *f = *state;
	struct weir_listener *l;
	struct opened o;

	assert_int_equal(open_as(f, &o, WEIR_ROLE_SOURCE, "%s/nothing", f->dir), -2 /* ENOENT */);
	assert_int_equal(weir_endpoint_listen(f->loop, o.e, NULL, &l), WEIR_ENOTSUP);
	close_opened(&o);
	assert_int_equal(open_as(f, &o, WEIR_ROLE_SINK, "zero:", ""), WEIR_ENOTSUP);
	close_opened(&o);
	assert_int_equal(open_as(f, &o, WEIR_ROLE_BOTH, "%s/nothing", f->dir), WEIR_ENOTSUP);
	close_opened(&o);
	if (open_as(f, &o, WEIR_ROLE_BOTH, "unix:%s/nothing", f->dir) == 0) {
		weir_loop_run(f->loop);
		assert_int_equal(o.calls, 1);
		assert_int_equal(o.rc, -2 /* ENOENT */);
		assert_null(o.t);
	}
	close_opened(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_pattern_goes_to_a_file_and_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			test_a_listener_opened_as_an_endpoint_takes_one_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_command_gets_only_the_directions_of_its_role, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_null_source_is_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_cancelled_opening_is_silent, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_opened_fails_once, setup,
						teardown),
	};

	struct weir_loop *loop;

	/* libuv opens some descriptors once for the process. */
	if (weir_loop_create(NULL, &loop) < 0)
		return 1;
	weir_loop_destroy(loop);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
