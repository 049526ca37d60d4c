/*
 * dotstuff - makes a body fit for the wire, without copying what needs no change
 *
 * Owns     nothing but its place in the line; the body may come in pieces of any size
 * Context  pure
 *
 * A line that begins with a dot gets another one (RFC 5321 4.5.2). A bare CR or LF becomes CRLF
 * (RFC 5321 2.3.8), and a last line without an end gets one: nothing that leaves can be taken for
 * the end of the data by anybody. With `keeps_dots` the end isn't looked for: it is for BDAT, whose
 * octets are counted (RFC 3030); line ends become the same.
 *
 *	while (size > 0) {
 *		struct dotstuff_piece piece = dotstuff_next(&stuff, bytes, size);
 *		write piece.insert, then the first piece.size of bytes; step over them
 *	}
 *	write dotstuff_end(&stuff)
 */
#ifndef POSTERN_RELAY_DOTSTUFF_H
#define POSTERN_RELAY_DOTSTUFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dotstuff_place { DOTSTUFF_LINE_START, DOTSTUFF_IN_LINE, DOTSTUFF_AFTER_CR };

struct dotstuff {
	enum dotstuff_place place; /* starts at 0, the start of a line */
	bool keeps_dots;
};

struct dotstuff_piece {
	const char *insert; /* "" mostly */
	size_t size;        /* at least 1 */
};

/* `size` is at least 1. */
struct dotstuff_piece dotstuff_next(struct dotstuff *stuff, const uint8_t *bytes, size_t size);
/* What ends the data, from here; with `keeps_dots` its last line, "" if that has its end. */
const char *dotstuff_end(const struct dotstuff *stuff);

#endif
