/* xtext - the two encodings of DSN's parameters, decoded. */
#include "common/xtext.h"

#include "common/octet.h"
#include "common/utf8.h"

#include <stdint.h>
#include <string.h>

#define CODE_POINT_MAX 0x10ffffu

/* -1: not one; lower case is none (RFC 3461 4) */
static int
hex_digit(char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

/* xchar but `+` */
static bool
is_plain(char c)
{
	return c > ' ' && c < 0x7f && c != '+' && c != '=';
}

/* One octet of the decoded text off `*at`; 0 when there's none that is printable. */
static char
take_octet(const char **at, const char *end)
{
	int high, low;

	if (is_plain(**at))
		return *(*at)++;
	if (**at != '+' || end - *at < 3)
		return 0;
	high = hex_digit((*at)[1]);
	low = hex_digit((*at)[2]);
	*at += 3;
	if (high < 0 || low < 0)
		return 0;
	return high * 16 + low >= ' ' && high * 16 + low < 0x7f ? (char)(high * 16 + low) : 0;
}

bool
xtext_decode(const char *text, size_t length, char *out, size_t size)
{
	const char *end = text + length;
	size_t used = 0;

	out[0] = '\0';
	while (text < end) {
		char c = take_octet(&text, end);

		if (c == '\0' || used + 1 >= size) {
			out[0] = '\0';
			return false;
		}
		out[used++] = c;
	}
	out[used] = '\0';
	return true;
}

/* What HEXPOINT allows, less the control characters, which no address has. */
static bool
is_embeddable(uint32_t point)
{
	if (point < 0x80)
		return point == ' ' || point == '+' || point == '=' || point == '\\';
	return point >= 0xa0 && point <= CODE_POINT_MAX && (point < 0xd800 || point > 0xdfff);
}

/* `\x{HEX}`, without needless zeros. 0: it's none. */
static uint32_t
take_embedded(const char **at, const char *end)
{
	uint32_t point = 0;
	const char *start;

	if (end - *at < 4 || memcmp(*at, "\\x{", 3) != 0)
		return 0;
	*at += 3;
	for (start = *at; *at < end && hex_digit(**at) >= 0; (*at)++) {
		point = point * 16 + (uint32_t)hex_digit(**at);
		if (point > CODE_POINT_MAX)
			return 0;
	}
	if (*at == end || **at != '}' || *start == '0' || !is_embeddable(point))
		return 0;
	(*at)++;
	return point;
}

static size_t
put_utf8(uint32_t point, char out[static 4])
{
	size_t length = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
	static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = length; i > 1; i--) {
		out[i - 1] = (char)(0x80 | (point & 0x3f));
		point >>= 6;
	}
	out[0] = (char)(first[length] | point);
	return length;
}

/* The next character in UTF-8; the number of its octets, 0 when there's none. */
static size_t
take_character(const char **at, const char *end, bool allows_utf8, char out[static 4])
{
	size_t length;

	if (**at == '\\') {
		uint32_t point = take_embedded(at, end);

		return point == 0 ? 0 : put_utf8(point, out);
	}
	length = utf8_length(*at, (size_t)(end - *at));
	if (length == 0 || (length == 1 && !is_plain(**at)) || (length > 1 && !allows_utf8))
		return 0;
	memcpy(out, *at, length);
	*at += length;
	return length;
}

bool
xtext_decode_utf8(const char *text, size_t length, bool allows_utf8, char *out, size_t size)
{
	const char *end = text + length;
	size_t used = 0;

	out[0] = '\0';
	while (text < end) {
		char character[4];
		size_t octets = take_character(&text, end, allows_utf8, character);

		if (octets == 0 || used + octets >= size) {
			out[0] = '\0';
			return false;
		}
		memcpy(out + used, character, octets);
		used += octets;
	}
	out[used] = '\0';
	return true;
}
