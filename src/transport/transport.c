/* SPDX-License-Identifier: MIT */
/* The shared half of every transport: dispatch, the name, the order of closing. */
#include "weir/impl/transport.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void weir_transport_init(struct weir_transport *t, const struct weir_transport_ops *ops)
{
	assert(ops->name && ops->close && ops->describe);
	*t = (struct weir_transport){.ops = ops};
}

void weir_transport_set_name(struct weir_transport *t, const char *format, ...)
{
	char text[WEIR_NAME_MAX];
	va_list args;
	size_t size;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	free(t->text);
	size = strlen(text) + 1;
	t->text = malloc(size);
	if (t->text)
		memcpy(t->text, text, size);
}

struct weir_consumer *weir_transport_sink(struct weir_transport *t)
{
	return t->sink;
}

struct weir_producer *weir_transport_source(struct weir_transport *t)
{
	return t->source;
}

void weir_transport_describe_kind(const struct weir_transport *t, char *text, size_t size)
{
	snprintf(text, size, "%s", t->ops->name);
}

const char *weir_transport_name(struct weir_transport *t)
{
	char text[WEIR_NAME_MAX];

	if (!t->text) {
		t->ops->describe(t, text, sizeof(text));
		weir_transport_set_name(t, "%s", text);
	}
	return t->text ? t->text : t->ops->name;
}

int64_t weir_transport_length(const struct weir_transport *t)
{
	return t->ops->length ? t->ops->length(t) : -1;
}

bool weir_transport_half_closes(const struct weir_transport *t)
{
	return t->half_closes;
}

int weir_transport_set_marks(struct weir_transport *t, size_t high, size_t low)
{
	struct weir_valve *valve = weir_transport_valve(t);

	if (!valve)
		return WEIR_ENOTSUP;
	if (high > SIZE_MAX / 2)
		return -EINVAL;
	return weir_valve_set_marks(valve, high, low, 2 * high);
}

void weir_transport_close(struct weir_transport *t)
{
	if (!t)
		return;
	if (t->sink)
		weir_consumer_fail(t->sink, WEIR_ECLOSED);
	if (t->source)
		weir_producer_end(t->source, WEIR_ECLOSED);
	free(t->text);
	t->text = NULL;
	t->ops->close(t);
}

void weir_opening_cancel(struct weir_opening *opening)
{
	if (opening)
		opening->cancel(opening);
}
