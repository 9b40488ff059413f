/* SPDX-License-Identifier: MIT */
/* Children: the bytes both ways, the truth of their ends, and that nothing of them
 * is left: no zombie, no descriptor, no memory. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fail_alloc.h"
#include "net_fixture.h"
#include "weir/process.h"

static const struct weir_process_options both = {.in = true, .out = true};
static const struct weir_process_options in_only = {.in = true};
static const struct weir_process_options out_only = {.out = true};

/* Children of ours, zombies too. */
static int count_children(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	int count = 0;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		char path[300], line[512] = "";
		const char *rest;
		FILE *f;
		int parent;

		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(line, sizeof(line), f)) {
			rest = strrchr(line, ')');
			if (rest && sscanf(rest, ") %*c %d", &parent) == 1)
				count += parent == getpid();
		}
		fclose(f);
	}
	closedir(dir);
	return count;
}

static int no_child_is_left(void **state)
{
	int rc = bench_tear_down(state);

	assert_int_equal(count_children(), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	return rc;
}

static struct weir_transport *shell(struct bench *b, const char *command,
				    const struct weir_process_options *options)
{
	struct weir_transport *t = NULL;

	assert_int_equal(weir_process_shell(b->loop, command, options, &t), 0);
	return t;
}

static struct weir_transport *run(struct bench *b, const char *const *argv,
				  const struct weir_process_options *options)
{
	struct weir_transport *t = NULL;

	assert_int_equal(weir_process_spawn(b->loop, (char *const *)argv, options, &t), 0);
	return t;
}

static bool has_exited(void *arg)
{
	int status, signal;

	return weir_process_exited(arg, &status, &signal);
}

static void assert_exit(struct weir_transport *t, int status, int signal)
{
	int got_status = 99, got_signal = 99;

	assert_true(weir_process_exited(t, &got_status, &got_signal));
	assert_int_equal(got_status, status);
	assert_int_equal(got_signal, signal);
	assert_int_equal(weir_process_kill(t, SIGTERM), -ESRCH);
}

static void watch_sink(struct weir_transport *t, struct ending *e)
{
	*e = (struct ending){0};
	weir_consumer_watch_end(weir_transport_sink(t), &e->watch, on_ending, e);
}

static void say(struct weir_transport *t, const char *text)
{
	assert_int_equal(weir_consumer_write(weir_transport_sink(t), text, strlen(text)), 0);
}

/* --- a sink that keeps what it gets ---------------------------------------- */

struct keeper {
	struct weir_valve valve;
	char text[8192];
	size_t len;
	bool ended;
	int why;
	struct weir_end_watch watch;
};

static int64_t keeper_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct keeper *k = (struct keeper *)v;
	size_t before = k->len;

	for (size_t i = 0; i < count; i++) {
		assert_true(k->len + chunks[i].len < sizeof(k->text));
		memcpy(k->text + k->len, chunks[i].data, chunks[i].len);
		k->len += chunks[i].len;
	}
	return (int64_t)(k->len - before);
}

static const struct weir_valve_ops keeper_ops = {
	.name = "keeper",
	.drain = keeper_drain,
	.end = weir_valve_pass_end,
};

static void keeper_on_end(void *arg, int why)
{
	struct keeper *k = arg;

	assert_false(k->ended);
	k->ended = true;
	k->why = why;
}

static void keeper_start(struct keeper *k, struct bench *b, struct weir_transport *t)
{
	memset(k, 0, sizeof(*k));
	weir_valve_init(&k->valve, &keeper_ops, weir_loop_context(b->loop));
	weir_consumer_watch_end(&k->valve.base, &k->watch, keeper_on_end, k);
	assert_int_equal(weir_consumer_register(&k->valve.base, weir_transport_source(t),
						WEIR_PUSH), 0);
}

static bool has_keeper_ended(void *arg)
{
	return ((struct keeper *)arg)->ended;
}

static bool has_keeper_a_line(void *arg)
{
	return strchr(((struct keeper *)arg)->text, '\n') != NULL;
}

/* What `command` writes, which must end well. */
static void output_of(struct bench *b, const char *command,
		      const struct weir_process_options *options, struct keeper *k)
{
	struct weir_transport *t = shell(b, command, options);

	keeper_start(k, b, t);
	wait_for(b, has_keeper_ended, k);
	assert_int_equal(k->why, 0);
	weir_transport_close(t);
}

/* --- a push producer that never has enough ----------------------------------- */

#define PUSH_CHUNK ((size_t)10000)

struct pusher {
	struct weir_producer base;
	struct weir_context *ctx;
	struct weir_task task;
	unsigned pauses, resumes;
	bool paused;
	uint64_t most; /* held by the sink at any time */
	int stopped;
};

