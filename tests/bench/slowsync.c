/*
 * slowsync - loaded before the C library (LD_PRELOAD), makes every flush take SLOWSYNC_MS longer
 *
 * So a slow disk is imitated, for whoever is measured on it: each flush sleeps by itself, as on a
 * disk that takes as many at a time as there are.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void
be_slow(void)
{
	const char *text = getenv("SLOWSYNC_MS");
	long ms = text == NULL ? 0 : strtol(text, NULL, 10);
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	(void)nanosleep(&time, NULL);
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
