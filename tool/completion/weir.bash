# SPDX-License-Identifier: MIT
# bash completion for weir(1)

_weir()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev= command=${COMP_WORDS[1]-}
	local options="--rate --burst --high --low --budget --idle-timeout --stall-timeout
		--path --timeout --progress --no-progress --json --many --max-peers --hash --verbose --help"
	local schemes="file: tcp:// tcp-listen:// unix: unix-listen: exec:"

	COMPREPLY=()
	if [[ $COMP_CWORD -eq 1 ]]; then
		mapfile -t COMPREPLY < <(compgen -W "copy relay help --help --version" -- "$cur")
		return
	fi
	if [[ $command == help ]]; then
		[[ $COMP_CWORD -eq 2 ]] &&
			mapfile -t COMPREPLY < <(compgen -W "copy relay" -- "$cur")
		return
	fi
	case $command in
	copy)
		options+=" --append"
		schemes+=" null: zero: random:"
		# Settings or a colon follow, so no blank.
		[[ $COMP_CWORD -gt 2 ]] && schemes+=" block drop detach spill"
		;;
	relay)
		options+=" --linger --threads"
		;;
	*)
		return
		;;
	esac

	# A value that only the user knows; nothing is better than a file's name.
	prev=${COMP_WORDS[COMP_CWORD - 1]}
	case $prev in
	--rate | --burst | --high | --low | --budget | --idle-timeout | --stall-timeout | \
		--timeout | --linger | --max-peers)
		return
		;;
	--threads)
		mapfile -t COMPREPLY < <(compgen -W "auto" -- "$cur")
		return
		;;
	--path)
		mapfile -t COMPREPLY < <(compgen -W "fastest copy kernel" -- "$cur")
		return
		;;
	--hash)
		mapfile -t COMPREPLY < <(compgen -W "sha256 sha512 sha1 sha3-256 blake2b512 md5" -- "$cur")
		return
		;;
	esac
	case $cur in
	-?*)
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
		return
		;;
	esac

	# A colon ends a word for bash: "file:NAME" comes as three, of which the last is
	# completed alone.
	if [[ $cur == : || $prev == : ]]; then
		[[ $cur == : ]] && cur=
		case ${COMP_LINE% *}:${COMP_LINE##* } in
		*:file:* | *:unix:* | *:unix-listen:* | \
			*:block:* | *:drop[,:]* | *:detach[,:]* | *:spill[,:]*)
			compopt -o filenames
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			;;
		esac
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$schemes" -- "$cur")
	if [[ ${#COMPREPLY[@]} -gt 0 ]]; then
		compopt -o nospace
	fi
	if [[ $command == copy ]]; then
		compopt -o filenames
		mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")
	fi
}

complete -F _weir weir
