/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_RESOLVER_H
#define WEIR_TESTS_RESOLVER_H
/*
 * resolver.h -- system calls that a test can steer, in place of the C library's: the
 * linker takes a program's own functions before those of shared libraries, for
 * libuv's calls as well.
 *
 *   getaddrinfo  for the host "fake.test": what the test laid out in `resolver`
 *   accept4      counted, and can fail first
 *   connect      can be made to connect a socket to itself
 */
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FAKE_HOST "fake.test"
#define FAKE_MAX  8

static struct {
	struct sockaddr_storage list[FAKE_MAX];
	socklen_t len[FAKE_MAX];
	size_t count;
	bool blocks; /* wait for `go` first */
	sem_t go;
	atomic_int entered; /* calls for FAKE_HOST */
} resolver;

static struct {
	unsigned calls;
	const int *errors; /* errno values to fail with first, ended by 0 */
} accepting;

static bool connect_to_itself;

/* The names under which the linker finds these; their declarations in the C library
 * have parameters that only it can spell. */
int own_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags) __asm__("accept4");
int own_connect(int fd, const struct sockaddr *sa, socklen_t len) __asm__("connect");

/* An entry with its address in one block, as freeaddrinfo() expects it. */
static struct addrinfo *fake_entry(size_t i, struct addrinfo *next)
{
	struct {
		struct addrinfo ai;
		struct sockaddr_storage sa;
	} *e = calloc(1, sizeof(*e));

	if (!e)
		abort();
	e->sa = resolver.list[i];
	e->ai = (struct addrinfo){
		.ai_family = e->sa.ss_family,
		.ai_socktype = SOCK_STREAM,
		.ai_addr = (struct sockaddr *)&e->sa,
		.ai_addrlen = resolver.len[i],
		.ai_next = next,
	};
	return &e->ai;
}

/* For libuv to find it, in a program whose symbols are hidden otherwise. */
__attribute__((visibility("default"))) int getaddrinfo(const char *restrict host,
                                                       const char *restrict port,
                                                       const struct addrinfo *restrict hints,
                                                       struct addrinfo **restrict out)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	struct addrinfo *list = NULL;

	if (!host || strcmp(host, FAKE_HOST) != 0) {
		*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
		return real(host, port, hints, out);
	}
	if (hints->ai_flags & AI_NUMERICHOST)
		return EAI_NONAME;
	atomic_fetch_add(&resolver.entered, 1);
	if (resolver.blocks)
		sem_wait(&resolver.go);
	if (resolver.count == 0)
		return EAI_NONAME;
	for (size_t i = resolver.count; i > 0; i--)
		list = fake_entry(i - 1, list);
	*out = list;
	return 0;
}

int own_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	int (*real)(int, struct sockaddr *, socklen_t *, int);

	accepting.calls++;
	if (accepting.errors && *accepting.errors) {
		errno = *accepting.errors++;
		return -1;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "accept4");
	return real(fd, sa, len, flags);
}

int own_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	int (*real)(int, const struct sockaddr *, socklen_t);
	int one = 1;

	if (connect_to_itself) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		/* Bound already: it is asked once more. */
		if (bind(fd, sa, len) && errno != EINVAL)
			return -1;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "connect");
	return real(fd, sa, len);
}

#endif
