/*
 * dirs - the directories that the roles need, made or checked before they start
 *
 * Role     parent
 * Fails    -1 and *err_out, which names the directory and what to do
 *
 * state_dir   0700, owned by `user`         run_dir        0755
 * capture_dir 0700, owned by `net_user`     run_dir/empty  0555
 */
#ifndef POSTERN_PARENT_DIRS_H
#define POSTERN_PARENT_DIRS_H

#include "common/err.h"
#include "daemon/config/config.h"

#define DIRS_LOCKS 2

/* After outside_check_accounts(). What is made is logged. */
__attribute__((warn_unused_result)) int dirs_make(const struct config *config, struct err *err_out);
/* The locks that keep a second daemon off the same state_dir and run_dir: descriptors to keep open. */
__attribute__((warn_unused_result)) int dirs_lock(
    const struct config *config, int fds_out[static DIRS_LOCKS], struct err *err_out);
/* The listening socket for posternctl: 0660, group admin_group. */
int dirs_control_socket(const struct config *config, struct err *err_out);

/* The event of a file or directory that was made. */
void dirs_log_made(const char *path);

#endif
