/*
 * store_sqlite_journal - what happened, a row each, in the transaction in which it happened; read
 * and deleted again when the history has it.
 *
 * A number is never given twice. The newest row stays, so that numbers rise within one queue.db;
 * and they begin at the time of the start, in microseconds, so that they also rise in one that was
 * restored or made anew: a history that has seen more takes nothing new for old.
 */
#include "daemon/queue/store_sqlite.h"

#include "common/clock.h"
#include "common/xalloc.h"
#include "daemon/queue/journal.h"

/* Of one commit: somebody may wait for it. */
#define FORGOTTEN_A_COMMIT 500
/* Some 300 MB. Beyond that the oldest goes: what is asked for after a trouble is what was last. */
#define JOURNAL_ROWS_MAX 1000000
#define READ_BYTES (1u << 20)

/* The first column of a query that gives one row, 0 if it is NULL. */
static enum store_result
query_number(struct store *store, const char *sql, uint64_t *number_out)
{
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*number_out = (uint64_t)sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	return sql_result(store, code);
}

enum store_result
store_open_journal(struct store *store)
{
	uint64_t now_us = (uint64_t)clock_wall_ms() * 1000, last = 0;
	enum store_result result = query_number(store, "SELECT max(id) FROM journal", &last);

	store->journal.last = last;
	store->journal.is_counting = last > 0;
	store->journal.next = now_us > last ? now_us : last + 1;
	return result;
}

enum store_result
store_add_journal(struct store *store, const struct buf *record)
{
	sqlite3_stmt *statement;
	enum store_result result;

	if (store->journal.is_off) {
		store->journal.counts.lost++;
		return STORE_OK;
	}
	statement = sql_bind(store, SQL_ADD_JOURNAL, "i", (int64_t)store->journal.next);
	(void)sqlite3_bind_blob(statement, 2, record->bytes, (int)record->size, SQLITE_STATIC);
	result = sql_result(store, sql_step(statement));
	if (result == STORE_OK) {
		store->journal.next++;
		store->journal.counts.records++;
	}
	return result;
}

enum store_result
store_note_accepted(struct store *store, const struct mail *mail, const char *profile)
{
	buf_clear(&store->journal.record);
	journal_write_accepted(&store->journal.record, mail, profile);
	return store_add_journal(store, &store->journal.record);
}

enum store_result
store_note_removed(struct store *store, uint64_t message_id, int64_t now_ms)
{
	sqlite3_stmt *row = sql_bind(store, SQL_GET_REMOVED, "i", (int64_t)message_id);
	int code = sql_step(row);
	struct journal_record record = {
	    .kind = JOURNAL_REMOVED, .message_id = message_id, .at_ms = now_ms};

	if (code != SQLITE_ROW)
		return sql_result(store, code);
	record.received_at_ms = sqlite3_column_int64(row, 0);
	record.login = sql_text(row, 1);
	record.list = sql_text(row, 2);
	record.recipients = (unsigned)sqlite3_column_int(row, 3);
	buf_clear(&store->journal.record);
	journal_write(&store->journal.record, &record);
	(void)sqlite3_reset(row);
	return store_add_journal(store, &store->journal.record);
}

enum store_result
store_read_journal(struct store *store, struct journal_read_job *job)
{
	sqlite3_stmt *row = sql_bind(
	    store, SQL_GET_JOURNAL, "ii", (int64_t)job->moved, (int64_t)JOURNAL_ENTRIES_A_JOB);
	int code = SQLITE_DONE;

	if (job->moved > store->journal.moved)
		store->journal.moved = job->moved;
	job->lost_out = store->journal.counts.lost;
	store->journal.counts.lost = 0;
	job->entries_out = xcalloc(JOURNAL_ENTRIES_A_JOB, sizeof(*job->entries_out));
	while (job->bytes_out.size < READ_BYTES && (code = sql_step(row)) == SQLITE_ROW) {
		job->entries_out[job->count_out++] =
		    (struct journal_entry){.number = (uint64_t)sqlite3_column_int64(row, 0),
			.at = job->bytes_out.size,
			.size = (size_t)sqlite3_column_bytes(row, 1)};
		buf_append(&job->bytes_out, sqlite3_column_blob(row, 1),
		    (size_t)sqlite3_column_bytes(row, 1));
	}
	(void)sqlite3_reset(row);
	return sql_result(store, code);
}

enum store_result
store_forget_journal(struct store *store)
{
	struct journal_counts *counts = &store->journal.counts;
	bool is_too_long = counts->records > JOURNAL_ROWS_MAX;
	enum store_result result;
	uint64_t changed;

	if (store->journal.is_counting ||
	    (!is_too_long && counts->forgotten >= store->journal.moved))
		return STORE_OK;
	result = sql_run(store, SQL_FORGET_JOURNAL, "ii",
	    is_too_long ? INT64_MAX : (int64_t)store->journal.moved, (int64_t)FORGOTTEN_A_COMMIT);
	if (result != STORE_OK)
		return result;
	changed = (uint64_t)sqlite3_changes64(store->db);
	counts->records -= changed;
	if (is_too_long)
		counts->lost += changed;
	else if (changed < FORGOTTEN_A_COMMIT)
		counts->forgotten = store->journal.moved;
	return STORE_OK;
}
