/*
 * outside - what the config names outside of itself: accounts, certificates and keys, providers
 *
 * Role     parent, before it makes anything; `posternd -n`
 * Owns     nothing, and changes nothing
 * Fails    -1 and *err_out as `FILE:LINE: option: what is wrong and what is allowed`
 */
#ifndef POSTERN_PARENT_OUTSIDE_H
#define POSTERN_PARENT_OUTSIDE_H

#include "common/err.h"
#include "daemon/config/config.h"
#include "daemon/parent/warnings.h"

/* Started by root: both accounts and the admin group must be there, and neither account be root. */
__attribute__((warn_unused_result)) int outside_check_accounts(
    const struct config *config, struct err *err_out);

/* That certificates and keys can be read, belong together, and OpenSSL takes them. Their dates are
 * told to `warn`, unless it is NULL. */
__attribute__((warn_unused_result)) int outside_check_certificates(
    const struct config *config, warning_fn warn, struct err *err_out);
/* That the files with providers can be read and say what is allowed. */
__attribute__((warn_unused_result)) int outside_check_providers(
    const struct config *config, struct err *err_out);
/* False where only root may read them, and we are not. */
bool outside_may_read_certificates(const struct config *config);

#endif
