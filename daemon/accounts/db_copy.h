/*
 * db_copy - a copy of a database that is open, for db.c
 *
 * Context  loop
 * Fails    -1 and *err_out; what there is of the copy is worth nothing
 */
#ifndef POSTERN_ACCOUNTS_DB_COPY_H
#define POSTERN_ACCOUNTS_DB_COPY_H

#include "common/err.h"

struct sqlite3;

/* Makes the file, which must not be there; it is whole and on disk on return. */
__attribute__((warn_unused_result)) int db_copy_to(
    struct sqlite3 *from, const char *path, struct err *err_out);

#endif
