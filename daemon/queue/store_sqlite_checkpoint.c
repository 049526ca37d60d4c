/*
 * store_sqlite_checkpoint - the second connection
 *
 * Both go through the VFS unix-excl: other processes are locked out, and the index of the log is in
 * this process's memory, for as many connections as it likes.
 */
#include "daemon/queue/store_checkpoint.h"
#include "daemon/queue/store_sqlite.h"

#include "common/xalloc.h"

#include <stdlib.h>

struct checkpointer {
	struct store base; /* for sql_result() */
};

int
checkpointer_open(const char *path, struct checkpointer **checkpointer_out, struct err *err_out)
{
	struct checkpointer *checkpointer = xcalloc(1, sizeof(*checkpointer));

	if (store_connect(path, &checkpointer->base.db, err_out) != 0 ||
	    sqlite3_exec(checkpointer->base.db,
		"PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=16;", NULL,
		NULL, NULL) != SQLITE_OK) {
		(void)err_set(err_out, "opening %s for checkpoints: %s", path,
		    sqlite3_errmsg(checkpointer->base.db));
		checkpointer_close(checkpointer);
		return -1;
	}
	*checkpointer_out = checkpointer;
	return 0;
}

void
checkpointer_close(struct checkpointer *checkpointer)
{
	if (checkpointer == NULL)
		return;
	(void)sqlite3_close(checkpointer->base.db);
	free(checkpointer);
}

enum store_result
checkpointer_run(struct checkpointer *checkpointer, uint64_t *copied_out)
{
	int in_log = 0, copied = 0;
	int code = sqlite3_wal_checkpoint_v2(
	    checkpointer->base.db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied);

	*copied_out = copied > 0 ? (uint64_t)copied * PAGE_BYTES : 0;
	return sql_result(&checkpointer->base, code);
}

const char *
checkpointer_problem(const struct checkpointer *checkpointer)
{
	return checkpointer->base.problem;
}
