/*
 * percent - percent-encoding, as in the paths and queries of the API (RFC 3986 2.1)
 *
 * Gives    strings that the caller frees
 * Context  any
 */
#ifndef POSTERN_COMMON_PERCENT_H
#define POSTERN_COMMON_PERCENT_H

#include <stddef.h>

/* NULL: an escape is broken, or stands for a NUL. */
char *percent_decode(const char *text, size_t size);

#endif
