/* SPDX-License-Identifier: MIT */
/* The C library has numbers for the errors of a network, but no texts. */
#include "core/err_priv.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct {
	int error;
	const char *text;
} texts[] = {
	{EADDRINUSE, "Address already in use"},
	{EADDRNOTAVAIL, "Cannot assign requested address"},
	{EAFNOSUPPORT, "Address family not supported by protocol"},
	{EALREADY, "Operation already in progress"},
	{ECANCELED, "Operation canceled"},
	{ECONNABORTED, "Software caused connection abort"},
	{ECONNREFUSED, "Connection refused"},
	{ECONNRESET, "Connection reset by peer"},
	{EDESTADDRREQ, "Destination address required"},
	{EHOSTUNREACH, "No route to host"},
	{EINPROGRESS, "Operation now in progress"},
	{EISCONN, "Transport endpoint is already connected"},
	{ELOOP, "Too many levels of symbolic links"},
	{EMSGSIZE, "Message too long"},
	{ENETDOWN, "Network is down"},
	{ENETRESET, "Network dropped connection on reset"},
	{ENETUNREACH, "Network is unreachable"},
	{ENOBUFS, "No buffer space available"},
	{ENOPROTOOPT, "Protocol not available"},
	{ENOTCONN, "Transport endpoint is not connected"},
	{ENOTSOCK, "Socket operation on non-socket"},
	{ENOTSUP, "Operation not supported"},
	{EOPNOTSUPP, "Operation not supported"},
	{EOVERFLOW, "Value too large for defined data type"},
	{EPROTO, "Protocol error"},
	{EPROTONOSUPPORT, "Protocol not supported"},
	{EPROTOTYPE, "Protocol wrong type for socket"},
	{ETIMEDOUT, "Connection timed out"},
	{ETXTBSY, "Text file busy"},
	{EWOULDBLOCK, "Resource temporarily unavailable"},
};

const char *weir__err_system_text(int error)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].error == error)
			return texts[i].text;
	return strerror(error);
}
