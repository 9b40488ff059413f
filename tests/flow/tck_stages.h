/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_TCK_STAGES_H
#define WEIR_TESTS_TCK_STAGES_H
/*
 * tck_stages.h -- the adapters as stages of a chain (tck_chain.h).
 */
#include "tck_chain.h"

#include "weir/hash.h"
#include "weir/proxy.h"
#include "weir/tap.h"
#include "weir/tee.h"
#include "weir/throttle.h"

/* ---- throttles ---- */

static inline void throttle_stage(struct stage *s, struct weir_tck *kit, struct weir_rate rate,
                                  struct weir_throttle_group *group)
{
	struct weir_throttle *t;

	assert_int_equal(weir_throttle_create(weir_tck_context(kit), rate, group, &t), 0);
	s->self = t;
	s->sink = weir_throttle_sink(t);
	s->source = weir_throttle_source(t);
}

static inline void open_throttle_make(struct stage *s, struct weir_tck *kit,
                                      struct weir_consumer *behind)
{
	(void)behind;
	throttle_stage(s, kit, (struct weir_rate){0}, NULL);
}

#define THROTTLE_RATE ((struct weir_rate){.bytes_per_s = 1000000, .burst = 5000})

static inline void slow_throttle_make(struct stage *s, struct weir_tck *kit,
                                      struct weir_consumer *behind)
{
	(void)behind;
	throttle_stage(s, kit, THROTTLE_RATE, NULL);
}

static inline void member_make(struct stage *s, struct weir_tck *kit, struct weir_consumer *behind)
{
	struct weir_throttle_group *group;

	(void)behind;
	assert_int_equal(
		weir_throttle_group_create(weir_tck_context(kit), THROTTLE_RATE, 0, &group), 0);
	throttle_stage(s, kit, (struct weir_rate){0}, group);
	s->more = group;
}

static inline void throttle_stage_destroy(struct stage *s)
{
	weir_throttle_destroy(s->self);
	weir_throttle_group_destroy(s->more);
}

static const struct stage_kind open_throttle_kind = {
	.name = "throttle without a rate",
	.make = open_throttle_make,
	.destroy = throttle_stage_destroy,
};

static const struct stage_kind throttle_kind = {
	.name = "throttle",
	.make = slow_throttle_make,
	.destroy = throttle_stage_destroy,
};

static const struct stage_kind member_kind = {
	.name = "throttle in a group",
	.make = member_make,
	.destroy = throttle_stage_destroy,
};

/* ---- proxies ---- */

static inline void proxy_stage(struct stage *s, struct weir_tck *kit,
                               const struct weir_proxy_options *options)
{
	struct weir_proxy *p;

	assert_int_equal(weir_proxy_create(weir_tck_context(kit), options, &p), 0);
	s->self = p;
	s->sink = weir_proxy_sink(p);
	s->source = weir_proxy_source(p);
}

static inline void proxy_stage_destroy(struct stage *s)
{
	weir_proxy_destroy(s->self);
}

#define PROXY_KIND(kind, text, ...)                                                                \
	static inline void kind##_make(struct stage *s, struct weir_tck *kit,                      \
	                               struct weir_consumer *behind)                               \
	{                                                                                          \
		(void)behind;                                                                      \
		proxy_stage(s, kit, &(struct weir_proxy_options){__VA_ARGS__});                    \
	}                                                                                          \
	static const struct stage_kind kind##_kind = {                                             \
		.name = text,                                                                      \
		.make = kind##_make,                                                               \
		.destroy = proxy_stage_destroy,                                                    \
	}

PROXY_KIND(plain_proxy, "proxy", .buffering = false);
PROXY_KIND(buffering_proxy, "buffering proxy", .buffering = true);
PROXY_KIND(small_proxy, "small proxy", .buffering = true, .high = 3000, .low = 100, .limit = 70000);
PROXY_KIND(twisted_plain_proxy, "proxy, Twisted", .twisted = true);
PROXY_KIND(twisted_buffering_proxy, "buffering proxy, Twisted", .twisted = true, .buffering = true);

/* ---- taps ---- */

static inline void look_away(void *arg, const void *data, size_t len)
{
	(void)arg;
	(void)data;
	(void)len;
}

static inline void tap_make(struct stage *s, struct weir_tck *kit, struct weir_consumer *behind)
{
	struct weir_tap *tap;

	(void)kit;
	assert_int_equal(weir_tap_create(behind, look_away, NULL, &tap), 0);
	s->self = tap;
	s->sink = weir_tap_sink(tap);
}

static inline void hash_bytes(void *arg, const void *data, size_t len)
{
	assert_int_equal(weir_hash_add(arg, data, len), 0);
}

static inline void hash_tap_make(struct stage *s, struct weir_tck *kit,
                                 struct weir_consumer *behind)
{
	struct weir_tap *tap;
	struct weir_hash *hash;

	(void)kit;
	assert_int_equal(weir_hash_create("md5", &hash), 0);
	assert_int_equal(weir_tap_create(behind, hash_bytes, hash, &tap), 0);
	s->self = tap;
	s->more = hash;
	s->sink = weir_tap_sink(tap);
}

static inline void tap_stage_destroy(struct stage *s)
{
	weir_tap_destroy(s->self);
	weir_hash_destroy(s->more);
}

static const struct stage_kind tap_kind = {
	.name = "tap",
	.wraps = true,
	.make = tap_make,
	.destroy = tap_stage_destroy,
};

static const struct stage_kind hash_tap_kind = {
	.name = "hash tap",
	.wraps = true,
	.make = hash_tap_make,
	.destroy = tap_stage_destroy,
};

#endif
