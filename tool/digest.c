/* SPDX-License-Identifier: MIT */
/* Digests of one stream, fed by one tap. */
#include "digest.h"

#include <errno.h>
#include <stdlib.h>

static void see(void *arg, const void *data, size_t len)
{
	struct digests *d = arg;

	/* A failure is kept by the digest, and told when its text is asked for. */
	for (size_t i = 0; i < d->o->hashes; i++)
		weir_hash_add(d->each[i].hash, data, len);
}

int digests_create(struct digests **out, const struct options *o, struct weir_consumer **front)
{
	struct digests *d;
	int rc = 0;

	if (o->hashes == 0)
		return 0;
	d = calloc(1, sizeof(*d) + o->hashes * sizeof(d->each[0]));
	if (!d)
		return -ENOMEM;
	*out = d;
	d->o = o;
	for (size_t i = 0; i < o->hashes && rc == 0; i++)
		rc = weir_hash_create(o->hash[i], &d->each[i].hash);
	if (rc == 0)
		rc = weir_tap_create(*front, see, d, &d->tap);
	if (rc == 0)
		*front = weir_tap_sink(d->tap);
	return rc;
}

int digests_finish(struct digests *d, size_t *which)
{
	for (size_t i = 0; d->tap && i < d->o->hashes; i++) {
		int rc = weir_hash_text(d->each[i].hash, d->each[i].text);

		if (rc < 0) {
			*which = i;
			return rc;
		}
	}
	return 0;
}

void digests_destroy(struct digests *d)
{
	if (!d)
		return;
	weir_tap_destroy(d->tap);
	for (size_t i = 0; i < d->o->hashes; i++)
		weir_hash_destroy(d->each[i].hash);
	free(d);
}
