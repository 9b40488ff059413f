/* SPDX-License-Identifier: MIT */
#include "ticks.h"

#include <time.h>

/* POSIX has made this a constant. */
_Static_assert(CLOCKS_PER_SEC == TICKS_PER_S, "clock() tells microseconds");

uint64_t weir__ticks(void)
{
	return (uint64_t)clock();
}
