#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Does every public header compile alone, twice, as C17 and as C++?
cd "$(dirname "$0")/../.." || exit 2

headers=$(scripts/files.sh include | grep '\.h$')
[ -n "$headers" ] || exit 77
rc=0
for h in $headers; do
	name=${h#include/}
	# A flexible array member is C17, and every C++ compiler takes it.
	for compiler in 'gcc -x c -std=c17 -Wpedantic' 'clang -x c -std=c17 -Wpedantic' \
		'g++ -x c++ -std=c++17'; do
		printf '#include "%s"\n#include "%s"\ntypedef int weir_check;\n' "$name" "$name" |
			$compiler -fsyntax-only -Wall -Wextra -Wundef -Werror -Iinclude - || {
			echo "$h: does not compile alone with $compiler"
			rc=1
		}
	done
done
exit $rc
