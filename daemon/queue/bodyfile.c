/* bodyfile - one file for each large body. */
#include "daemon/queue/bodyfile.h"

#include "common/err.h"
#include "common/ident.h"
#include "common/log.h"
#include "common/xalloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct bodyfiles {
	int root; /* all that several threads share */
};

/* Neighbours share a directory, so that one batch flushes few of them. */
static unsigned
directory_of(uint64_t name)
{
	return (unsigned)(name >> 8) % BODYFILE_DIRECTORIES;
}

void
bodyfile_path(uint64_t name, char path[static BODYFILE_PATH_SIZE])
{
	char ident[IDENT_SIZE];

	(void)snprintf(
	    path, BODYFILE_PATH_SIZE, "%02x/%s", directory_of(name), ident_format(name, ident));
}

static enum job_outcome
outcome_of(int error)
{
	return error == ENOSPC || error == EDQUOT ? JOB_DISK_FULL : JOB_FAILED;
}

static uint64_t
name_of(const struct bodyfile_job *job)
{
	return job->file != NULL ? job->file->name : job->name;
}

static enum job_outcome
fail(const struct bodyfile_job *job, const char *what)
{
	enum job_outcome outcome = outcome_of(errno);
	char path[BODYFILE_PATH_SIZE];

	bodyfile_path(name_of(job), path);
	log_problem(LOG_ERROR, "%s bodies/%s: %s", what, path, strerror(errno));
	return outcome;
}

/* -1 with ENOENT: it can't be written anew, and is out of the way. A backup may have a link to it, or
 * whoever else copies by links: what they have is not ours to change. */
static int
open_spare(struct bodyfiles *files, const char *path, uint64_t *size_out)
{
	int fd = openat(files->root, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1) {
		*size_out = (uint64_t)st.st_size;
		return fd;
	}
	(void)close(fd);
	if (unlinkat(files->root, path, 0) == 0)
		errno = ENOENT;
	return -1;
}

