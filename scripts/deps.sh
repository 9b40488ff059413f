#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Install the Debian packages that a task needs, if any is missing.
#
#   scripts/deps.sh build|test|bench|windows
#
# WEIR_SKIP_DEPS=1 skips it, for systems without apt.
build='gcc libc6-dev libssl-dev liburing-dev libuv1-dev make meson ninja-build pkg-config'
test='bash-completion clang g++ gzip jq libcmocka-dev libdw-dev mandoc netcat-openbsd procps python3
	python3-twisted socat strace universal-ctags valgrind'
bench='haproxy iperf3 libnginx-mod-stream linux-perf netcat-openbsd nginx-light pv python3
	python3-twisted socat time valgrind wrk'
# What is built for Windows needs nothing of this system's but tools; see windows-deps.sh.
windows='dpkg-dev gcc-mingw-w64-x86-64-win32 iproute2 make meson ninja-build pkg-config python3 wine'

case ${1-} in
build) want=$build ;;
test) want="$build $test" ;;
bench) want="$build $bench" ;;
windows) want=$windows ;;
*)
	echo "usage: $0 build|test|bench|windows" >&2
	exit 2
	;;
esac
[ -z "${WEIR_SKIP_DEPS-}" ] || exit 0

# shellcheck disable=SC2086 # a list of words
have=" $(dpkg-query -W -f '${db:Status-Abbrev}${binary:Package} ' $want 2>/dev/null |
	sed 's/  */ /g; s/:[a-z0-9]*//g') "
missing=
for p in $want; do
	case $have in
	*" ii $p "* | "ii $p "* | *" hi $p "*) ;;
	*) missing="$missing $p" ;;
	esac
done
[ -n "$missing" ] || exit 0

give_up() {
	echo "weir: missing packages:$missing -- install them with:" \
		"apt-get install$missing ($1)" >&2
	exit 1
}

command -v apt-get >/dev/null || give_up 'there is no apt-get here; WEIR_SKIP_DEPS=1 goes on without'
if [ "$(id -u)" = 0 ]; then
	as_root=
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
	as_root=sudo
else
	give_up 'needs root'
fi

# Packages with a daemon must not start it: while we install, policy-rc.d says
# no, unless the machine has a policy of its own.
policy=/usr/sbin/policy-rc.d
log=$(mktemp) || exit 1
ours=
clean_up() {
	rm -f "$log"
	[ -z "$ours" ] || $as_root rm -f "$policy"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
if [ ! -e "$policy" ] &&
	printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null 2>&1; then
	ours=1
	$as_root chmod 755 "$policy"
fi

install() {
	# shellcheck disable=SC2086
	$as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get \
		-o DPkg::Lock::Timeout=120 install -y --no-install-recommends $missing \
		</dev/null >"$log" 2>&1
}

echo "weir: installing$missing" >&2
if ! install; then
	# The package lists may be absent or old.
	$as_root apt-get -o DPkg::Lock::Timeout=120 update </dev/null >"$log" 2>&1
	if ! install; then
		grep '^E:' "$log" | head -n 3 >&2
		give_up 'apt-get failed'
	fi
fi

# A machine with a policy of its own may have started what we just installed.
for p in haproxy nginx; do
	case "$missing " in
	*" $p "* | *" $p-light "*)
		if [ -d /run/systemd/system ]; then
			$as_root systemctl disable --now "$p" >/dev/null 2>&1
		elif [ -x "/etc/init.d/$p" ]; then
			$as_root "/etc/init.d/$p" stop >/dev/null 2>&1
		fi
		;;
	esac
done
exit 0
