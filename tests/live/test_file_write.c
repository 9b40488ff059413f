/* SPDX-License-Identifier: MIT */
/* Writing files: what others see of them, and when; nothing left behind. */
#include "file_fixture.h"

#include <dirent.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fail_alloc.h"
#include "transport/file_priv.h"

#define BIG ((size_t)5 << 20)

static struct weir_transport *sink_of(const char *path, enum weir_file_mode mode)
{
	struct weir_file_write_options options = {.mode = mode};
	struct weir_transport *t = NULL;

	assert_int_equal(weir_file_write(loop, path, &options, &t), 0);
	assert_non_null(weir_transport_sink(t));
	assert_null(weir_transport_source(t));
	return t;
}

static int refused(const char *path, enum weir_file_mode mode)
{
	struct weir_file_write_options options = {.mode = mode};
	struct weir_transport *t = NULL;

	return weir_file_write(loop, path, &options, &t);
}

/* Write `total` bytes; say how that ended. */
static struct weir_outcome write_out(struct weir_transport *t, uint64_t total, size_t piece,
				     int why)
{
	struct weir_outcome o;
	struct gen g;

	gen_init(&g, total, piece);
	g.why = why;
	o = join_run(&g.base, weir_transport_sink(t));
	assert_int_equal(g.stops, o.end == WEIR_SINK_FAILED && !g.ended);
	gen_fini(&g);
	return o;
}

static struct weir_outcome write_file(const char *path, enum weir_file_mode mode, uint64_t total,
				      size_t piece, int why)
{
	struct weir_transport *t = sink_of(path, mode);
	struct weir_outcome o = write_out(t, total, piece, why);

	weir_transport_close(t);
	assert_true(turn_until(objects_gone, NULL));
	return o;
}

static unsigned names_in(const char *path)
{
	DIR *dir = opendir(path);
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

/* Each test has an empty folder "d". */
static int enter_d(void **state)
{
	(void)state;
	return system("rm -rf d && mkdir d");
}

static void test_a_new_file_has_all_the_bytes(void **state)
{
	static const size_t sizes[] = {0, 1, 65536, BIG + 3};
	static const enum weir_file_mode modes[] = {WEIR_FILE_REPLACE, WEIR_FILE_CREATE,
						    WEIR_FILE_APPEND, WEIR_FILE_TRUNCATE};

	(void)state;
	umask(022);
	open_loop();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (int m = 0; m < 4; m++) {
			struct weir_outcome o = write_file("d/a", modes[m], sizes[i], 100000, 0);

			assert_int_equal(o.end, WEIR_FINISHED);
			assert_int_equal(o.offset, sizes[i]);
			assert_true(file_holds("d/a", 0, sizes[i]));
			assert_int_equal(mode_of("d/a"), 0644);
			assert_int_equal(names_in("d"), 1);
			unlink("d/a");
		}
	}
	close_loop();
}

static void test_writes_of_one_byte(void **state)
{
	(void)state;
	open_loop();
	assert_int_equal(write_file("d/a", WEIR_FILE_REPLACE, 5000, 1, 0).end, WEIR_FINISHED);
	assert_true(file_holds("d/a", 0, 5000));
	assert_int_equal(write_file("d/b", WEIR_FILE_TRUNCATE, 5000, 1, 0).end, WEIR_FINISHED);
	assert_true(file_holds("d/b", 0, 5000));
	close_loop();
}

static void test_a_turn_writes_at_most_the_quantum(void **state)
{
	struct weir_loop_options options = {.quantum = 10000};
	struct weir_transport *t;
	struct joined j;
	struct gen g;
	uint64_t before = 0;

	(void)state;
	open_loop_with(&options);
	gen_init(&g, 500000, 100000);
	t = sink_of("d/a", WEIR_FILE_REPLACE);
	join_start(&j, &g.base, weir_transport_sink(t));
	while (!j.done) {
		struct weir_consumer_state s;

		uv_run(loop->uv, UV_RUN_ONCE);
		weir_consumer_state(weir_transport_sink(t), &s);
		/* This turn's and the next's; a worker takes what it is given. */
		assert_true(s.out - before <= 2 * 10000 || weir__file_slow_ns == 0);
		before = s.out;
	}
	assert_int_equal(join_wait(&j).end, WEIR_FINISHED);
	weir_transport_close(t);
	gen_fini(&g);
	close_loop();
	assert_true(file_holds("d/a", 0, 500000));
}

static bool all_written(void *arg)
{
	struct weir_consumer_state s;

	weir_consumer_state(weir_transport_sink(arg), &s);
	return s.out == 200000;
}

