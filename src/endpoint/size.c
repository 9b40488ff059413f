/* SPDX-License-Identifier: MIT */
/*
 * Sizes as people write them: 1500, 20M, 64Ki.
 */
#include <string.h>

#include "endpoint_priv.h"

static const struct {
	const char *suffix;
	uint64_t factor;
} units[] = {
	{"", 1},
	{"k", 1000},
	{"M", 1000000},
	{"G", 1000000000},
	{"T", 1000000000000},
	{"Ki", (uint64_t)1 << 10},
	{"Mi", (uint64_t)1 << 20},
	{"Gi", (uint64_t)1 << 30},
	{"Ti", (uint64_t)1 << 40},
};

int weir__size_parse(const char *text, size_t len, uint64_t *out)
{
	uint64_t n = 0;
	size_t i = 0;

	for (; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
		uint64_t digit = (uint64_t)(text[i] - '0');

		if (n > (UINT64_MAX - 1 - digit) / 10)
			return WEIR_EENDPOINT;
		n = n * 10 + digit;
	}
	if (i == 0)
		return WEIR_EENDPOINT;
	for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
		if (strlen(units[u].suffix) != len - i ||
		    memcmp(units[u].suffix, text + i, len - i) != 0)
			continue;
		if (n > (UINT64_MAX - 1) / units[u].factor)
			return WEIR_EENDPOINT;
		*out = n * units[u].factor;
		return 0;
	}
	return WEIR_EENDPOINT;
}

int weir_size_parse(const char *text, uint64_t *out)
{
	return weir__size_parse(text, strlen(text), out);
}
