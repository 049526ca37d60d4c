/* keyfile - small files with secrets. */
#include "daemon/parent/keyfile.h"

#include "common/xalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((1u << 20) - 4096) /* what a message to a role takes */

int
keyfile_open_dir(const char *path, struct keyfile_dir *dir_out, struct err *err_out)
{
	dir_out->path = path;
	dir_out->fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_out->fd < 0)
		return err_set(err_out, "cannot open the directory %s: %s", path, strerror(errno));
	return 0;
}

static int
check_private_dir(const struct keyfile_dir *dir, struct err *err_out)
{
	struct stat st;

	if (fstat(dir->fd, &st) != 0)
		return err_set(err_out, "cannot look at %s: %s", dir->path, strerror(errno));
	if (st.st_uid != geteuid())
		return err_set(err_out,
		    "%s belongs to uid %u, but keys are kept by uid %u, which posternd runs as: "
		    "give it back with chown -R, or remove it to have new keys made",
		    dir->path, st.st_uid, geteuid());
	if ((st.st_mode & 022) != 0)
		return err_set(err_out,
		    "%s may be written by others (mode %04o): its mode must be 0700", dir->path,
		    st.st_mode & 07777);
	return 0;
}

int
keyfile_open_private_dir(const char *path, struct keyfile_dir *dir_out, struct err *err_out)
{
	dir_out->fd = -1;
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return err_set(err_out, "cannot make the directory %s: %s", path, strerror(errno));
	if (keyfile_open_dir(path, dir_out, err_out) != 0)
		return -1;
	if (check_private_dir(dir_out, err_out) == 0)
		return 0;
	keyfile_close_dir(dir_out);
	return -1;
}

void
keyfile_close_dir(struct keyfile_dir *dir)
{
	if (dir->fd >= 0)
		(void)close(dir->fd);
	dir->fd = -1;
}

static int
read_all(int fd, const char *path, struct buf *out, struct err *err_out)
{
	char bytes[4096];
	struct stat st;
	ssize_t got;

	/* So that a key leaves no copies where the buf has been before. */
	if (fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size <= FILE_MAX)
		buf_reserve(out, (size_t)st.st_size);
	while ((got = read(fd, bytes, sizeof(bytes))) > 0 && out->size <= FILE_MAX)
		buf_append(out, bytes, (size_t)got);
	explicit_bzero(bytes, sizeof(bytes));
	if (got < 0)
		return err_set(err_out, "cannot read %s: %s", path, strerror(errno));
	if (out->size > FILE_MAX)
		return err_set(err_out, "%s is larger than %u bytes", path, FILE_MAX);
	return 0;
}

static int
check_private_file(const struct keyfile_dir *dir, int fd, const char *path, struct err *err_out)
{
	struct stat st, dir_st;

	if (fstat(fd, &st) != 0 || fstat(dir->fd, &dir_st) != 0)
		return err_set(err_out, "cannot look at %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err_out, "%s is not a file", path);
	if ((st.st_mode & 077) != 0)
		return err_set(err_out,
		    "%s may be used by others (mode %04o): its mode must be 0600, and what it "
		    "protected may be known to them",
		    path, st.st_mode & 07777);
	if (st.st_uid != geteuid() && st.st_uid != dir_st.st_uid)
		return err_set(err_out,
		    "%s belongs to uid %u, which is neither uid %u nor the "
		    "owner of %s",
		    path, st.st_uid, geteuid(), dir->path);
	return 0;
}

static int
read_named(const struct keyfile_dir *dir, const char *name,
    int (*check)(const struct keyfile_dir *, int, const char *, struct err *), struct buf *out,
    struct err *err_out)
{
	char *path = xasprintf("%s/%s", dir->path, name);
	int fd = openat(dir->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int result = 0;

	if (fd < 0 && errno == ENOENT)
		result = 1;
	else if (fd < 0)
		result = err_set(err_out, "cannot open %s: %s", path, strerror(errno));
	else if (check != NULL)
		result = check(dir, fd, path, err_out);
	if (result == 0)
		result = read_all(fd, path, out, err_out);
	if (fd >= 0)
		(void)close(fd);
	free(path);
	return result;
}

int
keyfile_read_private(
    const struct keyfile_dir *dir, const char *name, struct buf *out, struct err *err_out)
{
	return read_named(dir, name, check_private_file, out, err_out);
}

int
keyfile_read_public(
    const struct keyfile_dir *dir, const char *name, struct buf *out, struct err *err_out)
{
	return read_named(dir, name, NULL, out, err_out);
}

static int
write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t written = write(fd, bytes, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		bytes += written;
		size -= (size_t)written;
	}
	return 0;
}

int
keyfile_write(const struct keyfile_dir *dir, const char *name, mode_t mode, const void *bytes,
    size_t size, struct err *err_out)
{
	char *fresh = xasprintf("%s.new", name);
	bool is_good;
	int fd;

	(void)unlinkat(dir->fd, fresh, 0); /* left by a start that was cut short */
	fd = openat(dir->fd, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	is_good = fd >= 0 && write_all(fd, bytes, size) == 0 && fchmod(fd, mode) == 0 &&
		  fsync(fd) == 0 && renameat(dir->fd, fresh, dir->fd, name) == 0 &&
		  fsync(dir->fd) == 0;
	if (!is_good) {
		(void)err_set(err_out, "cannot write %s/%s: %s", dir->path, name, strerror(errno));
		(void)unlinkat(dir->fd, fresh, 0);
	}
	if (fd >= 0)
		(void)close(fd);
	free(fresh);
	return is_good ? 0 : -1;
}

int
keyfile_read_path(const char *path, struct buf *out, struct err *err_out)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int result;

	if (fd < 0)
		return err_set(err_out, "cannot open %s: %s", path, strerror(errno));
	result = read_all(fd, path, out, err_out);
	(void)close(fd);
	return result;
}
