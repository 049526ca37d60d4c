/*
 * capture - Maildir delivery. What waits is handed to a thread as one job; while that runs, the
 * next pieces gather. A small message is one job: made, written, flushed and renamed.
 */
#include "daemon/relay/capture.h"

#include "common/list.h"
#include "common/xalloc.h"
#include "daemon/core/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE_DIR 0700
#define MODE_FILE 0600

struct piece {
	struct list link;
	struct slice slice;
};

struct capture {
	struct pool *pool;
	const struct capture_callbacks *callbacks; /* NULL: cancelled */
	void *ctx;
	struct list gathering; /* on the loop */
	bool is_ended, is_busy;

	/* The rest belongs to the thread while is_busy. */
	char *path, *name, *head;
	struct list writing;
	bool is_last; /* of the jobs */
	bool has_given_up;
	int fd;
	char problem[256];
};

int
capture_check_path(const char *path, struct err *err_out)
{
	size_t size;

	for (const char *at = path; *at != '\0'; at += size + (at[size] == '/')) {
		size = strcspn(at, "/");
		if (size == 0 || (size == 1 && at[0] == '.') || strncmp(at, "..", size) == 0 ||
		    size > 200)
			return err_set(err_out,
			    "capture %s: use the name of a directory below capture_dir", path);
	}
	return 0;
}

/* ---- on a thread ---- */

static int
fail(struct capture *capture, const char *what)
{
	if (capture->problem[0] == '\0')
		(void)snprintf(capture->problem, sizeof(capture->problem),
		    "%s below capture/%s: %s", what, capture->path, strerror(errno));
	return -1;
}

static char *
file_path(const struct capture *capture, const char *folder)
{
	return xasprintf("%s/%s/%s", capture->path, folder, capture->name);
}

static int
make_directory(const char *path)
{
	return mkdir(path, MODE_DIR) == 0 || errno == EEXIST ? 0 : -1;
}

static int
make_parents(const char *path)
{
	char *copy = xstrdup(path);
	int status = 0;

	for (char *at = copy; status == 0 && (at = strchr(at, '/')) != NULL; at++) {
		*at = '\0';
		status = make_directory(copy);
		*at = '/';
	}
	if (status == 0)
		status = make_directory(copy);
	free(copy);
	return status;
}

static int
make_maildir(const struct capture *capture)
{
	static const char *const folders[] = {"tmp", "new", "cur"};
	int status = make_parents(capture->path);

	for (size_t i = 0; i < 3 && status == 0; i++) {
		char *path = xasprintf("%s/%s", capture->path, folders[i]);

		status = make_directory(path);
		free(path);
	}
	return status;
}

static int
create(const struct capture *capture)
{
	char *path = file_path(capture, "tmp");
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, MODE_FILE);

	free(path);
	return fd;
}

static int
write_all(int fd, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size > 0) {
		ssize_t written = write(fd, at, size);

		if (written < 0 && errno != EINTR)
			return -1;
		if (written > 0) {
			at += written;
			size -= (size_t)written;
		}
	}
	return 0;
}

static int
begin(struct capture *capture)
{
	capture->fd = create(capture);
	if (capture->fd < 0 && errno == ENOENT) {
		if (make_maildir(capture) != 0)
			return fail(capture, "can't make a Maildir");
		capture->fd = create(capture);
	}
	if (capture->fd < 0)
		return fail(capture, "can't make a file");
	if (write_all(capture->fd, capture->head, strlen(capture->head)) != 0)
		return fail(capture, "can't write");
	return 0;
}

static int
flush_directory(const struct capture *capture, const char *folder)
{
	char *path = xasprintf("%s/%s", capture->path, folder);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int status = fd < 0 ? -1 : fsync(fd);

	if (fd >= 0)
		(void)close(fd);
	free(path);
	return status;
}

static int
publish(struct capture *capture)
{
	char *from = file_path(capture, "tmp"), *to = file_path(capture, "new");
	int status = fsync(capture->fd);

	if (status == 0)
		status = rename(from, to);
	if (status == 0)
		status = flush_directory(capture, "new");
	free(from);
	free(to);
	(void)close(capture->fd);
	capture->fd = -1;
	return status == 0 ? 0 : fail(capture, "can't finish a file");
}

