/*
 * db_rows - a noun's rows in accounts.db: add, change, remove, find, list
 *
 * Owns     a row that was found is the caller's, who ends it with table_row_fini()
 * Context  loop
 * Fails    -1 and *err_out
 */
#ifndef POSTERN_ACCOUNTS_DB_ROWS_H
#define POSTERN_ACCOUNTS_DB_ROWS_H

#include "daemon/accounts/db.h"
#include "daemon/accounts/table.h"

/* Sets the row's id. */
int db_insert(struct db *db, const struct table *table, void *row, struct err *err_out);
int db_update(struct db *db, const struct table *table, const void *row, struct err *err_out);
int db_remove(struct db *db, const struct table *table, int64_t id, struct err *err_out);

/* 1: found, 0: there is none (and nothing to free). By the table's first field, without regard to
 * case. */
int db_find(
    struct db *db, const struct table *table, const char *name, void *row_out, struct err *err_out);
int db_find_id(
    struct db *db, const struct table *table, int64_t id, void *row_out, struct err *err_out);

/* Which rows, in which order. */
struct db_page {
	const char *filter; /* a column, or NULL for every row */
	struct db_value filter_value;
	const char *order;     /* a column; NULL: the table's first */
	struct db_value after; /* of that column; DB_NULL: from the beginning */
	int64_t limit;         /* 0: all */
};

/* The row is freed after the callback, which must not list the same table. Returns their number. */
int db_each(struct db *db, const struct table *table, const struct db_page *page,
    void (*on_row)(void *row, void *ctx), void *ctx, struct err *err_out);

#endif
