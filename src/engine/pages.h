/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ENGINE_PAGES_H
#define WEIR_ENGINE_PAGES_H
/* pages.h -- large buffers: the kernel copies faster to and from where a page begins. */
#include <stddef.h>

#define WEIR__PAGE ((size_t)4096)

/* `size` bytes, a multiple of WEIR__PAGE; or NULL. */
void *weir__pages_alloc(size_t size);

/* NULL is allowed. */
void weir__pages_free(void *pages);

#endif
