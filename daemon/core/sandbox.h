/*
 * sandbox - the system calls a role may still make once it has started
 *
 * Role     each; sandbox_prepare() before start(), sandbox_load() right after it, before anything
 *          that came from a client, an upstream or a caller has been read
 * Context  loop; the filter holds for all threads that start() has made. No more can be made
 * Fails    -1 and *err_out: a role that cannot be shut in must not run
 *
 * What a role may call stands in sandbox_rules.c. A call that isn't there ends the process by
 * SIGSYS, after a line in the log that names it; the parent starts the role again. A role without
 * files of its own that opens one hears that there is none, as in an empty directory: libraries
 * look for files that need not be there.
 */
#ifndef POSTERN_CORE_SANDBOX_H
#define POSTERN_CORE_SANDBOX_H

#include "common/err.h"
#include "daemon/core/messages.h"

/* Why this build has no filter, or NULL if it has. Limits are set all the same. */
const char *sandbox_missing(void);
/* Lets libraries read now what they would look for later. */
void sandbox_prepare(void);
__attribute__((warn_unused_result)) int sandbox_load(enum role role, struct err *err_out);

#endif
