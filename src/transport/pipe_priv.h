/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TRANSPORT_PIPE_PRIV_H
#define WEIR_TRANSPORT_PIPE_PRIV_H
/* pipe_priv.h -- what there is to know about a descriptor before it becomes a stream. */
#include "transport/stream.h"

/* 0 if `fd` is open for `wanted` (O_RDONLY or O_WRONLY), else -EBADF. */
int weir__pipe_check(int fd, int wanted);

bool weir__pipe_is_socket(int fd);

/* Whether a socket can tell its peer a failure by a reset. */
bool weir__pipe_resets(int fd);

#endif
