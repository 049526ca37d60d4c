/* md4 - RFC 1320 section 3, a block at a time. */
#include "daemon/relay/md4.h"

#include <string.h>

#define BLOCK 64

static uint32_t
read_le32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

static void
write_le32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t
rotate(uint32_t value, unsigned bits)
{
	return value << bits | value >> (32 - bits);
}

/* The functions F, G and H, with the constants that the rounds add. */
static uint32_t
mix(unsigned round, uint32_t x, uint32_t y, uint32_t z)
{
	switch (round) {
	case 0:
		return (x & y) | (~x & z);
	case 1:
		return ((x & y) | (x & z) | (y & z)) + 0x5a827999;
	default:
		return (x ^ y ^ z) + 0x6ed9eba1;
	}
}

static void
add_block(uint32_t state[4], const uint8_t *block)
{
	static const uint8_t order[3][16] = {
	    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	    {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15},
	    {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15},
	};
	static const uint8_t shifts[3][4] = {{3, 7, 11, 19}, {3, 5, 9, 13}, {3, 9, 11, 15}};
	uint32_t s[4];

	memcpy(s, state, sizeof(s));
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < 16; i++) {
			uint32_t *a = &s[(16 - i) % 4];
			uint32_t b = s[(17 - i) % 4], c = s[(18 - i) % 4], d = s[(19 - i) % 4];

			*a = rotate(
			    *a + mix(round, b, c, d) + read_le32(block + 4 * order[round][i]),
			    shifts[round][i % 4]);
		}
	for (unsigned i = 0; i < 4; i++)
		state[i] += s[i];
}

void
md4(const uint8_t *bytes, size_t size, uint8_t digest_out[static MD4_SIZE])
{
	uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
	uint8_t last[2 * BLOCK] = {0};
	size_t whole = size / BLOCK * BLOCK, rest = size - whole;
	size_t padded = rest + 9 <= BLOCK ? BLOCK : 2 * BLOCK;

	for (size_t at = 0; at < whole; at += BLOCK)
		add_block(state, bytes + at);
	if (rest > 0)
		memcpy(last, bytes + whole, rest);
	last[rest] = 0x80;
	write_le32(last + padded - 8, (uint32_t)(size << 3));
	write_le32(last + padded - 4, (uint32_t)((uint64_t)size >> 29));
	for (size_t at = 0; at < padded; at += BLOCK)
		add_block(state, last + at);
	for (unsigned i = 0; i < 4; i++)
		write_le32(digest_out + 4 * i, state[i]);
	explicit_bzero(last, sizeof(last));
}
