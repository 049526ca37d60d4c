/*
 * store_sqlite_join - an SQLite VFS that writes a commit to the write-ahead log in one go
 *
 * SQLite writes two pieces for each page of a commit, a header and the page, which follow one another
 * in the file. Here they wait in memory until the log is flushed or anything else is asked of it, and
 * are one system call. Nothing counts as committed before that flush, and what SQLite wrote before
 * it, in which order, was never known to be on disk: so a crash leaves no other files than before. A
 * write that fails shows at the flush.
 *
 * Role     queue; the store's own connection only
 * Owns     JOIN_BYTES for each open log
 * Context  storage
 */
#ifndef POSTERN_QUEUE_STORE_SQLITE_JOIN_H
#define POSTERN_QUEUE_STORE_SQLITE_JOIN_H

#include <sqlite3.h>

/* SQLite's VFS takes no more than 0x1ffff at a time. */
#define JOIN_BYTES (124u * 1024)

/* The name to open a database with: what lies below is `unix-excl`. NULL: SQLite has no such VFS. */
const char *join_vfs(void);

/* The file below, to write to it directly. Any other file is its own. */
sqlite3_file *join_below(sqlite3_file *file);

#endif
