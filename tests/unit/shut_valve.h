/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_SHUT_VALVE_H
#define WEIR_TEST_SHUT_VALVE_H
/* shut_valve.h -- a valve that hands nothing on. */
#include "weir/impl/valve.h"

static int64_t take_none(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	(void)v, (void)chunks, (void)count;
	return 0;
}

static const struct weir_valve_ops shut_ops = {
	.name = "shut",
	.drain = take_none,
	.end = weir_valve_pass_end,
};

#endif
