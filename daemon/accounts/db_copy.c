/*
 * db_copy - a copy of accounts.db for a backup.
 *
 * The database is small: it is copied, looked at and flushed in one go, as an operator's change is.
 */
#include "daemon/accounts/db_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

static int
fail(sqlite3 *copy, const char *path, struct err *err_out)
{
	return err_set(err_out, "cannot copy accounts.db to %s: %s", path,
	    copy == NULL ? "out of memory" : sqlite3_errmsg(copy));
}

static int
check(sqlite3 *copy, const char *path, struct err *err_out)
{
	sqlite3_stmt *statement;
	int result = 0;

	if (sqlite3_prepare_v2(copy, "PRAGMA quick_check(1)", -1, &statement, NULL) != SQLITE_OK ||
	    sqlite3_step(statement) != SQLITE_ROW)
		result = fail(copy, path, err_out);
	else if (strcmp((const char *)sqlite3_column_text(statement, 0), "ok") != 0)
		result = err_set(err_out, "accounts.db is damaged: %.300s",
		    (const char *)sqlite3_column_text(statement, 0));
	(void)sqlite3_finalize(statement);
	return result;
}

static int
copy_pages(sqlite3 *from, sqlite3 *copy, const char *path, struct err *err_out)
{
	sqlite3_backup *backup;

	/* Neither journal nor shared memory beside it; it is flushed as a whole. */
	if (sqlite3_exec(copy,
		"PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF;"
		"PRAGMA synchronous = OFF",
		NULL, NULL, NULL) != SQLITE_OK)
		return fail(copy, path, err_out);
	backup = sqlite3_backup_init(copy, "main", from, "main");
	if (backup == NULL)
		return fail(copy, path, err_out);
	(void)sqlite3_backup_step(backup, -1);
	if (sqlite3_backup_finish(backup) != SQLITE_OK)
		return fail(copy, path, err_out);
	return 0;
}

static int
copy_database(sqlite3 *from, const char *path, struct err *err_out)
{
	sqlite3 *copy = NULL;
	int result;

	if (sqlite3_open_v2(path, &copy, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
		result = fail(copy, path, err_out);
	else
		result = copy_pages(from, copy, path, err_out);
	if (result == 0)
		result = check(copy, path, err_out);
	(void)sqlite3_close(copy);
	return result;
}

int
db_copy_to(struct sqlite3 *from, const char *path, struct err *err_out)
{
	/* SQLite takes an empty file for a new database; this one has its mode from the start. */
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int result;

	if (fd < 0)
		return err_set(err_out, "cannot make %s: %s", path, strerror(errno));
	result = copy_database(from, path, err_out);
	if (result == 0 && fsync(fd) != 0)
		result = err_set(err_out, "cannot flush %s: %s", path, strerror(errno));
	(void)close(fd);
	return result;
}
