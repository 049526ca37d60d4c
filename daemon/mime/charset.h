/*
 * charset - text from one charset to another, with converters that were opened at the start
 *
 * Role     mime; the C library reads a file and maps code for a charset, which the sandbox forbids
 * Owns     the converters, until the process ends
 * Units    octets
 * Fails    false: not in that charset, or not to be said in it; nothing is guessed or left out
 */
#ifndef POSTERN_MIME_CHARSET_H
#define POSTERN_MIME_CHARSET_H

#include "common/buf.h"

#include <stdbool.h>

struct charset;

/* Before the rights are given up. */
void charset_open_all(void);

/* By its name or an alias, without regard to case. NULL: not known, or not on this system. */
const struct charset *charset_find(const char *name);
/* US-ASCII, which every other but the wide ones contains. */
bool charset_is_ascii(const struct charset *charset);
bool charset_is_utf8(const struct charset *charset);
/* Octets below 128 stand for ASCII wherever they stand, and nothing depends on what stood before: a
 * text in it may be put between two others. */
bool charset_is_plain(const struct charset *charset);
/* Not for text that lines are to be put into (RFC 2781 section 4): UTF-16, UTF-32. */
bool charset_is_wide(const struct charset *charset);

/* These append. */
bool charset_to_utf8(
    const struct charset *charset, const char *bytes, size_t size, struct buf *out);
bool charset_from_utf8(
    const struct charset *charset, const char *text, size_t size, struct buf *out);

#endif
