/* SPDX-License-Identifier: MIT */
/*
 * The baseline of a server: epoll, plain system calls, nothing else.
 *
 *   server_epoll echo|close PORT
 *
 *   echo   what a peer sends goes back to it; one that does not read is cut
 *   close  each peer is accepted and closed
 */
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>

#include "bench.h"

#define EVENTS 512

static unsigned char buffer[65536];

static void serve_peer(int fd)
{
	ssize_t n = read(fd, buffer, sizeof(buffer));

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
		close(fd);
}

static void accept_peers(int set, int listener, bool echo)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

		if (!echo)
			close(fd);
		else if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0)
			give_up("epoll_ctl");
	}
}

int main(int argc, char **argv)
{
	int listener, set = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[EVENTS];
	bool echo = argc == 3 && strcmp(argv[1], "echo") == 0;

	if (argc != 3 || (!echo && strcmp(argv[1], "close") != 0)) {
		fprintf(stderr, "usage: server_epoll echo|close PORT\n");
		return 2;
	}
	listener = listen_on_port((int)number(argv[2]));
	events[0] = (struct epoll_event){.events = EPOLLIN, .data.fd = listener};
	epoll_ctl(set, EPOLL_CTL_ADD, listener, &events[0]);
	for (;;) {
		int count = epoll_wait(set, events, EVENTS, -1);

		for (int i = 0; i < count; i++) {
			if (events[i].data.fd == listener)
				accept_peers(set, listener, echo);
			else
				serve_peer(events[i].data.fd);
		}
	}
}
