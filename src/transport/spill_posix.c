/* SPDX-License-Identifier: MIT */
/*
 * A store in a file without a name, used as a ring: byte n of the stream is at n modulo the
 * size that was asked for, so the file grows no larger.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "weir/impl/spill.h"

struct file_spill {
	struct weir_spill base;
	int fd;
	uint64_t max;
	uint64_t in, out; /* bytes stored and fetched, of the stream */
};

/* Bytes at position `at` that can be moved in one call. */
static size_t until_wrap(const struct file_spill *f, uint64_t at, uint64_t len)
{
	uint64_t left = f->max - at % f->max;

	return (size_t)(len < left ? len : left);
}

static int64_t store(struct weir_spill *s, const void *data, size_t len)
{
	struct file_spill *f = (struct file_spill *)s;
	uint64_t room = f->max - (f->in - f->out);
	size_t done = 0;

	if (len > room)
		len = (size_t)room;
	while (done < len) {
		ssize_t n = pwrite(f->fd, (const char *)data + done,
				   until_wrap(f, f->in + done, len - done),
				   (off_t)((f->in + done) % f->max));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENOSPC;
		done += (size_t)n;
	}
	f->in += done;
	return (int64_t)done;
}

static int64_t fetch(struct weir_spill *s, void *data, size_t len)
{
	struct file_spill *f = (struct file_spill *)s;
	uint64_t held = f->in - f->out;
	ssize_t n;

	if (held == 0 || len == 0)
		return 0;
	if (len > held)
		len = (size_t)held;
	do
		n = pread(f->fd, data, until_wrap(f, f->out, len), (off_t)(f->out % f->max));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -EIO; /* somebody has cut the file */
	f->out += (uint64_t)n;
	return n;
}

static void destroy(struct weir_spill *s)
{
	struct file_spill *f = (struct file_spill *)s;

	close(f->fd);
	free(f);
}

static const struct weir_spill_ops spill_ops = {
	.name = "file",
	.store = store,
	.fetch = fetch,
	.destroy = destroy,
};

/* A file system without O_TMPFILE gets a name that is taken away at once. */
static int open_unnamed(const char *folder)
{
	char path[4096];
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd < 0 ? -errno : fd;
	if (snprintf(path, sizeof(path), "%s/.weir-XXXXXX", folder) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

int weir_spill_file(const char *folder, uint64_t max, struct weir_spill **out)
{
	struct file_spill *f;
	int fd;

	if (max == 0 || max > INT64_MAX)
		return -EINVAL;
	if (!folder)
		folder = getenv("TMPDIR");
	fd = open_unnamed(folder && *folder ? folder : "/tmp");
	if (fd < 0)
		return fd;
	f = calloc(1, sizeof(*f));
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	f->base.ops = &spill_ops;
	f->fd = fd;
	f->max = max;
	*out = &f->base;
	return 0;
}
