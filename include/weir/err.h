/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ERR_H
#define WEIR_ERR_H
/*
 * err.h -- the one error vocabulary of the library.
 *
 * Every function that can fail returns int (or a signed count): zero or a
 * count on success, a negative code on failure.  A code between -4095 and -1
 * is a negated errno; a code at or below WEIR_ERR_BASE is one of ours.  There
 * is no "last error" and nothing is printed.
 */
#if defined(__GNUC__)
#define WEIR_MUST_USE __attribute__((warn_unused_result))
#define WEIR_API __attribute__((visibility("default")))
#else
#define WEIR_MUST_USE
#define WEIR_API
#endif

/* Which argument is a format, and the first of those for it.  Formats are those of standard C,
 * whatever a system's own C library has. */
#if defined(__clang__)
#define WEIR_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#elif defined(__GNUC__)
#define WEIR_PRINTF(text, first) __attribute__((__format__(__gnu_printf__, text, first)))
#else
#define WEIR_PRINTF(text, first)
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_ERR_BASE (-5000)

/* Names and texts are generated from this table; add at its end. */
#define WEIR_ERR_MAP(X)                                                                   \
	X(WEIR_ECLOSED, -5001, "the stream is already closed")                            \
	X(WEIR_EBUSY, -5002, "a producer is already registered")                          \
	X(WEIR_EFULL, -5003, "the consumer is at its hard limit")                         \
	X(WEIR_EBUDGET, -5004, "the memory budget is too small for another flow")         \
	X(WEIR_ESTOPPED, -5005, "stopped on request")                                     \
	X(WEIR_EIDLE, -5006, "no bytes came from the source for the idle timeout")        \
	X(WEIR_ELINGER, -5007, "no bytes came in the linger time after the other end")    \
	X(WEIR_EDEADLINE, -5008, "the producer did not end before the deadline")          \
	X(WEIR_EEXIT, -5009, "the command exited with a failure status")                  \
	X(WEIR_ESIGNAL, -5010, "the command was killed by a signal")                      \
	X(WEIR_ERESOLVE, -5011, "the name does not resolve to an address")                \
	X(WEIR_EENDPOINT, -5012, "the endpoint is malformed")                             \
	X(WEIR_ETRUNCATED, -5013, "the source ended before the bytes that were asked for") \
	X(WEIR_ENOTSUP, -5014, "the endpoint cannot be used this way")                   \
	X(WEIR_ESLOW, -5015, "the sink was too slow and was let go")                      \
	X(WEIR_ESTALL, -5016, "the sink took no bytes for the stall timeout")             \
	X(WEIR_ETIMELIMIT, -5017, "the transfer took longer than the time limit")         \
	X(WEIR_ELIBRARY, -5018, "a library that this needs cannot be loaded")

enum weir_err {
#define WEIR_ERR_ENUM(name, value, text) name = value,
	WEIR_ERR_MAP(WEIR_ERR_ENUM)
#undef WEIR_ERR_ENUM
};

/* The symbol of a code: "WEIR_EBUSY", "EPIPE"; "errno" for a system code that
 * has no name here, "unknown" for anything else.  Never NULL; static storage. */
WEIR_API const char *weir_err_name(int code);

/* A phrase for `code`, without a full stop; the C library's own for system codes.  Never NULL.
 * Until: the next call from the same thread, for system codes. */
WEIR_API const char *weir_err_text(int code);

#ifdef __cplusplus
}
#endif
#endif
