/* SPDX-License-Identifier: MIT */
#include "engine/error.h"

int weir__error(int uv)
{
	return uv;
}
