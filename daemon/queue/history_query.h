/*
 * history_query - what is looked for in the history, and the keys under which it is found
 *
 * Owns     nothing; a query borrows its texts
 * Context  any; no I/O
 * Units    *_at_ms are wall clock
 *
 * A message is found under a number for each of its addresses, their domains, its Message-ID, its
 * user and its list. Different texts may have the same number: what was found is compared.
 */
#ifndef POSTERN_QUEUE_HISTORY_QUERY_H
#define POSTERN_QUEUE_HISTORY_QUERY_H

#include "daemon/queue/journal.h"

/* NULL, 0: whatever it is. Texts are compared without regard to (ASCII) case. */
struct history_query {
	uint64_t message_id;
	const char *to, *from; /* an address, or `@` and a domain; from the envelope or From: */
	const char *message_id_header; /* with or without its brackets */
	const char *user, *list;
	int64_t since_ms, until_ms; /* when it was accepted */
	uint32_t skip;              /* of what is meant, the newest that are left out */
	uint32_t limit;
};

/* How what was found relates to what there is. */
struct history_extent {
	bool is_cut;   /* too many had to be looked at, and fewer than the limit were found */
	bool has_more; /* than the limit */
};

typedef void (*history_key_fn)(uint32_t key, void *ctx);

/* All keys of the message that the record tells of. */
void history_keys(const struct journal_record *record, history_key_fn on_key, void *ctx);
/* The key that the fewest messages have; false: the query goes by none. */
bool history_query_key(const struct history_query *query, uint32_t *key_out);
/* The record is the message's first. */
bool history_query_matches(const struct history_query *query, const struct journal_record *record);

#endif
