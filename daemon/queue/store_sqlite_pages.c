/* store_sqlite_pages - SQLite's backup API, with files of the right mode. */
#include "daemon/queue/store_sqlite_pages.h"

#include "common/xalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 1 MiB: commits wait some milliseconds for it. */
#define PART_PAGES 256

struct pages_copy {
	char *path;
	sqlite3 *copy;
	sqlite3_backup *backup;
};

static int
fail(const struct pages_copy *copy, const char *problem, struct err *err_out)
{
	return err_set(err_out, "copying to %s: %s", copy->path, problem);
}

/* With the mode that it is to have; SQLite takes the empty file for a new database. */
static int
create_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? -1 : close(fd);
}

static int
begin(struct pages_copy *copy, sqlite3 *from, struct err *err_out)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;

	if (create_file(copy->path) != 0)
		return fail(copy, strerror(errno), err_out);
	if (sqlite3_open_v2(copy->path, &copy->copy, flags, NULL) != SQLITE_OK ||
	    sqlite3_exec(copy->copy,
		"PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
		"PRAGMA cache_size=-2048",
		NULL, NULL, NULL) != SQLITE_OK)
		return fail(copy, sqlite3_errmsg(copy->copy), err_out);
	copy->backup = sqlite3_backup_init(copy->copy, "main", from, "main");
	return copy->backup != NULL ? 0 : fail(copy, sqlite3_errmsg(copy->copy), err_out);
}

int
pages_copy_begin(
    struct sqlite3 *from, const char *path, struct pages_copy **copy_out, struct err *err_out)
{
	struct pages_copy *copy = xcalloc(1, sizeof(*copy));

	/* What the disk has, not what the cache still knows. */
	(void)sqlite3_db_release_memory(from);
	copy->path = xstrdup(path);
	if (begin(copy, from, err_out) != 0) {
		pages_copy_end(copy);
		return -1;
	}
	*copy_out = copy;
	return 0;
}

int
pages_copy_part(struct pages_copy *copy, struct err *err_out)
{
	int code = sqlite3_backup_step(copy->backup, PART_PAGES);

	if (code != SQLITE_OK && code != SQLITE_DONE)
		return fail(copy, sqlite3_errstr(code), err_out);
	return code == SQLITE_DONE;
}

void
pages_copy_end(struct pages_copy *copy)
{
	if (copy == NULL)
		return;
	(void)sqlite3_backup_finish(copy->backup);
	(void)sqlite3_close(copy->copy);
	free(copy->path);
	free(copy);
}
