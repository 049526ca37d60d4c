/* history_query - keys, and the comparison that has the last word. */
#include "daemon/queue/history_query.h"

#include <string.h>
#include <strings.h>

/* A piece of a text. */
struct span {
	const char *at;
	size_t size;
};

static struct span
span_of(const char *text)
{
	return (struct span){text, strlen(text)};
}

static bool
span_equals(struct span a, struct span b)
{
	return a.size == b.size && strncasecmp(a.at, b.at, a.size) == 0;
}

/* From the last @ on; empty without one. */
static struct span
domain_of(struct span address)
{
	for (size_t i = address.size; i > 0; i--)
		if (address.at[i - 1] == '@')
			return (struct span){address.at + i - 1, address.size - i + 1};
	return (struct span){address.at, 0};
}

/* The address of a From: with one, as people mostly write it: what is in its angle brackets, or all of it. */
static struct span
header_address(const char *header_from)
{
	const char *open = strrchr(header_from, '<');
	const char *close = open == NULL ? NULL : strchr(open, '>');

	if (close != NULL)
		return (struct span){open + 1, (size_t)(close - open - 1)};
	return span_of(strpbrk(header_from, " \t,<") == NULL ? header_from : "");
}

static struct span
without_brackets(const char *message_id)
{
	struct span span = span_of(message_id);

	if (span.size >= 2 && span.at[0] == '<' && span.at[span.size - 1] == '>')
		return (struct span){span.at + 1, span.size - 2};
	return span;
}

/* ---- keys ---- */

/* FNV-1a over what kind of text it is and the text in lower case. */
static uint32_t
key_of(char kind, struct span span)
{
	uint32_t hash = (2166136261u ^ (uint8_t)kind) * 16777619u;

	for (size_t i = 0; i < span.size; i++) {
		char c = span.at[i];

		hash = (hash ^ (uint8_t)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c)) * 16777619u;
	}
	return hash;
}

static void
give_address(char kind, struct span address, history_key_fn on_key, void *ctx)
{
	struct span domain = domain_of(address);

	if (address.size > 0)
		on_key(key_of(kind, address), ctx);
	if (domain.size > 0 && domain.size < address.size)
		on_key(key_of(kind, domain), ctx);
}

void
history_keys(const struct journal_record *record, history_key_fn on_key, void *ctx)
{
	struct journal_record rest = *record;
	struct span id = without_brackets(record->message_id_header);
	struct journal_row row;

	while (journal_next_row(&rest, &row))
		give_address('t', span_of(row.address), on_key, ctx);
	give_address('f', span_of(record->sender), on_key, ctx);
	give_address('f', header_address(record->header_from), on_key, ctx);
	if (id.size > 0)
		on_key(key_of('m', id), ctx);
	on_key(key_of('u', span_of(record->login)), ctx);
	on_key(key_of('l', span_of(record->list)), ctx);
}

bool
history_query_key(const struct history_query *query, uint32_t *key_out)
{
	if (query->message_id_header != NULL)
		*key_out = key_of('m', without_brackets(query->message_id_header));
	else if (query->to != NULL)
		*key_out = key_of('t', span_of(query->to));
	else if (query->from != NULL)
		*key_out = key_of('f', span_of(query->from));
	else if (query->user != NULL)
		*key_out = key_of('u', span_of(query->user));
	else if (query->list != NULL)
		*key_out = key_of('l', span_of(query->list));
	else
		return false;
	return true;
}

/* ---- comparison ---- */

static bool
is_address(const char *wanted, struct span address)
{
	return span_equals(span_of(wanted), *wanted == '@' ? domain_of(address) : address);
}

static bool
has_recipient(const struct journal_record *record, const char *wanted)
{
	struct journal_record rest = *record;
	struct journal_row row;

	while (journal_next_row(&rest, &row))
		if (is_address(wanted, span_of(row.address)))
			return true;
	return false;
}

static bool
has_names(const struct history_query *query, const struct journal_record *record)
{
	return (query->user == NULL || strcasecmp(query->user, record->login) == 0) &&
	       (query->list == NULL || strcasecmp(query->list, record->list) == 0) &&
	       (query->message_id_header == NULL ||
		   span_equals(without_brackets(query->message_id_header),
		       without_brackets(record->message_id_header)));
}

bool
history_query_matches(const struct history_query *query, const struct journal_record *record)
{
	if (query->message_id != 0 && query->message_id != record->message_id)
		return false;
	if (record->received_at_ms < query->since_ms ||
	    (query->until_ms != 0 && record->received_at_ms > query->until_ms))
		return false;
	if (!has_names(query, record))
		return false;
	if (query->from != NULL && !is_address(query->from, span_of(record->sender)) &&
	    !is_address(query->from, header_address(record->header_from)))
		return false;
	return query->to == NULL || has_recipient(record, query->to);
}
