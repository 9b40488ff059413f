/* SPDX-License-Identifier: MIT */
#include "transport/spill_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A file system without O_TMPFILE gets a name that is taken away at once. */
int weir__spill_open(const char *folder, intptr_t *out)
{
	char path[4096];
	int fd;

	if (!folder)
		folder = getenv("TMPDIR");
	if (!folder || !*folder)
		folder = "/tmp";
	fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 && errno != EOPNOTSUPP && errno != EISDIR)
		return -errno;
	if (fd < 0) {
		int len = snprintf(path, sizeof(path), "%s/.weir-XXXXXX", folder);

		if (len >= (int)sizeof(path))
			return -ENAMETOOLONG;
		fd = mkostemp(path, O_CLOEXEC);
		if (fd < 0)
			return -errno;
		unlink(path);
	}
	*out = fd;
	return 0;
}

int64_t weir__spill_write(intptr_t file, uint64_t at, const void *data, size_t len)
{
	ssize_t n;

	do
		n = pwrite((int)file, data, len, (off_t)at);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int64_t weir__spill_read(intptr_t file, uint64_t at, void *data, size_t len)
{
	ssize_t n;

	do
		n = pread((int)file, data, len, (off_t)at);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

void weir__spill_close(intptr_t file)
{
	close((int)file);
}
