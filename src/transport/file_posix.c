/* SPDX-License-Identifier: MIT */
/*
 * File transports: which parts a path or a descriptor gets.  A thing that can be polled
 * is a stream (stream.h); a FIFO without a reader becomes one later (fifo_posix.c); what
 * remains is read and written here, by file_read_posix.c and file_write_posix.c.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "engine/loop_priv.h"
#include "transport/file_priv.h"
#include "transport/stream.h"

struct file {
	struct weir_transport base;
	struct weir_loop *loop;
	struct weir__file_source *source; /* or NULL */
	struct weir__file_sink *sink;     /* or NULL */
	int64_t length;                   /* bytes, or -1 */
	struct weir_task release;
};

static void file_close(struct weir_transport *t);

static int64_t file_length(const struct weir_transport *t)
{
	return ((const struct file *)t)->length;
}

static const struct weir_transport_ops file_ops = {
	.name = "file",
	.close = file_close,
	.describe = weir_transport_describe_kind,
	.length = file_length,
};

static struct file *file_from_transport(struct weir_transport *t)
{
	assert(t->ops == &file_ops);
	return (struct file *)t;
}

static void run_release(struct weir_task *task)
{
	struct file *f = (struct file *)((char *)task - offsetof(struct file, release));
	struct weir_loop *loop = f->loop;

	free(f);
	weir__loop_release(loop);
}

static void file_close(struct weir_transport *t)
{
	struct file *f = file_from_transport(t);

	if (f->source)
		weir__file_source_close(f->source);
	if (f->sink)
		weir__file_sink_close(f->sink);
	weir_task_queue(&f->loop->ctx, &f->release);
}

int weir__file_create(struct weir_loop *loop, const struct weir__file_source_config *source,
		      const struct weir__file_target *target, struct weir_transport **out)
{
	struct file *f = calloc(1, sizeof(*f));
	int rc = 0;

	if (!f)
		return -ENOMEM;
	weir_transport_init(&f->base, &file_ops);
	f->base.half_closes = true;
	f->loop = loop;
	f->length = source ? source->length : -1;
	f->release.run = run_release;
	/* The sink first: it gives its part back unharmed by not being made. */
	if (target)
		rc = weir__file_sink_create(loop, target, &f->sink);
	if (rc == 0 && source) {
		rc = weir__file_source_create(loop, source, &f->source);
		if (rc < 0 && f->sink)
			weir__file_sink_abandon(f->sink);
	}
	if (rc < 0) {
		free(f);
		return rc;
	}
	if (f->source)
		f->base.source = weir__file_source_producer(f->source);
	if (f->sink) {
		f->base.sink = &weir__file_sink_valve(f->sink)->base;
		f->base.has_valve = true;
	}
	weir__loop_retain(loop);
	*out = &f->base;
	return 0;
}

void weir__file_on_finished(struct weir_transport *t, void (*fn)(void *arg), void *arg)
{
	weir__file_sink_on_finished(file_from_transport(t)->sink, fn, arg);
}

/* ---- what a descriptor is ---- */

/* /dev/null, zero, full, random, urandom: nothing there waits. */
static bool is_memory_device(const struct stat *st)
{
	if (!S_ISCHR(st->st_mode) || major(st->st_rdev) != 1)
		return false;
	return minor(st->st_rdev) == 3 || minor(st->st_rdev) == 5 || minor(st->st_rdev) == 7 ||
	       minor(st->st_rdev) == 8 || minor(st->st_rdev) == 9;
}

bool weir__file_is_regular(const struct stat *st)
{
	return S_ISREG(st->st_mode) || S_ISBLK(st->st_mode);
}

/* A file system made by the kernel as it is read; a size there means nothing. */
static bool is_generated(const struct statfs *fs)
{
	switch ((unsigned long)fs->f_type) {
	case PROC_SUPER_MAGIC:
	case SYSFS_MAGIC:
	case DEBUGFS_MAGIC:
	case TRACEFS_MAGIC:
	case SECURITYFS_MAGIC:
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
		return true;
	default:
		return false;
	}
}

int weir__file_configure(struct weir__file_source_config *config, int fd, const struct stat *st)
{
	struct statfs fs;
	off_t size;

	config->fd = fd;
	config->seekable = weir__file_is_regular(st);
	config->in_memory = is_memory_device(st);
	config->wanted = UINT64_MAX;
	config->length = -1;
	if (!config->seekable)
		return 0;
	size = st->st_size;
	if (S_ISBLK(st->st_mode)) {
		off_t here = lseek(fd, 0, SEEK_CUR);

		size = lseek(fd, 0, SEEK_END);
		if (here < 0 || size < 0 || lseek(fd, here, SEEK_SET) < 0)
			return -errno;
	}
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (is_generated(&fs)) {
		config->in_memory = true;
		return 0;
	}
	config->in_memory = fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
	config->size = (uint64_t)size;
	config->length = (uint64_t)size > config->offset
				 ? (int64_t)((uint64_t)size - config->offset)
				 : 0;
	return 0;
}

