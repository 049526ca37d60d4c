/* encoded_word - =?charset?B?…?= and =?charset?Q?…?=, decoded only to be looked at. */
#include "daemon/smtpd/encoded_word.h"

#include "common/base64.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 1024 /* 75 by RFC 2047 2, but programs write longer ones */

/* Charsets of the family iso-2022 switch by escapes to two octets a character; those octets are in
 * the range of ASCII but mean something else. */
static bool
octets_hide(const uint8_t *octets, size_t size, bool has_escapes)
{
	bool is_ascii = true;

	for (size_t i = 0; i < size; i++) {
		if (has_escapes && octets[i] == 0x1b && i + 1 < size)
			is_ascii = octets[++i] == '(';
		else if (octets[i] == 0x7f || (octets[i] < 0x20 && octets[i] != '\t'))
			return true;
		else if (is_ascii && (octets[i] == '<' || octets[i] == '>'))
			return true;
	}
	return false;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)toupper((unsigned char)c);
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool
decode_quoted(const char *text, size_t length, uint8_t *out, size_t *size_out)
{
	size_t size = 0;

	for (size_t i = 0; i < length; i++) {
		int high, low;

		if (text[i] != '=') {
			out[size++] = (uint8_t)text[i];
			continue;
		}
		if (length - i < 3)
			return false;
		high = hex_value(text[i + 1]);
		low = hex_value(text[i + 2]);
		if (high < 0 || low < 0)
			return false;
		out[size++] = (uint8_t)(high << 4 | low);
		i += 2;
	}
	*size_out = size;
	return true;
}

/* `word` begins behind `=?`; `*next_out` is behind the word. */
static bool
word_hides(const char *word, const char *end, const char **next_out)
{
	const char *charset_end = memchr(word, '?', (size_t)(end - word));
	bool has_escapes = end - word > 9 && strncasecmp(word, "iso-2022-", 9) == 0;
	uint8_t octets[WORD_MAX];
	const char *text, *close;
	bool is_decoded;
	size_t size = 0;

	*next_out = end;
	if (charset_end == NULL || end - charset_end < 3 || charset_end[2] != '?')
		return true;
	text = charset_end + 3;
	close = memmem(text, (size_t)(end - text), "?=", 2);
	if (close == NULL || close - text > WORD_MAX)
		return true;
	*next_out = close + 2;
	if (toupper((unsigned char)charset_end[1]) == 'B')
		is_decoded = base64_decode(text, (size_t)(close - text), octets, &size);
	else
		is_decoded = toupper((unsigned char)charset_end[1]) == 'Q' &&
			     decode_quoted(text, (size_t)(close - text), octets, &size);
	return !is_decoded || octets_hide(octets, size, has_escapes);
}

bool
encoded_word_hides(const char *text, size_t length)
{
	const char *end = text + length, *at = text;

	while ((at = memmem(at, (size_t)(end - at), "=?", 2)) != NULL)
		if (word_hides(at + 2, end, &at))
			return true;
	return false;
}
