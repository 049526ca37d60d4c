/* encoding - GMime decodes; encoding is done here, since it has to keep CRLF as it stands. */
#include "daemon/mime/encoding.h"

#include "common/base64.h"
#include "common/err.h"
#include "common/xalloc.h"

#include <gmime/gmime.h>
#include <string.h>

#define LINE_MAX_OCTETS 998
#define WIDTH 76
#define BASE64_OCTETS (WIDTH / 4 * 3)

static const char *const names[] = {
    [ENCODING_7BIT] = "7bit",
    [ENCODING_8BIT] = "8bit",
    [ENCODING_QUOTED_PRINTABLE] = "quoted-printable",
    [ENCODING_BASE64] = "base64",
};

enum encoding
encoding_find(const char *value)
{
	size_t length;

	if (value == NULL)
		return ENCODING_7BIT;
	value += strspn(value, " \t\r\n");
	length = strcspn(value, " \t\r\n;(");
	for (unsigned i = 0; i < ENCODING_UNKNOWN; i++)
		if (strlen(names[i]) == length && strncasecmp(names[i], value, length) == 0)
			return (enum encoding)i;
	return length == 6 && strncasecmp(value, "binary", 6) == 0 ? ENCODING_8BIT
								   : ENCODING_UNKNOWN;
}

const char *
encoding_name(enum encoding encoding)
{
	ensure(encoding < ENCODING_UNKNOWN);
	return names[encoding];
}

bool
encoding_has_8bit(const char *bytes, size_t size)
{
	unsigned char all = 0;

	for (size_t i = 0; i < size; i++)
		all |= (unsigned char)bytes[i];
	return all > 0x7f;
}

bool
encoding_has_long_line(const char *bytes, size_t size)
{
	const char *end = bytes + size;

	while (bytes < end) {
		const char *lf = memchr(bytes, '\n', (size_t)(end - bytes));
		const char *next = lf == NULL ? end : lf + 1;

		if (next - bytes > LINE_MAX_OCTETS + 2)
			return true;
		bytes = next;
	}
	return false;
}

enum encoding
encoding_choose(const char *bytes, size_t size)
{
	size_t count = 0;

	for (size_t i = 0; i < size; i++)
		count += (unsigned char)bytes[i] > 0x7f;
	if (count > size / 5)
		return ENCODING_BASE64;
	return count > 0 || encoding_has_long_line(bytes, size) ? ENCODING_QUOTED_PRINTABLE
								: ENCODING_7BIT;
}

void
encoding_decode(enum encoding encoding, const char *bytes, size_t size, struct buf *out)
{
	GMimeEncoding decoder;
	size_t room;

	if (encoding != ENCODING_QUOTED_PRINTABLE && encoding != ENCODING_BASE64) {
		buf_append(out, bytes, size);
		return;
	}
	g_mime_encoding_init_decode(&decoder, encoding == ENCODING_BASE64
						  ? GMIME_CONTENT_ENCODING_BASE64
						  : GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
	room = g_mime_encoding_outlen(&decoder, size) + 1;
	buf_reserve(out, room);
	out->size += g_mime_encoding_flush(&decoder, bytes, size, out->bytes + out->size);
	out->bytes[out->size] = '\0';
}

/* ---- quoted-printable ---- */

static bool
is_line_end(const char *at, const char *end)
{
	return end - at >= 2 && at[0] == '\r' && at[1] == '\n';
}

static bool
is_literal(const char *at, const char *end)
{
	/* A blank at the end of a line would get lost. */
	if (*at == ' ' || *at == '\t')
		return at + 1 < end && !is_line_end(at + 1, end);
	return *at > ' ' && *at <= '~' && *at != '=';
}

static void
encode_quoted(const char *at, const char *end, struct buf *out)
{
	size_t column = 0;

	while (at < end) {
		/* No line of it can be taken for a boundary. */
		bool is_plain = is_literal(at, end) &&
				!(column == 0 && end - at >= 2 && at[0] == '-' && at[1] == '-');
		size_t width = is_plain ? 1 : 3;

		if (is_line_end(at, end)) {
			buf_append(out, "\r\n", 2);
			column = 0;
			at += 2;
			continue;
		}
		/* One place is for the `=` that a soft line break takes. */
		if (column + width > WIDTH - 1) {
			buf_append(out, "=\r\n", 3);
			column = 0;
		}
		if (is_plain)
			buf_char(out, *at);
		else
			buf_printf(out, "=%02X", (unsigned char)*at);
		column += width;
		at++;
	}
}

static void
encode_base64(const char *bytes, size_t size, struct buf *out)
{
	char line[BASE64_TEXT_SIZE(BASE64_OCTETS)];

	for (size_t at = 0; at < size; at += BASE64_OCTETS) {
		size_t left = size - at < BASE64_OCTETS ? size - at : BASE64_OCTETS;

		if (at > 0)
			buf_append(out, "\r\n", 2);
		buf_append(out, line, base64_encode(bytes + at, left, line));
	}
}

void
encoding_encode(enum encoding encoding, const char *bytes, size_t size, struct buf *out)
{
	switch (encoding) {
	case ENCODING_QUOTED_PRINTABLE:
		encode_quoted(bytes, bytes + size, out);
		break;
	case ENCODING_BASE64:
		encode_base64(bytes, size, out);
		break;
	default:
		buf_append(out, bytes, size);
	}
}
