/*
 * copy - the directory of a copied queue: room for it, a look at it, its bodies, its end
 *
 * Role     queue
 * Owns     state_dir/backups; borrows what a job points to until its on_done
 * Context  jobs are filled on the loop and posted with storage_post_copy(); copy_run() runs on a
 *          thread of its own: none of this holds up a commit or a delivery
 * Units    bytes
 * Fails    the job's verdict, and what is wrong in words
 *
 * A body file never changes, so the copy gets a link to it (a copy where the file system has no
 * links). Storage removes none from storage_keep_files() on until the copy is done.
 */
#ifndef POSTERN_QUEUE_COPY_H
#define POSTERN_QUEUE_COPY_H

#include "common/err.h"
#include "daemon/core/backup_name.h"
#include "daemon/queue/worker.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum copy_job_kind {
	COPY_PREPARE, /* sweeps what others left, looks for room, makes the directory */
	COPY_FINISH,  /* looks whether the copy is whole; a backup gets its bodies and is held */
	COPY_DISCARD  /* removes the directory */
};

enum copy_verdict { COPY_OK, COPY_NO_ROOM, COPY_NAME_TAKEN, COPY_FAILED };

#define COPY_PROBLEMS_MAX 20

struct copy_job {
	struct job job;
	char name[BACKUP_NAME_MAX + 1]; /* "": only to be looked at */
	uint64_t free_bytes;            /* prepare: what is to stay free */
	uint64_t log_bytes;             /* prepare: what of the queue is in the log only */
	const uint64_t *idle; /* finish: sorted; files that are known to have no message */
	size_t idle_count;
	int64_t now_ms; /* wall clock */
	enum copy_verdict verdict;
	struct err problem;                     /* unless it is COPY_OK */
	struct err problems[COPY_PROBLEMS_MAX]; /* finish: what is wrong with the queue */
	size_t problem_count;                   /* those that there was no room for included */
	uint64_t messages, bytes, files;
};

/* Where a copied file goes, below the state directory. */
const char *copy_path(
    const struct copy_job *job, const char *file, char path[static BACKUP_PATH_SIZE]);

struct copier;
/* `directory` is the state directory. */
struct copier *copier_new(const char *directory);
void copier_free(struct copier *copier);
/* What runs ends as soon as it can; it fails. */
void copier_stop(struct copier *copier);
/* worker_ops.run; ctx is the copier. */
void copy_run(struct list *batch, void *ctx);

#endif
