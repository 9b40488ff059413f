#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Print the files of the project, one a line: those which git tracks or would
# track.  Outside a git checkout, all but the build folders.
#
#   scripts/files.sh [PATH...]
cd "$(dirname "$0")/.." || exit 2

if top=$(git rev-parse --show-toplevel 2>/dev/null) && [ "$top" = "$(pwd -P)" ]; then
	git -c core.quotePath=off ls-files -co --exclude-standard -- "$@"
else
	[ $# -gt 0 ] || set -- .
	for path; do
		[ -e "$path" ] && find "$path" \( -path ./.git -o -path './build*' -o \
			-name __pycache__ \) -prune -o -type f -print
	done | sed 's|^\./||'
fi | LC_ALL=C sort -u | while IFS= read -r f; do
	[ -f "$f" ] && printf '%s\n' "$f"
done
exit 0
