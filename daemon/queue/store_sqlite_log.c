/*
 * store_sqlite_log - makes the file of the write-ahead log long enough before it is needed.
 *
 * A commit that makes a file longer waits for the file system's own bookkeeping as well, so it takes
 * twice as long as one that writes over what is there. Behind the last commit SQLite looks at nothing
 * that has not the log's own salts and checksums: zeros are as good as the end of the file.
 */
#include "daemon/queue/store_sqlite.h"
#include "daemon/queue/store_sqlite_join.h"

#include <stdio.h>

#define SLICE_BYTES (1 << 20)
/* What is written at once the kernel keeps in one piece, and counts as written whole with each page. */
#define PIECE_BYTES 4096

static int
lengthen(sqlite3_file *file, int64_t limit_bytes, bool *is_done_out)
{
	static const char zeros[PIECE_BYTES];
	sqlite3_int64 size, end = limit_bytes;
	int code = file->pMethods->xFileSize(file, &size);

	*is_done_out = code != SQLITE_OK || size >= limit_bytes;
	if (*is_done_out)
		return code;
	if (end > size + SLICE_BYTES)
		end = size + SLICE_BYTES;
	for (; size < end && code == SQLITE_OK; size += PIECE_BYTES)
		code = file->pMethods->xWrite(file, zeros, PIECE_BYTES, size);
	if (code == SQLITE_OK)
		code = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
	return code;
}

enum store_result
store_lengthen_log(struct store *store, uint64_t limit_bytes, bool *is_done_out)
{
	sqlite3_file *file = NULL;
	int code;

	*is_done_out = true;
	if (sqlite3_file_control(store->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) !=
		SQLITE_OK ||
	    file == NULL || file->pMethods == NULL)
		return STORE_OK;
	code = lengthen(join_below(file), (int64_t)limit_bytes, is_done_out);
	if (code == SQLITE_OK)
		return STORE_OK;
	(void)snprintf(store->problem, sizeof(store->problem), "making the log longer: %s",
	    sqlite3_errstr(code));
	return (code & 0xff) == SQLITE_FULL ? STORE_FULL : STORE_BROKEN;
}
