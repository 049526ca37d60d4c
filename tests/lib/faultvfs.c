/* faultvfs - passes everything on, except what it was told to spoil. */
#include "tests/lib/faultvfs.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct fault_file {
	sqlite3_file base;
	bool is_database;
	sqlite3_file real[];
};

static sqlite3_vfs *real_vfs;
static sqlite3_vfs fault_vfs;
static atomic_uint writes_left, syncs_left;
static atomic_long quota_bytes;
static atomic_bool fails_checkpoints;

/* Counts down; true from the last count on. */
static bool
is_due(atomic_uint *left)
{
	unsigned now = atomic_load(left);

	if (now == 0)
		return false;
	if (now == 1)
		return true;
	atomic_store(left, now - 1);
	return false;
}

static sqlite3_file *
real_of(sqlite3_file *file)
{
	return ((struct fault_file *)(void *)file)->real;
}

static int
fault_close(sqlite3_file *file)
{
	return real_of(file)->pMethods->xClose(real_of(file));
}

static int
fault_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset)
{
	return real_of(file)->pMethods->xRead(real_of(file), bytes, size, offset);
}

static int
fault_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
	long quota = atomic_load(&quota_bytes);

	if (is_due(&writes_left))
		return SQLITE_IOERR_WRITE;
	if (quota != 0 && offset + size > quota)
		return SQLITE_FULL;
	return real_of(file)->pMethods->xWrite(real_of(file), bytes, size, offset);
}

static int
fault_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int
fault_sync(sqlite3_file *file, int flags)
{
	bool is_checkpoint = ((struct fault_file *)(void *)file)->is_database;

	if (is_due(&syncs_left) || (is_checkpoint && atomic_load(&fails_checkpoints)))
		return SQLITE_IOERR_FSYNC;
	return real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int
fault_size(sqlite3_file *file, sqlite3_int64 *size)
{
	return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int
fault_lock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int
fault_unlock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int
fault_check_lock(sqlite3_file *file, int *result)
{
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file), result);
}

static int
fault_control(sqlite3_file *file, int op, void *arg)
{
	return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int
fault_sector_size(sqlite3_file *file)
{
	return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int
fault_traits(sqlite3_file *file)
{
	return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int
fault_shm_map(sqlite3_file *file, int page, int size, int is_write, void volatile **at)
{
	return real_of(file)->pMethods->xShmMap(real_of(file), page, size, is_write, at);
}

static int
fault_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void
fault_shm_barrier(sqlite3_file *file)
{
	real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int
fault_shm_unmap(sqlite3_file *file, int is_last)
{
	return real_of(file)->pMethods->xShmUnmap(real_of(file), is_last);
}

/* Version 2: with the index of the write-ahead log, without mapped files. */
static const sqlite3_io_methods fault_methods = {
    .iVersion = 2,
    .xShmMap = fault_shm_map,
    .xShmLock = fault_shm_lock,
    .xShmBarrier = fault_shm_barrier,
    .xShmUnmap = fault_shm_unmap,
    .xClose = fault_close,
    .xRead = fault_read,
    .xWrite = fault_write,
    .xTruncate = fault_truncate,
    .xSync = fault_sync,
    .xFileSize = fault_size,
    .xLock = fault_lock,
    .xUnlock = fault_unlock,
    .xCheckReservedLock = fault_check_lock,
    .xFileControl = fault_control,
    .xSectorSize = fault_sector_size,
    .xDeviceCharacteristics = fault_traits,
};

static int
fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
	int code;

	file->pMethods = NULL;
	((struct fault_file *)(void *)file)->is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
	code = real_vfs->xOpen(real_vfs, name, real_of(file), flags, flags_out);
	if (code == SQLITE_OK)
		file->pMethods = &fault_methods;
	return code;
}

void
faultvfs_install(void)
{
	real_vfs = sqlite3_vfs_find("unix-excl");
	assert(real_vfs != NULL);
	fault_vfs = *real_vfs; /* in its place, also by its name */
	fault_vfs.szOsFile = (int)sizeof(struct fault_file) + real_vfs->szOsFile;
	fault_vfs.xOpen = fault_open;
	fault_vfs.pNext = NULL;
	assert(sqlite3_vfs_register(&fault_vfs, 1) == SQLITE_OK);
}

void
faultvfs_fail_write(unsigned nth)
{
	atomic_store(&writes_left, nth);
}

void
faultvfs_fail_sync(unsigned nth)
{
	atomic_store(&syncs_left, nth);
}

void
faultvfs_set_quota(long bytes)
{
	atomic_store(&quota_bytes, bytes);
}

void
faultvfs_fail_checkpoints(bool fails)
{
	atomic_store(&fails_checkpoints, fails);
}
