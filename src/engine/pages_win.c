/* SPDX-License-Identifier: MIT */
#include "engine/pages.h"

#include <malloc.h>

void *weir__pages_alloc(size_t size)
{
	return _aligned_malloc(size, WEIR__PAGE);
}

void weir__pages_free(void *pages)
{
	_aligned_free(pages);
}
