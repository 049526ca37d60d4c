/* capabilities - EHLO's lines as values. */
#include "daemon/relay/capabilities.h"

#include "daemon/relay/auth_method.h"

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

/* One to six digits, the first not 0 (RFC 9422 section 4); anything else is no limit. */
static uint32_t
limit_value(const char *text, size_t size)
{
	uint32_t value = 0;

	if (size == 0 || size > 6 || *text == '0')
		return 0;
	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		value = value * 10 + (uint32_t)(text[i] - '0');
	}
	return value;
}

static void
add_limits(struct capabilities *capabilities, const char *words)
{
	while (*words != '\0') {
		size_t size = strcspn(words, " "), name = strcspn(words, "= ");
		uint32_t value = name < size ? limit_value(words + name + 1, size - name - 1) : 0;

		if (is_keyword(words, name, "MAILMAX"))
			capabilities->mail_max = value;
		else if (is_keyword(words, name, "RCPTMAX"))
			capabilities->rcpt_max = value;
		else if (is_keyword(words, name, "RCPTDOMAINMAX"))
			capabilities->rcpt_domain_max = value;
		words += size;
		words += strspn(words, " ");
	}
}

void
capabilities_add(struct capabilities *capabilities, const char *line)
{
	size_t size = strcspn(line, " =");
	const char *rest = line + size + strspn(line + size, " =");

	if (is_keyword(line, size, "PIPELINING"))
		capabilities->has_pipelining = true;
	else if (is_keyword(line, size, "CHUNKING"))
		capabilities->has_chunking = true;
	else if (is_keyword(line, size, "8BITMIME"))
		capabilities->has_8bitmime = true;
	else if (is_keyword(line, size, "STARTTLS"))
		capabilities->has_starttls = true;
	else if (is_keyword(line, size, "AUTH"))
		add_methods(capabilities, rest);
	else if (is_keyword(line, size, "DSN"))
		capabilities->has_dsn = true;
	else if (is_keyword(line, size, "SMTPUTF8"))
		capabilities->has_smtputf8 = true;
	else if (is_keyword(line, size, "MT-PRIORITY"))
		capabilities->has_mt_priority = true;
	else if (is_keyword(line, size, "REQUIRETLS"))
		capabilities->has_requiretls = true;
	else if (is_keyword(line, size, "LIMITS"))
		add_limits(capabilities, rest);
	else if (is_keyword(line, size, "SIZE")) {
		capabilities->has_size = true;
		capabilities->size_limit_bytes = strtoull(rest, NULL, 10);
	}
}
