/*
 * faultvfs - an SQLite VFS in front of the real one whose writes and flushes can be made to fail
 *
 * Context  any thread; the switches are atomic
 */
#ifndef POSTERN_TESTS_FAULTVFS_H
#define POSTERN_TESTS_FAULTVFS_H

#include <stdbool.h>

/* Makes it the default VFS of this process, and the one that the store asks for. */
void faultvfs_install(void);
/* The n-th write, or flush, from now on fails with an I/O error, and every one behind it;
 * 0: none does. */
void faultvfs_fail_write(unsigned nth);
void faultvfs_fail_sync(unsigned nth);
/* Writes that would make a file longer than this fail for want of room; 0: none do. */
void faultvfs_set_quota(long bytes);
/* Flushes of a database fail, those of its log don't. */
void faultvfs_fail_checkpoints(bool fails);

#endif
