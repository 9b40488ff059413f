#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Configure a build folder if that is needed: when there is none, when files
# were added or removed, or when other options are asked for.
#
#   scripts/setup.sh [-k] DIR [MESON OPTION...]     -k: keep the options it has
cd "$(dirname "$0")/.." || exit 2
keep=
if [ "$1" = -k ]; then
	keep=1
	shift
fi
dir=$1
shift

meson=/usr/bin/meson
[ -x "$meson" ] || meson=meson

files=$(scripts/sources.sh --all | cksum)
stamp=$dir/.weir-files
args=$dir/.weir-args

if [ -f "$dir/build.ninja" ]; then
	[ -n "$keep" ] || [ "$(cat "$args" 2>/dev/null)" = "$*" ] || rm -f "$stamp"
	[ "$(cat "$stamp" 2>/dev/null)" = "$files" ] && exit 0
	if [ -n "$keep" ]; then
		"$meson" setup --reconfigure "$dir" || exit 1
	else
		"$meson" setup --reconfigure "$dir" "$@" || exit 1
		echo "$*" >"$args"
	fi
else
	"$meson" setup "$dir" "$@" || exit 1
	echo "$*" >"$args"
fi
echo "$files" >"$stamp"
