/* api_clients - the calls about addresses that clients come from. */
#include "common/clock.h"
#include "common/xalloc.h"
#include "daemon/accounts/api_call.h"

#include <stdlib.h>
#include <string.h>

struct row {
	char address[NETADDR_ORIGIN_TEXT_SIZE];
	struct suspect suspect;
};

struct rows {
	struct row *rows;
	size_t count, capacity;
};

static void
add_row(const struct suspect *suspect, void *ctx)
{
	struct rows *rows = ctx;
	struct row *row;

	if (rows->count == rows->capacity) {
		rows->capacity = rows->capacity * 2 + 64;
		rows->rows = xrealloc(rows->rows, rows->capacity, sizeof(*rows->rows));
	}
	row = &rows->rows[rows->count++];
	row->suspect = *suspect;
	(void)netaddr_format_origin(&suspect->origin, row->address);
}

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->address, ((const struct row *)b)->address);
}

static json_t *
row_to_json(const struct parts *parts, const struct row *row)
{
	const struct suspect *suspect = &row->suspect;
	char until[CLOCK_RFC3339_SIZE];

	if (suspect->shut_until_ms != 0)
		(void)clock_rfc3339(suspect->shut_until_ms, until, sizeof(until));
	return json_pack("{s:s,s:i,s:i,s:s?,s:i}", "address", row->address, "connections",
	    (int)presence_count_origin(parts->presence, &suspect->origin), "guesses",
	    (int)suspect->guesses, "shut_out_until", suspect->shut_until_ms == 0 ? NULL : until,
	    "known_users", (int)suspect->known);
}

/* In the order of their texts, which is what `after` continues. */
enum handled
api_client_index(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	const char *after = json_string_value(json_object_get(call->query, "after"));
	struct rows rows = {0};
	int64_t limit;

	if (call_query_number(call, "limit", 0, &limit, refusal_out) != 0)
		return CALL_REFUSED;
	guessing_each(call->parts->guessing, add_row, &rows);
	if (rows.count > 0)
		qsort(rows.rows, rows.count, sizeof(*rows.rows), compare);
	*result_out = json_array();
	for (size_t i = 0; i < rows.count; i++) {
		if (after != NULL && strcmp(rows.rows[i].address, after) <= 0)
			continue;
		(void)json_array_append_new(*result_out, row_to_json(call->parts, &rows.rows[i]));
		if (limit > 0 && json_array_size(*result_out) >= (size_t)limit)
			break;
	}
	free(rows.rows);
	return CALL_DONE;
}

enum handled
api_client_forgive(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	char address[NETADDR_ORIGIN_TEXT_SIZE];
	struct netaddr origin;
	struct err err;
	int found;

	if (!netaddr_parse_origin(call->name, &origin)) {
		(void)refuse(refusal_out, REFUSED_INVALID, "invalid", "address",
		    "%.60s is not an IP address, and no IPv6 /64 or /48", call->name);
		return CALL_REFUSED;
	}
	found = guessing_forgive(call->parts->guessing, &origin, &err);
	if (found < 0) {
		(void)refuse_unavailable(refusal_out, &err);
		return CALL_REFUSED;
	}
	(void)netaddr_format_origin(&origin, address);
	if (found == 0) {
		(void)refuse(refusal_out, REFUSED_NOT_FOUND, "not_found", NULL,
		    "nothing is held against %s (posternctl client ls)", address);
		return CALL_REFUSED;
	}
	*result_out = json_pack("{s:s}", "address", address);
	return CALL_DONE;
}
