#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Run a command that runs Windows programs by Wine, in surroundings of its own: a Wine that
# is started first and ended last, and a network with nothing but the loopback interface.
#
#   scripts/wine.sh COMMAND...       as in: scripts/wine.sh wine build-windows/weir.exe help
#
# WINEPREFIX names a folder to keep for the next time, which saves ten seconds; without it, one
# is made and removed.
# The exit status is the command's.
set -u

fail() {
	echo "weir: $*" >&2
	exit 1
}

# First in a network of our own, if the system lets us have one.
if [ -z "${WEIR_IN_NETNS-}" ]; then
	export WEIR_IN_NETNS=1
	if unshare -n true 2>/dev/null; then
		exec unshare -n -- "$0" "$@"
	elif unshare -rn true 2>/dev/null; then
		exec unshare -rn -- "$0" "$@"
	fi
	echo "weir: no network of our own here; the tests stay on the loopback interface anyway" >&2
else
	ip link set lo up || fail "cannot bring up the loopback interface"
fi
unset WEIR_IN_NETNS

export WINEDEBUG=-all LC_ALL=C.UTF-8
# No installers, and no debugger that takes seconds after each crash.
export WINEDLLOVERRIDES='mscoree,mshtml=;winedbg.exe=d'
unset DISPLAY WAYLAND_DISPLAY

kept=${WINEPREFIX-}
own=$(mktemp -d) || exit 1
: "${WINEPREFIX:=$own/prefix}"
export WINEPREFIX
mkdir -p "$WINEPREFIX" || exit 1

clean_up() {
	exec 9>&-
	wineserver -k 2>/dev/null
	wineserver -w 2>/dev/null
	rm -rf "$own"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

wineserver -p || fail "cannot start wineserver"
if [ ! -f "$WINEPREFIX/weir-ready" ]; then
	if ! { wineboot -i && wine winecfg -v win10; } </dev/null >"$own/log" 2>&1; then
		cat "$own/log" >&2
		fail "cannot make a Wine prefix in $WINEPREFIX"
	fi
	[ -z "$kept" ] || touch "$WINEPREFIX/weir-ready"
fi

# Wine's services start with the first program and end with the last one, each time; and they
# would hold on to the output of the test that started them.  So one waits for us to end.
mkfifo "$own/alive" || exit 1
wine cmd <"$own/alive" >/dev/null 2>&1 &
exec 9>"$own/alive"
wine cmd /c exit </dev/null >/dev/null 2>&1 9>&- || fail "Wine does not run here"

"$@" 9>&-
