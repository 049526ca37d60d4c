/*
 * encoding - content transfer encodings (RFC 2045 section 6)
 *
 * Owns     nothing; appends to the caller's buf
 * Units    octets
 * Fails    never: what breaks an encoding's rules is decoded as far as it goes, as readers do
 *
 * What is encoded here ends its lines in CRLF, has lines of at most 76 octets and stays what it was
 * when it is decoded, to the octet.
 */
#ifndef POSTERN_MIME_ENCODING_H
#define POSTERN_MIME_ENCODING_H

#include "common/buf.h"

#include <stdbool.h>

enum encoding {
	ENCODING_7BIT, /* also when nothing is said */
	ENCODING_8BIT, /* and binary: they stand as they are, too */
	ENCODING_QUOTED_PRINTABLE,
	ENCODING_BASE64,
	ENCODING_UNKNOWN
};

/* Of the value of Content-Transfer-Encoding:, NULL if there is none. */
enum encoding encoding_find(const char *value);
const char *encoding_name(enum encoding encoding);

bool encoding_has_8bit(const char *bytes, size_t size);
/* RFC 5322 2.1.1 */
bool encoding_has_long_line(const char *bytes, size_t size);
/* The encoding that a text is best read in by who can't decode it. */
enum encoding encoding_choose(const char *bytes, size_t size);

void encoding_decode(enum encoding encoding, const char *bytes, size_t size, struct buf *out);
void encoding_encode(enum encoding encoding, const char *bytes, size_t size, struct buf *out);

#endif
