/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STDIO_H
#define WEIR_STDIO_H
/*
 * stdio.h -- the process's own standard input and output, whatever they are: pipes,
 * files, terminals, sockets, devices.
 *
 * Other processes may share them.  Where the system allows it a pipe or terminal is
 * opened anew, so that its shared non-blocking flag is not touched; where it does not
 * (sockets, named FIFOs, /proc not there), the flag is put back as it was found when the
 * transport is closed, and at exit; not when a signal kills the program.
 * A file is read and written at its position, which moves along as for file.h.
 *
 * Descriptor 0 is never closed.  Finishing the sink closes descriptor 1, so that the
 * reader sees the end, and puts /dev/null in its place; failing it does not: the reader
 * sees the end when the program exits, together with its exit status.
 *
 * Start     libuv aborts when one of its own descriptors has a number below 3.  So a
 *           program that may be started with 0, 1 or 2 closed opens something there
 *           before its first loop: with O_PATH, say, which is still -EBADF here.
 * Threads   Flags are a thing of the process: use stdio from one thread only.
 * Signals   As for pipe.h: the program must ignore SIGPIPE.
 */
#include "weir/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Make a transport of descriptor 0 (`in`), 1 (`out`) or both.  0 and 1 may be had as
 * two transports, too.
 *
 * Returns  0 and the transport in *t; -EBADF if the descriptor is closed, or open for the
 *          other direction only; -EISDIR; another negative code.
 */
WEIR_API WEIR_MUST_USE int weir_stdio_open(struct weir_loop *loop, bool in, bool out,
					   struct weir_transport **t);

#ifdef __cplusplus
}
#endif
#endif
