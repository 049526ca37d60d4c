/*
 * smtp_line - finds the lines of a dialogue in the bytes that have come so far
 *
 * Owns     nothing: a line points into the caller's bytes
 * Units    octets; limits count the CRLF, as RFC 5321 4.5.3.1 does
 * Fails    an outcome that isn't SMTP_LINE_COMPLETE or SMTP_LINE_PARTIAL
 *
 * Only CRLF ends a line. A CR or LF alone is an error as soon as it's seen: what one program takes
 * for the end of a line and the next doesn't is how commands are smuggled.
 */
#ifndef POSTERN_COMMON_SMTP_LINE_H
#define POSTERN_COMMON_SMTP_LINE_H

#include <stddef.h>

enum smtp_line_outcome {
	SMTP_LINE_PARTIAL, /* more bytes are needed */
	SMTP_LINE_COMPLETE,
	SMTP_LINE_TOO_LONG, /* no line end within the limit */
	SMTP_LINE_BARE      /* a CR or LF alone */
};

struct smtp_line {
	const char *bytes;
	size_t length; /* without CRLF */
	size_t used;   /* what the caller drops afterwards; on an error up to the offending octet */
};

enum smtp_line_outcome smtp_line_find(
    const char *bytes, size_t size, size_t limit, struct smtp_line *line_out);

#endif
