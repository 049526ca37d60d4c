/*
 * addresses - a parser for address lists that would rather give up than guess.
 *
 * The value is cut into tokens first. Comments and blanks between tokens vanish, but each token
 * remembers whether something stood before it: inside an address nothing may.
 */
#include "daemon/smtpd/addresses.h"

#include "common/domain.h"
#include "common/mailaddr.h"
#include "common/octet.h"
#include "common/xalloc.h"
#include "daemon/smtpd/encoded_word.h"

#include <stdlib.h>
#include <string.h>

enum token_kind {
	TOKEN_END,
	TOKEN_ATOM,
	TOKEN_QUOTED,  /* its bytes are those between the quotes, escapes included */
	TOKEN_LITERAL, /* with its brackets */
	TOKEN_SPECIAL, /* one of < > @ , : ; . */
	TOKEN_BAD
};

struct token {
	enum token_kind kind;
	const char *bytes;
	size_t length;
	bool has_gap; /* blanks or a comment before it */
};

struct parser {
	const char *at, *end;
	struct token token; /* the next one */
	struct addresses *addresses;
	bool takes_utf8; /* in addresses */
	const char *bad; /* what was in the way, when it isn't the next token */
};

static bool
has_any(const char *bytes, size_t length, const char *octets)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i] == '\0' || strchr(octets, bytes[i]) != NULL)
			return true;
	return false;
}

/* Past a comment and those inside it. NULL: it doesn't close, or it might be read as an address. */
static const char *
skip_comment(const char *at, const char *end)
{
	const char *start = at;
	unsigned depth = 0;

	for (; at < end; at++) {
		if (*at == '\\')
			at++;
		else if (*at == '(')
			depth++;
		else if (*at == ')' && --depth == 0)
			return has_any(start, (size_t)(at - start), "<>@") ||
				       encoded_word_hides(start, (size_t)(at - start))
				   ? NULL
				   : at + 1;
	}
	return NULL;
}

/* Past blanks and comments; false when one is bad. */
static bool
skip_gap(struct parser *parser)
{
	while (parser->at < parser->end) {
		if (octet_is_blank(*parser->at) || *parser->at == '\r' || *parser->at == '\n') {
			parser->at++;
		} else if (*parser->at == '(') {
			const char *next = skip_comment(parser->at, parser->end);

			if (next == NULL)
				return false;
			parser->at = next;
		} else {
			break;
		}
	}
	return true;
}

/* Up to the octet that closes it; TOKEN_BAD when there's none. */
static struct token
read_enclosed(struct parser *parser, enum token_kind kind, char close)
{
	const char *start = parser->at++;

	for (; parser->at < parser->end; parser->at++) {
		if (*parser->at == '\\' && parser->at + 1 < parser->end)
			parser->at++;
		else if (*parser->at == close)
			break;
	}
	if (parser->at >= parser->end)
		return (struct token){.kind = TOKEN_BAD, .bytes = start};
	parser->at++;
	return (struct token){kind, start, (size_t)(parser->at - start), false};
}

static struct token
read_quoted(struct parser *parser)
{
	struct token token = read_enclosed(parser, TOKEN_QUOTED, '"');

	if (token.kind == TOKEN_QUOTED) {
		token.bytes++;
		token.length -= 2;
	}
	return token;
}

static struct token
read_atom(struct parser *parser)
{
	const char *start = parser->at;

	while (parser->at < parser->end && octet_is_atext(*parser->at))
		parser->at++;
	return (struct token){TOKEN_ATOM, start, (size_t)(parser->at - start), false};
}

static struct token
read_token(struct parser *parser)
{
	if (parser->at == parser->end)
		return (struct token){.kind = TOKEN_END};
	if (*parser->at == '"')
		return read_quoted(parser);
	if (*parser->at == '[')
		return read_enclosed(parser, TOKEN_LITERAL, ']');
	if (octet_is_atext(*parser->at))
		return read_atom(parser);
	if (has_any(parser->at, 1, "<>@,:;."))
		return (struct token){TOKEN_SPECIAL, parser->at++, 1, false};
	return (struct token){.kind = TOKEN_BAD};
}

static void
advance(struct parser *parser)
{
	const char *before = parser->at;
	bool is_good = skip_gap(parser);
	bool has_gap = parser->at != before;

	parser->token = is_good ? read_token(parser) : (struct token){.kind = TOKEN_BAD};
	parser->token.has_gap = has_gap;
}