static void pusher_run(struct weir_task *task)
{
	struct pusher *p = (void *)((char *)task - offsetof(struct pusher, task));
	static const unsigned char zeros[PUSH_CHUNK];
	struct weir_consumer_state s;

	if (p->paused || !p->base.consumer)
		return;
	assert_int_equal(weir_consumer_write(p->base.consumer, zeros, sizeof(zeros)), 0);
	if (!p->base.consumer)
		return;
	weir_consumer_state(p->base.consumer, &s);
	if (s.held > p->most)
		p->most = s.held;
	weir_task_queue(p->ctx, task);
}

static void pusher_start(struct weir_producer *base)
{
	struct pusher *p = (struct pusher *)base;

	weir_task_queue(p->ctx, &p->task);
}

static void pusher_pause(struct weir_producer *base)
{
	struct pusher *p = (struct pusher *)base;

	p->pauses++;
	p->paused = true;
}

static void pusher_resume(struct weir_producer *base)
{
	struct pusher *p = (struct pusher *)base;

	p->resumes++;
	p->paused = false;
	weir_task_queue(p->ctx, &p->task);
}

static void pusher_stop(struct weir_producer *base, int why)
{
	struct pusher *p = (struct pusher *)base;

	p->stopped = why;
	weir_task_cancel(&p->task);
}

static const struct weir_producer_ops pusher_ops = {
	.name = "pusher",
	.start = pusher_start,
	.pause = pusher_pause,
	.resume = pusher_resume,
	.stop = pusher_stop,
};

static void push_into(struct pusher *p, struct bench *b, struct weir_transport *t)
{
	*p = (struct pusher){.ctx = weir_loop_context(b->loop), .task = {.run = pusher_run}};
	weir_producer_init(&p->base, &pusher_ops, WEIR_PUSH);
	assert_int_equal(weir_consumer_register(weir_transport_sink(t), &p->base, WEIR_PUSH), 0);
}

static bool is_paused(void *arg)
{
	return ((struct pusher *)arg)->paused;
}

/* --- filters ------------------------------------------------------------------ */

static void test_gzip_and_gunzip_give_the_same_bytes(void **state)
{
	static const char *const zip[] = {"gzip", "-1c", NULL};
	static const char *const unzip[] = {"gzip", "-dc", NULL};
	const uint64_t size = 4 << 20;
	struct bench *b = *state;
	struct weir_transport *first = run(b, zip, &both);
	struct weir_transport *second = run(b, unzip, &both);
	struct ending e;
	struct giver g;
	struct taker k;

	assert_true(weir_transport_half_closes(first));
	assert_string_equal(weir_transport_name(first), "exec gzip");
	assert_int_equal(weir_transport_length(first), -1);
	watch_sink(first, &e);
	taker_start(&k, b, second);
	assert_int_equal(weir_consumer_register(weir_transport_sink(second),
						weir_transport_source(first), WEIR_PUSH), 0);
	giver_start(&g, size, first);
	wait_for(b, has_taker_ended, &k);
	wait_for(b, has_ended, &e);
	assert_int_equal(e.why, 0);
	assert_int_equal(k.why, 0);
	assert_int_equal(k.wrong, 0);
	assert_int_equal(k.at, size);
	assert_exit(first, 0, 0);
	assert_exit(second, 0, 0);
	weir_transport_close(first);
	weir_transport_close(second);
}

static void test_sort_writes_when_its_input_has_ended(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t = shell(b, "LC_ALL=C sort", &both);
	struct keeper k;

	keeper_start(&k, b, t);
	say(t, "pear\napple\n");
	say(t, "fig\n");
	run_for(b, 20 * MS);
	assert_int_equal(k.len, 0);
	weir_consumer_finish(weir_transport_sink(t));
	wait_for(b, has_keeper_ended, &k);
	assert_int_equal(k.why, 0);
	assert_string_equal(k.text, "apple\nfig\npear\n");
	weir_transport_close(t);
}

/* As a giver, and sees what the sink holds after each write. */
struct watched_giver {
	struct giver g;
	uint64_t most;
};

static void watched_resume(struct weir_producer *p)
{
	struct watched_giver *w = (struct watched_giver *)p;
	struct weir_consumer_state s;

	giver_resume(p);
	if (!p->consumer)
		return;
	weir_consumer_state(p->consumer, &s);
	if (s.held > w->most)
		w->most = s.held;
}

