/*
 * storage - the threads that touch the disk: one for the store, some that write large bodies and
 * one that reads them back
 *
 * Role     queue
 * Owns     the store and the body files; a posted job until its on_done
 * Context  loop; on_done, on_broken and on_space run on the loop in a later turn
 * Units    bytes
 * Fails    a job's outcome: JOB_DISK_FULL (nothing of the batch was written), JOB_FAILED
 *
 * Group commit: everything that arrived while one batch was committed is the next one. A failed
 * write or flush is never tried again on the same connection: on_broken asks the role to end, and
 * its next start opens, checks, and goes on.
 */
#ifndef POSTERN_QUEUE_STORAGE_H
#define POSTERN_QUEUE_STORAGE_H

#include "daemon/queue/bodyfile.h"
#include "daemon/queue/copy.h"
#include "daemon/queue/store.h"

struct storage;

struct storage_options {
	const char *directory;    /* holds queue.db, bodies and the reserve */
	uint64_t wal_limit_bytes; /* a longer write-ahead log is checkpointed at once */
	uint64_t reserve_bytes;   /* given up when the disk is full; 0: none is kept */
	void (*on_broken)(const char *reason, void *ctx);
	/* About once a second: what is free for ordinary users. */
	void (*on_space)(uint64_t free_bytes, void *ctx);
	void *ctx;
};

/* A checkpoint holds up the commits: 16 MiB of scattered pages for some 50 ms. It is done by the only
 * connection there is: with two of them SQLite before 3.51.3 can lose what was committed (its
 * WAL-reset bug). */
#define STORAGE_WAL_LIMIT_BYTES (16u << 20)

__attribute__((warn_unused_result)) int storage_open(struct loop *loop,
    const struct storage_options *options, struct storage **storage_out, struct err *err_out);
/* Finishes what was posted, then closes. A job posted by an on_done on the way ends at once as
 * failed. */
void storage_close(struct storage *storage);

const char *storage_directory(const struct storage *storage);
uint64_t storage_next_id(const struct storage *storage);
uint32_t storage_epoch(const struct storage *storage);
/* When the backup was made that this start opened; 0: it is none. */
int64_t storage_backup_at_ms(const struct storage *storage);

/* False: somebody removed queue.db, or put another one in its place. What is open is whole, and gone
 * when it is closed. */
bool storage_is_in_place(const struct storage *storage);

/* What waits in the log for a checkpoint; its file may be longer. */
uint64_t storage_log_bytes(const struct storage *storage);

/* How many jobs that write were posted. */
uint64_t storage_writes(const struct storage *storage);

/* Has the journal write a record down by itself, with the next commit; takes its bytes. */
void storage_note(struct storage *storage, struct buf *record);

/* Takes the job until on_done. `kind` is enum store_job_kind. */
void storage_post(struct storage *storage, enum store_job_kind kind, struct job *job);
void storage_post_file(
    struct storage *storage, enum bodyfile_job_kind kind, struct bodyfile_job *job);
/* A file for a new message's body. */
void storage_take_file(struct storage *storage, uint64_t message_id, struct bodyfile *file_out);
/* Removes a body file whose message is gone from the store: the commit that deleted it is on disk. */
void storage_remove_file(struct storage *storage, uint64_t name);
/* The same, but a later body may be written into it. For files that nobody reads any more. */
void storage_spare_file(struct storage *storage, uint64_t name, uint64_t size_bytes);
/* What is free beyond what has to stay free: such files may take a quarter of it, and the log is made
 * longer ahead only where that is little of it. Nothing until this was called. */
void storage_set_room(struct storage *storage, uint64_t bytes);

void storage_post_copy(struct storage *storage, enum copy_job_kind kind, struct copy_job *job);
/* From now on body files stay, until they may go again: a copy is being made. */
void storage_keep_files(struct storage *storage);
/* Those that would have gone meanwhile, and the spares; gives them, in no order. */
uint64_t *storage_idle_files(const struct storage *storage, size_t *count_out);
void storage_let_files_go(struct storage *storage);

#endif
