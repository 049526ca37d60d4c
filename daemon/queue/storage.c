/* storage - the threads that touch the disk, as the loop sees them. */
#include "daemon/queue/storage_private.h"

#include "common/log.h"
#include "common/xalloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define SPACE_EVERY_MS 1000
#define STORE_PATH_SIZE 4096
#define SPARES_PART_OF_ROOM 4

static void
check_problem(void *ctx)
{
	struct storage *storage = ctx;

	if (atomic_exchange(&storage->has_problem, false))
		storage->options.on_broken(storage->problem, storage->options.ctx);
}

static const struct worker_ops store_ops = {
    .run = storage_run_batch,
    .after = check_problem,
    .idle = storage_on_idle,
    .idle_after_ms = STORAGE_IDLE_MS,
    .gathers = true,
};

static const struct worker_ops file_ops = {.run = bodyfile_run};
static const struct worker_ops read_ops = {.run = bodyfile_run_reads};
static const struct worker_ops copy_ops = {.run = copy_run};

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
	if (!storage->is_closing && storage_defer(storage, job))
		return;
	storage->writes += job->urgency != JOB_READS;
	post(storage, storage->store_worker, job);
}

void
storage_post_file(struct storage *storage, enum bodyfile_job_kind kind, struct bodyfile_job *job)
{
	unsigned which =
	    job->file != NULL ? job->file->worker : (unsigned)(job->name % FILE_WORKERS);
	struct worker *worker = storage->file_workers[which];

	job->job.kind = (int)kind;
	/* What writes keeps its order, and never waits for company. */
	job->job.urgency = JOB_WRITES;
	post(storage, kind == BODYFILE_READ ? storage->read_worker : worker, &job->job);
}

static void
on_removed(struct job *job)
{
	free(job);
}

static void
remove_file(struct storage *storage, uint64_t name)
{
	struct bodyfile_job *job = xcalloc(1, sizeof(*job));

	job->job.on_done = on_removed;
	job->name = name;
	storage_post_file(storage, BODYFILE_REMOVE, job);
}

static void
drop_spares(struct storage *storage, int64_t now_ms)
{
	uint64_t name;

	while ((name = spares_take_due(&storage->spares, now_ms)) != 0)
		remove_file(storage, name);
}

static void
on_space_timer(void *ctx)
{
	struct storage *storage = ctx;
	struct statvfs fs;

	timer_set(storage->space_timer, SPACE_EVERY_MS);
	check_problem(storage);
	drop_spares(storage, loop_now_ms(storage->loop));
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
has_message(void *ctx, uint64_t name)
{
	return store_has_file(ctx, name);
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
	if (place_note(&storage->store_place, path) != 0)
		return err_set(err_out, "%s: %s", path, strerror(errno));
	swept = bodyfile_sweep(storage->files, has_message, storage->store);
	if (swept > 0)
		log_problem(LOG_INFO, "%u body files without a message were swept away", swept);
	storage_make_reserve(storage);
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
	storage_begin_census(storage);
	*storage_out = storage;
	return 0;
}

void
storage_close(struct storage *storage)
{
	if (storage == NULL)
		return;
	timer_free(storage->space_timer);
	storage_set_room(storage, 0);
	storage->is_closing = true;
	worker_stop(storage->store_worker);
	storage_end_census(storage);
	for (unsigned i = 0; i < FILE_WORKERS; i++)
		worker_stop(storage->file_workers[i]);
	worker_stop(storage->read_worker);
	copier_stop(storage->copier);
	worker_stop(storage->copy_worker);
	copier_free(storage->copier);
	/* The next start sweeps them away. */
	free(storage->kept);
	if (!storage->is_broken)
		storage_checkpoint(storage);
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

	format_store_path(storage, path);
	return place_is_kept(&storage->store_place, path);
}

uint64_t
storage_writes(const struct storage *storage)
{
	return storage->writes;
}

uint64_t
storage_log_bytes(const struct storage *storage)
{
	return atomic_load(&storage->log_bytes);
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

/* The thread that has least to do, and of several the one whose turn it is. */
static unsigned
choose_file_worker(struct storage *storage)
{
	unsigned best = (storage->last_file_worker + 1) % FILE_WORKERS;

	for (unsigned i = 2; i <= FILE_WORKERS; i++) {
		unsigned next = (storage->last_file_worker + i) % FILE_WORKERS;

		if (worker_load(storage->file_workers[next]) <
		    worker_load(storage->file_workers[best]))
			best = next;
	}
	storage->last_file_worker = best;
	return best;
}

void
storage_take_file(struct storage *storage, uint64_t message_id, struct bodyfile *file_out)
{
	uint64_t spare = spares_take(&storage->spares);

	*file_out = (struct bodyfile){.name = spare != 0 ? spare : message_id,
	    .fd = -1,
	    .is_spare = spare != 0,
	    .worker = choose_file_worker(storage)};
}

static void
keep(struct storage *storage, uint64_t name)
{
	if (storage->kept_count == storage->kept_capacity) {
		storage->kept_capacity = storage->kept_capacity * 2 + 64;
		storage->kept =
		    xrealloc(storage->kept, storage->kept_capacity, sizeof(*storage->kept));
	}
	storage->kept[storage->kept_count++] = name;
}

void
storage_remove_file(struct storage *storage, uint64_t name)
{
	if (storage->keeps_files)
		keep(storage, name);
	else
		remove_file(storage, name);
}

void
storage_spare_file(struct storage *storage, uint64_t name, uint64_t size_bytes)
{
	if (storage->keeps_files ||
	    !spares_add(&storage->spares, name, size_bytes, loop_now_ms(storage->loop)))
		storage_remove_file(storage, name);
}

void
storage_set_room(struct storage *storage, uint64_t bytes)
{
	atomic_store(&storage->room, bytes);
	spares_limit(&storage->spares, bytes / SPARES_PART_OF_ROOM);
	drop_spares(storage, loop_now_ms(storage->loop));
}

void
storage_keep_files(struct storage *storage)
{
	storage->keeps_files = true;
}

uint64_t *
storage_idle_files(const struct storage *storage, size_t *count_out)
{
	size_t count = storage->kept_count;
	uint64_t *names = xcalloc(count + SPARES_MAX + 1, sizeof(*names));

	if (count > 0)
		memcpy(names, storage->kept, count * sizeof(*names));
	for (size_t i = 0; i < storage->spares.count; i++)
		names[count++] = storage->spares.files[i].name;
	*count_out = count;
	return names;
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
