/* dotstuff - the last change a body sees before the upstream. */
#include "daemon/relay/dotstuff.h"

#include <string.h>

/* What must stand before `next` when this is where we are. */
static const char *
before(const struct dotstuff *stuff, uint8_t next)
{
	bool is_doubled = next == '.' && !stuff->keeps_dots;

	switch (stuff->place) {
	case DOTSTUFF_LINE_START:
		return is_doubled ? "." : next == '\n' ? "\r" : "";
	case DOTSTUFF_AFTER_CR:
		return next == '\n' ? "" : is_doubled ? "\n." : "\n";
	case DOTSTUFF_IN_LINE:
		break;
	}
	return next == '\n' ? "\r" : "";
}

static enum dotstuff_place
after(uint8_t byte)
{
	return byte == '\r'   ? DOTSTUFF_AFTER_CR
	       : byte == '\n' ? DOTSTUFF_LINE_START
			      : DOTSTUFF_IN_LINE;
}

/* From inside a line: the place behind its CR, or the bare LF, or the end of the bytes. */
static size_t
line_rest(struct dotstuff *stuff, const uint8_t *bytes, size_t size)
{
	const uint8_t *cr = memchr(bytes, '\r', size);
	size_t reach = cr != NULL ? (size_t)(cr - bytes) : size;
	const uint8_t *lf = memchr(bytes, '\n', reach);

	stuff->place = DOTSTUFF_IN_LINE;
	if (lf != NULL)
		return (size_t)(lf - bytes);
	if (cr == NULL)
		return size;
	stuff->place = DOTSTUFF_AFTER_CR;
	return reach + 1;
}

struct dotstuff_piece
dotstuff_next(struct dotstuff *stuff, const uint8_t *bytes, size_t size)
{
	struct dotstuff_piece piece = {.insert = before(stuff, bytes[0]), .size = 1};

	stuff->place = after(bytes[0]);
	while (piece.size < size && before(stuff, bytes[piece.size])[0] == '\0') {
		if (stuff->place == DOTSTUFF_AFTER_CR) {
			stuff->place = DOTSTUFF_LINE_START;
			piece.size++;
		} else {
			piece.size += line_rest(stuff, bytes + piece.size, size - piece.size);
		}
	}
	return piece;
}

const char *
dotstuff_end(const struct dotstuff *stuff)
{
	switch (stuff->place) {
	case DOTSTUFF_LINE_START:
		return stuff->keeps_dots ? "" : ".\r\n";
	case DOTSTUFF_AFTER_CR:
		return stuff->keeps_dots ? "\n" : "\n.\r\n";
	case DOTSTUFF_IN_LINE:
		break;
	}
	return stuff->keeps_dots ? "\r\n" : "\r\n.\r\n";
}
