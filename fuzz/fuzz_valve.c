/* SPDX-License-Identifier: MIT */
/* The valve, held against its model, with the input as the sequence of calls. */
#include "bytes.h"
#include "valve_rig.h"

static size_t between(void *arg, size_t a, size_t z)
{
	return bytes_between(arg, a, z);
}

static struct script draw_script(struct bytes *b)
{
	uint8_t flags = bytes_next(b);
	struct script s = {
		.fuel = flags & 3,
		.holds_end = flags & 4,
		.starts_full = flags & 8,
		.coarse = true,
	};

	for (enum event e = EVENT_PAUSE; e < EVENTS; e++) {
		enum call call = (enum call)bytes_between(b, CALL_NOTHING, CALL_DONE_BADLY);

		if (e != EVENT_DRAIN)
			s.on[e] = call;
	}
	return s;
}

static _Noreturn void differ(struct rig *rig, const struct script *script,
			     const unsigned char *path, unsigned length)
{
	for (unsigned i = 0; i < length; i++)
		fprintf(stderr, "  %s\n", call_name((enum call)path[i]));
	rig_print_script(script);
	fprintf(stderr, "the valve differs from the model after %u calls\n%s\n", length, rig->fault);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world world;
	static struct rig rig;
	static unsigned char path[1024];
	struct bytes b = {data, size};
	struct scale scale = draw_scale(between, &b);
	struct script script = draw_script(&b);
	unsigned length = 0;
	bool ok = true;

	world_open(&world, (size_t)1 << 26);
	rig_open(&rig, &world, &scale, &script);
	while (ok && b.left && length < sizeof(path)) {
		draw_sizes(&scale, between, &b);
		path[length] = (unsigned char)bytes_between(&b, CALL_WRITE_0, CALLS_COUNT - 1);
		ok = rig_step(&rig, (enum call)path[length++]);
	}
	if (!rig_close(&rig) || !ok)
		differ(&rig, &script, path, length);
	world_close(&world);
	return 0;
}
