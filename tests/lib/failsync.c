/*
 * failsync - loaded before the C library (LD_PRELOAD), makes a role's disk fail or slow
 *
 * What it does stands in the file `fault` of the role's own directory, one line: a part of the
 * names of the files it is about, and an action with its number.
 *
 *	queue.db fail-sync 3     the third flush from now on, and all behind it, fail with EIO
 *	queue.db fail-write 10   the same for writes
 *	queue delay-sync 20      a flush takes 20 ms longer
 *
 * Each flush of such a file adds a byte to the file `flushes`, if there is one.
 *
 * If there is a file `order`, each flush of any file adds `begin NAME` and `end NAME` to it, each
 * removal `remove NAME`, and each time that one is opened to be written to `open NAME`.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define FDS 4096

struct fault {
	char part[64], action[32];
	int number;
};

static char names[FDS][64];
static atomic_int calls;

static int
real_open(int directory, const char *path, int flags, mode_t mode)
{
	int (*call)(int, const char *, int, ...) = dlsym(RTLD_NEXT, "openat64");

	return call(directory, path, flags, mode);
}

static void note_order(const char *what, const char *name);

static int
open_and_note(int directory, const char *path, int flags, mode_t mode)
{
	int fd = real_open(directory, path, flags, mode);
	const char *name = strrchr(path, '/');

	if (fd >= 0 && fd < FDS)
		(void)snprintf(names[fd], sizeof(names[fd]), "%s", name != NULL ? name + 1 : path);
	if (fd >= 0 && (flags & O_ACCMODE) != O_RDONLY)
		note_order("open", name != NULL ? name + 1 : path);
	return fd;
}

static bool
read_fault(int fd, struct fault *fault_out)
{
	char text[256];
	int file = real_open(AT_FDCWD, "fault", O_RDONLY | O_CLOEXEC, 0);
	ssize_t size;

	if (file < 0) {
		atomic_store(&calls, 0);
		return false;
	}
	size = read(file, text, sizeof(text) - 1);
	(void)close(file);
	text[size > 0 ? size : 0] = '\0';
	return sscanf(text, "%63s %31s %d", fault_out->part, fault_out->action,
		   &fault_out->number) == 3 &&
	       fd >= 0 && fd < FDS && strstr(names[fd], fault_out->part) != NULL;
}

static bool
is_failing(const struct fault *fault, const char *action)
{
	return strcmp(fault->action, action) == 0 &&
	       atomic_fetch_add(&calls, 1) + 1 >= fault->number;
}

static void
count_flush(void)
{
	int file = real_open(AT_FDCWD, "flushes", O_WRONLY | O_APPEND | O_CLOEXEC, 0);

	if (file < 0)
		return;
	(void)!write(file, ".", 1);
	(void)close(file);
}

static void
note_order(const char *what, const char *name)
{
	int file = real_open(AT_FDCWD, "order", O_WRONLY | O_APPEND | O_CLOEXEC, 0);
	char line[128];
	int size = snprintf(line, sizeof(line), "%s %.64s\n", what, name);

	if (file < 0)
		return;
	(void)!write(file, line, (size_t)size);
	(void)close(file);
}

static int
flush_in_order(int (*call)(int), int fd)
{
	const char *name = fd >= 0 && fd < FDS ? names[fd] : "?";
	int result;

	note_order("begin", name);
	result = call(fd);
	note_order("end", name);
	return result;
}

static int
flush(const char *function, int fd)
{
	int (*call)(int) = dlsym(RTLD_NEXT, function);
	struct fault fault;

	if (!read_fault(fd, &fault))
		return flush_in_order(call, fd);
	count_flush();
	if (is_failing(&fault, "fail-sync")) {
		errno = EIO;
		return -1;
	}
	if (strcmp(fault.action, "delay-sync") == 0)
		(void)nanosleep(
		    &(struct timespec){.tv_nsec = fault.number % 1000 * 1000000L}, NULL);
	return call(fd);
}

/* ---- what stands before the C library's ---- */

#define OPEN_BODY(directory, path, flags)                                                          \
	mode_t mode = 0;                                                                           \
	va_list arguments;                                                                         \
	if ((flags)&O_CREAT) {                                                                     \
		va_start(arguments, flags);                                                        \
		mode = va_arg(arguments, mode_t);                                                  \
		va_end(arguments);                                                                 \
	}                                                                                          \
	return open_and_note(directory, path, flags, mode)

int
open(const char *path, int flags, ...)
{
	OPEN_BODY(AT_FDCWD, path, flags);
}

int
open64(const char *path, int flags, ...)
{
	OPEN_BODY(AT_FDCWD, path, flags);
}

int
openat(int directory, const char *path, int flags, ...)
{
	OPEN_BODY(directory, path, flags);
}

int
openat64(int directory, const char *path, int flags, ...)
{
	OPEN_BODY(directory, path, flags);
}

int
fsync(int fd)
{
	return flush("fsync", fd);
}

int
fdatasync(int fd)
{
	return flush("fdatasync", fd);
}

int
unlinkat(int directory, const char *path, int flags)
{
	int (*call)(int, const char *, int) = dlsym(RTLD_NEXT, "unlinkat");
	const char *name = strrchr(path, '/');

	note_order("remove", name != NULL ? name + 1 : path);
	return call(directory, path, flags);
}

ssize_t
pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
	ssize_t (*call)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
	struct fault fault;

	if (read_fault(fd, &fault) && is_failing(&fault, "fail-write")) {
		errno = EIO;
		return -1;
	}
	return call(fd, bytes, size, offset);
}
