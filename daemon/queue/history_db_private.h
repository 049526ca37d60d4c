/*
 * history_db_private - what the files of history.db share
 *
 * history_db.c opens it and looks after it, history_db_move.c takes records in, history_db_search.c
 * finds them, history_db_statistics.c counts. Nobody else includes this.
 */
#ifndef POSTERN_QUEUE_HISTORY_DB_PRIVATE_H
#define POSTERN_QUEUE_HISTORY_DB_PRIVATE_H

#include "daemon/queue/history_db.h"

#include <sqlite3.h>

#define HOUR_MS INT64_C(3600000)

enum history_statement {
	HISTORY_BEGIN,
	HISTORY_COMMIT,
	HISTORY_SET_MOVED,
	HISTORY_ADD_EVENT,
	HISTORY_ADD_KEY,
	HISTORY_GET_EVENTS,
	HISTORY_GET_KEYED,
	HISTORY_GET_HOURS,
	HISTORY_GET_ALL,
	HISTORY_GET_STATISTICS,
	HISTORY_GET_STATISTICS_OF,
	HISTORY_PUT_STATISTICS,
	HISTORY_CLEAN_EVENTS,
	HISTORY_CLEAN_KEYS,
	HISTORY_CLEAN_STATISTICS,
	HISTORY_FLUSH_NEVER,
	HISTORY_FLUSH_ALWAYS,
	HISTORY_GET_PAGES,
	HISTORY_GET_FREE_PAGES,
	HISTORY_SHRINK,
	HISTORY_STATEMENTS
};

struct pages_copy;

struct history_db {
	sqlite3 *db;
	sqlite3_stmt *statements[HISTORY_STATEMENTS];
	uint64_t moved;
	uint32_t wal_pages;
	struct pages_copy *copy; /* NULL: none is being made */
	struct buf bytes;        /* for statistics on their way to disk */
	char problem[256];
};

/* Binds numbers and returns the statement, to be stepped. */
sqlite3_stmt *history_bind(
    struct history_db *db, enum history_statement which, unsigned count, ...);
/* One step; resets the statement unless there is a row. */
int history_step(sqlite3_stmt *statement);
/* Binds numbers and runs a statement that gives no rows. */
#define history_run(db, which, ...)                                                                \
	history_result_of(db, history_step(history_bind(db, which, __VA_ARGS__)))
enum history_result history_result_of(struct history_db *db, int code);

/* What is counted within one transaction. */
struct tallies;
struct tallies *tallies_new(void);
void tallies_free(struct tallies *tallies);
void tallies_count(struct tallies *tallies, const struct journal_record *record);
enum history_result tallies_store(struct history_db *db, const struct tallies *tallies);

#endif
