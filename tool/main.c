/* SPDX-License-Identifier: MIT */
/* The command `weir`: which command it is, and the process around it. */
#include <errno.h>
#include <string.h>

#include "app.h"
#include "sys.h"
#include "text.h"
#include "usage.h"

#ifndef WEIR_VERSION
#define WEIR_VERSION "0.1.0"
#endif

#define STATUS_USAGE 3

/* Print a text that was asked for.  Returns the exit status. */
static int print(const char *text)
{
	int rc = -EBADF;

	if (!app_closed_fds[SYS_STDOUT])
		rc = sys_write(SYS_STDOUT, text, strlen(text));
	if (rc == 0)
		return 0;
	line_print("standard output: %s", weir_err_text(rc));
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

	if (!sys_begin(&argc, &argv, app_closed_fds))
		return STATUS_USAGE;
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
