#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Does the picture of docs/performance.md show what its tables say?
cd "$(dirname "$0")/../.." || exit 2

if /usr/bin/python3 bench/plot.py docs/performance.md | cmp - docs/performance.svg; then
	exit 0
fi
echo 'to draw it: bench/plot.py docs/performance.md >docs/performance.svg'
exit 1
