#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Show what weir does, in about twenty seconds: a file goes through a rate-limited relay
# to the disk, and each of the three processes says what held it back.
#
#   scripts/demo.sh [WEIR]     the command to show; build/weir by default
weir=${1:-build/weir}
rate=20M
size=200000000

if ! "$weir" --version >/dev/null; then
	echo "demo: cannot run $weir" >&2
	exit 1
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/weir-demo-XXXXXX") || exit 1
receiver='' relay='' sender=''

clean() {
	trap - EXIT INT TERM HUP
	for pid in $sender $relay $receiver; do
		kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	done
	rm -rf "$dir"
}
trap clean EXIT
trap 'clean; exit 130' INT
trap 'clean; exit 143' TERM HUP

say() { printf '\n== %s\n' "$*"; }

fail() {
	echo "demo: $*" >&2
	cat "$dir"/*.log >&2
	exit 1
}

# The port that the system chose for the process whose messages are in $1.
port_of() {
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		port=$(sed -n 's/^weir: listening on .*:\([0-9]*\)$/\1/p' "$1")
		[ -n "$port" ] && echo "$port" && return
		sleep 0.25
	done
	return 1
}

# The mean rate of the direction of the relay $1 that is named first, in MB/s.
mean() {
	sed -n 's/.*"to_right":{[^{]*"elapsed_s":[^,]*,"rate":\([^,]*\),.*/\1/p;q' "$1" |
		awk '{ printf "%.1f", $1 / 1e6 }'
}

# What held the source back, of the direction of $1 that is named first.
held() {
	sed -n 's/^[^{]*{[^{]*{*[^{]*"held_s":{"full":\([0-9.]*\),"budget":\([0-9.]*\),"rate":\([0-9.]*\).*/\1 \2 \3/p;q' \
		"$1" | {
		read -r full budget rate
		printf 'sink full %6.2f s   rate limit %6.2f s   budget %6.2f s\n' \
			"$full" "$rate" "$budget"
	}
}

memory() { sed -n 's/^weir: peak memory //p' "$1"; }

digest() {
	if command -v sha256sum >/dev/null; then
		sha256sum <"$1"
	else
		shasum -a 256 <"$1"
	fi | cut -d ' ' -f 1
}

say "A file to send: up to 200 MB of this system's own files"
tar -cf - -C / usr/lib usr/share 2>/dev/null | head -c "$size" >"$dir/in"
ls -l "$dir/in" | awk '{ print $5, "bytes" }'

say "weir copy tcp-listen://127.0.0.1:0 file:out"
"$weir" copy -v --json tcp-listen://127.0.0.1:0 "file:$dir/out" \
	>"$dir/receiver.json" 2>"$dir/receiver.log" &
receiver=$!
to=$(port_of "$dir/receiver.log") || fail "the receiver does not listen"
echo "listening on port $to"

say "weir relay --many --rate $rate tcp-listen://127.0.0.1:0 tcp://127.0.0.1:$to"
"$weir" relay -v --json --many --rate "$rate" tcp-listen://127.0.0.1:0 "tcp://127.0.0.1:$to" \
	>"$dir/relay.json" 2>"$dir/relay.log" &
relay=$!
via=$(port_of "$dir/relay.log") || fail "the relay does not listen"
echo "listening on port $via"

say "weir copy --progress file:in tcp://127.0.0.1:$via"
"$weir" copy --progress --json "file:$dir/in" "tcp://127.0.0.1:$via" >"$dir/sender.json" &
sender=$!

# The sender prints nothing but its progress, so its memory is looked up from outside.
peak=
while kill -0 "$sender" 2>/dev/null; do
	now=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$sender/status" 2>/dev/null)
	peak=${now:-$peak}
	sleep 0.2
done
wait "$sender" || fail "the sender failed"
sender=
wait "$receiver" || fail "the receiver failed"
receiver=
# The receiver has ended, so the relay has nobody left to serve but us.
kill "$relay"
wait "$relay"
relay=

say "What held each source back"
echo "sender    $(held "$dir/sender.json")"
echo "relay     $(held "$dir/relay.json")"
echo "receiver  $(held "$dir/receiver.json")"
echo "the relay passed $(mean "$dir/relay.json") MB/s: $rate and, once, a burst of a tenth of it"

say "Peak memory"
[ -n "$peak" ] && echo "sender    $((peak * 1024 / 100000 / 10)).$((peak * 1024 / 100000 % 10)) MB"
echo "relay     $(memory "$dir/relay.log")"
echo "receiver  $(memory "$dir/receiver.log")"

say "SHA-256"
sent=$(digest "$dir/in")
got=$(digest "$dir/out")
echo "sent      $sent"
echo "received  $got"
[ "$sent" = "$got" ] || fail "the bytes differ"
echo "the same"
