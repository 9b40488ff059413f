/* SPDX-License-Identifier: MIT */
/*
 * UNIX sockets: paths and abstract names, and the life of a listening socket's path.
 *
 * A path stays when its listener dies, and a new one cannot be bound over it.
 * Whether anybody still listens there is found out by connecting.  Another process
 * may do the same at the same time, and a socket between bind(2) and listen(2) looks
 * as dead as a stale one: so all of it happens with the directory locked.
 */
#include "weir/unix.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "transport/net.h"

#define BACKLOG 4096

/* How long to wait for another's lock, which is held for a few system calls. */
#define LOCK_TRIES   50
#define LOCK_WAIT_NS (2 * WEIR_NS_PER_MS)

struct unix_listener {
	struct weir_listener base;
	dev_t dev; /* what was bound: only this is removed */
	ino_t ino;
	char path[]; /* "" for an abstract name */
};

static int make_address(const char *path, struct weir__address *out)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	bool is_abstract;
	size_t len;

	if (!path || !*path || strcmp(path, "@") == 0)
		return -EINVAL;
	is_abstract = *path == '@';
	len = strlen(path);
	if (len + !is_abstract > sizeof(un.sun_path))
		return -ENAMETOOLONG;
	memcpy(un.sun_path, path, len);
	if (is_abstract)
		un.sun_path[0] = '\0';
	weir__address_set(out, (struct sockaddr *)&un,
	                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + !is_abstract));
	return 0;
}

size_t weir_unix_path_max(void)
{
	return sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
}

int weir_unix_connect(struct weir_loop *loop, const char *path, weir_open_fn *fn, void *arg,
                      struct weir_opening **out)
{
	struct weir__address address;
	int rc = make_address(path, &address);

	return rc ? rc : weir__connect_addresses(loop, &address, 1, NULL, fn, arg, out);
}

static int open_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static int bind_to(int fd, const struct weir__address *address)
{
	return bind(fd, (const struct sockaddr *)&address->sa, address->len) ? -errno : 0;
}

/* Lock the directory of `path`.  Returns what unlock() takes; without the lock where
 * that is impossible, or takes too long. */
static int lock_directory(const char *path)
{
	const struct timespec wait = {.tv_nsec = LOCK_WAIT_NS};
	const char *slash = strrchr(path, '/');
	char name[sizeof(((struct sockaddr_un *)0)->sun_path)] = ".";
	int fd;

	if (slash) {
		size_t len = slash == path ? 1 : (size_t)(slash - path);

		memcpy(name, path, len);
		name[len] = '\0';
	}
	fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int n = 0; fd >= 0 && n < LOCK_TRIES; n++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
			break;
		nanosleep(&wait, NULL);
	}
	return fd;
}

static void unlock(int lock)
{
	if (lock >= 0)
		close(lock);
}

/* Whether `path` is a socket that nobody listens on. */
static bool is_stale(const char *path, const struct weir__address *address)
{
	struct stat st;
	bool refused;
	int fd;

	if (lstat(path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	fd = open_socket();
	if (fd < 0)
		return false;
	refused = connect(fd, (const struct sockaddr *)&address->sa, address->len) &&
	          errno == ECONNREFUSED;
	close(fd);
	return refused;
}

/* Bind and listen, in place of a stale socket if there is one; remember what was
 * made.  Returns the socket or a negative code. */
static int open_path(struct unix_listener *ul, const struct weir__address *address)
{
	int fd = open_socket();
	int rc, lock;
	struct stat st;

	if (fd < 0)
		return fd;
	lock = lock_directory(ul->path);
	rc = bind_to(fd, address);
	if (rc == -EADDRINUSE && is_stale(ul->path, address)) {
		rc = unlink(ul->path) && errno != ENOENT ? -errno : 0;
		if (rc == 0)
			rc = bind_to(fd, address);
	}
	if (rc == 0 && (lstat(ul->path, &st) || listen(fd, BACKLOG))) {
		rc = -errno;
		unlink(ul->path);
	}
	unlock(lock);
	if (rc) {
		close(fd);
		return rc;
	}
	ul->dev = st.st_dev;
	ul->ino = st.st_ino;
	return fd;
}

static int open_abstract(const struct weir__address *address)
{
	int fd = open_socket();
	int rc;

	if (fd < 0)
		return fd;
	rc = bind_to(fd, address);
	if (rc == 0 && listen(fd, BACKLOG))
		rc = -errno;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* Somebody may have put something else there in the meantime. */
static void remove_path(struct weir_listener *l)
{
	const struct unix_listener *ul = (const struct unix_listener *)l;
	struct stat st;

	if (*ul->path && lstat(ul->path, &st) == 0 && st.st_dev == ul->dev && st.st_ino == ul->ino)
		unlink(ul->path);
}

int weir_unix_listen(struct weir_loop *loop, const char *path, struct weir_listener **out)
{
	struct weir__address address;
	struct unix_listener *ul;
	int fd, rc;

	rc = make_address(path, &address);
	if (rc)
		return rc;
	ul = calloc(1, sizeof(*ul) + strlen(path) + 1);
	if (!ul)
		return -ENOMEM;
	if (*path != '@')
		memcpy(ul->path, path, strlen(path) + 1);
	fd = *path == '@' ? open_abstract(&address) : open_path(ul, &address);
	rc = fd < 0 ? fd : weir__listener_init(&ul->base, loop, fd, remove_path);
	if (rc) {
		if (fd >= 0) {
			remove_path(&ul->base);
			close(fd);
		}
		free(ul);
		return rc;
	}
	*out = &ul->base;
	return 0;
}