static void test_the_old_file_stays_until_the_finish(void **state)
{
	struct weir_transport *t;
	struct joined j;
	struct gen g;
	int reader;

	(void)state;
	put_file("d/a", 7, 1000);
	reader = open("d/a", O_RDONLY | O_CLOEXEC);
	open_loop();
	gen_init(&g, 200000, 1000);
	g.open_ended = true;
	t = sink_of("d/a", WEIR_FILE_REPLACE);
	assert_true(file_holds("d/a", 7, 1000));
	join_start(&j, &g.base, weir_transport_sink(t));
	assert_true(turn_until(all_written, t));
	assert_true(file_holds("d/a", 7, 1000));
	assert_int_equal(names_in("d"), 1);
	weir_producer_end(&g.base, 0);
	assert_int_equal(join_wait(&j).end, WEIR_FINISHED);
	assert_true(file_holds("d/a", 0, 200000));
	assert_int_equal(names_in("d"), 1);
	/* Who had it open has the old one still. */
	assert_int_equal(lseek(reader, 0, SEEK_END), 1000);
	weir_transport_close(t);
	gen_fini(&g);
	close_loop();
	close(reader);
}

static void test_a_failure_leaves_the_old_file_and_nothing_else(void **state)
{
	static const enum weir_file_mode modes[] = {WEIR_FILE_REPLACE, WEIR_FILE_CREATE};

	(void)state;
	open_loop();
	for (int m = 0; m < 2; m++) {
		struct weir_outcome o = write_file("d/a", modes[m], 200000, 1000, -EPROTO);

		assert_int_equal(o.end, WEIR_SOURCE_FAILED);
		assert_int_equal(o.cause, -EPROTO);
		assert_int_equal(names_in("d"), 0);
	}
	put_file("d/a", 7, 1000);
	assert_int_equal(write_file("d/a", WEIR_FILE_REPLACE, 200000, 1000, -EPROTO).cause, -EPROTO);
	assert_true(file_holds("d/a", 7, 1000));
	assert_int_equal(names_in("d"), 1);
	close_loop();
}

/* Before any byte, in the middle, in the midst of the finish. */
static void test_closing_at_any_moment_leaves_the_old_file_or_the_whole_new_one(void **state)
{
	static const enum weir_file_mode modes[] = {WEIR_FILE_REPLACE, WEIR_FILE_APPEND,
						    WEIR_FILE_TRUNCATE};

	(void)state;
	for (int turns = 0; turns < 30; turns++) {
		enum weir_file_mode mode = modes[turns % 3];
		struct weir_transport *t;
		struct joined j;
		struct gen g;

		put_file("d/a", 7, 1000);
		open_loop();
		gen_init(&g, 5000, 1000);
		t = sink_of("d/a", mode);
		join_start(&j, &g.base, weir_transport_sink(t));
		for (int i = 0; i < turns / 3; i++)
			uv_run(loop->uv, UV_RUN_NOWAIT);
		weir_transport_close(t);
		join_wait(&j);
		gen_fini(&g);
		close_loop();
		if (mode == WEIR_FILE_REPLACE)
			assert_true(file_holds("d/a", 7, 1000) || file_holds("d/a", 0, 5000));
		assert_int_equal(names_in("d"), 1);
	}
}

#define WORKERS_MOST 16

static uv_sem_t gate;

static void wait_at_gate(uv_work_t *work)
{
	(void)work;
	uv_sem_wait(&gate);
}

static bool workers_idle(void *arg)
{
	(void)arg;
	return loop->uv->active_reqs.count == 0;
}

/* Such a file is replaced by a worker; what is small, by the loop. */
#define LARGE ((64 << 10) + 1)

