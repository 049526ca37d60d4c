/*
 * files - reads what only the parent may read, for the roles
 *
 * Role     parent
 * Gives    FILE_KIND_COUNT bufs; files_fini() wipes them
 * Fails    the exit status (78 the config names a file that cannot be used, 71 anything else) and
 *          *err_out
 */
#ifndef POSTERN_PARENT_FILES_H
#define POSTERN_PARENT_FILES_H

#include "common/buf.h"
#include "common/err.h"
#include "daemon/config/config.h"

__attribute__((warn_unused_result)) int files_collect(
    struct buf *files, const struct config *config, struct err *err_out);
void files_fini(struct buf *files);

#endif
