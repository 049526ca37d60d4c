/*
 * history_db - history.db: what became of messages, to be searched, and statistics
 *
 * Owns     its connection; what the searches give is the caller's
 * Context  the history's thread
 * Units    bytes, milliseconds; *_at_ms are wall clock; an hour is one since 1970
 * Fails    enum history_result; history_db_problem() says why
 *
 * Nothing that mail depends on is here. A file that is damaged is for the caller to set aside.
 */
#ifndef POSTERN_QUEUE_HISTORY_DB_H
#define POSTERN_QUEUE_HISTORY_DB_H

#include "common/err.h"
#include "daemon/queue/history_query.h"
#include "daemon/queue/statistics.h"
#include "daemon/queue/store.h"

struct history_db;

enum history_result {
	HISTORY_OK,
	HISTORY_FULL,    /* no room; nothing of the transaction was kept */
	HISTORY_DAMAGED, /* no database, or not a sound one */
	HISTORY_BROKEN   /* it could not be read or written: close it */
};

/* Opens or makes `path`. One of another program, of a newer version, or in use: HISTORY_BROKEN. */
__attribute__((warn_unused_result)) enum history_result history_db_open(
    const char *path, struct history_db **db_out, struct err *err_out);
void history_db_close(struct history_db *db);
const char *history_db_problem(const struct history_db *db);

/* The last number of the journal that stands here. */
uint64_t history_db_moved(const struct history_db *db);

/* Copies a part of it into the file `path`, which the first part makes. 1: that was the last; -1: the
 * copy is given up. */
__attribute__((warn_unused_result)) int history_db_copy_part(
    struct history_db *db, const char *path, bool is_first, struct err *err_out);

/* When the newest message was accepted that stands here, to the hour; 0: there is none. */
enum history_result history_db_newest(struct history_db *db, int64_t *at_ms_out);

/* How long messages and statistics are kept; `now_ms` ends it. */
struct history_keep {
	int64_t now_ms, keep_ms, stats_keep_ms;
};

/* One transaction and one flush. Records behind history_db_moved() are taken, others stand here
 * already. */
enum history_result history_db_move(
    struct history_db *db, const struct journal_read_job *records, const struct history_keep *keep);

/* For each record of a message, in order. */
struct history_story_ops {
	/* False: no more messages are wanted. */
	bool (*begin)(const struct journal_record *first, void *ctx);
	void (*add)(struct journal_record *record, void *ctx);
	void (*end)(void *ctx);
};

/* The messages that the query means, the newest first. */
enum history_result history_db_search(struct history_db *db, const struct history_query *query,
    const struct history_story_ops *ops, void *ctx, struct history_extent *extent_out);

/* The rows of these hours, in their order. */
enum history_result history_db_statistics(
    struct history_db *db, int64_t first_hour, int64_t last_hour, statistics_fn on_row, void *ctx);

/* Deletes some of what is older than it is to be kept. *is_done_out: nothing is left of it. */
enum history_result history_db_clean(
    struct history_db *db, const struct history_keep *keep, bool *is_done_out);
/* Gives room back to the file system if much of the file is empty, some at a time. */
enum history_result history_db_shrink(struct history_db *db, bool *is_done_out);
uint64_t history_db_wal_bytes(const struct history_db *db);
enum history_result history_db_checkpoint(struct history_db *db);

#endif
