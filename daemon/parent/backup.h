/*
 * backup - the end of a backup: seal.key is added, and it gets its name
 *
 * Role     parent
 * Fails    -1 and *err_out; what there is stays partial then
 */
#ifndef POSTERN_PARENT_BACKUP_H
#define POSTERN_PARENT_BACKUP_H

#include "common/buf.h"
#include "common/err.h"

/* `name` is a valid one (core/backup_name.h); queue and accounts have added their parts. */
__attribute__((warn_unused_result)) int backup_complete(
    const char *state_dir, const char *name, const struct buf *seal_key, struct err *err_out);

#endif
