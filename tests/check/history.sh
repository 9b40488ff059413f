#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Does every test that docs/history.md names exist?
cd "$(dirname "$0")/../.." || exit 2

rc=0
for name in $(grep -o '`test_[a-z0-9_]*`' docs/history.md | tr -d '`' | sort -u); do
	grep -qr --include="*.c" "^static void $name(" tests || {
		echo "docs/history.md names $name, which is no test"
		rc=1
	}
done
exit $rc
