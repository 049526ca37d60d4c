/* store_sqlite_snapshot - copies the database between commits. */
#include "daemon/queue/store_sqlite.h"

#include "daemon/queue/store_sqlite_pages.h"

void
store_end_snapshot(struct store *store)
{
	pages_copy_end(store->snapshot);
	store->snapshot = NULL;
}

/* What fails is the copy alone: the batch goes on. */
enum store_result
store_snapshot(struct store *store, struct snapshot_job *job)
{
	int result;

	if (job->is_first) {
		store_end_snapshot(store);
		if (pages_copy_begin(store->db, job->path, &store->snapshot, &job->problem) != 0)
			return STORE_REFUSED;
	}
	if (store->snapshot == NULL)
		return STORE_REFUSED;
	result = pages_copy_part(store->snapshot, &job->problem);
	job->is_end_out = result > 0;
	if (result != 0)
		store_end_snapshot(store);
	return result < 0 ? STORE_REFUSED : STORE_OK;
}
