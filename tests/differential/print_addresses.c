/* print_addresses - for addresses.py: field values in, each ended by NUL; a line of addresses
 * with tabs between for each, or an empty line for one that is refused. */
#include "common/buf.h"
#include "daemon/smtpd/addresses.h"

#include <stdio.h>
#include <string.h>

static void
print(const char *value, size_t length)
{
	struct addresses addresses;

	if (addresses_parse(&addresses, value, length)) {
		for (size_t i = 0; i < addresses.count; i++)
			printf("%s%s", i > 0 ? "\t" : "", addresses.items[i]);
		addresses_fini(&addresses);
	}
	putchar('\n');
}

int
main(void)
{
	char piece[4096];
	struct buf input;
	size_t got;

	buf_init(&input);
	while ((got = fread(piece, 1, sizeof(piece), stdin)) > 0)
		buf_append(&input, piece, got);
	for (size_t at = 0; at < input.size; at += strlen(input.bytes + at) + 1)
		print(input.bytes + at, strlen(input.bytes + at));
	buf_fini(&input);
	return 0;
}
