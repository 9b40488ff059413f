/* SPDX-License-Identifier: MIT */
/*
 * What the system has is UTF-16: arguments, names, and what a console shows.  The C library
 * has none of it but for descriptors.
 */
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h> /* for its names of signals */
#include <windows.h>

#include <psapi.h>
#include <shellapi.h>


static HANDLE handle_of(int fd)
{
	return (HANDLE)_get_osfhandle(fd);
}

/* ---- the beginning ---- */

/* Whoever has no console may have no standard descriptors either. */
static bool is_closed(int fd)
{
	HANDLE handle = handle_of(fd);

	/* -2: the C library's word for a descriptor with nothing behind it. */
	return handle == INVALID_HANDLE_VALUE || handle == (HANDLE)-2 || !handle ||
	       (GetFileType(handle) == FILE_TYPE_UNKNOWN && GetLastError() != NO_ERROR);
}

static bool occupy_standard_fds(bool closed[3])
{
	for (int fd = 0; fd < 3; fd++) {
		int null;

		_setmode(fd, _O_BINARY);
		closed[fd] = is_closed(fd);
		if (!closed[fd])
			continue;
		null = _open("NUL", _O_RDWR | _O_BINARY);
		if (null < 0 || (null != fd && _dup2(null, fd) != 0))
			return false;
		if (null != fd)
			_close(null);
	}
	return true;
}

/* What is not UTF-16 becomes U+FFFD, which no file has in its name by chance. */
static char *narrow(const wchar_t *wide)
{
	int len = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL, NULL);
	char *text = len > 0 ? malloc((size_t)len) : NULL;

	if (text)
		WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, len, NULL, NULL);
	return text;
}

/* What the C library makes of the command line is not UTF-8, and has its asterisks replaced by
 * the names of files, even in that of an address.  Ours lives as long as the process. */
static bool take_arguments(int *argc, char ***argv)
{
	wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), argc);
	bool taken = wide != NULL;

	*argv = taken ? calloc((size_t)*argc + 1, sizeof(**argv)) : NULL;
	taken = *argv != NULL;
	for (int i = 0; i < *argc && taken; i++) {
		(*argv)[i] = narrow(wide[i]);
		taken = (*argv)[i] != NULL;
	}
	LocalFree(wide);
	return taken;
}

bool sys_begin(int *argc, char ***argv, bool closed[3])
{
	return occupy_standard_fds(closed) && take_arguments(argc, argv);
}

/* ---- names and consoles ---- */

/* `text` as UTF-16 with a terminator, *len units without it; to be freed.  NULL without memory. */
static wchar_t *widen(const char *text, size_t size, DWORD *len)
{
	int n = MultiByteToWideChar(CP_UTF8, 0, text, (int)size, NULL, 0);
	wchar_t *wide = malloc(((size_t)n + 1) * sizeof(*wide));

	if (!wide)
		return NULL;
	MultiByteToWideChar(CP_UTF8, 0, text, (int)size, wide, n);
	wide[n] = 0;
	*len = (DWORD)n;
	return wide;
}

static int write_console(HANDLE console, const char *data, size_t len)
{
	DWORD left, n;
	wchar_t *wide = widen(data, len, &left);
	wchar_t *at = wide;
	int rc = wide ? 0 : -ENOMEM;

	while (rc == 0 && left > 0) {
		if (!WriteConsoleW(console, at, left, &n, NULL))
			rc = -EIO;
		at += n;
		left -= n;
	}
	free(wide);
	return rc;
}

int sys_write(int fd, const char *data, size_t len)
{
	/* A console shows text in a code page of its own, which others use too. */
	if (sys_is_terminal(fd))
		return write_console(handle_of(fd), data, len);
	while (len > 0) {
		unsigned piece = len < 1 << 30 ? (unsigned)len : 1 << 30;
		int n = _write(fd, data, piece);

		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* ---- signals ---- */

/* CTRL-C, CTRL-BREAK, and that the console is closed. */
const struct sys_signal sys_signals[] = {
	{SIGINT, "SIGINT"},
	{SIGBREAK, "SIGBREAK"},
	{SIGHUP, "SIGHUP"},
	{0, NULL},
};

bool sys_signal_ignored(int signum)
{
	(void)signum; /* then it is not even told */
	return false;
}

/* Of those that a process can be told to have been ended by. */
const char *sys_signal_text(int signum)
{
	switch (signum) {
	case SIGINT:
		return "Interrupt";
	case SIGTERM:
		return "Terminated";
	case SIGKILL:
		return "Killed";
	case SIGABRT:
		return "Aborted";
	default:
		return "Unknown signal";
	}
}

/* ---- terminals ---- */

bool sys_is_terminal(int fd)
{
	DWORD mode;

	return GetConsoleMode(handle_of(fd), &mode);
}

unsigned sys_columns(int fd)
{
	CONSOLE_SCREEN_BUFFER_INFO info;

	if (!GetConsoleScreenBufferInfo(handle_of(fd), &info))
		return 0;
	return (unsigned)(info.srWindow.Right - info.srWindow.Left + 1);
}

/* A process has one console at most. */
bool sys_same_terminal(int a, int b)
{
	return sys_is_terminal(a) && sys_is_terminal(b);
}

/* ---- files ---- */

static int identify(HANDLE handle, struct sys_file *out)
{
	BY_HANDLE_FILE_INFORMATION info;

	if (GetFileType(handle) != FILE_TYPE_DISK)
		return 0;
	if (!GetFileInformationByHandle(handle, &info))
		return -1;
	out->device = info.dwVolumeSerialNumber;
	out->index = ((uint64_t)info.nFileIndexHigh << 32) | info.nFileIndexLow;
	return !(info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY);
}

int sys_find_file(const char *path, struct sys_file *out)
{
	const DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
	HANDLE handle;
	wchar_t *wide;
	DWORD len;
	int rc;

	if (!path)
		return identify(handle_of(0), out);
	wide = widen(path, strlen(path), &len);
	if (!wide)
		return -1;
	/* No access is asked for: somebody else may have it to himself.  The flag is for folders. */
	handle = CreateFileW(wide, 0, share, NULL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
	free(wide);
	if (handle == INVALID_HANDLE_VALUE)
		return -1;
	rc = identify(handle, out);
	CloseHandle(handle);
	return rc;
}

/* The whole path, to be freed; NULL if there is none. */
static wchar_t *full_path(const char *path)
{
	wchar_t *wide, *full = NULL;
	DWORD len, room;

	wide = widen(path, strlen(path), &len);
	if (!wide)
		return NULL;
	room = GetFullPathNameW(wide, 0, NULL, NULL);
	if (room > 0)
		full = malloc(room * sizeof(*full));
	if (full && GetFullPathNameW(wide, room, full, NULL) >= room) {
		free(full);
		full = NULL;
	}
	free(wide);
	return full;
}

bool sys_same_name(const char *a, const char *b)
{
	wchar_t *s = full_path(a), *t = full_path(b);
	bool same = s && t && CompareStringOrdinal(s, -1, t, -1, TRUE) == CSTR_EQUAL;

	free(s);
	free(t);
	return same;
}

/* ---- limits ---- */

uint64_t sys_peak_memory(void)
{
	PROCESS_MEMORY_COUNTERS counters;

	if (!GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof(counters)))
		return 0;
	return counters.PeakWorkingSetSize;
}

uint64_t sys_descriptors(void)
{
	return UINT64_MAX;
}

uint64_t sys_cores(void)
{
	DWORD n = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);

	return n > 0 ? n : 1;
}
