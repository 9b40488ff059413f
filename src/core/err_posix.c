/* SPDX-License-Identifier: MIT */
#include "core/err_priv.h"

#include <string.h>

const char *weir__err_system_text(int error)
{
	return strerror(error);
}
