/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOL_USAGE_H
#define WEIR_TOOL_USAGE_H
/* usage.h -- the texts of --help. */

extern const char usage_general[];
extern const char usage_copy[];
extern const char usage_relay[];

#endif
