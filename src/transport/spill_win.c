/* SPDX-License-Identifier: MIT */
/* A file with a name that nobody can guess, nobody may open, and the system removes. */
#include "transport/spill_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

#include <uv.h>
#include <windows.h>

#include "engine/error_win.h"
#include "engine/wide_win.h"

static int open_in(const wchar_t *folder, intptr_t *out)
{
	wchar_t path[1024];
	uint64_t number;
	HANDLE file;
	int len;
	int rc = uv_random(NULL, NULL, &number, sizeof(number), 0, NULL);

	if (rc < 0)
		return weir__error(rc);
	len = swprintf(path, sizeof(path) / sizeof(*path), L"%ls\\weir-%016llx.tmp", folder,
		       (unsigned long long)number);
	if (len < 0)
		return -ENAMETOOLONG;
	file = CreateFileW(path, GENERIC_READ | GENERIC_WRITE | DELETE, 0, NULL, CREATE_NEW,
			   FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, NULL);
	if (file == INVALID_HANDLE_VALUE)
		return weir__error_system(GetLastError());
	*out = (intptr_t)file;
	return 0;
}

int weir__spill_open(const char *folder, intptr_t *out)
{
	wchar_t temp[MAX_PATH + 1];
	wchar_t *wide;
	int rc;

	if (!folder) {
		if (!GetTempPathW(sizeof(temp) / sizeof(*temp), temp))
			return weir__error_system(GetLastError());
		return open_in(temp, out);
	}
	wide = weir__wide(folder, &rc);
	if (!wide)
		return rc;
	rc = open_in(wide, out);
	free(wide);
	return rc;
}

/* Where a read or a write takes place, and how much of it at once. */
static OVERLAPPED place(uint64_t at)
{
	return (OVERLAPPED){.Offset = (DWORD)at, .OffsetHigh = (DWORD)(at >> 32)};
}

static DWORD piece(size_t len)
{
	return len < ((size_t)1 << 30) ? (DWORD)len : (DWORD)1 << 30;
}

int64_t weir__spill_write(intptr_t file, uint64_t at, const void *data, size_t len)
{
	OVERLAPPED o = place(at);
	DWORD n;

	if (!WriteFile((HANDLE)file, data, piece(len), &n, &o))
		return weir__error_system(GetLastError());
	return n;
}

int64_t weir__spill_read(intptr_t file, uint64_t at, void *data, size_t len)
{
	OVERLAPPED o = place(at);
	DWORD n;

	if (ReadFile((HANDLE)file, data, piece(len), &n, &o))
		return n;
	return GetLastError() == ERROR_HANDLE_EOF ? 0 : weir__error_system(GetLastError());
}

void weir__spill_close(intptr_t file)
{
	CloseHandle((HANDLE)file);
}
