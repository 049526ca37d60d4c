/* copy_files - directories, links and flushes. */
#include "daemon/queue/copy_private.h"

#include "common/xalloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 3 /* NAME.partial/bodies/NN */
#define PIECE_BYTES (256u * 1024)

int
copy_open_directory(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int
copy_make_directory(int at, const char *name)
{
	if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
		return -1;
	return copy_open_directory(at, name);
}

static DIR *
open_list(int at, const char *name)
{
	int fd = copy_open_directory(at, name);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);

	if (list == NULL && fd >= 0)
		(void)close(fd);
	return list;
}

static bool
is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int
remove_below(int at, const char *name, unsigned depth)
{
	DIR *list = open_list(at, name);
	const struct dirent *entry;
	int result = list == NULL || depth > DEPTH_MAX ? -1 : 0;

	while (result == 0 && (entry = readdir(list)) != NULL) {
		if (is_dot(entry->d_name) || unlinkat(dirfd(list), entry->d_name, 0) == 0)
			continue;
		result = errno == EISDIR ? remove_below(dirfd(list), entry->d_name, depth + 1) : -1;
	}
	if (list != NULL)
		(void)closedir(list);
	return result == 0 ? unlinkat(at, name, AT_REMOVEDIR) : -1;
}

int
copy_remove_tree(int at, const char *name)
{
	return remove_below(at, name, 1);
}

static bool
is_partial(const char *name)
{
	size_t size = strlen(name), tail = strlen(BACKUP_PARTIAL);

	return size > tail && strcmp(name + size - tail, BACKUP_PARTIAL) == 0;
}

void
copy_sweep(int backups)
{
	DIR *list = open_list(backups, ".");
	const struct dirent *entry;

	while (list != NULL && (entry = readdir(list)) != NULL)
		if (is_partial(entry->d_name))
			(void)copy_remove_tree(backups, entry->d_name);
	if (list != NULL)
		(void)closedir(list);
}

static int
copy_bytes(int from, int to)
{
	char *piece = xmalloc(PIECE_BYTES);
	ssize_t got, put = 0;

	while (put >= 0 && (got = read(from, piece, PIECE_BYTES)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		put = got;
		for (ssize_t done = 0; got > 0 && done < got && put >= 0; done += put)
			put = write(to, piece + done, (size_t)(got - done));
	}
	free(piece);
	return put < 0 ? -1 : fsync(to);
}

static int
copy_file(int from, int to, const char *path)
{
	int in = openat(from, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int out =
	    in < 0 ? -1
		   : openat(to, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int result = out < 0 ? -1 : copy_bytes(in, out);
	int error = errno;

	if (in >= 0)
		(void)close(in);
	if (out >= 0)
		(void)close(out);
	errno = error;
	return result;
}

int
copy_give_file(int from, int to, const char *path)
{
	if (linkat(from, path, to, path, 0) == 0)
		return 0;
	/* Some file systems have no links, others not so many to one file; and another one may be
	 * mounted on `backups`. */
	return errno == EPERM || errno == EMLINK || errno == EOPNOTSUPP || errno == EXDEV
		   ? copy_file(from, to, path)
		   : -1;
}

int
copy_flush(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int result = fd < 0 ? -1 : fsync(fd);

	if (fd >= 0)
		(void)close(fd);
	return result;
}

int
copy_flush_bodies(int at)
{
	DIR *list = open_list(at, ".");
	const struct dirent *entry;
	int result = list == NULL ? -1 : 0;

	while (result == 0 && (entry = readdir(list)) != NULL)
		if (!is_dot(entry->d_name))
			result = copy_flush(at, entry->d_name);
	if (result == 0)
		result = fsync(dirfd(list));
	if (list != NULL)
		(void)closedir(list);
	return result;
}