static int
open_file(struct bodyfiles *files, struct bodyfile *file)
{
	char path[BODYFILE_PATH_SIZE];

	bodyfile_path(file->name, path);
	if (file->is_spare) {
		file->fd = open_spare(files, path, &file->size_before);
		file->is_spare = file->fd >= 0;
		if (file->is_spare || errno != ENOENT)
			return file->fd;
	}
	/* One that is there has no message: its id was never committed. */
	file->fd =
	    openat(files->root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return file->fd;
}

static size_t
count_bytes(const struct iovec *parts, uint32_t count)
{
	size_t size = 0;

	for (uint32_t i = 0; i < count; i++)
		size += parts[i].iov_len;
	return size;
}

/* What of the parts is left behind the first `done` bytes; returns how many of them those begin with. */
static uint32_t
pass_over(struct iovec *parts, uint32_t count, size_t done)
{
	uint32_t first = 0;

	while (first < count && done >= parts[first].iov_len)
		done -= parts[first++].iov_len;
	if (first < count) {
		parts[first].iov_base = (uint8_t *)parts[first].iov_base + done;
		parts[first].iov_len -= done;
	}
	return first;
}

static enum job_outcome
write_pieces(struct bodyfiles *files, struct bodyfile_job *job)
{
	struct iovec parts[BODYFILE_SLICES_MAX], *at = parts;
	uint32_t left = job->slice_count;
	off_t offset = (off_t)job->offset;

	ensure(left <= BODYFILE_SLICES_MAX);
	for (uint32_t i = 0; i < left; i++)
		parts[i] =
		    (struct iovec){.iov_base = (uint8_t *)(uintptr_t)slice_bytes(&job->slices[i]),
			.iov_len = job->slices[i].size};
	if (job->file->fd < 0 && open_file(files, job->file) < 0)
		return fail(job, job->file->is_spare ? "opening" : "creating");
	while (count_bytes(at, left) > 0) {
		ssize_t n = pwritev(job->file->fd, at, (int)left, offset);
		uint32_t passed;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(job, "writing");
		passed = pass_over(at, left, (size_t)n);
		at += passed;
		left -= passed;
		offset += n;
	}
	return JOB_DONE;
}

static void
close_file(struct bodyfile *file)
{
	if (file->fd >= 0)
		(void)close(file->fd);
	file->fd = -1;
}

static enum job_outcome
sync_file(struct bodyfile_job *job)
{
	struct bodyfile *file = job->file;
	enum job_outcome outcome = JOB_DONE;

	if (file->fd < 0)
		return JOB_FAILED; /* a write failed, and said so */
	if (file->is_spare && file->size_before > job->offset &&
	    ftruncate(file->fd, (off_t)job->offset) != 0)
		outcome = fail(job, "shortening");
	else if (fdatasync(file->fd) != 0)
		outcome = fail(job, "flushing");
	close_file(file);
	return outcome;
}

static enum job_outcome
read_piece(const struct bodyfiles *files, struct bodyfile_job *job)
{
	struct chunk *chunk = chunk_new(job->size);
	char path[BODYFILE_PATH_SIZE];
	ssize_t n = -1;
	int fd;

	bodyfile_path(job->name, path);
	fd = openat(files->root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0) {
		do {
			n = pread(fd, chunk->bytes, job->size, (off_t)job->offset);
		} while (n < 0 && errno == EINTR);
	}
	if (n > 0) {
		chunk->size = (uint32_t)n;
		job->chunk_out = chunk;
	} else {
		chunk_release(chunk);
	}
	if (n < 0)
		(void)fail(job, "reading");
	if (fd >= 0)
		(void)close(fd);
	return n < 0 ? JOB_FAILED : JOB_DONE;
}

static enum job_outcome
remove_file(struct bodyfiles *files, struct bodyfile_job *job)
{
	char path[BODYFILE_PATH_SIZE];

	if (job->file != NULL)
		close_file(job->file);
	bodyfile_path(name_of(job), path);
	if (unlinkat(files->root, path, 0) != 0 && errno != ENOENT)
		return fail(job, "removing");
	return JOB_DONE;
}

static enum job_outcome
run_one(struct bodyfiles *files, struct bodyfile_job *job)
{
	switch ((enum bodyfile_job_kind)job->job.kind) {
	case BODYFILE_WRITE:
		return write_pieces(files, job);
	case BODYFILE_SYNC:
		return sync_file(job);
	case BODYFILE_READ:
		return read_piece(files, job);
	case BODYFILE_REMOVE:
		return remove_file(files, job);
	}
	return JOB_FAILED;
}

static bool
sync_directory(struct bodyfiles *files, unsigned which)
{
	char name[8];
	int fd;
	bool is_done;

	(void)snprintf(name, sizeof(name), "%02x", which);
	fd = openat(files->root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	is_done = fd >= 0 && fsync(fd) == 0;
	if (!is_done)
		log_problem(LOG_ERROR, "flushing bodies/%s: %s", name, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return is_done;
}

/* The flushes of one batch's files in one directory share the directory's. A spare's name is there. */
static void
sync_directories(struct bodyfiles *files, struct list *batch)
{
	bool is_seen[BODYFILE_DIRECTORIES] = {false}, is_done[BODYFILE_DIRECTORIES];

	LIST_EACH (batch, at) {
		struct job *job = LIST_ENTRY(at, struct job, link);
		const struct bodyfile_job *file_job = (struct bodyfile_job *)(void *)job;
		unsigned which;

		if (job->kind != BODYFILE_SYNC || job->outcome != JOB_DONE ||
		    file_job->file->is_spare)
			continue;
		which = directory_of(file_job->file->name);
		if (!is_seen[which]) {
			is_seen[which] = true;
			is_done[which] = sync_directory(files, which);
		}
		if (!is_done[which])
			job->outcome = JOB_FAILED;
	}
}

void
bodyfile_run(struct list *batch, void *ctx)
{
	struct bodyfiles *files = ctx;

	LIST_EACH (batch, at) {
		struct job *job = LIST_ENTRY(at, struct job, link);

		job->outcome = run_one(files, (struct bodyfile_job *)(void *)job);
	}
	sync_directories(files, batch);
}

void
bodyfile_run_reads(struct list *batch, void *ctx)
{
	LIST_EACH (batch, at) {
		struct job *job = LIST_ENTRY(at, struct job, link);

		job->outcome = read_piece(ctx, (struct bodyfile_job *)(void *)job);
	}
}

static int
make_directories(struct bodyfiles *files, struct err *err_out)
{
	char name[8];

	for (unsigned i = 0; i < BODYFILE_DIRECTORIES; i++) {
		(void)snprintf(name, sizeof(name), "%02x", i);
		if (mkdirat(files->root, name, 0700) != 0 && errno != EEXIST)
			return err_set(err_out, "creating bodies/%s: %s", name, strerror(errno));
	}
	if (fsync(files->root) != 0)
		return err_set(err_out, "flushing bodies: %s", strerror(errno));
	return 0;
}

static int
open_root(const char *directory, int *root_out, struct err *err_out)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int root = -1;

	if (fd >= 0 && (mkdirat(fd, "bodies", 0700) == 0 || errno == EEXIST) && fsync(fd) == 0)
		root = openat(fd, "bodies", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		(void)err_set(
		    err_out, "opening the directory %s/bodies: %s", directory, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	*root_out = root;
	return root < 0 ? -1 : 0;
}

int
bodyfile_open(const char *directory, struct bodyfiles **files_out, struct err *err_out)
{
	struct bodyfiles *files = xcalloc(1, sizeof(*files));

	files->root = -1;
	if (open_root(directory, &files->root, err_out) != 0 ||
	    make_directories(files, err_out) != 0) {
		bodyfile_close(files);
		return -1;
	}
	*files_out = files;
	return 0;
}

void
bodyfile_close(struct bodyfiles *files)
{
	if (files == NULL)
		return;
	if (files->root >= 0)
		(void)close(files->root);
	free(files);
}

/* NULL: it can't be listed, or isn't there. */
static DIR *
open_listing(int root, unsigned which)
{
	char name[8];
	int fd;

	(void)snprintf(name, sizeof(name), "%02x", which);
	fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? NULL : fdopendir(fd);
}

/* The next body; false: there is none. What has another name isn't ours. */
static bool
next_body(DIR *dir, const char **name_out, uint64_t *id_out)
{
	struct dirent *entry;

	while ((entry = readdir(dir)) != NULL)
		if (ident_parse(entry->d_name, id_out)) {
			*name_out = entry->d_name;
			return true;
		}
	return false;
}

static bool
has_body(int root, unsigned which)
{
	DIR *dir = open_listing(root, which);
	const char *name;
	uint64_t id;
	bool is_any;

	if (dir == NULL)
		return false;
	is_any = next_body(dir, &name, &id);
	(void)closedir(dir);
	return is_any;
}

bool
bodyfile_are_any(const char *directory)
{
	char path[4096];
	bool is_any = false;
	int root;

	(void)snprintf(path, sizeof(path), "%s/bodies", directory);
	root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return false;
	for (unsigned i = 0; i < BODYFILE_DIRECTORIES && !is_any; i++)
		is_any = has_body(root, i);
	(void)close(root);
	return is_any;
}

static unsigned
sweep_directory(struct bodyfiles *files, unsigned which,
    bool (*has_message)(void *ctx, uint64_t name), void *ctx)
{
	DIR *dir = open_listing(files->root, which);
	unsigned swept = 0;
	const char *name;
	uint64_t id;

	if (dir == NULL)
		return 0;
	while (next_body(dir, &name, &id))
		if (!has_message(ctx, id) && unlinkat(dirfd(dir), name, 0) == 0)
			swept++;
	(void)closedir(dir);
	return swept;
}

unsigned
bodyfile_sweep(struct bodyfiles *files, bool (*has_message)(void *ctx, uint64_t name), void *ctx)
{
	unsigned swept = 0;

	for (unsigned i = 0; i < BODYFILE_DIRECTORIES; i++)
		swept += sweep_directory(files, i, has_message, ctx);
	return swept;
}
