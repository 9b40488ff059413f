/* SPDX-License-Identifier: MIT */
/*
 * What a file sink writes to, and under which names.  Only system calls, no loop.
 *
 * A new or replaced file has no name while it is written (O_TMPFILE), so that nothing is
 * left behind by whatever kills us; it gets one by linkat(2).  That cannot replace a
 * file, so there it takes a temporary name for the moment before rename(2).  Where the
 * file system has no nameless files it has the temporary name from the start.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/file_priv.h"

#define LINKS_MAX 40
#define TRIES_MAX 100

/* "." NAME ".weir-XXXXXX" */
#define TEMP_EXTRA (1 + 6 + 6)

static int close_checked(int *fd)
{
	int rc = *fd >= 0 ? close(*fd) : 0;

	*fd = -1;
	/* Linux has closed it all the same. */
	return rc < 0 && errno != EINTR ? -errno : 0;
}

void weir__file_target_discard(struct weir__file_target *t)
{
	close_checked(&t->fd);
	if (t->temp)
		unlinkat(t->dir, t->temp, 0);
	close_checked(&t->dir);
	free(t->temp);
	free(t->name);
	t->temp = NULL;
	t->name = NULL;
	t->pending = false;
}

/* ---- names ---- */

/* Enter the directory of `path`, which is relative to *dir, and take the last name. */
static int enter(int *dir, char **name, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *last = slash ? slash + 1 : path;
	char *parent = NULL;
	char *copy;
	int fd;

	if (path[0] == '\0')
		return -ENOENT;
	if (last[0] == '\0')
		return -EISDIR;
	copy = strdup(last);
	if (slash)
		parent = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
	if (!copy || (slash && !parent)) {
		free(copy);
		free(parent);
		return -ENOMEM;
	}
	fd = openat(*dir, slash ? parent : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(parent);
	if (fd < 0) {
		free(copy);
		return -errno;
	}
	if (*dir >= 0)
		close(*dir);
	*dir = fd;
	free(*name);
	*name = copy;
	return 0;
}

/* Find the directory and the name of the file that `path` names, through symbolic links,
 * also one to a file that is not there yet. */
static int resolve(struct weir__file_target *t, const char *path)
{
	int rc = enter(&t->dir, &t->name, path);

	for (int links = 0; rc == 0; links++) {
		char text[PATH_MAX];
		ssize_t len = readlinkat(t->dir, t->name, text, sizeof(text) - 1);

		if (len < 0) /* EINVAL: not a link; the others are found soon enough */
			return 0;
		if (links == LINKS_MAX)
			return -ELOOP;
		text[len] = '\0';
		rc = enter(&t->dir, &t->name, text);
	}
	return rc;
}

/* Make up a temporary name next to `name`. */
static char *temp_name(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	size_t len = strlen(name);
	unsigned char dice[6];
	char *text;

	if (len > NAME_MAX - TEMP_EXTRA) {
		len = NAME_MAX - TEMP_EXTRA;
		/* Not in the middle of a UTF-8 sequence. */
		while (len > 0 && ((unsigned char)name[len] & 0xc0) == 0x80)
			len--;
	}
	if (getrandom(dice, sizeof(dice), 0) != (ssize_t)sizeof(dice))
		return NULL;
	text = malloc(len + TEMP_EXTRA + 1);
	if (!text)
		return NULL;
	snprintf(text, len + TEMP_EXTRA + 1, ".%.*s.weir-%c%c%c%c%c%c", (int)len, name,
		 letters[dice[0] % 32], letters[dice[1] % 32], letters[dice[2] % 32],
		 letters[dice[3] % 32], letters[dice[4] % 32], letters[dice[5] % 32]);
	return text;
}

/* ---- opening ---- */

static void proc_path(char text[32], int fd)
{
	snprintf(text, 32, "/proc/self/fd/%d", fd);
}

static int open_named(struct weir__file_target *t)
{
	for (int tries = 0; tries < TRIES_MAX; tries++) {
		char *temp = temp_name(t->name);

		if (!temp)
			return -ENOMEM;
		t->fd = openat(t->dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			       t->mode);
		if (t->fd >= 0) {
			t->temp = temp;
			return 0;
		}
		free(temp);
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int open_new(struct weir__file_target *t)
{
	char path[32];

	t->fd = openat(t->dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, t->mode);
	if (t->fd >= 0) {
		/* The name is given through /proc; without that there would be none. */
		proc_path(path, t->fd);
		if (access(path, F_OK) == 0)
			return 0;
		close_checked(&t->fd);
		return open_named(t);
	}
	if (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL)
		return open_named(t);
	return -errno;
}

static int open_existing(struct weir__file_target *t)
{
	int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	struct stat st;

	if (t->how == WEIR_FILE_APPEND)
		flags |= O_APPEND;
	t->fd = openat(t->dir, t->name, flags);
	t->pending = t->how == WEIR_FILE_TRUNCATE;
	if (t->fd >= 0) {
		if (fstat(t->fd, &st) == 0 && S_ISREG(st.st_mode))
			return 0;
		return -EINVAL; /* it was a file a moment ago */
	}
	if (errno != ENOENT)
		return -errno;
	/* Could it be created?  Ask only; that is for the first byte to do. */
	t->pending = true;
	return faccessat(t->dir, ".", W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* A new file must not be readable by more than the old one was. */
static int check_old(struct weir__file_target *t)
{
	struct stat st;

	if (fstatat(t->dir, t->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (t->how == WEIR_FILE_CREATE)
		return -EEXIST;
	if (faccessat(t->dir, t->name, W_OK, AT_EACCESS) < 0)
		return -errno;
	t->mode = st.st_mode & 0777;
	t->replaces = (uint64_t)st.st_size;
	return 0;
}

static int open_target(struct weir__file_target *t, const char *path)
{
	int rc;

	if (t->how == WEIR_FILE_CREATE)
		rc = enter(&t->dir, &t->name, path); /* a link is in the way, as for O_EXCL */
	else
		rc = resolve(t, path);
	if (rc == 0)
		rc = check_old(t);
	if (rc < 0)
		return rc;
	if (t->how == WEIR_FILE_REPLACE || t->how == WEIR_FILE_CREATE)
		return open_new(t);
	return open_existing(t);
}

int weir__file_target_open(struct weir__file_target *t, const char *path,
			   const struct weir_file_write_options *options)
{
	int rc;

	*t = (struct weir__file_target){
		.fd = -1,
		.dir = AT_FDCWD,
		.mode = options->permissions ? (mode_t)options->permissions & 07777 : 0666,
		.how = options->mode,
		.sync = options->sync,
	};
	rc = open_target(t, path);
	if (rc < 0)
		weir__file_target_discard(t);
	return rc;
}

int weir__file_target_prepare(struct weir__file_target *t)
{
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int rc = 0;

	if (!t->pending)
		return 0;
	if (t->fd < 0) {
		flags |= t->how == WEIR_FILE_APPEND ? O_APPEND : O_TRUNC;
		t->fd = openat(t->dir, t->name, flags, t->mode);
		if (t->fd < 0)
			return -errno;
	} else {
		do
			rc = ftruncate(t->fd, 0);
		while (rc < 0 && errno == EINTR);
	}
	if (rc < 0)
		return -errno;
	t->pending = false;
	return 0;
}

/* ---- the finish ---- */

static int sync_directory(const struct weir__file_target *t)
{
	int fd = openat(t->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd < 0) /* a directory that we may write but not read */
		return errno == EACCES ? 0 : -errno;
	rc = fsync(fd);
	if (rc < 0 && errno != EINVAL)
		rc = -errno;
	else
		rc = 0;
	close(fd);
	return rc;
}

/* The new file takes over what the old one, if there is one now, lets us. */
static int take_over(const struct weir__file_target *t)
{
	struct stat old, new;
	mode_t mode;

	if (fstatat(t->dir, t->name, &old, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(old.st_mode))
		return 0;
	if (fstat(t->fd, &new) < 0)
		return -errno;
	mode = old.st_mode & 07777;
	if (old.st_uid != new.st_uid && fchown(t->fd, old.st_uid, (gid_t)-1) < 0)
		mode &= ~(mode_t)S_ISUID;
	if (old.st_gid != new.st_gid && fchown(t->fd, (uid_t)-1, old.st_gid) < 0)
		mode &= ~(mode_t)S_ISGID;
	if (fchmod(t->fd, mode) < 0 && errno != EPERM && errno != EOPNOTSUPP)
		return -errno;
	return 0;
}

/* Give the nameless file a name. */
static int give_name(const struct weir__file_target *t, const char *name)
{
	char path[32];

	proc_path(path, t->fd);
	return linkat(AT_FDCWD, path, t->dir, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int replace(struct weir__file_target *t)
{
	int rc = -EEXIST;

	for (int tries = 0; !t->temp && rc == -EEXIST; tries++) {
		/* Without an old file the name is free: no moment with a temporary one. */
		rc = give_name(t, t->name);
		if (rc != -EEXIST)
			return rc;
		t->temp = temp_name(t->name);
		if (!t->temp)
			return -ENOMEM;
		rc = give_name(t, t->temp);
		if (rc < 0) {
			free(t->temp);
			t->temp = NULL;
		}
		if (rc == -EEXIST && tries == TRIES_MAX)
			return rc;
	}
	if (!t->temp)
		return rc;
	return renameat(t->dir, t->temp, t->dir, t->name) < 0 ? -errno : 0;
}

static int create(struct weir__file_target *t)
{
	if (!t->temp)
		return give_name(t, t->name);
	if (renameat2(t->dir, t->temp, t->dir, t->name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (linkat(t->dir, t->temp, t->dir, t->name, 0) < 0)
		return -errno;
	unlinkat(t->dir, t->temp, 0);
	return 0;
}

static int publish(struct weir__file_target *t, const atomic_bool *given_up)
{
	int rc = t->how == WEIR_FILE_REPLACE ? take_over(t) : 0;

	/* Network file systems tell at close what went wrong with the bytes. */
	if (rc == 0) {
		int fd = fcntl(t->fd, F_DUPFD_CLOEXEC, 3);

		rc = fd < 0 ? -errno : close_checked(&fd);
	}
	if (rc < 0)
		return rc;
	if (atomic_load(given_up))
		return WEIR_ECLOSED;
	rc = t->how == WEIR_FILE_REPLACE ? replace(t) : create(t);
	if (rc < 0)
		return rc;
	free(t->temp);
	t->temp = NULL;
	return 0;
}

int weir__file_target_commit(struct weir__file_target *t, const atomic_bool *given_up)
{
	int rc = weir__file_target_prepare(t);

	/* EINVAL: a device that has nothing to be synced to. */
	if (rc == 0 && t->sync && fsync(t->fd) < 0 && errno != EINVAL)
		rc = -errno;
	if (rc == 0 && weir__file_target_is_new(t))
		rc = publish(t, given_up);
	if (rc == 0 && t->sync && t->dir >= 0)
		rc = sync_directory(t);
	if (rc == 0)
		rc = close_checked(&t->fd);
	weir__file_target_discard(t);
	return rc;
}
