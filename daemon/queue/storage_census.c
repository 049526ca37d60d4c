/* storage_census - has what there was at the start counted, slice by slice, beside all other jobs. */
#include "daemon/queue/storage_private.h"

static void
on_slice(struct job *job)
{
	struct storage *storage = job->ctx;

	/* If it failed the storage is broken, and the role is about to end. */
	if (job->outcome != JOB_DONE || storage->is_closing)
		return;
	if (storage->census.has_counts_out && !storage->has_counts) {
		storage->has_counts = true;
		storage_end_census(storage);
	}
	if (!storage->census.is_end_out)
		storage_post(storage, STORE_CENSUS, job);
}

void
storage_begin_census(struct storage *storage)
{
	list_init(&storage->waiting);
	storage->census.job =
	    (struct job){.on_done = on_slice, .ctx = storage, .urgency = JOB_READS};
	storage_post(storage, STORE_CENSUS, &storage->census.job);
}

bool
storage_defer(struct storage *storage, struct job *job)
{
	if (storage->has_counts || !store_needs_counts(job))
		return false;
	list_append(&storage->waiting, &job->link);
	return true;
}

void
storage_end_census(struct storage *storage)
{
	struct list *first;

	while ((first = list_take_first(&storage->waiting)) != NULL) {
		struct job *job = LIST_ENTRY(first, struct job, link);

		storage_post(storage, (enum store_job_kind)job->kind, job);
	}
}