static void
remove_file(struct capture *capture)
{
	char *path = file_path(capture, "tmp");

	if (capture->fd >= 0)
		(void)close(capture->fd);
	capture->fd = -1;
	(void)unlink(path);
	free(path);
}

static int
write_pieces(struct capture *capture)
{
	LIST_EACH (&capture->writing, at) {
		const struct slice *slice = &LIST_ENTRY(at, struct piece, link)->slice;

		if (write_all(capture->fd, slice_bytes(slice), slice->size) != 0)
			return fail(capture, "can't write");
	}
	return 0;
}

static void
work(void *ctx)
{
	struct capture *capture = ctx;
	int status = 0;

	if (capture->has_given_up || capture->problem[0] != '\0') {
		remove_file(capture);
		return;
	}
	if (capture->fd < 0)
		status = begin(capture);
	if (status == 0)
		status = write_pieces(capture);
	if (status == 0 && capture->is_last)
		status = publish(capture);
	if (status != 0)
		remove_file(capture);
}

/* ---- on the loop ---- */

static uint32_t
release_pieces(struct list *pieces)
{
	struct list *first;
	uint32_t bytes = 0;

	while ((first = list_take_first(pieces)) != NULL) {
		struct piece *piece = LIST_ENTRY(first, struct piece, link);

		bytes += piece->slice.size;
		slice_release(&piece->slice);
		free(piece);
	}
	return bytes;
}

static void
capture_free(struct capture *capture)
{
	(void)release_pieces(&capture->gathering);
	(void)release_pieces(&capture->writing);
	free(capture->path);
	free(capture->name);
	free(capture->head);
	free(capture);
}

static void
tell_done(struct capture *capture)
{
	if (capture->callbacks != NULL)
		capture->callbacks->on_done(
		    capture, capture->problem[0] != '\0' ? capture->problem : NULL, capture->ctx);
	capture_free(capture);
}

static void submit(struct capture *capture);

static bool
is_over(const struct capture *capture)
{
	return capture->is_last || capture->problem[0] != '\0' || capture->has_given_up;
}

static void
on_worked(void *ctx)
{
	struct capture *capture = ctx;
	uint32_t bytes = release_pieces(&capture->writing);

	capture->is_busy = false;
	if (is_over(capture)) {
		tell_done(capture);
		return;
	}
	if (capture->callbacks == NULL) {
		capture->has_given_up = true;
		submit(capture);
		return;
	}
	if (bytes > 0)
		capture->callbacks->on_written(capture, bytes, capture->ctx);
	if (capture->is_ended || !list_is_empty(&capture->gathering))
		submit(capture);
}

static void
submit(struct capture *capture)
{
	struct list *first;

	if (capture->is_busy)
		return;
	capture->is_busy = true;
	capture->is_last = capture->is_ended;
	while ((first = list_take_first(&capture->gathering)) != NULL)
		list_append(&capture->writing, first);
	/* The pool of this role has room for a job of every delivery there can be. */
	ensure(pool_submit(capture->pool, work, on_worked, capture));
}

struct capture *
capture_new(struct pool *pool, const char *path, const char *name, char *head,
    const struct capture_callbacks *callbacks, void *ctx)
{
	struct capture *capture = xcalloc(1, sizeof(*capture));

	capture->pool = pool;
	capture->callbacks = callbacks;
	capture->ctx = ctx;
	capture->fd = -1;
	capture->path = xstrdup(path);
	capture->name = xstrdup(name);
	capture->head = head;
	list_init(&capture->gathering);
	list_init(&capture->writing);
	return capture;
}

void
capture_write(struct capture *capture, const struct slice *slice)
{
	struct piece *piece = xmalloc(sizeof(*piece));

	piece->slice = slice_of(slice->chunk, slice->offset, slice->size);
	list_append(&capture->gathering, &piece->link);
}

void
capture_push(struct capture *capture, bool is_last)
{
	capture->is_ended |= is_last;
	if (is_last || !list_is_empty(&capture->gathering))
		submit(capture);
}

bool
capture_is_finishing(const struct capture *capture)
{
	return capture->is_busy && capture->is_last;
}

void
capture_cancel(struct capture *capture)
{
	capture->callbacks = NULL;
	if (capture->is_busy)
		return; /* on_worked() goes on from here */
	capture->has_given_up = true;
	submit(capture);
}
