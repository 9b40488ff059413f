/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KIT_TICKS_H
#define WEIR_KIT_TICKS_H
/* ticks.h -- a clock for what takes microseconds: the process's time in the processor, or, where
 * that is too coarse, the time of day. */
#include <stdint.h>

#define TICKS_PER_S 1000000

uint64_t weir__ticks(void);

#endif
