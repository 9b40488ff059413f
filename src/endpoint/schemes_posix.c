/* SPDX-License-Identifier: MIT */
#include "endpoint_priv.h"

const char weir__schemes_expected[] = "a path, or one of the schemes file:, tcp://, tcp-listen://, "
				      "unix:, unix-listen:, exec:, null:, zero: and random:";

const struct weir__scheme *const weir__schemes[] = {
	&weir__scheme_stdio,       &weir__scheme_file,   &weir__scheme_tcp,
	&weir__scheme_tcp_listen,  &weir__scheme_unix,   &weir__scheme_unix_listen,
	&weir__scheme_exec,        &weir__scheme_null,   &weir__scheme_zero,
	&weir__scheme_random,      NULL,
};
