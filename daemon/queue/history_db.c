/*
 * history_db - the file, its tables, and what keeps it small.
 *
 *	event       what happened to messages: journal records as they came, under the hour in which
 *	            the message was accepted, its id, and the journal's number: all of a message stands
 *	            together
 *	find        under the same hour and a key (history_query.h) the messages that have it
 *	statistics  of an hour, list, user and profile: statistics.h
 *	meta        moved: up to which number the journal stands here, written in the transaction that
 *	            brings it
 *
 * The hour comes first in every key, so what is new is written close together, whatever the history
 * grows to, and what is old is deleted from one end.
 */
#include "common/xalloc.h"
#include "daemon/queue/history_db_private.h"
#include "daemon/queue/store_sqlite_pages.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APPLICATION_ID 0x706f7368 /* "posh" */
#define SCHEMA_VERSION 1
/* A larger file is not read through when it is opened. */
#define CHECK_PAGES_MAX 8192
#define PAGE_BYTES 4096
/* Rows that are deleted at a time: some ten milliseconds. */
#define CLEAN_ROWS "4000"
#define SHRINK_PAGES "512"
/* Fewer empty pages than this, or than a quarter, are left to be filled again. */
#define EMPTY_PAGES_MIN 4096
#define XSTR(x) #x
#define STR(x) XSTR(x)

static const char pragmas_sql[] =
    "PRAGMA locking_mode=EXCLUSIVE;"
    "PRAGMA page_size=" STR(PAGE_BYTES) ";"
					"PRAGMA auto_vacuum=INCREMENTAL;"
					"PRAGMA journal_mode=WAL;"
					"PRAGMA synchronous=FULL;"
					"PRAGMA secure_delete=OFF;"
					"PRAGMA wal_autocheckpoint=0;"
					"PRAGMA journal_size_limit=16777216;"
					"PRAGMA cache_size=-8192;"
					"PRAGMA temp_store=MEMORY;";

