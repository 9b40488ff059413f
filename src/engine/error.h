/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ENGINE_ERROR_H
#define WEIR_ENGINE_ERROR_H
/*
 * error.h -- libuv's codes as ours.  Where the system has an errno, libuv's code is that, negated;
 * Windows has errors of its own, and libuv has numbers of its own for them.
 */

/* A negative code of libuv's as a negated errno; 0 and counts as they are. */
int weir__error(int uv);

#endif
