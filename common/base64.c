/* base64 - three octets are four characters. */
#include "common/base64.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t
base64_encode(const void *octets, size_t size, char *out)
{
	const uint8_t *in = octets;
	char *at = out;

	for (; size > 0; in += 3, size -= size < 3 ? size : 3) {
		uint32_t group = (uint32_t)in[0] << 16;

		if (size > 1)
			group |= (uint32_t)in[1] << 8;
		if (size > 2)
			group |= in[2];
		*at++ = alphabet[group >> 18];
		*at++ = alphabet[group >> 12 & 63];
		*at++ = size > 1 ? alphabet[group >> 6 & 63] : '=';
		*at++ = size > 2 ? alphabet[group & 63] : '=';
	}
	*at = '\0';
	return (size_t)(at - out);
}

/* -1: not of the alphabet */
static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* Reads one group of four characters, of which `used` aren't padding. */
static bool
decode_group(const char *text, size_t used, uint8_t *out)
{
	uint32_t group = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < used ? value_of(text[i]) : 0;

		if (value < 0)
			return false;
		group = group << 6 | (uint32_t)value;
	}
	out[0] = (uint8_t)(group >> 16);
	if (used > 2)
		out[1] = (uint8_t)(group >> 8);
	if (used > 3)
		out[2] = (uint8_t)group;
	/* what the padding cuts off must be zero, else two texts mean the same octets */
	return used == 4 || (group & (used == 3 ? 0xffu : 0xffffu)) == 0;
}

bool
base64_decode(const char *text, size_t length, void *out, size_t *size_out)
{
	uint8_t *at = out;
	size_t padding = 0;

	if (length % 4 != 0)
		return false;
	while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < length; i += 4) {
		size_t used = i + 4 < length ? 4 : 4 - padding;

		if (!decode_group(text + i, used, at))
			return false;
		at += used - 1;
	}
	*size_out = (size_t)(at - (uint8_t *)out);
	return true;
}
