/* storage - group commit, checkpoints, and what happens when the disk is full or broken. */
#include "daemon/queue/storage.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/xalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* As long as lazy jobs wait: the thread wakes for them without being woken. */
#define IDLE_MS WORKER_LAZY_MS
#define IDLE_SHORT_MS 50
/* A short log may wait longer: a checkpoint costs two flushes. */
#define IDLE_LOG_BYTES (1u << 20)
#define IDLE_LONG_MS 1000
#define SPACE_EVERY_MS 1000
#define SHRINK_EVERY_MS 1000
/* Flushes of several files at a time share the file system's own commits. */
#define FILE_WORKERS 8
#define STORE_PATH_SIZE 4096

struct storage {
	struct storage_options options;
	struct store *store;
	struct stat store_file; /* as it was opened */
	struct bodyfiles *files;
	struct worker *store_worker;
	struct worker *file_workers[FILE_WORKERS];
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
	uint64_t writes;
	/* storage thread, after the start */
	bool is_broken;
	bool has_reserve;
	bool is_reserve_spent; /* it was given up; what it left is not for the journal */
	bool is_shrinking;     /* since there was nothing to do */
	int64_t shrink_at_ms;  /* monotonic: not before, while there is */
	unsigned idle_turns;
	atomic_bool wants_reserve; /* the loop saw room for it again */
	atomic_bool has_problem;   /* the loop is to be told; problem is set */
	char problem[256];
};

static void
reserve_path(const struct storage *storage, char *path, size_t size)
{
	(void)snprintf(path, size, "%s/reserve", storage->options.directory);
}

static void
make_reserve(struct storage *storage)
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

static void
checkpoint(struct storage *storage)
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
	checkpoint(storage);
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

static void
run_batch(struct list *batch, void *ctx)
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
		checkpoint(storage);
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

static int64_t
on_idle(void *ctx)
{
	struct storage *storage = ctx;
	uint64_t waiting = store_wal_bytes(storage->store);

	if (storage->is_broken)
		return -1;
	if (waiting == 0 && atomic_exchange(&storage->wants_reserve, false))
		make_reserve(storage);
	if ((waiting == 0 || storage->is_shrinking) && waiting < IDLE_LOG_BYTES)
		return shrink_idly(storage) ? IDLE_MS : IDLE_LONG_MS;
	if (++storage->idle_turns * IDLE_MS <
	    (waiting < IDLE_LOG_BYTES ? IDLE_LONG_MS : IDLE_SHORT_MS))
		return IDLE_MS;
	storage->idle_turns = 0;
	checkpoint(storage);
	return IDLE_MS;
}

static void
check_problem(void *ctx)
{
	struct storage *storage = ctx;

	if (atomic_exchange(&storage->has_problem, false))
		storage->options.on_broken(storage->problem, storage->options.ctx);
}

static const struct worker_ops store_ops = {
    .run = run_batch,
    .after = check_problem,
    .idle = on_idle,
    .idle_after_ms = IDLE_MS,
    .gathers = true,
};

static const struct worker_ops file_ops = {.run = bodyfile_run};
static const struct worker_ops read_ops = {.run = bodyfile_run_reads};
static const struct worker_ops copy_ops = {.run = copy_run};

static void
on_space_timer(void *ctx)
{
	struct storage *storage = ctx;
	struct statvfs fs;

	timer_set(storage->space_timer, SPACE_EVERY_MS);
	check_problem(storage);
	if (statvfs(storage->options.directory, &fs) != 0)
		return;
	/* Twice the reserve must be free before it is made again. */
	if ((uint64_t)fs.f_bavail * fs.f_frsize >= 2 * storage->options.reserve_bytes)
		atomic_store(&storage->wants_reserve, true);
	storage->options.on_space((uint64_t)fs.f_bavail * fs.f_frsize, storage->options.ctx);
}

static void
format_store_path(const struct storage *storage, char path_out[STORE_PATH_SIZE])
{
	(void)snprintf(path_out, STORE_PATH_SIZE, "%s/queue.db", storage->options.directory);
}

static bool
has_message(void *ctx, uint64_t message_id)
{
	return store_has_file(ctx, message_id);
}

/* A new queue has no bodies. Where there are some, their queue.db got lost, and the first sweep would
 * take them too. */
static int
check_not_lost(const struct storage *storage, const char *path, struct err *err_out)
{
	struct stat status;
	bool is_there = stat(path, &status) == 0;

	if ((is_there && status.st_size > 0) || !bodyfile_are_any(storage->options.directory))
		return 0;
	return err_set(err_out,
	    "%s is %s, but bodies has messages of it: restore it, or move bodies away as well to "
	    "start with an empty queue; backup.md says how",
	    path, is_there ? "empty" : "not there");
}

static int
open_disk(struct storage *storage, struct err *err_out)
{
	char path[STORE_PATH_SIZE];
	unsigned swept;

	format_store_path(storage, path);
	if (check_not_lost(storage, path, err_out) != 0)
		return -1;
	/* The store first: its lock keeps a second daemon away from the files. */
	if (store_open(path, &storage->store, err_out) != 0 ||
	    bodyfile_open(storage->options.directory, &storage->files, err_out) != 0)
		return -1;
	if (stat(path, &storage->store_file) != 0)
		return err_set(err_out, "%s: %s", path, strerror(errno));
	swept = bodyfile_sweep(storage->files, has_message, storage->store);
	if (swept > 0)
		log_problem(LOG_INFO, "%u unfinished bodies were swept away", swept);
	make_reserve(storage);
	return 0;
}

