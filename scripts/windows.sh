#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Build for Windows, in build-windows; see windows-deps.sh and wine.sh.
#
#   scripts/windows.sh [MESON OPTION...]
set -e
cd "$(dirname "$0")/.."
dir=build-windows
cross=$dir/cross.ini

deps=$(scripts/windows-deps.sh)
ccache=
command -v ccache >/dev/null && ccache="'ccache', "

new=$(mktemp)
trap 'rm -f "$new"' EXIT
cat >"$new" <<END
# Written by scripts/windows.sh.
[binaries]
c = [${ccache}'x86_64-w64-mingw32-gcc']
ar = 'x86_64-w64-mingw32-gcc-ar'
strip = 'x86_64-w64-mingw32-strip'
windres = 'x86_64-w64-mingw32-windres'
pkgconfig = 'pkg-config'
exe_wrapper = ['wine']

[properties]
needs_exe_wrapper = true
pkg_config_libdir = ['$deps/lib/pkgconfig']

[built-in options]
c_args = ['-D_WIN32_WINNT=0x0A00', '-D__USE_MINGW_ANSI_STDIO=1', '-gdwarf-4']
c_link_args = ['-static']

[host_machine]
system = 'windows'
cpu_family = 'x86_64'
cpu = 'x86_64'
endian = 'little'
END

# A folder does not change the machine that it builds for.
if ! cmp -s "$new" "$cross"; then
	rm -rf "$dir"
	mkdir "$dir"
	cat "$new" >"$cross"
fi
scripts/setup.sh "$dir" --cross-file "$cross" "$@"
ninja -C "$dir"
