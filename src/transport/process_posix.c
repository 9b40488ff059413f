/* SPDX-License-Identifier: MIT */
/*
 * A child and the pipes to it.  Two things live side by side: the stream on our ends of
 * the pipes, and the child with its exit status.  The ends of the stream wait for the
 * status; the child outlives the stream if it must, and is waited for in any case.
 *
 * Pipes, not socket pairs: a child that opens /dev/stdin or /dev/stdout can do so, and a
 * kernel path (splice) needs them.
 */
#include "weir/process.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/loop_priv.h"
#include "transport/stream.h"

/* From SIGTERM to SIGKILL. */
#define KILL_AFTER_NS (2 * WEIR_NS_PER_S)

struct process {
	uv_process_t handle;
	struct weir__stream_owner owner;
	struct weir_loop *loop;
	struct weir_transport *transport; /* NULL once it is closed */
	struct weir_timer kill;
	int status, signal; /* once exited */
	int failed;         /* what the sink was failed with while the child lived */
	bool exited;
	bool reaped;   /* the handle is closed */
	bool at_eof;   /* the source waits for the exit */
	bool finished; /* the sink waits for the exit */
	bool ending;   /* SIGTERM was sent */
};

static struct process *process_from_stream(const struct weir__stream *s)
{
	return (void *)((char *)weir__stream_owner(s) - offsetof(struct process, owner));
}

/* ---- descriptors ---- */

/*
 * A program may have descriptors that a new program would inherit; ours are not among
 * them.  A child gets none of those either: they are marked while it is made, under a
 * lock, since a thread that found another's marks would take them for the program's.
 */
struct marks {
	int *fds;
	size_t count, cap;
};

static pthread_mutex_t marks_lock = PTHREAD_MUTEX_INITIALIZER;

static int mark(struct marks *m, int fd)
{
	int flags = fcntl(fd, F_GETFD);

	if (fd <= STDERR_FILENO || flags < 0 || (flags & FD_CLOEXEC))
		return 0;
	if (m->count == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 16;
		int *fds = realloc(m->fds, cap * sizeof(*fds));

		if (!fds)
			return -ENOMEM;
		m->fds = fds;
		m->cap = cap;
	}
	m->fds[m->count++] = fd;
	fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
	return 0;
}

static void unmark_all(struct marks *m)
{
	for (size_t i = 0; i < m->count; i++)
		fcntl(m->fds[i], F_SETFD, fcntl(m->fds[i], F_GETFD) & ~FD_CLOEXEC);
	free(m->fds);
}

