/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ENGINE_ERROR_WIN_H
#define WEIR_ENGINE_ERROR_WIN_H
/* error_win.h -- the system's errors as ours. */
#include "engine/error.h"

/* What GetLastError() or WSAGetLastError() gave, as a negated errno. */
int weir__error_system(unsigned long error);

#endif
