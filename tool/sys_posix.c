/* SPDX-License-Identifier: MIT */
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static bool occupy_standard_fds(bool closed[3])
{
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		closed[fd] = true;
		/* The lowest free number is this one, since those below are taken. */
		if (open("/dev/null", O_RDWR) != fd)
			return false;
	}
	return true;
}

bool sys_begin(int *argc, char ***argv, bool closed[3])
{
	(void)argc;
	(void)argv;
	if (!occupy_standard_fds(closed))
		return false;
	/* A reader that goes away is an error of writing, told with its byte offset. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* and so is a file that may not grow */
	return true;
}

int sys_write(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* ---- signals ---- */

const struct sys_signal sys_signals[] = {
	{SIGINT, "SIGINT"},
	{SIGTERM, "SIGTERM"},
	{SIGHUP, "SIGHUP"},
	{0, NULL},
};

bool sys_signal_ignored(int signum)
{
	struct sigaction old;

	/* nohup(1), and shells for what runs in the background, say "not you". */
	return sigaction(signum, NULL, &old) == 0 && old.sa_handler == SIG_IGN;
}

const char *sys_signal_text(int signum)
{
	return strsignal(signum);
}

/* ---- terminals ---- */

bool sys_is_terminal(int fd)
{
	return isatty(fd);
}

unsigned sys_columns(int fd)
{
	struct winsize size;

	return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

bool sys_same_terminal(int a, int b)
{
	struct stat s, t;

	return isatty(a) && isatty(b) && fstat(a, &s) == 0 && fstat(b, &t) == 0 &&
	       s.st_rdev == t.st_rdev;
}

/* ---- files ---- */

int sys_find_file(const char *path, struct sys_file *out)
{
	struct stat st;

	if ((path ? stat(path, &st) : fstat(STDIN_FILENO, &st)) < 0)
		return -1;
	*out = (struct sys_file){.device = st.st_dev, .index = st.st_ino};
	return S_ISREG(st.st_mode);
}

bool sys_same_name(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* ---- limits ---- */

/* Linux's own figure first: what getrusage(2) tells there begins with the memory of whoever
 * started us. */
uint64_t sys_peak_memory(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	unsigned long kib = 0;
	struct rusage usage;
	char text[128];

	while (status && fgets(text, sizeof(text), status))
		if (sscanf(text, "VmHWM: %lu kB", &kib) == 1)
			break;
	if (status)
		fclose(status);
	if (!kib && getrusage(RUSAGE_SELF, &usage) == 0)
		kib = (unsigned long)usage.ru_maxrss;
	return (uint64_t)kib * 1024;
}

uint64_t sys_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_cur;
}

uint64_t sys_cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : (uint64_t)n;
}
