/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_FDS_H
#define WEIR_TEST_FDS_H
/* fds.h -- find leaked descriptors: count before, count after, compare. */

/* How many descriptors, on Windows handles, this process has open; a negated errno if unknown. */
int weir_test_open_fds(void);

#endif
