/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_TCK_PAIR_H
#define WEIR_TESTS_TCK_PAIR_H
/* tck_pair.h -- two transports that are joined, as a connection for the contract kit. */
#include "tck_subjects.h"

#include "weir/transport.h"

/* `sides` has two of them, and comes from malloc(). */
static inline void describe_pair(struct weir_transport **sides, struct weir_tck_made *out)
{
	out->flow = (struct weir_tck_flow){weir_transport_sink(sides[0]),
	                                   weir_transport_source(sides[1])};
	out->back = (struct weir_tck_flow){weir_transport_sink(sides[1]),
	                                   weir_transport_source(sides[0])};
	out->self = sides;
}

static inline void pair_destroy(void *self)
{
	struct weir_transport **sides = self;

	weir_transport_close(sides[0]);
	weir_transport_close(sides[1]);
	free(sides);
}

#endif
