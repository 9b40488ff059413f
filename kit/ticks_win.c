/* SPDX-License-Identifier: MIT */
#include "ticks.h"

#include <windows.h>

uint64_t weir__ticks(void)
{
	LARGE_INTEGER now, per_s;

	QueryPerformanceCounter(&now);
	QueryPerformanceFrequency(&per_s);
	return (uint64_t)((double)now.QuadPart / (double)per_s.QuadPart * TICKS_PER_S);
}
