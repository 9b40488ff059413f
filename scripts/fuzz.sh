#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Run every fuzzer from the corpus that is kept; end with "N passed, N failed".
# What is new goes to build-fuzz/corpus, what fails to build-fuzz/failed.
#
#   scripts/fuzz.sh SECONDS [NAME...]   for some seconds, with what chance brings
#   scripts/fuzz.sh -f [NAME...]        so many inputs, the same ones in every run of one build
cd "$(dirname "$0")/.." || exit 2
how=$1
shift
dir=build-fuzz

not_built() {
	echo '0 passed, 1 failed'
	exit 1
}

CC="${CC:-clang}" CC_LD=bfd scripts/setup.sh $dir -Dtests=enabled -Dfuzz=true -Db_lundef=false \
	-Db_sanitize=address,undefined -Dc_args=-fsanitize=fuzzer-no-link || not_built
ninja -C $dir || not_built
[ $# -gt 0 ] || set -- $(ls fuzz/fuzz_*.c | sed 's|fuzz/fuzz_||; s|\.c$||')

# The options of a run, the folder for what is new last.  For one to be repeated, nothing may
# hang on time or on addresses: comparisons of pointers are an input of -use_cmp.  A machine
# that stands still for a while is not to be taken for an input that does not end.
options() {
	if [ "$how" = -f ]; then
		rm -rf $dir/fixed/$1
		mkdir -p $dir/fixed/$1
		echo "-seed=1 -runs=15000 -use_cmp=0 -reload=0 -timeout=300 $dir/fixed/$1"
	else
		mkdir -p $dir/corpus/$1
		echo "-max_total_time=$how -timeout=60 $dir/corpus/$1"
	fi
}

# Two at once; each says how it ended in a file of its own.
run() {
	mkdir -p $dir/failed
	# shellcheck disable=SC2046 # a list of words
	$dir/fuzz/fuzz-$1 -max_len=4096 -artifact_prefix=$dir/failed/$1- \
		-print_final_stats=1 -verbosity=0 $(options $1) fuzz/corpus/$1 >$dir/$1.out 2>&1
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
