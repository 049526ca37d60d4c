/*
 * setclock - loaded before the C library (LD_PRELOAD), sets a role's wall clock
 *
 * By how many seconds stands in the file `clock` of the role's own directory; it may change at any
 * time, as a clock may. The monotonic clock stays as it is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long
shift_seconds(void)
{
	char text[32];
	int file = open("clock", O_RDONLY | O_CLOEXEC);
	ssize_t size;

	if (file < 0)
		return 0;
	size = read(file, text, sizeof(text) - 1);
	(void)close(file);
	text[size > 0 ? size : 0] = '\0';
	return atol(text);
}

int
clock_gettime(clockid_t id, struct timespec *now)
{
	int (*call)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
	int result = call(id, now);

	if (id == CLOCK_REALTIME && result == 0)
		now->tv_sec += shift_seconds();
	return result;
}
