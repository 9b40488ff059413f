#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Run every fuzzer for some seconds, from the corpus that is kept; end with
# "N passed, N failed".  What is new goes to build-fuzz/corpus, what fails to
# build-fuzz/failed.
#
#   scripts/fuzz.sh SECONDS [NAME...]
cd "$(dirname "$0")/.." || exit 2
seconds=$1
shift
dir=build-fuzz

CC=clang CC_LD=bfd scripts/setup.sh $dir -Dtests=enabled -Dfuzz=true -Db_lundef=false \
	-Db_sanitize=address,undefined -Dc_args=-fsanitize=fuzzer-no-link || exit 1
ninja -C $dir || exit 1
[ $# -gt 0 ] || set -- $(ls fuzz/fuzz_*.c | sed 's|fuzz/fuzz_||; s|\.c$||')

passed=0 failed=0
for name; do
	mkdir -p $dir/corpus/$name $dir/failed
	if $dir/fuzz/fuzz-$name -max_total_time="$seconds" -timeout=10 -max_len=4096 \
		-artifact_prefix=$dir/failed/$name- -print_final_stats=1 -verbosity=0 \
		$dir/corpus/$name fuzz/corpus/$name; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
