/* SPDX-License-Identifier: MIT */
/* What a guard says when nobody has told it whom to tell, and when it is to print. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "shut_valve.h"
#include "weir/guard.h"

/* What a child prints that breaks a rule before a guard with such options, and how it ends. */
static void run_child(const struct weir_guard_options *options, char *text, size_t size,
                      int *status)
{
	size_t got = 0;
	ssize_t n;
	int fd[2];
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct weir_budget budget;
		struct weir_context ctx;
		struct weir_valve valve;
		struct weir_guard *guard;

		dup2(fd[1], STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		weir_budget_init(&budget, (size_t)1 << 20);
		weir_context_init(&ctx, &budget, NULL, NULL, NULL);
		weir_valve_init(&valve, &shut_ops, &ctx);
		if (weir_guard_create(&valve.base, options, &guard) < 0)
			_exit(9);
		weir_consumer_fail(weir_guard_sink(guard), WEIR_ECLOSED);
		_exit(weir_consumer_write(weir_guard_sink(guard), "x", 1) == WEIR_ECLOSED ? 7 : 8);
	}
	close(fd[1]);
	while (got + 1 < size && (n = read(fd[0], text + got, size - 1 - got)) > 0)
		got += (size_t)n;
	text[got] = '\0';
	close(fd[0]);
	assert_int_equal(waitpid(pid, status, 0), pid);
}

static void test_by_itself_it_prints_and_aborts(void **state)
{
	char text[4000];
	int status;

	(void)state;
	run_child(NULL, text, sizeof(text), &status);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(
		strstr(text, "the producer \"nobody\" breaks END-1: one end, then silence"));
	assert_non_null(strstr(text, "this write:"));
	assert_non_null(strstr(text, "after this fail:"));
}

static void test_told_to_print_it_goes_on(void **state)
{
	struct weir_guard_options options = {.on_broken = weir_guard_print};
	char text[4000];
	int status;

	(void)state;
	run_child(&options, text, sizeof(text), &status);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	assert_non_null(strstr(text, "END-1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_itself_it_prints_and_aborts),
		cmocka_unit_test(test_told_to_print_it_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
