/*
 * seven - a message that an upstream without 8BITMIME can take (RFC 6152 section 3)
 *
 * Role     mime
 * Owns     nothing; appends to the caller's edits
 *
 * Each part with octets above 127 is encoded: text as quoted-printable, anything else as base64, and
 * so are fields of parts. Where that isn't allowed (what is signed, the header of a message within)
 * the message can't be converted.
 */
#ifndef POSTERN_MIME_SEVEN_H
#define POSTERN_MIME_SEVEN_H

#include "daemon/mime/edits.h"
#include "daemon/mime/tree.h"

/* NULL, or why it can't be done; the edits are then of no use. */
const char *seven_convert(const struct tree *tree, struct edits *edits);
/* Whether all behind the header is ASCII now. */
bool seven_is_done(const char *message, size_t size);

#endif
