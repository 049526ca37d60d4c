/*
 * addition - signatures as they are put under a text: in order, with what stands between
 *
 * Owns     nothing; appends to the caller's buf
 *
 * Lines end in CRLF, the last one too. In plain text an empty line stands above each signature; a
 * line `-- ` (RFC 3676 4.3) is the signature's own to have. In HTML each is a block of its own, and
 * everything in it is ASCII: what isn't is written as a character reference, so that the text's
 * charset doesn't matter.
 */
#ifndef POSTERN_MIME_ADDITION_H
#define POSTERN_MIME_ADDITION_H

#include "common/buf.h"
#include "daemon/core/messages.h"

#include <stdbool.h>

/* UTF-8; sizes of 0: none. */
struct signatures {
	struct msg_bytes text, html; /* the profile's */
	struct msg_bytes global_text, global_html;
};

/* Nothing: there is no signature for plain text. With `is_flowed` as format=flowed wants it (RFC
 * 3676 4.4): what looks quoted is stuffed, and no line goes on in the next. */
void addition_text(const struct signatures *signatures, bool is_flowed, struct buf *out);
/* One that is plain text only is shown as such. */
void addition_html(const struct signatures *signatures, struct buf *out);

#endif
