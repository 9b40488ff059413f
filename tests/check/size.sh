#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Do functions and files keep to the size budget?
#                    warns above   fails above
#   function              60            80        lines
#   .c file              600           800
#   public header        300           400
cd "$(dirname "$0")/../.." || exit 2

sources=$(scripts/files.sh src tool | grep '\.c$')
headers=$(scripts/files.sh include | grep '\.h$')
[ -n "$sources$headers" ] || exit 77

{
	# ctags says where each function begins and ends.
	for f in $sources; do
		ctags --quiet --options=NONE -f - --language-force=C --kinds-C=f --fields=ne \
			--excmd=number "$f" || echo "$f: ctags failed" >&2
	done | awk -F'\t' '{
		first = last = 0
		for (i = 4; i <= NF; i++) {
			if ($i ~ /^line:/) first = substr($i, 6)
			if ($i ~ /^end:/) last = substr($i, 5)
		}
		if (last) print last - first + 1, 60, 80, $2 ":" first ": " $1 "()"
	}'
	for f in $sources; do
		echo "$(wc -l <"$f") 600 800 $f"
	done
	for f in $headers; do
		echo "$(wc -l <"$f") 300 400 $f"
	done
} | awk '
	$1 > $2 {
		what = $4; for (i = 5; i <= NF; i++) what = what " " $i
		over = $1 > $3
		printf("%s: %s has %d lines, the limit is %d\n",
			over ? "error" : "warning", what, $1, over ? $3 : $2)
		if (over) rc = 1
	}
	END { exit rc }'
