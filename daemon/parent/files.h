/*
 * files - reads what only the parent may read, for the roles
 *
 * Role     parent
 * Gives    the files; files_fini() wipes them
 * Fails    the exit status (78 the config names a file that cannot be used, 71 anything else) and
 *          *err_out
 */
#ifndef POSTERN_PARENT_FILES_H
#define POSTERN_PARENT_FILES_H

#include "common/buf.h"
#include "common/err.h"
#include "daemon/config/config.h"
#include "daemon/core/values.h"
#include "daemon/parent/keypair.h"

struct files {
	struct buf of[FILE_KIND_COUNT]; /* all kinds but certificates and keys */
	struct keypair *pairs;          /* in the order of the config, or our own */
	unsigned pair_count;
};

__attribute__((warn_unused_result)) int files_collect(
    struct files *files, const struct config *config, struct err *err_out);
/* Only the certificates and keys that the config names, if it names any. */
__attribute__((warn_unused_result)) int files_collect_pairs(
    struct files *files, const struct config *config, struct err *err_out);
/* What is known of providers: the file that came along, if it is there, and the config's. */
__attribute__((warn_unused_result)) int files_collect_providers(
    struct files *files, const struct config *config, struct err *err_out);
/* Keys of session tickets outlive a reload, and so do the tickets. */
void files_keep_tickets(struct files *files, struct files *old);
void files_fini(struct files *files);

#endif
