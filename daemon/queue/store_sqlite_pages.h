/*
 * store_sqlite_pages - copies a database that is open into a new file, 1 MiB at a time
 *
 * Owns     the copy's connection
 * Context  the thread that owns the database
 * Fails    -1 and *err_out; the copy is worth nothing then
 *
 * SQLite writes what the same connection commits meanwhile into the copy too, so it is the database
 * as it was when the last part was copied. The copy is neither journalled nor flushed: until somebody
 * has flushed it, it is worth nothing.
 */
#ifndef POSTERN_QUEUE_STORE_SQLITE_PAGES_H
#define POSTERN_QUEUE_STORE_SQLITE_PAGES_H

#include "common/err.h"

struct sqlite3;
struct pages_copy;

/* Makes the file, which must not be there. The database stays open until pages_copy_end(). */
__attribute__((warn_unused_result)) int pages_copy_begin(
    struct sqlite3 *from, const char *path, struct pages_copy **copy_out, struct err *err_out);
/* 1: that was the last part. */
__attribute__((warn_unused_result)) int pages_copy_part(
    struct pages_copy *copy, struct err *err_out);
void pages_copy_end(struct pages_copy *copy); /* NULL is allowed */

#endif