static const char tables_sql[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO meta VALUES('moved', 0);"
    "CREATE TABLE event("
    " hour INTEGER NOT NULL, message INTEGER NOT NULL, number INTEGER NOT NULL,"
    " record BLOB NOT NULL, PRIMARY KEY(hour, message, number)) WITHOUT ROWID;"
    "CREATE TABLE find("
    " hour INTEGER NOT NULL, key INTEGER NOT NULL, message INTEGER NOT NULL,"
    " PRIMARY KEY(hour, key, message)) WITHOUT ROWID;"
    "CREATE TABLE statistics("
    " hour INTEGER NOT NULL, list TEXT NOT NULL, login TEXT NOT NULL, profile TEXT NOT NULL,"
    " counts BLOB NOT NULL, PRIMARY KEY(hour, list, login, profile)) WITHOUT ROWID;"
    "PRAGMA application_id=" STR(APPLICATION_ID) ";"
						 "PRAGMA user_version=" STR(
						     SCHEMA_VERSION) ";"
								     "COMMIT;";

static const char *const statements_sql[HISTORY_STATEMENTS] = {
    [HISTORY_BEGIN] = "BEGIN IMMEDIATE",
    [HISTORY_COMMIT] = "COMMIT",
    [HISTORY_SET_MOVED] = "UPDATE meta SET value = ? WHERE name = 'moved'",
    [HISTORY_ADD_EVENT] = "INSERT OR IGNORE INTO event(hour, message, number, record)"
			  " VALUES(?,?,?,?)",
    [HISTORY_ADD_KEY] = "INSERT OR IGNORE INTO find(hour, key, message) VALUES(?,?,?)",
    [HISTORY_GET_EVENTS] = "SELECT record FROM event WHERE hour = ? AND message = ?"
			   " ORDER BY number",
    [HISTORY_GET_KEYED] = "SELECT message FROM find WHERE hour = ?1 AND key = ?2"
			  " ORDER BY (SELECT MIN(number) FROM event"
			  " WHERE event.hour = ?1 AND event.message = find.message) DESC"
			  " LIMIT ?3",
    [HISTORY_GET_HOURS] = "SELECT hour FROM event WHERE hour BETWEEN ? AND ?"
			  " ORDER BY hour DESC LIMIT 1",
    [HISTORY_GET_ALL] = "SELECT message FROM event WHERE hour = ? GROUP BY message"
			" ORDER BY MIN(number) DESC LIMIT ?",
    [HISTORY_GET_STATISTICS] = "SELECT hour, list, login, profile, counts FROM statistics"
			       " WHERE hour BETWEEN ? AND ? ORDER BY hour, list, login, profile",
    [HISTORY_GET_STATISTICS_OF] = "SELECT counts FROM statistics WHERE hour = ? AND list = ?"
				  " AND login = ? AND profile = ?",
    [HISTORY_PUT_STATISTICS] = "INSERT OR REPLACE INTO statistics(hour, list, login, profile,"
			       " counts) VALUES(?,?,?,?,?)",
    [HISTORY_CLEAN_EVENTS] = "DELETE FROM event WHERE (hour, message, number) IN"
			     " (SELECT hour, message, number FROM event WHERE hour < ?"
			     " ORDER BY hour, message, number LIMIT " CLEAN_ROWS ")",
    [HISTORY_CLEAN_KEYS] = "DELETE FROM find WHERE (hour, key, message) IN"
			   " (SELECT hour, key, message FROM find WHERE hour < ?"
			   " ORDER BY hour, key, message LIMIT " CLEAN_ROWS ")",
    [HISTORY_CLEAN_STATISTICS] = "DELETE FROM statistics WHERE (hour, list, login, profile) IN"
				 " (SELECT hour, list, login, profile FROM statistics"
				 " WHERE hour < ? ORDER BY hour, list, login, profile"
				 " LIMIT " CLEAN_ROWS ")",
    [HISTORY_FLUSH_NEVER] = "PRAGMA synchronous=NORMAL",
    [HISTORY_FLUSH_ALWAYS] = "PRAGMA synchronous=FULL",
    [HISTORY_GET_PAGES] = "PRAGMA page_count",
    [HISTORY_GET_FREE_PAGES] = "PRAGMA freelist_count",
    [HISTORY_SHRINK] = "PRAGMA incremental_vacuum(" SHRINK_PAGES ")",
};

sqlite3_stmt *
history_bind(struct history_db *db, enum history_statement which, unsigned count, ...)
{
	va_list args;

	va_start(args, count);
	for (unsigned i = 0; i < count; i++)
		(void)sqlite3_bind_int64(
		    db->statements[which], (int)i + 1, va_arg(args, sqlite3_int64));
	va_end(args);
	return db->statements[which];
}

int
history_step(sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);

	if (code != SQLITE_ROW)
		(void)sqlite3_reset(statement);
	return code;
}

enum history_result
history_result_of(struct history_db *db, int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return HISTORY_OK;
	default:
		break;
	}
	(void)snprintf(db->problem, sizeof(db->problem), "%s (%d)",
	    db->db == NULL ? "out of memory" : sqlite3_errmsg(db->db), code);
	if ((code & 0xff) == SQLITE_FULL)
		return HISTORY_FULL;
	return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB ? HISTORY_DAMAGED
										 : HISTORY_BROKEN;
}

/* ---- opening ---- */

static enum history_result
run_sql(struct history_db *db, const char *sql)
{
	return history_result_of(db, sqlite3_exec(db->db, sql, NULL, NULL, NULL));
}

/* The first column of a query's first row as a number. */
static enum history_result
query_number(struct history_db *db, const char *sql, int64_t *number_out)
{
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(db->db, sql, -1, &statement, NULL);

	*number_out = 0;
	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*number_out = sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	return history_result_of(db, code);
}

