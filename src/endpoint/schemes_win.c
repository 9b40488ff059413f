/* SPDX-License-Identifier: MIT */
#include "endpoint_priv.h"

const char weir__schemes_expected[] = "one of the schemes null:, zero: and random:";

const struct weir__scheme *const weir__schemes[] = {
	&weir__scheme_null,
	&weir__scheme_zero,
	&weir__scheme_random,
	NULL,
};
