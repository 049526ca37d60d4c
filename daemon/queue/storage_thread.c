/* storage_thread - group commit, checkpoints, and what happens when the disk is full or broken. */
#include "daemon/queue/storage_private.h"

#include "common/clock.h"
#include "common/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define IDLE_SHORT_MS 50
/* A short log may wait longer: a checkpoint costs two flushes. */
#define IDLE_LOG_BYTES (1u << 20)
#define IDLE_LONG_MS 1000
#define LOG_PART_OF_ROOM 4
#define SHRINK_EVERY_MS 1000

static void
reserve_path(const struct storage *storage, char *path, size_t size)
{
	(void)snprintf(path, size, "%s/reserve", storage->options.directory);
}

void
storage_make_reserve(struct storage *storage)
{
	off_t size = (off_t)storage->options.reserve_bytes;
	char path[4096];
	int fd;

	if (storage->has_reserve)
		return;
	reserve_path(storage, path, sizeof(path));
	if (size == 0) {
		(void)unlink(path); /* of a config that kept one */
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	storage->has_reserve = ftruncate(fd, size) == 0 && posix_fallocate(fd, 0, size) == 0;
	/* Half a reserve is none, and takes room. */
	if (!storage->has_reserve)
		(void)unlink(path);
	else
		storage->is_reserve_spent = false;
	(void)close(fd);
}

static void
drop_reserve(struct storage *storage)
{
	char path[4096];

	reserve_path(storage, path, sizeof(path));
	if (unlink(path) == 0)
		log_problem(LOG_WARNING, "the disk is full: gave up the reserve to go on");
	storage->has_reserve = false;
	storage->is_reserve_spent = true;
}

static void
set_broken(struct storage *storage, const char *reason)
{
	if (storage->is_broken)
		return;
	storage->is_broken = true;
	(void)snprintf(storage->problem, sizeof(storage->problem), "%s", reason);
	atomic_store(&storage->has_problem, true);
}

void
storage_checkpoint(struct storage *storage)
{
	switch (store_checkpoint(storage->store)) {
	case STORE_OK:
		break;
	case STORE_FULL:
		/* The database must grow before the log can shrink. */
		if (storage->has_reserve) {
			drop_reserve(storage);
			if (store_checkpoint(storage->store) == STORE_BROKEN)
				set_broken(storage, store_problem(storage->store));
		}
		break;
	case STORE_REFUSED:
	case STORE_LATE:
	case STORE_BROKEN:
		set_broken(storage, store_problem(storage->store));
		break;
	}
}

/* What still fits, mostly, when nothing else does: fates make room. */
static bool
is_small(const struct job *job)
{
	return job->kind == STORE_FATE || job->kind == STORE_PROFILE || job->kind == STORE_BOOK ||
	       job->kind == STORE_RESERVE;
}

/* After a flood: a load that never rests would never let the file shrink. In a transaction that is
 * flushed anyway. */
static enum store_result
shrink_along(struct storage *storage)
{
	int64_t now_ms = clock_monotonic_ms();
	bool has_freed;

	if (now_ms < storage->shrink_at_ms)
		return STORE_OK;
	storage->shrink_at_ms = now_ms + SHRINK_EVERY_MS;
	return store_is_hollow(storage->store) ? store_shrink(storage->store, &has_freed)
					       : STORE_OK;
}

/* Runs the batch's writes as one transaction; their outcomes hold only if it returns STORE_OK. */
static enum store_result
run_transaction(struct storage *storage, struct list *batch, bool only_small)
{
	bool is_bare = only_small || storage->is_reserve_spent;
	enum store_result result =
	    is_bare ? store_begin_bare(storage->store) : store_begin(storage->store);

	if (result != STORE_OK)
		return result;
	LIST_EACH (batch, at) {
		struct job *job = LIST_ENTRY(at, struct job, link);

		if (job->urgency == JOB_READS || (only_small && !is_small(job)))
			continue;
		result = store_run(storage->store, job);
		if (result == STORE_FULL || result == STORE_BROKEN)
			return result;
		job->outcome = result == STORE_OK     ? JOB_DONE
			       : result == STORE_LATE ? JOB_LATE
						      : JOB_FAILED;
		if (job->outcome == JOB_FAILED)
			log_problem(LOG_ERROR, "the store refused a job: %s",
			    store_problem(storage->store));
	}
	if (!only_small)
		result = shrink_along(storage);
	return result == STORE_FULL || result == STORE_BROKEN ? result
							      : store_commit(storage->store);
}

static void
set_outcomes(struct list *batch, enum job_outcome outcome)
{
	LIST_EACH (batch, at)
		LIST_ENTRY(at, struct job, link)->outcome = outcome;
}

static void
run_reads(struct storage *storage, struct list *batch)
{
	LIST_EACH (batch, at) {
		struct job *job = LIST_ENTRY(at, struct job, link);
		enum store_result result;

		if (job->urgency != JOB_READS)
			continue;
		result = store_run(storage->store, job);
		job->outcome = result == STORE_OK ? JOB_DONE : JOB_FAILED;
		if (result == STORE_BROKEN)
			set_broken(storage, store_problem(storage->store));
	}
}

/* No room: new messages are refused as a whole; fates, which mostly make room, get a chance of
 * their own in what the reserve leaves. Without the journal: it only grows. */
static enum store_result
run_small_writes(struct storage *storage, struct list *batch)
{
	store_rollback(storage->store);
	set_outcomes(batch, JOB_DISK_FULL);
	if (storage->has_reserve)
		drop_reserve(storage);
	storage_checkpoint(storage);
	return run_transaction(storage, batch, true);
}

static void
run_writes(struct storage *storage, struct list *batch)
{
	enum store_result result = run_transaction(storage, batch, false);

	if (result == STORE_FULL)
		result = run_small_writes(storage, batch);
	if (result == STORE_OK)
		return;
	store_rollback(storage->store);
	set_outcomes(batch, result == STORE_FULL ? JOB_DISK_FULL : JOB_FAILED);
	if (result != STORE_FULL)
		set_broken(storage, store_problem(storage->store));
}

static bool
has_writes(struct list *batch)
{
	LIST_EACH (batch, at)
		if (LIST_ENTRY(at, struct job, link)->urgency != JOB_READS)
			return true;
	return false;
}

void
storage_run_batch(struct list *batch, void *ctx)
{
	struct storage *storage = ctx;

	storage->idle_turns = 0;
	storage->is_shrinking = false;
	if (storage->is_broken)
		set_outcomes(batch, JOB_FAILED);
	else if (has_writes(batch))
		run_writes(storage, batch);
	if (!storage->is_broken)
		run_reads(storage, batch);
	if (!storage->is_broken &&
	    store_wal_bytes(storage->store) >= storage->options.wal_limit_bytes)
		storage_checkpoint(storage);
	atomic_store(&storage->log_bytes, store_wal_bytes(storage->store));
}

/* One slice; false: there is no more, and nothing to be written for it. */
static bool
shrink_idly(struct storage *storage)
{
	enum store_result result = store_shrink(storage->store, &storage->is_shrinking);

	if (result == STORE_BROKEN)
		set_broken(storage, store_problem(storage->store));
	return storage->is_shrinking || store_wal_bytes(storage->store) > 0;
}

/* One slice, so that those who come after it needn't wait for it; false: there is none to do. With a
 * part of a commit more than the log has when it is checkpointed. */
static bool
lengthen_log(struct storage *storage)
{
	uint64_t limit = storage->options.wal_limit_bytes + storage->options.wal_limit_bytes / 8;

	if (storage->is_log_long || (!storage->has_reserve && storage->options.reserve_bytes > 0) ||
	    atomic_load(&storage->room) < limit * LOG_PART_OF_ROOM)
		return false;
	switch (store_lengthen_log(storage->store, limit, &storage->is_log_long)) {
	case STORE_OK:
		break;
	case STORE_FULL:
		storage->is_log_long = true;
		break;
	default:
		set_broken(storage, store_problem(storage->store));
	}
	return !storage->is_log_long;
}

int64_t
storage_on_idle(void *ctx)
{
	struct storage *storage = ctx;
	uint64_t waiting = store_wal_bytes(storage->store);

	if (storage->is_broken)
		return -1;
	if (waiting == 0 && atomic_exchange(&storage->wants_reserve, false))
		storage_make_reserve(storage);
	if (lengthen_log(storage))
		return STORAGE_IDLE_MS;
	if ((waiting == 0 || storage->is_shrinking) && waiting < IDLE_LOG_BYTES)
		return shrink_idly(storage) ? STORAGE_IDLE_MS : IDLE_LONG_MS;
	if (++storage->idle_turns * STORAGE_IDLE_MS <
	    (waiting < IDLE_LOG_BYTES ? IDLE_LONG_MS : IDLE_SHORT_MS))
		return STORAGE_IDLE_MS;
	storage->idle_turns = 0;
	storage_checkpoint(storage);
	atomic_store(&storage->log_bytes, store_wal_bytes(storage->store));
	return STORAGE_IDLE_MS;
}
