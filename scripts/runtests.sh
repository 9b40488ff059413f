#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Run the tests of a build folder and end with "N passed, N failed".
#
#   scripts/runtests.sh DIR [MESON TEST OPTION...]
here=$(cd "$(dirname "$0")" && pwd) || exit 2
dir=$1
shift
meson=/usr/bin/meson
[ -x "$meson" ] || meson=meson
python=/usr/bin/python3
[ -x "$python" ] || python=python3

rm -f "$dir"/meson-logs/testlog*.json
"$meson" test -C "$dir" --no-rebuild --print-errorlogs "$@"
rc=$?
# With a wrapper the log is called testlog-WRAPPER.json.
log=$(ls "$dir"/meson-logs/testlog*.json 2>/dev/null | head -n 1)
"$python" "$here/testsum.py" "${log:-$dir/meson-logs/testlog.json}" || exit 1
exit $rc