static bool
is_special(const struct parser *parser, char c)
{
	return parser->token.kind == TOKEN_SPECIAL && *parser->token.bytes == c;
}

static bool
take_special(struct parser *parser, char c)
{
	if (!is_special(parser, c))
		return false;
	advance(parser);
	return true;
}

/* A part of an address: from its first token on, no gap before any other. */
struct part {
	const char *bytes;
	size_t length;
	size_t token_count;
	enum token_kind first;
	bool has_gap;
};

static void
part_add(struct part *part, const struct token *token)
{
	if (part->token_count++ == 0) {
		part->bytes = token->bytes;
		part->first = token->kind;
	} else if (token->has_gap) {
		part->has_gap = true;
	}
	part->length = (size_t)(token->bytes + token->length - part->bytes);
}

static bool
refuse(struct parser *parser, const char *bad)
{
	parser->bad = bad;
	return false;
}

static bool
is_atom_or_dot(const struct parser *parser)
{
	return parser->token.kind == TOKEN_ATOM || is_special(parser, '.');
}

static bool
take_quoted(struct parser *parser, struct part *part)
{
	struct token token = parser->token;

	if (has_any(token.bytes, token.length, "<>") ||
	    encoded_word_hides(token.bytes, token.length))
		return refuse(parser, token.bytes);
	part_add(part, &token);
	advance(parser);
	return true;
}

/* All up to the next gap, since an encoded word may have dots in it. */
static bool
take_atoms(struct parser *parser, struct part *part)
{
	const char *start = parser->token.bytes;
	size_t length;

	do {
		part_add(part, &parser->token);
		length = (size_t)(parser->token.bytes + parser->token.length - start);
		advance(parser);
	} while (is_atom_or_dot(parser) && !parser->token.has_gap);
	return encoded_word_hides(start, length) ? refuse(parser, start) : true;
}

/* Words and dots, as in a phrase or a local part. False when a name hides something. */
static bool
read_words(struct parser *parser, struct part *part)
{
	*part = (struct part){0};
	if (is_special(parser, '.'))
		return false;
	for (;;) {
		bool is_taken;

		if (parser->token.kind == TOKEN_QUOTED)
			is_taken = take_quoted(parser, part);
		else if (is_atom_or_dot(parser))
			is_taken = take_atoms(parser, part);
		else
			return true;
		if (!is_taken)
			return false;
	}
}

/* Without SMTPUTF8 nobody knows what the octets of an address mean. */
static bool
has_unknown_octets(const struct part *part, bool takes_utf8)
{
	for (size_t i = 0; i < part->length; i++)
		if ((unsigned char)part->bytes[i] >= 0x80 && !takes_utf8)
			return true;
	return false;
}

/* Writes the local part without quotes; 0 when it's none, or one that is read differently. */
static size_t
unquote_local(const struct part *part, bool takes_utf8, char *out, size_t out_size)
{
	if (part->has_gap || part->token_count == 0 ||
	    (part->first == TOKEN_QUOTED && part->token_count > 1))
		return 0;
	if (part->length > out_size || octet_has_control(part->bytes, part->length, "") ||
	    has_any(part->bytes, part->length, "@<>()[]:;,\"\\") ||
	    memmem(part->bytes, part->length, "=?", 2) != NULL ||
	    has_unknown_octets(part, takes_utf8))
		return 0;
	memcpy(out, part->bytes, part->length);
	return part->length;
}

/* `local` must be the words read so far; the next token is behind the @. */
static bool
read_domain(struct parser *parser, char out[static DOMAIN_SIZE])
{
	struct part part = {0};

	if (parser->token.has_gap)
		return false;
	if (parser->token.kind == TOKEN_LITERAL) {
		if (parser->token.length >= DOMAIN_SIZE)
			return false;
		memcpy(out, parser->token.bytes, parser->token.length);
		out[parser->token.length] = '\0';
		advance(parser);
		return true;
	}
	while (is_atom_or_dot(parser)) {
		part_add(&part, &parser->token);
		advance(parser);
	}
	if (part.has_gap || has_unknown_octets(&part, parser->takes_utf8) ||
	    domain_normalise_exact(part.bytes, part.length, out, NULL) != 0)
		return refuse(parser, part.bytes);
	return true;
}

