/*
 * mailaddr - the path grammar of RFC 5321, with the tolerance that clients need.
 *
 * A cursor walks over the text once. What it reads of a local part is kept without quotes, and
 * mailaddr_make() writes the normal form from it.
 */
#include "common/mailaddr.h"

#include "common/domain.h"
#include "common/netaddr.h"
#include "common/octet.h"
#include "common/utf8.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

struct cursor {
	const char *at, *end;
};

static bool
is_dot_atom(const char *text, size_t length)
{
	bool was_dot = true;

	for (size_t i = 0; i < length; i++) {
		if (text[i] == '.' ? was_dot : !octet_is_atext(text[i]))
			return false;
		was_dot = text[i] == '.';
	}
	return !was_dot;
}

bool
mailaddr_is_literal(const char *text, size_t length)
{
	char address[NETADDR_TEXT_SIZE];
	struct netaddr parsed;
	bool is_ipv6;

	if (length < 3 || text[0] != '[' || text[length - 1] != ']')
		return false;
	text++;
	length -= 2;
	is_ipv6 = length > 5 && strncasecmp(text, "IPv6:", 5) == 0;
	if (is_ipv6) {
		text += 5;
		length -= 5;
	}
	if (length >= sizeof(address) || memchr(text, '\0', length) != NULL)
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	return netaddr_parse(address, &parsed) && (strchr(address, ':') != NULL) == is_ipv6;
}

/* A name of A-labels or U-labels, or a literal. */
static bool
is_domain(const char *text, size_t length)
{
	char normal[DOMAIN_SIZE];

	return mailaddr_is_literal(text, length) ||
	       domain_normalise(text, length, normal, NULL) == 0;
}

static size_t
put_local(char *out, const char *local, size_t length)
{
	char *at = out;

	if (is_dot_atom(local, length)) {
		memcpy(out, local, length);
		return length;
	}
	*at++ = '"';
	for (size_t i = 0; i < length; i++) {
		if (local[i] == '"' || local[i] == '\\')
			*at++ = '\\';
		*at++ = local[i];
	}
	*at++ = '"';
	return (size_t)(at - out);
}

enum mailaddr_outcome
mailaddr_make(const char *local, size_t local_length, const char *domain, size_t domain_length,
    struct mailaddr *address_out, struct err *err_out)
{
	char normal[2 * MAILADDR_LOCAL_MAX + 2];
	size_t size;

	if (local_length > MAILADDR_LOCAL_MAX)
		goto long_local;
	if (!utf8_is_valid(local, local_length)) {
		(void)err_set(err_out, "Local part of the address is not UTF-8");
		return MAILADDR_MALFORMED;
	}
	/* qtextSMTP has the blank but no control character, not even a tab */
	if (octet_has_control(local, local_length, "")) {
		(void)err_set(err_out, "Local part of the address has a control character");
		return MAILADDR_MALFORMED;
	}
	size = put_local(normal, local, local_length);
	if (size > MAILADDR_LOCAL_MAX)
		goto long_local;
	if (domain_length >= DOMAIN_SIZE) {
		(void)err_set(err_out, "Domain of the address is too long (at most 255 octets)");
		return MAILADDR_TOO_LONG;
	}
	if (!is_domain(domain, domain_length)) {
		(void)err_set(err_out, "Domain of the address is malformed");
		return MAILADDR_MALFORMED;
	}
	memcpy(address_out->text, normal, size);
	address_out->text[size] = '@';
	memcpy(address_out->text + size + 1, domain, domain_length);
	address_out->text[size + 1 + domain_length] = '\0';
	address_out->local_length = size;
	return MAILADDR_OK;
long_local:
	(void)err_set(err_out, "Local part of the address is too long (at most %d octets)",
	    MAILADDR_LOCAL_MAX);
	return MAILADDR_TOO_LONG;
}

static bool
has_more(const struct cursor *cursor)
{
	return cursor->at < cursor->end;
}

static bool
take(struct cursor *cursor, char c)
{
	if (!has_more(cursor) || *cursor->at != c)
		return false;
	cursor->at++;
	return true;
}

static void
skip_blanks(struct cursor *cursor)
{
	while (take(cursor, ' ') || take(cursor, '\t'))
		;
}

/* Room for one more than allowed, so that mailaddr_make() sees that it's too long. */
struct local_part {
	char bytes[MAILADDR_LOCAL_MAX + 1];
	size_t length;
};

static void
keep(struct local_part *local, char c)
{
	if (local->length < sizeof(local->bytes))
		local->bytes[local->length++] = c;
}

static bool
read_quoted(struct cursor *cursor, struct local_part *local)
{
	while (has_more(cursor)) {
		if (take(cursor, '"'))
			return true;
		if (take(cursor, '\\') && !has_more(cursor))
			return false;
		keep(local, *cursor->at++);
	}
	return false;
}

static bool
read_local(struct cursor *cursor, struct local_part *local)
{
	const char *start = cursor->at;

	local->length = 0;
	if (take(cursor, '"'))
		return read_quoted(cursor, local);
	while (has_more(cursor) && (octet_is_atext(*cursor->at) || *cursor->at == '.'))
		keep(local, *cursor->at++);
	return is_dot_atom(start, (size_t)(cursor->at - start));
}

