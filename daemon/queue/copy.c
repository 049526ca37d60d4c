/* copy - what happens to a copied queue before and after the store has copied its database. */
#include "daemon/queue/copy.h"

#include "common/ident.h"
#include "common/xalloc.h"
#include "daemon/queue/bodyfile.h"
#include "daemon/queue/copy_private.h"
#include "daemon/queue/store_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* No valid name begins so. */
#define CHECK_NAME ".check"
/* A file without a message that nobody has touched for so long belongs to no client any more. */
#define FORGOTTEN_S 3600

struct copier {
	char *directory;
	atomic_bool is_stopping;
};

static const char *
partial_name(const struct copy_job *job, char name[static BACKUP_PATH_SIZE])
{
	(void)snprintf(name, BACKUP_PATH_SIZE, "%s" BACKUP_PARTIAL,
	    *job->name == '\0' ? CHECK_NAME : job->name);
	return name;
}

const char *
copy_path(const struct copy_job *job, const char *file, char path[static BACKUP_PATH_SIZE])
{
	char name[BACKUP_PATH_SIZE];

	(void)snprintf(path, BACKUP_PATH_SIZE, BACKUP_DIRECTORY "/%.100s/%.40s",
	    partial_name(job, name), file);
	return path;
}

/* errno */
static void
fail(struct copy_job *job, const char *attempt, const char *object)
{
	job->verdict = errno == ENOSPC || errno == EDQUOT ? COPY_NO_ROOM : COPY_FAILED;
	(void)err_set(&job->problem, "%s %s: %s", attempt, object, strerror(errno));
}

static void
add_problem(const char *problem, void *ctx)
{
	struct copy_job *job = ctx;

	if (job->problem_count++ < COPY_PROBLEMS_MAX)
		(void)err_set(&job->problems[job->problem_count - 1], "%s", problem);
}

/* ---- before ---- */

static uint64_t
size_of(int at, const char *name)
{
	struct stat st;

	return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
}

static bool
has_room(struct copy_job *job, int state, int backups)
{
	uint64_t needed = size_of(state, "queue.db") + job->log_bytes;
	struct statvfs fs;
	uint64_t available;

	if (*job->name != '\0')
		needed += size_of(state, "history.db") + size_of(state, "history.db-wal");
	if (fstatvfs(backups, &fs) != 0) {
		fail(job, "looking for room in", BACKUP_DIRECTORY);
		return false;
	}
	available = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (available >= needed && available - needed >= job->free_bytes)
		return true;
	job->verdict = COPY_NO_ROOM;
	(void)err_set(&job->problem,
	    "a copy of the queue takes up to %" PRIu64
	    " MiB on the file system of state_dir/" BACKUP_DIRECTORY "; %" PRIu64
	    " MiB are free, of which limits.free_space keeps %" PRIu64 " MiB",
	    (needed >> 20) + 1, available >> 20, job->free_bytes >> 20);
	return false;
}

