#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Build what weir needs on Windows, from Debian's own sources: static libuv and cmocka.  Prints
# the folder that has them, with their pkg-config files.
#
#   scripts/windows-deps.sh
#
# They are kept beyond the tree, under the versions and flags that they were built with; where
# that folder cannot be written, in build-windows-deps.  Nothing needs root.
set -eu
cd "$(dirname "$0")/.."
here=$PWD

cross=x86_64-w64-mingw32
# DWARF 4, which Wine's debugger can read.
flags='-O2 -gdwarf-4 -D_WIN32_WINNT=0x0A00 -D__USE_MINGW_ANSI_STDIO=1'
system_libs='-lpsapi -luser32 -ladvapi32 -liphlpapi -luserenv -lws2_32'

# What Debian has now, as far as the machine's package lists know.
version() {
	apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p'
}

uv=$(version libuv1-dev)
cmocka=$(version libcmocka-dev)
key=$({
	echo "$uv $cmocka $flags $system_libs"
	$cross-gcc -dumpfullversion
	cat scripts/windows-deps.sh
} | sha256sum | cut -c1-16)

name=weir-windows-$key
home=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}
for place in "$home" "$PWD/build-windows-deps"; do
	if [ -f "$place/$name/complete" ]; then
		echo "$place/$name"
		exit 0
	fi
done
# Not in the home of another user, who may have called us through sudo.
place=$PWD/build-windows-deps
if [ -O "${HOME:-/nonexistent}" ] && mkdir -p "$home" 2>/dev/null && [ -w "$home" ]; then
	place=$home
fi
mkdir -p "$place"
work=$(mktemp -d "$place/$name.XXXXXX")
clean_up() {
	rc=$?
	cd "$here"
	if [ $rc != 0 ]; then
		mkdir -p build-windows-deps
		cp "$work/log" build-windows-deps
		grep -E '^E: |error: ' "$work/log" | head -n 5 >&2
		echo "weir: no libraries for Windows; all is in build-windows-deps/log" >&2
	fi
	rm -rf "$work"
	exit $rc
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# ---- sources: from the machine's own Debian mirrors, with lists of our own ----

out=$work/out
apt=$work/apt
mkdir -p "$out/lib/pkgconfig" "$out/include" "$apt/parts" "$apt/lists/partial" \
	"$apt/cache/archives/partial" "$work/src"

# Every Debian mirror that the machine takes packages from has the sources as well.
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
	[ -f "$list" ] && sed -n '/^deb .*:\/\/[^ ]*\/debian/s/^deb /deb-src /p' "$list"
done >"$apt/parts/own.list"
for list in /etc/apt/sources.list.d/*.sources; do
	[ -f "$list" ] || continue
	sed 's/^Types:.*/Types: deb-src/; /^#/d' "$list" |
		awk -v RS= '/\nURIs:[^\n]*:\/\/[^\n ]*\/debian/ { print $0 "\n" }'
done >"$apt/parts/own.sources"
if [ ! -s "$apt/parts/own.list" ] && [ ! -s "$apt/parts/own.sources" ]; then
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	echo "deb-src http://deb.debian.org/debian $codename main" >"$apt/parts/own.list"
fi

# $1: what to do; then its arguments.
apt() {
	apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$apt/parts" \
		-o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" \
		-o Debug::NoLocking=true -o APT::Sandbox::User=root "$@"
}

# Fetch and unpack the source package $1, of the version $2 if that is still there; its
# folder goes to $folder.
fetch() {
	cd "$work/src"
	apt source "$1=$2" >>"$work/log" 2>&1 || apt source "$1" >>"$work/log" 2>&1
	folder=$(find "$work/src" -mindepth 1 -maxdepth 1 -type d -name "$1-*")
	[ -d "$folder" ]
	cd "$OLDPWD"
}

# pkgconfig NAME VERSION LIBS
pkgconfig() {
	cat >"$out/lib/pkgconfig/$1.pc" <<-END
		prefix=\${pcfiledir}/../..
		Name: $1
		Description: $1 for Windows, static
		Version: $2
		Libs: -L\${prefix}/lib $3
		Cflags: -I\${prefix}/include
	END
}

# The tests make our own allocations fail by the linker's --wrap, and not those of libraries: on
# other systems these are shared ones, and out of reach.  Here they call the C library by other
# names.  archive LIBRARY OBJECT...
archive() {
	lib=$1
	shift
	cat >"$work/own.c" <<-END
		#include <stddef.h>
		extern void *(*__imp_malloc)(size_t);
		extern void *(*__imp_calloc)(size_t, size_t);
		extern void *(*__imp_realloc)(void *, size_t);
		void *${lib}_own_malloc(size_t n) { return __imp_malloc(n); }
		void *${lib}_own_calloc(size_t n, size_t m) { return __imp_calloc(n, m); }
		void *${lib}_own_realloc(void *p, size_t n) { return __imp_realloc(p, n); }
	END
	# shellcheck disable=SC2086 # a list of words
	$cross-gcc $flags -c -o "$work/own.o" "$work/own.c"
	for object; do
		$cross-objcopy --redefine-sym "malloc=${lib}_own_malloc" \
			--redefine-sym "calloc=${lib}_own_calloc" \
			--redefine-sym "realloc=${lib}_own_realloc" "$object"
	done
	$cross-gcc-ar rcs "$out/lib/lib$lib.a" "$work/own.o" "$@"
}

build_uv() {
	fetch libuv1 "$uv"
	for f in "$folder"/src/*.c "$folder"/src/win/*.c; do
		echo "$f"
	done >"$work/files"
	mkdir "$work/uv"
	# shellcheck disable=SC2086 # a list of words
	(cd "$work/uv" && xargs -n 4 -P "$(nproc)" $cross-gcc $flags -c -DWIN32_LEAN_AND_MEAN \
		-I"$folder/include" -I"$folder/src" <"$work/files") >>"$work/log" 2>&1
	archive uv "$work"/uv/*.o
	cp -R "$folder/include/." "$out/include"
	pkgconfig libuv "${folder##*-}" "-luv $system_libs"
}

# The definitions are what its own build finds out about mingw-w64.
build_cmocka() {
	fetch cmocka "$cmocka"
	# shellcheck disable=SC2086 # a list of words
	$cross-gcc $flags -c -o "$work/cmocka.o" -I"$folder/include" -DHAVE_MALLOC_H \
		-DHAVE_INTTYPES_H -DHAVE_SIGNAL_H -DHAVE_GCC_THREAD_LOCAL_STORAGE \
		-DHAVE_STRUCT_TIMESPEC -DHAVE_SNPRINTF -DHAVE_VSNPRINTF \
		"$folder/src/cmocka.c" >>"$work/log" 2>&1
	archive cmocka "$work/cmocka.o"
	# Formats are standard C's, as __USE_MINGW_ANSI_STDIO has them.
	sed 's/__printf__/__gnu_printf__/' "$folder/include/cmocka.h" >"$out/include/cmocka.h"
	pkgconfig cmocka "${folder##*-}" -lcmocka
}

echo "weir: building libuv and cmocka for Windows" >&2
apt update >>"$work/log" 2>&1
build_uv
build_cmocka
cp "$work/log" "$out/log"
touch "$out/complete"
chmod -R a+rX "$out"
# Another one may have been faster.
mv -T "$out" "$place/$name" 2>/dev/null || [ -f "$place/$name/complete" ]
echo "$place/$name"
