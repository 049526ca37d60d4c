/*
 * history_db_move - takes the journal's records in: a batch is one transaction, and the number of
 * its last record is part of it. So each record is here once, wherever a crash falls.
 */
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/queue/history_db_private.h"

#include <stdlib.h>

struct key {
	int64_t hour, key, message;
};

/* The keys of a batch, told to the table when it is whole and in the table's order: what goes to one
 * page goes there in a row. */
struct keys {
	struct key *all;
	size_t count, capacity;
	/* of the record that is read just now */
	int64_t hour;
	uint64_t message_id;
};

static void
on_key(uint32_t key, void *ctx)
{
	struct keys *keys = ctx;

	if (keys->count == keys->capacity) {
		keys->capacity = keys->capacity * 2 + 1024;
		keys->all = xrealloc(keys->all, keys->capacity, sizeof(*keys->all));
	}
	keys->all[keys->count++] = (struct key){keys->hour, key, (int64_t)keys->message_id};
}

static int
compare_keys(const void *left, const void *right)
{
	const struct key *a = left, *b = right;

	if (a->hour != b->hour)
		return a->hour < b->hour ? -1 : 1;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->message < b->message ? -1 : a->message > b->message;
}

static enum history_result
add_keys(struct history_db *db, const struct keys *keys)
{
	enum history_result result = HISTORY_OK;

	if (keys->count > 0)
		qsort(keys->all, keys->count, sizeof(*keys->all), compare_keys);
	for (size_t i = 0; i < keys->count && result == HISTORY_OK; i++) {
		const struct key *key = &keys->all[i];

		/* A sender is one in the envelope and in the header, mostly. */
		if (i == 0 || compare_keys(key, key - 1) != 0)
			result =
			    history_run(db, HISTORY_ADD_KEY, 3, key->hour, key->key, key->message);
	}
	return result;
}

static enum history_result
has_events(struct history_db *db, int64_t hour, uint64_t message_id, bool *has_out)
{
	sqlite3_stmt *row =
	    history_bind(db, HISTORY_GET_EVENTS, 2, hour, (sqlite3_int64)message_id);
	int code = history_step(row);

	*has_out = code == SQLITE_ROW;
	(void)sqlite3_reset(row);
	return history_result_of(db, code);
}

static enum history_result
add_event(struct history_db *db, int64_t hour, uint64_t message_id, uint64_t number,
    const void *bytes, size_t size)
{
	sqlite3_stmt *row = history_bind(
	    db, HISTORY_ADD_EVENT, 3, hour, (sqlite3_int64)message_id, (sqlite3_int64)number);

	(void)sqlite3_bind_blob(row, 4, bytes, (int)size, SQLITE_STATIC);
	return history_result_of(db, history_step(row));
}

/* A message that was accepted before this history began is found by what is known of it now. */
static enum history_result
keep_event(struct history_db *db, const struct journal_record *record, uint64_t number,
    const void *bytes, size_t size, struct keys *keys)
{
	enum history_result result = HISTORY_OK;
	bool has_keys = false;

	keys->hour = record->received_at_ms / HOUR_MS;
	keys->message_id = record->message_id;
	if (record->kind != JOURNAL_ACCEPTED)
		result = has_events(db, keys->hour, keys->message_id, &has_keys);
	if (result == HISTORY_OK)
		result = add_event(db, keys->hour, keys->message_id, number, bytes, size);
	if (result == HISTORY_OK && !has_keys)
		history_keys(record, on_key, keys);
	return result;
}

static enum history_result
take(struct history_db *db, const struct journal_read_job *records, uint32_t at, int64_t oldest_ms,
    struct tallies *tallies, struct keys *keys)
{
	const struct journal_entry *entry = &records->entries_out[at];
	const char *bytes = records->bytes_out.bytes + entry->at;
	struct journal_record record;

	if (!journal_read(bytes, entry->size, &record)) {
		log_problem(LOG_ERROR, "a record of the journal can't be read: it is left out");
		return HISTORY_OK;
	}
	tallies_count(tallies, &record);
	if (record.kind == JOURNAL_REFUSED || record.received_at_ms <= oldest_ms)
		return HISTORY_OK;
	return keep_event(db, &record, entry->number, bytes, entry->size, keys);
}

static enum history_result
take_all(struct history_db *db, const struct journal_read_job *records, int64_t oldest_ms,
    struct tallies *tallies)
{
	enum history_result result = history_run(db, HISTORY_BEGIN, 0);
	struct keys keys = {0};

	for (uint32_t i = 0; i < records->count_out && result == HISTORY_OK; i++)
		if (records->entries_out[i].number > db->moved)
			result = take(db, records, i, oldest_ms, tallies, &keys);
	if (result == HISTORY_OK)
		result = add_keys(db, &keys);
	free(keys.all);
	if (result == HISTORY_OK)
		result = tallies_store(db, tallies);
	if (result == HISTORY_OK)
		result = history_run(db, HISTORY_SET_MOVED, 1,
		    (sqlite3_int64)records->entries_out[records->count_out - 1].number);
	return result == HISTORY_OK ? history_run(db, HISTORY_COMMIT, 0) : result;
}

enum history_result
history_db_move(
    struct history_db *db, const struct journal_read_job *records, const struct history_keep *keep)
{
	struct tallies *tallies;
	enum history_result result;
	uint64_t last;

	if (records->count_out == 0)
		return HISTORY_OK;
	last = records->entries_out[records->count_out - 1].number;
	if (last <= db->moved)
		return HISTORY_OK;
	tallies = tallies_new();
	result = take_all(db, records, keep->now_ms - keep->keep_ms, tallies);
	tallies_free(tallies);
	if (result == HISTORY_OK)
		db->moved = last;
	else if (!sqlite3_get_autocommit(db->db))
		(void)sqlite3_exec(db->db, "ROLLBACK", NULL, NULL, NULL);
	return result;
}
