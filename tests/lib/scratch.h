/*
 * scratch - a directory of a test's own, below $TMPDIR or else /tmp
 *
 * Databases are made in it: where TMPDIR is a tmpfs, their flushes take no time.
 *
 * Owns     nothing: the test removes its directory
 */
#ifndef POSTERN_TESTS_SCRATCH_H
#define POSTERN_TESTS_SCRATCH_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Also sockets have to fit below it. */
#define SCRATCH_SIZE 64

/* Makes it, and writes its path; whether it could. */
static inline bool
scratch_make(char path[SCRATCH_SIZE], const char *name)
{
	const char *place = getenv("TMPDIR");
	int size = place == NULL
		       ? SCRATCH_SIZE
		       : snprintf(path, SCRATCH_SIZE, "%s/postern-%s-XXXXXX", place, name);

	if (size >= SCRATCH_SIZE)
		(void)snprintf(path, SCRATCH_SIZE, "/tmp/postern-%s-XXXXXX", name);
	return mkdtemp(path) != NULL;
}

#endif
