#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Is what gets installed enough to compile, link and run a program?
cd "$(dirname "$0")/../.." || exit 2
build=${WEIR_BUILD:?is not set: run this through meson test}
meson=/usr/bin/meson
[ -x "$meson" ] || meson=meson
cc=${CC:-gcc}

tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT

fail() {
	echo "error: $1"
	exit 1
}

DESTDIR=$tmp/dest "$meson" install -C "$build" --no-rebuild >"$tmp/log" 2>&1 || {
	cat "$tmp/log"
	fail 'meson install'
}

pc=$(find "$tmp/dest" -name libweir.pc)
[ -n "$pc" ] || fail 'no libweir.pc'
libdir=$(dirname "$(dirname "$pc")")
configured=$(sed -n 's/^prefix=//p' "$pc")
prefix=$tmp/dest$configured

find_flags() {
	PKG_CONFIG_PATH=$(dirname "$pc") pkg-config "--define-variable=prefix=$prefix" "$@"
}

cat >"$tmp/five.c" <<'END'
#include <stdio.h>
#include <weir/err.h>
int main(void)
{
	return puts(weir_err_name(WEIR_EFULL)) < 0;
}
END

# shellcheck disable=SC2046 # flags are words
$cc -std=c17 -o "$tmp/shared" "$tmp/five.c" $(find_flags --cflags --libs libweir) ||
	fail 'does not link with the shared library'
out=$(LD_LIBRARY_PATH=$libdir "$tmp/shared") || fail 'the program failed'
[ "$out" = WEIR_EFULL ] || fail "the program said: $out"

# shellcheck disable=SC2046
$cc -std=c17 -o "$tmp/static" "$tmp/five.c" $(find_flags --cflags libweir) \
	"$libdir/libweir.a" $(pkg-config --libs libuv) || fail 'does not link with libweir.a'
[ "$("$tmp/static")" = WEIR_EFULL ] || fail 'the static program failed'

[ -x "$prefix/bin/weir" ] || fail 'the command is not installed'
if ldd "$prefix/bin/weir" 2>/dev/null | grep libweir; then
	fail 'the command needs the shared library'
fi
[ -f "$prefix/share/man/man1/weir.1" ] || fail 'the man page is not installed'
[ -f "$prefix/share/bash-completion/completions/weir" ] || fail 'the completion is not installed'
bash -n "$prefix/share/bash-completion/completions/weir" || fail 'the completion is not bash'
if command -v mandoc >/dev/null; then
	mandoc -Tlint -Werror "$prefix/share/man/man1/weir.1" || fail 'the man page has errors'
fi
exit 0
