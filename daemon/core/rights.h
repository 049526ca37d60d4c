/*
 * rights - what a role gives up before it reads anything from a client, an upstream or a caller
 *
 * Role     each, once, between prepare() and start()
 * Fails    -1 and *err_out: a role that cannot give up its rights must not run
 *
 * Started by root: the role's account and a chroot. Started by an ordinary user: only the change of
 * directory. In both cases no capabilities, no new privileges, and not dumpable, so that nobody but
 * root may look into the process.
 */
#ifndef POSTERN_CORE_RIGHTS_H
#define POSTERN_CORE_RIGHTS_H

#include "common/err.h"
#include "daemon/config/config.h"
#include "daemon/core/messages.h"

/* The directory that `role` lives in (caller frees): state_dir for the owners of the databases,
 * capture_dir for relay, an empty one for the others. */
char *rights_directory(enum role role, const struct config *config);
/* The account's name, borrowed from the config. */
const char *rights_account(enum role role, const struct config *config);

__attribute__((warn_unused_result)) int rights_drop(
    enum role role, const struct config *config, struct err *err_out);

#endif
