/* ident - queue ids in base 32. */
#include "common/ident.h"

#include <ctype.h>
#include <string.h>

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const char *
ident_format(uint64_t id, char buffer[static IDENT_SIZE])
{
	char reversed[IDENT_SIZE];
	int n = 0;

	do {
		reversed[n++] = digits[id & 31];
		id >>= 5;
	} while (id != 0);
	for (int i = 0; i < n; i++)
		buffer[i] = reversed[n - 1 - i];
	buffer[n] = '\0';
	return buffer;
}

bool
ident_parse(const char *text, uint64_t *id_out)
{
	uint64_t id = 0;
	size_t length = strlen(text);

	if (length == 0 || length > 13)
		return false;
	for (size_t i = 0; i < length; i++) {
		const char *at = strchr(digits, toupper((unsigned char)text[i]));

		if (at == NULL || id >> 59 != 0)
			return false;
		id = id << 5 | (uint64_t)(at - digits);
	}
	*id_out = id;
	return true;
}
