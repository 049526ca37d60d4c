/*
 * format - what snprintf does, quickly, for the lines and replies that each message has many of
 *
 * Owns     nothing
 * Units    octets
 * Fails    never: what doesn't fit is cut off
 *
 * Of its own it knows %s, %.*s, %.Ns, %c, %% and %d, %u with l, ll, z and a width padded with zeros;
 * a format with anything else goes to vsnprintf as a whole. It depends on no locale.
 */
#ifndef POSTERN_COMMON_FORMAT_H
#define POSTERN_COMMON_FORMAT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* Both end the text with a NUL if `size` is not 0, and return how long it would be with room enough. */
size_t format_text(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
size_t format_arguments(char *buffer, size_t size, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* `0.012`: milliseconds as seconds. */
#define FORMAT_SECONDS_SIZE 24
const char *format_seconds(int64_t value_ms, char buffer[static FORMAT_SECONDS_SIZE]);

#endif
