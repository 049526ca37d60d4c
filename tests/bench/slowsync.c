/*
 * slowsync - loaded before the C library (LD_PRELOAD), makes every flush take SLOWSYNC_MS longer
 *
 * So one slow disk is imitated for all processes that have it and the same file SLOWSYNC_DISK. It does one flush
 * at a time, as the block layer of Linux has it: whoever asks while one is running is served by the
 * next, together with all others that have asked by then.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* When the last flush that was asked for will be done; in nanoseconds of the monotonic clock. */
static _Atomic int64_t *done_at;
static int64_t flush_ns;

__attribute__((constructor)) static void
attach(void)
{
	const char *path = getenv("SLOWSYNC_DISK"), *ms = getenv("SLOWSYNC_MS");
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	void *shared = MAP_FAILED;

	if (fd < 0 || ms == NULL)
		_exit(71); /* a disk that is fast after all would be measured */
	shared = mmap(NULL, sizeof(*done_at), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		_exit(71);
	(void)close(fd);
	done_at = shared;
	flush_ns = strtol(ms, NULL, 10) * INT64_C(1000000);
}

static int64_t
now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* When a flush that is asked for now will be done. */
static int64_t
take_turn(void)
{
	int64_t now = now_ns(), last = atomic_load(done_at), mine;

	do {
		if (now < last - flush_ns)
			return last; /* it has not begun */
		mine = (now < last ? last : now) + flush_ns;
	} while (!atomic_compare_exchange_weak(done_at, &last, mine));
	return mine;
}

static void
be_slow(void)
{
	int64_t until_ns = take_turn();
	struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
		;
}

int
fsync(int fd)
{
	int (*call)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");

	be_slow();
	return call(fd);
}

int
fdatasync(int fd)
{
	int (*call)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");

	be_slow();
	return call(fd);
}
