/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IMPL_TRANSPORT_H
#define WEIR_IMPL_TRANSPORT_H
/* impl/transport.h -- for those who write a transport or an opening. */
#include "weir/impl/valve.h"
#include "weir/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_NAME_MAX 128

/* What a kind of transport does.  Every member but `length` is mandatory. */
struct weir_transport_ops {
	const char *name;

	/*
	 * Close now.  The dispatcher has failed the sink and ended the source; let go
	 * of descriptors and handles, and of the memory in a later turn.
	 */
	void (*close)(struct weir_transport *t);

	/* Write a name for messages, cut to `size`; asked for when nobody has set one.
	 * weir_transport_describe_kind() writes the ops' own. */
	void (*describe)(const struct weir_transport *t, char *text, size_t size);

	/* As weir_transport_length(); NULL for those whose length is never known. */
	int64_t (*length)(const struct weir_transport *t);
};

/* Embed this as the first member, named `base`. */
struct weir_transport {
	const struct weir_transport_ops *ops;
	struct weir_consumer *sink;   /* or NULL */
	struct weir_producer *source; /* or NULL */
	char *text;                   /* the name; heap, released by the dispatcher; or NULL */
	bool has_valve : 1;           /* the sink is the base of a valve, which has marks */
	bool half_closes : 1;
};

/* The valve that its sink is, or NULL. */
static inline struct weir_valve *weir_transport_valve(const struct weir_transport *t)
{
	return t->has_valve ? (struct weir_valve *)t->sink : NULL;
}

/* Prepare storage: nothing in, nothing out. */
WEIR_API void weir_transport_init(struct weir_transport *t, const struct weir_transport_ops *ops);

/* For tables: a `describe` for those that set their name, or have no better one. */
WEIR_API void weir_transport_describe_kind(const struct weir_transport *t, char *text,
					   size_t size);

/* Set the name, printf-like; a name that cannot be allocated falls back to ops->name. */
WEIR_API void weir_transport_set_name(struct weir_transport *t, const char *format, ...)
	WEIR_PRINTF(2, 3);

/* An opening under way.  Embed this as the first member, named `base`. */
struct weir_opening {
	void (*cancel)(struct weir_opening *opening);
};

#ifdef __cplusplus
}
#endif
#endif
