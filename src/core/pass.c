/* SPDX-License-Identifier: MIT */
/* Handing chunks on.  Each step may pause, stop or unregister the producer. */
#include "core/pass.h"

/* By reference, if the bytes have an owner. */
static int give(struct weir_consumer *c, struct weir_block *owner, const unsigned char *data,
		size_t len)
{
	struct weir_chunk slice = {data, len, owner};
	int rc;

	if (!owner)
		return weir_consumer_write(c, data, len);
	weir_block_ref(owner);
	rc = weir_consumer_give(c, &slice);
	if (rc < 0)
		weir_block_unref(owner);
	return rc;
}

size_t weir__pass_room(struct weir_producer *p, const bool *paused)
{
	size_t room;

	if (!p->consumer || *paused)
		return 0;
	room = weir_consumer_room(p->consumer);
	if (!p->consumer || *paused)
		return 0;
	/* One that pulls cannot say "wait" but by refusing, and then asks again. */
	return room == 0 && p->mode == WEIR_PULL ? 1 : room;
}

size_t weir__pass(struct weir_producer *p, bool *paused, const struct weir_chunk *chunks,
		  size_t count, uint64_t max, int *rc)
{
	size_t passed = 0;

	*rc = 0;
	for (size_t i = 0; i < count; i++) {
		const struct weir_chunk *chunk = &chunks[i];

		for (size_t done = 0, len; done < chunk->len && passed < max; done += len) {
			size_t room = weir__pass_room(p, paused);

			if (room == 0)
				return passed;
			len = chunk->len - done;
			if (len > room)
				len = room;
			if (len > max - passed)
				len = (size_t)(max - passed);
			if (p->mode == WEIR_PULL)
				*paused = true;
			*rc = give(p->consumer, chunk->owner, chunk->data + done, len);
			if (*rc == WEIR_EFULL && *paused)
				*rc = 0; /* not for good: it resumes us */
			else if (*rc == 0)
				passed += len;
			if (*rc < 0 || *paused)
				return passed;
		}
	}
	return passed;
}
