/* SPDX-License-Identifier: MIT */
/* The shared half of every store. */
#include "weir/impl/spill.h"


void weir_spill_destroy(struct weir_spill *s)
{
	if (s)
		s->ops->destroy(s);
}
