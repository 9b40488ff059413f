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

# Two at once; each says how it ended in a file of its own.
run() {
	mkdir -p $dir/corpus/$1 $dir/failed
	$dir/fuzz/fuzz-$1 -max_total_time="$seconds" -timeout=10 -max_len=4096 \
		-artifact_prefix=$dir/failed/$1- -print_final_stats=1 -verbosity=0 \
		$dir/corpus/$1 fuzz/corpus/$1 >$dir/$1.out 2>&1
	echo $? >$dir/$1.status
}

passed=0 failed=0
while [ $# -gt 0 ]; do
	pair="$1 ${2-}"
	for name in $pair; do
		rm -f $dir/$name.status
		run $name &
	done
	wait
	for name in $pair; do
		echo "== $name"
		cat $dir/$name.out
		if [ "$(cat $dir/$name.status)" = 0 ]; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
		fi
	done
	shift $(($# > 1 ? 2 : 1))
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