/* The first job of a worker starts all of them, which takes longer than the copy does. */
static void test_what_is_small_needs_no_worker(void **state)
{
	static const struct {
		int old, new;
		bool sync, works;
	} files[] = {
		{-1, 0, false, false}, {-1, 64 << 10, false, false}, {64 << 10, 10, false, false},
		{-1, LARGE, false, true}, {LARGE, 10, false, true}, {10, 10, true, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct weir_file_write_options options = {.mode = WEIR_FILE_REPLACE,
							  .sync = files[i].sync};
		struct weir_consumer_state s;
		struct weir_transport *t;
		void *data = test_calloc(1, LARGE);

		unlink("d/a");
		if (files[i].old >= 0)
			put_file("d/a", 7, (size_t)files[i].old);
		open_loop();
		assert_int_equal(weir_file_write(loop, "d/a", &options, &t), 0);
		assert_int_equal(weir_consumer_write(weir_transport_sink(t), data,
						     (size_t)files[i].new), 0);
		test_free(data);
		assert_true(turn_until(workers_idle, NULL));
		weir_consumer_finish(weir_transport_sink(t));
		weir_consumer_state(weir_transport_sink(t), &s);
		/* In the other run workers do everything. */
		assert_int_equal(s.ended, !files[i].works && weir__file_slow_ns > 0);
		assert_true(turn_until(workers_idle, NULL));
		weir_consumer_state(weir_transport_sink(t), &s);
		assert_true(s.ended);
		assert_int_equal(s.why, 0);
		weir_transport_close(t);
		close_loop();
		assert_int_equal(names_in("d"), 1);
	}
}

static void test_a_failure_after_the_finish_leaves_the_old_file(void **state)
{
	uv_work_t busy[WORKERS_MOST];
	struct weir_consumer_state s;
	struct weir_transport *t;

	(void)state;
	put_file("d/a", 7, LARGE);
	open_loop();
	assert_int_equal(uv_sem_init(&gate, 0), 0);
	t = sink_of("d/a", WEIR_FILE_REPLACE);
	assert_int_equal(weir_consumer_write(weir_transport_sink(t), "new", 3), 0);
	assert_true(turn_until(workers_idle, NULL));
	/* The worker that is to commit comes behind these. */
	for (int i = 0; i < WORKERS_MOST; i++)
		assert_int_equal(uv_queue_work(loop->uv, &busy[i], wait_at_gate, NULL), 0);
	weir_consumer_finish(weir_transport_sink(t));
	assert_int_equal(weir_transport_valve(t)->life, WEIR_FLUSHING);
	weir_consumer_fail(weir_transport_sink(t), -EIO);
	for (int i = 0; i < WORKERS_MOST; i++)
		uv_sem_post(&gate);
	assert_true(turn_until(workers_idle, NULL));
	weir_consumer_state(weir_transport_sink(t), &s);
	assert_int_equal(s.why, -EIO);
	assert_true(file_holds("d/a", 7, LARGE));
	weir_transport_close(t);
	close_loop();
	uv_sem_destroy(&gate);
	assert_int_equal(names_in("d"), 1);
}

static void test_permissions_of_a_replaced_file_are_kept(void **state)
{
	static const mode_t modes[] = {0600, 0640, 0755, 0666, 0200};

	(void)state;
	umask(027);
	open_loop();
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		put_file("d/a", 0, 10);
		assert_int_equal(chmod("d/a", modes[i]), 0);
		assert_int_equal(write_file("d/a", WEIR_FILE_REPLACE, 20, 20, 0).end, WEIR_FINISHED);
		assert_int_equal(mode_of("d/a"), modes[i]);
		assert_int_equal(chmod("d/a", 0600), 0);
		assert_true(file_holds("d/a", 0, 20));
		unlink("d/a");
	}
	close_loop();
	umask(022);
}

static void test_permissions_of_a_new_file_are_as_asked(void **state)
{
	struct weir_file_write_options options = {.permissions = 0606};
	struct weir_transport *t;

	(void)state;
	open_loop();
	for (int m = WEIR_FILE_REPLACE; m <= WEIR_FILE_TRUNCATE; m++) {
		options.mode = (enum weir_file_mode)m;
		assert_int_equal(weir_file_write(loop, "d/a", &options, &t), 0);
		assert_int_equal(write_out(t, 10, 10, 0).end, WEIR_FINISHED);
		weir_transport_close(t);
		assert_int_equal(mode_of("d/a"), 0604);
		unlink("d/a");
	}
	close_loop();
}

static void test_the_owner_of_a_replaced_file_is_kept(void **state)
{
	struct stat st;

	(void)state;
	put_file("d/a", 0, 10);
	if (chown("d/a", 12345, 23456) < 0)
		skip();
	open_loop();
	assert_int_equal(write_file("d/a", WEIR_FILE_REPLACE, 20, 20, 0).end, WEIR_FINISHED);
	close_loop();
	assert_int_equal(stat("d/a", &st), 0);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(st.st_gid, 23456);
}

static void test_a_synced_finish(void **state)
{
	struct weir_file_write_options options = {.sync = true};
	struct weir_transport *t;

	(void)state;
	open_loop();
	for (int m = WEIR_FILE_REPLACE; m <= WEIR_FILE_TRUNCATE; m++) {
		options.mode = (enum weir_file_mode)m;
		assert_int_equal(weir_file_write(loop, "d/a", &options, &t), 0);
		assert_int_equal(write_out(t, 100000, 1000, 0).end, WEIR_FINISHED);
		weir_transport_close(t);
		assert_true(file_holds("d/a", 0, 100000));
		unlink("d/a");
	}
	close_loop();
}

static void test_create_refuses_what_is_there(void **state)
{
	(void)state;
	put_file("d/a", 7, 10);
	assert_int_equal(symlink("nowhere", "d/dangling"), 0);
	open_loop();
	assert_int_equal(refused("d/a", WEIR_FILE_CREATE), -EEXIST);
	assert_int_equal(refused("d/dangling", WEIR_FILE_CREATE), -EEXIST);
	close_loop();
	assert_true(file_holds("d/a", 7, 10));
}

static void test_create_refuses_what_came_meanwhile(void **state)
{
	struct weir_transport *t;
	struct weir_outcome o;

	(void)state;
	open_loop();
	t = sink_of("d/a", WEIR_FILE_CREATE);
	put_file("d/a", 7, 10);
	o = write_out(t, 1000, 100, 0);
	assert_int_equal(o.end, WEIR_SINK_FAILED);
	assert_int_equal(o.cause, -EEXIST);
	weir_transport_close(t);
	close_loop();
	assert_true(file_holds("d/a", 7, 10));
	assert_int_equal(names_in("d"), 1);
}

