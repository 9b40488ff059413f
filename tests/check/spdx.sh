#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Does every source file name its licence near its top?
cd "$(dirname "$0")/../.." || exit 2

rc=0
for f in $(scripts/files.sh | grep -E \
	'\.([ch]|cc|cpp|hpp|py|sh|bash|js|go|rs|lua)$|(^|/)(meson\.build|meson_options\.txt|Makefile)$|^(\.ci|scripts)/'); do
	head -n 5 "$f" | grep -q 'SPDX-License-Identifier: ' || {
		echo "$f: no SPDX-License-Identifier line"
		rc=1
	}
done
exit $rc