static void test_cat_of_much_keeps_memory_bounded(void **state)
{
	static const char *const cat[] = {"cat", NULL};
	static const struct weir_producer_ops watched_ops = {
		.name = "watched",
		.start = weir_producer_pass_start,
		.pause = giver_pause,
		.resume = watched_resume,
		.stop = giver_stop,
	};
	const uint64_t size = 64 << 20;
	const size_t high = 128 << 10;
	struct bench *b = *state;
	struct weir_transport *t = run(b, cat, &both);
	struct watched_giver w = {.g.size = size};
	struct taker k;

	assert_int_equal(weir_transport_set_marks(t, high, high / 4), 0);
	taker_start(&k, b, t);
	weir_producer_init(&w.g.base, &watched_ops, WEIR_PULL);
	assert_int_equal(
		weir_consumer_register(weir_transport_sink(t), &w.g.base, WEIR_PULL), 0);
	wait_for(b, has_taker_ended, &k);
	assert_int_equal(k.why, 0);
	assert_int_equal(k.wrong, 0);
	assert_int_equal(k.at, size);
	assert_true(w.most > 0);
	assert_true(w.most <= high + 50000);
	/* The scratch buffer, the blocks behind the marks, and the reserves. */
	assert_true(weir_loop_budget(b->loop)->peak <= ((size_t)1 << 20) + 4 * high);
	weir_transport_close(t);
}

/* --- how they end -------------------------------------------------------------- */

static void test_child_that_reads_only_a_part_fails_the_sink_alone(void **state)
{
	static const char *const head[] = {"head", "-c", "10", NULL};
	struct bench *b = *state;
	struct weir_transport *t = run(b, head, &both);
	struct ending e;
	struct giver g;
	struct taker k;

	watch_sink(t, &e);
	taker_start(&k, b, t);
	giver_start(&g, 10 << 20, t);
	wait_for(b, has_taker_ended, &k);
	wait_for(b, has_ended, &e);
	assert_int_equal(k.why, 0);
	assert_int_equal(k.at, 10);
	assert_int_equal(k.wrong, 0);
	assert_int_equal(e.why, -EPIPE);
	assert_int_equal(g.stopped, -EPIPE);
	assert_exit(t, 0, 0);
	weir_transport_close(t);
}

static void test_status_decides_when_all_input_was_taken(void **state)
{
	struct bench *b = *state;
	struct weir_transport *good = shell(b, "exit 0", &in_only);
	struct weir_transport *bad = shell(b, "cat >/dev/null; exit 4", &in_only);
	struct ending first, second;

	watch_sink(good, &first);
	watch_sink(bad, &second);
	weir_consumer_finish(weir_transport_sink(good));
	say(bad, "much ado");
	weir_consumer_finish(weir_transport_sink(bad));
	wait_for(b, has_ended, &first);
	wait_for(b, has_ended, &second);
	assert_int_equal(first.why, 0);
	assert_int_equal(second.why, WEIR_EEXIT);
	assert_exit(good, 0, 0);
	assert_exit(bad, 4, 0);
	weir_transport_close(good);
	weir_transport_close(bad);
}

static void test_failure_status_fails_the_source_after_its_bytes(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t = shell(b, "echo half; exit 3", &out_only);
	struct keeper k;

	assert_null(weir_transport_sink(t));
	assert_string_equal(weir_transport_name(t), "exec echo half; exit 3");
	wait_for(b, has_exited, t);
	keeper_start(&k, b, t);
	wait_for(b, has_keeper_ended, &k);
	assert_int_equal(k.why, WEIR_EEXIT);
	assert_string_equal(k.text, "half\n");
	assert_exit(t, 3, 0);
	weir_transport_close(t);
}

static void test_signal_fails_both_directions(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t = shell(b, "read x; echo half; kill -9 $$", &both);
	struct ending e;
	struct keeper k;

	watch_sink(t, &e);
	keeper_start(&k, b, t);
	say(t, "x\n");
	weir_consumer_finish(weir_transport_sink(t));
	wait_for(b, has_keeper_ended, &k);
	wait_for(b, has_ended, &e);
	assert_int_equal(k.why, WEIR_ESIGNAL);
	assert_string_equal(k.text, "half\n");
	assert_int_equal(e.why, WEIR_ESIGNAL);
	assert_exit(t, -1, SIGKILL);
	weir_transport_close(t);
}

static void test_we_can_signal_it(void **state)
{
	static const char *const sleeper[] = {"sleep", "30", NULL};
	struct bench *b = *state;
	struct weir_transport *t = run(b, sleeper, &out_only);
	struct taker k;
	int status = 7, signal = 7;

	assert_false(weir_process_exited(t, &status, &signal));
	assert_int_equal(status, 7);
	assert_int_equal(weir_process_kill(t, 0), 0);
	taker_start(&k, b, t);
	assert_int_equal(weir_process_kill(t, SIGINT), 0);
	wait_for(b, has_taker_ended, &k);
	assert_int_equal(k.why, WEIR_ESIGNAL);
	assert_exit(t, -1, SIGINT);
	weir_transport_close(t);
}