static enum history_result
refuse(struct history_db *db, const char *what)
{
	(void)snprintf(db->problem, sizeof(db->problem), "%s", what);
	return HISTORY_BROKEN;
}

/* Looks before it writes anything. */
static enum history_result
check_owner(struct history_db *db, bool *is_new_out)
{
	int64_t tables, application, version;
	enum history_result result =
	    query_number(db, "SELECT count(*) FROM sqlite_schema", &tables);

	if (result == HISTORY_OK)
		result = query_number(db, "PRAGMA application_id", &application);
	if (result == HISTORY_OK)
		result = query_number(db, "PRAGMA user_version", &version);
	if (result != HISTORY_OK)
		return result;
	*is_new_out = tables == 0 && application == 0;
	if (*is_new_out)
		return HISTORY_OK;
	if (application != APPLICATION_ID)
		return refuse(db, "it is a database of another program: move it away");
	if (version != SCHEMA_VERSION)
		return refuse(db, "it is of a version that this posternd doesn't know: start the "
				  "one that wrote it, or move it away");
	return HISTORY_OK;
}

static enum history_result
check_pages(struct history_db *db)
{
	sqlite3_stmt *statement;
	int64_t pages;
	enum history_result result = query_number(db, "PRAGMA page_count", &pages);
	int code;

	if (result != HISTORY_OK || pages > CHECK_PAGES_MAX)
		return result;
	code = sqlite3_prepare_v2(db->db, "PRAGMA quick_check(1)", -1, &statement, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	result = history_result_of(db, code);
	if (code == SQLITE_ROW &&
	    strcmp((const char *)sqlite3_column_text(statement, 0), "ok") != 0) {
		(void)snprintf(db->problem, sizeof(db->problem), "%s",
		    (const char *)sqlite3_column_text(statement, 0));
		result = HISTORY_DAMAGED;
	}
	(void)sqlite3_finalize(statement);
	return result;
}

static int
on_wal(void *ctx, sqlite3 *sqlite, const char *name, int pages)
{
	((struct history_db *)ctx)->wal_pages = (uint32_t)pages;
	return SQLITE_OK;
}

static enum history_result
prepare(struct history_db *db)
{
	int code = SQLITE_OK;

	for (int i = 0; i < HISTORY_STATEMENTS && code == SQLITE_OK; i++)
		code = sqlite3_prepare_v3(db->db, statements_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
		    &db->statements[i], NULL);
	return history_result_of(db, code);
}

static enum history_result
open_tables(struct history_db *db)
{
	bool is_new = false;
	int64_t moved = 0;
	enum history_result result = run_sql(db, "PRAGMA locking_mode=EXCLUSIVE");

	if (result == HISTORY_OK)
		result = check_owner(db, &is_new);
	if (result == HISTORY_OK)
		result = run_sql(db, pragmas_sql);
	if (result == HISTORY_OK)
		result = is_new ? run_sql(db, tables_sql) : check_pages(db);
	(void)sqlite3_wal_hook(db->db, on_wal, db);
	if (result == HISTORY_OK)
		result = prepare(db);
	if (result == HISTORY_OK)
		result = query_number(db, "SELECT value FROM meta WHERE name = 'moved'", &moved);
	db->moved = (uint64_t)moved;
	return result;
}

enum history_result
history_db_open(const char *path, struct history_db **db_out, struct err *err_out)
{
	struct history_db *db = xcalloc(1, sizeof(*db));
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_PRIVATECACHE;
	enum history_result result =
	    history_result_of(db, sqlite3_open_v2(path, &db->db, flags, NULL));

	if (result == HISTORY_OK)
		result = open_tables(db);
	if (result == HISTORY_OK) {
		*db_out = db;
		return HISTORY_OK;
	}
	(void)err_set(err_out, "%s: %s", path, db->problem);
	history_db_close(db);
	return result;
}

void
history_db_close(struct history_db *db)
{
	if (db == NULL)
		return;
	pages_copy_end(db->copy);
	for (int i = 0; i < HISTORY_STATEMENTS; i++)
		(void)sqlite3_finalize(db->statements[i]);
	(void)sqlite3_close(db->db);
	buf_fini(&db->bytes);
	free(db);
}

int
history_db_copy_part(struct history_db *db, const char *path, bool is_first, struct err *err_out)
{
	int result;

	if (is_first) {
		pages_copy_end(db->copy);
		db->copy = NULL;
		if (pages_copy_begin(db->db, path, &db->copy, err_out) != 0)
			return -1;
	}
	if (db->copy == NULL)
		return err_set(err_out, "history.db was opened again meanwhile");
	result = pages_copy_part(db->copy, err_out);
	if (result != 0) {
		pages_copy_end(db->copy);
		db->copy = NULL;
	}
	return result;
}

const char *
history_db_problem(const struct history_db *db)
{
	return db->problem;
}

uint64_t
history_db_moved(const struct history_db *db)
{
	return db->moved;
}

/* ---- keeping it small ---- */

static enum history_result
delete_some(struct history_db *db, enum history_statement which, int64_t hour, bool *is_done)
{
	enum history_result result = history_run(db, which, 1, hour);

	if (result == HISTORY_OK && sqlite3_changes64(db->db) > 0)
		*is_done = false;
	return result;
}

/* Each deletes by itself, without a flush: after a crash some are deleted again. */
enum history_result
history_db_clean(struct history_db *db, const struct history_keep *keep, bool *is_done_out)
{
	int64_t hour = (keep->now_ms - keep->keep_ms) / HOUR_MS;
	int64_t stats_hour = (keep->now_ms - keep->stats_keep_ms) / HOUR_MS;
	enum history_result result, flush_result;

	*is_done_out = true;
	result = history_run(db, HISTORY_FLUSH_NEVER, 0);
	if (result == HISTORY_OK)
		result = delete_some(db, HISTORY_CLEAN_KEYS, hour, is_done_out);
	if (result == HISTORY_OK)
		result = delete_some(db, HISTORY_CLEAN_EVENTS, hour, is_done_out);
	if (result == HISTORY_OK)
		result = delete_some(db, HISTORY_CLEAN_STATISTICS, stats_hour, is_done_out);
	flush_result = history_run(db, HISTORY_FLUSH_ALWAYS, 0);
	return result == HISTORY_OK ? flush_result : result;
}

/* One row, one number. */
static enum history_result
read_number(struct history_db *db, enum history_statement which, int64_t *number_out)
{
	sqlite3_stmt *statement = history_bind(db, which, 0);
	int code = history_step(statement);

	*number_out = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
	(void)sqlite3_reset(statement);
	return history_result_of(db, code);
}

enum history_result
history_db_shrink(struct history_db *db, bool *is_done_out)
{
	int64_t pages = 0, empty = 0;
	enum history_result result = read_number(db, HISTORY_GET_PAGES, &pages);
	int code;

	*is_done_out = true;
	if (result == HISTORY_OK)
		result = read_number(db, HISTORY_GET_FREE_PAGES, &empty);
	if (result != HISTORY_OK || empty < EMPTY_PAGES_MIN || empty < pages / 4)
		return result;
	*is_done_out = false;
	/* Gives one row for each page. */
	while ((code = history_step(db->statements[HISTORY_SHRINK])) == SQLITE_ROW)
		continue;
	return history_result_of(db, code);
}

uint64_t
history_db_wal_bytes(const struct history_db *db)
{
	return (uint64_t)db->wal_pages * PAGE_BYTES;
}

enum history_result
history_db_checkpoint(struct history_db *db)
{
	enum history_result result = history_result_of(
	    db, sqlite3_wal_checkpoint_v2(db->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL));

	if (result == HISTORY_OK)
		db->wal_pages = 0;
	return result;
}
