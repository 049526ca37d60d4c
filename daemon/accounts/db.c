/*
 * db - accounts.db
 *
 * The tables are in db_schema.c.
 *
 * Every change is one transaction, on disk when db_commit() returns (WAL, synchronous=FULL). A
 * crash before that leaves the state before it.
 */
#include "daemon/accounts/db.h"

#include "common/xalloc.h"
#include "daemon/accounts/db_copy.h"
#include "daemon/accounts/db_schema.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define STATEMENTS_MAX 96
#define BUSY_MS 1000
#define LEFT_ALONE                                                                                 \
	"it was left as it is: restore it from a backup, or move it away to start without users "  \
	"and profiles"

struct db {
	sqlite3 *handle;
	char *path;
	struct {
		char *sql;
		sqlite3_stmt *statement;
	} prepared[STATEMENTS_MAX];
	size_t prepared_count;
};

struct db_row {
	sqlite3_stmt *statement;
};

static int
fail(struct db *db, const char *attempt, struct err *err_out)
{
	int code = sqlite3_extended_errcode(db->handle);

	if ((code & 0xff) == SQLITE_BUSY)
		return err_set(err_out,
		    "%s %s: another process has it open; is another posternd running on this "
		    "state_dir?",
		    attempt, db->path);
	if ((code & 0xff) == SQLITE_NOTADB)
		return err_set(err_out, "%s is not a database; " LEFT_ALONE, db->path);
	if ((code & 0xff) == SQLITE_CORRUPT)
		return err_set(err_out, "%s is damaged (%s); " LEFT_ALONE, db->path,
		    sqlite3_errmsg(db->handle));
	if ((code & 0xff) == SQLITE_CANTOPEN)
		return err_set(err_out, "%s %s: %s", attempt, db->path,
		    strerror(sqlite3_system_errno(db->handle)));
	return err_set(
	    err_out, "%s %s: %s (%d)", attempt, db->path, sqlite3_errmsg(db->handle), code);
}

/* ---- statements ---- */

static sqlite3_stmt *
prepare(struct db *db, const char *sql)
{
	sqlite3_stmt *statement;

	for (size_t i = 0; i < db->prepared_count; i++)
		if (strcmp(db->prepared[i].sql, sql) == 0)
			return db->prepared[i].statement;
	/* The statements are a closed set. */
	ensure(db->prepared_count < STATEMENTS_MAX);
	if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) !=
	    SQLITE_OK)
		return NULL;
	db->prepared[db->prepared_count].sql = xstrdup(sql);
	db->prepared[db->prepared_count++].statement = statement;
	return statement;
}

static void
bind(sqlite3_stmt *statement, int index, const struct db_value *value)
{
	int rc = SQLITE_OK;

	if (value->type == DB_NUMBER)
		rc = sqlite3_bind_int64(statement, index, value->number);
	else if (value->type == DB_TEXT && value->text != NULL)
		rc = sqlite3_bind_text(statement, index, value->text, -1, SQLITE_STATIC);
	else
		rc = sqlite3_bind_null(statement, index);
	ensure(rc == SQLITE_OK);
}

int64_t
db_row_number(const struct db_row *row, int column)
{
	return sqlite3_column_int64(row->statement, column);
}

const char *
db_row_text(const struct db_row *row, int column)
{
	return (const char *)sqlite3_column_text(row->statement, column);
}

int
db_run(struct db *db, const char *sql, const struct db_value *values, size_t count,
    db_row_fn *on_row, void *ctx, struct err *err_out)
{
	struct db_row row = {.statement = prepare(db, sql)};
	int rows = 0, rc;

	if (row.statement == NULL)
		return fail(db, "cannot read or write", err_out);
	for (size_t i = 0; i < count; i++)
		bind(row.statement, (int)i + 1, &values[i]);
	while ((rc = sqlite3_step(row.statement)) == SQLITE_ROW) {
		rows++;
		if (on_row != NULL)
			on_row(&row, ctx);
	}
	if (rc != SQLITE_DONE)
		rows = fail(db, "cannot read or write", err_out);
	(void)sqlite3_reset(row.statement);
	(void)sqlite3_clear_bindings(row.statement);
	return rows;
}

int64_t
db_last_id(const struct db *db)
{
	return sqlite3_last_insert_rowid(db->handle);
}

int
db_copy(struct db *db, const char *path, struct err *err_out)
{
	return db_copy_to(db->handle, path, err_out);
}