static void test_source_waits_for_a_child_that_has_closed_its_output(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t = shell(b, "echo out; exec >&-; read x; exit 5", &both);
	struct keeper k;

	keeper_start(&k, b, t);
	wait_for(b, has_keeper_a_line, &k);
	run_for(b, 50 * MS);
	assert_false(k.ended);
	say(t, "go\n");
	wait_for(b, has_keeper_ended, &k);
	assert_int_equal(k.why, WEIR_EEXIT);
	assert_exit(t, 5, 0);
	weir_transport_close(t);
}

static void test_consumer_that_comes_after_the_end_is_told_of_it(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t = shell(b, "echo out; exec >&-; read x; exit 5", &both);
	struct keeper first, second;

	keeper_start(&first, b, t);
	wait_for(b, has_keeper_a_line, &first);
	run_for(b, 50 * MS);
	weir_consumer_unregister(&first.valve.base);
	weir_valve_fini(&first.valve);
	say(t, "go\n");
	wait_for(b, has_exited, t);
	keeper_start(&second, b, t);
	wait_for(b, has_keeper_ended, &second);
	assert_int_equal(second.why, WEIR_EEXIT);
	assert_int_equal(second.len, 0);
	weir_transport_close(t);
}

/* The grandchild has both pipes when the child has gone. */
static void test_source_goes_on_while_a_grandchild_has_the_output(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t =
		shell(b, "exec 3<&0; (read x <&3; echo $x) & echo gone", &both);
	struct ending e;
	struct keeper k;

	watch_sink(t, &e);
	keeper_start(&k, b, t);
	wait_for(b, has_exited, t);
	wait_for(b, has_keeper_a_line, &k);
	assert_exit(t, 0, 0);
	run_for(b, 20 * MS);
	assert_false(k.ended);
	assert_false(e.ended);
	say(t, "late\n");
	weir_consumer_finish(weir_transport_sink(t));
	wait_for(b, has_keeper_ended, &k);
	wait_for(b, has_ended, &e);
	assert_int_equal(k.why, 0);
	assert_int_equal(e.why, 0);
	assert_string_equal(k.text, "gone\nlate\n");
	weir_transport_close(t);
}

static void test_failed_child_fails_the_sink_that_a_grandchild_has(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t = shell(b, "exec 3<&0; cat <&3 & exit 6", &both);
	struct ending e;
	struct keeper k;

	watch_sink(t, &e);
	keeper_start(&k, b, t);
	wait_for(b, has_ended, &e);
	assert_int_equal(e.why, WEIR_EEXIT);
	assert_exit(t, 6, 0);
	/* The stream's end of the input is still open, and so is the grandchild's output. */
	assert_false(k.ended);
	weir_transport_close(t);
	assert_true(k.ended);
	assert_int_equal(k.why, WEIR_ECLOSED);
}

static void test_child_that_closes_its_input_is_noticed_without_a_write(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t = shell(b, "exec sleep 30 <&-", &in_only);
	struct ending e;

	assert_null(weir_transport_source(t));
	watch_sink(t, &e);
	wait_for(b, has_ended, &e);
	assert_int_equal(e.why, -EPIPE);
	assert_false(has_exited(t));
	weir_transport_close(t);
}

static void test_child_whose_output_nobody_wants_dies_by_itself(void **state)
{
	static const char *const yes[] = {"yes", NULL};
	struct bench *b = *state;
	struct weir_transport *t = run(b, yes, &out_only);
	struct taker k;

	taker_start(&k, b, t);
	run_for(b, 5 * MS);
	weir_consumer_fail(&k.valve.base, -EIO);
	wait_for(b, has_exited, t);
	assert_exit(t, -1, SIGPIPE);
	weir_transport_close(t);
}

/* --- children that do not read, and children that are not wanted ---------------- */

