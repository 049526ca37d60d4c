/* percent - names in paths, out of their percent-encoding. */
#include "common/percent.h"

#include "common/xalloc.h"

#include <ctype.h>
#include <stdlib.h>

static int
hex_value(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* The byte that `%XX` stands for, or -1. */
static int
escaped(const char *at, size_t size)
{
	int high = size < 3 ? -1 : hex_value(at[1]);
	int low = size < 3 ? -1 : hex_value(at[2]);

	return high < 0 || low < 0 || high + low == 0 ? -1 : high * 16 + low;
}

char *
percent_decode(const char *text, size_t size)
{
	char *decoded = xcalloc(1, size + 1), *out = decoded;

	for (size_t i = 0; i < size; i++) {
		int byte = (unsigned char)text[i];

		if (byte == '%') {
			byte = escaped(text + i, size - i);
			i += 2;
		}
		if (byte < 0) {
			free(decoded);
			return NULL;
		}
		*out++ = (char)byte;
	}
	return decoded;
}