/* Up to what can't belong to a domain; whether it is one is for mailaddr_make() to say. */
static size_t
read_domain(struct cursor *cursor, const char **domain_out)
{
	*domain_out = cursor->at;
	if (has_more(cursor) && *cursor->at == '[') {
		while (has_more(cursor) && *cursor->at != ']')
			cursor->at++;
		(void)take(cursor, ']');
	} else {
		while (has_more(cursor) && strchr(" \t<>@,:;()\"\\", *cursor->at) == NULL)
			cursor->at++;
	}
	return (size_t)(cursor->at - *domain_out);
}

/* `@one.example,@two.example:` before the mailbox (RFC 5321 appendix C): read and dropped. */
static bool
skip_route(struct cursor *cursor)
{
	const char *domain;

	if (!has_more(cursor) || *cursor->at != '@')
		return true;
	while (take(cursor, '@')) {
		size_t length = read_domain(cursor, &domain);

		if (!is_domain(domain, length))
			return false;
		if (take(cursor, ':'))
			return true;
		if (!take(cursor, ','))
			return false;
	}
	return false;
}

static enum mailaddr_outcome
check_octets(const char *text, size_t length, struct err *err_out)
{
	if (octet_has_control(text, length, "\t")) {
		(void)err_set(err_out, "Address has a control character");
		return MAILADDR_MALFORMED;
	}
	return MAILADDR_OK;
}

static enum mailaddr_outcome
read_mailbox(struct cursor *cursor, enum mailaddr_path path, struct mailaddr *address_out,
    struct err *err_out)
{
	struct local_part local;
	const char *domain;
	size_t length;

	if (!read_local(cursor, &local)) {
		(void)err_set(err_out, "Local part of the address is malformed");
		return MAILADDR_MALFORMED;
	}
	if (take(cursor, '@')) {
		length = read_domain(cursor, &domain);
		return mailaddr_make(
		    local.bytes, local.length, domain, length, address_out, err_out);
	}
	if (path == MAILADDR_FORWARD && local.length == strlen("postmaster") &&
	    strncasecmp(local.bytes, "postmaster", local.length) == 0) {
		memcpy(address_out->text, local.bytes, local.length);
		address_out->text[local.length] = '\0';
		address_out->local_length = local.length;
		return MAILADDR_OK;
	}
	(void)err_set(err_out, "Address needs a domain (local@domain)");
	return MAILADDR_MALFORMED;
}

static enum mailaddr_outcome
read_path(struct cursor *cursor, enum mailaddr_path path, struct mailaddr *address_out,
    struct err *err_out)
{
	bool has_bracket = take(cursor, '<');
	enum mailaddr_outcome outcome;

	skip_blanks(cursor);
	if (has_bracket && path == MAILADDR_REVERSE && take(cursor, '>')) {
		*address_out = (struct mailaddr){0};
		return MAILADDR_OK;
	}
	if (!skip_route(cursor)) {
		(void)err_set(err_out, "Source route is malformed");
		return MAILADDR_MALFORMED;
	}
	outcome = read_mailbox(cursor, path, address_out, err_out);
	if (outcome != MAILADDR_OK || !has_bracket)
		return outcome;
	skip_blanks(cursor);
	if (take(cursor, '>'))
		return MAILADDR_OK;
	(void)err_set(err_out, "Address has no closing `>` or something before it");
	return MAILADDR_MALFORMED;
}

enum mailaddr_outcome
mailaddr_parse_path(const char *text, size_t length, enum mailaddr_path path,
    struct mailaddr *address_out, size_t *used_out, struct err *err_out)
{
	struct cursor cursor = {text, text + length};
	enum mailaddr_outcome outcome;

	skip_blanks(&cursor);
	if (!has_more(&cursor)) {
		(void)err_set(err_out, "Address is missing");
		return MAILADDR_MALFORMED;
	}
	outcome = check_octets(text, length, err_out);
	if (outcome != MAILADDR_OK)
		return outcome;
	outcome = read_path(&cursor, path, address_out, err_out);
	if (outcome != MAILADDR_OK)
		return outcome;
	if (has_more(&cursor) && *cursor.at != ' ' && *cursor.at != '\t') {
		(void)err_set(err_out, "Address is followed by something that isn't a parameter");
		return MAILADDR_MALFORMED;
	}
	skip_blanks(&cursor);
	*used_out = (size_t)(cursor.at - text);
	return MAILADDR_OK;
}

enum mailaddr_outcome
mailaddr_parse(const char *text, size_t length, struct mailaddr *address_out, struct err *err_out)
{
	struct cursor cursor = {text, text + length};
	enum mailaddr_outcome outcome = check_octets(text, length, err_out);

	if (outcome != MAILADDR_OK)
		return outcome;
	outcome = read_mailbox(&cursor, MAILADDR_REVERSE, address_out, err_out);
	if (outcome != MAILADDR_OK)
		return outcome;
	if (!has_more(&cursor))
		return MAILADDR_OK;
	(void)err_set(err_out, "Address is followed by something else");
	return MAILADDR_MALFORMED;
}

bool
mailaddr_is_ascii(const struct mailaddr *address)
{
	for (const char *at = address->text; *at != '\0'; at++)
		if ((unsigned char)*at >= 0x80)
			return false;
	return true;
}

bool
mailaddr_is_null(const struct mailaddr *address)
{
	return address->text[0] == '\0';
}

const char *
mailaddr_domain(const struct mailaddr *address)
{
	const char *at = address->text + address->local_length;

	return *at == '@' ? at + 1 : at;
}

bool
mailaddr_equals(const char *a, const char *b)
{
	return strcasecmp(a, b) == 0;
}