static bool
add_address(struct addresses *addresses, const char *local, size_t length, const char *domain)
{
	struct mailaddr address;

	if (addresses->count == ADDRESSES_MAX ||
	    mailaddr_make(local, length, domain, strlen(domain), &address, NULL) != MAILADDR_OK)
		return false;
	addresses->items =
	    xrealloc(addresses->items, addresses->count + 1, sizeof(*addresses->items));
	addresses->items[addresses->count++] = xstrdup(address.text);
	return true;
}

/* The @ and the domain behind a local part. */
static bool
finish_address(struct parser *parser, const struct part *local)
{
	char text[MAILADDR_LOCAL_MAX], domain[DOMAIN_SIZE];
	bool is_close = is_special(parser, '@') && !parser->token.has_gap;
	size_t length = unquote_local(local, parser->takes_utf8, text, sizeof(text));

	if (!is_close || length == 0)
		return false;
	/* an atom's dots must be where dot-atom has them; mailaddr_make() would quote the rest */
	if (local->first != TOKEN_QUOTED &&
	    (text[0] == '.' || text[length - 1] == '.' || memmem(text, length, "..", 2) != NULL))
		return false;
	advance(parser);
	return read_domain(parser, domain) && add_address(parser->addresses, text, length, domain);
}

/* `@one.example:` (RFC 5322 4.4, obs-route). Of two domains, with a comma between, some readers make
 * two addresses. */
static bool
skip_route(struct parser *parser)
{
	char domain[DOMAIN_SIZE];

	if (!take_special(parser, '@'))
		return true;
	return read_domain(parser, domain) && take_special(parser, ':');
}

static bool
read_angle(struct parser *parser)
{
	struct part local;

	return skip_route(parser) && read_words(parser, &local) && finish_address(parser, &local) &&
	       take_special(parser, '>');
}

static bool
is_at_element_end(const struct parser *parser)
{
	return parser->token.kind == TOKEN_END || is_special(parser, ',') ||
	       is_special(parser, ';');
}

/* One mailbox, or nothing between two commas. An address in the place of the name is one more: who
 * takes it for the sender finds one that was compared. */
static bool
read_mailbox(struct parser *parser, const struct part *words)
{
	if (words->token_count == 0 && is_at_element_end(parser))
		return true;
	if (take_special(parser, '<'))
		return read_angle(parser) && is_at_element_end(parser);
	if (!finish_address(parser, words) || (take_special(parser, '<') && !read_angle(parser)))
		return false;
	return is_at_element_end(parser);
}

/* Behind `name:` up to its `;` */
static bool
read_group(struct parser *parser)
{
	struct part words;

	do {
		if (!read_words(parser, &words) || !read_mailbox(parser, &words))
			return false;
	} while (take_special(parser, ','));
	return take_special(parser, ';') &&
	       (parser->token.kind == TOKEN_END || is_special(parser, ','));
}

static bool
read_element(struct parser *parser)
{
	struct part words;

	if (!read_words(parser, &words))
		return false;
	if (words.token_count > 0 && take_special(parser, ':'))
		return read_group(parser);
	return read_mailbox(parser, &words);
}

static bool
read_list(struct parser *parser)
{
	advance(parser);
	do {
		if (!read_element(parser))
			return false;
	} while (take_special(parser, ','));
	return parser->token.kind == TOKEN_END;
}

/* Where reading ended. */
static size_t
find_bad(const struct parser *parser, const char *value)
{
	const char *bad = parser->bad;

	if (bad == NULL)
		bad = parser->token.bytes != NULL ? parser->token.bytes : parser->at;
	return (size_t)(bad - value);
}

static bool
parse(struct addresses *addresses, const char *value, size_t length, bool takes_utf8)
{
	struct parser parser = {
	    .at = value, .end = value + length, .addresses = addresses, .takes_utf8 = takes_utf8};

	*addresses = (struct addresses){0};
	if (!octet_has_control(value, length, "\t\r\n") && read_list(&parser) &&
	    addresses->count > 0)
		return true;
	addresses_fini(addresses);
	addresses->bad_at = find_bad(&parser, value);
	return false;
}

bool
addresses_parse(struct addresses *addresses, const char *value, size_t length)
{
	return parse(addresses, value, length, false);
}

bool
addresses_parse_utf8(struct addresses *addresses, const char *value, size_t length)
{
	return parse(addresses, value, length, true);
}

void
addresses_fini(struct addresses *addresses)
{
	for (size_t i = 0; i < addresses->count; i++)
		free(addresses->items[i]);
	free(addresses->items);
	*addresses = (struct addresses){0};
}