static void test_child_that_never_reads_costs_one_pause_and_no_memory(void **state)
{
	static const char *const sleeper[] = {"sleep", "30", NULL};
	const size_t high = 100 << 10;
	struct bench *b = *state;
	struct weir_transport *t = run(b, sleeper, &in_only);
	struct weir_consumer_state s;
	struct pusher p;
	uint64_t start;

	assert_int_equal(weir_transport_set_marks(t, high, high / 4), 0);
	push_into(&p, b, t);
	wait_for(b, is_paused, &p);
	run_for(b, 30 * MS);
	weir_consumer_state(weir_transport_sink(t), &s);
	assert_int_equal(p.pauses, 1);
	assert_int_equal(p.resumes, 0);
	assert_in_range(p.most, high, high + PUSH_CHUNK);
	assert_int_equal(s.held, p.most);
	assert_int_equal(s.in, s.out + s.held);
	assert_int_equal(count_children(), 1);
	start = clock_ns(CLOCK_MONOTONIC);
	weir_transport_close(t);
	assert_int_equal(p.stopped, WEIR_ECLOSED);
	weir_loop_run(b->loop);
	assert_int_equal(count_children(), 0);
	/* It went at the first word: nobody waited for the second. */
	assert_true(clock_ns(CLOCK_MONOTONIC) - start < 1900 * MS);
}

static void test_child_that_ignores_sigterm_is_killed(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t =
		shell(b, "trap '' TERM; echo ready; exec sleep 30", &both);
	struct ending e;
	struct keeper k;
	uint64_t start;

	watch_sink(t, &e);
	keeper_start(&k, b, t);
	wait_for(b, has_keeper_a_line, &k);
	start = clock_ns(CLOCK_MONOTONIC);
	weir_consumer_fail(weir_transport_sink(t), -EIO);
	assert_int_equal(e.why, -EIO);
	wait_for(b, has_keeper_ended, &k);
	assert_true(clock_ns(CLOCK_MONOTONIC) - start >= 1900 * MS);
	assert_int_equal(k.why, WEIR_ESIGNAL);
	assert_exit(t, -1, SIGKILL);
	weir_transport_close(t);
}

static void test_failed_sink_does_not_look_whole_to_the_child(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t = shell(b, "echo ready; cat; echo whole", &both);
	struct keeper k;

	keeper_start(&k, b, t);
	wait_for(b, has_keeper_a_line, &k);
	weir_consumer_fail(weir_transport_sink(t), -EIO);
	wait_for(b, has_keeper_ended, &k);
	assert_int_equal(k.why, WEIR_ESIGNAL);
	assert_string_equal(k.text, "ready\n");
	assert_exit(t, -1, SIGTERM);
	weir_transport_close(t);
}

static void test_sink_that_fails_after_its_finish_ends_the_child(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t = shell(b, "cat; echo ready; exec sleep 30", &both);
	struct ending e;
	struct keeper k;

	watch_sink(t, &e);
	keeper_start(&k, b, t);
	weir_consumer_finish(weir_transport_sink(t));
	wait_for(b, has_keeper_a_line, &k);
	assert_false(e.ended);
	weir_consumer_fail(weir_transport_sink(t), -EIO);
	assert_int_equal(e.why, -EIO);
	wait_for(b, has_keeper_ended, &k);
	assert_int_equal(k.why, WEIR_ESIGNAL);
	assert_exit(t, -1, SIGTERM);
	weir_transport_close(t);
}

static void test_child_that_makes_the_best_of_sigterm_does_not_look_whole(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t =
		shell(b, "trap 'exit 0' TERM; echo ready; cat >/dev/null; exit 0", &both);
	struct keeper k;

	keeper_start(&k, b, t);
	wait_for(b, has_keeper_a_line, &k);
	weir_consumer_fail(weir_transport_sink(t), -EIO);
	wait_for(b, has_keeper_ended, &k);
	assert_int_equal(k.why, -EIO);
	assert_exit(t, 0, 0);
	weir_transport_close(t);
}

static void test_loop_waits_for_closed_children(void **state)
{
	static const char *const sleeper[] = {"sleep", "30", NULL};
	const struct weir_process_options *const kinds[] = {&both, &in_only, &out_only};
	uint64_t start = clock_ns(CLOCK_MONOTONIC);
	struct weir_loop *loop;
	struct weir_transport *t;

	(void)state;
	assert_int_equal(weir_loop_create(NULL, &loop), 0);
	for (int i = 0; i < 9; i++) {
		assert_int_equal(weir_process_spawn(loop, (char *const *)sleeper, kinds[i % 3],
						    &t), 0);
		/* One that has all its input is not wanted either. */
		if (i < 2)
			weir_consumer_finish(weir_transport_sink(t));
		weir_transport_close(t);
	}
	weir_loop_destroy(loop);
	assert_int_equal(count_children(), 0);
	assert_true(clock_ns(CLOCK_MONOTONIC) - start < 1900 * MS);
}

static void close_in_callback(void *arg, int why)
{
	assert_int_equal(why, WEIR_EEXIT);
	weir_transport_close(*(struct weir_transport **)arg);
	*(struct weir_transport **)arg = NULL;
}

static bool is_null(void *arg)
{
	return !*(void **)arg;
}