static void test_what_cannot_be_written_is_refused_at_once(void **state)
{
	static const struct {
		const char *path;
		int rc;
	} cases[] = {
		{"d", -EISDIR},        {"d/", -EISDIR},       {"d/new/", -EISDIR},
		{".", -EISDIR},        {"", -ENOENT},         {"d/none/a", -ENOENT},
		{"d/file/a", -ENOTDIR}, {"d/round", -ELOOP},
	};

	(void)state;
	put_file("d/file", 0, 1);
	assert_int_equal(symlink("round", "d/round"), 0);
	open_loop();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(refused(cases[i].path, WEIR_FILE_REPLACE), cases[i].rc);
		assert_int_equal(refused(cases[i].path, WEIR_FILE_APPEND), cases[i].rc);
		assert_int_equal(refused(cases[i].path, WEIR_FILE_TRUNCATE), cases[i].rc);
	}
	close_loop();
	assert_int_equal(names_in("d"), 2);
}

static void test_symbolic_links_are_followed_and_kept(void **state)
{
	(void)state;
	assert_int_equal(mkdir("d/sub", 0755), 0);
	put_file("d/sub/old", 7, 10);
	assert_int_equal(symlink("sub/hop", "d/link"), 0);
	assert_int_equal(symlink("old", "d/sub/hop"), 0);
	assert_int_equal(symlink("sub/new", "d/dangling"), 0);
	open_loop();
	assert_int_equal(write_file("d/link", WEIR_FILE_REPLACE, 100, 100, 0).end, WEIR_FINISHED);
	assert_true(file_holds("d/sub/old", 0, 100));
	assert_int_equal(write_file("d/link", WEIR_FILE_TRUNCATE, 50, 50, 0).end, WEIR_FINISHED);
	assert_true(file_holds("d/sub/old", 0, 50));
	assert_int_equal(write_file("d/dangling", WEIR_FILE_REPLACE, 60, 60, 0).end, WEIR_FINISHED);
	assert_true(file_holds("d/sub/new", 0, 60));
	assert_int_equal(unlink("d/sub/new"), 0);
	assert_int_equal(write_file("d/dangling", WEIR_FILE_APPEND, 70, 70, 0).end, WEIR_FINISHED);
	assert_true(file_holds("d/sub/new", 0, 70));
	close_loop();
	assert_int_equal(mode_of("d/link"), 0777);
	assert_int_equal(mode_of("d/sub/hop"), 0777);
	assert_int_equal(mode_of("d/dangling"), 0777);
	assert_int_equal(names_in("d/sub"), 3);
}

static void test_a_longest_name_can_be_replaced(void **state)
{
	char path[260] = "d/";

	(void)state;
	memset(path + 2, 'x', 255);
	put_file(path, 7, 10);
	open_loop();
	assert_int_equal(write_file(path, WEIR_FILE_REPLACE, 100, 100, 0).end, WEIR_FINISHED);
	close_loop();
	assert_true(file_holds(path, 0, 100));
	assert_int_equal(names_in("d"), 1);
}

static void test_the_working_directory_may_change_meanwhile(void **state)
{
	struct weir_transport *t;

	(void)state;
	put_file("d/a", 7, 10);
	open_loop();
	t = sink_of("d/a", WEIR_FILE_REPLACE);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(write_out(t, 100, 100, 0).end, WEIR_FINISHED);
	assert_int_equal(chdir(folder), 0);
	weir_transport_close(t);
	close_loop();
	assert_true(file_holds("d/a", 0, 100));
}

static void test_append_adds_as_bytes_come(void **state)
{
	struct weir_outcome o;

	(void)state;
	put_file("d/a", 0, 1000);
	open_loop();
	o = write_file("d/a", WEIR_FILE_APPEND, 1, 1, -EPROTO);
	assert_int_equal(o.end, WEIR_SOURCE_FAILED);
	assert_true(truncate("d/a", 1000) == 0 && file_holds("d/a", 0, 1000));
	assert_int_equal(write_file("d/a", WEIR_FILE_APPEND, 0, 1, 0).end, WEIR_FINISHED);
	assert_true(file_holds("d/a", 0, 1000));
	assert_int_equal(write_file("d/a", WEIR_FILE_APPEND, 200000, 777, 0).end, WEIR_FINISHED);
	close_loop();
	assert_int_equal(truncate("d/a", 1000), 0);
	assert_true(file_holds("d/a", 0, 1000));
}

