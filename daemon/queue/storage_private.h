/*
 * storage_private - the storage's inside, for the files that make it up
 *
 * storage.c is what the loop sees: opening and closing, jobs to the threads, files that are kept for a
 * copy. storage_thread.c is what the storage thread does with a batch, and when it has nothing to do.
 * storage_census.c has what there was at the start counted, and keeps what needs the counts waiting.
 * Nobody else includes this.
 */
#ifndef POSTERN_QUEUE_STORAGE_PRIVATE_H
#define POSTERN_QUEUE_STORAGE_PRIVATE_H

#include "common/place.h"
#include "daemon/queue/spares.h"
#include "daemon/queue/storage.h"

#include <stdatomic.h>

/* As long as lazy jobs wait: the thread wakes for them without being woken. */
#define STORAGE_IDLE_MS WORKER_LAZY_MS
/* Flushes of several files at a time share the file system's own commits. */
#define FILE_WORKERS 16

struct storage {
	struct storage_options options;
	struct store *store;
	struct place store_place; /* of the file that is open */
	struct bodyfiles *files;
	struct worker *store_worker;
	struct worker *file_workers[FILE_WORKERS];
	unsigned last_file_worker; /* that was given a file */
	struct worker *read_worker;
	struct copier *copier;
	struct worker *copy_worker;
	struct loop *loop;
	struct timer *space_timer;
	struct timer *broken_timer;
	bool is_closing;
	bool keeps_files;
	uint64_t *kept; /* files to be removed when they may be again */
	size_t kept_count, kept_capacity;
	struct spares spares;
	uint64_t writes;
	struct census_job census;
	bool has_counts;
	struct list waiting; /* jobs that need them */
	/* storage thread, after the start */
	bool is_broken;
	bool has_reserve;
	bool is_reserve_spent; /* it was given up; what it left is not for the journal */
	bool is_log_long;      /* its file is as long as it may get, or there was no room */
	bool is_shrinking;     /* since there was nothing to do */
	int64_t shrink_at_ms;  /* monotonic: not before, while there is */
	unsigned idle_turns;
	atomic_bool wants_reserve;  /* the loop saw room for it again */
	_Atomic uint64_t room;      /* see storage_set_room() */
	_Atomic uint64_t log_bytes; /* see storage_log_bytes() */
	atomic_bool has_problem;    /* the loop is to be told; problem is set */
	char problem[256];
};

/* worker_ops.run and worker_ops.idle of the storage thread. */
void storage_run_batch(struct list *batch, void *ctx);
int64_t storage_on_idle(void *ctx);

/* On the loop. */
void storage_begin_census(struct storage *storage);
/* Takes the job if it has to wait for counts. */
bool storage_defer(struct storage *storage, struct job *job);
/* What waits is posted, or ends if the storage is closing. */
void storage_end_census(struct storage *storage);

/* Also at the start and at the end, while there is no such thread. */
void storage_make_reserve(struct storage *storage);
void storage_checkpoint(struct storage *storage);

#endif
