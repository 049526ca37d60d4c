/* utf8 - what is well-formed, and what is made of the rest. */
#include "common/utf8.h"

#include "common/octet.h"

/* The second octet is where overlong forms, surrogates and numbers that are too large show. */
static bool
is_second(unsigned char first, unsigned char second)
{
	switch (first) {
	case 0xc2:
		return second >= 0xa0; /* below are the C1 control characters */
	case 0xe0:
		return second >= 0xa0;
	case 0xed:
		return second <= 0x9f;
	case 0xf0:
		return second >= 0x90;
	case 0xf4:
		return second <= 0x8f;
	default:
		return true;
	}
}

/* U+2028 to U+202E and U+2066 to U+2069: separators of lines and paragraphs, and what turns the
 * direction of the text around it, so that a line of a log reads as another. */
static bool
moves_text(const char *at)
{
	unsigned char second = (unsigned char)at[1], third = (unsigned char)at[2];

	return (unsigned char)at[0] == 0xe2 &&
	       ((second == 0x80 && third >= 0xa8 && third <= 0xae) ||
		   (second == 0x81 && third >= 0xa6 && third <= 0xa9));
}

size_t
utf8_length(const char *at, size_t left)
{
	unsigned char first;
	size_t length;

	if (left == 0)
		return 0;
	first = (unsigned char)at[0];
	if (first < 0x80)
		return 1;
	length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	if (first < 0xc2 || first > 0xf4 || length > left)
		return 0;
	for (size_t i = 1; i < length; i++)
		if (((unsigned char)at[i] & 0xc0) != 0x80)
			return 0;
	if (!is_second(first, (unsigned char)at[1]) || (length == 3 && moves_text(at)))
		return 0;
	return length;
}

bool
utf8_is_valid(const char *text, size_t length)
{
	while (length > 0) {
		size_t sequence = utf8_length(text, length);

		if (sequence == 0)
			return false;
		text += sequence;
		length -= sequence;
	}
	return true;
}

void
utf8_append_clean(struct buf *out, const char *text, size_t length)
{
	for (size_t i = 0, sequence; i < length; i += sequence) {
		sequence = utf8_length(text + i, length - i);
		if (sequence > 1)
			buf_append(out, text + i, sequence);
		else
			buf_char(out, sequence == 1 ? octet_printable(text[i]) : '?');
		if (sequence == 0)
			sequence = 1;
	}
}

size_t
utf8_cut(const char *text, size_t length, size_t limit)
{
	if (length <= limit)
		return length;
	while (limit > 0 && ((unsigned char)text[limit] & 0xc0) == 0x80)
		limit--;
	return limit;
}
