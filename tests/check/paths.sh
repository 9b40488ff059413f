#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Does any file name a place that only one machine has?
cd "$(dirname "$0")/../.." || exit 2

# A path's first component, not the middle of a longer one.
if scripts/files.sh | tr '\n' '\0' |
	xargs -0 grep -EInI '(^|[^A-Za-z0-9_.~}-])/(root|home|work)/' /dev/null; then
	echo "error: absolute paths of one machine"
	exit 1
fi
exit 0
