/* backup - the steps of one run: room, the database part by part, the look at it, the end. */
#include "daemon/queue/backup.h"

#include "common/xalloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct backups {
	struct role_context *role;
	struct storage *storage;
	struct history *history;
	bool is_running, is_stopping;
	struct snapshot_job snapshot;
	struct history_copy_job past;
	struct copy_job copy;
	struct err problem;
	char *path; /* of what is being copied */
	uint64_t *idle;
	backup_end_fn *on_end;
	void *ctx;
};

static void
end(struct backups *backups)
{
	backups->is_running = false;
	if (!backups->is_stopping)
		storage_let_files_go(backups->storage);
	free(backups->path);
	backups->path = NULL;
	free(backups->idle);
	backups->idle = NULL;
	backups->on_end(&backups->copy, backups->ctx);
}

static void
on_copied(struct job *job)
{
	struct backups *backups = job->ctx;

	if (job->outcome != JOB_DONE) {
		backups->copy.verdict = COPY_FAILED;
		(void)err_set(&backups->copy.problem, "the queue is being stopped");
	}
	end(backups);
}

/* The verdict is there already. */
static void
on_discarded(struct job *job)
{
	struct backups *backups = job->ctx;

	backups->copy.verdict = COPY_FAILED;
	backups->copy.problem = backups->problem;
	end(backups);
}

static void
discard(struct backups *backups, const struct err *problem)
{
	backups->problem = *problem;
	if (*problem->text == '\0')
		(void)err_set(&backups->problem, "the queue could not be read");
	backups->copy.job.on_done = on_discarded;
	if (backups->is_stopping)
		on_discarded(&backups->copy.job);
	else
		storage_post_copy(backups->storage, COPY_DISCARD, &backups->copy);
}

static int
compare_names(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* What goes from here on is in the copied rows, or is too young to be called forgotten. */
static void
finish(struct backups *backups)
{
	backups->idle = storage_idle_files(backups->storage, &backups->copy.idle_count);
	qsort(backups->idle, backups->copy.idle_count, sizeof(*backups->idle), compare_names);
	backups->copy.idle = backups->idle;
	backups->copy.now_ms = loop_wall_ms(backups->role->loop);
	backups->copy.job.on_done = on_copied;
	storage_post_copy(backups->storage, COPY_FINISH, &backups->copy);
}

/* ---- what is copied ---- */

static void
set_path(struct backups *backups, const char *file)
{
	char path[BACKUP_PATH_SIZE];

	free(backups->path);
	backups->path = xasprintf(
	    "%s/%s", storage_directory(backups->storage), copy_path(&backups->copy, file, path));
}

static void
on_past(struct job *job)
{
	struct backups *backups = job->ctx;

	if (job->outcome != JOB_DONE || backups->is_stopping) {
		discard(backups, &backups->past.problem);
	} else if (backups->past.is_end_out) {
		finish(backups);
	} else {
		backups->past.is_first = false;
		history_copy(backups->history, &backups->past);
	}
}

/* Behind the queue: what had happened by then is in the one or the other. */
static void
copy_past(struct backups *backups)
{
	set_path(backups, "history.db");
	backups->past = (struct history_copy_job){
	    .job = {.on_done = on_past, .ctx = backups}, .path = backups->path, .is_first = true};
	history_copy(backups->history, &backups->past);
}

static void
on_part(struct job *job)
{
	struct backups *backups = job->ctx;

	if (job->outcome != JOB_DONE) {
		discard(backups, &backups->snapshot.problem);
	} else if (!backups->snapshot.is_end_out) {
		backups->snapshot.is_first = false;
		storage_post(backups->storage, STORE_SNAPSHOT, &backups->snapshot.job);
	} else if (*backups->copy.name != '\0') {
		copy_past(backups);
	} else {
		finish(backups);
	}
}

static void
on_prepared(struct job *job)
{
	struct backups *backups = job->ctx;

	if (job->outcome != JOB_DONE || backups->copy.verdict != COPY_OK) {
		on_copied(job);
		return;
	}
	storage_keep_files(backups->storage);
	set_path(backups, "queue.db");
	backups->snapshot =
	    (struct snapshot_job){.job = {.on_done = on_part, .ctx = backups, .urgency = JOB_READS},
		.path = backups->path,
		.is_first = true};
	storage_post(backups->storage, STORE_SNAPSHOT, &backups->snapshot.job);
}

bool
backup_start(struct backups *backups, const char *name, backup_end_fn *on_end, void *ctx)
{
	if (backups->is_running || backups->is_stopping)
		return false;
	backups->is_running = true;
	backups->on_end = on_end;
	backups->ctx = ctx;
	backups->copy = (struct copy_job){.job = {.on_done = on_prepared, .ctx = backups},
	    .free_bytes = backups->role->config->limits.free_space_bytes,
	    .log_bytes = storage_log_bytes(backups->storage)};
	(void)snprintf(backups->copy.name, sizeof(backups->copy.name), "%s", name);
	storage_post_copy(backups->storage, COPY_PREPARE, &backups->copy);
	return true;
}

struct backups *
backups_new(struct role_context *role, struct storage *storage, struct history *history)
{
	struct backups *backups = xcalloc(1, sizeof(*backups));

	backups->role = role;
	backups->storage = storage;
	backups->history = history;
	return backups;
}

void
backups_stop(struct backups *backups)
{
	backups->is_stopping = true;
}

void
backups_free(struct backups *backups)
{
	free(backups);
}