/* ---- opening by path ---- */

static int read_regular(struct weir_loop *loop, int fd, const struct stat *st,
			const struct weir_file_range *range, struct weir_transport **out)
{
	struct weir__file_source_config config = {.offset = range ? range->offset : 0};
	int rc = weir__file_configure(&config, fd, st);

	if (rc < 0)
		return rc;
	if (range && range->length) {
		config.wanted = range->length;
		config.length = (int64_t)range->length;
	}
	return weir__file_create(loop, &config, NULL, out);
}

bool weir__file_range_is_valid(const struct weir_file_range *range)
{
	return range->offset <= INT64_MAX && range->length <= INT64_MAX - range->offset;
}

int weir_file_read(struct weir_loop *loop, const char *path, const struct weir_file_range *range,
		   struct weir_transport **out)
{
	struct weir_transport *t;
	struct stat st;
	int rc = 0;
	int fd;

	if (range && !weir__file_range_is_valid(range))
		return -EINVAL;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		rc = -errno;
	else if (S_ISDIR(st.st_mode))
		rc = -EISDIR;
	else if (!weir__file_is_regular(&st) && range)
		rc = -ESPIPE;
	else if (!weir__file_is_regular(&st))
		rc = weir__stream_create(
			loop, &(struct weir__stream_config){.in = fd, .out = -1}, &t);
	if (rc == 0 && weir__file_is_regular(&st))
		rc = read_regular(loop, fd, &st, range, &t);
	else if (rc == -EPERM && S_ISCHR(st.st_mode)) /* it cannot be polled */
		rc = read_regular(loop, fd, &st, NULL, &t);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	weir_transport_set_name(t, "file %s", path);
	*out = t;
	return 0;
}

/* Write to a FIFO, a device, a terminal. */
static int write_special(struct weir_loop *loop, const char *path, struct weir_transport **out)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int rc;

	if (fd < 0 && errno == ENXIO && stat(path, &st) == 0 && S_ISFIFO(st.st_mode))
		return weir__fifo_write(loop, path, out);
	if (fd < 0)
		return -errno;
	rc = weir__stream_create(loop, &(struct weir__stream_config){.in = -1, .out = fd}, out);
	if (rc == -EPERM)
		rc = weir__file_create(loop, NULL,
				       &(struct weir__file_target){.fd = fd, .dir = -1}, out);
	if (rc < 0)
		close(fd);
	return rc;
}

static int write_regular(struct weir_loop *loop, const char *path,
			 const struct weir_file_write_options *options,
			 struct weir_transport **out)
{
	struct weir__file_target target;
	int rc = weir__file_target_open(&target, path, options);

	if (rc < 0)
		return rc;
	rc = weir__file_create(loop, NULL, &target, out);
	if (rc < 0)
		weir__file_target_discard(&target);
	return rc;
}

int weir_file_write(struct weir_loop *loop, const char *path,
		    const struct weir_file_write_options *options, struct weir_transport **out)
{
	static const struct weir_file_write_options defaults = {.mode = WEIR_FILE_REPLACE};
	struct weir_transport *t;
	struct stat st;
	int rc;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		rc = write_special(loop, path, &t);
	else
		rc = write_regular(loop, path, options ? options : &defaults, &t);
	if (rc < 0)
		return rc;
	weir_transport_set_name(t, "file %s", path);
	*out = t;
	return 0;
}

/* ---- a descriptor that is open ---- */

static int check_adoptable(int fd, bool in, bool out, struct stat *st)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, st) < 0)
		return -errno;
	if (in && (flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	if (out && (flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	if (S_ISDIR(st->st_mode))
		return -EISDIR;
	return weir__file_is_regular(st) || S_ISCHR(st->st_mode) ? 0 : WEIR_ENOTSUP;
}

static int adopt_source(struct weir__file_source_config *config, int fd, const struct stat *st)
{
	if (weir__file_is_regular(st)) {
		off_t here = lseek(fd, 0, SEEK_CUR);

		if (here < 0)
			return -errno;
		config->offset = (uint64_t)here;
		config->moves = true;
	}
	return weir__file_configure(config, fd, st);
}

int weir_file_adopt(struct weir_loop *loop, int fd, bool in, bool out, struct weir_transport **t)
{
	struct weir__file_source_config source = {.offset = 0};
	struct weir__file_target target = {.fd = fd, .dir = -1};
	struct stat st;
	int rc = in || out ? check_adoptable(fd, in, out, &st) : -EINVAL;

	if (rc == 0 && in)
		rc = adopt_source(&source, fd, &st);
	if (rc < 0)
		return rc;
	/* Each direction closes its own; the position is shared all the same. */
	if (in && out) {
		target.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (target.fd < 0)
			return -errno;
	}
	rc = weir__file_create(loop, in ? &source : NULL, out ? &target : NULL, t);
	if (rc < 0 && in && out)
		close(target.fd);
	return rc;
}
