/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CORE_JOIN_PRIV_H
#define WEIR_CORE_JOIN_PRIV_H
/* join_priv.h -- for adapters that watch joins. */
#include "weir/join.h"

/* As weir_join_progress(), but the caller's next one does not notice: `rate` is the mean. */
void weir__join_look(const struct weir_join *join, struct weir_progress *out);

#endif
