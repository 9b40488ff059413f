/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ENGINE_WIDE_WIN_H
#define WEIR_ENGINE_WIDE_WIN_H
/* wide_win.h -- names are UTF-8 with us, and UTF-16 with the system. */
#include <wchar.h>

/* Give the name as the system wants it, for the caller to free.  NULL: *rc is -ENOMEM, or
 * -EILSEQ for what is not UTF-8. */
wchar_t *weir__wide(const char *text, int *rc);

#endif
