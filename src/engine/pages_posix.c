/* SPDX-License-Identifier: MIT */
#include "engine/pages.h"

#include <stdlib.h>

void *weir__pages_alloc(size_t size)
{
	return aligned_alloc(WEIR__PAGE, size);
}

void weir__pages_free(void *pages)
{
	free(pages);
}
