/* SPDX-License-Identifier: MIT */
/* The command `weir`: which command it is, and the process around it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app.h"
#include "text.h"
#include "usage.h"

#ifndef WEIR_VERSION
#define WEIR_VERSION "0.1.0"
#endif

#define STATUS_USAGE 3

/*
 * Whoever starts us with a standard descriptor closed must not have the first file or
 * socket that we open take its number: messages would go into it.  The number is
 * taken by the null device, and "-" is refused.
 */
static void occupy_standard_fds(void)
{
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		app_closed_fds[fd] = true;
		/* The lowest free number is this one, since those below are taken. */
		if (open("/dev/null", O_RDWR) != fd)
			_exit(STATUS_USAGE);
	}
}

/* Print a text that was asked for.  Returns the exit status. */
static int print(const char *text)
{
	int error = 0;

	if (app_closed_fds[STDOUT_FILENO])
		error = EBADF;
	else if (fputs(text, stdout) < 0 || fflush(stdout) != 0)
		error = errno;
	if (!error)
		return 0;
	line_print("standard output: %s", strerror(error));
	return 2;
}

static int refuse(const char *arg, const char *expected)
{
	line_expected(arg, expected);
	return STATUS_USAGE;
}

static enum command find_command(const char *name)
{
	if (strcmp(name, "copy") == 0)
		return COMMAND_COPY;
	return strcmp(name, "relay") == 0 ? COMMAND_RELAY : COMMAND_NONE;
}

static int run_help(int argc, char **argv)
{
	enum command command;

	if (argc == 0)
		return print(usage_general);
	command = find_command(argv[0]);
	if (argc > 1)
		return refuse(argv[1], "one command after help");
	if (command == COMMAND_NONE)
		return refuse(argv[0], "copy or relay after help");
	return print(command == COMMAND_COPY ? usage_copy : usage_relay);
}

static int run_command(enum command command, int argc, char **argv)
{
	struct options o;
	int status = STATUS_USAGE;

	if (options_parse(&o, command, argc, argv) == 0) {
		if (o.help)
			status = print(command == COMMAND_COPY ? usage_copy : usage_relay);
		else
			status = app_run(&o);
	}
	options_fini(&o);
	return status;
}

int main(int argc, char **argv)
{
	static const char commands[] = "a command, copy or relay; weir --help says more";
	enum command command;

	occupy_standard_fds();
	/* A reader that goes away is an error of writing, told with its byte offset. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* and so is a file that may not grow */
	if (argc < 2)
		return refuse(NULL, commands);
	command = find_command(argv[1]);
	if (command != COMMAND_NONE)
		return run_command(command, argc - 2, argv + 2);
	if (strcmp(argv[1], "help") == 0)
		return run_help(argc - 2, argv + 2);
	if (strcmp(argv[1], "--help") != 0 && strcmp(argv[1], "-h") != 0 &&
	    strcmp(argv[1], "--version") != 0)
		return refuse(argv[1], commands);
	if (argc > 2)
		return refuse(argv[2], "nothing more");
	return print(argv[1][2] == 'v' ? "weir " WEIR_VERSION "\n" : usage_general);
}
