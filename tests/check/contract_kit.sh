#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Does docs/contract-kit.md list the rules that the kit has, in its order and words?
cd "$(dirname "$0")/../.." || exit 2

tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT

# X(REG_1, "REG-1", REQUIRED, "the text") -> REG-1|required|the text
sed -n 's/^.*X([A-Z]*_[0-9]*, "\([^"]*\)", \([A-Z]*\), "\(.*\)").*$/\1|\2|\3/p' kit/tck_priv.h |
	sed 's/\\"/"/g' | awk -F'|' '{ print $1 "|" tolower($2) "|" $3 }' >"$tmp/kit"

# | REG-1 | required | the text | ... -> the same
sed -n 's/^| \([A-Z]*-[0-9]*\) | \([a-z]*\) | \([^|]*\) |.*$/\1|\2|\3/p' docs/contract-kit.md \
	>"$tmp/docs"

[ -s "$tmp/kit" ] || { echo "no rules in kit/tck_priv.h"; exit 1; }
diff -u "$tmp/kit" "$tmp/docs" || {
	echo "the rules of kit/tck_priv.h (-) and docs/contract-kit.md (+) differ"
	exit 1
}
