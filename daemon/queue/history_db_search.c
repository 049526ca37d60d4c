/*
 * history_db_search - goes back hour by hour, and within an hour from the newest message to the
 * oldest: those that have the query's key, or all of them. What is found is compared and told.
 */
#include "daemon/queue/history_db_private.h"

/* A query that finds little among this many has to be narrowed. */
#define LOOKED_AT_MAX 200000

struct search {
	struct history_db *db;
	const struct history_query *query;
	const struct history_story_ops *ops;
	void *ctx;
	bool has_key;
	uint32_t key;
	uint32_t looked_at, skipped, found;
	bool is_over;
	struct history_extent extent;
};

/* One of those that are meant; whether it is one of those that are told. */
static bool
is_told(struct search *search)
{
	if (search->skipped < search->query->skip) {
		search->skipped++;
		return false;
	}
	if (search->found < search->query->limit)
		return true;
	search->extent.has_more = search->is_over = true;
	return false;
}

/* True: it was one of those that are wanted. */
static bool
begin_story(struct search *search, const struct journal_record *first)
{
	if (!history_query_matches(search->query, first) || !is_told(search))
		return false;
	if (!search->ops->begin(first, search->ctx)) {
		search->is_over = true;
		return false;
	}
	return true;
}

static enum history_result
tell(struct search *search, int64_t hour, int64_t message_id)
{
	sqlite3_stmt *row = history_bind(search->db, HISTORY_GET_EVENTS, 2, hour, message_id);
	bool is_begun = false;
	int code;

	while ((code = history_step(row)) == SQLITE_ROW) {
		struct journal_record record;

		if (!journal_read(
			sqlite3_column_blob(row, 0), (size_t)sqlite3_column_bytes(row, 0), &record))
			continue;
		if (!is_begun && !begin_story(search, &record))
			break;
		is_begun = true;
		search->ops->add(&record, search->ctx);
	}
	(void)sqlite3_reset(row);
	if (is_begun) {
		search->ops->end(search->ctx);
		search->found++;
	}
	return history_result_of(search->db, code);
}

/* Gives the messages of the hour that may be meant. Ids don't tell which is newer, since each smtpd
 * has its own; the numbers of records do. */
static sqlite3_stmt *
candidates(struct search *search, int64_t hour)
{
	sqlite3_int64 most = LOOKED_AT_MAX + 1;

	if (search->has_key)
		return history_bind(
		    search->db, HISTORY_GET_KEYED, 3, hour, (sqlite3_int64)search->key, most);
	return history_bind(search->db, HISTORY_GET_ALL, 2, hour, most);
}

static enum history_result
search_hour(struct search *search, int64_t hour)
{
	sqlite3_stmt *row = candidates(search, hour);
	enum history_result result = HISTORY_OK;
	int code = SQLITE_DONE;

	while (
	    result == HISTORY_OK && !search->is_over && (code = history_step(row)) == SQLITE_ROW) {
		if (search->looked_at++ == LOOKED_AT_MAX) {
			search->is_over = true;
			search->extent.is_cut = search->found < search->query->limit;
			search->extent.has_more = !search->extent.is_cut; /* nobody knows */
		} else {
			result = tell(search, hour, sqlite3_column_int64(row, 0));
		}
	}
	(void)sqlite3_reset(row);
	return result == HISTORY_OK ? history_result_of(search->db, code) : result;
}

/* The latest hour from `first` to `last` that has something; 0: none. */
static enum history_result
latest_hour(struct history_db *db, int64_t first, int64_t last, int64_t *hour_out)
{
	sqlite3_stmt *row = history_bind(db, HISTORY_GET_HOURS, 2, first, last);
	int code = history_step(row);

	*hour_out = code == SQLITE_ROW ? sqlite3_column_int64(row, 0) : 0;
	(void)sqlite3_reset(row);
	return history_result_of(db, code);
}

enum history_result
history_db_search(struct history_db *db, const struct history_query *query,
    const struct history_story_ops *ops, void *ctx, struct history_extent *extent_out)
{
	struct search search = {.db = db, .query = query, .ops = ops, .ctx = ctx};
	int64_t first = query->since_ms / HOUR_MS, hour;
	enum history_result result;

	search.has_key = history_query_key(query, &search.key);
	result = latest_hour(
	    db, first, query->until_ms == 0 ? INT64_MAX : query->until_ms / HOUR_MS, &hour);
	while (result == HISTORY_OK && hour != 0 && !search.is_over) {
		if (query->message_id != 0)
			result = tell(&search, hour, (int64_t)query->message_id);
		else
			result = search_hour(&search, hour);
		if (result == HISTORY_OK)
			result = latest_hour(db, first, hour - 1, &hour);
	}
	*extent_out = search.extent;
	return result;
}

enum history_result
history_db_newest(struct history_db *db, int64_t *at_ms_out)
{
	int64_t hour;
	enum history_result result = latest_hour(db, 0, INT64_MAX, &hour);

	*at_ms_out = hour * HOUR_MS;
	return result;
}
