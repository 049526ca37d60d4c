/*
 * store_sqlite_snapshot - copies the database, page by page between commits.
 *
 * SQLite writes what this connection commits meanwhile into the copy too, so it is the database as
 * it was when the last part was copied. The copy is neither journalled nor flushed here: until
 * somebody has flushed it, it is worth nothing.
 */
#include "daemon/queue/store_sqlite.h"

#include "common/xalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 1 MiB: commits wait some milliseconds for it. */
#define SNAPSHOT_PAGES 256

struct snapshot {
	sqlite3 *copy;
	sqlite3_backup *backup;
};

void
store_end_snapshot(struct store *store)
{
	struct snapshot *snapshot = store->snapshot;

	if (snapshot == NULL)
		return;
	(void)sqlite3_backup_finish(snapshot->backup);
	(void)sqlite3_close(snapshot->copy);
	free(snapshot);
	store->snapshot = NULL;
}

static enum store_result
fail(struct store *store, struct snapshot_job *job, const char *problem)
{
	(void)err_set(&job->problem, "copying the database to %s: %s", job->path, problem);
	store_end_snapshot(store);
	/* Of the copy alone: the batch goes on. */
	return STORE_REFUSED;
}

/* With the mode that it is to have; SQLite takes the empty file for a new database. */
static int
create_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? -1 : close(fd);
}

static enum store_result
begin(struct store *store, struct snapshot_job *job)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
	struct snapshot *snapshot;

	/* What the disk has, not what the cache still knows. */
	(void)sqlite3_db_release_memory(store->db);
	if (create_file(job->path) != 0)
		return fail(store, job, strerror(errno));
	snapshot = xcalloc(1, sizeof(*snapshot));
	store->snapshot = snapshot;
	if (sqlite3_open_v2(job->path, &snapshot->copy, flags, NULL) != SQLITE_OK ||
	    sqlite3_exec(snapshot->copy,
		"PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
		"PRAGMA cache_size=-2048",
		NULL, NULL, NULL) != SQLITE_OK)
		return fail(store, job, sqlite3_errmsg(snapshot->copy));
	snapshot->backup = sqlite3_backup_init(snapshot->copy, "main", store->db, "main");
	if (snapshot->backup == NULL)
		return fail(store, job, sqlite3_errmsg(snapshot->copy));
	return STORE_OK;
}

enum store_result
store_snapshot(struct store *store, struct snapshot_job *job)
{
	int code;

	if (job->is_first && store->snapshot != NULL)
		store_end_snapshot(store);
	if (job->is_first && begin(store, job) != STORE_OK)
		return STORE_REFUSED;
	if (store->snapshot == NULL)
		return STORE_REFUSED;
	code = sqlite3_backup_step(store->snapshot->backup, SNAPSHOT_PAGES);
	if (code != SQLITE_OK && code != SQLITE_DONE)
		return fail(store, job, sqlite3_errstr(code));
	job->is_end_out = code == SQLITE_DONE;
	if (job->is_end_out)
		store_end_snapshot(store);
	return STORE_OK;
}
