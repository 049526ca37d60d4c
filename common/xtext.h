/*
 * xtext - what parameters of MAIL and RCPT carry in place of arbitrary text (RFC 3461 4, RFC 6533 3)
 *
 * Owns     nothing
 * Units    octets
 * Fails    false, and nothing is in the buffer, when the text isn't of this form or is too long
 */
#ifndef POSTERN_COMMON_XTEXT_H
#define POSTERN_COMMON_XTEXT_H

#include <stdbool.h>
#include <stddef.h>

/* `+` and two upper-case hexadecimal digits stand for an octet; `=` stands for nothing. What comes
 * out is printable ASCII, blanks included; `size` has room for a NUL. */
bool xtext_decode(const char *text, size_t length, char *out, size_t size);

/* utf-8-addr-xtext: `\x{HEX}` stands for a character. With `allows_utf8` also
 * utf-8-addr-unitext, in which characters stand for themselves. What comes out is UTF-8
 * without control characters. */
bool xtext_decode_utf8(const char *text, size_t length, bool allows_utf8, char *out, size_t size);

#endif
