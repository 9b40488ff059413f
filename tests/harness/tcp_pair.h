/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_TCP_PAIR_H
#define WEIR_TEST_TCP_PAIR_H
/* tcp_pair.h -- two plain sockets of one connection.  After <cmocka.h>. */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connected TCP pair on loopback; fds[1] is the one that was accepted. */
static inline void tcp_pair(int fds[2])
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t size = sizeof(at);
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(listening >= 0);
	assert_int_equal(bind(listening, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&at, &size), 0);
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fds[0], (struct sockaddr *)&at, sizeof(at)), 0);
	fds[1] = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fds[1] >= 0);
	close(listening);
}

#endif