int
db_begin(struct db *db, struct err *err_out)
{
	return db_run(db, "BEGIN IMMEDIATE", NULL, 0, NULL, NULL, err_out) < 0 ? -1 : 0;
}

int
db_commit(struct db *db, struct err *err_out)
{
	return db_run(db, "COMMIT", NULL, 0, NULL, NULL, err_out) < 0 ? -1 : 0;
}

void
db_rollback(struct db *db)
{
	/* SQLite has rolled back by itself after a full disk or an I/O error. */
	if (sqlite3_get_autocommit(db->handle) == 0)
		(void)db_run(db, "ROLLBACK", NULL, 0, NULL, NULL, NULL);
}

/* ---- opening ---- */

static int
execute(struct db *db, const char *sql, struct err *err_out)
{
	if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return fail(db, "cannot open", err_out);
}

static void
take_number(const struct db_row *row, void *ctx)
{
	*(int64_t *)ctx = db_row_number(row, 0);
}

static int
pragma_number(struct db *db, const char *sql, int64_t *number_out, struct err *err_out)
{
	*number_out = 0;
	return db_run(db, sql, NULL, 0, take_number, number_out, err_out) < 0 ? -1 : 0;
}

/* Whether the file is empty (version 0), ours, or someone else's; writes nothing. */
static int
identify(struct db *db, int64_t *version_out, struct err *err_out)
{
	int64_t application, objects;

	if (pragma_number(db, "SELECT count(*) FROM sqlite_schema", &objects, err_out) != 0 ||
	    pragma_number(db, "PRAGMA application_id", &application, err_out) != 0 ||
	    pragma_number(db, "PRAGMA user_version", version_out, err_out) != 0)
		return -1;
	if (objects == 0 && application == 0 && *version_out == 0)
		return 0;
	if (application != DB_APPLICATION_ID)
		return err_set(
		    err_out, "%s is a database of another program; " LEFT_ALONE, db->path);
	if (*version_out < 1 || *version_out > DB_VERSION)
		return err_set(err_out,
		    "%s has format %lld, this posternd knows formats up to %d: start the posternd "
		    "that wrote it",
		    db->path, (long long)*version_out, DB_VERSION);
	return 0;
}

static void
take_verdict(const struct db_row *row, void *ctx)
{
	const char *text = db_row_text(row, 0);

	(void)err_set(ctx, "%s", text == NULL ? "" : text);
}

static int
check_integrity(struct db *db, struct err *err_out)
{
	struct err verdict = {""};

	if (db_run(db, "PRAGMA quick_check(1)", NULL, 0, take_verdict, &verdict, err_out) < 0)
		return -1;
	if (strcmp(verdict.text, "ok") == 0)
		return 0;
	return err_set(err_out, "%s is damaged (%.300s); " LEFT_ALONE, db->path, verdict.text);
}

/* Each step is a transaction: a crash leaves one version or the next. */
static int
bring_up(struct db *db, int64_t version, struct err *err_out)
{
	for (; version < DB_VERSION; version++)
		if (execute(db, db_steps[version], err_out) != 0) {
			db_rollback(db);
			return -1;
		}
	return 0;
}

static int
set_up(struct db *db, struct err *err_out)
{
	int64_t version;

	/* Exclusive before the first access: then the WAL needs no shared memory file, and a
	 * second daemon finds out at once. */
	(void)sqlite3_busy_timeout(db->handle, BUSY_MS);
	/* A file that is refused stays as it is. */
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (execute(db, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT", err_out) != 0 ||
	    identify(db, &version, err_out) != 0 || check_integrity(db, err_out) != 0)
		return -1;
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	if (execute(db,
		"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
		"PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY",
		err_out) != 0)
		return -1;
	return bring_up(db, version, err_out);
}

int
db_open(const char *path, struct db **db_out, struct err *err_out)
{
	struct db *db = xcalloc(1, sizeof(*db));

	db->path = xstrdup(path);
	if (sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
	    SQLITE_OK) {
		(void)fail(db, "cannot open", err_out);
		db_close(db);
		return -1;
	}
	if (set_up(db, err_out) != 0) {
		db_close(db);
		return -1;
	}
	*db_out = db;
	return 0;
}

void
db_close(struct db *db)
{
	if (db == NULL)
		return;
	for (size_t i = 0; i < db->prepared_count; i++) {
		(void)sqlite3_finalize(db->prepared[i].statement);
		free(db->prepared[i].sql);
	}
	(void)sqlite3_close(db->handle);
	free(db->path);
	free(db);
}
