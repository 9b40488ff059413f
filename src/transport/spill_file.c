/* SPDX-License-Identifier: MIT */
/*
 * A store in a file without a name, used as a ring: byte n of the stream is at n modulo the
 * size that was asked for, so the file grows no larger.
 */
#include <errno.h>
#include <stdlib.h>

#include "transport/spill_priv.h"
#include "weir/impl/spill.h"

struct file_spill {
	struct weir_spill base;
	intptr_t file;
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
		uint64_t at = f->in + done;
		int64_t n = weir__spill_write(f->file, at % f->max, (const char *)data + done,
					      until_wrap(f, at, len - done));

		if (n < 0)
			return n;
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
	int64_t n;

	if (held == 0 || len == 0)
		return 0;
	if (len > held)
		len = (size_t)held;
	n = weir__spill_read(f->file, f->out % f->max, data, until_wrap(f, f->out, len));
	if (n < 0)
		return n;
	if (n == 0)
		return -EIO; /* somebody has cut the file */
	f->out += (uint64_t)n;
	return n;
}

static void destroy(struct weir_spill *s)
{
	struct file_spill *f = (struct file_spill *)s;

	weir__spill_close(f->file);
	free(f);
}

static const struct weir_spill_ops spill_ops = {
	.name = "file",
	.store = store,
	.fetch = fetch,
	.destroy = destroy,
};

int weir_spill_file(const char *folder, uint64_t max, struct weir_spill **out)
{
	intptr_t file;
	struct file_spill *f;
	int rc;

	if (max == 0 || max > INT64_MAX)
		return -EINVAL;
	rc = weir__spill_open(folder, &file);
	if (rc < 0)
		return rc;
	f = calloc(1, sizeof(*f));
	if (!f) {
		weir__spill_close(file);
		return -ENOMEM;
	}
	f->base.ops = &spill_ops;
	f->file = file;
	f->max = max;
	*out = &f->base;
	return 0;
}