static void test_nothing_is_touched_before_the_first_byte(void **state)
{
	static const enum weir_file_mode modes[] = {WEIR_FILE_APPEND, WEIR_FILE_TRUNCATE};

	(void)state;
	open_loop();
	for (int m = 0; m < 2; m++) {
		/* A source that fails at once, and a transport that is just closed. */
		assert_int_equal(write_file("d/a", modes[m], 0, 1, -EPROTO).cause, -EPROTO);
		weir_transport_close(sink_of("d/a", modes[m]));
		assert_true(turn_until(objects_gone, NULL));
		assert_false(exists("d/a"));
		put_file("d/a", 0, 1000);
		assert_int_equal(write_file("d/a", modes[m], 0, 1, -EPROTO).cause, -EPROTO);
		weir_transport_close(sink_of("d/a", modes[m]));
		assert_true(turn_until(objects_gone, NULL));
		assert_true(file_holds("d/a", 0, 1000));
		unlink("d/a");
	}
	put_file("d/a", 0, 1000);
	assert_int_equal(write_file("d/a", WEIR_FILE_TRUNCATE, 0, 1, 0).end, WEIR_FINISHED);
	assert_true(file_holds("d/a", 0, 0));
	close_loop();
}

static void test_truncate_replaces_the_content_of_the_same_file(void **state)
{
	struct stat before, after;

	(void)state;
	put_file("d/a", 7, 100000);
	assert_int_equal(stat("d/a", &before), 0);
	open_loop();
	assert_int_equal(write_file("d/a", WEIR_FILE_TRUNCATE, 5000, 100, 0).end, WEIR_FINISHED);
	close_loop();
	assert_true(file_holds("d/a", 0, 5000));
	assert_int_equal(stat("d/a", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void test_an_adopted_descriptor_is_written_where_it_stands(void **state)
{
	struct weir_transport *t;
	int fd;

	(void)state;
	put_file("d/a", 0, 1000);
	open_loop();
	fd = open("d/a", O_WRONLY | O_CLOEXEC);
	assert_int_equal(lseek(fd, 600, SEEK_SET), 600);
	assert_int_equal(weir_file_adopt(loop, dup(fd), false, true, &t), 0);
	assert_int_equal(write_out(t, 100, 10, 0).end, WEIR_FINISHED);
	weir_transport_close(t);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 700);
	close(fd);
	fd = open("d/a", O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(weir_file_adopt(loop, fd, false, true, &t), 0);
	assert_int_equal(write_out(t, 100, 10, 0).end, WEIR_FINISHED);
	weir_transport_close(t);
	close_loop();
	assert_int_equal(truncate("d/a", 600), 0);
	assert_true(file_holds("d/a", 0, 600));
}

static void test_one_descriptor_can_be_adopted_both_ways(void **state)
{
	struct weir_transport *t;
	struct bin b;
	int fd;

	(void)state;
	put_file("d/a", 0, 1000);
	open_loop();
	fd = open("d/a", O_RDWR | O_CLOEXEC);
	assert_int_equal(weir_file_adopt(loop, fd, true, true, &t), 0);
	bin_init(&b);
	assert_int_equal(join_run(weir_transport_source(t), &b.valve.base).end, WEIR_FINISHED);
	assert_true(bin_holds(&b, 0, 1000));
	assert_int_equal(write_out(t, 10, 10, 0).end, WEIR_FINISHED);
	weir_transport_close(t);
	bin_fini(&b);
	close_loop();
	assert_int_equal(truncate("d/a", 1000), 0); /* it had grown behind them */
	assert_true(file_holds("d/a", 0, 1000));
}

static void test_devices_are_written_as_such(void **state)
{
	struct weir_outcome o;

	(void)state;
	open_loop();
	for (int m = WEIR_FILE_REPLACE; m <= WEIR_FILE_TRUNCATE; m++) {
		o = write_file("/dev/null", (enum weir_file_mode)m, BIG, 100000, 0);
		assert_int_equal(o.end, WEIR_FINISHED);
		assert_int_equal(o.offset, BIG);
		o = write_file("/dev/full", (enum weir_file_mode)m, 1000, 100, 0);
		assert_int_equal(o.end, WEIR_SINK_FAILED);
		assert_int_equal(o.cause, -ENOSPC);
		assert_int_equal(o.offset, 0);
	}
	close_loop();
}

/* ---- in a child, whose surroundings are worse ---- */

#define SKIPPED 77

/* Run this program's part `name` as a child; it returns 0 or SKIPPED.  A new program, so
 * that a failed assertion ends it and does not go on with our tests. */
static void in_child(const char *name)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		execl("/proc/self/exe", "child", name, weir__file_slow_ns ? NULL : "slow",
		      (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		skip();
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
}

static int fill_a_disk(void)
{
	char uid_map[64], gid_map[64];
	struct weir_outcome o;

	snprintf(uid_map, sizeof(uid_map), "0 %u 1", (unsigned)getuid());
	snprintf(gid_map, sizeof(gid_map), "0 %u 1", (unsigned)getgid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return SKIPPED;
	if (!write_text("/proc/self/uid_map", uid_map) ||
	    !write_text("/proc/self/setgroups", "deny") ||
	    !write_text("/proc/self/gid_map", gid_map))
		return SKIPPED;
	if (mount("none", "d", "tmpfs", 0, "size=1m") < 0)
		return SKIPPED;
	open_loop();
	put_file("d/a", 7, 1000);
	o = write_file("d/a", WEIR_FILE_REPLACE, BIG, 10000, 0);
	assert_true(o.end == WEIR_SINK_FAILED && o.cause == -ENOSPC);
	assert_true(o.offset > 500000 && o.offset < 1 << 20);
	assert_true(file_holds("d/a", 7, 1000) && names_in("d") == 1);
	o = write_file("d/b", WEIR_FILE_TRUNCATE, BIG, 10000, 0);
	assert_true(o.end == WEIR_SINK_FAILED && o.cause == -ENOSPC);
	assert_true(file_holds("d/b", 0, o.offset)); /* END-10: the offset is exact */
	/* And with that gone there is room again. */
	unlink("d/b");
	o = write_file("d/a", WEIR_FILE_REPLACE, 500000, 10000, 0);
	assert_true(o.end == WEIR_FINISHED && file_holds("d/a", 0, 500000));
	close_loop();
	return 0;
}

static void test_a_full_disk_fails_the_sink_at_the_exact_byte(void **state)
{
	(void)state;
	in_child("fill_a_disk");
}

static int exceed_a_limit(void)
{
	struct rlimit limit = {.rlim_cur = 100000, .rlim_max = 100000};
	struct weir_outcome o;

	signal(SIGXFSZ, SIG_IGN);
	assert_true(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	open_loop();
	o = write_file("d/a", WEIR_FILE_TRUNCATE, BIG, 3000, 0);
	assert_true(o.end == WEIR_SINK_FAILED && o.cause == -EFBIG && o.offset == 100000);
	assert_true(file_holds("d/a", 0, 100000));
	close_loop();
	return 0;
}

static void test_a_size_limit_fails_the_sink(void **state)
{
	(void)state;
	in_child("exceed_a_limit");
}

/* openat() with O_TMPFILE fails as on a file system that has no such. */
static bool forbid_nameless_files(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_TMPFILE & ~O_DIRECTORY, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 &&
	       open(".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600) < 0 && errno == EOPNOTSUPP;
}

static int write_with_temporary_names(void)
{
	struct weir_transport *t;
	struct dirent *entry;
	struct weir_outcome o;
	DIR *dir;

	if (!forbid_nameless_files())
		return SKIPPED;
	open_loop();
	put_file("d/a", 7, 1000);
	assert_true(chmod("d/a", 0640) == 0);
	t = sink_of("d/a", WEIR_FILE_REPLACE);
	assert_true(names_in("d") == 2);
	dir = opendir("d");
	assert_true(dir != NULL);
	while ((entry = readdir(dir))) {
		assert_true(entry->d_name[0] != '.' || entry->d_name[1] != 'a' ||
		      strncmp(entry->d_name, ".a.weir-", 8) == 0);
	}
	closedir(dir);
	o = write_out(t, 200000, 1000, 0);
	weir_transport_close(t);
	assert_true(o.end == WEIR_FINISHED && names_in("d") == 1 && mode_of("d/a") == 0640);
	assert_true(file_holds("d/a", 0, 200000));
	o = write_file("d/a", WEIR_FILE_REPLACE, 300, 100, -EPROTO);
	assert_true(o.cause == -EPROTO && names_in("d") == 1 && file_holds("d/a", 0, 200000));
	weir_transport_close(sink_of("d/a", WEIR_FILE_REPLACE));
	assert_true(turn_until(objects_gone, NULL) && names_in("d") == 1);
	o = write_file("d/b", WEIR_FILE_CREATE, 300, 100, 0);
	assert_true(o.end == WEIR_FINISHED && names_in("d") == 2 && file_holds("d/b", 0, 300));
	t = sink_of("d/c", WEIR_FILE_CREATE);
	put_file("d/c", 7, 10);
	o = write_out(t, 300, 100, 0);
	assert_true(o.cause == -EEXIST && names_in("d") == 3 && file_holds("d/c", 7, 10));
	weir_transport_close(t);
	close_loop();
	return 0;
}

static void test_without_nameless_files_a_temporary_name_does(void **state)
{
	(void)state;
	in_child("write_with_temporary_names");
}

static int write_as_somebody_else(void)
{
	if (getuid() != 0)
		return SKIPPED;
	put_file("d/mine", 7, 10);
	assert_true(mkdir("d/closed", 0555) == 0 && chmod("d", 0777) == 0 && chmod(".", 0755) == 0);
	assert_true(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
	open_loop();
	/* The folder would let us, the file's permissions do not. */
	for (int m = WEIR_FILE_REPLACE; m <= WEIR_FILE_TRUNCATE; m++) {
		int rc = m == WEIR_FILE_CREATE ? -EEXIST : -EACCES;

		assert_true(refused("d/mine", (enum weir_file_mode)m) == rc);
		assert_true(refused("d/closed/new", (enum weir_file_mode)m) == -EACCES);
	}
	assert_true(write_file("d/new", WEIR_FILE_REPLACE, 100, 100, 0).end == WEIR_FINISHED);
	assert_true(write_file("d/new", WEIR_FILE_REPLACE, 200, 100, 0).end == WEIR_FINISHED);
	assert_true(file_holds("d/new", 0, 200));
	close_loop();
	return 0;
}

static void test_what_is_not_ours_to_write_is_refused_at_once(void **state)
{
	(void)state;
	in_child("write_as_somebody_else");
}

/* ---- FIFOs ---- */

/* Let some time pass on the loop, for what must not happen meanwhile. */
static void linger(unsigned ms)
{
	for (unsigned i = 0; i < ms; i++) {
		uv_run(loop->uv, UV_RUN_NOWAIT);
		usleep(1000);
	}
}

static void test_a_fifo_waits_for_its_reader(void **state)
{
	char part[65536];
	struct weir_transport *t;
	struct joined j;
	struct gen g;
	size_t got = 0;
	int fd;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(mkfifo("d/fifo", 0600), 0);
	open_loop();
	gen_init(&g, 3 * BIG, 50000);
	t = sink_of("d/fifo", WEIR_FILE_REPLACE);
	join_start(&j, &g.base, weir_transport_sink(t));
	linger(20);
	assert_false(j.done);
	assert_true(g.paused); /* and what it gave is bounded */
	assert_true(g.given <= WEIR_HIGH_DEFAULT + 50000);
	fd = open("d/fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	for (;;) {
		ssize_t n = read(fd, part, sizeof(part));

		for (ssize_t i = 0; i < n; i++)
			assert_int_equal((unsigned char)part[i], byte_at(got + (size_t)i));
		got += n > 0 ? (size_t)n : 0;
		if (n == 0 && got == 3 * BIG)
			break;
		uv_run(loop->uv, UV_RUN_NOWAIT);
	}
	assert_int_equal(join_wait(&j).end, WEIR_FINISHED);
	close(fd);
	weir_transport_close(t);
	gen_fini(&g);
	close_loop();
}

static void test_the_empty_stream_waits_for_a_fifos_reader_too(void **state)
{
	struct weir_transport *t;
	struct joined j;
	struct gen g;
	int fd;

	(void)state;
	assert_int_equal(mkfifo("d/fifo", 0600), 0);
	open_loop();
	gen_init(&g, 0, 1);
	t = sink_of("d/fifo", WEIR_FILE_REPLACE);
	join_start(&j, &g.base, weir_transport_sink(t));
	linger(20);
	assert_false(j.done);
	fd = open("d/fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(join_wait(&j).end, WEIR_FINISHED);
	close(fd);
	weir_transport_close(t);
	gen_fini(&g);
	close_loop();
}

static void test_waiting_for_a_fifos_reader_can_be_given_up(void **state)
{
	struct weir_transport *t;
	struct joined j;
	struct gen g;

	(void)state;
	assert_int_equal(mkfifo("d/fifo", 0600), 0);
	open_loop();
	gen_init(&g, 1000, 100);
	t = sink_of("d/fifo", WEIR_FILE_REPLACE);
	join_start(&j, &g.base, weir_transport_sink(t));
	linger(5);
	weir_transport_close(t);
	assert_int_equal(join_wait(&j).cause, WEIR_ECLOSED);
	gen_fini(&g);
	/* A FIFO that is gone by then. */
	gen_init(&g, 1000, 100);
	t = sink_of("d/fifo", WEIR_FILE_REPLACE);
	unlink("d/fifo");
	assert_int_equal(join_run(&g.base, weir_transport_sink(t)).cause, -ENOENT);
	weir_transport_close(t);
	gen_fini(&g);
	close_loop();
}

/* Both ways that a FIFO's sink can come to be. */
static void test_a_fifos_reader_that_goes_is_noticed_while_idle(void **state)
{
	(void)state;
	assert_int_equal(mkfifo("d/fifo", 0600), 0);
	for (int early = 0; early < 2; early++) {
		struct weir_transport *t;
		struct weir_outcome o;
		struct joined j;
		struct gen g;
		int fd = -1;

		open_loop();
		gen_init(&g, 100, 100);
		g.open_ended = true;
		if (early)
			fd = open("d/fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		t = sink_of("d/fifo", WEIR_FILE_REPLACE);
		join_start(&j, &g.base, weir_transport_sink(t));
		linger(10);
		if (!early)
			fd = open("d/fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		linger(50);
		assert_false(j.done);
		close(fd);
		o = join_wait(&j);
		assert_int_equal(o.end, WEIR_SINK_FAILED);
		assert_int_equal(o.cause, -EPIPE);
		assert_int_equal(o.offset, 100);
		assert_int_equal(g.stops, 1);
		assert_int_equal(g.stop_why, -EPIPE);
		weir_transport_close(t);
		gen_fini(&g);
		close_loop();
	}
}

/* ---- memory ---- */

static void test_running_out_of_memory_leaves_nothing(void **state)
{
	long n = 1;

	(void)state;
	put_file("d/in", 0, 300000);
	open_loop();
	for (bool failed = true; failed; n++) {
		struct weir_transport *in = NULL, *out = NULL;
		struct weir_join_options options = {0};
		struct joined j = {.done = false};
		int rc;

		options.on_done = on_joined;
		options.arg = &j;
		make_cold("d/in");
		weir_test_fail_alloc_after(n);
		rc = weir_file_read(loop, "d/in", NULL, &in);
		if (rc == 0)
			rc = weir_file_write(loop, "d/out", NULL, &out);
		if (rc == 0)
			rc = weir_join_create(&loop->ctx, weir_transport_source(in),
					      weir_transport_sink(out), &options, &j.join);
		if (rc == 0)
			rc = join_wait(&j).cause;
		weir_transport_close(in);
		weir_transport_close(out);
		assert_true(turn_until(objects_gone, NULL));
		failed = weir_test_alloc_failed();
		weir_test_fail_alloc_after(-1);
		assert_true(rc == 0 || rc == -ENOMEM);
		assert_int_equal(rc == 0, exists("d/out"));
		if (rc == 0)
			assert_true(file_holds("d/out", 0, 300000));
		unlink("d/out");
		assert_int_equal(names_in("d"), 1);
		assert_true(n < 1000);
	}
	assert_true(n > 5);
	close_loop();
}

#define TEST(name) cmocka_unit_test_setup(name, enter_d)

static int run_part(const char *name)
{
	static const struct {
		const char *name;
		int (*fn)(void);
	} parts[] = {
		{"fill_a_disk", fill_a_disk},
		{"exceed_a_limit", exceed_a_limit},
		{"write_with_temporary_names", write_with_temporary_names},
		{"write_as_somebody_else", write_as_somebody_else},
	};

	if (!getcwd(folder, sizeof(folder)))
		return 1;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcmp(parts[i].name, name) == 0)
			return parts[i].fn();
	}
	return 1;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_new_file_has_all_the_bytes),
		TEST(test_writes_of_one_byte),
		TEST(test_a_turn_writes_at_most_the_quantum),
		TEST(test_the_old_file_stays_until_the_finish),
		TEST(test_a_failure_leaves_the_old_file_and_nothing_else),
		TEST(test_closing_at_any_moment_leaves_the_old_file_or_the_whole_new_one),
		TEST(test_what_is_small_needs_no_worker),
		TEST(test_a_failure_after_the_finish_leaves_the_old_file),
		TEST(test_permissions_of_a_replaced_file_are_kept),
		TEST(test_permissions_of_a_new_file_are_as_asked),
		TEST(test_the_owner_of_a_replaced_file_is_kept),
		TEST(test_a_synced_finish),
		TEST(test_create_refuses_what_is_there),
		TEST(test_create_refuses_what_came_meanwhile),
		TEST(test_what_cannot_be_written_is_refused_at_once),
		TEST(test_symbolic_links_are_followed_and_kept),
		TEST(test_a_longest_name_can_be_replaced),
		TEST(test_the_working_directory_may_change_meanwhile),
		TEST(test_append_adds_as_bytes_come),
		TEST(test_nothing_is_touched_before_the_first_byte),
		TEST(test_truncate_replaces_the_content_of_the_same_file),
		TEST(test_an_adopted_descriptor_is_written_where_it_stands),
		TEST(test_one_descriptor_can_be_adopted_both_ways),
		TEST(test_devices_are_written_as_such),
		TEST(test_a_full_disk_fails_the_sink_at_the_exact_byte),
		TEST(test_a_size_limit_fails_the_sink),
		TEST(test_without_nameless_files_a_temporary_name_does),
		TEST(test_what_is_not_ours_to_write_is_refused_at_once),
		TEST(test_a_fifo_waits_for_its_reader),
		TEST(test_the_empty_stream_waits_for_a_fifos_reader_too),
		TEST(test_waiting_for_a_fifos_reader_can_be_given_up),
		TEST(test_a_fifos_reader_that_goes_is_noticed_while_idle),
		TEST(test_running_out_of_memory_leaves_nothing),
	};
	int failed;

	if (argc > 2)
		weir__file_slow_ns = 0;
	if (argc > 1)
		return run_part(argv[1]);
	failed = cmocka_run_group_tests_name("from the loop", tests, enter_folder, leave_folder);
	/* Once more, as if each write were slow: by workers. */
	weir__file_slow_ns = 0;
	return failed + cmocka_run_group_tests_name("by workers", tests, enter_folder, leave_folder);
}
