#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Build with sanitizers and run the tests that execute our code.
#
#   scripts/sanitize.sh address,undefined|thread DIR
cd "$(dirname "$0")/.." || exit 2
kind=$1
dir=$2

ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:${ASAN_OPTIONS-}
UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:${UBSAN_OPTIONS-}
TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:${TSAN_OPTIONS-}
export ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS

alone=
suites='--suite unit --suite flow --suite diff --suite live'
if [ "$kind" = thread ]; then
	# Threads are libuv's workers and the peers: what has no loop has none.
	suites='--suite live'
	# ThreadSanitizer wants its memory where kernels with much address
	# randomisation do not leave it.
	setarch -R true 2>/dev/null && alone='setarch -R'
	WEIR_TEST_QUICK=1
	export WEIR_TEST_QUICK
fi

CC=gcc scripts/setup.sh "$dir" -Dtests=enabled "-Db_sanitize=$kind" || exit 1
ninja -C "$dir" || exit 1
# shellcheck disable=SC2086 # a list of words
$alone scripts/runtests.sh "$dir" -t 5 $suites