int
storage_open(struct loop *loop, const struct storage_options *options, struct storage **storage_out,
    struct err *err_out)
{
	struct storage *storage = xcalloc(1, sizeof(*storage));

	storage->options = *options;
	storage->loop = loop;
	if (open_disk(storage, err_out) != 0) {
		bodyfile_close(storage->files);
		store_close(storage->store);
		free(storage);
		return -1;
	}
	storage->store_worker = worker_start(loop, &store_ops, storage);
	for (unsigned i = 0; i < FILE_WORKERS; i++)
		storage->file_workers[i] = worker_start(loop, &file_ops, storage->files);
	storage->read_worker = worker_start(loop, &read_ops, storage->files);
	storage->copier = copier_new(options->directory);
	storage->copy_worker = worker_start(loop, &copy_ops, storage->copier);
	storage->space_timer = timer_new(loop, on_space_timer, storage);
	timer_set(storage->space_timer, 0);
	*storage_out = storage;
	return 0;
}

void
storage_close(struct storage *storage)
{
	if (storage == NULL)
		return;
	timer_free(storage->space_timer);
	storage->is_closing = true;
	worker_stop(storage->store_worker);
	for (unsigned i = 0; i < FILE_WORKERS; i++)
		worker_stop(storage->file_workers[i]);
	worker_stop(storage->read_worker);
	copier_stop(storage->copier);
	worker_stop(storage->copy_worker);
	copier_free(storage->copier);
	/* The next start sweeps them away. */
	free(storage->kept);
	if (!storage->is_broken)
		checkpoint(storage);
	if (storage->is_broken)
		store_give_up(storage->store);
	bodyfile_close(storage->files);
	store_close(storage->store);
	free(storage);
}

const char *
storage_directory(const struct storage *storage)
{
	return storage->options.directory;
}

uint64_t
storage_next_id(const struct storage *storage)
{
	return store_next_id(storage->store);
}

int64_t
storage_backup_at_ms(const struct storage *storage)
{
	return store_backup_at_ms(storage->store);
}

uint32_t
storage_epoch(const struct storage *storage)
{
	return store_epoch(storage->store);
}

bool
storage_is_in_place(const struct storage *storage)
{
	char path[STORE_PATH_SIZE];
	struct stat file;

	format_store_path(storage, path);
	return stat(path, &file) == 0 && file.st_dev == storage->store_file.st_dev &&
	       file.st_ino == storage->store_file.st_ino;
}

uint64_t
storage_writes(const struct storage *storage)
{
	return storage->writes;
}

static void
post(struct storage *storage, struct worker *worker, struct job *job)
{
	job->outcome = JOB_FAILED;
	if (storage->is_closing)
		job->on_done(job);
	else
		worker_post(worker, job);
}

void
storage_post(struct storage *storage, enum store_job_kind kind, struct job *job)
{
	job->kind = (int)kind;
	storage->writes += job->urgency != JOB_READS;
	post(storage, storage->store_worker, job);
}

void
storage_post_file(struct storage *storage, enum bodyfile_job_kind kind, struct bodyfile_job *job)
{
	struct worker *worker = storage->file_workers[job->message_id % FILE_WORKERS];

	job->job.kind = (int)kind;
	/* What writes keeps its order, and never waits for company. */
	job->job.urgency = JOB_WRITES;
	post(storage, kind == BODYFILE_READ ? storage->read_worker : worker, &job->job);
}

/* A record on its way to the journal. */
struct note {
	struct journal_add_job job;
	struct buf record;
};

static void
on_noted(struct job *job)
{
	struct note *note = (struct note *)(void *)job;

	buf_fini(&note->record);
	free(note);
}

void
storage_note(struct storage *storage, struct buf *record)
{
	struct note *note = xcalloc(1, sizeof(*note));

	note->record = *record;
	buf_init(record);
	note->job = (struct journal_add_job){
	    .job = {.on_done = on_noted, .urgency = JOB_WRITES_LAZILY}, .record = &note->record};
	storage_post(storage, STORE_JOURNAL_ADD, &note->job.job);
}

static void
on_removed(struct job *job)
{
	free(job);
}

static void
remove_file(struct storage *storage, uint64_t message_id)
{
	struct bodyfile_job *job = xcalloc(1, sizeof(*job));

	job->job.on_done = on_removed;
	job->message_id = message_id;
	storage_post_file(storage, BODYFILE_REMOVE, job);
}

void
storage_remove_file(struct storage *storage, uint64_t message_id)
{
	if (!storage->keeps_files) {
		remove_file(storage, message_id);
		return;
	}
	if (storage->kept_count == storage->kept_capacity) {
		storage->kept_capacity = storage->kept_capacity * 2 + 64;
		storage->kept =
		    xrealloc(storage->kept, storage->kept_capacity, sizeof(*storage->kept));
	}
	storage->kept[storage->kept_count++] = message_id;
}

void
storage_keep_files(struct storage *storage)
{
	storage->keeps_files = true;
}

const uint64_t *
storage_kept_files(const struct storage *storage, size_t *count_out)
{
	*count_out = storage->kept_count;
	return storage->kept;
}

void
storage_let_files_go(struct storage *storage)
{
	storage->keeps_files = false;
	for (size_t i = 0; i < storage->kept_count; i++)
		remove_file(storage, storage->kept[i]);
	free(storage->kept);
	storage->kept = NULL;
	storage->kept_count = storage->kept_capacity = 0;
}

void
storage_post_copy(struct storage *storage, enum copy_job_kind kind, struct copy_job *job)
{
	job->job.kind = (int)kind;
	job->job.urgency = JOB_WRITES;
	post(storage, storage->copy_worker, &job->job);
}
