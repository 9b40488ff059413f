#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Are the portable layers and the command free of platforms: no #if on one, no system header, but in
# files that are named for one?  What the command needs of its system is in tool/sys_*.c alone.
# The engine and the transports must know theirs: there, a platform's #if is only reported.
# Threads are POSIX's everywhere.
cd "$(dirname "$0")/../.." || exit 2

macros='(__linux__|__linux|linux|__unix__|__unix|__APPLE__|__MACH__|__FreeBSD__|__OpenBSD__|__NetBSD__|__DragonFly__|__sun|_AIX|__ANDROID__|__CYGWIN__|__MINGW32__|__MINGW64__|_WIN32|_WIN64|WIN32)'
on_platform="^[[:space:]]*#[[:space:]]*(if|ifdef|ifndef|elif)[^A-Za-z0-9_](.*[^A-Za-z0-9_])?$macros([^A-Za-z0-9_]|\$)"
system_header='^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"](sys/|unistd\.h|uv\.h|fcntl\.h|netinet/|arpa/|linux/|poll\.h|signal\.h|io\.h|windows\.h|winsock)'

# found PATTERN PATH...: print the lines that match; false if there is none.
found() {
	pattern=$1
	shift
	scripts/files.sh "$@" | grep '\.[ch]$' | grep -Ev '_(posix|linux|win)\.[ch]$' | tr '\n' '\0' |
		xargs -0 grep -En "$pattern" /dev/null
}

rc=0
for dir in src/core src/adapter src/protocol src/endpoint tool; do
	[ -d "$dir" ] || continue
	if found "$on_platform" "$dir"; then
		echo "error: $dir asks for a platform"
		rc=1
	fi
	if found "$system_header" "$dir"; then
		echo "error: $dir includes a system header"
		rc=1
	fi
done

for dir in include src/engine src/transport; do
	[ -d "$dir" ] || continue
	found "$on_platform" "$dir" && echo "note: $dir asks for a platform"
done
if found "$system_header" include; then
	echo "note: include includes a system header"
fi
exit $rc
