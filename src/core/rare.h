/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CORE_RARE_H
#define WEIR_CORE_RARE_H
/* rare.h -- a function that is seldom called: kept out of the short way of its caller. */
#if defined(__GNUC__)
#define WEIR__RARE __attribute__((noinline))
#else
#define WEIR__RARE
#endif

#endif
