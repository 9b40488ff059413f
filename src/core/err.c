/* SPDX-License-Identifier: MIT */
/* Names and texts of codes: ours from the table in err.h, the system's from below. */
#include "weir/err.h"

#include <errno.h>
#include <stddef.h>

#include "core/err_priv.h"

struct name {
	int code;
	const char *name;
	const char *text;
};

static const struct name ours[] = {
#define ROW(symbol, value, explanation) {symbol, #symbol, explanation},
	WEIR_ERR_MAP(ROW)
#undef ROW
};

/* Those that a stream can meet; their texts are the system's. */
static const struct name systems[] = {
#define ROW(symbol) {-symbol, #symbol, NULL}
	ROW(EPERM), ROW(ENOENT), ROW(ESRCH), ROW(EINTR), ROW(EIO), ROW(ENXIO), ROW(E2BIG),
	ROW(ENOEXEC), ROW(EBADF), ROW(ECHILD), ROW(EAGAIN), ROW(ENOMEM), ROW(EACCES),
	ROW(EBUSY), ROW(EEXIST), ROW(EXDEV), ROW(ENOTDIR), ROW(EISDIR), ROW(EINVAL),
	ROW(ENFILE), ROW(EMFILE), ROW(EFBIG), ROW(ENOSPC), ROW(ESPIPE), ROW(EROFS), ROW(EPIPE),
	ROW(ENAMETOOLONG), ROW(ELOOP), ROW(EPROTO), ROW(EADDRINUSE), ROW(EADDRNOTAVAIL),
	ROW(EAFNOSUPPORT), ROW(ENETUNREACH), ROW(ECONNABORTED), ROW(ECONNRESET), ROW(ENOBUFS),
	ROW(ENOTCONN), ROW(ETIMEDOUT), ROW(ECONNREFUSED), ROW(EHOSTUNREACH), ROW(ECANCELED),
#undef ROW
};

static const struct name *find(const struct name *table, size_t count, int code)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].code == code)
			return &table[i];
	return NULL;
}

static const struct name *find_ours(int code)
{
	return find(ours, sizeof(ours) / sizeof(ours[0]), code);
}

static int is_system(int code)
{
	return code < 0 && code >= -4095;
}

const char *weir_err_name(int code)
{
	const struct name *row = find_ours(code);

	if (!row && is_system(code)) {
		row = find(systems, sizeof(systems) / sizeof(systems[0]), code);
		return row ? row->name : "errno";
	}
	return row ? row->name : "unknown";
}

const char *weir_err_text(int code)
{
	const struct name *row = find_ours(code);

	if (row)
		return row->text;
	if (is_system(code))
		return weir__err_system_text(-code);
	return code >= 0 ? "no error" : "an unknown error";
}
