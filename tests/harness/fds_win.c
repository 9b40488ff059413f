/* SPDX-License-Identifier: MIT */
/* Counts handles, of whatever kind. */
#include "fds.h"

#include <errno.h>

#include <windows.h>

int weir_test_open_fds(void)
{
	DWORD count;

	return GetProcessHandleCount(GetCurrentProcess(), &count) ? (int)count : -EIO;
}