static int mark_all(struct marks *m)
{
	DIR *dir = opendir("/dev/fd");
	struct dirent *entry;
	int rc = 0;

	/* Without such a folder there is no cheap way to know; ours are marked anyway. */
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (rc == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			rc = mark(m, atoi(entry->d_name));
	closedir(dir);
	if (rc < 0)
		unmark_all(m);
	return rc;
}

/* libuv aborts when what it opens becomes one of the first three. */
static bool has_standard_fds(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return false;
	return true;
}

static void close_fds(int *fds, int count)
{
	for (int i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* Make the pipes: ours[0] to read from and ours[1] to write to, or -1, and the child's
 * opposite ends, which close with the exec. */
static int open_pipes(const struct weir_process_options *options, int ours[2], int theirs[2])
{
	int fds[2];

	ours[0] = ours[1] = theirs[0] = theirs[1] = -1;
	if (options->in) {
		if (pipe2(fds, O_CLOEXEC) < 0)
			return -errno;
		theirs[0] = fds[0];
		ours[1] = fds[1];
	}
	if (options->out) {
		if (pipe2(fds, O_CLOEXEC) < 0) {
			int rc = -errno;

			close_fds(ours, 2);
			close_fds(theirs, 2);
			return rc;
		}
		ours[0] = fds[0];
		theirs[1] = fds[1];
	}
	return 0;
}

static void set_fd(uv_stdio_container_t *stdio, int fd)
{
	stdio->flags = UV_INHERIT_FD;
	stdio->data.fd = fd;
}

static void set_stdio(uv_stdio_container_t stdio[3], const struct weir_process_options *options,
		      const int theirs[2])
{
	/* What libuv is told to ignore is /dev/null for the child. */
	stdio[0].flags = stdio[2].flags = UV_IGNORE;
	if (options->in)
		set_fd(&stdio[0], theirs[0]);
	set_fd(&stdio[1], options->out ? theirs[1] : STDOUT_FILENO);
	if (options->err == WEIR_STDERR_PASS)
		set_fd(&stdio[2], STDERR_FILENO);
	else if (options->err == WEIR_STDERR_JOIN)
		stdio[2] = stdio[1];
}

/* ---- the child's end ---- */

static void release(struct process *p)
{
	weir__loop_release(p->loop);
	free(p);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct process *p = (struct process *)handle;

	p->reaped = true;
	if (!p->transport)
		release(p);
}

/* How the streams of a child that has exited end. */
static int verdict(const struct process *p)
{
	if (p->signal)
		return WEIR_ESIGNAL;
	if (p->status)
		return WEIR_EEXIT;
	/* It did not get all its input: whatever it says, this is not the whole output. */
	return p->failed;
}

static void on_exit_status(uv_process_t *handle, int64_t status, int signal)
{
	struct process *p = (struct process *)handle;
	struct weir_valve *valve;
	int why;

	p->exited = true;
	p->status = signal ? -1 : (int)status;
	p->signal = signal;
	weir_timer_cancel(&p->loop->ctx, &p->kill);
	uv_close((uv_handle_t *)&p->handle, on_handle_closed);
	why = verdict(p);
	/* Output may still come, from who shares the pipe: the source ends after that. */
	if (p->at_eof && p->transport)
		weir__stream_source_end(weir__stream_from_transport(p->transport), why);
	valve = p->transport ? weir_transport_valve(p->transport) : NULL;
	if (!valve)
		return;
	if (p->finished)
		weir_valve_done(valve, why);
	else if (why < 0)
		weir_valve_die(valve, why);
}

static void run_kill(struct weir_timer *timer)
{
	struct process *p = (void *)((char *)timer - offsetof(struct process, kill));

	uv_process_kill(&p->handle, SIGKILL);
}

static void end_child(struct process *p)
{
	if (p->exited || p->ending)
		return;
	p->ending = true;
	uv_process_kill(&p->handle, SIGTERM);
	weir_timer_set(&p->loop->ctx, &p->kill, weir_context_now(&p->loop->ctx) + KILL_AFTER_NS);
}

/* ---- the stream's end ---- */

static void on_eof(struct weir__stream *s)
{
	struct process *p = process_from_stream(s);

	p->at_eof = true;
	if (p->exited)
		weir__stream_source_end(s, verdict(p));
}

static void on_finished(struct weir__stream *s)
{
	struct process *p = process_from_stream(s);

	p->finished = true;
	if (p->exited)
		weir_valve_done(weir_transport_valve(p->transport), verdict(p));
}

/* Before the pipe is closed: the child must not see the end of its input first. */
static void on_failed(struct weir__stream *s, int why)
{
	struct process *p = process_from_stream(s);

	if (!p->exited)
		p->failed = why;
	end_child(p);
}

static void on_close(struct weir__stream *s)
{
	struct process *p = process_from_stream(s);

	p->transport = NULL;
	if (p->reaped)
		release(p);
	else
		end_child(p);
}

static const struct weir__stream_hooks hooks = {
	.on_eof = on_eof,
	.on_finished = on_finished,
	.on_failed = on_failed,
	.on_close = on_close,
};

static const struct weir_transport_ops process_ops = {
	.name = "exec",
	.close = weir__stream_close,
	.describe = weir_transport_describe_kind,
};

/* ---- making ---- */

static struct process *process_from_transport(const struct weir_transport *t)
{
	assert(t->ops == &process_ops);
	return process_from_stream((const struct weir__stream *)t);
}

static int make_stream(struct process *p, const int ours[2])
{
	const struct weir__stream_config config = {
		.ops = &process_ops,
		.in = ours[0],
		.out = ours[1],
		.owner = &p->owner,
	};

	return weir__stream_create(p->loop, &config, &p->transport);
}

static int start_child(struct process *p, char *const *argv,
		       const struct weir_process_options *options, uv_stdio_container_t stdio[3])
{
	const uv_process_options_t config = {
		.exit_cb = on_exit_status,
		.file = argv[0],
		.args = (char **)argv,
		.env = (char **)options->env,
		.cwd = options->dir,
		.stdio_count = 3,
		.stdio = stdio,
	};
	struct marks marks = {0};
	int rc;

	pthread_mutex_lock(&marks_lock);
	rc = mark_all(&marks);
	if (rc == 0) {
		rc = uv_spawn(p->loop->uv, &p->handle, &config);
		unmark_all(&marks);
		if (rc < 0)
			uv_close((uv_handle_t *)&p->handle, on_handle_closed);
	} else {
		p->reaped = true;
	}
	pthread_mutex_unlock(&marks_lock);
	return rc;
}

int weir_process_spawn(struct weir_loop *loop, char *const *argv,
		       const struct weir_process_options *options, struct weir_transport **out)
{
	struct process *p;
	uv_stdio_container_t stdio[3];
	int ours[2], theirs[2];
	int rc;

	if (!argv[0])
		return -EINVAL;
	if (!has_standard_fds())
		return -EBADF;
	rc = open_pipes(options, ours, theirs);
	if (rc < 0)
		return rc;
	set_stdio(stdio, options, theirs);
	p = calloc(1, sizeof(*p));
	rc = -ENOMEM;
	if (p) {
		p->loop = loop;
		p->kill.run = run_kill;
		p->owner.hooks = &hooks;
		rc = make_stream(p, ours);
	}
	if (rc < 0) {
		close_fds(ours, 2);
		close_fds(theirs, 2);
		free(p);
		return rc;
	}
	weir__loop_retain(loop);
	rc = start_child(p, argv, options, stdio);
	close_fds(theirs, 2);
	if (rc < 0) {
		p->exited = true; /* there is none */
		weir_transport_close(p->transport);
		return rc;
	}
	weir_transport_set_name(p->transport, "exec %s", argv[0]);
	*out = p->transport;
	return 0;
}

int weir_process_shell(struct weir_loop *loop, const char *command,
		       const struct weir_process_options *options, struct weir_transport **out)
{
	char shell[] = "/bin/sh", flag[] = "-c";
	char *const argv[] = {shell, flag, (char *)command, NULL};
	int rc = weir_process_spawn(loop, argv, options, out);

	if (rc == 0)
		weir_transport_set_name(*out, "exec %s", command);
	return rc;
}

bool weir_process_exited(const struct weir_transport *t, int *status, int *signal)
{
	const struct process *p = process_from_transport(t);

	if (!p->exited)
		return false;
	*status = p->status;
	*signal = p->signal;
	return true;
}

int weir_process_kill(struct weir_transport *t, int signum)
{
	struct process *p = process_from_transport(t);

	return p->exited ? -ESRCH : uv_process_kill(&p->handle, signum);
}
