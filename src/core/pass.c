/* SPDX-License-Identifier: MIT */
/* Handing chunks on.  Each step may pause, stop or unregister the producer. */
#include "core/pass.h"

static int give(struct weir_consumer *c, struct weir_chunk slice)
{
	int rc;

	if (!slice.owner)
		return weir_consumer_write(c, slice.data, slice.len);
	weir_block_ref(slice.owner);
	rc = weir_consumer_give(c, &slice);
	if (rc < 0)
		weir_chunk_unref(&slice);
	return rc;
}

/* What the consumer takes now: 0 when there is none, or it has paused us. */
static size_t room_behind(struct weir_producer *p, const bool *paused)
{
	size_t room;

	if (!p->consumer || *paused)
		return 0;
	room = weir_consumer_room(p->consumer);
	return p->consumer && !*paused ? room : 0;
}

size_t weir__pass(struct weir_producer *p, const bool *paused, const struct weir_chunk *chunks,
		  size_t count, uint64_t max, int *rc)
{
	size_t passed = 0;

	*rc = 0;
	for (size_t i = 0; i < count; i++) {
		struct weir_chunk rest = chunks[i];

		while (rest.len > 0 && passed < max) {
			struct weir_chunk slice = rest;
			size_t room = room_behind(p, paused);

			if (room == 0)
				return passed;
			if (slice.len > room)
				slice.len = room;
			if (slice.len > max - passed)
				slice.len = (size_t)(max - passed);
			*rc = give(p->consumer, slice);
			if (*rc == WEIR_EFULL && *paused)
				*rc = 0; /* not for good: it will resume us */
			else if (*rc == 0)
				passed += slice.len;
			if (*rc < 0 || *paused)
				return passed;
			rest.data += slice.len;
			rest.len -= slice.len;
		}
	}
	return passed;
}
