/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CORE_ERR_PRIV_H
#define WEIR_CORE_ERR_PRIV_H
/* err_priv.h -- what the system calls its errors. */

/* A phrase for an errno, which is positive.  As weir_err_text(). */
const char *weir__err_system_text(int error);

#endif
