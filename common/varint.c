/* varint - numbers in as many bytes as they need. */
#include "common/varint.h"

void
varint_append(struct buf *out, uint64_t number)
{
	char bytes[10];
	size_t size = 0;

	for (; number >= 0x80; number >>= 7)
		bytes[size++] = (char)((number & 0x7f) | 0x80);
	bytes[size++] = (char)number;
	buf_append(out, bytes, size);
}

bool
varint_take(const uint8_t **at, const uint8_t *end, uint64_t *number_out)
{
	uint64_t number = 0;

	for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
		uint8_t byte = *(*at)++;

		if (shift == 63 && byte > 1)
			return false;
		number |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*number_out = number;
			return true;
		}
	}
	return false;
}
