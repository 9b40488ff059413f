/* SPDX-License-Identifier: MIT */
#include "engine/wide_win.h"

#include <errno.h>
#include <stdlib.h>

#include <windows.h>

wchar_t *weir__wide(const char *text, int *rc)
{
	int len = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
	wchar_t *wide;

	*rc = -EILSEQ;
	if (len <= 0)
		return NULL;
	*rc = -ENOMEM;
	wide = malloc((size_t)len * sizeof(*wide));
	if (!wide)
		return NULL;
	MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide, len);
	*rc = 0;
	return wide;
}
