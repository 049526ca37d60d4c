/*
 * db - accounts.db: the connection, the schema, and one way to run a statement
 *
 * Owns     the connection and its prepared statements
 * Context  loop; the database is small, a change costs one commit (an fsync)
 * Units    wall clock in milliseconds
 * Fails    -1 and *err_out with SQLite's words; what was begun is rolled back by the caller
 *
 * The only part that includes sqlite3.h. SQL stands here, in db_rows.c and in db_query.c. The
 * file is opened relative to the current directory and held exclusively: a second daemon on the
 * same state_dir is refused. A file that isn't ours is refused before anything is written to it.
 */
#ifndef POSTERN_ACCOUNTS_DB_H
#define POSTERN_ACCOUNTS_DB_H

#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

struct db;
struct db_row;

int db_open(const char *path, struct db **db_out, struct err *err_out);
void db_close(struct db *db); /* NULL is allowed */

struct db_value {
	enum { DB_NULL, DB_NUMBER, DB_TEXT } type;
	int64_t number;
	const char *text; /* borrowed until db_run() returns; NULL is stored as NULL */
};
#define DB_NUMBER(value) ((struct db_value){.type = DB_NUMBER, .number = (value)})
#define DB_TEXT(value) ((struct db_value){.type = DB_TEXT, .text = (value)})

/* For each row of a result; must not run the same statement. */
typedef void db_row_fn(const struct db_row *row, void *ctx);
int64_t db_row_number(const struct db_row *row, int column);
/* NULL if it is NULL; borrowed until the callback returns. */
const char *db_row_text(const struct db_row *row, int column);

/* Runs one statement; it stays prepared. Returns the number of rows it had. */
int db_run(struct db *db, const char *sql, const struct db_value *values, size_t count,
    db_row_fn *on_row, void *ctx, struct err *err_out);
int64_t db_last_id(const struct db *db);

/* Copies all of it into a new file, which is on disk on return. */
__attribute__((warn_unused_result)) int db_copy(
    struct db *db, const char *path, struct err *err_out);

int db_begin(struct db *db, struct err *err_out);
int db_commit(struct db *db, struct err *err_out);
/* Takes back what was begun; nothing to take back is allowed. */
void db_rollback(struct db *db);

#endif
