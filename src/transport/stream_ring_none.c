/* SPDX-License-Identifier: MIT */
/* Without a ring. */
#include "transport/stream_priv.h"

const struct weir__stream_io *const weir__stream_ring = NULL;