static void test_close_from_inside_an_end(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t = shell(b, "cat; exit 9", &both);
	struct weir_end_watch watch;
	struct keeper k;

	keeper_start(&k, b, t);
	weir_consumer_watch_end(weir_transport_sink(t), &watch, close_in_callback, &t);
	weir_consumer_finish(weir_transport_sink(t));
	wait_for(b, is_null, &t);

	t = shell(b, "cat; exit 9", &both);
	keeper_start(&k, b, t);
	weir_consumer_watch_end(&k.valve.base, &watch, close_in_callback, &t);
	weir_consumer_finish(weir_transport_sink(t));
	wait_for(b, is_null, &t);
}

/* --- what the child gets from us ------------------------------------------------- */

static void test_child_has_three_descriptors_and_we_keep_ours(void **state)
{
	struct bench *b = *state;
	int low = open("/dev/null", O_RDONLY);
	int high = fcntl(low, F_DUPFD, 200);
	struct weir_transport *t = shell(b, "exec sleep 30", &both);
	struct keeper k;

	assert_true(low > 2 && high >= 200);
	/* The fourth is the folder that ls reads. */
	output_of(b, "exec ls /proc/self/fd", &out_only, &k);
	assert_string_equal(k.text, "0\n1\n2\n3\n");
	assert_int_equal(fcntl(low, F_GETFD), 0);
	assert_int_equal(fcntl(high, F_GETFD), 0);
	close(low);
	close(high);
	weir_transport_close(t);
}

static void test_child_has_pipes_in_blocking_mode(void **state)
{
	struct bench *b = *state;
	struct weir_transport *t = shell(
		b, "stat -Lc %F /dev/fd/0 /dev/fd/1; grep ^flags /proc/self/fdinfo/[01]", &both);
	struct keeper k;
	const char *line;

	keeper_start(&k, b, t);
	wait_for(b, has_keeper_ended, &k);
	assert_int_equal(k.why, 0);
	assert_true(strncmp(k.text, "fifo\nfifo\n", 10) == 0);
	line = strstr(k.text, "flags:");
	assert_non_null(line);
	assert_int_equal(strtol(line + 6, NULL, 8) & O_NONBLOCK, 0);
	line = strstr(line + 6, "flags:");
	assert_non_null(line);
	assert_int_equal(strtol(line + 6, NULL, 8) & O_NONBLOCK, 0);
	weir_transport_close(t);
}

