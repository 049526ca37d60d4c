/*
 * signature - puts signatures under the text of a message, in each form that it has
 *
 * Role     mime
 * Owns     nothing; appends to the caller's edits
 *
 * The text is the first part of a multipart; of an alternative each, of related parts the root. A
 * text that is attached, and what another message has in it, is nobody's to sign. A message that is
 * signed, encrypted or a report is left as it is.
 */
#ifndef POSTERN_MIME_SIGNATURE_H
#define POSTERN_MIME_SIGNATURE_H

#include "daemon/mime/addition.h"
#include "daemon/mime/edits.h"
#include "daemon/mime/tree.h"

/* NULL, or why a signature was left out; then nothing was appended. */
const char *signature_add(
    const struct tree *tree, const struct signatures *signatures, struct edits *edits);

#endif