static void
make_directory(struct copy_job *job, int backups)
{
	char name[BACKUP_PATH_SIZE];
	struct stat st;
	int fd;

	if (*job->name != '\0' && fstatat(backups, job->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		job->verdict = COPY_NAME_TAKEN;
		(void)err_set(&job->problem, "there is a backup %s already", job->name);
		return;
	}
	fd = copy_make_directory(backups, partial_name(job, name));
	if (fd < 0)
		fail(job, "making the directory", name);
	else
		(void)close(fd);
}

static void
prepare(struct copy_job *job, int state, int backups)
{
	copy_sweep(backups);
	if (has_room(job, state, backups))
		make_directory(job, backups);
}

/* ---- after ---- */

/* A walk over the bodies that the copied rows point to. */
struct bodies {
	struct copy_job *job;
	const struct copier *copier;
	int from, to; /* to: -1 if it is only looked at */
	uint64_t *names;
	size_t name_count, name_capacity;
};

static void
note_name(struct bodies *bodies, uint64_t name)
{
	if (bodies->name_count == bodies->name_capacity) {
		bodies->name_capacity = bodies->name_capacity * 2 + 64;
		bodies->names =
		    xrealloc(bodies->names, bodies->name_capacity, sizeof(*bodies->names));
	}
	bodies->names[bodies->name_count++] = name;
}

/* False: the body is not what its row says. */
static bool
is_whole(struct bodies *bodies, const char *path, uint64_t message_id, uint64_t size)
{
	char problem[160], ident[IDENT_SIZE];
	struct stat st;

	if (fstatat(bodies->from, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
		(void)snprintf(problem, sizeof(problem), "the body of %s, bodies/%s: %s",
		    ident_format(message_id, ident), path, strerror(errno));
	else if ((uint64_t)st.st_size != size)
		(void)snprintf(problem, sizeof(problem),
		    "the body of %s, bodies/%s, has %jd bytes instead of %" PRIu64,
		    ident_format(message_id, ident), path, (intmax_t)st.st_size, size);
	else
		return true;
	add_problem(problem, bodies->job);
	return false;
}

static void
give_body(struct bodies *bodies, const char *path)
{
	char directory[8];
	int fd;

	(void)snprintf(directory, sizeof(directory), "%.2s", path);
	fd = copy_make_directory(bodies->to, directory);
	if (fd >= 0)
		(void)close(fd);
	if (fd < 0 || copy_give_file(bodies->from, bodies->to, path) != 0)
		fail(bodies->job, "copying the body", path);
}

static void
on_body(uint64_t message_id, uint64_t name, uint64_t size, void *ctx)
{
	struct bodies *bodies = ctx;
	char path[BODYFILE_PATH_SIZE];

	if (bodies->job->verdict != COPY_OK || atomic_load(&bodies->copier->is_stopping))
		return;
	bodyfile_path(name, path);
	note_name(bodies, name);
	bodies->job->files++;
	if (is_whole(bodies, path, message_id, size) && bodies->to >= 0)
		give_body(bodies, path);
}

static int
compare_names(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool
has_name(const uint64_t *sorted, size_t count, uint64_t name)
{
	return count > 0 && bsearch(&name, sorted, count, sizeof(name), compare_names) != NULL;
}

static bool
is_forgotten(const struct bodies *bodies, int at, const char *entry)
{
	const struct copy_job *job = bodies->job;
	struct stat st;
	uint64_t name;

	return ident_parse(entry, &name) && !has_name(bodies->names, bodies->name_count, name) &&
	       !has_name(job->idle, job->idle_count, name) &&
	       fstatat(at, entry, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_mtime < job->now_ms / 1000 - FORGOTTEN_S;
}

static unsigned
count_forgotten(const struct bodies *bodies, const char *directory)
{
	int fd = copy_open_directory(bodies->from, directory);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	unsigned count = 0;

	while (list != NULL && (entry = readdir(list)) != NULL)
		count += is_forgotten(bodies, dirfd(list), entry->d_name);
	if (list != NULL)
		(void)closedir(list);
	else if (fd >= 0)
		(void)close(fd);
	return count;
}

static void
look_for_forgotten(struct bodies *bodies)
{
	char name[8], problem[96];
	unsigned count = 0;

	for (unsigned i = 0; i < BODYFILE_DIRECTORIES; i++) {
		(void)snprintf(name, sizeof(name), "%02x", i);
		count += count_forgotten(bodies, name);
	}
	if (count == 0)
		return;
	(void)snprintf(problem, sizeof(problem),
	    "%u body files have no message; the next start sweeps them away", count);
	add_problem(problem, bodies->job);
}

/* No backup is made of damaged pages: it could not be restored. */
static void
note_damage(struct copy_job *job)
{
	if (*job->name == '\0')
		return;
	job->verdict = COPY_FAILED;
	(void)err_set(&job->problem, "no backup was made: %.400s", job->problems[0].text);
}

/* Bodies first: what the held rows point to must be there. */
static void
look(struct bodies *bodies, struct store_copy *copy)
{
	struct copy_job *job = bodies->job;
	int result = store_copy_check(copy, add_problem, job, &job->problem);

	if (result > 0) {
		note_damage(job);
		return;
	}
	if (result < 0 ||
	    store_copy_measure(copy, &job->messages, &job->bytes, &job->problem) != 0 ||
	    store_copy_each_file(copy, on_body, bodies, &job->problem) != 0) {
		job->verdict = COPY_FAILED;
		return;
	}
	if (bodies->name_count > 0)
		qsort(bodies->names, bodies->name_count, sizeof(*bodies->names), compare_names);
	look_for_forgotten(bodies);
	if (job->verdict == COPY_OK && *job->name != '\0' &&
	    store_copy_hold(copy, job->now_ms, &job->problem) != 0)
		job->verdict = COPY_FAILED;
}

static void
look_at(struct copier *copier, struct copy_job *job, int state, int directory)
{
	struct bodies bodies = {.job = job, .copier = copier, .to = -1};
	char path[BACKUP_PATH_SIZE], *full;
	struct store_copy *copy = NULL;

	full = xasprintf("%s/%s", copier->directory, copy_path(job, "queue.db", path));
	bodies.from = copy_open_directory(state, "bodies");
	if (*job->name != '\0')
		bodies.to = copy_make_directory(directory, "bodies");
	if (bodies.from < 0 || (*job->name != '\0' && bodies.to < 0))
		fail(job, "opening the directory", "bodies");
	else if (store_copy_open(full, &copier->is_stopping, &copy, &job->problem) != 0)
		job->verdict = COPY_FAILED;
	else
		look(&bodies, copy);
	store_copy_close(copy);
	if (job->verdict == COPY_OK && bodies.to >= 0 && copy_flush_bodies(bodies.to) != 0)
		fail(job, "flushing the directory", "bodies");
	if (bodies.from >= 0)
		(void)close(bodies.from);
	if (bodies.to >= 0)
		(void)close(bodies.to);
	free(bodies.names);
	free(full);
}

static void
finish(struct copier *copier, struct copy_job *job, int state, int backups)
{
	char name[BACKUP_PATH_SIZE];
	int directory = copy_open_directory(backups, partial_name(job, name));

	if (directory < 0) {
		fail(job, "opening the directory", name);
		return;
	}
	look_at(copier, job, state, directory);
	if (job->verdict == COPY_OK && *job->name != '\0' &&
	    (copy_flush(directory, "queue.db") != 0 || copy_flush(directory, "history.db") != 0 ||
		fsync(directory) != 0))
		fail(job, "flushing", name);
	(void)close(directory);
	if (job->verdict == COPY_OK && atomic_load(&copier->is_stopping)) {
		job->verdict = COPY_FAILED;
		(void)err_set(&job->problem, "the queue is being stopped");
	}
	if (job->verdict != COPY_OK || *job->name == '\0')
		(void)copy_remove_tree(backups, name);
}

/* ---- jobs ---- */

static void
run_one(struct copier *copier, struct copy_job *job)
{
	char name[BACKUP_PATH_SIZE];
	int state = open(copier->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int backups = state < 0 ? -1 : copy_make_directory(state, BACKUP_DIRECTORY);

	job->verdict = COPY_OK;
	if (backups < 0)
		fail(job, "opening the directory", BACKUP_DIRECTORY);
	else if (job->job.kind == COPY_PREPARE)
		prepare(job, state, backups);
	else if (job->job.kind == COPY_FINISH)
		finish(copier, job, state, backups);
	else
		(void)copy_remove_tree(backups, partial_name(job, name));
	if (backups >= 0)
		(void)close(backups);
	if (state >= 0)
		(void)close(state);
	job->job.outcome = JOB_DONE;
}

void
copy_run(struct list *batch, void *ctx)
{
	LIST_EACH (batch, at)
		run_one(ctx, (struct copy_job *)(void *)LIST_ENTRY(at, struct job, link));
}

void
copier_stop(struct copier *copier)
{
	atomic_store(&copier->is_stopping, true);
}

struct copier *
copier_new(const char *directory)
{
	struct copier *copier = xcalloc(1, sizeof(*copier));

	copier->directory = xstrdup(directory);
	return copier;
}

void
copier_free(struct copier *copier)
{
	if (copier == NULL)
		return;
	free(copier->directory);
	free(copier);
}
