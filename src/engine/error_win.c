/* SPDX-License-Identifier: MIT */
/* libuv knows what each error of the system's means; the C library has the numbers. */
#include "engine/error_win.h"

#include <errno.h>
#include <stddef.h>

#include <uv.h>

static const struct {
	int uv, error;
} codes[] = {
#define ROW(name) {UV_##name, -name}
	ROW(E2BIG), ROW(EACCES), ROW(EADDRINUSE), ROW(EADDRNOTAVAIL), ROW(EAFNOSUPPORT),
	ROW(EAGAIN), ROW(EALREADY), ROW(EBADF), ROW(EBUSY), ROW(ECANCELED), ROW(ECONNABORTED),
	ROW(ECONNREFUSED), ROW(ECONNRESET), ROW(EDESTADDRREQ), ROW(EEXIST), ROW(EFAULT),
	ROW(EFBIG), ROW(EHOSTUNREACH), ROW(EILSEQ), ROW(EINTR), ROW(EINVAL), ROW(EIO),
	ROW(EISCONN), ROW(EISDIR), ROW(ELOOP), ROW(EMFILE), ROW(EMLINK), ROW(EMSGSIZE),
	ROW(ENAMETOOLONG), ROW(ENETDOWN), ROW(ENETUNREACH), ROW(ENFILE), ROW(ENOBUFS),
	ROW(ENODEV), ROW(ENOENT), ROW(ENOMEM), ROW(ENOPROTOOPT), ROW(ENOSPC), ROW(ENOSYS),
	ROW(ENOTCONN), ROW(ENOTDIR), ROW(ENOTEMPTY), ROW(ENOTSOCK), ROW(ENOTSUP), ROW(ENOTTY),
	ROW(ENXIO), ROW(EOVERFLOW), ROW(EPERM), ROW(EPIPE), ROW(EPROTO), ROW(EPROTONOSUPPORT),
	ROW(EPROTOTYPE), ROW(ERANGE), ROW(EROFS), ROW(ESPIPE), ROW(ESRCH), ROW(ETIMEDOUT),
	ROW(ETXTBSY), ROW(EXDEV),
#undef ROW
	{UV_ECHARSET, -EILSEQ},
	{UV_EHOSTDOWN, -EHOSTUNREACH},
	{UV_ESHUTDOWN, -EPIPE},
	{UV_EAI_MEMORY, -ENOMEM},
};

int weir__error(int uv)
{
	if (uv >= 0)
		return uv;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].uv == uv)
			return codes[i].error;
	return -EIO;
}

int weir__error_system(unsigned long error)
{
	return weir__error(uv_translate_sys_error((int)error));
}
