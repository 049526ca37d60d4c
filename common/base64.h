/*
 * base64 - RFC 4648 section 4, strictly: no blanks, full padding, no stray bits
 *
 * Owns     nothing; the caller wipes what was secret
 * Units    octets
 */
#ifndef POSTERN_COMMON_BASE64_H
#define POSTERN_COMMON_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* Room for the text of so many octets, with its NUL; and for the octets of a text. */
#define BASE64_TEXT_SIZE(octets) (((octets) + 2) / 3 * 4 + 1)
#define BASE64_OCTETS_SIZE(length) ((length) / 4 * 3)

/* Returns the length of the text. `out` has room for BASE64_TEXT_SIZE(size). */
size_t base64_encode(const void *octets, size_t size, char *out);

/* False when the text isn't base64. `out` has room for BASE64_OCTETS_SIZE(length). */
bool base64_decode(const char *text, size_t length, void *out, size_t *size_out);

#endif
