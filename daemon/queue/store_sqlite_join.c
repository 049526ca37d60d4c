/* store_sqlite_join - gathers what is written to the log, and passes everything else on. */
#include "daemon/queue/store_sqlite_join.h"

#include "common/xalloc.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct log_file {
	sqlite3_file base;
	sqlite3_int64 at; /* where what waits is to stand */
	int size;
	char *waiting;
	sqlite3_file below[];
};

static struct log_file *
log_of(sqlite3_file *file)
{
	return (struct log_file *)(void *)file;
}

/* What could not be written is given up: nobody was told that it was. */
static int
write_waiting(struct log_file *log)
{
	int size = log->size;

	if (size == 0)
		return SQLITE_OK;
	log->size = 0;
	return log->below->pMethods->xWrite(log->below, log->waiting, size, log->at);
}

static int
log_close(sqlite3_file *file)
{
	struct log_file *log = log_of(file);
	int written = write_waiting(log), closed = log->below->pMethods->xClose(log->below);

	free(log->waiting);
	return written == SQLITE_OK ? closed : written;
}

static int
log_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset)
{
	struct log_file *log = log_of(file);
	int code = write_waiting(log);

	return code != SQLITE_OK ? code
				 : log->below->pMethods->xRead(log->below, bytes, size, offset);
}

static int
log_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
	struct log_file *log = log_of(file);
	int code = SQLITE_OK;

	if (offset != log->at + log->size || size > (int)JOIN_BYTES - log->size)
		code = write_waiting(log);
	if (code != SQLITE_OK)
		return code;
	if (size > (int)JOIN_BYTES)
		return log->below->pMethods->xWrite(log->below, bytes, size, offset);
	if (log->size == 0)
		log->at = offset;
	memcpy(log->waiting + log->size, bytes, (size_t)size);
	log->size += size;
	return SQLITE_OK;
}

static int
log_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct log_file *log = log_of(file);
	int code = write_waiting(log);

	return code != SQLITE_OK ? code : log->below->pMethods->xTruncate(log->below, size);
}

static int
log_sync(sqlite3_file *file, int flags)
{
	struct log_file *log = log_of(file);
	int code = write_waiting(log);

	return code != SQLITE_OK ? code : log->below->pMethods->xSync(log->below, flags);
}

static int
log_size(sqlite3_file *file, sqlite3_int64 *size_out)
{
	struct log_file *log = log_of(file);
	int code = write_waiting(log);

	return code != SQLITE_OK ? code : log->below->pMethods->xFileSize(log->below, size_out);
}

static int
log_lock(sqlite3_file *file, int level)
{
	return log_of(file)->below->pMethods->xLock(log_of(file)->below, level);
}

static int
log_unlock(sqlite3_file *file, int level)
{
	return log_of(file)->below->pMethods->xUnlock(log_of(file)->below, level);
}

static int
log_check_lock(sqlite3_file *file, int *is_reserved_out)
{
	return log_of(file)->below->pMethods->xCheckReservedLock(
	    log_of(file)->below, is_reserved_out);
}

static int
log_control(sqlite3_file *file, int what, void *argument)
{
	return log_of(file)->below->pMethods->xFileControl(log_of(file)->below, what, argument);
}

static int
log_sector_size(sqlite3_file *file)
{
	return log_of(file)->below->pMethods->xSectorSize(log_of(file)->below);
}

static int
log_traits(sqlite3_file *file)
{
	return log_of(file)->below->pMethods->xDeviceCharacteristics(log_of(file)->below);
}

static const sqlite3_io_methods log_methods = {
    .iVersion = 1,
    .xClose = log_close,
    .xRead = log_read,
    .xWrite = log_write,
    .xTruncate = log_truncate,
    .xSync = log_sync,
    .xFileSize = log_size,
    .xLock = log_lock,
    .xUnlock = log_unlock,
    .xCheckReservedLock = log_check_lock,
    .xFileControl = log_control,
    .xSectorSize = log_sector_size,
    .xDeviceCharacteristics = log_traits,
};

static sqlite3_vfs *below_vfs;

/* Any other file is the one below, with nothing in between. */
static int
join_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
	struct log_file *log = log_of(file);
	int code;

	if ((flags & SQLITE_OPEN_WAL) == 0)
		return below_vfs->xOpen(below_vfs, name, file, flags, flags_out);
	*log = (struct log_file){0};
	code = below_vfs->xOpen(below_vfs, name, log->below, flags, flags_out);
	if (code != SQLITE_OK)
		return code;
	log->waiting = xmalloc(JOIN_BYTES);
	log->base.pMethods = &log_methods;
	return SQLITE_OK;
}

static sqlite3_vfs joining;

static void
make(void)
{
	below_vfs = sqlite3_vfs_find("unix-excl");
	if (below_vfs == NULL)
		return;
	joining = *below_vfs;
	joining.zName = "postern-join";
	joining.szOsFile = (int)sizeof(struct log_file) + below_vfs->szOsFile;
	joining.xOpen = join_open;
	joining.pNext = NULL;
	if (sqlite3_vfs_register(&joining, 0) != SQLITE_OK)
		below_vfs = NULL;
}

const char *
join_vfs(void)
{
	static pthread_once_t is_made = PTHREAD_ONCE_INIT;

	(void)pthread_once(&is_made, make);
	return below_vfs == NULL ? NULL : joining.zName;
}

sqlite3_file *
join_below(sqlite3_file *file)
{
	return file->pMethods == &log_methods ? log_of(file)->below : file;
}
