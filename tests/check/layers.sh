#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Does every #include go downward?  The rules are in scripts/layers.
cd "$(dirname "$0")/../.." || exit 2

# One line an include: file:line:header, and one a source file: file.
files=$(scripts/files.sh include src kit tool bindings examples | grep '\.[ch]$')
[ -n "$files" ] || exit 77
{
	echo "$files"
	echo "$files" | tr '\n' '\0' |
		xargs -0 grep -En '^[[:space:]]*#[[:space:]]*include[[:space:]]*("|<weir/)' /dev/null |
		sed -E 's/^([^:]*:[0-9]+):[^"<]*["<]([^">]*)[">].*/\1:\2/'
} | awk -F: '
	FILENAME == "scripts/layers" {
		split($0, w, " ")
		if ($0 ~ /^#/ || w[1] == "")
			next
		if (w[1] == "@header")
			assigned[w[2]] = w[3]
		else if (w[1] ~ /^@/)
			outside[w[2]] = w[1]
		else {
			order[++layers] = w[1]
			n = split($0, may, " ")
			for (i = 1; i <= n; i++)
				allowed[w[1], may[i]] = 1
		}
		next
	}
	NF == 1 {
		is_file[$0] = 1
		if (split($0, p, "/") >= 3 && p[1] == "src") {
			name = p[3]
			sub(/(_win|_posix|_linux)?\.c$/, "", name)
			holds[p[2], name] = 1
		}
		if ($0 ~ /^include\/weir\//)
			headers[substr($0, 9)] = 1
		next
	}
	{ from[++includes] = $1; line[includes] = $2; what[includes] = $3 }

	function layer_of_header(h,    name, i) {
		if (h in assigned)
			return assigned[h]
		name = h
		sub(/.*\//, "", name)
		sub(/\.h$/, "", name)
		for (i = 1; i <= layers; i++)
			if ((order[i], name) in holds)
				return order[i]
		return ""
	}
	function bad(i, text) {
		printf "%s:%s: %s\n", from[i], line[i], text
		rc = 1
	}
	function folder(f) { sub(/[^\/]*$/, "", f); return f }

	function check_outside(i, top,    h) {
		h = what[i]
		if (h ~ /^weir\/impl\// && outside[top] == "@public")
			bad(i, top " may not include the implementers\047 " h)
		else if (h ~ /^weir\//) {
			if (!(h in headers))
				bad(i, "there is no public header " h)
		} else if (!((folder(from[i]) h) in is_file) && !((top "/" h) in is_file))
			bad(i, top " may include public headers and its own only, not " h)
	}
	function check_layer(i, layer,    h, used, p) {
		h = what[i]
		if (h ~ /^weir\//) {
			used = layer_of_header(h)
			if (used == "") {
				bad(i, h " belongs to no layer; say which in scripts/layers")
				return
			}
		} else if (h ~ /\//) {
			split(h, p, "/")
			used = p[1]
		} else if ((folder(from[i]) h) in is_file)
			used = layer
		else {
			bad(i, "no such header in its folder: " h)
			return
		}
		if (!((layer, used) in allowed))
			bad(i, layer " may not include " h " (" used ")")
	}
	END {
		for (h in headers)
			if (layer_of_header(h) == "") {
				print "include/" h ": belongs to no layer; say which in scripts/layers"
				rc = 1
			}
		for (i = 1; i <= includes; i++) {
			split(from[i], p, "/")
			if (p[1] in outside)
				check_outside(i, p[1])
			else if (p[1] == "include") {
				layer = layer_of_header(substr(from[i], 9))
				if (layer != "")
					check_layer(i, layer)
			} else if (p[1] == "src") {
				if ((p[2], p[2]) in allowed)
					check_layer(i, p[2])
				else
					bad(i, "src/" p[2] " is no layer; see scripts/layers")
			}
		}
		exit rc
	}
' scripts/layers -
