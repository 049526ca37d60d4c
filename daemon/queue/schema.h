/*
 * schema - the tables of queue.db and how they come to be
 *
 * Fails    -1 and *err_out in words for the administrator; the file is not changed then
 */
#ifndef POSTERN_QUEUE_SCHEMA_H
#define POSTERN_QUEUE_SCHEMA_H

#include "common/err.h"

struct sqlite3;

/* Sets the pragmas, takes the database for this process alone, checks that it is ours and sound,
 * makes the tables if it is new. */
__attribute__((warn_unused_result)) int schema_open(
    struct sqlite3 *db, const char *path, struct err *err_out);

#endif
