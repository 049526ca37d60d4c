/*
 * child - starts the process of a role
 *
 * Role     parent
 * Gives    a running process and the parent's end of its link
 * Fails    -1 and *err_out
 *
 * fork and exec of the same open binary: a package upgrade cannot mix versions, and no two roles
 * share the layout of their address space. The role gets three descriptors: its link, and the log
 * as stdout and stderr; nothing else is inherited.
 */
#ifndef POSTERN_PARENT_CHILD_H
#define POSTERN_PARENT_CHILD_H

#include "common/err.h"
#include "daemon/core/messages.h"

#include <sys/types.h>

/* The descriptor at which a role finds its link. */
#define CHILD_LINK_FD 3

/* Opens the running program for later. */
int child_open_program(struct err *err_out);

__attribute__((warn_unused_result)) int child_spawn(int program_fd, enum role role, unsigned index,
    int log_fd, pid_t *pid_out, int *link_fd_out, struct err *err_out);

#endif
