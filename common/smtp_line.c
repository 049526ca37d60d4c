/* smtp_line - CRLF, and nothing else. */
#include "common/smtp_line.h"

#include <stdbool.h>
#include <string.h>

/* The first CR or LF, or the end. */
static size_t
span_to_line_end(const char *bytes, size_t size)
{
	const char *lf = memchr(bytes, '\n', size);
	const char *cr;

	if (lf != NULL)
		size = (size_t)(lf - bytes);
	cr = memchr(bytes, '\r', size);
	return cr != NULL ? (size_t)(cr - bytes) : size;
}

enum smtp_line_outcome
smtp_line_find(const char *bytes, size_t size, size_t limit, struct smtp_line *line_out)
{
	size_t within = size < limit ? size : limit;
	size_t length = span_to_line_end(bytes, within);
	bool is_cr = length < within && bytes[length] == '\r';

	*line_out = (struct smtp_line){bytes, length, within};
	if (is_cr && length + 1 < within && bytes[length + 1] == '\n') {
		line_out->used = length + 2;
		return SMTP_LINE_COMPLETE;
	}
	if (length < within && (!is_cr || length + 1 < within)) {
		line_out->used = length + 1;
		return SMTP_LINE_BARE;
	}
	return within == limit ? SMTP_LINE_TOO_LONG : SMTP_LINE_PARTIAL;
}