static void test_child_has_default_signals(void **state)
{
	/* The signals of signal(7) up to 31; the C library keeps the next two for itself, and
	 * a parent that used posix_spawn(3) has them ignored. */
	const unsigned long long ours = 0x7fffffff;
	struct bench *b = *state;
	unsigned long long blocked, ignored;
	sigset_t set, before;
	struct keeper k;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, &before), 0);
	output_of(b, "exec grep -E '^Sig(Blk|Ign)' /proc/self/status", &out_only, &k);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	assert_int_equal(sscanf(k.text, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
	assert_int_equal(blocked & ours, 0);
	assert_int_equal(ignored & ours, 0);
	/* SIGPIPE ends what writes into a pipe that nobody reads: no message, no hang. */
	output_of(b, "yes | head -1", &out_only, &k);
	assert_string_equal(k.text, "y\n");
}

static void test_input_is_empty_unless_asked_for(void **state)
{
	struct bench *b = *state;
	struct keeper k;

	output_of(b, "cat", &out_only, &k);
	assert_int_equal(k.len, 0);
}

/* A file in the place of descriptor `fd` while `command` is started. */
static void run_with_file_at(struct bench *b, int fd, const char *command,
			     const struct weir_process_options *options, char *text, size_t size)
{
	char name[] = "/tmp/weir-test-process-XXXXXX";
	int file = mkstemp(name);
	int saved = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	struct weir_transport *t = NULL;
	ssize_t n;
	int rc;

	assert_true(file >= 0 && saved >= 0);
	fflush(NULL);
	dup2(file, fd);
	rc = weir_process_shell(b->loop, command, options, &t);
	dup2(saved, fd);
	close(saved);
	assert_int_equal(rc, 0);
	wait_for(b, has_exited, t);
	assert_exit(t, 0, 0);
	weir_transport_close(t);
	n = pread(file, text, size - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	close(file);
	unlink(name);
}

static void test_output_is_ours_unless_asked_for(void **state)
{
	static const struct weir_process_options neither = {.err = WEIR_STDERR_DROP};
	struct bench *b = *state;
	char text[100];

	run_with_file_at(b, STDOUT_FILENO, "echo out", &in_only, text, sizeof(text));
	assert_string_equal(text, "out\n");
	run_with_file_at(b, STDOUT_FILENO, "echo out; echo err >&2", &neither, text, sizeof(text));
	assert_string_equal(text, "out\n");
}

static void test_standard_error_passes_joins_or_drops(void **state)
{
	static const char *const command = "echo out; echo err >&2";
	const struct weir_process_options join = {.out = true, .err = WEIR_STDERR_JOIN};
	const struct weir_process_options join_ours = {.err = WEIR_STDERR_JOIN};
	const struct weir_process_options drop = {.out = true, .err = WEIR_STDERR_DROP};
	struct bench *b = *state;
	struct keeper k;
	char text[100];

	output_of(b, command, &join, &k);
	assert_string_equal(k.text, "out\nerr\n");
	output_of(b, command, &drop, &k);
	assert_string_equal(k.text, "out\n");
	run_with_file_at(b, STDERR_FILENO, "echo err >&2", &in_only, text, sizeof(text));
	assert_string_equal(text, "err\n");
	run_with_file_at(b, STDERR_FILENO, "echo err >&2", &drop, text, sizeof(text));
	assert_string_equal(text, "");
	run_with_file_at(b, STDOUT_FILENO, command, &join_ours, text, sizeof(text));
	assert_string_equal(text, "out\nerr\n");
}

static void test_environment_and_directory_are_as_told(void **state)
{
	static char one[] = "WEIR_A=one", path[] = "PATH=/usr/bin:/bin";
	static char *const env[] = {one, path, NULL};
	static const char *const argv[] = {"env", NULL};
	const struct weir_process_options with_env = {.out = true, .env = env};
	const struct weir_process_options with_dir = {.out = true, .dir = "/usr"};
	struct bench *b = *state;
	struct weir_transport *t = run(b, argv, &with_env);
	struct keeper k;

	keeper_start(&k, b, t);
	wait_for(b, has_keeper_ended, &k);
	assert_string_equal(k.text, "WEIR_A=one\nPATH=/usr/bin:/bin\n");
	weir_transport_close(t);
	output_of(b, "pwd", &with_dir, &k);
	assert_string_equal(k.text, "/usr\n");
	assert_int_equal(setenv("WEIR_B", "two", 1), 0);
	output_of(b, "echo $WEIR_B", &out_only, &k);
	assert_string_equal(k.text, "two\n");
	unsetenv("WEIR_B");
}

/* --- children that cannot be made ------------------------------------------------- */

static int spawn(struct bench *b, const char *const *argv,
		 const struct weir_process_options *options)
{
	struct weir_transport *t = NULL;
	int rc = weir_process_spawn(b->loop, (char *const *)argv, options, &t);

	assert_true((rc == 0) == (t != NULL));
	weir_transport_close(t);
	return rc;
}

/* With descriptor `fd` of ours closed. */
static int spawn_without(struct bench *b, int fd, const char *const *argv)
{
	int saved = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	int rc;

	assert_true(saved >= 0);
	close(fd);
	rc = spawn(b, argv, &both);
	dup2(saved, fd);
	close(saved);
	return rc;
}

static void test_what_cannot_be_run_is_told_at_once(void **state)
{
	static const char *const missing[] = {"/nonexistent/program", NULL};
	static const char *const unknown[] = {"weir-no-such-program", NULL};
	static const char *const no_program[] = {"/etc/passwd", NULL};
	static const char *const nothing[] = {NULL};
	static const char *const fine[] = {"true", NULL};
	const struct weir_process_options no_dir = {.in = true, .dir = "/nonexistent"};
	struct bench *b = *state;
	int fds = weir_test_open_fds();

	assert_int_equal(spawn(b, missing, &both), -ENOENT);
	assert_int_equal(spawn(b, unknown, &out_only), -ENOENT);
	assert_int_equal(spawn(b, no_program, &both), -EACCES);
	assert_int_equal(spawn(b, nothing, &both), -EINVAL);
	assert_int_equal(spawn(b, fine, &no_dir), -ENOENT);
	assert_int_equal(spawn_without(b, STDIN_FILENO, fine), -EBADF);
	assert_int_equal(spawn_without(b, STDERR_FILENO, fine), -EBADF);
	/* Before any turn of the loop. */
	assert_int_equal(weir_test_open_fds(), fds);
	assert_int_equal(count_children(), 0);
}

static void test_every_failing_allocation_is_told_and_leaves_nothing(void **state)
{
	static const char *const fine[] = {"true", NULL};
	struct bench *b = *state;
	int leak = fcntl(STDOUT_FILENO, F_DUPFD, 3); /* for the marks' allocation */
	int fds = weir_test_open_fds();
	bool failed = true;
	long n;

	for (n = 1; failed && n < 100; n++) {
		int rc;

		weir_test_fail_alloc_after(n);
		rc = spawn(b, fine, &both);
		failed = weir_test_alloc_failed();
		weir_test_fail_alloc_after(-1);
		assert_true(rc == 0 || rc == -ENOMEM);
		weir_loop_run(b->loop);
		assert_int_equal(weir_test_open_fds(), fds);
		assert_int_equal(count_children(), 0);
	}
	assert_in_range(n, 3, 99);
	assert_int_equal(fcntl(leak, F_GETFD), 0);
	close(leak);
}

static void test_lack_of_descriptors_is_told_and_leaves_nothing(void **state)
{
	static const char *const fine[] = {"true", NULL};
	struct bench *b = *state;
	struct rlimit limit, small;
	int fds, rc = -EMFILE;
	unsigned refused = 0;

	/* libuv's watch for the death of children takes its descriptors at the first. */
	assert_int_equal(spawn(b, fine, &both), 0);
	weir_loop_run(b->loop);
	fds = weir_test_open_fds();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	for (rlim_t max = 4; rc < 0 && max < 300; max++) {
		small = (struct rlimit){.rlim_cur = max, .rlim_max = limit.rlim_max};
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
		rc = spawn(b, fine, &both);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		refused += rc == -EMFILE;
		assert_true(rc == 0 || rc == -EMFILE);
		weir_loop_run(b->loop);
		assert_int_equal(weir_test_open_fds(), fds);
	}
	assert_int_equal(rc, 0);
	assert_true(refused > 3);
}

static void test_many_children_leave_nothing(void **state)
{
	static const char *const cat[] = {"cat", NULL};
	struct bench *b = *state;
	struct weir_transport *t[40];
	struct taker k[40];
	struct giver g[40];
	int fds;

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 40; i++) {
			t[i] = run(b, cat, &both);
			taker_start(&k[i], b, t[i]);
			giver_start(&g[i], 100000, t[i]);
		}
		for (int i = 0; i < 40; i++) {
			wait_for(b, has_taker_ended, &k[i]);
			assert_int_equal(k[i].why, 0);
			assert_int_equal(k[i].at, 100000);
			assert_int_equal(k[i].wrong, 0);
			weir_transport_close(t[i]);
		}
		weir_loop_run(b->loop);
		if (round == 0)
			fds = weir_test_open_fds();
		assert_int_equal(weir_test_open_fds(), fds);
		assert_int_equal(count_children(), 0);
	}
}

