/* SPDX-License-Identifier: MIT */
/* Windows has no way to move bytes that is faster than to copy them: nothing is offered here, so
 * there is nothing to answer. */
#include "engine/path.h"

void weir__path_fini(struct weir_loop *loop)
{
	(void)loop;
}
