#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Print the files of a folder that match a pattern, sorted, relative to it.
# A folder that is not there has no files.
#
#   scripts/sources.sh [-1] [-s SYSTEM] DIR PATTERN
#       -1: not in its subfolders
#       -s: for that system alone: NAME_win.c is for Windows only, NAME_posix.c for the
#           others, NAME_linux.c for Linux only
#   scripts/sources.sh --all                every file the build depends on finding
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/.." || exit 2

if [ "$1" = --all ]; then
	for dir in src kit tool tests fuzz examples bench docs/man; do
		[ -d "$dir" ] && find "$dir" -type f \( -name '*.c' -o -name 'test_*.py' -o \
			-name '*.sh' -o -name '*.bash' -o -name '*.[137]' \)
	done | sort
	exit 0
fi

depth=9
others='^$'
if [ "$1" = -1 ]; then
	depth=1
	shift
fi
if [ "$1" = -s ]; then
	case $2 in
	windows) others='_(posix|linux)\.c$' ;;
	linux) others='_win\.c$' ;;
	*) others='_(win|linux)\.c$' ;;
	esac
	shift 2
fi
[ -d "$1" ] || exit 0
cd "$1" || exit 2
find . -maxdepth "$depth" -type f -name "$2" ! -name '.*' | sed 's|^\./||' | grep -Ev "$others" | sort