static int set_up(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	return warm_up(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_set_up, no_child_is_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_gzip_and_gunzip_give_the_same_bytes),
		TEST(test_sort_writes_when_its_input_has_ended),
		TEST(test_cat_of_much_keeps_memory_bounded),
		TEST(test_child_that_reads_only_a_part_fails_the_sink_alone),
		TEST(test_status_decides_when_all_input_was_taken),
		TEST(test_failure_status_fails_the_source_after_its_bytes),
		TEST(test_signal_fails_both_directions),
		TEST(test_we_can_signal_it),
		TEST(test_source_waits_for_a_child_that_has_closed_its_output),
		TEST(test_consumer_that_comes_after_the_end_is_told_of_it),
		TEST(test_source_goes_on_while_a_grandchild_has_the_output),
		TEST(test_failed_child_fails_the_sink_that_a_grandchild_has),
		TEST(test_child_that_closes_its_input_is_noticed_without_a_write),
		TEST(test_child_whose_output_nobody_wants_dies_by_itself),
		TEST(test_child_that_never_reads_costs_one_pause_and_no_memory),
		TEST(test_child_that_ignores_sigterm_is_killed),
		TEST(test_failed_sink_does_not_look_whole_to_the_child),
		TEST(test_sink_that_fails_after_its_finish_ends_the_child),
		TEST(test_child_that_makes_the_best_of_sigterm_does_not_look_whole),
		TEST(test_loop_waits_for_closed_children),
		TEST(test_close_from_inside_an_end),
		TEST(test_child_has_three_descriptors_and_we_keep_ours),
		TEST(test_child_has_pipes_in_blocking_mode),
		TEST(test_child_has_default_signals),
		TEST(test_input_is_empty_unless_asked_for),
		TEST(test_output_is_ours_unless_asked_for),
		TEST(test_standard_error_passes_joins_or_drops),
		TEST(test_environment_and_directory_are_as_told),
		TEST(test_what_cannot_be_run_is_told_at_once),
		TEST(test_every_failing_allocation_is_told_and_leaves_nothing),
		TEST(test_lack_of_descriptors_is_told_and_leaves_nothing),
		TEST(test_many_children_leave_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
