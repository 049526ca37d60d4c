/* capabilities - EHLO's lines as values. */
#include "daemon/relay/capabilities.h"

#include "daemon/relay/client_auth.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void
add_methods(struct capabilities *capabilities, const char *words)
{
	capabilities->has_auth = true;
	while (*words != '\0') {
		size_t size = strcspn(words, " ");

		capabilities->auth_methods |= auth_method_bit(words, size);
		words += size;
		words += strspn(words, " ");
	}
}

static bool
is_keyword(const char *line, size_t size, const char *keyword)
{
	return strlen(keyword) == size && strncasecmp(line, keyword, size) == 0;
}

void
capabilities_add(struct capabilities *capabilities, const char *line)
{
	size_t size = strcspn(line, " =");
	const char *rest = line + size + strspn(line + size, " =");

	if (is_keyword(line, size, "PIPELINING"))
		capabilities->has_pipelining = true;
	else if (is_keyword(line, size, "8BITMIME"))
		capabilities->has_8bitmime = true;
	else if (is_keyword(line, size, "STARTTLS"))
		capabilities->has_starttls = true;
	else if (is_keyword(line, size, "AUTH"))
		add_methods(capabilities, rest);
	else if (is_keyword(line, size, "SIZE")) {
		capabilities->has_size = true;
		capabilities->size_limit_bytes = strtoull(rest, NULL, 10);
	}
}
